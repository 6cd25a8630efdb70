/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_RING_INTERNAL_H
#define SIM_RING_INTERNAL_H

#include "sim_ring.h"

enum {
	F_NEXT = 1, /* descriptor flags */
	F_WRITE = 2,
	F_INDIRECT = 4,
	DESCRIPTOR = 16, /* bytes */
};

/* One of the two kinds. */
struct ring_ops {
	bool (*next)(struct sim_ring *ring, struct sim_chain *chain);
	void (*give_back)(struct sim_ring *ring, const struct sim_chain *chain);
	void (*skip)(struct sim_ring *ring, const struct sim_chain *chain);
	void (*push)(struct sim_ring *ring, uint32_t id, uint32_t length);
	void (*jump)(struct sim_ring *ring, uint16_t by);
	bool (*wants_interrupt)(struct sim_ring *ring);
	void (*forbid_notify)(struct sim_ring *ring);
	void (*allow_notify)(struct sim_ring *ring);
	bool (*has_published)(struct sim_ring *ring);
	bool (*goes_on_at)(struct sim_ring *ring, uint16_t position);
};

extern const struct ring_ops ring_split_ops, ring_packed_ops;

void ring_complain(struct sim_ring *ring, const char *what);
uint16_t ring_load16(const uint8_t *field, int order);
uint32_t ring_load32(const uint8_t *field);
void ring_store16(uint8_t *field, uint16_t value, int order);
void ring_store32(uint8_t *field, uint32_t value);

/* A descriptor as it stands there: 16 bytes; the last four differ by kind. */
struct ring_raw {
	uint16_t first, second; /* split: flags, next; packed: id, flags */
};

struct ring_raw ring_fetch(const uint8_t *at, struct sim_segment *segment);
/* Appends a segment; false and a complaint if it cannot be one. */
bool ring_append(struct sim_ring *ring, struct sim_chain *chain, const struct sim_segment *segment,
		 uint16_t flags);
/* The table that @segment describes, and how many descriptors it has; NULL and a complaint. */
const uint8_t *ring_table(struct sim_ring *ring, const struct sim_segment *segment, uint16_t flags,
			  unsigned *count);

#endif
