/* SPDX-License-Identifier: BSD-3-Clause */
/* VirtIO 1.2, 2.7. */
#include "sim_ring_internal.h"

enum {
	FLAGS = 0, /* offsets in either area */
	INDEX = 2,
	ENTRIES = 4,
	F_NO_INTERRUPT = 1, /* flags of the driver area */
	F_NO_NOTIFY = 1,    /* flags of the device area */
};

static bool has_published(struct sim_ring *ring)
{
	return ring_load16(ring->driver_area + INDEX, __ATOMIC_ACQUIRE) != ring->next_available;
}

static void walk_table(struct sim_ring *ring, struct sim_chain *chain,
		       const struct sim_segment *where, uint16_t its_flags)
{
	unsigned count, index = 0;
	const uint8_t *table = ring_table(ring, where, its_flags, &count);
	struct ring_raw raw = {.first = F_NEXT};

	chain->has_table = true;
	while (table && (raw.first & F_NEXT)) {
		struct sim_segment segment;

		if (index >= count || chain->count == count) {
			ring_complain(ring, "a chain leaves its table or never ends");
			return;
		}
		raw = ring_fetch(table + (size_t)DESCRIPTOR * index, &segment);
		segment.index = (uint16_t)index;
		if (raw.first & ~(F_NEXT | F_WRITE)) {
			ring_complain(ring,
				      "a descriptor of a table has flags that it cannot have");
		}
		if (!ring_append(ring, chain, &segment, raw.first)) {
			return;
		}
		index = raw.second;
	}
	if (table && chain->count != count) {
		ring_complain(ring, "a table has descriptors that no chain goes to");
	}
}

/* 2.7.5.1, 2.7.8: with VIRTIO_F_IN_ORDER descriptors are used as they lie there. */
static void check_order(struct sim_ring *ring, uint16_t index)
{
	if (ring->is.in_order && index != ring->next_descriptor) {
		ring_complain(ring, "descriptors are not used in ring order");
	}
	ring->next_descriptor = (uint16_t)((index + 1u) & (ring->size - 1u));
}

static void walk(struct sim_ring *ring, struct sim_chain *chain)
{
	uint16_t index = chain->head;
	struct ring_raw raw;

	do {
		struct sim_segment segment;

		if (index >= ring->size || chain->taken == ring->size) {
			ring_complain(ring, "a chain leaves the descriptor table or never ends");
			return;
		}
		check_order(ring, index);
		raw = ring_fetch(ring->descriptors + (size_t)DESCRIPTOR * index, &segment);
		segment.index = index;
		if (ring->held[index]) {
			ring_complain(ring, "a descriptor is used again while the device holds it");
		}
		ring->held[index] = 1;
		chain->taken++;
		if (raw.first & F_INDIRECT) {
			walk_table(ring, chain, &segment, raw.first);
			return;
		}
		if (raw.first & ~(F_NEXT | F_WRITE)) {
			ring_complain(ring, "a descriptor has flags that were not negotiated");
		}
		if (!ring_append(ring, chain, &segment, raw.first)) {
			return;
		}
		index = raw.second;
	} while (raw.first & F_NEXT);
}

static bool next(struct sim_ring *ring, struct sim_chain *chain)
{
	uint16_t index = ring_load16(ring->driver_area + INDEX, __ATOMIC_ACQUIRE);
	const uint8_t *entry = ring->driver_area + ENTRIES +
			       (size_t)2 * (ring->next_available & (ring->size - 1u));

	if (index == ring->next_available) {
		return false;
	}
	if ((uint16_t)(index - ring->next_available) > ring->size) {
		ring_complain(ring, "more chains are published than the ring can hold");
	}
	chain->head = ring_load16(entry, __ATOMIC_RELAXED);
	ring->next_available++;
	walk(ring, chain);
	return true;
}

static void publish_used(struct sim_ring *ring, uint16_t by)
{
	ring->next_used = (uint16_t)(ring->next_used + by);
	ring->unsignalled = (uint16_t)(ring->unsignalled + by);
	ring_store16(ring->device_area + INDEX, ring->next_used, __ATOMIC_RELEASE);
}

static void push(struct sim_ring *ring, uint32_t id, uint32_t length)
{
	uint8_t *entry =
		ring->device_area + ENTRIES + (size_t)8 * (ring->next_used & (ring->size - 1u));

	ring_store32(entry, id);
	ring_store32(entry + 4, length);
	publish_used(ring, (uint16_t)(1 + ring->skipped));
	ring->skipped = 0;
}

static void skip(struct sim_ring *ring, const struct sim_chain *chain)
{
	(void)chain;
	ring->skipped++;
}

static void give_back(struct sim_ring *ring, const struct sim_chain *chain)
{
	for (unsigned i = 1; i < chain->taken; i++) {
		ring->held[chain->segments[i].index] = 0;
	}
	ring->held[chain->head] = 0;
}

static void jump(struct sim_ring *ring, uint16_t by)
{
	publish_used(ring, by);
}

/* 2.7.10: was the entry that @event counts to passed by the last @moved of them? */
static bool wants_interrupt(struct sim_ring *ring)
{
	uint16_t flags = ring_load16(ring->driver_area + FLAGS, __ATOMIC_RELAXED);
	uint16_t event;

	if (!ring->is.event_index) {
		return !(flags & F_NO_INTERRUPT);
	}
	if (flags) {
		ring_complain(ring, "flags suppress interrupts where the event index should");
	}
	event = ring_load16(ring->driver_area + ENTRIES + (size_t)2 * ring->size, __ATOMIC_RELAXED);
	return (uint16_t)(ring->next_used - 1 - event) < ring->unsignalled;
}

static uint8_t *available_event(struct sim_ring *ring)
{
	return ring->device_area + ENTRIES + (size_t)8 * ring->size;
}

static void forbid_notify(struct sim_ring *ring)
{
	if (ring->is.event_index) {
		ring_store16(available_event(ring), (uint16_t)(ring->next_available - 1),
			     __ATOMIC_RELAXED);
	} else {
		ring_store16(ring->device_area + FLAGS, F_NO_NOTIFY, __ATOMIC_RELAXED);
	}
}

static void allow_notify(struct sim_ring *ring)
{
	if (ring->is.event_index) {
		ring_store16(available_event(ring), ring->next_available, __ATOMIC_RELAXED);
	} else {
		ring_store16(ring->device_area + FLAGS, 0, __ATOMIC_RELAXED);
	}
}

static bool goes_on_at(struct sim_ring *ring, uint16_t position)
{
	return ring_load16(ring->driver_area + INDEX, __ATOMIC_RELAXED) == position;
}

const struct ring_ops ring_split_ops = {
	next,          give_back,    skip,          push,       jump, wants_interrupt,
	forbid_notify, allow_notify, has_published, goes_on_at,
};
