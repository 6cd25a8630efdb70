/* SPDX-License-Identifier: BSD-3-Clause */
/* The registers that such a device does not have: kept here, or asked for by messages. */
#include "vhost_user.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include <vio/device.h>
#include <vio/log.h>

enum {
	GONE = 0xff,
	ANSWER_MS = 5000,
	RETURN_MS = 1000, /* for one that is asked whether it is back: there is another time */
	NAME_MAX_SHOWN = 28,
};

/* What goes wrong here is told once, and seen by the library as a device that is gone. */
static bool send_or_lose(struct vhost_user *vu, struct vu_message *message)
{
	struct vio_error err;
	int rc = viot_vu_call(&vu->connection, message, -1, NULL, &err);

	if (rc < 0) {
		vio_log(VIO_LOG_WARN, "%s", err.text);
	}
	if (rc < 0 && rc != -EIO) {
		viot_vu_lose(vu);
	}
	return rc == 0;
}

static bool is_gone(const struct vhost_user *vu)
{
	return atomic_load(&vu->base.is_gone);
}

/* A back end that has returned is a new device, of which nothing has been asked yet. */
static void look_for_return(struct vhost_user *vu)
{
	struct vio_error err;

	if (!viot_vu_has_ended(&vu->connection)) {
		return;
	}
	viot_vu_disconnect(&vu->connection);
	vu->connection.timeout_ms = RETURN_MS;
	if (viot_vu_session_open(vu, &err) == 0) {
		vu->status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
		vio_log(VIO_LOG_DEBUG, "%s: the back end takes connections again", vu->base.t.name);
	} else {
		vu->status = GONE;
		vio_log(VIO_LOG_DEBUG, "%s", err.text);
	}
	vu->connection.timeout_ms = ANSWER_MS;
}

static uint64_t vu_get_features(struct vio_transport *t)
{
	struct vhost_user *vu = viot_vu_of(t);
	uint64_t own = VIO_FEATURE(VU_F_PROTOCOL_FEATURES) | VIO_FEATURE(VU_F_LOG_ALL);

	if (is_gone(vu)) {
		look_for_return(vu);
	}
	return is_gone(vu) ? UINT64_MAX : vu->features & ~own;
}

static void vu_set_features(struct vio_transport *t, uint64_t features)
{
	struct vhost_user *vu = viot_vu_of(t);
	struct vu_message message;

	vu->accepted = features;
	viot_vu_make_u64(&message, VU_SET_FEATURES, features | VIO_FEATURE(VU_F_PROTOCOL_FEATURES));
	if (!is_gone(vu)) {
		vu->are_features_refused = !send_or_lose(vu, &message);
	}
}

/* The back end's own word, where it has one: what it does not confirm is not set. */
static void ask_status(struct vhost_user *vu)
{
	struct vu_message message, reply;
	struct vio_error err;

	if (!viot_vu_has(vu, VU_F_STATUS) || vu->status == 0) {
		return;
	}
	viot_vu_make(&message, VU_GET_STATUS);
	if (viot_vu_call(&vu->connection, &message, -1, &reply, &err) < 0) {
		vio_log(VIO_LOG_WARN, "%s", err.text);
		viot_vu_lose(vu);
	} else {
		vu->status = (uint8_t)reply.payload.u64;
	}
}

static uint8_t vu_get_status(struct vio_transport *t)
{
	struct vhost_user *vu = viot_vu_of(t);

	if (!is_gone(vu) && viot_vu_has_ended(&vu->connection)) {
		viot_vu_lose(vu);
	}
	if (!is_gone(vu) && vu->connection.usable) {
		ask_status(vu);
	}
	return is_gone(vu) && vu->status != 0 ? GONE : vu->status;
}

static void tell_status(struct vhost_user *vu)
{
	struct vu_message message;

	if (viot_vu_has(vu, VU_F_STATUS) && vu->connection.usable) {
		viot_vu_make_u64(&message, VU_SET_STATUS, vu->status);
		send_or_lose(vu, &message);
	}
}

/* Blocks until the back end has let go of every ring, or for as long as a reset may take. */
static void reset(struct vhost_user *vu)
{
	struct vu_message message;

	if (viot_vu_queues_stop(vu) < 0) {
		return;
	}
	vu->status = 0;
	vu->are_features_refused = false;
	tell_status(vu);
	if (viot_vu_has(vu, VU_F_RESET_DEVICE) && vu->connection.usable) {
		viot_vu_make(&message, VU_RESET_DEVICE);
		send_or_lose(vu, &message);
	}
}

static bool start(struct vhost_user *vu)
{
	struct vio_error err;

	if (viot_vu_queues_enable(vu, &err) == 0) {
		return true;
	}
	vio_log(VIO_LOG_WARN, "%s", err.text);
	return false;
}

static void vu_set_status(struct vio_transport *t, uint8_t status)
{
	struct vhost_user *vu = viot_vu_of(t);

	if (status == 0) {
		reset(vu);
		return;
	}
	if (is_gone(vu)) {
		return;
	}
	if (vu->are_features_refused) {
		status &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	}
	if ((status & ~vu->status & VIRTIO_CONFIG_S_DRIVER_OK) && !start(vu)) {
		status &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	}
	vu->status = status;
	tell_status(vu);
}

/* All of it is asked for at once, and kept until the back end says that it changed. */
static int vu_config_read(struct vio_transport *t, size_t offset, void *buffer, size_t size)
{
	struct vhost_user *vu = viot_vu_of(t);
	struct vio_error err;
	int rc;

	if (is_gone(vu)) {
		return -ENODEV;
	}
	rc = viot_vu_session_config(vu, &err);
	if (rc < 0) {
		vio_log(VIO_LOG_WARN, "%s", err.text);
		viot_vu_lose(vu);
		return -ENODEV;
	}
	if (size > vu->config_size || offset > vu->config_size - size) {
		return -EINVAL;
	}
	memcpy(buffer, vu->config + offset, size);
	return 0;
}

static int vu_config_write(struct vio_transport *t, size_t offset, const void *buffer, size_t size)
{
	struct vhost_user *vu = viot_vu_of(t);
	struct vu_message message;
	int rc = viot_vu_make_config(&message, offset, buffer, size);

	if (rc == 0 && !is_gone(vu)) {
		vu->config_size = 0;
		rc = send_or_lose(vu, &message) ? 0 : -EINVAL;
	}
	return rc;
}

static uint32_t vu_config_generation(struct vio_transport *t)
{
	struct vhost_user *vu = viot_vu_of(t);

	if (!is_gone(vu)) {
		viot_vu_session_news(vu);
	}
	return vu->generation;
}

static uint16_t vu_queue_max_size(struct vio_transport *t, uint16_t index)
{
	return index < viot_vu_of(t)->queues ? VU_QUEUE_SIZE_MAX : 0;
}

/* Full, it says already all that there is to say. */
static void vu_notify(struct vio_transport *t, uint16_t index, uint32_t value)
{
	const uint64_t one = 1;
	ssize_t ignored = write(viot_vu_of(t)->kick[index], &one, sizeof(one));

	(void)value;
	(void)ignored;
}

static unsigned vu_wait_ack(struct vio_transport *t, uint16_t index)
{
	struct vhost_user *vu = viot_vu_of(t);
	unsigned news;

	if (index != VIO_WAIT_EVENTS) {
		return viot_base_wait_ack(t, index);
	}
	news = viot_vu_session_news(vu);
	if (is_gone(vu) && viot_vu_has_ended(&vu->connection)) {
		viot_vu_disconnect(&vu->connection); /* or it would be news for ever */
		news |= VIO_EVENT_GONE;
	}
	return news;
}

/* Not confirmed: it may still write to what is ours, which becomes nobody else's memory. */
static void vu_cut_off(struct vio_transport *t)
{
	viot_vu_give_up(&viot_vu_of(t)->connection, 0);
}

static void vu_close(struct vio_transport *t)
{
	struct vhost_user *vu = viot_vu_of(t);

	viot_base_quiesce(&vu->base);
	viot_vu_disconnect(&vu->connection);
	viot_vu_queues_close(vu);
	viot_base_release(&vu->base);
	free(vu);
}

/* The path in a form that is a file's name, and a number that tells equal ones apart. */
static void name_it(struct vio_transport *t, const char *path)
{
	const char *file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	char *whole = realpath(path, NULL);
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
	char shown[NAME_MAX_SHOWN + 1];

	for (const char *c = whole ? whole : path; *c; c++) {
		hash = (hash ^ (uint8_t)*c) * UINT64_C(1099511628211);
	}
	free(whole);
	snprintf(shown, sizeof(shown), "%.*s", NAME_MAX_SHOWN, file);
	for (char *c = shown; *c; c++) {
		if (!isalnum((unsigned char)*c) && *c != '.' && *c != '-') {
			*c = '_';
		}
	}
	snprintf(t->name, sizeof(t->name), "vhost-user-%s-%016llx", shown,
		 (unsigned long long)hash);
}

static int prepare(struct vhost_user *vu, const struct viot_options *options, struct vio_error *err)
{
	struct viot_interrupt *interrupt = &vu->base.interrupt;
	int rc;

	interrupt->kind = VIOT_VECTORS;
	interrupt->vector_count = VIOT_VECTORS_MAX;
	interrupt->events = epoll_create1(EPOLL_CLOEXEC);
	if (interrupt->events < 0) {
		return vio_fail(err, -ENOMEM, "%s: no epoll (%s)", vu->base.t.name,
				strerror(errno));
	}
	rc = viot_vu_memory_open(&vu->base.t.dma, viot_dma_size(options), err);
	return rc < 0 ? rc : viot_vu_session_open(vu, err);
}

static struct vhost_user *make(const char *path, const struct viot_options *options)
{
	struct vhost_user *vu = calloc(1, sizeof(*vu));
	struct vio_transport *t;

	if (!vu) {
		return NULL;
	}
	viot_base_init(&vu->base);
	vu->base.is_harmless = true; /* see memory.c */
	vu->connection = (struct vu_connection){
		.socket = -1, .channel = -1, .timeout_ms = ANSWER_MS, .name = vu->path};
	snprintf(vu->path, sizeof(vu->path), "%s", path);
	for (unsigned i = 0; i < VIOT_QUEUES_MAX; i++) {
		vu->kick[i] = -1;
	}
	t = &vu->base.t;
	t->ops = &viot_vu_ops;
	t->device_type = options->device_type ? options->device_type : VIRTIO_ID_BLOCK;
	t->refused_features = VIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM); /* there is no IOMMU */
	t->ring_align = 4;
	t->interrupts = options->interrupts != VIOT_INTERRUPTS_POLL;
	t->wake_up = t->interrupts ? "an eventfd for each queue" : "polled";
	t->may_return = true;
	t->reset_timeout_ms = ANSWER_MS;
	name_it(t, path);
	return vu;
}

int viot_vhost_user_open(struct vio_transport **out, const struct viot_address *address,
			 const struct viot_options *options, struct vio_error *err)
{
	struct vhost_user *vu;
	int rc;

	if (options->interrupts != VIOT_INTERRUPTS_AUTO &&
	    options->interrupts != VIOT_INTERRUPTS_POLL) {
		return vio_fail(err, -ENOTSUP,
				"vhost-user=%s: its interrupts are eventfds: interrupts=auto or "
				"interrupts=poll was expected",
				address->vhost_user);
	}
	vu = make(address->vhost_user, options);
	if (!vu) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	rc = prepare(vu, options, err);
	if (rc < 0) {
		vu_close(&vu->base.t);
		return rc;
	}
	*out = &vu->base.t;
	return 0;
}

const struct vio_transport_ops viot_vu_ops = {
	.get_features = vu_get_features,
	.set_features = vu_set_features,
	.get_status = vu_get_status,
	.set_status = vu_set_status,
	.config_read = vu_config_read,
	.config_write = vu_config_write,
	.config_generation = vu_config_generation,
	.queue_max_size = vu_queue_max_size,
	.queue_setup = viot_vu_queue_setup,
	.notify = vu_notify,
	.wait_fd = viot_base_wait_fd,
	.wait_arm = viot_base_wait_arm,
	.wait_ack = vu_wait_ack,
	.wait_by_timer = viot_base_wait_by_timer,
	.cut_off = vu_cut_off,
	.close = vu_close,
};
