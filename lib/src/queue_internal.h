/* SPDX-License-Identifier: BSD-3-Clause */
/* What runs for every request, to be inlined into the class; see queue.h for what it does. */
#ifndef VIO_QUEUE_INTERNAL_H
#define VIO_QUEUE_INTERNAL_H

#include <linux/virtio_config.h>

#include <vio/queue.h>

#include "split.h"

/* Debian 12's <linux/virtio_config.h> lacks it (6.3 of the specification). */
#ifdef VIRTIO_F_NOTIFICATION_DATA
#define VIO_F_NOTIFICATION_DATA VIRTIO_F_NOTIFICATION_DATA
#else
#define VIO_F_NOTIFICATION_DATA 38
#endif
#ifdef VIRTIO_F_RING_RESET
#define VIO_F_RING_RESET VIRTIO_F_RING_RESET
#else
#define VIO_F_RING_RESET 40
#endif

struct vio_queue {
	struct split_ring ring;
	struct frames frames;
	struct vio_transport *transport;
	uint16_t index;
	bool has_interrupts; /* those of the transport, as long as they arrive */
	unsigned fruitless;  /* times armed since something was reaped */
	unsigned missed;     /* completions in a row that no interrupt told of */
	unsigned news;       /* enum vio_event bits that vio_queue_wait() was told of */
	uint32_t counted;    /* of ring.published, in stats.chains */
	uint64_t features;
	struct vio_dma_memory memory;
	struct vio_spin spin;
	struct vio_queue_stats stats;
};

int queue_was_worth_waiting(struct vio_queue *queue, int n);

static inline int queue_next(const struct vio_queue *queue)
{
	return LIKELY(queue->ring.free_count > 0) ? queue->ring.free_head : -EAGAIN;
}

static inline int queue_add(struct vio_queue *queue, const struct vio_segment *segments,
			    unsigned reads, unsigned writes)
{
	return split_add(&queue->ring, segments, reads, writes);
}

static inline bool queue_add_one(struct vio_queue *queue, struct vio_segment segment,
				 bool is_written)
{
	return LIKELY(split_add_one(&queue->ring, segment.iova.raw, segment.length, is_written)) ||
	       split_add(&queue->ring, &segment, !is_written, is_written) >= 0;
}

static inline bool queue_has_used(const struct vio_queue *queue)
{
	return split_has_used(&queue->ring);
}

static inline bool queue_kick(struct vio_queue *queue)
{
	if (!split_publish(&queue->ring)) {
		return false;
	}
	queue->stats.kicks++;
	queue->transport->ops->notify(queue->transport, queue->index, queue->index);
	return true;
}

static inline int queue_reap(struct vio_queue *queue, struct vio_queue_used *used, unsigned max)
{
	int n = split_reap(&queue->ring, used, max);

	return n > 0 && queue->fruitless ? queue_was_worth_waiting(queue, n) : n;
}

#endif
