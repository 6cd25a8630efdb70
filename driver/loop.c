/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vio/log.h>

enum {
	/* the channel's, one of each kind that the thread waits for, and room */
	RING_ENTRIES = 2 * FSG_RING_ENTRIES,
};

void loop_wake(struct loop_thread *thread)
{
	uint64_t one = 1;

	/* an eventfd takes this unless its count overflows */
	if (write(thread->wake, &one, sizeof(one)) < 0) {
		vio_log(VIO_LOG_ERROR, "the loop cannot be woken (%s)", strerror(errno));
	}
}

void loop_wake_others(struct loop_thread *thread)
{
	struct devb_loop *loop = thread->loop;

	for (unsigned i = 0; i < loop->thread_count; i++) {
		if (i != thread->index) {
			loop_wake(loop->threads[i]);
		}
	}
}

static void wake_thread(void *context)
{
	loop_wake(context);
}

/* A loop that ended by itself leaves nobody to answer: its users get errors, not silence. */
static void end_loop(struct loop_thread *thread)
{
	struct devb_loop *loop = thread->loop;

	if (!atomic_load(&loop->stop_wanted)) {
		/* told first: who is given an error finds out why */
		loop->listener.ended(loop->listener.context);
		fsg_channel_abort(thread->channel);
	}
}

static void *thread_main(void *argument)
{
	struct loop_thread *thread = argument;

	loop_run(thread);
	loop_end_calls(thread);
	if (thread->index == 0) {
		end_loop(thread);
	} else {
		atomic_fetch_sub(&thread->loop->others, 1);
		loop_wake(thread->loop->threads[0]);
	}
	return NULL;
}

/*
 * What saves most comes first. Work that a message needs in the kernel is put off until
 * the thread asks for it (6.1), or does at least not interrupt it (5.19). Disabled at
 * first, because a ring for one thread is for the one that enables it.
 */
static int create_ring(struct io_uring *ring)
{
	static const unsigned flags[] = {
		IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED,
		IORING_SETUP_SQE128 | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		0,
	};
	int rc = -EINVAL;

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]) && rc == -EINVAL; i++) {
		rc = io_uring_queue_init(RING_ENTRIES, ring, flags[i]);
	}
	return rc;
}

static int open_ring(struct loop_thread *thread, struct vio_error *err)
{
	int rc = create_ring(&thread->ring);

	if (rc < 0) {
		return vio_fail(
			err, -ENOTSUP,
			"io_uring cannot be used (%s): this kernel lacks it or forbids it (see "
			"/proc/sys/kernel/io_uring_disabled)",
			strerror(-rc));
	}
	thread->has_ring = true;
	thread->wake = eventfd(0, EFD_CLOEXEC);
	if (thread->wake < 0) {
		return vio_fail(err, -ENOMEM, "no eventfd (%s)", strerror(errno));
	}
	return 0;
}

static int open_thread(struct devb_loop *loop, struct fsg_channel *channel, struct vio_error *err)
{
	struct loop_thread *thread = aligned_alloc(LOOP_CACHE_LINE, sizeof(*thread));
	int rc;

	if (!thread) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	memset(thread, 0, sizeof(*thread));
	thread->loop = loop;
	thread->index = loop->thread_count;
	thread->queue = devb_disk_queue(loop->disk, thread->index);
	thread->channel = channel;
	thread->wake = -1;
	pthread_mutex_init(&thread->mutex, NULL);
	pthread_cond_init(&thread->answered, NULL);
	loop->threads[loop->thread_count++] = thread;
	rc = open_ring(thread, err);
	if (rc == 0) {
		fsg_channel_attach(channel, &thread->ring);
		devb_disk_set_wake(thread->queue, wake_thread, thread);
	}
	return rc;
}

int devb_loop_open(struct devb_loop **out, struct devb_disk *disk,
		   struct fsg_channel *const *channels, const struct devb_loop_listener *listener,
		   struct vio_error *err)
{
	unsigned count = devb_disk_queues(disk);
	struct devb_loop *loop = calloc(1, sizeof(*loop) + count * sizeof(loop->threads[0]));
	int rc = 0;

	*out = NULL;
	if (!loop) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	loop->disk = disk;
	loop->listener = *listener;
	for (unsigned i = 0; i < count && rc == 0; i++) {
		rc = open_thread(loop, channels[i], err);
	}
	if (rc < 0) {
		devb_loop_close(loop);
		return rc;
	}
	*out = loop;
	return 0;
}

/* Number 0 last: it waits for the others to end. */
int devb_loop_start(struct devb_loop *loop, struct vio_error *err)
{
	for (unsigned i = loop->thread_count; i-- > 0;) {
		struct loop_thread *thread = loop->threads[i];
		int rc;

		atomic_fetch_add(&loop->others, i > 0);
		rc = pthread_create(&thread->thread, NULL, thread_main, thread);
		if (rc) {
			atomic_fetch_sub(&loop->others, i > 0);
			return vio_fail(err, -ENOMEM, "no thread could be started (%s)",
					strerror(rc));
		}
		thread->is_started = true;
	}
	return 0;
}

int devb_loop_stop(struct devb_loop *loop)
{
	if (loop->is_joined) {
		return loop->flush_result;
	}
	atomic_store(&loop->stop_wanted, true);
	atomic_store(&loop->is_stopping, true);
	for (unsigned i = 0; i < loop->thread_count; i++) {
		loop_wake(loop->threads[i]);
	}
	for (unsigned i = 0; i < loop->thread_count; i++) {
		if (loop->threads[i]->is_started) {
			pthread_join(loop->threads[i]->thread, NULL);
		}
	}
	loop->is_joined = true;
	return loop->flush_result;
}

static void close_thread(struct loop_thread *thread)
{
	if (thread->has_ring) {
		io_uring_queue_exit(&thread->ring);
	}
	if (thread->wake >= 0) {
		close(thread->wake);
	}
	pthread_cond_destroy(&thread->answered);
	pthread_mutex_destroy(&thread->mutex);
	free(thread);
}

void devb_loop_close(struct devb_loop *loop)
{
	if (!loop) {
		return;
	}
	for (unsigned i = 0; i < loop->thread_count; i++) {
		close_thread(loop->threads[i]);
	}
	free(loop);
}
