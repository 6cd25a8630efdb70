/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one place that waits: for each queue of a disk a thread with an io_uring, for the
 * messages of a channel, the completions of the queue, a clock tick, and calls from outside.
 *
 *   devb_loop_open()    prepare; nothing runs yet
 *   devb_loop_start()   the threads run: disk and channels are theirs from here on
 *   devb_loop_call()    run a function over there, and wait for it
 *   devb_loop_post()    run a function over there
 *   devb_loop_stop()    finish what is in flight, flush, end the threads
 *   devb_loop_close()
 *
 * Thread 0 looks after the device and ends last, with the flush that covers what all of
 * them wrote. When one thread ends by itself, all do. They are not tied to CPUs: messages
 * come from wherever a volume is used, and the scheduler keeps a thread near who wakes it.
 *
 * While requests are in flight a thread spins for as long as the disk's vio_spin allows
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

/* What the loop tells, on thread 0. */
struct devb_loop_listener {
	/* once, when it ends by itself: volumes unmounted, device lost */
	void (*ended)(void *context);
	/* the disk has another size; whoever wants to may ask the volume for it, elsewhere */
	void (*resized)(void *context);
	void *context;
};

/**
 * devb_loop_open - threads for the queues of @disk
 * @channels: one for each queue, in this order, all of one mount; copied
 * @listener: copied
 */
int devb_loop_open(struct devb_loop **out, struct devb_disk *disk,
		   struct fsg_channel *const *channels, const struct devb_loop_listener *listener,
		   struct vio_error *err);
/* After an error, too, devb_loop_stop(). */
int devb_loop_start(struct devb_loop *loop, struct vio_error *err);

/**
 * devb_loop_call - run @function on thread 0 and wait until it returned
 *
 * Not from that thread. Returns what @function returned, or -ENODEV after the end.
 */
int devb_loop_call(struct devb_loop *loop, int (*function)(void *), void *argument);
/* On each thread, one after the other, until one returns an error. */
int devb_loop_call_all(struct devb_loop *loop, int (*function)(void *), void *argument);

/* Work for one of the loop's threads, where requests can be submitted and are done. */
struct devb_loop_task {
	/*
	 * Over there, @result is 0: submit. Or the thread takes nothing new, because it stops or
	 * has lost the device: -ENODEV. The task may be gone when this returns.
	 */
	void (*run)(struct devb_loop_task *task, int result);
	struct devb_loop_task *next; /* the loop's own, until then */
};

/* How many threads there are: index 0 and up, as in devb_io.queue. */
unsigned devb_loop_threads(const struct devb_loop *loop);

/**
 * devb_loop_post - have @task run on thread @index, in the order of posting
 *
 * Any other thread; does not wait. Returns 0, and run() is called exactly once, soon; or
 * -ENODEV after the thread's end, and run() is never called.
 */
int devb_loop_post(struct devb_loop *loop, unsigned index, struct devb_loop_task *task);

/**
 * devb_loop_stop - no new messages; finish, flush, join the threads
 *
 * Bounded by the deadline of the requests in flight. Harmless when it ended by
 * itself or never started. Returns the result of the last flush.
 */
int devb_loop_stop(struct devb_loop *loop);

/* After stop. NULL is allowed. */
void devb_loop_close(struct devb_loop *loop);

#endif
