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

void loop_answer_call(struct devb_loop *loop)
{
	pthread_mutex_lock(&loop->mutex);
	if (loop->is_called) {
		loop->result = loop->function(loop->argument);
		loop->is_called = false;
		pthread_cond_broadcast(&loop->answered);
	}
	loop->is_stopping |= loop->stop_wanted;
	pthread_mutex_unlock(&loop->mutex);
}

/* A loop that ended by itself leaves nobody to answer: its users get errors, not silence. */
static void end(struct devb_loop *loop)
{
	bool by_itself;

	pthread_mutex_lock(&loop->mutex);
	by_itself = !loop->stop_wanted;
	loop->has_ended = true;
	pthread_cond_broadcast(&loop->answered);
	pthread_mutex_unlock(&loop->mutex);
	if (by_itself) {
		/* told first: who is given an error finds out why */
		loop->listener.ended(loop->listener.context);
		fsg_channel_abort(loop->channel);
	}
}

static void *thread_main(void *argument)
{
	struct devb_loop *loop = argument;

	loop_run(loop);
	end(loop);
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

static int open_ring(struct devb_loop *loop, struct vio_error *err)
{
	int rc = create_ring(&loop->ring);

	if (rc < 0) {
		return vio_fail(
			err, -ENOTSUP,
			"io_uring cannot be used (%s): this kernel lacks it or forbids it (see "
			"/proc/sys/kernel/io_uring_disabled)",
			strerror(-rc));
	}
	loop->has_ring = true;
	loop->wake = eventfd(0, EFD_CLOEXEC);
	if (loop->wake < 0) {
		return vio_fail(err, -ENOMEM, "no eventfd (%s)", strerror(errno));
	}
	return 0;
}

int devb_loop_open(struct devb_loop **out, struct devb_disk *disk, struct fsg_channel *channel,
		   const struct devb_loop_listener *listener, struct vio_error *err)
{
	struct devb_loop *loop = calloc(1, sizeof(*loop));
	int rc;

	*out = NULL;
	if (!loop) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	loop->disk = disk;
	loop->queue = devb_disk_queue(disk, 0);
	loop->channel = channel;
	loop->listener = *listener;
	loop->wake = -1;
	pthread_mutex_init(&loop->mutex, NULL);
	pthread_cond_init(&loop->answered, NULL);
	rc = open_ring(loop, err);
	if (rc < 0) {
		devb_loop_close(loop);
		return rc;
	}
	*out = loop;
	return 0;
}

int devb_loop_start(struct devb_loop *loop, struct vio_error *err)
{
	int rc = pthread_create(&loop->thread, NULL, thread_main, loop);

	if (rc) {
		return vio_fail(err, -ENOMEM, "no thread could be started (%s)", strerror(rc));
	}
	loop->is_started = true;
	return 0;
}

static void wake(struct devb_loop *loop)
{
	uint64_t one = 1;

	/* an eventfd takes this unless its count overflows */
	if (write(loop->wake, &one, sizeof(one)) < 0) {
		vio_log(VIO_LOG_ERROR, "the loop cannot be woken (%s)", strerror(errno));
	}
}

int devb_loop_call(struct devb_loop *loop, int (*function)(void *), void *argument)
{
	int result = -ENODEV;

	pthread_mutex_lock(&loop->mutex);
	if (!loop->has_ended) {
		loop->function = function;
		loop->argument = argument;
		loop->is_called = true;
		wake(loop);
	}
	while (loop->is_called && !loop->has_ended) {
		pthread_cond_wait(&loop->answered, &loop->mutex);
	}
	if (!loop->is_called && !loop->has_ended) {
		result = loop->result;
	}
	pthread_mutex_unlock(&loop->mutex);
	return result;
}

int devb_loop_stop(struct devb_loop *loop)
{
	if (!loop->is_started || loop->is_joined) {
		return loop->flush_result;
	}
	pthread_mutex_lock(&loop->mutex);
	loop->stop_wanted = true;
	wake(loop);
	pthread_mutex_unlock(&loop->mutex);
	pthread_join(loop->thread, NULL);
	loop->is_joined = true;
	return loop->flush_result;
}

void devb_loop_close(struct devb_loop *loop)
{
	if (!loop) {
		return;
	}
	if (loop->has_ring) {
		io_uring_queue_exit(&loop->ring);
	}
	if (loop->wake >= 0) {
		close(loop->wake);
	}
	pthread_cond_destroy(&loop->answered);
	pthread_mutex_destroy(&loop->mutex);
	free(loop);
}
