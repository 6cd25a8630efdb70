/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What waits for a device that is to work again (vio_blk_options.replay): requests that it
 * has not answered before it went or asked for a reset, and those submitted since. They
 * stand in `waiting`, none of their parts anywhere, until the queue's thread starts them
 * from their beginning at its first reap after the restart, or until their deadline.
 *
 * They are given again in any order. The caller never has two in flight whose order
 * matters, and a flush covers only what was reaped before it was submitted.
 */
#include "blk_internal.h"

#include <errno.h>

#include "clock.h"

bool blk_may_replay(const struct vio_blk *blk)
{
	int cause = __atomic_load_n(&blk->cause, __ATOMIC_RELAXED);

	if (!blk->options.replay || vio_blk_health(blk) == VIO_BLK_LOST) {
		return false;
	}
	/* it asked for a reset; or 0: it is about to be GOOD */
	return cause == -EIO || cause == 0 || (cause == -ENODEV && blk->transport->may_return);
}

/* To be seen as one that starts at its beginning, with its deadline as it is. */
static void wait_for_device(struct vio_blk_request *request)
{
	request->bytes_total = 0;
	request->bytes_started = 0;
	if (request->seen_ms == 0) {
		request->seen_ms = clock_ms();
	}
}

int blk_replay_later(struct vio_blk_queue *queue, struct vio_blk_request *request)
{
	if (queue->in_flight >= BLK_AWAY_MAX) {
		return -EAGAIN;
	}
	request->result = 0;
	request->parts_in_flight = 0;
	request->seen_ms = 0;
	wait_for_device(request);
	blk_list_append(&queue->waiting, request);
	queue->in_flight++;
	return 0;
}

/* A plain request (blk_plain.h) has no time of its own yet. */
static void take_part(struct vio_blk_queue *queue, struct blk_slot *slot)
{
	struct vio_blk_request *request = slot->request;

	if (slot->is_plain) {
		request->seen_ms = 0;
	}
	if (slot->seen_ms && (request->seen_ms == 0 || slot->seen_ms < request->seen_ms)) {
		request->seen_ms = slot->seen_ms;
	}
	blk_part_abandon(queue, slot);
}

/* The error of a part is the whole request's, and stays. */
static void keep(struct vio_blk_queue *queue, struct vio_blk_request *request)
{
	if (request->result < 0) {
		blk_list_append(&queue->finished, request);
		return;
	}
	wait_for_device(request);
	blk_list_append(&queue->waiting, request);
}

void blk_replay_keep(struct vio_blk_queue *queue)
{
	struct vio_blk_request *first = queue->waiting.first; /* perhaps with parts */
	int id;

	while ((id = vio_queue_take(queue->ring)) >= 0) {
		struct vio_blk_request *request = queue->slots[id].request;

		take_part(queue, &queue->slots[id]);
		if (request->parts_in_flight == 0 && request != first) {
			keep(queue, request);
		}
	}
	if (first) {
		wait_for_device(first);
	}
}

static bool is_overdue(const struct vio_blk *blk, const struct vio_blk_request *request,
		       uint64_t now)
{
	return now - request->seen_ms >= blk->options.timeout_ms;
}

void blk_replay_expire(struct vio_blk_queue *queue)
{
	struct vio_blk *blk = queue->blk;
	bool is_lost = vio_blk_health(blk) == VIO_BLK_LOST;
	struct blk_list waiting = queue->waiting;
	uint64_t now;

	if (!waiting.first || !blk_queue_has_given_ring(queue)) {
		return;
	}
	now = clock_ms();
	queue->waiting = (struct blk_list){NULL, NULL};
	while (waiting.first) {
		struct vio_blk_request *request = waiting.first;

		blk_list_drop_first(&waiting);
		if (is_lost || is_overdue(blk, request, now)) {
			request->result = is_lost ? vio_blk_error(blk) : -ETIMEDOUT;
			blk_list_append(&queue->finished, request);
		} else {
			blk_list_append(&queue->waiting, request);
		}
	}
}
