/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtqueue: ring memory plus the transport that carries its notifications. */
#include <vio/queue.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "clock.h"
#include "dma_internal.h"
#include "split.h"

struct vio_queue {
	struct split_ring ring;
	struct vio_transport *transport;
	struct vio_dma_memory memory;
	uint16_t index;
	unsigned fruitless; /* wake-ups in a row that found nothing */
};

enum {
	QUEUE_SIZE_MAX = 32768, /* 2.6 */
	SPIN_NS = 20000,        /* chosen: an in-memory device answers within it */
	LONGEST_POLL_MS = 100,
};

static int check_size(struct vio_transport *t, uint16_t index, uint16_t max, struct vio_error *err)
{
	if (max == 0) {
		return vio_fail(err, -ENODEV, "%s: the device has no queue %u", t->name, index);
	}
	if (max > QUEUE_SIZE_MAX || (max & (max - 1)) != 0) {
		return vio_fail(err, -EPROTO,
				"%s: queue %u has an impossible maximum size of %u entries",
				t->name, index, max);
	}
	return 0;
}

static vio_iova offset_iova(vio_iova base, size_t offset)
{
	return (vio_iova){base.raw + offset};
}

static int hand_over(struct vio_queue *queue, struct vio_error *err)
{
	struct vio_transport *t = queue->transport;
	struct split_layout layout = split_layout(queue->ring.size, t->ring_align);
	struct vio_ring_address address = {
		.size = queue->ring.size,
		.descriptors = queue->memory.iova,
		.driver_area = offset_iova(queue->memory.iova, layout.available_offset),
		.device_area = offset_iova(queue->memory.iova, layout.used_offset),
	};

	return t->ops->queue_setup(t, queue->index, &address, err);
}

static int build(struct vio_queue *queue, uint16_t size, struct vio_error *err)
{
	struct vio_transport *t = queue->transport;
	struct split_layout layout = split_layout(size, t->ring_align);
	int rc = dma_alloc_piece(t->dma, layout.total, &queue->memory, err);

	if (rc < 0) {
		return rc;
	}
	if (split_init(&queue->ring, queue->memory.addr, size, t->ring_align) < 0) {
		return vio_fail(err, -ENOMEM, "%s: out of memory", t->name);
	}
	return hand_over(queue, err);
}

int vio_queue_open(struct vio_queue **out, struct vio_device *device, uint16_t index, uint16_t size,
		   struct vio_error *err)
{
	struct vio_transport *t = vio_device_transport(device);
	uint16_t max = t->ops->queue_max_size(t, index);
	int rc = check_size(t, index, max, err);
	struct vio_queue *queue;

	*out = NULL;
	if (rc < 0) {
		return rc;
	}
	queue = calloc(1, sizeof(*queue));
	if (!queue) {
		return vio_fail(err, -ENOMEM, "%s: out of memory", t->name);
	}
	queue->transport = t;
	queue->index = index;
	rc = build(queue, size < max ? size : max, err);
	if (rc < 0) {
		vio_queue_close(queue);
		return rc;
	}
	*out = queue;
	return 0;
}

int vio_queue_reopen(struct vio_queue *queue, struct vio_error *err)
{
	struct vio_transport *t = queue->transport;
	uint16_t max = t->ops->queue_max_size(t, queue->index);
	int rc = check_size(t, queue->index, max, err);

	if (rc < 0) {
		return rc;
	}
	if (max < queue->ring.size) {
		return vio_fail(err, -EPROTO,
				"%s: after a reset queue %u takes %u entries only, it had %u",
				t->name, queue->index, max, queue->ring.size);
	}
	split_clear(&queue->ring, queue->memory.addr, t->ring_align);
	return hand_over(queue, err);
}

void vio_queue_close(struct vio_queue *queue)
{
	if (!queue) {
		return;
	}
	vio_dma_free(queue->transport->dma, &queue->memory);
	split_free(&queue->ring);
	free(queue);
}

uint16_t vio_queue_size(const struct vio_queue *queue)
{
	return queue->ring.size;
}

uint16_t vio_queue_free(const struct vio_queue *queue)
{
	return queue->ring.free_count;
}

int vio_queue_add(struct vio_queue *queue, const struct vio_segment *segments, unsigned reads,
		  unsigned writes, void *cookie)
{
	return split_add(&queue->ring, segments, reads, writes, cookie);
}

bool vio_queue_kick(struct vio_queue *queue)
{
	if (!split_publish(&queue->ring)) {
		return false;
	}
	queue->transport->ops->notify(queue->transport, queue->index);
	return true;
}

int vio_queue_reap(struct vio_queue *queue, struct vio_queue_used *used, unsigned max)
{
	int n = split_reap(&queue->ring, used, max);

	if (n > 0) {
		queue->fruitless = 0;
	}
	return n;
}

unsigned vio_queue_in_flight(const struct vio_queue *queue)
{
	return queue->ring.in_flight;
}

const char *vio_queue_fault(const struct vio_queue *queue)
{
	return queue->ring.fault;
}

void *vio_queue_take(struct vio_queue *queue)
{
	return split_take(&queue->ring);
}

int vio_queue_wait_fd(const struct vio_queue *queue)
{
	return queue->transport->ops->wait_fd(queue->transport, queue->index);
}

bool vio_queue_wait_arm(struct vio_queue *queue)
{
	struct vio_transport *t = queue->transport;

	if (split_arm(&queue->ring, t->interrupts)) {
		return true;
	}
	t->ops->wait_arm(t, queue->index, queue->fruitless++);
	return false;
}

unsigned vio_queue_wait_ack(struct vio_queue *queue)
{
	return queue->transport->ops->wait_ack(queue->transport, queue->index);
}

static bool spin(struct vio_queue *queue)
{
	uint64_t limit = clock_ns() + SPIN_NS;

	do {
		for (int i = 0; i < 64; i++) {
			if (split_has_used(&queue->ring)) {
				return true;
			}
			spin_pause();
		}
	} while (clock_ns() < limit);
	return false;
}

static void sleep_once(struct vio_queue *queue, uint64_t left_ms)
{
	struct pollfd wait = {.fd = vio_queue_wait_fd(queue), .events = POLLIN};
	int bound = left_ms < LONGEST_POLL_MS ? (int)left_ms : LONGEST_POLL_MS;

	if (poll(&wait, 1, bound) > 0) {
		vio_queue_wait_ack(queue);
	}
}

int vio_queue_wait(struct vio_queue *queue, unsigned timeout_ms)
{
	uint64_t limit = clock_ms() + timeout_ms;

	if (spin(queue)) {
		return 0;
	}
	while (!vio_queue_wait_arm(queue)) {
		uint64_t now = clock_ms();

		if (now >= limit) {
			return -ETIMEDOUT;
		}
		sleep_once(queue, limit - now);
	}
	return 0;
}
