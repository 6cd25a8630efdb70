/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit_internal.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>

#include <linux/virtio_ids.h>

#include <vio/log.h>

#include "qnx6_automount.h"

enum {
	BOUNCE_SIZE = 64 * 1024,  /* the least: only the identity needs copies */
	MEMORY_STEP = 256 * 1024, /* how finely the size of the message memory is sought */
	QUEUES_DEFAULT_MAX = 16,  /* chosen: as far as a default may go in locked memory */
	DMA_DEFAULT = 8 << 20,    /* chosen: eight of the largest requests */
	DMA_OF_QUEUE = 4 << 20,   /* messages, a ring, what is not aligned */
};

/* That this process may run on. */
static unsigned cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* As many as were asked for, or, up to what the device turns out to have, as make sense. */
static unsigned wanted_queues(const struct devb_disk_options *options)
{
	unsigned queues = least(cpus(), QUEUES_DEFAULT_MAX);

	if (options->queues) {
		return options->queues;
	}
	return options->dma_size ? least(queues, (unsigned)(options->dma_size / DMA_OF_QUEUE))
				 : queues;
}

static size_t dma_size(const struct devb_disk_options *options)
{
	size_t size = (size_t)wanted_queues(options) * DMA_OF_QUEUE;

	if (options->dma_size) {
		return (size_t)options->dma_size;
	}
	return size > DMA_DEFAULT ? size : DMA_DEFAULT;
}

/*
 * For the mounts, beside what the channels have. Where the size of all is given, the channels
 * come first.
 */
static size_t mounts_size(const struct devb_unit *unit)
{
	return unit->disk_options->dma_size ? 0 : devb_qnx6_memory(unit->options);
}

/* Where one interrupt serves all queues, more than one only wake each other's threads. */
static unsigned usable_queues(const struct devb_unit *unit)
{
	unsigned wanted = wanted_queues(unit->disk_options), most = unit->transport->queues_max;

	return most ? least(wanted, most) : wanted;
}

/* Without time for it there is no spinning; in vio_blk_options, 0 means the default. */
static enum vio_poll poll_of(const struct devb_disk_options *options)
{
	return options->poll == VIO_POLL_AUTO && options->poll_us == 0 ? VIO_POLL_NEVER
								       : options->poll;
}

int unit_open_device(struct devb_unit *unit, struct vio_error *err)
{
	const struct viot_options transport_options = {
		.dma_size = dma_size(unit->disk_options) + mounts_size(unit),
		.queues = (uint16_t)wanted_queues(unit->disk_options),
		.device_type = VIRTIO_ID_BLOCK,
		.takeover = unit->disk_options->takeover,
		.interrupts = unit->disk_options->interrupts,
	};
	struct vio_blk_options blk_options = {
		.refused_features = unit->disk_options->refused_features,
		.required_features = unit->disk_options->required_features,
		.queue_size = unit->disk_options->queue_size,
		.timeout_ms = unit->options->timeout_s * 1000,
		.bounce_size = BOUNCE_SIZE,
		.read_only = unit->options->read_only,
		.poll = poll_of(unit->disk_options),
		.poll_us = unit->disk_options->poll_us,
	};
	int rc = viot_open(&unit->transport, &unit->disk_options->address, &transport_options, err);

	if (rc < 0) {
		return rc;
	}
	blk_options.queues = (uint16_t)usable_queues(unit);
	blk_options.replay = unit->transport->may_return;
	rc = vio_blk_open(&unit->blk, unit->transport, &blk_options, err);
	return rc < 0 ? rc : devb_disk_open(&unit->disk, unit->blk, err);
}

/* What a device says of itself may end up on a terminal. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if (!isprint((unsigned char)*text)) {
			*text = '?';
		}
	}
}

static void set_commit(struct devb_unit *unit)
{
	bool through = unit->options->commit == DEVB_COMMIT_THROUGH;

	if (unit->options->commit != DEVB_COMMIT_AS_FOUND &&
	    vio_blk_info(unit->blk)->writeback == through &&
	    vio_blk_set_writeback(unit->blk, !through) < 0) {
		vio_log(VIO_LOG_WARN,
			"%s: the device's write cache stays %s: commit= has no effect",
			unit->transport->name, through ? "on" : "off");
	}
}

static void note_queues(const struct devb_unit *unit)
{
	const struct vio_blk_info *info = vio_blk_info(unit->blk);
	unsigned asked = unit->disk_options->queues;

	if (asked <= info->queues) {
		return;
	}
	if (info->queues < info->queues_offered) {
		vio_log(VIO_LOG_WARN,
			"%s: queues=%u: one interrupt wakes for all queues of the device (%s): %u "
			"is used",
			unit->transport->name, asked, unit->transport->wake_up, info->queues);
	} else {
		vio_log(VIO_LOG_WARN, "%s: queues=%u is more than the device has: %u used",
			unit->transport->name, asked, info->queues);
	}
}

int unit_note_what_was_found(struct devb_unit *unit, struct vio_error *err)
{
	const struct vio_blk_info *info = vio_blk_info(unit->blk);

	set_commit(unit);
	note_queues(unit);
	if (info->queue_size_clamped) {
		vio_log(VIO_LOG_WARN, "%s: qsize=%u is more than the device takes: %u is used",
			unit->transport->name, unit->disk_options->queue_size, info->queue_size);
	}
	if (info->queue_size > unit->disk_options->queue_size) {
		vio_log(VIO_LOG_INFO,
			"%s: the device has a fixed queue of %u entries: qsize=%u "
			"has no effect",
			unit->transport->name, info->queue_size, unit->disk_options->queue_size);
	}
	if (!info->can_flush && info->writeback) {
		vio_log(VIO_LOG_WARN,
			"%s: the device has a volatile write cache and no flush command: what is "
			"written may be lost with the power, and syncing fails",
			unit->transport->name);
	} else if (!info->can_flush && !info->read_only) {
		vio_log(VIO_LOG_INFO,
			"%s: the device has no flush command: writes count as safe "
			"once they are done",
			unit->transport->name);
	}
	/* a device without an identity is as good as any other, one that does not answer is not */
	if (vio_blk_get_id(unit->blk, unit->id) < 0) {
		unit->id[0] = '\0';
	}
	make_printable(unit->id);
	if (vio_blk_health(unit->blk) != VIO_BLK_GOOD) {
		return vio_fail(err, -EIO,
				"%s: the device did not answer its first request: see what the "
				"hypervisor says of it",
				unit->transport->name);
	}
	return 0;
}

static bool take_memory(struct devb_unit *unit)
{
	size_t least_size = vio_blk_info(unit->blk)->queues * FSG_MEMORY_MIN;
	size_t size = dma_size(unit->disk_options);

	for (; size >= least_size && !unit->memory; size -= MEMORY_STEP) {
		unit->memory = vio_blk_alloc(unit->blk, size);
		unit->memory_size = unit->memory ? size : 0;
	}
	return unit->memory;
}

/* What the mounts are to have is there for them later, because it was not there for others. */
int unit_take_memory(struct devb_unit *unit, struct vio_error *err)
{
	const struct vio_blk_info *info = vio_blk_info(unit->blk);
	size_t kept_size = mounts_size(unit);
	void *kept = kept_size ? vio_blk_alloc(unit->blk, kept_size) : NULL;
	bool has_taken = take_memory(unit);

	vio_blk_free(unit->blk, kept, kept_size);
	if (has_taken) {
		return 0;
	}
	return vio_fail(
		err, -ENOMEM,
		"dma=%llu is too small for %u queue%s of %u entries: give more, or a smaller "
		"qsize=%s",
		(unsigned long long)dma_size(unit->disk_options), info->queues,
		info->queues == 1 ? "" : "s", info->queue_size,
		info->queues == 1 ? "" : " or queues=");
}
