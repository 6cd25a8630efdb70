/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop inside.
 *
 *   loop.c       open, start, stop
 *   loop_call.c  calls and tasks from outside
 *   loop_run.c   a thread: what it waits for and what it does then
 *   loop_end.c   and how it ends
 */
#ifndef DEVB_LOOP_INTERNAL_H
#define DEVB_LOOP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <liburing.h>

#include "loop.h"

enum {
	LOOP_CACHE_LINE = 64,
};

/* One queue's, in cache lines of its own. */
struct loop_thread {
	_Alignas(LOOP_CACHE_LINE) struct io_uring ring;
	struct devb_loop *loop;
	unsigned index;
	struct devb_disk_queue *queue;
	struct fsg_channel *channel;
	pthread_t thread;
	bool has_ring, is_started;

	/* the thread's own */
	bool is_watching, is_watching_events, is_ticking, is_listening;
	bool is_stopping, is_unwatching;
	int watched_fd;
	uint64_t waiting_since_ns; /* for requests in flight; 0 = not waiting */
	bool is_lost;              /* the device did not let go of its memory */
	bool has_introduced;       /* thread 0: the others know that the mount was greeted */
	struct __kernel_timespec tick;
	uint64_t call_count;

	int wake; /* eventfd */
	/* devb_loop_call, devb_loop_post: protected by mutex */
	pthread_mutex_t mutex;
	pthread_cond_t answered;
	int (*function)(void *);
	void *argument;
	int result;
	bool is_called, has_ended;
	struct devb_loop_task *first_task, *last_task;
};

struct devb_loop {
	struct devb_disk *disk;
	struct devb_loop_listener listener;
	unsigned thread_count;
	bool is_joined;

	/* read by all threads, changed at the end */
	atomic_bool is_stopping, stop_wanted;
	atomic_uint others; /* threads that run, but number 0 */
	atomic_bool wants_tick;

	/* thread 0 */
	enum {
		FLUSH_NOT_YET,
		FLUSH_RUNNING,
		FLUSH_DONE
	} flush_state;
	struct devb_io flush;
	int flush_result;

	struct loop_thread *threads[];
};

/* loop_run.c: until the end, on the thread itself. */
void loop_run(struct loop_thread *thread);
/* loop_end.c */
void loop_stop_all(struct loop_thread *thread);
bool loop_is_finished(struct loop_thread *thread);
/* loop_call.c: run what others asked for, on the thread. */
void loop_answer(struct loop_thread *thread);
/* loop_call.c: nobody will any more. */
void loop_end_calls(struct loop_thread *thread);
/* loop.c: any thread */
void loop_wake(struct loop_thread *thread);
void loop_wake_others(struct loop_thread *thread);

#endif
