/* SPDX-License-Identifier: BSD-3-Clause */
/* What the loop's thread waits for, and what it does then. */
#include "loop_internal.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <vio/log.h>

enum {
	TICK_S = 1,
	/* chosen: waking up is all that an idle driver costs */
	TICK_QUIET_S = 4,
	TICK_IDLE_S = 2,  /* and where no interrupt brings news */
	SPIN_CHECKS = 32, /* looks between two looks at the clock */
	/* chosen: messages, or bytes copied for them, before the disk has its turn */
	BURST_MAX = 32,
	BURST_BYTES = 256 * 1024,
};

/* What a completion of the io_uring belongs to. */
enum source {
	SOURCE_DEVICE = 1, /* the disk may have completions */
	SOURCE_EVENTS,     /* the device itself has news */
	SOURCE_TICK,
	SOURCE_CALL,                   /* somebody outside wants something */
	SOURCE_CANCEL,                 /* of what changes another request of ours */
	SOURCE_CHANNEL = FSG_DATA_MIN, /* and above: the channel's */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Is there something to handle, or work put off that may become something? */
static bool has_news(const struct devb_loop *loop)
{
	return io_uring_cq_ready(&loop->ring) > 0 || (IO_URING_READ_ONCE(*loop->ring.sq.kflags) &
						      (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
}

/*
 * Each source has one request at most in the ring, which has room for all of
 * them: should it ever be full, the next turn of the loop tries again.
 */
static void prepare(struct devb_loop *loop)
{
	if (!loop->is_stopping) {
		fsg_channel_prepare(loop->channel);
	}
}

/* The request that watches another descriptor than the present one ends; then comes the new. */
static void unwatch_device(struct devb_loop *loop)
{
	struct io_uring_sqe *sqe;

	if (loop->is_unwatching || (sqe = io_uring_get_sqe(&loop->ring)) == NULL) {
		return;
	}
	io_uring_prep_cancel64(sqe, SOURCE_DEVICE, 0);
	io_uring_sqe_set_data64(sqe, SOURCE_CANCEL);
	loop->is_unwatching = true;
}

static void watch_device(struct devb_loop *loop)
{
	int fd = devb_disk_wait_fd(loop->queue);
	struct io_uring_sqe *sqe;

	if (loop->is_watching) {
		if (fd != loop->watched_fd) {
			unwatch_device(loop);
		}
		return;
	}
	sqe = io_uring_get_sqe(&loop->ring);
	if (sqe) {
		io_uring_prep_poll_add(sqe, fd, POLLIN);
		io_uring_sqe_set_data64(sqe, SOURCE_DEVICE);
		loop->is_watching = true;
		loop->watched_fd = fd;
	}
}

static void watch_events(struct devb_loop *loop)
{
	int fd = devb_disk_events_fd(loop->disk);
	struct io_uring_sqe *sqe;

	if (loop->is_watching_events || fd < 0 || (sqe = io_uring_get_sqe(&loop->ring)) == NULL) {
		return;
	}
	io_uring_prep_poll_add(sqe, fd, POLLIN);
	io_uring_sqe_set_data64(sqe, SOURCE_EVENTS);
	loop->is_watching_events = true;
}

static long tick_seconds(const struct devb_loop *loop)
{
	if (!devb_disk_is_quiet(loop->queue)) {
		return TICK_S;
	}
	return devb_disk_has_interrupts(loop->queue) ? TICK_QUIET_S : TICK_IDLE_S;
}

/* A long pause becomes a short one as soon as there is something to watch. */
static void hasten_tick(struct devb_loop *loop)
{
	struct io_uring_sqe *sqe;

	if (loop->tick.tv_sec == TICK_S || devb_disk_is_quiet(loop->queue) ||
	    (sqe = io_uring_get_sqe(&loop->ring)) == NULL) {
		return;
	}
	loop->tick.tv_sec = TICK_S;
	io_uring_prep_timeout_update(sqe, &loop->tick, SOURCE_TICK, 0);
	/* one that has just fired is not found, and starts anew by itself */
	io_uring_sqe_set_data64(sqe, SOURCE_CANCEL);
}

static void start_tick(struct devb_loop *loop)
{
	struct io_uring_sqe *sqe;

	if (loop->is_ticking) {
		hasten_tick(loop);
		return;
	}
	sqe = io_uring_get_sqe(&loop->ring);
	if (sqe) {
		loop->tick.tv_sec = tick_seconds(loop);
		io_uring_prep_timeout(sqe, &loop->tick, 0, 0);
		io_uring_sqe_set_data64(sqe, SOURCE_TICK);
		loop->is_ticking = true;
	}
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

/*
 * A wait that slept is over. When a message ended it, how soon the device would have
 * answered is not known, unless it is late already.
 */
static void end_wait(struct devb_loop *loop, bool by_device)
{
	struct vio_spin *spin = devb_disk_spin(loop->queue);
	uint64_t waited_ns;

	if (!loop->waiting_since_ns) {
		return;
	}
	waited_ns = now_ns() - loop->waiting_since_ns;
	loop->waiting_since_ns = 0;
	if (by_device || waited_ns > spin->max_ns) {
		vio_spin_slept(spin, waited_ns);
	}
}

/*
 * The only way to poll, because it is also the last moment to notice a lost
 * device: what poll hands back to the channel is memory that such a device may
 * still write to, so nothing may be received into it afterwards.
 */
static unsigned poll_disk(struct devb_loop *loop)
{
	unsigned n = devb_disk_poll(loop->queue);

	if (n) {
		end_wait(loop, true);
	}

	if (devb_disk_is_lost(loop->disk) && !loop->is_lost) {
		vio_log(VIO_LOG_ERROR, "the device is lost: its volumes end here");
		loop->is_lost = true;
		loop->is_stopping = true;
	}
	return n;
}

static void tick(struct devb_loop *loop)
{
	if (devb_disk_tick(loop->disk)) {
		loop->listener.resized(loop->listener.context);
	}
}

/* A cancelled watch says nothing of the descriptor that is watched next. */
static void device_woke(struct devb_loop *loop, int result)
{
	loop->is_watching = false;
	loop->is_unwatching = false;
	if (result != -ECANCELED && devb_disk_wait_ack(loop->queue)) {
		tick(loop);
	}
}

static void handle(struct devb_loop *loop, enum source source, int result)
{
	switch (source) {
	case SOURCE_DEVICE:
		device_woke(loop, result);
		break;
	case SOURCE_EVENTS:
		loop->is_watching_events = false;
		if (devb_disk_events_ack(loop->disk)) {
			tick(loop);
		}
		break;
	case SOURCE_TICK:
		loop->is_ticking = false;
		tick(loop);
		break;
	case SOURCE_CALL:
		loop->is_listening = false;
		loop_answer_call(loop);
		break;
	case SOURCE_CANCEL:
	case SOURCE_CHANNEL:
		break;
	}
}

/* Bytes of messages and answers that were moved, or -1 if there was nothing. */
static ssize_t handle_completions(struct devb_loop *loop)
{
	struct io_uring_cqe *cqe;
	ssize_t moved = -1;

	while (io_uring_peek_cqe(&loop->ring, &cqe) == 0) {
		uint64_t data = io_uring_cqe_get_data64(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&loop->ring, cqe);
		if (data >= SOURCE_CHANNEL) {
			end_wait(loop, false);
			fsg_channel_completed(loop->channel, data, result);
		} else {
			handle(loop, (enum source)data, result);
		}
		moved += moved < 0;
		moved += data >= SOURCE_CHANNEL && result > 0 ? result : 0;
	}
	return moved;
}

/*
 * Everything that is there, so that one notification of the device covers it all, unless
 * copying the next message takes longer than that. Answers go out with the next question. Only the channel may have more at once; the
 * other sources are submitted by the wait.
 */
static void handle_burst(struct devb_loop *loop)
{
	ssize_t moved = 0, bytes = 0;

	for (int i = 0; i < BURST_MAX && moved >= 0 && bytes < BURST_BYTES; i++) {
		listen_for_calls(loop);
		start_tick(loop);
		prepare(loop);
		if (io_uring_sq_ready(&loop->ring) || has_news(loop)) {
			io_uring_submit_and_get_events(&loop->ring);
		}
		moved = handle_completions(loop);
		bytes += moved;
	}
}

static bool look_for(struct devb_loop *loop, uint64_t start_ns, uint64_t allowance_ns)
{
	do {
		for (int i = 0; i < SPIN_CHECKS; i++) {
			if (poll_disk(loop) || has_news(loop)) {
				return true;
			}
		}
	} while (now_ns() - start_ns < allowance_ns);
	return false;
}

/* Once in a wait. True as soon as there is something to do. */
static bool spin(struct devb_loop *loop)
{
	struct vio_spin *spin = devb_disk_spin(loop->queue);
	uint64_t start_ns, allowance_ns;
	bool found;

	if (loop->waiting_since_ns) {
		return false;
	}
	start_ns = now_ns();
	allowance_ns = vio_spin_allowance(spin);
	if (allowance_ns > 0) {
		io_uring_submit_and_get_events(&loop->ring);
		found = look_for(loop, start_ns, allowance_ns);
		vio_spin_ended(spin, found);
		if (found) {
			return true;
		}
	}
	loop->waiting_since_ns = start_ns;
	return false;
}

/* Until there is a message, a wake-up, or, with requests in flight, time to look anyway. */
static void sleep_until_something(struct devb_loop *loop, bool is_busy)
{
	struct __kernel_timespec backstop = {.tv_nsec = VIO_WAIT_BACKSTOP_MS * INT64_C(1000000)};
	struct io_uring_cqe *ignored;
	int rc;

	if (!is_busy || !devb_disk_has_interrupts(loop->queue)) {
		io_uring_submit_and_wait(&loop->ring, 1);
	} else {
		rc = io_uring_submit_and_wait_timeout(&loop->ring, &ignored, 1, &backstop, NULL);
		/* when it submitted something, it says that instead of -ETIME */
		if (rc != -EINTR && !io_uring_cq_ready(&loop->ring)) {
			devb_disk_wait_expired(loop->queue);
		}
	}
	devb_disk_wait_disarm(loop->queue);
}

/*
 * What was done since may have made room for a message: ask for it before waiting.
 * Without interrupts the device is watched by a timer, which must not run for nothing.
 */
static void wait_for_something(struct devb_loop *loop)
{
	bool is_busy = devb_disk_in_flight(loop->queue) > 0;

	prepare(loop);
	if (is_busy && spin(loop)) {
		return;
	}
	if (is_busy || devb_disk_has_interrupts(loop->queue)) {
		if (devb_disk_wait_arm(loop->queue)) {
			return;
		}
		watch_device(loop);
	}
	watch_events(loop);
	sleep_until_something(loop, is_busy);
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
	if (!fsg_channel_stop(loop->channel) || devb_disk_in_flight(loop->queue)) {
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

void loop_run(struct devb_loop *loop)
{
	/*
	 * Now it is this thread's; an error says that it was enabled already. liburing
	 * 2.3 forgot to export its function for that.
	 */
	syscall(__NR_io_uring_register, loop->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	fsg_channel_attach(loop->channel, &loop->ring);
	do {
		handle_burst(loop);
		poll_disk(loop);
		loop->is_stopping |= fsg_channel_ended(loop->channel);
	} while (go_on(loop));
	/* the last answers */
	io_uring_submit_and_get_events(&loop->ring);
	if (loop->is_lost) {
		loop->flush_result = -EIO;
	}
}
