/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings of a back end: told by messages, notified by eventfds. */
#include "vhost_user.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <vio/device.h>

enum {
	FAREWELL_MS = 1000, /* for the back end to close what it does not answer on */
	/* a packed ring's beginning: entry 0, wrap counter 1, on both sides */
	PACKED_BASE = (int)0x80008000u,
};

static int open_event(int *fd, struct vhost_user *vu, struct vio_error *err)
{
	if (*fd < 0) {
		*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	return *fd < 0 ? vio_fail(err, -ENOMEM, "%s: no eventfd (%s)", vu->base.t.name,
				  strerror(errno))
		       : 0;
}

/* They outlive a connection: other threads use them. */
static int open_events(struct vhost_user *vu, uint16_t index, struct vio_error *err)
{
	struct viot_interrupt *interrupt = &vu->base.interrupt;
	int rc = viot_interrupt_open_timer(interrupt, index, vu->base.t.name, err);

	if (rc == 0) {
		rc = open_event(&vu->kick[index], vu, err);
	}
	return rc < 0 ? rc
		      : open_event(&interrupt->vector[viot_vector_of(interrupt, index)], vu, err);
}

static int send_state(struct vhost_user *vu, enum vu_request request, uint16_t index, uint32_t num,
		      struct vio_error *err)
{
	struct vu_message message;

	viot_vu_make_state(&message, request, index, num);
	return viot_vu_call(&vu->connection, &message, -1, NULL, err);
}

static int send_event(struct vhost_user *vu, enum vu_request request, uint16_t index, int fd,
		      struct vio_error *err)
{
	struct vu_message message;

	viot_vu_make_u64(&message, request, index);
	return viot_vu_call(&vu->connection, &message, fd, NULL, err);
}

static int send_memory(struct vhost_user *vu, struct vio_error *err)
{
	const struct vio_dma *dma = vu->base.t.dma;
	struct vu_message message;
	int rc;

	if (vu->knows_memory) {
		return 0;
	}
	viot_vu_make_memory(&message, viot_vu_has(vu, VU_F_CONFIGURE_MEM_SLOTS), VU_MEMORY_BASE,
			    dma->size);
	rc = viot_vu_call(&vu->connection, &message, viot_vu_memory_file(dma), NULL, err);
	vu->knows_memory = rc == 0;
	return rc;
}

static int send_ring(struct vhost_user *vu, uint16_t index, const struct vio_ring_address *ring,
		     struct vio_error *err)
{
	bool is_packed = (vu->accepted & VIO_FEATURE(VIRTIO_F_RING_PACKED)) != 0;
	uint32_t base = is_packed ? (uint32_t)PACKED_BASE : 0;
	struct vu_message message;
	int rc = send_state(vu, VU_SET_VRING_NUM, index, ring->size, err);

	if (rc == 0) {
		rc = send_state(vu, VU_SET_VRING_BASE, index, base, err);
	}
	if (rc == 0) {
		viot_vu_make_address(&message, index, ring);
		rc = viot_vu_call(&vu->connection, &message, -1, NULL, err);
	}
	return rc;
}

int viot_vu_queue_setup(struct vio_transport *t, uint16_t index,
			const struct vio_ring_address *ring, struct vio_error *err)
{
	struct vhost_user *vu = viot_vu_of(t);
	struct viot_interrupt *interrupt = &vu->base.interrupt;
	int rc = open_events(vu, index, err);

	if (rc < 0 || (rc = send_memory(vu, err)) < 0 ||
	    (rc = send_ring(vu, index, ring, err)) < 0 ||
	    (rc = send_event(vu, VU_SET_VRING_CALL, index,
			     interrupt->vector[viot_vector_of(interrupt, index)], err)) < 0) {
		return rc;
	}
	/* from here on the back end may use it, whatever it answers */
	vu->is_started[index] = true;
	return send_event(vu, VU_SET_VRING_KICK, index, vu->kick[index], err);
}

int viot_vu_queues_enable(struct vhost_user *vu, struct vio_error *err)
{
	int rc = 0;

	for (uint16_t i = 0; rc == 0 && i < VIOT_QUEUES_MAX; i++) {
		if (vu->is_started[i]) {
			rc = send_state(vu, VU_SET_VRING_ENABLE, i, 1, err);
		}
	}
	return rc;
}

static int stop_one(struct vhost_user *vu, uint16_t index)
{
	struct vu_message message, reply;
	int rc;

	viot_vu_make_state(&message, VU_GET_VRING_BASE, index, 0);
	rc = viot_vu_call(&vu->connection, &message, -1, &reply, NULL);
	if (rc == 0) {
		vu->is_started[index] = false;
	}
	return rc;
}

/* A back end that is cut short finishes what it has begun, and closes the connection then. */
int viot_vu_queues_stop(struct vhost_user *vu)
{
	for (uint16_t i = 0; i < VIOT_QUEUES_MAX && vu->connection.usable; i++) {
		if (vu->is_started[i]) {
			stop_one(vu, i);
		}
	}
	if (vu->connection.usable) {
		return 0;
	}
	if (!viot_vu_give_up(&vu->connection, FAREWELL_MS)) {
		return -ETIMEDOUT;
	}
	viot_vu_disconnect(&vu->connection);
	memset(vu->is_started, 0, sizeof(vu->is_started));
	atomic_store(&vu->base.is_gone, true);
	return 0;
}

void viot_vu_queues_close(struct vhost_user *vu)
{
	for (unsigned i = 0; i < VIOT_QUEUES_MAX; i++) {
		if (vu->kick[i] >= 0) {
			close(vu->kick[i]);
		}
	}
}
