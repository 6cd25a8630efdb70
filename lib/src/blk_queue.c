/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests in, requests out; see the contract in blk.h. */
#include "blk_internal.h"

#include <errno.h>

#include "blk_plain.h"

enum {
	REAP_BATCH = 32,
};

static void append(struct blk_list *list, struct vio_blk_request *request)
{
	request->next = NULL;
	if (list->last) {
		list->last->next = request;
	} else {
		list->first = request;
	}
	list->last = request;
}

static void drop_first(struct blk_list *list)
{
	list->first = list->first->next;
	if (!list->first) {
		list->last = NULL;
	}
}

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

	if (bytes == 0 || (bytes & (info->block_size - 1)) != 0 ||
	    (start_sector & (unit - 1)) != 0) {
		return -EINVAL;
	}
	/* by subtraction: start + sectors may wrap */
	if (start_sector > info->capacity_sectors ||
	    sectors > info->capacity_sectors - start_sector) {
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
	if (queue->continuing == request) {
		queue->continuing = NULL;
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

__attribute__((noinline)) static int submit_any(struct vio_blk_queue *queue,
						struct vio_blk_request *request)
{
	int rc = queue->blk->error;

	if (rc == 0) {
		rc = check_request(&queue->blk->info, request);
	}
	if (rc < 0) {
		return rc;
	}
	/* whoever waits for room was here first */
	if (queue->continuing) {
		return -EAGAIN;
	}
	request->result = 0;
	request->parts_in_flight = 0;
	request->bytes_started = 0;
	rc = blk_part_start(queue, request);
	if (rc < 0) {
		return rc;
	}
	queue->in_flight++;
	start_more(queue, request);
	if (request->bytes_started < request->bytes_total) {
		queue->continuing = request;
	}
	return 0;
}

int vio_blk_submit(struct vio_blk_queue *queue, struct vio_blk_request *request)
{
	return LIKELY(plain_submit(queue, request)) ? 0 : submit_any(queue, request);
}

void vio_blk_kick(struct vio_blk_queue *queue)
{
	queue_kick(queue->ring);
}

static void continue_waiting(struct vio_blk_queue *queue)
{
	struct vio_blk_request *request = queue->continuing;

	start_more(queue, request);
	if (request->bytes_started == request->bytes_total) {
		queue->continuing = NULL;
	}
	/* it could not go on, and no completion is to come that would finish it */
	if (is_done(request)) {
		append(&queue->finished, request);
	}
	vio_queue_kick(queue->ring);
}

static unsigned take_finished(struct vio_blk_queue *queue, struct vio_blk_request **done,
			      unsigned max)
{
	unsigned n = 0;

	while (n < max && queue->finished.first) {
		done[n++] = queue->finished.first;
		drop_first(&queue->finished);
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

/* Returns how many requests the completions finished. */
static unsigned finish_parts(struct vio_blk_queue *queue, const struct vio_queue_used *used,
			     unsigned count, struct vio_blk_request **done)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		struct vio_blk_request *request = plain_finish(queue, used[i].id);

		if (!LIKELY(request != NULL)) {
			request = finish_part(queue, used[i].id);
		}
		if (LIKELY(request != NULL)) {
			done[n++] = request;
		}
	}
	queue->in_flight -= n;
	return n;
}

static unsigned reap_batch(struct vio_blk_queue *queue, struct vio_blk_request **done, unsigned max,
			   int *got)
{
	struct vio_queue_used used[REAP_BATCH];

	*got = queue_reap(queue->ring, used, max < REAP_BATCH ? max : REAP_BATCH);
	if (*got < 0) {
		blk_fail(queue->blk, -EPROTO, vio_queue_fault(queue->ring));
		return take_finished(queue, done, max);
	}
	return finish_parts(queue, used, (unsigned)*got, done);
}

unsigned vio_blk_reap(struct vio_blk_queue *queue, struct vio_blk_request **done, unsigned max)
{
	unsigned n = 0;
	int got = REAP_BATCH;

	if (queue->finished.first) {
		n = take_finished(queue, done, max);
	}
	/* a batch that was not full took all there is */
	while (n < max && got == REAP_BATCH && queue_has_used(queue->ring) &&
	       queue->blk->health == VIO_BLK_GOOD) {
		n += reap_batch(queue, done + n, max - n, &got);
	}
	if (queue->continuing) {
		continue_waiting(queue);
	}
	return n;
}

unsigned vio_blk_in_flight(const struct vio_blk_queue *queue)
{
	return queue->in_flight;
}

int vio_blk_wait_fd(const struct vio_blk_queue *queue)
{
	return vio_queue_wait_fd(queue->ring);
}

bool vio_blk_wait_arm(struct vio_blk_queue *queue)
{
	if (queue->finished.first) {
		return true;
	}
	/* a ring that broke has a fault to report for ever: do not spin on it */
	return queue->blk->health == VIO_BLK_GOOD && vio_queue_wait_arm(queue->ring);
}

void vio_blk_wait_disarm(struct vio_blk_queue *queue)
{
	vio_queue_wait_disarm(queue->ring);
}

unsigned vio_blk_wait_ack(struct vio_blk_queue *queue)
{
	unsigned events = vio_queue_wait_ack(queue->ring);

	queue->blk->news |= events;
	return events;
}

bool vio_blk_wait_expired(struct vio_blk_queue *queue)
{
	return queue->blk->health == VIO_BLK_GOOD && vio_queue_wait_expired(queue->ring);
}

bool vio_blk_has_interrupts(const struct vio_blk_queue *queue)
{
	return vio_queue_has_interrupts(queue->ring);
}

int vio_blk_events_fd(const struct vio_blk *blk)
{
	return vio_queue_events_fd(blk->queue.ring);
}

unsigned vio_blk_events_ack(struct vio_blk *blk)
{
	unsigned events = vio_queue_events_ack(blk->queue.ring);

	blk->news |= events;
	return events;
}

struct vio_spin *vio_blk_spin(struct vio_blk_queue *queue)
{
	return vio_queue_spin(queue->ring);
}

int vio_blk_wait(struct vio_blk_queue *queue, unsigned timeout_ms)
{
	int rc;

	if (queue->finished.first) {
		return 0;
	}
	if (queue->blk->health != VIO_BLK_GOOD) {
		return queue->blk->error;
	}
	rc = vio_queue_wait(queue->ring, timeout_ms);
	queue->blk->news |= vio_queue_news(queue->ring);
	return rc;
}

void vio_blk_stats(const struct vio_blk_queue *queue, struct vio_blk_stats *stats)
{
	const struct vio_queue_stats *ring = vio_queue_stats(queue->ring);
	const struct vio_spin *spin = vio_queue_spin(queue->ring);

	*stats = queue->stats;
	stats->requests = ring->chains;
	stats->sleeps = ring->sleeps;
	stats->interrupts = ring->interrupts;
	stats->interrupts_missed = ring->interrupts_missed;
	stats->spins = spin->spins;
	stats->spins_found = spin->spins_found;
}

void blk_queue_evacuate(struct vio_blk_queue *queue, int error)
{
	struct vio_blk_request *request;
	int id;

	request = queue->continuing;
	if (request) {
		note_error(queue, request, error);
		if (is_done(request)) {
			append(&queue->finished, request);
		}
	}
	while ((id = vio_queue_take(queue->ring)) >= 0) {
		request = queue->slots[id].request;
		blk_part_abandon(queue, &queue->slots[id]);
		note_error(queue, request, error);
		if (is_done(request)) {
			append(&queue->finished, request);
		}
	}
}
