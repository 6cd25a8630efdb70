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
 *    used_index   <---------- |    used     |   flags | idx | ring[size]{id, len} | avail_event
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

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include <vio/dma.h>
#include <vio/queue.h>

#include "frame.h"
#include "ring_memory.h"

#define LIKELY(condition) __builtin_expect(!!(condition), 1)

/* Our own record of one chain: the only one we believe. */
struct split_chain {
	uint32_t position; /* the how-manieth it is; see split_ring.added */
	uint32_t shape;    /* that its table and descriptor were written for; 0: none */
	uint16_t next;     /* in the free list; of descriptors in a chain, too */
	uint16_t last;     /* descriptor */
	uint16_t count;    /* of descriptors; 0: it is not in flight */
};

struct split_ring {
	/* for the device: written by us and never read back, except used */
	struct vring_desc *descriptors;
	struct vring_avail *available;
	const struct vring_used *used;

	/* ours alone */
	struct split_chain *chains;
	uint16_t size;
	uint16_t free_head;
	uint16_t free_count; /* descriptors */
	uint16_t used_index; /* next entry to take; free-running */
	/*
	 * Free-running counts of chains. The device sees their low 16 bits; we keep
	 * more, because 65536 others may overtake a chain that the device holds on to.
	 */
	uint32_t added;
	uint32_t published;
	uint16_t in_flight; /* chains, published or not */
	bool has_event_index;
	bool interrupts_wanted;
	const struct frames *frames;
	char fault[96]; /* the first violation; empty while there is none */
};

/* Bytes of ring memory for @size entries, and where its parts begin. */
struct split_layout {
	size_t available_offset, used_offset, total;
};

struct split_layout split_layout(uint16_t size, uint32_t used_align);

/* @memory: zeroed, of split_layout().total bytes. Returns 0 or -ENOMEM. */
int split_init(struct split_ring *ring, void *memory, uint16_t size, uint32_t used_align,
	       const struct frames *frames, bool has_event_index);
/* Empty again, as after init. */
void split_clear(struct split_ring *ring, void *memory, uint32_t used_align);
void split_free(struct split_ring *ring);

/* Ask for an interrupt; true if completions are there already. */
bool split_arm(struct split_ring *ring, bool interrupts);
/* No more interrupts until the next split_arm(). */
void split_disarm(struct split_ring *ring);
int split_take(struct split_ring *ring);

/* Out of the way of what happens always. */
int split_add_slowly(struct split_ring *ring, const struct vio_segment *segments, unsigned reads,
		     unsigned writes);
void split_write_table(struct split_ring *ring, uint16_t id, unsigned reads, unsigned writes);
int split_violated(struct split_ring *ring, const char *what, uint32_t found);

static inline uint32_t split_shape(unsigned reads, unsigned writes)
{
	return UINT32_C(1) << 31 | reads << 15 | writes;
}

/* The chain is in the ring; the device sees it with the next publish. */
static inline int split_enlist(struct split_ring *ring, uint16_t id, unsigned count)
{
	struct split_chain *chain = &ring->chains[id];

	chain->count = (uint16_t)count;
	chain->position = ring->added;
	ring->available->ring[ring->added & (ring->size - 1u)] = wire16(id);
	ring->free_count = (uint16_t)(ring->free_count - count);
	ring->added++;
	ring->in_flight++;
	return id;
}

/* See queue.h; published by split_publish(). */
static inline int split_add(struct split_ring *ring, const struct vio_segment *segments,
			    unsigned reads, unsigned writes)
{
	const struct frames *frames = ring->frames;
	unsigned total = reads + writes;
	uint16_t id = ring->free_head;
	struct vring_desc *data;

	if (!LIKELY((int)total <= frames->table_segments && ring->free_count > 0)) {
		return split_add_slowly(ring, segments, reads, writes);
	}
	if (!LIKELY(ring->chains[id].shape == split_shape(reads, writes))) {
		split_write_table(ring, id, reads, writes);
	}
	data = (struct vring_desc *)frame_table(frames, id) + (frames->header_size != 0);
	for (unsigned i = 0; i < total; i++) {
		data[i].addr = wire64(segments[i].iova.raw);
		data[i].len = wire32(segments[i].length);
	}
	ring->chains[id].last = id;
	ring->free_head = ring->chains[id].next;
	return split_enlist(ring, id, 1);
}

/* One segment into a table. False: nothing was done; split_add() has more ways, and the reasons. */
static inline bool split_add_one(struct split_ring *ring, uint64_t iova, uint32_t length,
				 bool is_written)
{
	const struct frames *frames = ring->frames;
	uint16_t id = ring->free_head;
	struct split_chain *chain = &ring->chains[id];
	uint32_t shape = is_written ? split_shape(0, 1) : split_shape(1, 0);
	struct vring_desc *data;

	if (!LIKELY(frames->table_segments > 0 && ring->free_count > 0)) {
		return false;
	}
	if (!LIKELY(chain->shape == shape)) {
		split_write_table(ring, id, !is_written, is_written);
	}
	data = (struct vring_desc *)frame_table(frames, id) + (frames->header_size != 0);
	data->addr = wire64(iova);
	data->len = wire32(length);
	chain->last = id;
	ring->free_head = chain->next;
	split_enlist(ring, id, 1);
	return true;
}

static inline __virtio16 *split_used_event(const struct split_ring *ring)
{
	return &ring->available->ring[ring->size];
}

static inline const __virtio16 *split_avail_event(const struct split_ring *ring)
{
	return (const __virtio16 *)(const void *)&ring->used->ring[ring->size];
}

/* 2.7.10.1: has @event been passed on the way from @old to @now? Wraps with them. */
static inline bool split_passed(uint16_t event, uint16_t now, uint16_t old)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

/* True if the device wants to be notified of what was published. */
static inline bool split_publish(struct split_ring *ring)
{
	uint16_t old = (uint16_t)ring->published;

	if (ring->published == ring->added) {
		return false;
	}
	ring->published = ring->added;
	/* descriptors and ring entries must be seen before the index that names them */
	store16_release(&ring->available->idx, (uint16_t)ring->published);
	/*
	 * the index must be seen before we look whether the device sleeps; without
	 * this both may miss each other and the request waits for ever
	 */
	full_fence();
	if (ring->has_event_index) {
		return split_passed(load16(split_avail_event(ring)), (uint16_t)ring->published,
				    old);
	}
	return !(load16(&ring->used->flags) & VRING_USED_F_NO_NOTIFY);
}

/* Chains published and not given back: the most that the device may return. */
static inline uint16_t split_returnable(const struct split_ring *ring)
{
	return (uint16_t)(ring->in_flight - (ring->added - ring->published));
}

static inline bool split_was_published(const struct split_ring *ring,
				       const struct split_chain *chain)
{
	return ring->added - chain->position > ring->added - ring->published;
}

static inline void split_release(struct split_ring *ring, uint16_t id)
{
	struct split_chain *chain = &ring->chains[id];

	ring->chains[chain->last].next = ring->free_head;
	ring->free_head = id;
	ring->free_count = (uint16_t)(ring->free_count + chain->count);
	chain->count = 0;
	ring->in_flight--;
}

/* One entry of the used ring: loaded once, checked, then believed. */
static inline int split_take_used(struct split_ring *ring, struct vio_queue_used *out)
{
	const struct vring_used_elem *element =
		&ring->used->ring[ring->used_index & (uint16_t)(ring->size - 1)];
	uint32_t id = load32(&element->id);

	if (!LIKELY(id < ring->size)) {
		return split_violated(ring, "the device returned an id outside the ring", id);
	}
	if (!LIKELY(ring->chains[id].count)) {
		return split_violated(ring, "the device returned an id that is not in flight", id);
	}
	if (!LIKELY(split_was_published(ring, &ring->chains[id]))) {
		return split_violated(ring, "the device returned an id it was not given yet", id);
	}
	out->id = (uint16_t)id;
	out->length = load32(&element->len);
	split_release(ring, (uint16_t)id);
	ring->used_index++;
	return 0;
}

static inline int split_reap(struct split_ring *ring, struct vio_queue_used *used, unsigned max)
{
	/* the entries and the data must be seen no earlier than the index that names them */
	uint16_t index = load16_acquire(&ring->used->idx);
	uint16_t ready = (uint16_t)(index - ring->used_index);
	unsigned n = 0;

	if (ready == 0 && !ring->fault[0]) {
		return 0;
	}
	if (ring->fault[0]) {
		return -EPROTO;
	}
	if (ready > split_returnable(ring)) {
		return split_violated(ring, "the device's used index jumped", index);
	}
	while (n < max && n < ready) {
		if (!LIKELY(split_take_used(ring, &used[n]) == 0)) {
			return n ? (int)n : -EPROTO;
		}
		n++;
	}
	return (int)n;
}

/* Something to reap, or a fault to report. */
static inline bool split_has_used(const struct split_ring *ring)
{
	return load16(&ring->used->idx) != ring->used_index || ring->fault[0] != '\0';
}

#endif
