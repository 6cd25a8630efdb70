/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What split.h and packed.h have in common: our own record of a ring, the only one that
 * we believe. The device sees what those two write into its memory, and nothing of this.
 *
 * Numbers of chains come from a free list, where the one used last is found first: its
 * frame is still in the cache. With VIRTIO_F_IN_ORDER they are used in a circle instead.
 */
#ifndef VIO_RING_H
#define VIO_RING_H

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

/* 32 bytes: all that the way of nearly every chain needs, in one place. */
struct ring_chain {
	char *frame;       /* see frame.h; NULL: none */
	uint64_t table;    /* where the device finds its table */
	uint32_t position; /* the how-manieth it is; see ring.added */
	uint32_t shape;    /* that its table was written for; 0: none */
	uint16_t next;     /* in the free list; split: of descriptors in a chain, too */
	uint16_t last;     /* split: descriptor */
	uint16_t count;    /* of descriptors in the ring; 0: it is not in flight */
};

struct split_memory {
	struct vring_desc *descriptors;
	struct vring_avail *available;
	const struct vring_used *used;
};

struct packed_memory {
	struct vring_packed_desc *descriptors;
	struct vring_packed_desc_event *driver;
	const struct vring_packed_desc_event *device;
};

struct ring {
	/* for the device: written by us and never read back, except what it returns */
	union {
		struct split_memory split;
		struct packed_memory packed;
	};

	/* ours alone */
	struct ring_chain *chains;
	const struct frames *frames;
	uint16_t size;
	uint16_t data_offset; /* in a frame: where those of the data begin in its table */
	uint16_t free_head;
	uint16_t free_count; /* descriptors */
	uint16_t in_flight;  /* chains, published or not */
	/*
	 * Free-running counts of chains. The device may see their low 16 bits; we keep
	 * more, because 65536 others may overtake a chain that the device holds on to.
	 */
	uint32_t added;
	uint32_t published;
	uint16_t next_used; /* split: entry to take, free-running; packed: descriptor */

	/* packed: next descriptor to write; what marks one on this lap as ours and as used */
	uint16_t next_available;
	uint16_t available_flags, used_flags;
	/* packed: the first one that is not published: it hides those behind it */
	uint16_t first, first_flags;

	/* in order: what the device gave back with one entry, and we have not passed on */
	uint16_t batch;
	uint16_t oldest; /* chain */
	uint32_t batch_length;

	bool is_packed, is_in_order, has_event_index;
	bool interrupts_wanted;
	char fault[96]; /* the first violation; empty while there is none */
};

/* Bytes of ring memory, and where its parts begin. */
struct ring_layout {
	size_t driver_offset, device_offset, total;
};

struct ring_options {
	uint16_t size;
	uint32_t align; /* split: of the device area */
	bool is_packed, is_in_order, has_event_index;
};

struct ring_layout ring_layout(const struct ring_options *options);

/* @memory: of ring_layout().total bytes. Returns 0 or -ENOMEM. */
int ring_init(struct ring *ring, void *memory, const struct ring_options *options,
	      const struct frames *frames);
/* Empty again, as after init. */
void ring_clear(struct ring *ring, void *memory, const struct ring_options *options);
void ring_free(struct ring *ring);
/* The number of a chain in flight, which is then free, or -ENOENT. */
int ring_take(struct ring *ring);
/* Remembers what is wrong; always -EPROTO. */
int ring_violated(struct ring *ring, const char *what, uint32_t found);

static inline uint32_t ring_shape(unsigned reads, unsigned writes)
{
	return UINT32_C(1) << 31 | reads << 15 | writes;
}

static inline void ring_count_in(struct ring *ring, struct ring_chain *chain, unsigned count)
{
	chain->count = (uint16_t)count;
	chain->position = ring->added;
	ring->free_count = (uint16_t)(ring->free_count - count);
	ring->added++;
	ring->in_flight++;
}

/* The next chain, if its table is written and of that shape already; or NULL. */
static inline struct ring_chain *ring_prepared(const struct ring *ring, uint32_t shape)
{
	struct ring_chain *chain = &ring->chains[ring->free_head];

	return LIKELY(ring->free_count > 0 && chain->shape == shape) ? chain : NULL;
}

/* Where the data of a table is: in both kinds the same 12 bytes of a descriptor. */
static inline void ring_fill_entry(struct vring_desc *entry, struct vio_segment segment)
{
	entry->addr = wire64(segment.iova.raw);
	entry->len = wire32(segment.length);
}

static inline struct vring_desc *ring_data(const struct ring *ring, const struct ring_chain *chain)
{
	return (struct vring_desc *)(void *)(chain->frame + ring->data_offset);
}

static inline void ring_fill_table(const struct ring *ring, const struct ring_chain *chain,
				   const struct vio_segment *segments, unsigned total)
{
	struct vring_desc *data = ring_data(ring, chain);

	for (unsigned i = 0; i < total; i++) {
		ring_fill_entry(&data[i], segments[i]);
	}
}

/*
 * Who takes what is reaped, one by one; it must not touch the ring. Both ways to reap
 * are to be inlined together with their taker.
 */
typedef void ring_taker(void *context, const struct ring_chain *chain, uint32_t id,
			uint32_t length);

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* 2.7.10.1: has @event been passed on the way from @old to @now? Wraps with them. */
static inline bool ring_passed(uint16_t event, uint16_t now, uint16_t old)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

/* Chains published and not given back: the most that the device may return. */
static inline uint16_t ring_returnable(const struct ring *ring)
{
	return (uint16_t)(ring->in_flight - (ring->added - ring->published));
}

/* Chains that the device does not know of yet. */
static inline uint32_t ring_unpublished(const struct ring *ring)
{
	return ring->added - ring->published;
}

/* What reaping looks at and changes with every completion, in registers while it lasts. */
struct ring_harvest {
	struct ring_chain *chains;
	uint32_t size, added, unpublished;
	uint32_t free_head, freed;
	uint16_t next_used;
};

static inline struct ring_harvest ring_harvest_begin(const struct ring *ring)
{
	return (struct ring_harvest){
		.chains = ring->chains,
		.size = ring->size,
		.added = ring->added,
		.unpublished = ring_unpublished(ring),
		.free_head = ring->free_head,
		.next_used = ring->next_used,
	};
}

/* Chain @id, if the device may return it now; or NULL, and see ring_refuse_id(). */
static inline struct ring_chain *ring_returned(const struct ring_harvest *harvest, uint32_t id)
{
	struct ring_chain *chain = &harvest->chains[id];

	return LIKELY(id < harvest->size && chain->count &&
		      harvest->added - chain->position > harvest->unpublished)
		       ? chain
		       : NULL;
}

/* Says why not; always -EPROTO. */
int ring_refuse_id(struct ring *ring, uint32_t id);

static inline int ring_check_id(struct ring *ring, uint32_t id)
{
	const struct ring_harvest harvest = ring_harvest_begin(ring);

	return ring_returned(&harvest, id) ? 0 : ring_refuse_id(ring, id);
}

/* Chain @id is free, and so are its descriptors, up to @last. */
static inline void ring_harvest_one(struct ring_harvest *harvest, struct ring_chain *chain,
				    uint32_t id, struct ring_chain *last)
{
	last->next = (uint16_t)harvest->free_head;
	harvest->free_head = id;
	harvest->freed += chain->count;
	chain->count = 0;
}

static inline void ring_harvest_end(struct ring *ring, const struct ring_harvest *harvest,
				    unsigned chains)
{
	ring->free_head = (uint16_t)harvest->free_head;
	ring->next_used = harvest->next_used;
	ring->free_count = (uint16_t)(ring->free_count + harvest->freed);
	ring->in_flight = (uint16_t)(ring->in_flight - chains);
}

/* Its descriptors are free; the numbers of a circle stay where they are. */
static inline void ring_release(struct ring *ring, uint16_t id)
{
	struct ring_chain *chain = &ring->chains[id];

	if (LIKELY(!ring->is_in_order)) {
		ring->chains[chain->last].next = ring->free_head;
		ring->free_head = id;
	}
	ring->free_count = (uint16_t)(ring->free_count + chain->count);
	chain->count = 0;
	ring->in_flight--;
}

/*
 * In order (2.7.8, 2.8.8): chain @id stands for all that were made before it. Returns 0;
 * ring_pass_on() then has them one by one, of at most @most.
 */
int ring_begin_batch(struct ring *ring, uint16_t id, uint32_t length, unsigned most);

/* The oldest chain of the batch; returns how many descriptors it had. */
static inline uint16_t ring_pass_on(struct ring *ring, ring_taker *take, void *context)
{
	const struct ring_chain *chain = &ring->chains[ring->oldest];
	uint16_t count = chain->count;

	ring->batch--;
	/* of the others the device does not say it */
	take(context, chain, ring->oldest, ring->batch ? 0 : ring->batch_length);
	ring_release(ring, ring->oldest);
	ring->oldest = (uint16_t)(ring->oldest + (ring->is_packed ? 1 : count));
	if (ring->oldest >= ring->size) {
		ring->oldest = (uint16_t)(ring->oldest - ring->size);
	}
	return count;
}

#endif
