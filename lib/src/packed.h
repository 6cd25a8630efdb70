/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packed virtqueue's ring memory (VirtIO 1.2, 2.8): one ring of descriptors that both
 * sides write, and a word from each side to the other about events.
 *
 *    ours                     ring memory (the device's)
 *   +--------------+   add    +-------------+
 *   | chains by id | -------> | descriptors |   addr | len | id | flags
 *   +--------------+   reap   |             |
 *    next_used <------------- |             |      - | len | id | flags
 *    next_available           +-------------+
 *                             | driver event|   offset and lap | flags
 *                             | device event|
 *                             +-------------+
 *
 * Whose a descriptor is, two bits of its flags say, which change their meaning with every
 * lap. The device looks at one after the other and stops at the first that is not its own:
 * so the flags of the first one of a batch hide the rest until it is published.
 *
 * A chain has an id from a free list; with tables (frame.h) it takes one descriptor,
 * otherwise one for each segment.
 */
#ifndef VIO_PACKED_H
#define VIO_PACKED_H

#include "ring.h"

enum {
	PACKED_AVAILABLE = 1u << VRING_PACKED_DESC_F_AVAIL,
	PACKED_USED = 1u << VRING_PACKED_DESC_F_USED,
	PACKED_BOTH = PACKED_AVAILABLE | PACKED_USED,
};

struct ring_layout packed_layout(uint16_t size);
/* The part of ring_clear() that is packed. */
void packed_clear(struct ring *ring);

bool packed_arm(struct ring *ring, bool interrupts);
void packed_disarm(struct ring *ring);

int packed_add_slowly(struct ring *ring, const struct vio_segment *segments, unsigned reads,
		      unsigned writes);
void packed_write_table(struct ring *ring, uint16_t id, unsigned reads, unsigned writes);
bool packed_wants_notice(const struct ring *ring, uint16_t offset, unsigned count);
int packed_reap_in_order(struct ring *ring, unsigned max, ring_taker *take, void *context);

/* The next descriptor of the ring. Without @flags the device takes it for its own no more
 * than before. */
static inline void packed_write(struct ring *ring, struct vio_segment segment, uint16_t id,
				unsigned flags)
{
	struct vring_packed_desc *descriptor = &ring->packed.descriptors[ring->next_available];
	uint16_t wire = (uint16_t)(flags | ring->available_flags);

	descriptor->addr = (VIO_FORCE __le64)wire64(segment.iova.raw);
	descriptor->len = (VIO_FORCE __le32)wire32(segment.length);
	descriptor->id = (VIO_FORCE __le16)wire16(id);
	if (ring->first == ring->next_available) {
		ring->first_flags = wire;
	} else {
		descriptor->flags = (VIO_FORCE __le16)wire16(wire);
	}
	if (!LIKELY(++ring->next_available < ring->size)) {
		ring->next_available = 0;
		ring->available_flags ^= PACKED_BOTH;
	}
}

/* The chain of ring_prepared(), its data filled in; @entries of its table are used. */
static inline int packed_add_prepared(struct ring *ring, struct ring_chain *chain, unsigned entries)
{
	uint16_t id = ring->free_head;
	uint32_t length = entries * (uint32_t)sizeof(struct vring_packed_desc);

	packed_write(ring, (struct vio_segment){{chain->table}, length}, id, VRING_DESC_F_INDIRECT);
	ring->free_head = chain->next;
	ring_count_in(ring, chain, 1);
	return id;
}

/* See queue.h; published by packed_publish(). */
static inline int packed_add(struct ring *ring, const struct vio_segment *segments, unsigned reads,
			     unsigned writes)
{
	const struct frames *frames = ring->frames;
	unsigned total = reads + writes;
	uint16_t id = ring->free_head;
	struct ring_chain *chain = &ring->chains[id];

	if (!LIKELY((int)total <= frames->table_segments && ring->free_count > 0)) {
		return packed_add_slowly(ring, segments, reads, writes);
	}
	if (!LIKELY(chain->shape == ring_shape(reads, writes))) {
		if (total + frames->edges == 0) {
			return -EINVAL;
		}
		packed_write_table(ring, id, reads, writes);
	}
	ring_fill_table(ring, chain, segments, total);
	return packed_add_prepared(ring, chain, total + frames->edges);
}

/* True if the device wants to be notified of what was published. */
static inline bool packed_publish(struct ring *ring)
{
	__virtio16 *flags = (__virtio16 *)&ring->packed.descriptors[ring->first].flags;
	uint32_t event;
	uint16_t first = ring->first;

	if (ring->published == ring->added) {
		return false;
	}
	ring->published = ring->added;
	/* all that was written must be seen before the flags that show it */
	store16_release(flags, ring->first_flags);
	ring->first = ring->next_available;
	/*
	 * the flags must be seen before we look whether the device sleeps; without
	 * this both may miss each other and the request waits for ever
	 */
	full_fence();
	event = load32((const __virtio32 *)(const void *)ring->packed.device);
	if (LIKELY(event >> 16 != VRING_PACKED_EVENT_FLAG_DESC)) {
		return event >> 16 != VRING_PACKED_EVENT_FLAG_DISABLE;
	}
	return packed_wants_notice(ring, (uint16_t)event, first);
}

/* Where the next chain will begin, and on which lap: as both sides write it for the other. */
static inline uint16_t packed_position(const struct ring *ring)
{
	unsigned lap = ring->available_flags >> VRING_PACKED_DESC_F_AVAIL & 1u;

	return (uint16_t)(ring->next_available | lap << VRING_PACKED_EVENT_F_WRAP_CTR);
}

/* 2.8.1: both bits agree with each other and with the lap. */
static inline bool packed_is_used(const struct ring *ring, uint16_t flags)
{
	return (flags & PACKED_BOTH) == ring->used_flags;
}

static inline void packed_skip(struct ring *ring, uint16_t *next_used, unsigned count)
{
	unsigned next = *next_used + count;

	if (!LIKELY(next < ring->size)) {
		next -= ring->size;
		ring->used_flags ^= PACKED_BOTH;
	}
	*next_used = (uint16_t)next;
}

/* Descriptor @index, if the device wrote it. */
static inline const struct vring_packed_desc *packed_used(const struct ring *ring, uint16_t index)
{
	const struct vring_packed_desc *descriptor = &ring->packed.descriptors[index];

	/* its id, its length and the data must be seen no earlier than the flags */
	return packed_is_used(ring, load16_acquire((const __virtio16 *)&descriptor->flags))
		       ? descriptor
		       : NULL;
}

static inline uint16_t packed_id(const struct vring_packed_desc *descriptor)
{
	return load16((const __virtio16 *)&descriptor->id);
}

static inline uint32_t packed_length(const struct vring_packed_desc *descriptor)
{
	return load32((const __virtio32 *)&descriptor->len);
}

/* Not in order. */
static ALWAYS_INLINE int packed_reap(struct ring *ring, unsigned max, ring_taker *take,
				     void *context)
{
	const struct vring_packed_desc *descriptor;
	struct ring_harvest harvest;
	unsigned n = 0;

	if (ring->fault[0]) {
		return -EPROTO;
	}
	harvest = ring_harvest_begin(ring);
	while (n < max && (descriptor = packed_used(ring, harvest.next_used))) {
		/* loaded once, checked, then believed */
		uint32_t id = packed_id(descriptor);
		struct ring_chain *chain = ring_returned(&harvest, id);

		if (!LIKELY(chain)) {
			ring_harvest_end(ring, &harvest, n);
			ring_refuse_id(ring, id);
			return n ? (int)n : -EPROTO;
		}
		take(context, chain, id, packed_length(descriptor));
		n++;
		packed_skip(ring, &harvest.next_used, chain->count);
		ring_harvest_one(&harvest, chain, id, chain);
	}
	ring_harvest_end(ring, &harvest, n);
	return (int)n;
}

/* Something to reap, or a fault to report. */
static inline bool packed_has_used(const struct ring *ring)
{
	return ring->batch || ring->fault[0] != '\0' ||
	       packed_is_used(ring,
			      load16((const __virtio16 *)&ring->packed.descriptors[ring->next_used]
					     .flags));
}

#endif
