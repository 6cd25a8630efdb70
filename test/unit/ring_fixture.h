/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our side of a ring (lib/src/split.h, packed.h) and the device's (test/sim/ring.h) in one
 * process, of every kind: a loop test's index has one bit for each choice.
 */
#ifndef TEST_RING_FIXTURE_H
#define TEST_RING_FIXTURE_H

/* first: the fixture's `queue` would be shadowed by its arguments */
#include "queue_internal.h"

#include "fixture.h"
#include "sim_ring.h"

enum {
	RING_PACKED = 1,
	RING_TABLES = 2, /* for up to TABLE segments; longer chains take entries */
	RING_EVENT_INDEX = 4,
	RING_KINDS = 8,
	RING_IN_ORDER = 8,
	RING_ALL_KINDS = 16,
	TABLE = 8,
};

extern struct vio_queue ours; /* its ring alone */
extern struct sim_ring device;
extern char *ring_bytes;
extern int ring_kind;

/* Of the usual size: for a packed ring no power of two. */
void open_ring(int kind);
void open_ring_of(int kind, uint16_t size, uint32_t align);
/* Fails if the device's side has a complaint. */
void close_ring(void);
/* As after a reset. */
void start_ring_over(void);

/* Descriptors of the ring that a chain of so many segments takes. */
unsigned ring_cost(unsigned segments);
bool ring_publish(void);
bool ring_arm(bool interrupts);
void ring_disarm(void);

#endif
