/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring.h"

#include <endian.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
	FLAGS = 0, /* offsets in either area */
	INDEX = 2,
	ENTRIES = 4,
	F_NEXT = 1, /* descriptor flags */
	F_WRITE = 2,
	F_NO_INTERRUPT = 1, /* flags of the driver area */
	F_NO_NOTIFY = 1,    /* flags of the device area */
};

/* A fence that TSan understands. */
static void fence(void)
{
	static int order;

	__atomic_fetch_add(&order, 1, __ATOMIC_SEQ_CST);
}

static uint16_t load16(const uint8_t *field, int order)
{
	const uint16_t *aligned = (const void *)field;

	return le16toh(__atomic_load_n(aligned, order));
}

static void store16(uint8_t *field, uint16_t value, int order)
{
	uint16_t *aligned = (void *)field;

	__atomic_store_n(aligned, htole16(value), order);
}

static void store32(uint8_t *field, uint32_t value)
{
	uint32_t *aligned = (void *)field;

	__atomic_store_n(aligned, htole32(value), __ATOMIC_RELAXED);
}

void sim_ring_open(struct sim_ring *ring, uint16_t size, void *descriptors, void *driver_area,
		   void *device_area)
{
	memset(ring, 0, sizeof(*ring));
	ring->size = size;
	ring->descriptors = descriptors;
	ring->driver_area = driver_area;
	ring->device_area = device_area;
	ring->held = calloc(size, sizeof(*ring->held));
	if (!ring->held) {
		abort();
	}
}

void sim_ring_close(struct sim_ring *ring)
{
	free(ring->held);
	memset(ring, 0, sizeof(*ring));
}

static void complain(struct sim_ring *ring, const char *what)
{
	if (!ring->complaint) {
		ring->complaint = what;
	}
}

/* One descriptor; returns its flags, and the next one in @next. */
static uint16_t fetch(struct sim_ring *ring, uint16_t index, struct sim_segment *segment,
		      uint16_t *next)
{
	uint8_t raw[16];
	uint64_t address;
	uint32_t length;
	uint16_t flags;

	memcpy(raw, ring->descriptors + (size_t)16 * index, sizeof(raw));
	memcpy(&address, raw, 8);
	memcpy(&length, raw + 8, 4);
	memcpy(&flags, raw + 12, 2);
	memcpy(next, raw + 14, 2);
	flags = le16toh(flags);
	*next = le16toh(*next);
	*segment = (struct sim_segment){le64toh(address), le32toh(length), index, flags & F_WRITE};
	if (flags & ~(F_NEXT | F_WRITE)) {
		complain(ring, "a descriptor has flags that were not negotiated");
	}
	if (segment->length == 0) {
		complain(ring, "a descriptor is empty");
	}
	if (ring->held[index]) {
		complain(ring, "a descriptor is used again while the device holds it");
	}
	ring->held[index] = true;
	return flags;
}

static void walk(struct sim_ring *ring, struct sim_chain *chain)
{
	uint16_t index = chain->head;
	bool written = false;
	uint16_t flags;

	do {
		struct sim_segment *segment = &chain->segments[chain->count];

		if (index >= ring->size || chain->count == ring->size ||
		    chain->count == SIM_CHAIN_MAX) {
			complain(ring, "a chain leaves the descriptor table or never ends");
			return;
		}
		flags = fetch(ring, index, segment, &index);
		if (written && !segment->writable) {
			complain(ring, "a chain has a readable part after a writable one");
		}
		written = segment->writable;
		chain->count++;
	} while (flags & F_NEXT);
}

bool sim_ring_next(struct sim_ring *ring, struct sim_chain *chain)
{
	uint16_t index = load16(ring->driver_area + INDEX, __ATOMIC_ACQUIRE);
	const uint8_t *entry = ring->driver_area + ENTRIES +
			       (size_t)2 * (ring->next_available & (ring->size - 1u));

	if (index == ring->next_available) {
		return false;
	}
	if ((uint16_t)(index - ring->next_available) > ring->size) {
		complain(ring, "more chains are published than the ring can hold");
	}
	memset(chain, 0, offsetof(struct sim_chain, segments));
	chain->head = load16(entry, __ATOMIC_RELAXED);
	ring->next_available++;
	walk(ring, chain);
	return true;
}

void sim_ring_push(struct sim_ring *ring, uint32_t id, uint32_t length)
{
	uint8_t *entry =
		ring->device_area + ENTRIES + (size_t)8 * (ring->next_used & (ring->size - 1u));

	store32(entry, id);
	store32(entry + 4, length);
	ring->next_used++;
	store16(ring->device_area + INDEX, ring->next_used, __ATOMIC_RELEASE);
}

void sim_ring_return(struct sim_ring *ring, const struct sim_chain *chain, uint32_t length)
{
	for (unsigned i = 0; i < chain->count; i++) {
		ring->held[chain->segments[i].index] = false;
	}
	sim_ring_push(ring, chain->head, length);
}

void sim_ring_jump(struct sim_ring *ring, uint16_t by)
{
	ring->next_used = (uint16_t)(ring->next_used + by);
	store16(ring->device_area + INDEX, ring->next_used, __ATOMIC_RELEASE);
}

bool sim_ring_wants_interrupt(struct sim_ring *ring)
{
	fence(); /* the used index must be seen before we look whether the driver sleeps */
	return !(load16(ring->driver_area + FLAGS, __ATOMIC_RELAXED) & F_NO_INTERRUPT);
}

void sim_ring_forbid_notify(struct sim_ring *ring)
{
	store16(ring->device_area + FLAGS, F_NO_NOTIFY, __ATOMIC_RELAXED);
}

bool sim_ring_allow_notify(struct sim_ring *ring)
{
	store16(ring->device_area + FLAGS, 0, __ATOMIC_RELAXED);
	fence(); /* our wish must be seen before we look a last time */
	return load16(ring->driver_area + INDEX, __ATOMIC_ACQUIRE) != ring->next_available;
}
