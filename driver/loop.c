/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <liburing.h>

#include <vio/log.h>

enum {
	RING_ENTRIES = 16, /* one of each kind below, and room */
	TICK_S = 1,
	SPIN_NS = 50000,  /* chosen: longer than an answer from memory, far below a tick */
	SPIN_CHECKS = 32, /* looks between two looks at the clock */
	BURST_MAX = 32,   /* messages before the disk has its turn */
};

/* What a completion of the io_uring belongs to. */
enum source {
	SOURCE_MESSAGE = 1, /* the channel's file descriptor was read */
	SOURCE_DEVICE,      /* the disk may have completions */
	SOURCE_TICK,
	SOURCE_CALL, /* somebody outside wants something */
	SOURCE_CANCEL,
};

struct devb_loop {
	struct io_uring ring;
	struct devb_disk *disk;
	struct fsg_channel *channel;
	devb_loop_ended *ended;
	void *context;
	pthread_t thread;
	bool has_ring, is_started, is_joined;

	/* loop thread */
	bool is_receiving, is_watching, is_ticking, is_listening;
	bool is_stopping, is_cancelled;
	bool is_lost; /* the device did not let go of its memory */
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

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/*
 * Each source has one request at most in the ring, which has room for all of
 * them: should it ever be full, the next turn of the loop tries again.
 */
static void receive(struct devb_loop *loop)
{
	struct io_uring_sqe *sqe;
	void *where;
	size_t size;

	if (loop->is_receiving || loop->is_stopping ||
	    !fsg_channel_receive(loop->channel, &where, &size)) {
		return;
	}
	sqe = io_uring_get_sqe(&loop->ring);
	if (sqe) {
		io_uring_prep_read(sqe, fsg_channel_fd(loop->channel), where, (unsigned)size, 0);
		io_uring_sqe_set_data64(sqe, SOURCE_MESSAGE);
		loop->is_receiving = true;
	}
}

static void watch_device(struct devb_loop *loop)
{
	struct io_uring_sqe *sqe;

	if (loop->is_watching || (sqe = io_uring_get_sqe(&loop->ring)) == NULL) {
		return;
	}
	io_uring_prep_poll_add(sqe, devb_disk_wait_fd(loop->disk), POLLIN);
	io_uring_sqe_set_data64(sqe, SOURCE_DEVICE);
	loop->is_watching = true;
}

static void start_tick(struct devb_loop *loop)
{
	struct io_uring_sqe *sqe;

	if (loop->is_ticking || (sqe = io_uring_get_sqe(&loop->ring)) == NULL) {
		return;
	}
	loop->tick.tv_sec = TICK_S;
	io_uring_prep_timeout(sqe, &loop->tick, 0, 0);
	io_uring_sqe_set_data64(sqe, SOURCE_TICK);
	loop->is_ticking = true;
}

static void listen_for_calls(struct devb_loop *loop)
{
	struct io_uring_sqe *sqe;

	if (loop->is_listening || (sqe = io_uring_get_sqe(&loop->ring)) == NULL) {
		return;
	}
	io_uring_prep_read(sqe, loop->wake, &loop->call_count, sizeof(loop->call_count), 0);
	io_uring_sqe_set_data64(sqe, SOURCE_CALL);
	loop->is_listening = true;
}

/* A message that has been read must be answered; one that has not, need not be. */
static void stop_receiving(struct devb_loop *loop)
{
	struct io_uring_sqe *sqe;

	if (!loop->is_receiving || loop->is_cancelled ||
	    (sqe = io_uring_get_sqe(&loop->ring)) == NULL) {
		return;
	}
	io_uring_prep_cancel64(sqe, SOURCE_MESSAGE, 0);
	io_uring_sqe_set_data64(sqe, SOURCE_CANCEL);
	loop->is_cancelled = true;
}

static void answer_call(struct devb_loop *loop)
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

/*
 * The only way to poll, because it is also the last moment to notice a lost
 * device: what poll hands back to the channel is memory that such a device may
 * still write to, so nothing may be received into it afterwards.
 */
static unsigned poll_disk(struct devb_loop *loop)
{
	unsigned n = devb_disk_poll(loop->disk);

	if (devb_disk_is_lost(loop->disk) && !loop->is_lost) {
		vio_log(VIO_LOG_ERROR, "the device is lost: its volumes end here");
		loop->is_lost = true;
		loop->is_stopping = true;
	}
	return n;
}

static void handle(struct devb_loop *loop, enum source source, int result)
{
	switch (source) {
	case SOURCE_MESSAGE:
		loop->is_receiving = false;
		fsg_channel_received(loop->channel, result == -ECANCELED ? -EINTR : result);
		break;
	case SOURCE_DEVICE:
		loop->is_watching = false;
		devb_disk_wait_ack(loop->disk);
		break;
	case SOURCE_TICK:
		loop->is_ticking = false;
		devb_disk_tick(loop->disk);
		break;
	case SOURCE_CALL:
		loop->is_listening = false;
		answer_call(loop);
		break;
	case SOURCE_CANCEL:
		break;
	}
}

/* True if there was something. */
static bool handle_completions(struct devb_loop *loop)
{
	struct io_uring_cqe *cqe;
	bool any = false;

	while (io_uring_peek_cqe(&loop->ring, &cqe) == 0) {
		enum source source = (enum source)io_uring_cqe_get_data64(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&loop->ring, cqe);
		handle(loop, source, result);
		any = true;
	}
	return any;
}

/* Everything that is there, so that one notification of the device covers it all. */
static void handle_burst(struct devb_loop *loop)
{
	for (int i = 0; i < BURST_MAX; i++) {
		listen_for_calls(loop);
		start_tick(loop);
		receive(loop);
		io_uring_submit(&loop->ring);
		if (!handle_completions(loop)) {
			break;
		}
	}
}

/* True as soon as there is something to do. */
static bool spin(struct devb_loop *loop)
{
	uint64_t limit = now_ns() + SPIN_NS;

	do {
		for (int i = 0; i < SPIN_CHECKS; i++) {
			if (poll_disk(loop) || io_uring_cq_ready(&loop->ring)) {
				return true;
			}
		}
	} while (now_ns() < limit);
	return false;
}

/* What was done since may have made room for a message: ask for it before waiting. */
static void wait_for_something(struct devb_loop *loop)
{
	receive(loop);
	if (devb_disk_in_flight(loop->disk)) {
		io_uring_submit(&loop->ring);
		if (spin(loop) || devb_disk_wait_arm(loop->disk)) {
			return;
		}
		watch_device(loop);
	}
	io_uring_submit_and_wait(&loop->ring, 1);
}

static void flushed(struct devb_io *io, int result)
{
	struct devb_loop *loop =
		(struct devb_loop *)((char *)io - offsetof(struct devb_loop, flush));

	loop->flush_result = result;
	loop->flush_state = FLUSH_DONE;
}

static void start_flush(struct devb_loop *loop)
{
	struct devb_block *block = devb_disk_block(loop->disk);

	loop->flush = (struct devb_io){.op = DEVB_FLUSH, .done = flushed};
	loop->flush_state = FLUSH_RUNNING;
	loop->flush_result = block->read_only ? 0 : devb_block_submit(block, &loop->flush);
	if (block->read_only || loop->flush_result < 0) {
		loop->flush_state = FLUSH_DONE;
	}
}

/* Everything that was accepted is answered and safe. */
static bool is_finished(struct devb_loop *loop)
{
	if (!loop->is_stopping) {
		return false;
	}
	stop_receiving(loop);
	if (loop->is_receiving || devb_disk_in_flight(loop->disk)) {
		return false;
	}
	if (loop->flush_state == FLUSH_NOT_YET && !loop->is_lost) {
		start_flush(loop);
		return loop->flush_state == FLUSH_DONE;
	}
	return loop->flush_state != FLUSH_RUNNING;
}

/* False at the end; otherwise sleeps until there is something to do. */
static bool go_on(struct devb_loop *loop)
{
	if (is_finished(loop)) {
		return false;
	}
	wait_for_something(loop);
	return true;
}

static void run(struct devb_loop *loop)
{
	do {
		handle_burst(loop);
		poll_disk(loop);
		loop->is_stopping |= fsg_channel_ended(loop->channel);
	} while (go_on(loop));
	if (loop->is_lost) {
		loop->flush_result = -EIO;
	}
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
		fsg_channel_abort(loop->channel);
		loop->ended(loop->context);
	}
}

static void *thread_main(void *argument)
{
	struct devb_loop *loop = argument;

	run(loop);
	end(loop);
	return NULL;
}

static int open_ring(struct devb_loop *loop, struct vio_error *err)
{
	int rc = io_uring_queue_init(RING_ENTRIES, &loop->ring, 0);

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
		   devb_loop_ended *ended, void *context, struct vio_error *err)
{
	struct devb_loop *loop = calloc(1, sizeof(*loop));
	int rc;

	*out = NULL;
	if (!loop) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	loop->disk = disk;
	loop->channel = channel;
	loop->ended = ended;
	loop->context = context;
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
