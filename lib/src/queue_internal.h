/* SPDX-License-Identifier: BSD-3-Clause */
/* What runs for every request, to be inlined into the class; see queue.h for what it does. */
#ifndef VIO_QUEUE_INTERNAL_H
#define VIO_QUEUE_INTERNAL_H

#include <linux/virtio_config.h>

#include <vio/queue.h>

#include "packed.h"
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

#ifdef VIRTIO_F_IN_ORDER
#define VIO_F_IN_ORDER VIRTIO_F_IN_ORDER
#else
#define VIO_F_IN_ORDER 35
#endif

struct vio_queue {
	struct ring ring;
	struct frames frames;
	struct vio_transport *transport;
	uint16_t index;
	bool has_notification_data;
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

/* Which kind of ring it is never changes: these branches are always foreseen. */
static inline bool queue_has_used(const struct vio_queue *queue)
{
	return queue->ring.is_packed ? packed_has_used(&queue->ring) : split_has_used(&queue->ring);
}

static inline int queue_next(const struct vio_queue *queue)
{
	return LIKELY(queue->ring.free_count > 0) ? queue->ring.free_head : -EAGAIN;
}

static inline int queue_add(struct vio_queue *queue, const struct vio_segment *segments,
			    unsigned reads, unsigned writes)
{
	return queue->ring.is_packed ? packed_add(&queue->ring, segments, reads, writes)
				     : split_add(&queue->ring, segments, reads, writes);
}

/* 2.9: with VIRTIO_F_NOTIFICATION_DATA also where the next chain will be. */
static inline uint32_t queue_notice(const struct vio_queue *queue)
{
	uint16_t where = queue->ring.is_packed ? packed_position(&queue->ring)
					       : (uint16_t)queue->ring.published;

	return queue->index | (queue->has_notification_data ? (uint32_t)where << 16 : 0);
}

/* The chain of ring_prepared(), for one segment. */
static inline void queue_add_prepared(struct vio_queue *queue, struct ring_chain *chain,
				      struct vio_segment segment)
{
	struct ring *ring = &queue->ring;

	ring_fill_entry(ring_data(ring, chain), segment);
	if (ring->is_packed) {
		packed_add_prepared(ring, chain, 1 + queue->frames.edges);
	} else {
		split_add_prepared(ring, chain);
	}
}

static inline bool queue_kick(struct vio_queue *queue)
{
	if (!(queue->ring.is_packed ? packed_publish(&queue->ring) : split_publish(&queue->ring))) {
		return false;
	}
	queue->stats.kicks++;
	queue->transport->ops->notify(queue->transport, queue->index, queue_notice(queue));
	return true;
}

static inline bool queue_is_in_order(const struct vio_queue *queue)
{
	return !LIKELY(!queue->ring.is_in_order);
}

int queue_reap_in_order(struct vio_queue *queue, unsigned max, ring_taker *take, void *context);

/* Where it is not in order. That has a call of its own, which would keep @context in memory. */
static ALWAYS_INLINE int queue_reap(struct vio_queue *queue, unsigned max, ring_taker *take,
				    void *context)
{
	int n = queue->ring.is_packed ? packed_reap(&queue->ring, max, take, context)
				      : split_reap(&queue->ring, max, take, context);

	return n > 0 && queue->fruitless ? queue_was_worth_waiting(queue, n) : n;
}

#endif
