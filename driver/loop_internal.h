/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop inside.
 *
 *   loop.c       open, start, calls from outside, stop
 *   loop_run.c   the thread: what it waits for and what it does then
 */
#ifndef DEVB_LOOP_INTERNAL_H
#define DEVB_LOOP_INTERNAL_H

#include <pthread.h>

#include <liburing.h>

#include "loop.h"

struct devb_loop {
	struct io_uring ring;
	struct devb_disk *disk;
	struct devb_disk_queue *queue; /* the disk's first */
	struct fsg_channel *channel;
	struct devb_loop_listener listener;
	pthread_t thread;
	bool has_ring, is_started, is_joined;

	/* loop thread */
	bool is_watching, is_watching_events, is_ticking, is_listening;
	bool is_stopping, is_unwatching;
	int watched_fd;
	uint64_t waiting_since_ns; /* for requests in flight; 0 = not waiting */
	bool is_lost;              /* the device did not let go of its memory */
	enum {
		FLUSH_NOT_YET,
		FLUSH_RUNNING,
		FLUSH_DONE
	} flush_state;
	struct devb_io flush;
	int flush_result;
	struct __kernel_timespec tick;
	uint64_t call_count;

	/* devb_loop_call: protected by mutex */
	pthread_mutex_t mutex;
	pthread_cond_t answered;
	int wake; /* eventfd */
	int (*function)(void *);
	void *argument;
	int result;
	bool is_called, has_ended, stop_wanted;
};

/* loop_run.c: until the end, on the loop's thread. */
void loop_run(struct devb_loop *loop);
/* loop.c: run what somebody outside asked for, on the loop's thread. */
void loop_answer_call(struct devb_loop *loop);

#endif
