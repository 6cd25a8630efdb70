/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one place that waits: a thread with an io_uring for the messages of a
 * channel, the completions of a disk, a clock tick, and calls from outside.
 *
 *   devb_loop_open()    prepare; nothing runs yet
 *   devb_loop_start()   the thread runs: disk and channel are its own from here on
 *   devb_loop_call()    run a function over there, and wait for it
 *   devb_loop_stop()    finish what is in flight, flush, end the thread
 *   devb_loop_close()
 *
 * While requests are in flight it spins for as long as the disk's vio_spin allows
 * and then sleeps: until the device interrupts, or with growing pauses where it
 * cannot. With nothing in flight it sleeps until a message, news of the device, or
 * the tick, which is rarer then.
 */
#ifndef DEVB_LOOP_H
#define DEVB_LOOP_H

#include <stdbool.h>

#include <vio/error.h>

#include "disk.h"
#include "fsg.h"

struct devb_loop;

/* What the loop tells, on its own thread. */
struct devb_loop_listener {
	/* once, when it ends by itself: volumes unmounted, device lost */
	void (*ended)(void *context);
	/* the disk has another size; whoever wants to may ask the volume for it, elsewhere */
	void (*resized)(void *context);
	void *context;
};

/* @listener is copied. */
int devb_loop_open(struct devb_loop **out, struct devb_disk *disk, struct fsg_channel *channel,
		   const struct devb_loop_listener *listener, struct vio_error *err);
int devb_loop_start(struct devb_loop *loop, struct vio_error *err);

/**
 * devb_loop_call - run @function on the loop's thread and wait until it returned
 *
 * Not from that thread. Returns what @function returned, or -ENODEV after the end.
 */
int devb_loop_call(struct devb_loop *loop, int (*function)(void *), void *argument);

/**
 * devb_loop_stop - no new messages; finish, flush, join the thread
 *
 * Bounded by the deadline of the requests in flight. Harmless when it ended by
 * itself or never started. Returns the result of the last flush.
 */
int devb_loop_stop(struct devb_loop *loop);

/* After stop. NULL is allowed. */
void devb_loop_close(struct devb_loop *loop);

#endif
