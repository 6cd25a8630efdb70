/* SPDX-License-Identifier: BSD-3-Clause */
/* How the threads of a loop end: together, and number 0 last. */
#include "loop_internal.h"

#include <stddef.h>

/* One ends, all end: what a thread has been given is no other's to answer. */
void loop_stop_all(struct loop_thread *thread)
{
	thread->is_stopping = true;
	if (!atomic_exchange(&thread->loop->is_stopping, true)) {
		loop_wake_others(thread);
	}
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

/*
 * Thread 0, when it has nothing left itself. The others may need it to reset the device,
 * and the flush is to cover what they wrote.
 */
static bool is_flushed(struct loop_thread *thread)
{
	struct devb_loop *loop = thread->loop;

	if (atomic_load(&loop->others) > 0) {
		return false;
	}
	if (loop->flush_state == FLUSH_NOT_YET && !thread->is_lost) {
		start_flush(loop);
		return loop->flush_state == FLUSH_DONE;
	}
	return loop->flush_state != FLUSH_RUNNING;
}

/* Everything that was accepted is answered and safe. */
bool loop_is_finished(struct loop_thread *thread)
{
	if (!thread->is_stopping) {
		return false;
	}
	if (!fsg_channel_stop(thread->channel) || devb_disk_in_flight(thread->queue)) {
		return false;
	}
	/* others go on: parked, for good */
	return thread->index > 0 ? !devb_disk_park(thread->queue) : is_flushed(thread);
}
