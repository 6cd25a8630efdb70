/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for completions, and what a queue has seen. */
#include "blk_internal.h"

#include <errno.h>

#include "clock.h"

enum {
	RESET_PAUSE_US = 1000, /* between two looks whether thread 0 has reset the device */
	AWAY_PAUSE_MS = 10,    /* between two looks of thread 0 whether it is back */
};

static bool has_seen_reset(const struct vio_blk_queue *queue)
{
	return queue->resets_seen == __atomic_load_n(&queue->blk->resets, __ATOMIC_ACQUIRE);
}

/* For reaping, without anything of the device: after a restart there are requests to be started. */
static bool has_work(const struct vio_blk_queue *queue)
{
	return queue->finished.first || (queue->waiting.first && blk_is_good(queue->blk) &&
					 vio_queue_in_flight(queue->ring) == 0);
}

static void note_news(struct vio_blk *blk, unsigned events)
{
	if (events) {
		__atomic_fetch_or(&blk->news, events, __ATOMIC_RELAXED);
	}
}

int vio_blk_wait_fd(const struct vio_blk_queue *queue)
{
	return vio_queue_wait_fd(queue->ring);
}

bool vio_blk_wait_arm(struct vio_blk_queue *queue)
{
	if (has_work(queue)) {
		return true;
	}
	/* a ring that broke has a fault to report for ever: do not spin on it */
	if (!blk_is_good(queue->blk)) {
		return !has_seen_reset(queue);
	}
	return vio_queue_wait_arm(queue->ring);
}

void vio_blk_wait_disarm(struct vio_blk_queue *queue)
{
	if (blk_is_good(queue->blk)) {
		vio_queue_wait_disarm(queue->ring);
	}
}

unsigned vio_blk_wait_ack(struct vio_blk_queue *queue)
{
	struct vio_transport *t = queue->blk->transport;
	unsigned events = blk_is_good(queue->blk) ? vio_queue_wait_ack(queue->ring)
						  : t->ops->wait_ack(t, queue->index);

	note_news(queue->blk, events);
	return events;
}

bool vio_blk_wait_expired(struct vio_blk_queue *queue)
{
	return blk_is_good(queue->blk) && vio_queue_wait_expired(queue->ring);
}

bool vio_blk_has_interrupts(const struct vio_blk_queue *queue)
{
	return vio_queue_has_interrupts(queue->ring);
}

int vio_blk_events_fd(const struct vio_blk *blk)
{
	return vio_queue_events_fd(blk->queues[0]->ring);
}

unsigned vio_blk_events_ack(struct vio_blk *blk)
{
	unsigned events = vio_queue_events_ack(blk->queues[0]->ring);

	note_news(blk, events);
	return events;
}

struct vio_spin *vio_blk_spin(struct vio_blk_queue *queue)
{
	return vio_queue_spin(queue->ring);
}

/* Thread 0 is who resets and restarts; with nothing to reset there is time for the latter. */
static int wait_for_restart(const struct vio_blk_queue *queue, unsigned timeout_ms)
{
	if (blk_queue_has_given_ring(queue)) {
		clock_pause_us(1000 * (timeout_ms < AWAY_PAUSE_MS ? timeout_ms : AWAY_PAUSE_MS));
	}
	return -EINTR;
}

/* The device failed: until what was in flight may be taken back, or goes on. */
static int wait_for_reset(struct vio_blk_queue *queue, unsigned timeout_ms)
{
	uint64_t start = clock_ms();

	if (queue->in_flight == 0) {
		return vio_blk_error(queue->blk);
	}
	while (!blk_is_good(queue->blk) && has_seen_reset(queue)) {
		if (queue->index == 0 && timeout_ms > 0) {
			return wait_for_restart(queue, timeout_ms);
		}
		if (clock_ms() - start >= timeout_ms) {
			return -ETIMEDOUT;
		}
		clock_pause_us(RESET_PAUSE_US);
	}
	return 0;
}

int vio_blk_wait(struct vio_blk_queue *queue, unsigned timeout_ms)
{
	int rc;

	if (has_work(queue)) {
		return 0;
	}
	if (!blk_is_good(queue->blk)) {
		return wait_for_reset(queue, timeout_ms);
	}
	rc = vio_queue_wait(queue->ring, timeout_ms);
	note_news(queue->blk, vio_queue_news(queue->ring));
	return rc;
}

void vio_blk_stats(const struct vio_blk_queue *queue, struct vio_blk_stats *stats)
{
	if (blk_queue_has_given_ring(queue)) {
		*stats = queue->last;
	} else {
		blk_queue_stats(queue, stats);
	}
}

void blk_queue_stats(const struct vio_blk_queue *queue, struct vio_blk_stats *stats)
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
