/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One queue is reset while the device and its other queues go on (VirtIO 1.2, 2.6.1); or
 * the device offers that and does not do it, as QEMU's MMIO.
 *
 * A block device by hand, on <vio/queue.h>: a request at a time on each queue, which it
 * sleeps for, and chains that the device has never been told of for the reset to give
 * back. Chains that it works on are not tried: nothing in QEMU 7.2 tells its disks of a
 * queue's reset, so they finish them afterwards.
 */
#include "ring_check.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include <vio/device.h>
#include <vio/queue.h>

enum {
	ROUNDS = 40,
	SECTORS = 8,
	SIZE = SECTORS * CHECK_SECTOR,
	LEFT = 3,              /* chains for a reset to give back */
	NOT_DONE_MS_MIN = 900, /* queue.h: it is bounded by 1 s */
	NOT_DONE_MS_MAX = 5000,
};

struct bench {
	struct vio_transport *t;
	const struct check_options *options;
	struct vio_device *device;
	struct vio_queue *queues[CHECK_QUEUES_MAX];
	struct vio_dma_memory buffers[CHECK_QUEUES_MAX];
	uint32_t number;
	struct vio_error err;
};

static unsigned now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned)now.tv_sec * 1000 + (unsigned)(now.tv_nsec / 1000000);
}

static bool complain(const struct bench *b, const char *what)
{
	return check_failed(0, "%s: %s", what, b->err.text);
}

static bool open_queue(struct bench *b, uint16_t index)
{
	const struct vio_queue_options how = {.size = (uint16_t)b->options->queue_size,
					      .header_size = sizeof(struct virtio_blk_outhdr),
					      .footer_size = 1,
					      .indirect_segments = 1};

	if (vio_queue_open(&b->queues[index], b->device, index, &how, &b->err) < 0 ||
	    vio_dma_alloc(b->t->dma, SIZE, 4096, &b->buffers[index], &b->err) < 0) {
		return complain(b, "a queue");
	}
	return true;
}

static bool open_all(struct bench *b)
{
	const uint64_t wanted =
		VIO_FEATURE(VIRTIO_F_VERSION_1) | VIO_FEATURE(VIRTIO_F_RING_PACKED) |
		VIO_FEATURE(VIRTIO_F_IN_ORDER) | VIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) |
		VIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | VIO_FEATURE(VIRTIO_BLK_F_MQ);
	const struct vio_device_wishes wishes = {
		.device_type = VIRTIO_ID_BLOCK,
		.wanted = wanted,
		.required = b->options->required_features | VIO_FEATURE(VIRTIO_F_RING_RESET),
		.refused = b->options->refused_features,
	};

	if (vio_device_open(&b->device, b->t, &wishes, &b->err) < 0) {
		return complain(b, "the device");
	}
	check_print_features(vio_device_features(b->device));
	for (uint16_t i = 0; i < b->options->queues; i++) {
		if (!open_queue(b, i)) {
			return false;
		}
	}
	return vio_device_start(b->device, &b->err) == 0 || complain(b, "the start");
}

static void close_all(struct bench *b)
{
	vio_device_close(b->device);
	for (uint16_t i = 0; i < b->options->queues; i++) {
		vio_queue_close(b->queues[i]);
		vio_dma_free(b->t->dma, &b->buffers[i]);
	}
}

/* Each queue has sectors of its own. */
static uint32_t sector_of(const struct bench *b, uint16_t index)
{
	return b->options->first + index * SECTORS;
}

/* The chain's number, or a negative errno. */
static int add(struct bench *b, uint16_t index, uint32_t type)
{
	struct vio_queue *queue = b->queues[index];
	int id = vio_queue_next(queue);
	struct virtio_blk_outhdr *header = id < 0 ? NULL : vio_queue_header(queue, (uint16_t)id);
	struct vio_segment segment;

	if (!header || !vio_dma_lookup(b->t->dma, b->buffers[index].addr, SIZE, &segment)) {
		return id < 0 ? id : -EFAULT;
	}
	*header = (struct virtio_blk_outhdr){.type = htole32(type),
					     .sector = htole64(sector_of(b, index))};
	*(volatile uint8_t *)vio_queue_footer(queue, (uint16_t)id) = 0xff;
	return vio_queue_add(queue, &segment, type == VIRTIO_BLK_T_OUT, type == VIRTIO_BLK_T_IN);
}

/* What was asked for beforehand: an interrupt, or the timer. */
static bool await_answer(struct vio_queue *queue, struct vio_queue_used *used)
{
	struct pollfd wait = {.fd = vio_queue_wait_fd(queue), .events = POLLIN};
	bool is_there = false;
	int n = 0;

	while (n == 0) {
		if (!is_there && poll(&wait, 1, CHECK_WAIT_MS) <= 0) {
			return check_failed(0, "no interrupt within %d ms", CHECK_WAIT_MS);
		}
		vio_queue_wait_ack(queue);
		n = vio_queue_reap(queue, used, 1);
		is_there = n == 0 && vio_queue_wait_arm(queue);
	}
	return n > 0 || check_failed(n, "%s", vio_queue_fault(queue));
}

/* One request, from end to end. */
static bool transfer(struct bench *b, uint16_t index, uint32_t type)
{
	struct vio_queue *queue = b->queues[index];
	struct vio_queue_used used;
	int id = add(b, index, type);

	if (id < 0) {
		return check_failed(id, "queue %u takes no chain", index);
	}
	vio_queue_wait_arm(queue);
	vio_queue_kick(queue);
	if (!await_answer(queue, &used)) {
		return check_failed(0, "queue %u does not work", index);
	}
	return (used.id == id &&
		*(volatile uint8_t *)vio_queue_footer(queue, used.id) == VIRTIO_BLK_S_OK) ||
	       check_failed(0, "queue %u: chain %u came back, not %d, or failed", index, used.id,
			    id);
}

/* What is written comes back. */
static bool works(struct bench *b, uint16_t index)
{
	char *buffer = b->buffers[index].addr, expected[SIZE];

	b->number += SECTORS;
	check_fill(expected, SECTORS, b->number);
	memcpy(buffer, expected, SIZE);
	if (!transfer(b, index, VIRTIO_BLK_T_OUT)) {
		return false;
	}
	memset(buffer, 0, SIZE);
	if (!transfer(b, index, VIRTIO_BLK_T_IN)) {
		return false;
	}
	return memcmp(buffer, expected, SIZE) == 0 ||
	       check_failed(0, "queue %u: what was read is not what was written", index);
}

static bool all_work_but(struct bench *b, uint16_t index)
{
	for (uint16_t i = 0; i < b->options->queues; i++) {
		if (i != index && !works(b, i)) {
			return false;
		}
	}
	return true;
}

static bool all_work(struct bench *b)
{
	return all_work_but(b, UINT16_MAX);
}

static bool leave_chains(struct bench *b, uint16_t index)
{
	for (int i = 0; i < LEFT; i++) {
		int id = add(b, index, VIRTIO_BLK_T_IN);

		if (id < 0) {
			return check_failed(id, "queue %u takes no chain", index);
		}
	}
	return true;
}

static bool take_chains(struct bench *b, uint16_t index, int expected)
{
	int taken = 0;

	while (vio_queue_take(b->queues[index]) >= 0) {
		taken++;
	}
	return taken == expected || check_failed(0, "queue %u gave back %d chains instead of %d",
						 index, taken, expected);
}

static bool reset_one(struct bench *b, uint16_t index)
{
	if (!leave_chains(b, index)) {
		return false;
	}
	if (vio_queue_reset(b->queues[index], &b->err) < 0) {
		return complain(b, "the queue's reset");
	}
	if (!take_chains(b, index, LEFT) || !all_work_but(b, index)) {
		return false;
	}
	return vio_queue_reopen(b->queues[index], &b->err) == 0 || complain(b, "its return");
}

bool check_reset(struct vio_transport *t, const struct check_options *options)
{
	struct bench b = {.t = t, .options = options, .number = options->number};
	bool is_good = open_all(&b) && all_work(&b);

	for (unsigned i = 0; i < ROUNDS && is_good; i++) {
		is_good = reset_one(&b, (uint16_t)(i % options->queues)) && all_work(&b);
	}
	close_all(&b);
	return is_good;
}

static bool is_not_done(struct bench *b)
{
	unsigned start = now_ms(), took;
	int rc = vio_queue_reset(b->queues[0], &b->err);

	took = now_ms() - start;
	printf("the queue's reset ends after %u ms: %s\n", took, rc ? b->err.text : "done");
	return (rc == -ETIMEDOUT && took >= NOT_DONE_MS_MIN && took <= NOT_DONE_MS_MAX) ||
	       check_failed(rc, "-ETIMEDOUT after %d to %d ms was expected", NOT_DONE_MS_MIN,
			    NOT_DONE_MS_MAX);
}

static bool restart(struct bench *b)
{
	if (vio_device_reset(b->device, &b->err) < 0) {
		return complain(b, "the device's reset");
	}
	if (!take_chains(b, 0, LEFT)) {
		return false;
	}
	if (vio_device_restart(b->device, &b->err) < 0) {
		return complain(b, "negotiating again");
	}
	for (uint16_t i = 0; i < b->options->queues; i++) {
		if (vio_queue_reopen(b->queues[i], &b->err) < 0) {
			return complain(b, "a queue's return");
		}
	}
	return vio_device_start(b->device, &b->err) == 0 || complain(b, "the second start");
}

bool check_no_reset(struct vio_transport *t, const struct check_options *options)
{
	struct bench b = {.t = t, .options = options, .number = options->number};
	bool is_good = open_all(&b) && all_work(&b) && leave_chains(&b, 0) && is_not_done(&b) &&
		       restart(&b) && all_work(&b);

	close_all(&b);
	return is_good;
}
