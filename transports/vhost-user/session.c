/* SPDX-License-Identifier: BSD-3-Clause */
/* From a socket to a device that can be negotiated with, and what it says meanwhile. */
#include "vhost_user.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_blk.h>

#include <vio/device.h>
#include <vio/log.h>

/* CONFIG is what makes it a device of its own; the rest is used where it is offered. */
#define PROTOCOL_FEATURES                                                                          \
	(UINT64_C(1) << VU_F_MQ | UINT64_C(1) << VU_F_REPLY_ACK |                                  \
	 UINT64_C(1) << VU_F_BACKEND_REQ | UINT64_C(1) << VU_F_CONFIG |                            \
	 UINT64_C(1) << VU_F_RESET_DEVICE | UINT64_C(1) << VU_F_CONFIGURE_MEM_SLOTS |              \
	 UINT64_C(1) << VU_F_STATUS)

#ifndef VIRTIO_BLK_F_ZONED
#define VIRTIO_BLK_F_ZONED 17 /* <linux/virtio_blk.h> of Linux 6.3 */
#endif

enum {
	NEWS_MAX = 16, /* chosen: at one time; more come with the next wake-up */
	END_MS = 100,  /* chosen: from the first to the last descriptor of a process */
};

static int get_u64(struct vhost_user *vu, enum vu_request request, uint64_t *value,
		   struct vio_error *err)
{
	struct vu_message message, reply;
	int rc;

	viot_vu_make(&message, request);
	rc = viot_vu_call(&vu->connection, &message, -1, &reply, err);
	if (rc == 0) {
		*value = reply.payload.u64;
	}
	return rc;
}

static int get_features(struct vhost_user *vu, struct vio_error *err)
{
	uint64_t offered = 0;
	int rc = get_u64(vu, VU_GET_FEATURES, &vu->features, err);

	if (rc == 0 && vu->features >> VU_F_PROTOCOL_FEATURES & 1) {
		rc = get_u64(vu, VU_GET_PROTOCOL_FEATURES, &offered, err);
	}
	if (rc < 0) {
		return rc;
	}
	vu->protocol_features = offered & PROTOCOL_FEATURES;
	if (!viot_vu_has(vu, VU_F_CONFIG)) {
		return vio_fail(err, -ENOTSUP,
				"vhost-user=%s: the back end does not show its device's "
				"configuration (protocol features 0x%llx, bit %d was expected)",
				vu->path, (unsigned long long)offered, VU_F_CONFIG);
	}
	return 0;
}

static int set_protocol(struct vhost_user *vu, struct vio_error *err)
{
	struct vu_message message;
	int rc;

	viot_vu_make_u64(&message, VU_SET_PROTOCOL_FEATURES, vu->protocol_features);
	rc = viot_vu_call(&vu->connection, &message, -1, NULL, err);
	if (rc == 0) {
		vu->connection.acks = viot_vu_has(vu, VU_F_REPLY_ACK);
		viot_vu_make(&message, VU_SET_OWNER);
		rc = viot_vu_call(&vu->connection, &message, -1, NULL, err);
	}
	return rc;
}

static int get_limits(struct vhost_user *vu, struct vio_error *err)
{
	uint64_t queues = 1, slots = 1;
	int rc = 0;

	if (viot_vu_has(vu, VU_F_MQ)) {
		rc = get_u64(vu, VU_GET_QUEUE_NUM, &queues, err);
	}
	if (rc == 0 && viot_vu_has(vu, VU_F_CONFIGURE_MEM_SLOTS)) {
		rc = get_u64(vu, VU_GET_MAX_MEM_SLOTS, &slots, err);
	}
	if (rc == 0 && (queues == 0 || slots == 0)) {
		return vio_fail(err, -EPROTO,
				"vhost-user=%s: the back end has %llu queues and room for %llu "
				"pieces of memory: 1 or more of each were expected",
				vu->path, (unsigned long long)queues, (unsigned long long)slots);
	}
	vu->queues = queues < VIOT_QUEUES_MAX ? (uint16_t)queues : VIOT_QUEUES_MAX;
	return rc;
}

static int open_channel(struct vhost_user *vu, struct vio_error *err)
{
	struct vu_message message;
	int ends[2], rc;

	if (!viot_vu_has(vu, VU_F_BACKEND_REQ)) {
		return 0;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		return vio_fail(err, -ENOMEM, "vhost-user=%s: no socket (%s)", vu->path,
				strerror(errno));
	}
	vu->connection.channel = ends[0];
	viot_vu_make(&message, VU_SET_BACKEND_REQ_FD);
	rc = viot_vu_call(&vu->connection, &message, ends[1], NULL, err);
	close(ends[1]);
	return rc;
}

static int watch(const struct vhost_user *vu, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events};

	return fd < 0 ? 0 : epoll_ctl(vu->base.interrupt.events, EPOLL_CTL_ADD, fd, &event);
}

static int watch_all(const struct vhost_user *vu, struct vio_error *err)
{
	if (watch(vu, vu->connection.socket, EPOLLRDHUP) < 0 ||
	    watch(vu, vu->connection.channel, EPOLLIN) < 0) {
		return vio_fail(err, -ENOMEM, "vhost-user=%s: no epoll (%s)", vu->path,
				strerror(errno));
	}
	return 0;
}

int viot_vu_session_open(struct vhost_user *vu, struct vio_error *err)
{
	int rc = viot_vu_connect(&vu->connection, err);

	if (rc < 0 || (rc = get_features(vu, err)) < 0 || (rc = set_protocol(vu, err)) < 0 ||
	    (rc = get_limits(vu, err)) < 0 || (rc = open_channel(vu, err)) < 0 ||
	    (rc = watch_all(vu, err)) < 0) {
		viot_vu_disconnect(&vu->connection);
		return rc;
	}
	vu->knows_memory = false;
	memset(vu->is_started, 0, sizeof(vu->is_started));
	vu->config_size = 0;
	vu->generation++;
	atomic_store(&vu->base.is_gone, false);
	return 0;
}

void viot_vu_lose(struct vhost_user *vu)
{
	viot_vu_give_up(&vu->connection, 0);
	atomic_store(&vu->base.is_gone, true);
}

/* Back ends refuse to tell more than they know of; what they offer shows how much that is. */
static size_t largest_config(const struct vhost_user *vu)
{
	if (vu->features & VIO_FEATURE(VIRTIO_BLK_F_ZONED)) {
		return 96;
	}
	return vu->features & VIO_FEATURE(VIRTIO_BLK_F_SECURE_ERASE) ? 72 : 60;
}

static int ask_config(struct vhost_user *vu, size_t size, struct vio_error *err)
{
	struct vu_message message, reply;
	int rc = viot_vu_make_config(&message, 0, NULL, size);

	if (rc == 0) {
		rc = viot_vu_call(&vu->connection, &message, -1, &reply, err);
	}
	if (rc < 0) {
		return rc;
	}
	rc = viot_vu_take_config(&reply, vu->config, size);
	if (rc == -EPROTO) {
		return vio_fail(err, rc,
				"vhost-user=%s: the back end was asked for %zu bytes of "
				"configuration and sends others",
				vu->path, size);
	}
	vu->config_size = rc == 0 ? size : 0;
	return rc;
}

int viot_vu_session_config(struct vhost_user *vu, struct vio_error *err)
{
	const size_t sizes[] = {largest_config(vu), 60, 36, 24, 8};
	int rc = vu->config_size ? 0 : -ENOTSUP;

	for (unsigned i = 0; rc == -ENOTSUP && i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rc = ask_config(vu, sizes[i], err);
	}
	return rc == -ENOTSUP ? vio_fail(err, rc,
					 "vhost-user=%s: the back end tells nothing of its "
					 "device's configuration",
					 vu->path)
			      : rc;
}

unsigned viot_vu_session_news(struct vhost_user *vu)
{
	unsigned news = 0;
	int request = 0;

	for (int i = 0; i < NEWS_MAX && (request = viot_vu_take_request(&vu->connection)) > 0;
	     i++) {
		if (request == VU_BACKEND_CONFIG_CHANGE) {
			vu->generation++;
			vu->config_size = 0;
			news |= VIO_EVENT_CONFIG;
		}
	}
	/* a process that ends closes one descriptor after the other */
	if (request < 0 && !viot_vu_ends_within(&vu->connection, END_MS)) {
		vio_log(VIO_LOG_WARN,
			"%s: the back end closed its channel, or sent nonsense on it: changes of "
			"the configuration will not be noticed",
			vu->base.t.name);
	}
	if (viot_vu_has_ended(&vu->connection) && !atomic_load(&vu->base.is_gone)) {
		viot_vu_lose(vu);
		news |= VIO_EVENT_GONE;
	}
	return news;
}
