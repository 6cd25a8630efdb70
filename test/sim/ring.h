/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's side of a split virtqueue, written from VirtIO 1.2, 2.7 alone: it
 * shares no code and no structure with lib/src/split.c, so that a slip there is
 * not made here again.
 *
 *   descriptors   16 bytes each: address 8, length 4, flags 2, next 2
 *   driver area   flags 2, index 2, ring 2 each          (the available ring)
 *   device area   flags 2, index 2, ring 8 each: id 4, length 4   (the used ring)
 */
#ifndef SIM_RING_H
#define SIM_RING_H

#include <stdbool.h>
#include <stdint.h>

enum {
	SIM_CHAIN_MAX = 512,
};

struct sim_segment {
	uint64_t iova;
	uint32_t length;
	uint16_t index; /* of the descriptor */
	bool writable;  /* by the device */
};

struct sim_chain {
	uint16_t head;
	unsigned count;
	struct sim_segment segments[SIM_CHAIN_MAX];
};

struct sim_ring {
	uint16_t size;
	uint8_t *descriptors, *driver_area, *device_area;
	uint16_t next_available, next_used;
	bool *held;            /* descriptors that the device holds now */
	const char *complaint; /* the first mistake of the driver, or NULL */
};

void sim_ring_open(struct sim_ring *ring, uint16_t size, void *descriptors, void *driver_area,
		   void *device_area);
void sim_ring_close(struct sim_ring *ring);

/* The next published chain; false if there is none. */
bool sim_ring_next(struct sim_ring *ring, struct sim_chain *chain);
/* Give a chain back, as a device should. */
void sim_ring_return(struct sim_ring *ring, const struct sim_chain *chain, uint32_t length);
/* Write an entry, whatever it says, and publish it. */
void sim_ring_push(struct sim_ring *ring, uint32_t id, uint32_t length);
/* Move the index without writing entries. */
void sim_ring_jump(struct sim_ring *ring, uint16_t by);

/* Does the driver want an interrupt for what was returned up to now? */
bool sim_ring_wants_interrupt(struct sim_ring *ring);
/* Tell the driver not to notify; on allowing it again, true if something was published. */
void sim_ring_forbid_notify(struct sim_ring *ring);
bool sim_ring_allow_notify(struct sim_ring *ring);

#endif
