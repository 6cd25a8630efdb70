/* SPDX-License-Identifier: BSD-3-Clause */
/* What both kinds of ring have in common. */
#include "sim_ring_internal.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* A fence that TSan understands. */
static void fence(void)
{
	static int order;

	__atomic_fetch_add(&order, 1, __ATOMIC_SEQ_CST);
}

uint16_t ring_load16(const uint8_t *field, int order)
{
	const uint16_t *aligned = (const void *)field;

	return le16toh(__atomic_load_n(aligned, order));
}

uint32_t ring_load32(const uint8_t *field)
{
	const uint32_t *aligned = (const void *)field;

	return le32toh(__atomic_load_n(aligned, __ATOMIC_RELAXED));
}

void ring_store16(uint8_t *field, uint16_t value, int order)
{
	uint16_t *aligned = (void *)field;

	__atomic_store_n(aligned, htole16(value), order);
}

void ring_store32(uint8_t *field, uint32_t value)
{
	uint32_t *aligned = (void *)field;

	__atomic_store_n(aligned, htole32(value), __ATOMIC_RELAXED);
}

static const struct ring_ops *ops(const struct sim_ring *ring)
{
	return ring->is.packed ? &ring_packed_ops : &ring_split_ops;
}

void sim_ring_open(struct sim_ring *ring, const struct sim_ring_options *options)
{
	memset(ring, 0, sizeof(*ring));
	ring->is = *options;
	ring->size = options->size;
	ring->descriptors = options->descriptors;
	ring->driver_area = options->driver_area;
	ring->device_area = options->device_area;
	ring->available_wrap = true;
	ring->used_wrap = true;
	ring->held = calloc(ring->size, sizeof(*ring->held));
	if (!ring->held) {
		abort();
	}
}

void sim_ring_close(struct sim_ring *ring)
{
	free(ring->held);
	memset(ring, 0, sizeof(*ring));
}

void ring_complain(struct sim_ring *ring, const char *what)
{
	if (!ring->complaint) {
		ring->complaint = what;
	}
}

struct ring_raw ring_fetch(const uint8_t *at, struct sim_segment *segment)
{
	uint64_t address;
	uint32_t length;
	uint16_t words[2];

	memcpy(&address, at, 8);
	memcpy(&length, at + 8, 4);
	memcpy(words, at + 12, 4);
	*segment = (struct sim_segment){.iova = le64toh(address), .length = le32toh(length)};
	return (struct ring_raw){le16toh(words[0]), le16toh(words[1])};
}

bool ring_append(struct sim_ring *ring, struct sim_chain *chain, const struct sim_segment *segment,
		 uint16_t flags)
{
	if (chain->count == SIM_CHAIN_MAX) {
		ring_complain(ring, "a chain never ends");
		return false;
	}
	if (segment->length == 0) {
		ring_complain(ring, "a descriptor is empty");
	}
	if (chain->count && chain->segments[chain->count - 1].writable && !(flags & F_WRITE)) {
		ring_complain(ring, "a chain has a readable part after a writable one");
	}
	chain->segments[chain->count] = *segment;
	chain->segments[chain->count++].writable = flags & F_WRITE;
	return true;
}

const uint8_t *ring_table(struct sim_ring *ring, const struct sim_segment *segment, uint16_t flags,
			  unsigned *count)
{
	*count = segment->length / DESCRIPTOR;
	if (!ring->is.indirect) {
		ring_complain(ring, "a table is used that was not negotiated");
	} else if (flags & (F_NEXT | F_WRITE)) {
		ring_complain(ring, "a descriptor has a table and other flags");
	} else if (segment->length == 0 || segment->length % DESCRIPTOR) {
		ring_complain(ring, "a table is not a whole number of descriptors");
	} else if (segment->iova % DESCRIPTOR) {
		ring_complain(ring, "a table is not aligned");
	} else {
		const uint8_t *table =
			ring->is.at(ring->is.context, segment->iova, segment->length);

		if (!table) {
			ring_complain(ring, "a table is out of reach");
		}
		return table;
	}
	return NULL;
}

bool sim_ring_next(struct sim_ring *ring, struct sim_chain *chain)
{
	memset(chain, 0, offsetof(struct sim_chain, segments));
	return ops(ring)->next(ring, chain);
}

void sim_ring_push(struct sim_ring *ring, uint32_t id, uint32_t length)
{
	ops(ring)->push(ring, id, length);
}

void sim_ring_return(struct sim_ring *ring, const struct sim_chain *chain, uint32_t length)
{
	sim_ring_push(ring, chain->head, length);
	ops(ring)->give_back(ring, chain);
}

void sim_ring_skip(struct sim_ring *ring, const struct sim_chain *chain)
{
	ops(ring)->skip(ring, chain);
	ops(ring)->give_back(ring, chain);
}

void sim_ring_jump(struct sim_ring *ring, uint16_t by)
{
	ops(ring)->jump(ring, by);
}

bool sim_ring_wants_interrupt(struct sim_ring *ring)
{
	bool wants;

	fence(); /* what was returned must be seen before we look whether the driver sleeps */
	wants = ops(ring)->wants_interrupt(ring);
	ring->unsignalled = 0;
	return wants;
}

void sim_ring_forbid_notify(struct sim_ring *ring)
{
	ops(ring)->forbid_notify(ring);
}

bool sim_ring_allow_notify(struct sim_ring *ring)
{
	ops(ring)->allow_notify(ring);
	fence(); /* our wish must be seen before we look a last time */
	return ops(ring)->has_published(ring);
}

bool sim_ring_goes_on_at(struct sim_ring *ring, uint16_t position)
{
	return ops(ring)->goes_on_at(ring, position);
}
