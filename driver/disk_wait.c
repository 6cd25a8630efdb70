/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk between two polls: sleep, deadlines. */
#include "disk_internal.h"

#include <errno.h>

void devb_disk_set_wake(struct devb_disk_queue *queue, void (*wake)(void *), void *context)
{
	queue->wake = wake;
	queue->wake_context = context;
}

/* See turn.c: first the store, then the look, in one order with whoever takes a turn. */
bool devb_disk_park(struct devb_disk_queue *queue)
{
	if (queue->disk->queue_count == 1) {
		return false;
	}
	if (vio_blk_in_flight(queue->ring) == 0 && !queue->pending.first) {
		__atomic_store_n(&queue->is_parked, true, __ATOMIC_SEQ_CST);
	}
	if (__atomic_load_n(&queue->disk->turn.epoch, __ATOMIC_SEQ_CST) == queue->epoch_seen) {
		return false;
	}
	devb_disk_unpark(queue);
	return true;
}

void devb_disk_unpark(struct devb_disk_queue *queue)
{
	if (__atomic_load_n(&queue->is_parked, __ATOMIC_RELAXED)) {
		__atomic_store_n(&queue->is_parked, false, __ATOMIC_SEQ_CST);
	}
}

int devb_disk_wait_fd(const struct devb_disk_queue *queue)
{
	return vio_blk_wait_fd(queue->ring);
}

/* What the next poll can do without the device. */
static bool has_work(const struct devb_disk_queue *queue)
{
	return queue->finished.first || (queue->held.first && !turn_is_taken(queue->disk)) ||
	       (!queue->rmw.active && queue->rmw.waiting.first);
}

bool devb_disk_wait_arm(struct devb_disk_queue *queue)
{
	return has_work(queue) || vio_blk_wait_arm(queue->ring);
}

void devb_disk_wait_disarm(struct devb_disk_queue *queue)
{
	vio_blk_wait_disarm(queue->ring);
}

bool devb_disk_wait_ack(struct devb_disk_queue *queue)
{
	return vio_blk_wait_ack(queue->ring) != 0;
}

void devb_disk_wait_expired(struct devb_disk_queue *queue)
{
	vio_blk_wait_expired(queue->ring);
}

bool devb_disk_has_interrupts(const struct devb_disk_queue *queue)
{
	return vio_blk_has_interrupts(queue->ring);
}

int devb_disk_events_fd(const struct devb_disk *disk)
{
	return vio_blk_events_fd(disk->blk);
}

bool devb_disk_events_ack(struct devb_disk *disk)
{
	return vio_blk_events_ack(disk->blk) != 0;
}

struct vio_spin *devb_disk_spin(struct devb_disk_queue *queue)
{
	return vio_blk_spin(queue->ring);
}

bool devb_disk_tick(struct devb_disk *disk)
{
	bool has_changed;

	if (vio_blk_health(disk->blk) == VIO_BLK_FAILED) {
		disk_recover(disk);
	} else if (vio_blk_check(disk->blk) & VIO_EVENT_CONFIG) {
		disk_take_info(disk);
	}
	/* a recovery between two ticks may have found another size, too */
	has_changed = disk->block.size != disk->size_told;
	disk->size_told = disk->block.size;
	return has_changed;
}

bool devb_disk_queue_tick(struct devb_disk_queue *queue)
{
	return vio_blk_queue_check(queue->ring);
}

bool devb_disk_is_quiet(const struct devb_disk_queue *queue)
{
	return queue->in_flight == 0 && vio_blk_health(queue->disk->blk) == VIO_BLK_GOOD;
}

bool devb_disk_is_lost(const struct devb_disk *disk)
{
	return vio_blk_health(disk->blk) == VIO_BLK_LOST || vio_blk_error(disk->blk) == -ENODEV;
}
