/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's side of a virtqueue, written from VirtIO 1.2, 2.7 and 2.8 alone: it
 * shares no code and no structure with lib/src, so that a slip there is not made
 * here again.
 *
 *   split   descriptors   16 bytes each: address 8, length 4, flags 2, next 2
 *           driver area   flags 2, index 2, ring 2 each, used event 2
 *           device area   flags 2, index 2, ring 8 each: id 4, length 4; available event 2
 *   packed  descriptors   16 bytes each: address 8, length 4, id 2, flags 2
 *           either area   offset and wrap counter 2, flags 2
 */
#ifndef SIM_RING_H
#define SIM_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SIM_CHAIN_MAX = 512,
};

struct sim_segment {
	uint64_t iova;
	uint32_t length;
	uint16_t index; /* of the descriptor, in the ring or in its table */
	bool writable;  /* by the device */
};

struct sim_chain {
	uint16_t head;  /* its number in the used ring: of its first descriptor, or its id */
	uint16_t taken; /* descriptors of the ring */
	bool has_table;
	unsigned count;
	struct sim_segment segments[SIM_CHAIN_MAX];
};

struct sim_ring_options {
	uint16_t size;
	bool packed, indirect, event_index, in_order;
	void *descriptors, *driver_area, *device_area;
	/* Where tables of indirect descriptors are found; NULL: out of reach. */
	void *(*at)(void *context, uint64_t iova, size_t size);
	void *context;
};

struct sim_ring {
	struct sim_ring_options is;
	uint16_t size;
	uint8_t *descriptors, *driver_area, *device_area;
	uint16_t next_available, next_used; /* packed: descriptors, below size */
	bool available_wrap, used_wrap;     /* packed: counters of one bit */
	uint16_t outstanding;               /* packed: descriptors taken and not given back */
	uint16_t skipped;                   /* in order: given back with the next chain */
	uint16_t unsignalled;               /* moved on since the driver was last looked at */
	uint16_t next_descriptor;           /* split, in order: where the next chain begins */
	uint16_t *held;        /* by descriptor, or by id and how many: what the device holds now */
	const char *complaint; /* the first mistake of the driver, or NULL */
};

void sim_ring_open(struct sim_ring *ring, const struct sim_ring_options *options);
void sim_ring_close(struct sim_ring *ring);

/* The next published chain; false if there is none. */
bool sim_ring_next(struct sim_ring *ring, struct sim_chain *chain);
/* Give a chain back, as a device should. */
void sim_ring_return(struct sim_ring *ring, const struct sim_chain *chain, uint32_t length);
/* In order: give it back with the next one, without a word. */
void sim_ring_skip(struct sim_ring *ring, const struct sim_chain *chain);
/* Write an entry, whatever it says, and publish it. */
void sim_ring_push(struct sim_ring *ring, uint32_t id, uint32_t length);
/* Move the index without writing entries; packed: the next descriptor is used, says its flag. */
void sim_ring_jump(struct sim_ring *ring, uint16_t by);

/* Does the driver want an interrupt for what was returned since this was asked last? */
bool sim_ring_wants_interrupt(struct sim_ring *ring);
/* Tell the driver not to notify; on allowing it again, true if something was published. */
void sim_ring_forbid_notify(struct sim_ring *ring);
bool sim_ring_allow_notify(struct sim_ring *ring);

/* 2.9: is this where the driver will put the next chain? */
bool sim_ring_goes_on_at(struct sim_ring *ring, uint16_t position);

#endif
