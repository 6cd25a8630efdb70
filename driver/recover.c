/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that failed is restarted: a few times, if it fails again and again. One that
 * may go and come back is looked for as long as the volumes live, with growing pauses, and
 * each request waits for that until its own deadline.
 */
#include "disk_internal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <vio/log.h>

enum {
	RESTARTS_MAX = 5,    /* chosen: a device that fails this often in a row is left alone */
	PAUSE_FIRST_MS = 10, /* chosen: as soon as a back end can be there again */
	PAUSE_DOUBLINGS = 7, /* up to 1280 ms */
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Other threads set it to 0. */
static unsigned restarts_of(const struct devb_disk *disk)
{
	return __atomic_load_n(&disk->restarts, __ATOMIC_RELAXED);
}

static bool may_try(const struct devb_disk *disk)
{
	if (devb_disk_is_lost(disk)) {
		return false;
	}
	return disk_waits(disk) ? now_ms() >= disk->recovery.next_ms
				: restarts_of(disk) < RESTARTS_MAX;
}

static void count_try(struct devb_disk *disk)
{
	unsigned restarts = restarts_of(disk);
	unsigned doublings = restarts < PAUSE_DOUBLINGS ? restarts : PAUSE_DOUBLINGS;

	disk->recovery.next_ms = now_ms() + ((uint64_t)PAUSE_FIRST_MS << doublings);
	__atomic_store_n(&disk->restarts, restarts + 1, __ATOMIC_RELAXED);
}

/* That it is not there yet was told when it went; anything else is told when it is new. */
static void tell_failure(struct devb_disk *disk, int rc, const struct vio_error *err)
{
	char *told = disk->recovery.told;

	if (!disk_waits(disk)) {
		vio_log(VIO_LOG_ERROR, "%s (attempt %u of %d)", err->text, restarts_of(disk),
			RESTARTS_MAX);
	} else if (rc != -ENODEV && strcmp(told, err->text) != 0) {
		vio_log(VIO_LOG_ERROR, "%s; it is tried again until it works", err->text);
		memcpy(told, err->text, sizeof(err->text));
	}
}

/* What they kept starts again at their next poll. */
static void wake_others(const struct devb_disk *disk)
{
	for (unsigned i = 1; i < disk->queue_count; i++) {
		disk_wake(disk->queues[i]);
	}
}

void disk_recover(struct devb_disk *disk)
{
	struct vio_error err;
	int rc;

	if (!may_try(disk)) {
		return;
	}
	rc = vio_blk_restart(disk->blk, &err);
	if (rc == -EAGAIN) {
		return; /* not all threads have taken back their requests */
	}
	count_try(disk);
	if (rc == 0) {
		disk_take_info(disk);
		disk->recovery.told[0] = '\0';
		wake_others(disk);
	} else {
		tell_failure(disk, rc, &err);
	}
}
