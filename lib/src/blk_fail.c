/* SPDX-License-Identifier: BSD-3-Clause */
/* What a block device may come to: deadlines, failure, recovery. */
#include "blk_internal.h"

#include <errno.h>
#include <string.h>

#include <vio/log.h>

#include "clock.h"

static bool mark_first(struct vio_blk *blk, int error)
{
	int unmarked = 0;

	return __atomic_compare_exchange_n(&blk->cause, &unmarked, error, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/* In this order: who sees that it is not GOOD knows with what to refuse. */
static void set_health(struct vio_blk *blk, enum vio_blk_health health, int error)
{
	__atomic_store_n(&blk->error, error, __ATOMIC_RELEASE);
	__atomic_store_n(&blk->health, health, __ATOMIC_RELEASE);
}

void blk_mark(struct vio_blk *blk, int error, const char *why)
{
	if (!mark_first(blk, error)) {
		return;
	}
	if (blk_may_replay(blk)) {
		vio_log(VIO_LOG_WARN, "%s: %s; what is in flight waits until it is back",
			blk->transport->name, why);
	} else {
		vio_log(VIO_LOG_ERROR, "%s: %s; the device is reset and what is in flight fails",
			blk->transport->name, why);
	}
	set_health(blk, VIO_BLK_FAILED,
		   error == -ENODEV && !blk->transport->may_return ? -ENODEV : -EIO);
}

/*
 * All of the device, even where queues can be reset one by one (VIRTIO_F_RING_RESET): one
 * that broke the specification is not believed to have let go of a single queue, and
 * back ends are known (QEMU) that confirm it while requests of that queue are still on
 * their way and will be written to memory.
 */
static void reset(struct vio_blk *blk)
{
	struct vio_error err;
	int rc = vio_device_reset(blk->device, &err);

	blk->queues[0]->stats.resets++;
	if (rc < 0) {
		vio_log(VIO_LOG_ERROR, "%s", err.text);
		set_health(blk, VIO_BLK_LOST, rc == -ENODEV ? -ENODEV : blk->error);
	}
}

void blk_attend(struct vio_blk *blk)
{
	if (blk_is_good(blk) || blk->is_attended) {
		return;
	}
	blk->is_attended = true;
	/* nobody gets a buffer back before the device has let go of it */
	reset(blk);
	blk->keeps = blk_may_replay(blk);
	__atomic_store_n(&blk->unsettled, blk->info.queues, __ATOMIC_RELAXED);
	__atomic_fetch_add(&blk->resets, 1, __ATOMIC_RELEASE);
	blk_queue_evacuate(blk->queues[0]);
}

static void fail(struct vio_blk *blk, int error, const char *why)
{
	blk_mark(blk, error, why);
	blk_attend(blk);
}

/* A request counts from the first check that sees it, so that submitting needs no clock. */
static bool is_overdue(struct vio_blk_queue *queue, uint64_t now)
{
	bool overdue = false;

	for (unsigned i = 0; i < queue->slot_count; i++) {
		struct blk_slot *slot = &queue->slots[i];

		if (!slot->request) {
			continue;
		}
		if (slot->seen_ms == 0) {
			slot->seen_ms = now;
		}
		overdue |= now - slot->seen_ms >= queue->blk->options.timeout_ms;
	}
	return overdue;
}

static const char overdue_text[] = "a request was not answered in time";

bool vio_blk_queue_check(struct vio_blk_queue *queue)
{
	struct vio_blk *blk = queue->blk;

	if (!blk_is_good(blk)) {
		blk_queue_evacuate(queue);
		blk_replay_expire(queue);
		return false;
	}
	vio_queue_stats(queue->ring); /* often enough for what it says */
	if (is_overdue(queue, clock_ms())) {
		blk_mark(blk, -ETIMEDOUT, overdue_text);
	}
	return blk_is_good(blk);
}

/* Returns whether anything is different now. */
static bool take_config(struct vio_blk *blk)
{
	struct virtio_blk_config before = blk->config;
	struct vio_error err;

	if (blk_read_info(blk, &err) < 0) {
		blk->queues[0]->stats.violations++;
		if (!blk->bad_config_logged) {
			vio_log(VIO_LOG_ERROR, "%s; the change is ignored (said once)", err.text);
		}
		blk->bad_config_logged = true;
		return false;
	}
	if (memcmp(&before, &blk->config, sizeof(before)) == 0) {
		return false;
	}
	vio_log(VIO_LOG_INFO, "%s: the device now has %llu sectors", blk->transport->name,
		(unsigned long long)blk->info.capacity_sectors);
	return true;
}

/* Where nothing counts the changes: an interrupt told of one, or the capacity is another. */
static bool may_have_changed(struct vio_blk *blk, unsigned news)
{
	return !blk->transport->ops->config_generation &&
	       ((news & VIO_EVENT_CONFIG) || blk_config_resized(blk));
}

static unsigned check_device(struct vio_blk *blk)
{
	unsigned news = __atomic_exchange_n(&blk->news, 0, __ATOMIC_RELAXED);
	unsigned events = vio_device_events(blk->device) | (news & VIO_EVENT_GONE);

	if (events & VIO_EVENT_GONE) {
		fail(blk, -ENODEV, "the device is gone");
	} else if (events & VIO_EVENT_NEEDS_RESET) {
		fail(blk, -EIO, "the device gave up and asks for a reset");
	} else if (is_overdue(blk->queues[0], clock_ms())) {
		fail(blk, -ETIMEDOUT, overdue_text);
	} else if (events & VIO_EVENT_CONFIG) {
		take_config(blk);
	} else if (may_have_changed(blk, news) && take_config(blk)) {
		events |= VIO_EVENT_CONFIG;
	}
	return events;
}

unsigned vio_blk_check(struct vio_blk *blk)
{
	vio_queue_stats(blk->queues[0]->ring); /* often enough for what it says */
	if (blk_is_good(blk)) {
		return check_device(blk);
	}
	blk_attend(blk);
	blk_replay_expire(blk->queues[0]);
	return 0;
}

static int reopen_queues(struct vio_blk *blk, struct vio_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < blk->info.queues && rc == 0; i++) {
		rc = vio_queue_reopen(blk->queues[i]->ring, err);
	}
	return rc;
}

static int bring_back(struct vio_blk *blk, struct vio_error *err)
{
	int rc = vio_device_restart(blk->device, err);

	if (rc == 0) {
		rc = reopen_queues(blk, err);
	}
	if (rc == 0) {
		rc = blk_read_info(blk, err);
	}
	if (rc == 0) {
		rc = vio_device_start(blk->device, err);
	}
	if (rc == 0) {
		blk_config_restore_cache(blk);
	}
	return rc;
}

static int check_restart(struct vio_blk *blk, struct vio_error *err)
{
	const char *name = blk->transport->name;

	if (vio_blk_health(blk) != VIO_BLK_FAILED) {
		return vio_fail(err, -EINVAL, "%s: only a failed device can be restarted", name);
	}
	if (blk->error == -ENODEV) {
		return vio_fail(err, -ENODEV, "%s: a device that went does not come back", name);
	}
	blk_attend(blk);
	if (__atomic_load_n(&blk->unsettled, __ATOMIC_ACQUIRE)) {
		return vio_fail(err, -EAGAIN,
				"%s: requests that failed with the device must be reaped before "
				"it is restarted",
				name);
	}
	return 0;
}

int vio_blk_restart(struct vio_blk *blk, struct vio_error *err)
{
	int rc = check_restart(blk, err);

	if (rc < 0) {
		return rc;
	}
	rc = bring_back(blk, err);
	if (rc == 0) {
		vio_log(VIO_LOG_WARN, "%s: the device %s", blk->transport->name,
			blk->cause == -ENODEV ? "is back" : "works again after its reset");
		blk->is_attended = false;
		__atomic_store_n(&blk->recovered, blk->resets, __ATOMIC_RELAXED);
		__atomic_store_n(&blk->news, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&blk->health, VIO_BLK_GOOD, __ATOMIC_RELAXED);
		__atomic_store_n(&blk->cause, 0, __ATOMIC_RELEASE);
		/* last: with it the rings are their threads' again */
		__atomic_store_n(&blk->error, 0, __ATOMIC_RELEASE);
	} else if (vio_device_reset(blk->device, NULL) < 0) {
		/* it may know the rings by now */
		set_health(blk, VIO_BLK_LOST, rc == -ENODEV ? -ENODEV : -EIO);
	}
	return rc;
}
