/* SPDX-License-Identifier: BSD-3-Clause */
/* What the loop's thread waits for, and what it does then. */
#include "loop_internal.h"

#include <errno.h>
#include <poll.h>
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
	SOURCE_CALL,                   /* another thread wants something */
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
static bool has_news(const struct loop_thread *thread)
{
	return io_uring_cq_ready(&thread->ring) > 0 ||
	       (IO_URING_READ_ONCE(*thread->ring.sq.kflags) &
		(IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
}

/*
 * Each source has one request at most in the ring, which has room for all of
 * them: should it ever be full, the next turn of the loop tries again.
 */
static void prepare(struct loop_thread *thread)
{
	if (!thread->is_stopping) {
		fsg_channel_prepare(thread->channel);
	}
}

/* The request that watches another descriptor than the present one ends; then comes the new. */
static void unwatch_device(struct loop_thread *thread)
{
	struct io_uring_sqe *sqe;

	if (thread->is_unwatching || (sqe = io_uring_get_sqe(&thread->ring)) == NULL) {
		return;
	}
	io_uring_prep_cancel64(sqe, SOURCE_DEVICE, 0);
	io_uring_sqe_set_data64(sqe, SOURCE_CANCEL);
	thread->is_unwatching = true;
}

static void watch_device(struct loop_thread *thread)
{
	int fd = devb_disk_wait_fd(thread->queue);
	struct io_uring_sqe *sqe;

	if (thread->is_watching) {
		if (fd != thread->watched_fd) {
			unwatch_device(thread);
		}
		return;
	}
	sqe = io_uring_get_sqe(&thread->ring);
	if (sqe) {
		io_uring_prep_poll_add(sqe, fd, POLLIN);
		io_uring_sqe_set_data64(sqe, SOURCE_DEVICE);
		thread->is_watching = true;
		thread->watched_fd = fd;
	}
}

static void watch_events(struct loop_thread *thread)
{
	int fd = devb_disk_events_fd(thread->loop->disk);
	struct io_uring_sqe *sqe;

	if (thread->index > 0 || thread->is_watching_events || fd < 0 ||
	    (sqe = io_uring_get_sqe(&thread->ring)) == NULL) {
		return;
	}
	io_uring_prep_poll_add(sqe, fd, POLLIN);
	io_uring_sqe_set_data64(sqe, SOURCE_EVENTS);
	thread->is_watching_events = true;
}

static long tick_seconds(const struct loop_thread *thread)
{
	if (!devb_disk_is_quiet(thread->queue)) {
		return TICK_S;
	}
	return devb_disk_has_interrupts(thread->queue) ? TICK_QUIET_S : TICK_IDLE_S;
}

/* A long pause becomes a short one as soon as there is something to watch. */
static void hasten_tick(struct loop_thread *thread)
{
	struct io_uring_sqe *sqe;

	if (thread->tick.tv_sec == TICK_S || devb_disk_is_quiet(thread->queue) ||
	    (sqe = io_uring_get_sqe(&thread->ring)) == NULL) {
		return;
	}
	thread->tick.tv_sec = TICK_S;
	io_uring_prep_timeout_update(sqe, &thread->tick, SOURCE_TICK, 0);
	/* one that has just fired is not found, and starts anew by itself */
	io_uring_sqe_set_data64(sqe, SOURCE_CANCEL);
}

static void start_tick(struct loop_thread *thread)
{
	struct io_uring_sqe *sqe;

	if (thread->is_ticking) {
		hasten_tick(thread);
		return;
	}
	sqe = io_uring_get_sqe(&thread->ring);
	if (sqe) {
		thread->tick.tv_sec = tick_seconds(thread);
		io_uring_prep_timeout(sqe, &thread->tick, 0, 0);
		io_uring_sqe_set_data64(sqe, SOURCE_TICK);
		thread->is_ticking = true;
	}
}

static void listen_for_calls(struct loop_thread *thread)
{
	struct io_uring_sqe *sqe;

	if (thread->is_listening || (sqe = io_uring_get_sqe(&thread->ring)) == NULL) {
		return;
	}
	io_uring_prep_read(sqe, thread->wake, &thread->call_count, sizeof(thread->call_count), 0);
	io_uring_sqe_set_data64(sqe, SOURCE_CALL);
	thread->is_listening = true;
}

/*
 * A wait that slept is over. When a message ended it, how soon the device would have
 * answered is not known, unless it is late already.
 */
static void end_wait(struct loop_thread *thread, bool by_device)
{
	struct vio_spin *spin = devb_disk_spin(thread->queue);
	uint64_t waited_ns;

	if (!thread->waiting_since_ns) {
		return;
	}
	waited_ns = now_ns() - thread->waiting_since_ns;
	thread->waiting_since_ns = 0;
	if (by_device || waited_ns > spin->max_ns) {
		vio_spin_slept(spin, waited_ns);
	}
}

/*
 * The only way to poll, because it is also the last moment to notice a lost
 * device: what poll hands back to the channel is memory that such a device may
 * still write to, so nothing may be received into it afterwards.
 */
static unsigned poll_disk(struct loop_thread *thread)
{
	unsigned n = devb_disk_poll(thread->queue);

	if (n) {
		end_wait(thread, true);
	}

	if (devb_disk_is_lost(thread->loop->disk) && !thread->is_lost) {
		if (thread->index == 0) {
			vio_log(VIO_LOG_ERROR, "the device is lost: its volumes end here");
		}
		thread->is_lost = true;
		loop_stop_all(thread);
	}
	return n;
}

static void look_after_device(struct loop_thread *thread)
{
	if (devb_disk_tick(thread->loop->disk)) {
		thread->loop->listener.resized(thread->loop->listener.context);
	}
}

/* The device itself is thread 0's. */
static void has_device_news(struct loop_thread *thread)
{
	if (thread->index == 0) {
		look_after_device(thread);
	} else {
		atomic_store(&thread->loop->wants_tick, true);
		loop_wake(thread->loop->threads[0]);
	}
}

/* Thread 0 ticks rarely while its own queue is quiet: those that are busy remind it. */
static void tick(struct loop_thread *thread)
{
	if (thread->index == 0) {
		look_after_device(thread);
	} else if (!devb_disk_queue_tick(thread->queue) || devb_disk_in_flight(thread->queue) > 0) {
		has_device_news(thread);
	}
}

static void called(struct loop_thread *thread)
{
	thread->is_listening = false;
	loop_answer(thread);
	if (thread->index == 0 && atomic_exchange(&thread->loop->wants_tick, false)) {
		look_after_device(thread);
	}
}

/* A cancelled watch says nothing of the descriptor that is watched next. */
static void device_woke(struct loop_thread *thread, int result)
{
	thread->is_watching = false;
	thread->is_unwatching = false;
	if (result != -ECANCELED && devb_disk_wait_ack(thread->queue)) {
		has_device_news(thread);
	}
}

static void handle(struct loop_thread *thread, enum source source, int result)
{
	switch (source) {
	case SOURCE_DEVICE:
		device_woke(thread, result);
		break;
	case SOURCE_EVENTS:
		thread->is_watching_events = false;
		if (devb_disk_events_ack(thread->loop->disk)) {
			look_after_device(thread);
		}
		break;
	case SOURCE_TICK:
		thread->is_ticking = false;
		tick(thread);
		break;
	case SOURCE_CALL:
		called(thread);
		break;
	case SOURCE_CANCEL:
	case SOURCE_CHANNEL:
		break;
	}
}

/* Bytes of messages and answers that were moved, or -1 if there was nothing. */
static ssize_t handle_completions(struct loop_thread *thread)
{
	struct io_uring_cqe *cqe;
	ssize_t moved = -1;

	while (io_uring_peek_cqe(&thread->ring, &cqe) == 0) {
		uint64_t data = io_uring_cqe_get_data64(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&thread->ring, cqe);
		if (data >= SOURCE_CHANNEL) {
			end_wait(thread, false);
			fsg_channel_completed(thread->channel, data, result);
		} else {
			handle(thread, (enum source)data, result);
		}
		moved += moved < 0;
		moved += data >= SOURCE_CHANNEL && result > 0 ? result : 0;
	}
	return moved;
}

/*
 * Everything that is there, so that one notification of the device covers it all, unless
 * copying the next message takes longer than that. Answers go out with the next question.
 * Only the channel may have more at once; the other sources are submitted by the wait.
 */
static void handle_burst(struct loop_thread *thread)
{
	ssize_t moved = 0, bytes = 0;

	for (int i = 0; i < BURST_MAX && moved >= 0 && bytes < BURST_BYTES; i++) {
		listen_for_calls(thread);
		start_tick(thread);
		prepare(thread);
		if (io_uring_sq_ready(&thread->ring) || has_news(thread)) {
			io_uring_submit_and_get_events(&thread->ring);
		}
		moved = handle_completions(thread);
		bytes += moved;
	}
}

static bool look_for(struct loop_thread *thread, uint64_t start_ns, uint64_t allowance_ns)
{
	do {
		for (int i = 0; i < SPIN_CHECKS; i++) {
			if (poll_disk(thread) || has_news(thread)) {
				return true;
			}
		}
	} while (now_ns() - start_ns < allowance_ns);
	return false;
}

/* Once in a wait. True as soon as there is something to do. */
static bool spin(struct loop_thread *thread)
{
	struct vio_spin *spin = devb_disk_spin(thread->queue);
	uint64_t start_ns, allowance_ns;
	bool found;

	if (thread->waiting_since_ns) {
		return false;
	}
	start_ns = now_ns();
	allowance_ns = vio_spin_allowance(spin);
	if (allowance_ns > 0) {
		io_uring_submit_and_get_events(&thread->ring);
		found = look_for(thread, start_ns, allowance_ns);
		vio_spin_ended(spin, found);
		if (found) {
			return true;
		}
	}
	thread->waiting_since_ns = start_ns;
	return false;
}

/* Until there is a message, a wake-up, or, with requests in flight, time to look anyway. */
static void sleep_until_something(struct loop_thread *thread, bool is_busy)
{
	struct __kernel_timespec backstop = {.tv_nsec = VIO_WAIT_BACKSTOP_MS * INT64_C(1000000)};
	struct io_uring_cqe *ignored;
	int rc;

	if (!is_busy || !devb_disk_has_interrupts(thread->queue)) {
		io_uring_submit_and_wait(&thread->ring, 1);
	} else {
		rc = io_uring_submit_and_wait_timeout(&thread->ring, &ignored, 1, &backstop, NULL);
		/* when it submitted something, it says that instead of -ETIME */
		if (rc != -EINTR && !io_uring_cq_ready(&thread->ring)) {
			devb_disk_wait_expired(thread->queue);
		}
	}
	devb_disk_wait_disarm(thread->queue);
}

static void watch(struct loop_thread *thread, bool is_busy)
{
	if (is_busy || devb_disk_has_interrupts(thread->queue)) {
		watch_device(thread);
	}
	watch_events(thread);
}

/*
 * What was done since may have made room for a message: ask for it before waiting.
 * Without interrupts the device is watched by a timer, which must not run for nothing.
 */
static void wait_for_something(struct loop_thread *thread)
{
	bool is_busy = devb_disk_in_flight(thread->queue) > 0;

	prepare(thread);
	/* a burst may have ended with what it was to listen for */
	listen_for_calls(thread);
	start_tick(thread);
	if (is_busy && spin(thread)) {
		return;
	}
	if (devb_disk_park(thread->queue)) {
		return;
	}
	if (!(is_busy || devb_disk_has_interrupts(thread->queue)) ||
	    !devb_disk_wait_arm(thread->queue)) {
		watch(thread, is_busy);
		sleep_until_something(thread, is_busy);
	}
	devb_disk_unpark(thread->queue);
}

/* False at the end; otherwise sleeps until there is something to do. */
static bool go_on(struct loop_thread *thread)
{
	if (loop_is_finished(thread)) {
		return false;
	}
	wait_for_something(thread);
	return true;
}

/* The other threads' channels sleep until the first one's has been greeted. */
static void introduce(struct loop_thread *thread)
{
	if (!thread->has_introduced && fsg_channel_is_greeted(thread->channel)) {
		thread->has_introduced = true;
		loop_wake_others(thread);
	}
}

static void look_around(struct loop_thread *thread)
{
	if (thread->index == 0) {
		introduce(thread);
	}
	if (fsg_channel_ended(thread->channel)) {
		loop_stop_all(thread);
	}
	thread->is_stopping |=
		atomic_load_explicit(&thread->loop->is_stopping, memory_order_relaxed);
}

void loop_run(struct loop_thread *thread)
{
	/*
	 * Now it is this thread's; an error says that it was enabled already. liburing
	 * 2.3 forgot to export its function for that.
	 */
	syscall(__NR_io_uring_register, thread->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
		0);
	devb_disk_unpark(thread->queue);
	do {
		handle_burst(thread);
		poll_disk(thread);
		look_around(thread);
	} while (go_on(thread));
	/* the last answers */
	io_uring_submit_and_get_events(&thread->ring);
	if (thread->is_lost && thread->index == 0) {
		thread->loop->flush_result = -EIO;
	}
}
