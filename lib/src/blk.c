/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a block device: open and close. */
#include "blk_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ids.h>

#include <vio/log.h>

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
	if (options->queues == 0) {
		options->queues = 1;
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
	if (options->queues > BLK_QUEUES_MAX) {
		return vio_fail(err, -EINVAL, "%u queues were asked for; give 1 to %d",
				options->queues, BLK_QUEUES_MAX);
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

static int open_ring(struct vio_blk_queue *queue, struct vio_error *err)
{
	struct vio_blk *blk = queue->blk;
	const struct vio_queue_options options = {
		.size = blk->options.queue_size,
		.header_size = sizeof(struct virtio_blk_outhdr),
		.footer_size = 1,
		.indirect_segments = BLK_TABLE_SEGMENTS,
	};
	int rc = vio_queue_open(&queue->ring, blk->device, queue->index, &options, err);

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

static int open_queue(struct vio_blk *blk, uint16_t index, struct vio_error *err)
{
	struct vio_blk_queue *queue = aligned_alloc(BLK_CACHE_LINE, sizeof(*queue));

	if (!queue) {
		return vio_fail(err, -ENOMEM, "%s: out of memory", blk->transport->name);
	}
	memset(queue, 0, sizeof(*queue));
	queue->blk = blk;
	queue->index = index;
	blk->queues[index] = queue;
	return open_ring(queue, err);
}

static void close_queue(struct vio_blk_queue *queue)
{
	if (queue) {
		blk_slots_close(queue);
		vio_queue_close(queue->ring);
		free(queue);
	}
}

static uint16_t choose_queues(const struct vio_blk *blk, uint16_t offered)
{
	uint16_t count = blk->options.queues < offered ? blk->options.queues : offered;
	uint16_t max = blk->transport->queues_max;

	return max && max < count ? max : count;
}

static int open_queues(struct vio_blk *blk, uint16_t offered, struct vio_error *err)
{
	uint16_t count = choose_queues(blk, offered);
	int rc = 0;

	for (uint16_t i = 0; i < count && rc == 0; i++) {
		rc = open_queue(blk, i, err);
	}
	return rc;
}

/* What depends on the rings as much as on the configuration. */
static int finish_info(struct vio_blk *blk, struct vio_blk_info *info, struct vio_error *err)
{
	info->queue_size = UINT16_MAX;
	for (info->queues = 0; info->queues < BLK_QUEUES_MAX && blk->queues[info->queues];
	     info->queues++) {
		const struct vio_queue *ring = blk->queues[info->queues]->ring;

		if (vio_queue_size(ring) < info->queue_size) {
			info->queue_size = vio_queue_size(ring);
		}
		if (vio_queue_segments_max(ring) < info->segments_max) {
			info->segments_max = vio_queue_segments_max(ring);
		}
	}
	info->replays = blk->options.replay && blk->transport->may_return;
	info->queue_size_clamped = info->queue_size < blk->options.queue_size;
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
	if (blk->info.block_size == 0) {
		return 0;
	}
	if (info->queues_offered < blk->info.queues) {
		return vio_fail(err, -EPROTO, "%s: the device has %u queues now, %u are in use",
				blk->transport->name, info->queues_offered, blk->info.queues);
	}
	if (blk->info.block_size == info->block_size) {
		return 0;
	}
	return vio_fail(err, -EPROTO, "%s: the device changed its block size from %u to %u",
			blk->transport->name, blk->info.block_size, info->block_size);
}

/*
 * Other threads go by it while they submit. Of a device that works, the capacity, the
 * state of its cache, and what is a hint may change; the rest holds until it is reset.
 */
static void take_info(struct vio_blk *blk, const struct vio_blk_info *info)
{
	if (blk->info.block_size == 0 || !blk_is_good(blk)) {
		/* threads whose requests wait for a device that is the same again may look */
		if (memcmp(&blk->info, info, sizeof(*info)) != 0) {
			blk->info = *info;
			blk_limits_set(&blk->limits, info);
		}
		return;
	}
	blk->info.physical_block_size = info->physical_block_size;
	blk->info.alignment_offset = info->alignment_offset;
	blk->info.io_min = info->io_min;
	blk->info.io_optimal = info->io_optimal;
	__atomic_store_n(&blk->info.capacity_sectors, info->capacity_sectors, __ATOMIC_RELAXED);
	__atomic_store_n(&blk->limits.capacity_sectors, info->capacity_sectors, __ATOMIC_RELAXED);
	__atomic_store_n(&blk->info.writeback, info->writeback, __ATOMIC_RELAXED);
}

/* What the device says, together with the rings. */
static int use_info(struct vio_blk *blk, struct vio_blk_info *info, struct vio_error *err)
{
	int rc = finish_info(blk, info, err);

	if (rc == 0) {
		rc = check_same_disk(blk, info, err);
	}
	if (rc == 0) {
		take_info(blk, info);
	}
	return rc;
}

int blk_read_info(struct vio_blk *blk, struct vio_error *err)
{
	struct vio_blk_info info;
	int rc = blk_config_read(blk, &info, err);

	return rc < 0 ? rc : use_info(blk, &info, err);
}

static int open_slots(struct vio_blk *blk, struct vio_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < blk->info.queues && rc == 0; i++) {
		rc = blk_slots_open(blk->queues[i], err);
	}
	return rc;
}

static int bring_up(struct vio_blk *blk, struct vio_error *err)
{
	const struct vio_device_wishes wishes = {
		.device_type = VIRTIO_ID_BLOCK,
		.wanted = blk_wanted_features(),
		.required = blk->options.required_features,
		.refused = blk->options.refused_features,
	};
	struct vio_blk_info info;
	int rc = vio_device_open(&blk->device, blk->transport, &wishes, err);

	if (rc == 0) {
		rc = blk_config_read(blk, &info, err);
	}
	if (rc == 0) {
		rc = open_queues(blk, info.queues_offered, err);
	}
	if (rc == 0) {
		rc = use_info(blk, &info, err);
	}
	if (rc == 0) {
		rc = open_slots(blk, err);
	}
	if (rc == 0) {
		rc = vio_device_start(blk->device, err);
	}
	if (rc == 0) {
		vio_log(VIO_LOG_DEBUG,
			"%s: features 0x%llx, %u queues of %u, up to %u segments of %u bytes",
			blk->transport->name, (unsigned long long)blk->info.features,
			blk->info.queues, blk->info.queue_size, blk->info.segments_max,
			blk->info.segment_max_size);
	}
	return rc;
}

int vio_blk_open(struct vio_blk **out, struct vio_transport *t,
		 const struct vio_blk_options *options, struct vio_error *err)
{
	struct vio_blk *blk = aligned_alloc(BLK_CACHE_LINE, sizeof(*blk));
	int rc;

	*out = NULL;
	if (!blk) {
		return vio_fail(err, -ENOMEM, "%s: out of memory", t->name);
	}
	memset(blk, 0, sizeof(*blk));
	blk->transport = t;
	blk->dma = t->dma;
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
	for (unsigned i = 0; i < BLK_QUEUES_MAX; i++) {
		close_queue(blk->queues[i]);
	}
	free(blk);
}

const struct vio_blk_info *vio_blk_info(const struct vio_blk *blk)
{
	return &blk->info;
}

struct vio_blk_queue *vio_blk_queue(struct vio_blk *blk, unsigned index)
{
	return index < blk->info.queues ? blk->queues[index] : NULL;
}

enum vio_blk_health vio_blk_health(const struct vio_blk *blk)
{
	return __atomic_load_n(&blk->health, __ATOMIC_ACQUIRE);
}

int vio_blk_error(const struct vio_blk *blk)
{
	return __atomic_load_n(&blk->error, __ATOMIC_ACQUIRE);
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
