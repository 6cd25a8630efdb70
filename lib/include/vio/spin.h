/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long to spin before sleeping: a value that learns from its own waits. It
 * reads no clock and knows no queue; whoever waits tells it what happened.
 *
 *   start = now();
 *   allowance = vio_spin_allowance(spin);
 *   while (!there && now() - start < allowance)
 *           look;
 *   if (allowance)
 *           vio_spin_ended(spin, there);
 *   if (!there) {
 *           sleep until it is;
 *           vio_spin_slept(spin, now() - start);
 *   }
 *
 * The rule of VIO_POLL_AUTO: a wait that slept and took longer than poll_us halves
 * the allowance, down to none; one that was over sooner doubles it; and every 64th
 * wait tries the longest spin although the allowance is none.
 *
 * What it costs, at most: no wait spins longer than poll_us. While every answer
 * takes longer than that, spinning takes less than 1/64 of the time spent waiting,
 * after a beginning of 2 * poll_us. With nothing in flight nobody should spin.
 *
 * Threads: one at a time.
 */
#ifndef VIO_SPIN_H
#define VIO_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#include <vio/export.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vio_poll {
	VIO_POLL_AUTO,   /* spin as long as it pays, then sleep */
	VIO_POLL_ALWAYS, /* spin as long as something is in flight */
	VIO_POLL_NEVER,  /* sleep at once */
};

/*
 * Chosen: about what a sleep and its wake-up take where they are slow, in a guest
 * without hardware help; a spin that was in vain then costs no more than the sleep.
 */
#define VIO_POLL_US_DEFAULT 100
#define VIO_POLL_US_MAX     10000

/* Chosen: who sleeps on an interrupt looks anyway after so long: it may be lost. */
#define VIO_WAIT_BACKSTOP_MS 100

struct vio_spin {
	enum vio_poll poll;
	uint64_t max_ns; /* poll_us */
	uint64_t now_ns; /* the allowance of the next wait, up to max_ns */
	unsigned waits_without;
	uint64_t spins, spins_found; /* so many, and so many of them not in vain */
};

/* @poll_us: the longest spin of VIO_POLL_AUTO, 0..VIO_POLL_US_MAX. */
VIO_EXPORT void vio_spin_init(struct vio_spin *spin, enum vio_poll poll, unsigned poll_us);

/* How long the wait that begins now may spin; UINT64_MAX: until there is something. */
VIO_EXPORT uint64_t vio_spin_allowance(struct vio_spin *spin);

/* A spin is over: there was something, or the allowance is used up. */
VIO_EXPORT void vio_spin_ended(struct vio_spin *spin, bool found);

/* A wait that slept is over; @waited_ns since it began, spinning included. */
VIO_EXPORT void vio_spin_slept(struct vio_spin *spin, uint64_t waited_ns);

#ifdef __cplusplus
}
#endif

#endif
