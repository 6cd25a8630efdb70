/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The split virtqueue's ring memory (VirtIO 1.2, 2.7): descriptors, driver area
 * (available ring), device area (used ring). Knows no transport and no device.
 *
 *    ours                     ring memory (the device's)
 *   +--------------+   add    +-------------+
 *   | chains       | -------> | descriptors |   addr | len | flags | next
 *   |              |          +-------------+
 *   +--------------+ publish  +-------------+
 *    added, published ------> |  available  |   flags | idx | ring[size] | used_event
 *                             +-------------+
 *    next_used    <---------- |    used     |   flags | idx | ring[size]{id, len} | avail_event
 *                      reap   +-------------+
 *
 * A chain has the number of its first descriptor. With tables (frame.h) it takes that
 * one alone, which then never changes but for its length; otherwise one for each segment,
 * from the head of the free list on, in order, and goes back to it in one piece.
 *
 * What runs for every request is here, to be inlined into the queue and the class.
 */
#ifndef VIO_SPLIT_H
#define VIO_SPLIT_H

#include "ring.h"

struct ring_layout split_layout(uint16_t size, uint32_t used_align);

/* Ask for an interrupt; true if completions are there already. */
bool split_arm(struct ring *ring, bool interrupts);
/* No more interrupts until the next split_arm(). */
void split_disarm(struct ring *ring);

/* Out of the way of what happens always. */
int split_add_slowly(struct ring *ring, const struct vio_segment *segments, unsigned reads,
		     unsigned writes);
void split_write_table(struct ring *ring, uint16_t id, unsigned reads, unsigned writes);
int split_reap_in_order(struct ring *ring, unsigned max, ring_taker *take, void *context);

/* The chain is in the ring; the device sees it with the next publish. */
static inline int split_enlist(struct ring *ring, struct ring_chain *chain, uint16_t id,
			       unsigned count)
{
	ring->split.available->ring[ring->added & (ring->size - 1u)] = wire16(id);
	ring_count_in(ring, chain, count);
	return id;
}

/* The chain of ring_prepared(), its data filled in. */
static inline int split_add_prepared(struct ring *ring, struct ring_chain *chain)
{
	uint16_t id = ring->free_head;

	chain->last = id;
	ring->free_head = chain->next;
	return split_enlist(ring, chain, id, 1);
}

/* See queue.h; published by split_publish(). */
static inline int split_add(struct ring *ring, const struct vio_segment *segments, unsigned reads,
			    unsigned writes)
{
	const struct frames *frames = ring->frames;
	unsigned total = reads + writes;
	uint16_t id = ring->free_head;
	struct ring_chain *chain = &ring->chains[id];

	if (!LIKELY((int)total <= frames->table_segments && ring->free_count > 0)) {
		return split_add_slowly(ring, segments, reads, writes);
	}
	if (!LIKELY(chain->shape == ring_shape(reads, writes))) {
		if (total + frames->edges == 0) {
			return -EINVAL;
		}
		split_write_table(ring, id, reads, writes);
	}
	ring_fill_table(ring, chain, segments, total);
	return split_add_prepared(ring, chain);
}

static inline const __virtio16 *split_avail_event(const struct ring *ring)
{
	return (const __virtio16 *)(const void *)&ring->split.used->ring[ring->size];
}

/* True if the device wants to be notified of what was published. */
static inline bool split_publish(struct ring *ring)
{
	uint16_t old = (uint16_t)ring->published;

	if (ring->published == ring->added) {
		return false;
	}
	ring->published = ring->added;
	/* descriptors and ring entries must be seen before the index that names them */
	store16_release(&ring->split.available->idx, (uint16_t)ring->published);
	/*
	 * the index must be seen before we look whether the device sleeps; without
	 * this both may miss each other and the request waits for ever
	 */
	full_fence();
	if (ring->has_event_index) {
		return ring_passed(load16(split_avail_event(ring)), (uint16_t)ring->published, old);
	}
	return !(load16(&ring->split.used->flags) & VRING_USED_F_NO_NOTIFY);
}

static inline const struct vring_used_elem *split_used_entry(const struct ring *ring)
{
	return &ring->split.used->ring[ring->next_used & (uint16_t)(ring->size - 1)];
}

/* How many the device returned, or -EPROTO. */
static inline int split_ready(struct ring *ring)
{
	/* the entries and the data must be seen no earlier than the index that names them */
	uint16_t index = load16_acquire(&ring->split.used->idx);
	uint16_t ready = (uint16_t)(index - ring->next_used);

	if (ring->fault[0]) {
		return -EPROTO;
	}
	if (!LIKELY(ready <= ring_returnable(ring))) {
		return ring_violated(ring, "the device's used index jumped", index);
	}
	return ready;
}

/* Not in order. */
static ALWAYS_INLINE int split_reap(struct ring *ring, unsigned max, ring_taker *take,
				    void *context)
{
	const struct vring_used_elem *entries = ring->split.used->ring;
	struct ring_harvest harvest;
	int ready;
	unsigned mask, n = 0;

	ready = split_ready(ring);
	if (ready <= 0) {
		return ready;
	}
	if (max > (unsigned)ready) {
		max = (unsigned)ready;
	}
	harvest = ring_harvest_begin(ring);
	mask = ring->size - 1u;
	while (n < max) {
		/* loaded once, checked, then believed */
		const struct vring_used_elem *element = &entries[harvest.next_used & mask];
		uint32_t id = load32(&element->id);
		struct ring_chain *chain = ring_returned(&harvest, id);

		if (!LIKELY(chain)) {
			ring_harvest_end(ring, &harvest, n);
			ring_refuse_id(ring, id);
			return n ? (int)n : -EPROTO;
		}
		take(context, chain, id, load32(&element->len));
		ring_harvest_one(&harvest, chain, id, &harvest.chains[chain->last]);
		harvest.next_used++;
		n++;
	}
	ring_harvest_end(ring, &harvest, n);
	return (int)n;
}

/* Something to reap, or a fault to report. */
static inline bool split_has_used(const struct ring *ring)
{
	return load16(&ring->split.used->idx) != ring->next_used || ring->fault[0] != '\0';
}

#endif
