/* SPDX-License-Identifier: BSD-3-Clause */
/* VirtIO 1.2, 2.8. */
#include "sim_ring_internal.h"

enum {
	ID = 12, /* offsets in a descriptor */
	FLAGS = 14,
	F_AVAILABLE = 1 << 7, /* descriptor flags */
	F_USED = 1 << 15,
	EVENT_OFFSET = 0, /* offsets in either area */
	EVENT_FLAGS = 2,
	EVENTS_ON = 0, /* flags of either area */
	EVENTS_OFF = 1,
	EVENTS_AT = 2,
	WRAP_BIT = 15,
};

static uint8_t *descriptor(const struct sim_ring *ring, uint16_t index)
{
	return ring->descriptors + (size_t)DESCRIPTOR * index;
}

static void advance(const struct sim_ring *ring, uint16_t *index, bool *wrap, unsigned by)
{
	unsigned sum = *index + by;

	*index = (uint16_t)(sum % ring->size);
	*wrap ^= sum / ring->size & 1;
}

/* 2.8.1: differs from the used bit, and agrees with the counter. */
static bool is_available(uint16_t flags, bool wrap)
{
	return !!(flags & F_AVAILABLE) == wrap && !!(flags & F_USED) != wrap;
}

static bool has_published(struct sim_ring *ring)
{
	uint16_t flags =
		ring_load16(descriptor(ring, ring->next_available) + FLAGS, __ATOMIC_ACQUIRE);

	return is_available(flags, ring->available_wrap);
}

/* 2.8.7: its order is that of the table, and of the flags WRITE alone has a meaning. */
static void walk_table(struct sim_ring *ring, struct sim_chain *chain,
		       const struct sim_segment *where, uint16_t its_flags)
{
	unsigned count;
	const uint8_t *table = ring_table(ring, where, its_flags, &count);

	chain->has_table = true;
	for (unsigned i = 0; table && i < count; i++) {
		struct sim_segment segment;
		struct ring_raw raw = ring_fetch(table + (size_t)DESCRIPTOR * i, &segment);

		segment.index = (uint16_t)i;
		if (raw.second & ~F_WRITE) {
			ring_complain(ring,
				      "a descriptor of a table has flags that it cannot have");
		}
		if (!ring_append(ring, chain, &segment, raw.second)) {
			return;
		}
	}
}

/* One descriptor of the ring; returns its flags, or 0 to end here. */
static uint16_t walk_one(struct sim_ring *ring, struct sim_chain *chain)
{
	uint8_t *at = descriptor(ring, ring->next_available);
	uint16_t flags = ring_load16(at + FLAGS, __ATOMIC_ACQUIRE);
	struct sim_segment segment;
	struct ring_raw raw = ring_fetch(at, &segment);

	if (!is_available(flags, ring->available_wrap)) {
		ring_complain(ring, "a chain goes on where no descriptor is available");
		return 0;
	}
	segment.index = ring->next_available;
	chain->head = raw.first; /* 2.8.6: that of the last one is the chain's */
	chain->taken++;
	advance(ring, &ring->next_available, &ring->available_wrap, 1);
	flags = (uint16_t)(flags & ~(F_AVAILABLE | F_USED));
	if (flags & F_INDIRECT) {
		if (chain->taken > 1) {
			ring_complain(ring, "a table comes behind other descriptors");
		}
		walk_table(ring, chain, &segment, flags);
		return 0;
	}
	if (flags & ~(F_NEXT | F_WRITE)) {
		ring_complain(ring, "a descriptor has flags that were not negotiated");
	}
	return ring_append(ring, chain, &segment, flags) ? flags : 0;
}

static bool next(struct sim_ring *ring, struct sim_chain *chain)
{
	if (!has_published(ring)) {
		return false;
	}
	while (walk_one(ring, chain) & F_NEXT) {
		if (chain->taken == ring->size) {
			ring_complain(ring, "a chain never ends");
			break;
		}
	}
	if (chain->head >= ring->size) {
		ring_complain(ring, "an id is outside of what this test expects");
		chain->head = 0;
	}
	if (ring->held[chain->head]) {
		ring_complain(ring, "an id is used again while the device holds it");
	}
	ring->held[chain->head] = chain->taken;
	ring->outstanding = (uint16_t)(ring->outstanding + chain->taken);
	if (ring->outstanding > ring->size) {
		ring_complain(ring, "descriptors that the device holds are written over");
	}
	return true;
}

static void mark_used(struct sim_ring *ring)
{
	ring_store16(descriptor(ring, ring->next_used) + FLAGS,
		     ring->used_wrap ? F_AVAILABLE | F_USED : 0, __ATOMIC_RELEASE);
}

static void push(struct sim_ring *ring, uint32_t id, uint32_t length)
{
	uint8_t *at = descriptor(ring, ring->next_used);
	uint16_t taken = id < ring->size && ring->held[id] ? ring->held[id] : 1;
	uint16_t by = (uint16_t)(taken + ring->skipped);

	ring_store32(at + 8, length);
	ring_store16(at + ID, (uint16_t)id, __ATOMIC_RELAXED);
	mark_used(ring);
	advance(ring, &ring->next_used, &ring->used_wrap, by);
	ring->unsignalled = (uint16_t)(ring->unsignalled + by);
	ring->skipped = 0;
}

static void skip(struct sim_ring *ring, const struct sim_chain *chain)
{
	ring->skipped = (uint16_t)(ring->skipped + chain->taken);
}

static void give_back(struct sim_ring *ring, const struct sim_chain *chain)
{
	ring->held[chain->head] = 0;
	ring->outstanding = (uint16_t)(ring->outstanding - chain->taken);
}

static void jump(struct sim_ring *ring, uint16_t by)
{
	(void)by;
	mark_used(ring);
	advance(ring, &ring->next_used, &ring->used_wrap, 1);
	ring->unsignalled++;
}

/* 2.8.10: was the descriptor passed that the driver named, by the last that were used? */
static bool is_passed(struct sim_ring *ring, uint16_t named)
{
	int event = named & ((1 << WRAP_BIT) - 1);

	if (event >= ring->size) {
		ring_complain(ring, "an event is asked for at no descriptor of the ring");
	}
	if (named >> WRAP_BIT != ring->used_wrap) {
		event -= ring->size;
	}
	return event < ring->next_used && event >= ring->next_used - ring->unsignalled;
}

static bool wants_interrupt(struct sim_ring *ring)
{
	uint16_t flags = ring_load16(ring->driver_area + EVENT_FLAGS, __ATOMIC_ACQUIRE);

	switch (flags) {
	case EVENTS_ON:
		return true;
	case EVENTS_OFF:
		return false;
	case EVENTS_AT:
		if (!ring->is.event_index) {
			ring_complain(ring, "an event is asked for that was not negotiated");
		}
		return is_passed(ring,
				 ring_load16(ring->driver_area + EVENT_OFFSET, __ATOMIC_RELAXED));
	default:
		ring_complain(ring, "the driver's event flags are no flags");
		return true;
	}
}

static void forbid_notify(struct sim_ring *ring)
{
	ring_store16(ring->device_area + EVENT_FLAGS, EVENTS_OFF, __ATOMIC_RELAXED);
}

static void allow_notify(struct sim_ring *ring)
{
	if (!ring->is.event_index) {
		ring_store16(ring->device_area + EVENT_FLAGS, EVENTS_ON, __ATOMIC_RELAXED);
		return;
	}
	ring_store16(ring->device_area + EVENT_OFFSET,
		     (uint16_t)(ring->next_available | ring->available_wrap << WRAP_BIT),
		     __ATOMIC_RELAXED);
	ring_store16(ring->device_area + EVENT_FLAGS, EVENTS_AT, __ATOMIC_RELEASE);
}

/* The descriptor there is not given to us on that lap, and the one before it was. */
static bool goes_on_at(struct sim_ring *ring, uint16_t position)
{
	uint16_t offset = position & ((1u << WRAP_BIT) - 1);
	bool lap = position >> WRAP_BIT;
	uint16_t before = (uint16_t)(offset ? offset - 1 : ring->size - 1);
	bool lap_before = offset ? lap : !lap;
	uint16_t flags[2];

	if (offset >= ring->size) {
		return false;
	}
	flags[0] = ring_load16(descriptor(ring, offset) + FLAGS, __ATOMIC_RELAXED);
	flags[1] = ring_load16(descriptor(ring, before) + FLAGS, __ATOMIC_RELAXED);
	return !is_available(flags[0], lap) && !!(flags[1] & F_AVAILABLE) == lap_before;
}

const struct ring_ops ring_packed_ops = {
	next,          give_back,    skip,          push,       jump, wants_interrupt,
	forbid_notify, allow_notify, has_published, goes_on_at,
};
