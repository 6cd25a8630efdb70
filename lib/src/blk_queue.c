/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests in, requests out; see the contract in blk.h. */
#include "blk_internal.h"

#include <errno.h>

#include <vio/log.h>

#include "blk_plain.h"


/* Bytes in the caller's list, or UINT64_MAX when it is too much. */
static uint64_t total_bytes(const struct vio_blk_request *request)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < request->iov_count; i++) {
		if (request->iov[i].iov_len > BLK_REQUEST_MAX) {
			return UINT64_MAX;
		}
		total += request->iov[i].iov_len;
		if (total > BLK_REQUEST_MAX) {
			return UINT64_MAX;
		}
	}
	return total;
}

int blk_check_range(const struct vio_blk_info *info, uint64_t start_sector, uint64_t bytes)
{
	uint32_t unit = info->block_size / VIO_BLK_SECTOR_SIZE;
	uint64_t sectors = bytes / VIO_BLK_SECTOR_SIZE;
	uint64_t capacity = __atomic_load_n(&info->capacity_sectors, __ATOMIC_RELAXED);

	if (bytes == 0 || (bytes & (info->block_size - 1)) != 0 ||
	    (start_sector & (unit - 1)) != 0) {
		return -EINVAL;
	}
	/* by subtraction: start + sectors may wrap */
	if (start_sector > capacity || sectors > capacity - start_sector) {
		return -ENOSPC;
	}
	return 0;
}

static int check_transfer(const struct vio_blk_info *info, const struct vio_blk_request *request)
{
	if (request->bytes_total > BLK_REQUEST_MAX) {
		return -EINVAL;
	}
	return blk_check_range(info, request->start_sector, request->bytes_total);
}

static int check_request(const struct vio_blk_info *info, struct vio_blk_request *request)
{
	request->bytes_total = total_bytes(request);
	request->bytes_started = 0;
	switch (request->op) {
	case VIO_BLK_WRITE:
		return info->read_only ? -EROFS : check_transfer(info, request);
	case VIO_BLK_READ:
		return check_transfer(info, request);
	case VIO_BLK_FLUSH:
		if (!info->can_flush) {
			return -ENOTSUP;
		}
		return request->iov_count == 0 ? 0 : -EINVAL;
	case VIO_BLK_GET_ID:
		return request->bytes_total == VIO_BLK_ID_SIZE ? 0 : -EINVAL;
	case VIO_BLK_DISCARD:
	case VIO_BLK_WRITE_ZEROES:
	case VIO_BLK_SECURE_ERASE:
		return blk_range_check(info, request);
	case VIO_BLK_GET_LIFETIME:
		if (!info->has_lifetime) {
			return -ENOTSUP;
		}
		return request->bytes_total == BLK_LIFETIME_SIZE ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static bool is_done(const struct vio_blk_request *request)
{
	return request->parts_in_flight == 0 && request->bytes_started == request->bytes_total;
}

/* The first error of a part decides; the rest of the request is not even started. */
static void note_error(struct vio_blk_queue *queue, struct vio_blk_request *request, int error)
{
	if (request->result == 0) {
		request->result = error;
	}
	request->bytes_started = request->bytes_total;
	if (queue->waiting.first == request) {
		blk_list_drop_first(&queue->waiting);
	}
}

/* Starts parts until all are, or the queue is full; a real failure ends the request. */
static void start_more(struct vio_blk_queue *queue, struct vio_blk_request *request)
{
	while (request->bytes_started < request->bytes_total) {
		int rc = blk_part_start(queue, request);

		if (rc == -EAGAIN) {
			return;
		}
		if (rc < 0) {
			note_error(queue, request, rc);
		}
	}
}

/* A discard of which the alignment left nothing. */
static bool is_empty(const struct vio_blk_request *request)
{
	return blk_is_range(request) && request->bytes_total == 0;
}

/* As much of it as there is room for, which is at least one part; or nothing. */
static int start(struct vio_blk_queue *queue, struct vio_blk_request *request)
{
	int rc = blk_part_start(queue, request);

	if (rc == 0) {
		start_more(queue, request);
	}
	return rc;
}

static int submit_good(struct vio_blk_queue *queue, struct vio_blk_request *request)
{
	int rc = check_request(&queue->blk->info, request);

	if (rc < 0) {
		return rc;
	}
	/* whoever waits for room was here first */
	if (queue->waiting.first) {
		return -EAGAIN;
	}
	request->result = 0;
	request->parts_in_flight = 0;
	request->seen_ms = 0;
	if (is_empty(request)) {
		blk_list_append(&queue->finished, request);
	} else {
		rc = start(queue, request);
	}
	if (rc == 0) {
		queue->in_flight++;
	}
	if (rc == 0 && request->bytes_started < request->bytes_total) {
		blk_list_append(&queue->waiting, request);
	}
	return rc;
}

__attribute__((noinline)) static int submit_any(struct vio_blk_queue *queue,
						struct vio_blk_request *request)
{
	int rc = vio_blk_error(queue->blk);

	if (rc == 0) {
		return submit_good(queue, request);
	}
	return blk_may_replay(queue->blk) ? blk_replay_later(queue, request) : rc;
}

int vio_blk_submit(struct vio_blk_queue *queue, struct vio_blk_request *request)
{
	return LIKELY(plain_submit(queue, request)) ? 0 : submit_any(queue, request);
}

void vio_blk_kick(struct vio_blk_queue *queue)
{
	if (LIKELY(blk_is_good(queue->blk))) {
		queue_kick(queue->ring);
	}
}

/* Said once for all that the same device is not given. */
static void refuse_again(struct vio_blk_queue *queue, int error)
{
	const struct vio_blk_info *info = &queue->blk->info;

	if (!queue->refusal_logged) {
		vio_log(VIO_LOG_ERROR,
			"%s: what was in flight is not for the device that came back: %s (it has "
			"%llu sectors and the features 0x%llx)",
			queue->blk->transport->name,
			error == -ENOSPC  ? "it reaches beyond the end"
			: error == -EROFS ? "it writes, and the device is read-only"
					  : "there is no such command, or not with this alignment",
			(unsigned long long)info->capacity_sectors,
			(unsigned long long)info->features);
	}
	queue->refusal_logged = true;
}

/* Kept through a reset: from its beginning, by what the device now is. */
static int start_again(struct vio_blk_queue *queue, struct vio_blk_request *request)
{
	int rc = check_request(&queue->blk->info, request);

	if (rc < 0) {
		refuse_again(queue, rc);
	} else if (!is_empty(request)) {
		rc = start(queue, request);
	}
	return rc;
}

/* False: there is no room for more. */
static bool continue_first(struct vio_blk_queue *queue)
{
	struct vio_blk_request *request = queue->waiting.first;
	int rc = 0;

	if (request->bytes_started < request->bytes_total) {
		start_more(queue, request);
	} else {
		rc = start_again(queue, request);
	}
	if (rc < 0 && rc != -EAGAIN) {
		note_error(queue, request, rc);
	}
	if (rc == -EAGAIN || request->bytes_started < request->bytes_total) {
		return false;
	}
	if (queue->waiting.first == request) {
		blk_list_drop_first(&queue->waiting);
	}
	/* it could not go on, and no completion is to come that would finish it */
	if (is_done(request)) {
		blk_list_append(&queue->finished, request);
	}
	return true;
}

__attribute__((noinline)) static void continue_waiting(struct vio_blk_queue *queue)
{
	while (queue->waiting.first && continue_first(queue)) {
	}
	vio_queue_kick(queue->ring);
}

static unsigned take_finished(struct vio_blk_queue *queue, struct vio_blk_request **done,
			      unsigned max)
{
	unsigned n = 0;

	while (n < max && queue->finished.first) {
		done[n++] = queue->finished.first;
		blk_list_drop_first(&queue->finished);
	}
	queue->in_flight -= n;
	return n;
}

/* The request, if this part was its last. */
static struct vio_blk_request *finish_part(struct vio_blk_queue *queue, uint16_t id)
{
	struct vio_blk_request *request = queue->slots[id].request;
	int result = blk_part_finish(queue, id);

	if (result < 0) {
		note_error(queue, request, result);
	}
	return is_done(request) ? request : NULL;
}

/* Where the requests go that completions finish. */
struct finishing {
	struct vio_blk_queue *queue;
	struct vio_blk_request **done;
};

static inline void finish(void *context, const struct ring_chain *chain, uint32_t id,
			  uint32_t length)
{
	struct finishing *f = context;
	struct blk_slot *slot = &f->queue->slots[id];

	(void)length;
	if (plain_went_well(f->queue, slot, chain->frame)) {
		*f->done++ = slot->request;
		slot->request = NULL;
	} else {
		*f->done = finish_part(f->queue, (uint16_t)id);
		f->done += *f->done != NULL;
	}
}

/*
 * What is in flight is finished or kept, since the ring was evacuated. It is not touched
 * from here on until the device is GOOD again.
 */
static void settle(struct vio_blk_queue *queue)
{
	if (queue->is_unsettled && !queue->finished.first) {
		queue->is_unsettled = false;
		__atomic_fetch_sub(&queue->blk->unsettled, 1, __ATOMIC_RELEASE);
	}
}

static void note_violation(struct vio_blk_queue *queue)
{
	queue->stats.violations++;
	blk_mark(queue->blk, -EPROTO, vio_queue_fault(queue->ring));
}

__attribute__((noinline)) static unsigned
reap_in_order(struct vio_blk_queue *queue, struct vio_blk_request **done, unsigned max)
{
	struct finishing f = {queue, done};

	if (queue_reap_in_order(queue->ring, max, finish, &f) < 0) {
		note_violation(queue);
	}
	return (unsigned)(f.done - done);
}

/* As many completions as there is room for requests; one may finish none. */
static unsigned reap_ring(struct vio_blk_queue *queue, struct vio_blk_request **done, unsigned max)
{
	struct finishing f = {queue, done};

	if (queue_is_in_order(queue->ring)) {
		return reap_in_order(queue, done, max);
	}
	if (queue_reap(queue->ring, max, finish, &f) < 0) {
		note_violation(queue);
	}
	return (unsigned)(f.done - done);
}

/* What a reset left; the reset itself is thread 0's. */
static unsigned reap_failed(struct vio_blk_queue *queue, struct vio_blk_request **done,
			    unsigned max)
{
	unsigned n;

	if (queue->index == 0) {
		blk_attend(queue->blk);
	}
	blk_queue_evacuate(queue);
	blk_replay_expire(queue);
	n = take_finished(queue, done, max);
	settle(queue);
	return n;
}

__attribute__((noinline)) static unsigned
reap_all(struct vio_blk_queue *queue, struct vio_blk_request **done, unsigned max)
{
	unsigned n = 0;

	if (queue->finished.first) {
		n = take_finished(queue, done, max);
	}
	/* a ring is ours while all is well */
	while (n < max && blk_is_good(queue->blk) && queue_has_used(queue->ring)) {
		unsigned reaped = reap_ring(queue, done + n, max - n);

		queue->in_flight -= reaped;
		n += reaped;
	}
	if (!blk_is_good(queue->blk)) {
		n += reap_failed(queue, done + n, max - n);
	} else if (queue->waiting.first) {
		continue_waiting(queue);
	}
	return n;
}

/* Who polls finds nothing most of the time, and finds that out with a few instructions. */
unsigned vio_blk_reap(struct vio_blk_queue *queue, struct vio_blk_request **done, unsigned max)
{
	if (blk_is_good(queue->blk) && !queue_has_used(queue->ring) && !queue->finished.first &&
	    !queue->waiting.first) {
		return 0;
	}
	return reap_all(queue, done, max);
}

unsigned vio_blk_in_flight(const struct vio_blk_queue *queue)
{
	return queue->in_flight;
}

static void end(struct vio_blk_queue *queue, struct vio_blk_request *request, int error)
{
	note_error(queue, request, error);
	if (is_done(request)) {
		blk_list_append(&queue->finished, request);
	}
}

static void end_all(struct vio_blk_queue *queue, int error)
{
	int id;

	while (queue->waiting.first) {
		end(queue, queue->waiting.first, error);
	}
	while ((id = vio_queue_take(queue->ring)) >= 0) {
		struct vio_blk_request *request = queue->slots[id].request;

		blk_part_abandon(queue, &queue->slots[id]);
		end(queue, request, error);
	}
}

void blk_queue_evacuate(struct vio_blk_queue *queue)
{
	unsigned resets = __atomic_load_n(&queue->blk->resets, __ATOMIC_ACQUIRE);

	if (resets == queue->resets_seen) {
		return;
	}
	queue->resets_seen = resets;
	queue->is_unsettled = true;
	queue->refusal_logged = false;
	if (queue->blk->keeps) {
		blk_replay_keep(queue);
	} else {
		end_all(queue, __atomic_load_n(&queue->blk->cause, __ATOMIC_RELAXED));
	}
	blk_queue_stats(queue, &queue->last);
	settle(queue);
}
