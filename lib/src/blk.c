/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a block device: open, watch, fail, restart, close. */
#include "blk_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ids.h>

#include <vio/log.h>

#include "clock.h"

enum {
	DEFAULT_QUEUE_SIZE = 256,
	DEFAULT_TIMEOUT_MS = 30000,
	DEFAULT_BOUNCE = 1024 * 1024,
	BOUNCE_MIN = 64 * 1024,
	BOUNCE_MAX = 64 * 1024 * 1024,
	QUEUE_SIZE_MIN = 4, /* header, data, status, and a power of two */
};

static void set_defaults(struct vio_blk_options *options)
{
	if (options->queue_size == 0) {
		options->queue_size = DEFAULT_QUEUE_SIZE;
	}
	if (options->timeout_ms == 0) {
		options->timeout_ms = DEFAULT_TIMEOUT_MS;
	}
	if (options->bounce_size == 0) {
		options->bounce_size = DEFAULT_BOUNCE;
	}
	if (options->poll_us == 0) {
		options->poll_us = VIO_POLL_US_DEFAULT;
	}
}

static int check_options(const struct vio_blk_options *options, struct vio_error *err)
{
	unsigned size = options->queue_size;

	if (size < QUEUE_SIZE_MIN || size > 32768 || (size & (size - 1)) != 0) {
		return vio_fail(
			err, -EINVAL,
			"a queue size of %u was asked for; give a power of two from 4 to 32768",
			size);
	}
	if (options->timeout_ms < 100 || options->timeout_ms > 3600000) {
		return vio_fail(err, -EINVAL,
				"a deadline of %u ms was asked for; give 100 to 3600000",
				options->timeout_ms);
	}
	if (options->bounce_size < BOUNCE_MIN || options->bounce_size > BOUNCE_MAX) {
		return vio_fail(err, -EINVAL, "%zu bytes for copies were asked for; give %d to %d",
				options->bounce_size, BOUNCE_MIN, BOUNCE_MAX);
	}
	if (options->poll > VIO_POLL_NEVER || options->poll_us > VIO_POLL_US_MAX) {
		return vio_fail(err, -EINVAL,
				"waiting of kind %u with %u us was asked for; give 0 to %u and up "
				"to %u",
				options->poll, options->poll_us, VIO_POLL_NEVER, VIO_POLL_US_MAX);
	}
	return 0;
}

static int open_ring(struct vio_blk *blk, struct vio_error *err)
{
	struct vio_blk_queue *queue = &blk->queue;
	const struct vio_queue_options options = {
		.size = blk->options.queue_size,
		.header_size = sizeof(struct virtio_blk_outhdr),
		.footer_size = 1,
		.indirect_segments = BLK_TABLE_SEGMENTS,
	};
	int rc = vio_queue_open(&queue->ring, blk->device, 0, &options, err);

	if (rc < 0) {
		return rc;
	}
	if (vio_queue_size(queue->ring) < QUEUE_SIZE_MIN) {
		return vio_fail(err, -ENOTSUP,
				"%s: a queue of %u entries is too short for a request of three",
				blk->transport->name, vio_queue_size(queue->ring));
	}
	vio_spin_init(vio_queue_spin(queue->ring), blk->options.poll, blk->options.poll_us);
	return 0;
}

/* What depends on the ring as much as on the configuration. */
static int finish_info(struct vio_blk *blk, struct vio_blk_info *info, struct vio_error *err)
{
	uint16_t size = vio_queue_size(blk->queue.ring);

	info->queue_size = size;
	info->queue_size_clamped = size < blk->options.queue_size;
	if (info->segments_max > vio_queue_segments_max(blk->queue.ring)) {
		info->segments_max = vio_queue_segments_max(blk->queue.ring);
	}
	if ((uint64_t)info->segment_max_size * info->segments_max < info->block_size) {
		return vio_fail(err, -EPROTO,
				"%s: the device takes %u segments of %u bytes, too little for one "
				"block of %u",
				blk->transport->name, info->segments_max, info->segment_max_size,
				info->block_size);
	}
	return 0;
}

/* Everything above has adapted itself to the first block size it saw. */
static int check_same_disk(struct vio_blk *blk, const struct vio_blk_info *info,
			   struct vio_error *err)
{
	if (blk->info.block_size == 0 || blk->info.block_size == info->block_size) {
		return 0;
	}
	return vio_fail(err, -EPROTO, "%s: the device changed its block size from %u to %u",
			blk->transport->name, blk->info.block_size, info->block_size);
}

static int read_info(struct vio_blk *blk, struct vio_error *err)
{
	struct vio_blk_info info;
	int rc = blk_config_read(blk, &info, err);

	if (rc == 0) {
		rc = finish_info(blk, &info, err);
	}
	if (rc == 0) {
		rc = check_same_disk(blk, &info, err);
	}
	if (rc == 0) {
		blk->info = info;
		blk_limits_set(&blk->limits, &info);
	}
	return rc;
}

static int bring_up(struct vio_blk *blk, struct vio_error *err)
{
	const struct vio_device_wishes wishes = {
		.device_type = VIRTIO_ID_BLOCK,
		.wanted = blk_wanted_features(),
	};
	int rc = vio_device_open(&blk->device, blk->transport, &wishes, err);

	if (rc == 0) {
		rc = open_ring(blk, err);
	}
	if (rc == 0) {
		rc = read_info(blk, err);
	}
	if (rc == 0) {
		rc = blk_slots_open(&blk->queue, err);
	}
	if (rc == 0) {
		rc = vio_device_start(blk->device, err);
	}
	if (rc == 0) {
		vio_log(VIO_LOG_DEBUG,
			"%s: features 0x%llx, queue of %u, up to %u segments of %u bytes",
			blk->transport->name, (unsigned long long)blk->info.features,
			blk->info.queue_size, blk->info.segments_max, blk->info.segment_max_size);
	}
	return rc;
}

int vio_blk_open(struct vio_blk **out, struct vio_transport *t,
		 const struct vio_blk_options *options, struct vio_error *err)
{
	struct vio_blk *blk = calloc(1, sizeof(*blk));
	int rc;

	*out = NULL;
	if (!blk) {
		return vio_fail(err, -ENOMEM, "%s: out of memory", t->name);
	}
	blk->transport = t;
	blk->dma = t->dma;
	blk->queue.blk = blk;
	if (options) {
		blk->options = *options;
	}
	set_defaults(&blk->options);
	rc = check_options(&blk->options, err);
	if (rc == 0) {
		rc = bring_up(blk, err);
	}
	if (rc < 0) {
		vio_blk_close(blk);
		return rc;
	}
	*out = blk;
	return 0;
}

void vio_blk_close(struct vio_blk *blk)
{
	if (!blk) {
		return;
	}
	/* the device lets go of the memory before the memory goes */
	vio_device_close(blk->device);
	blk_slots_close(&blk->queue);
	vio_queue_close(blk->queue.ring);
	free(blk);
}

const struct vio_blk_info *vio_blk_info(const struct vio_blk *blk)
{
	return &blk->info;
}

struct vio_blk_queue *vio_blk_queue(struct vio_blk *blk, unsigned index)
{
	return index == 0 ? &blk->queue : NULL;
}

enum vio_blk_health vio_blk_health(const struct vio_blk *blk)
{
	return blk->health;
}

int vio_blk_error(const struct vio_blk *blk)
{
	return blk->error;
}

void *vio_blk_alloc(struct vio_blk *blk, size_t size)
{
	struct vio_dma_memory memory;

	return vio_dma_alloc(blk->dma, size, 4096, &memory, NULL) == 0 ? memory.addr : NULL;
}

void vio_blk_free(struct vio_blk *blk, void *buffer, size_t size)
{
	struct vio_dma_memory memory = {.addr = buffer, .size = size};

	vio_dma_free(blk->dma, &memory);
}

void blk_fail(struct vio_blk *blk, int error, const char *why)
{
	struct vio_error err;
	int rc;

	if (blk->health != VIO_BLK_GOOD) {
		return;
	}
	blk->queue.stats.resets++;
	blk->queue.stats.violations += error == -EPROTO;
	vio_log(VIO_LOG_ERROR, "%s: %s; the device is reset and %u requests fail",
		blk->transport->name, why, blk->queue.in_flight);
	/* nobody gets a buffer back before the device has let go of it */
	rc = vio_device_reset(blk->device, &err);
	if (rc == 0) {
		blk->health = VIO_BLK_FAILED;
	} else {
		vio_log(VIO_LOG_ERROR, "%s", err.text);
		blk->health = VIO_BLK_LOST;
	}
	blk->error = error == -ENODEV || rc == -ENODEV ? -ENODEV : -EIO;
	blk_queue_evacuate(&blk->queue, error);
}

/* A request counts from the first check that sees it, so that submitting needs no clock. */
static bool is_overdue(struct vio_blk *blk, uint64_t now)
{
	struct vio_blk_queue *queue = &blk->queue;
	bool overdue = false;

	for (unsigned i = 0; i < queue->slot_count; i++) {
		struct blk_slot *slot = &queue->slots[i];

		if (!slot->request) {
			continue;
		}
		if (slot->seen_ms == 0) {
			slot->seen_ms = now;
		}
		overdue |= now - slot->seen_ms >= blk->options.timeout_ms;
	}
	return overdue;
}

/* Returns whether anything is different now. */
static bool take_config(struct vio_blk *blk)
{
	struct virtio_blk_config before = blk->config;
	struct vio_error err;

	if (read_info(blk, &err) < 0) {
		blk->queue.stats.violations++;
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
static bool may_have_changed(struct vio_blk *blk)
{
	return !blk->transport->ops->config_generation &&
	       ((blk->news & VIO_EVENT_CONFIG) || blk_config_resized(blk));
}

unsigned vio_blk_check(struct vio_blk *blk)
{
	unsigned events;

	vio_queue_stats(blk->queue.ring); /* often enough for what it says */
	if (blk->health != VIO_BLK_GOOD) {
		return 0;
	}
	events = vio_device_events(blk->device) | (blk->news & VIO_EVENT_GONE);
	if (events & VIO_EVENT_GONE) {
		blk_fail(blk, -ENODEV, "the device is gone");
	} else if (events & VIO_EVENT_NEEDS_RESET) {
		blk_fail(blk, -EIO, "the device gave up and asks for a reset");
	} else if (is_overdue(blk, clock_ms())) {
		blk_fail(blk, -ETIMEDOUT, "a request was not answered in time");
	} else if (events & VIO_EVENT_CONFIG) {
		take_config(blk);
	} else if (may_have_changed(blk) && take_config(blk)) {
		events |= VIO_EVENT_CONFIG;
	}
	blk->news = 0;
	return events;
}

static int bring_back(struct vio_blk *blk, struct vio_error *err)
{
	int rc = vio_device_restart(blk->device, err);

	if (rc == 0) {
		rc = vio_queue_reopen(blk->queue.ring, err);
	}
	if (rc == 0) {
		rc = read_info(blk, err);
	}
	if (rc == 0) {
		rc = vio_device_start(blk->device, err);
	}
	return rc;
}

int vio_blk_restart(struct vio_blk *blk, struct vio_error *err)
{
	int rc;

	if (blk->health != VIO_BLK_FAILED || blk->queue.in_flight) {
		return vio_fail(err, -EINVAL,
				"%s: only a failed device with nothing in flight can be restarted",
				blk->transport->name);
	}
	if (blk->error == -ENODEV) {
		return vio_fail(err, -ENODEV, "%s: a device that went does not come back",
				blk->transport->name);
	}
	rc = bring_back(blk, err);
	if (rc == 0) {
		blk->health = VIO_BLK_GOOD;
		blk->error = 0;
		blk->news = 0;
	} else if (vio_device_reset(blk->device, NULL) < 0) {
		blk->health = VIO_BLK_LOST; /* it may know the ring by now */
		blk->error = rc == -ENODEV ? -ENODEV : -EIO;
	}
	return rc;
}
