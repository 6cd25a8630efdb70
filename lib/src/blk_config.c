/* SPDX-License-Identifier: BSD-3-Clause */
/* VirtIO 1.2, 5.2.4: what the device says of itself, believed only as far as it makes sense. */
#include "blk_internal.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>

#include <vio/log.h>

#include "queue_internal.h"
#include "ring_memory.h"

enum {
	BLOCK_SIZE_MIN = 512,
	BLOCK_SIZE_MAX = 65536,
	PHYSICAL_EXPONENT_MAX = 15, /* beyond, the topology is a slip and is ignored */
};

uint64_t blk_wanted_features(void)
{
	return VIO_FEATURE(VIRTIO_F_VERSION_1) | VIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM) |
	       VIO_FEATURE(VIRTIO_F_ORDER_PLATFORM) | VIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |
	       VIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) | VIO_FEATURE(VIRTIO_F_RING_PACKED) |
	       VIO_FEATURE(VIO_F_IN_ORDER) | VIO_FEATURE(VIO_F_RING_RESET) |
	       VIO_FEATURE(VIO_F_NOTIFICATION_DATA) | VIO_FEATURE(VIRTIO_BLK_F_SIZE_MAX) |
	       VIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) | VIO_FEATURE(VIRTIO_BLK_F_RO) |
	       VIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) | VIO_FEATURE(VIRTIO_BLK_F_FLUSH) |
	       VIO_FEATURE(VIRTIO_BLK_F_TOPOLOGY) | VIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE) |
	       VIO_FEATURE(VIRTIO_BLK_F_MQ) | VIO_FEATURE(VIRTIO_BLK_F_GEOMETRY) |
	       VIO_FEATURE(VIRTIO_BLK_F_DISCARD) | VIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES) |
	       VIO_FEATURE(VIRTIO_BLK_F_SECURE_ERASE) | VIO_FEATURE(VIO_BLK_F_LIFETIME);
}

static bool has(const struct vio_blk_info *info, unsigned bit)
{
	return (info->features & VIO_FEATURE(bit)) != 0;
}

/* Every field, and the feature that brings it (5.2.4). */
#define ALWAYS 64u
#define FIELD(bit, name)                                                                           \
	{                                                                                          \
		bit,                                                                               \
		{                                                                                  \
			offsetof(struct virtio_blk_config, name),                                  \
				sizeof(((struct virtio_blk_config *)NULL)->name)                   \
		}                                                                                  \
	}

static const struct known_field {
	unsigned bit;
	struct vio_config_field where;
} known_fields[] = {
	FIELD(ALWAYS, capacity),
	FIELD(VIRTIO_BLK_F_SIZE_MAX, size_max),
	FIELD(VIRTIO_BLK_F_SEG_MAX, seg_max),
	FIELD(VIRTIO_BLK_F_GEOMETRY, geometry.cylinders),
	FIELD(VIRTIO_BLK_F_GEOMETRY, geometry.heads),
	FIELD(VIRTIO_BLK_F_GEOMETRY, geometry.sectors),
	FIELD(VIRTIO_BLK_F_BLK_SIZE, blk_size),
	FIELD(VIRTIO_BLK_F_TOPOLOGY, physical_block_exp),
	FIELD(VIRTIO_BLK_F_TOPOLOGY, alignment_offset),
	FIELD(VIRTIO_BLK_F_TOPOLOGY, min_io_size),
	FIELD(VIRTIO_BLK_F_TOPOLOGY, opt_io_size),
	FIELD(VIRTIO_BLK_F_CONFIG_WCE, wce),
	FIELD(VIRTIO_BLK_F_MQ, num_queues),
	FIELD(VIRTIO_BLK_F_DISCARD, max_discard_sectors),
	FIELD(VIRTIO_BLK_F_DISCARD, max_discard_seg),
	FIELD(VIRTIO_BLK_F_DISCARD, discard_sector_alignment),
	FIELD(VIRTIO_BLK_F_WRITE_ZEROES, max_write_zeroes_sectors),
	FIELD(VIRTIO_BLK_F_WRITE_ZEROES, max_write_zeroes_seg),
	FIELD(VIRTIO_BLK_F_WRITE_ZEROES, write_zeroes_may_unmap),
	FIELD(VIRTIO_BLK_F_SECURE_ERASE, max_secure_erase_sectors),
	FIELD(VIRTIO_BLK_F_SECURE_ERASE, max_secure_erase_seg),
	FIELD(VIRTIO_BLK_F_SECURE_ERASE, secure_erase_sector_alignment),
};

enum {
	KNOWN_FIELDS = sizeof(known_fields) / sizeof(known_fields[0])
};

/* Only what the accepted features bring: a device need not have more. */
static unsigned present_fields(const struct vio_blk_info *info, struct vio_config_field *fields)
{
	unsigned count = 0;

	for (unsigned i = 0; i < KNOWN_FIELDS; i++) {
		if (known_fields[i].bit == ALWAYS || has(info, known_fields[i].bit)) {
			fields[count++] = known_fields[i].where;
		}
	}
	return count;
}

static int decode_block_size(struct vio_blk_info *info, const struct virtio_blk_config *config,
			     const char *name, struct vio_error *err)
{
	uint32_t size =
		has(info, VIRTIO_BLK_F_BLK_SIZE) ? host32(config->blk_size) : BLOCK_SIZE_MIN;

	if (size < BLOCK_SIZE_MIN || size > BLOCK_SIZE_MAX || (size & (size - 1)) != 0) {
		return vio_fail(err, -EPROTO,
				"%s: the device says its block size is %u; a power of two from %d "
				"to %d was expected",
				name, size, BLOCK_SIZE_MIN, BLOCK_SIZE_MAX);
	}
	info->block_size = size;
	return 0;
}

static int decode_capacity(struct vio_blk_info *info, const struct virtio_blk_config *config,
			   const char *name, struct vio_error *err)
{
	uint64_t sectors = host64(config->capacity);

	if (sectors > INT64_MAX / VIO_BLK_SECTOR_SIZE) {
		return vio_fail(
			err, -EPROTO,
			"%s: the device says it has %llu sectors, more than a file can have", name,
			(unsigned long long)sectors);
	}
	/* a last block that is not whole cannot be reached by any request */
	info->capacity_sectors = sectors - sectors % (info->block_size / VIO_BLK_SECTOR_SIZE);
	return 0;
}

/* Whether a block fits into them is seen when the size of the ring is known. */
static void decode_segments(struct vio_blk_info *info, const struct virtio_blk_config *config)
{
	uint32_t size_max = has(info, VIRTIO_BLK_F_SIZE_MAX) ? host32(config->size_max) : 0;
	uint32_t seg_max = has(info, VIRTIO_BLK_F_SEG_MAX) ? host32(config->seg_max) : 0;

	/* back ends are known that offer the feature and leave the field 0 */
	info->segment_max_size = size_max ? size_max : UINT32_MAX;
	info->segments_max = seg_max ? seg_max : 1;
	if (info->segments_max > BLK_SEGMENTS_MAX) {
		info->segments_max = BLK_SEGMENTS_MAX;
	}
}

static void decode_topology(struct vio_blk_info *info, const struct virtio_blk_config *config,
			    const char *name)
{
	uint64_t optimal;

	info->physical_block_size = info->block_size;
	if (!has(info, VIRTIO_BLK_F_TOPOLOGY)) {
		return;
	}
	if (config->physical_block_exp > PHYSICAL_EXPONENT_MAX ||
	    config->alignment_offset >> config->physical_block_exp != 0) {
		vio_log(VIO_LOG_WARN,
			"%s: topology ignored: physical blocks of 2^%u blocks, the first at %u",
			name, config->physical_block_exp, config->alignment_offset);
		return;
	}
	info->physical_block_size = info->block_size << config->physical_block_exp;
	info->alignment_offset = config->alignment_offset * info->block_size;
	info->io_min = host16(config->min_io_size) * info->block_size;
	optimal = (uint64_t)host32(config->opt_io_size) * info->block_size;
	info->io_optimal = optimal <= UINT32_MAX ? (uint32_t)optimal : 0;
}

static int decode_queues(struct vio_blk_info *info, const struct virtio_blk_config *config,
			 const char *name, struct vio_error *err)
{
	info->queues_offered = has(info, VIRTIO_BLK_F_MQ) ? host16(config->num_queues) : 1;
	if (info->queues_offered == 0) {
		return vio_fail(err, -EPROTO, "%s: the device says it has no queues", name);
	}
	return 0;
}

static void decode_cache(struct vio_blk_info *info, const struct virtio_blk_config *config)
{
	info->can_flush = has(info, VIRTIO_BLK_F_FLUSH);
	info->can_set_writeback = has(info, VIRTIO_BLK_F_CONFIG_WCE);
	/* 5.2.5.2: with FLUSH and without CONFIG_WCE, a volatile cache is to be assumed */
	info->writeback = has(info, VIRTIO_BLK_F_CONFIG_WCE) ? config->wce != 0 : info->can_flush;
}

static struct vio_blk_range_limits range_limits(__virtio32 sectors, __virtio32 segments,
						__virtio32 alignment)
{
	struct vio_blk_range_limits limits = {
		.sectors_max = host32(sectors),
		.segments_max = host32(segments),
		.alignment_sectors = host32(alignment),
	};

	/* 0 segments cannot be meant by a device that offers the command */
	if (limits.sectors_max && limits.segments_max == 0) {
		limits.segments_max = 1;
	}
	if (limits.alignment_sectors == 0) {
		limits.alignment_sectors = 1;
	}
	return limits;
}

static void decode_ranges(struct vio_blk_info *info, const struct virtio_blk_config *config)
{
	if (has(info, VIRTIO_BLK_F_DISCARD)) {
		info->discard = range_limits(config->max_discard_sectors, config->max_discard_seg,
					     config->discard_sector_alignment);
	}
	if (has(info, VIRTIO_BLK_F_WRITE_ZEROES)) {
		info->write_zeroes = range_limits(config->max_write_zeroes_sectors,
						  config->max_write_zeroes_seg, wire32(1));
		info->write_zeroes_may_unmap = config->write_zeroes_may_unmap != 0;
	}
	if (has(info, VIRTIO_BLK_F_SECURE_ERASE)) {
		info->secure_erase =
			range_limits(config->max_secure_erase_sectors, config->max_secure_erase_seg,
				     config->secure_erase_sector_alignment);
	}
}

static void decode_geometry(struct vio_blk_info *info, const struct virtio_blk_config *config)
{
	if (has(info, VIRTIO_BLK_F_GEOMETRY)) {
		info->cylinders = host16(config->geometry.cylinders);
		info->heads = config->geometry.heads;
		info->sectors_per_track = config->geometry.sectors;
	}
}

static int decode(struct vio_blk_info *info, const struct virtio_blk_config *config,
		  const char *name, struct vio_error *err)
{
	int rc = decode_block_size(info, config, name, err);

	if (rc == 0) {
		rc = decode_capacity(info, config, name, err);
	}
	if (rc == 0) {
		rc = decode_queues(info, config, name, err);
	}
	decode_segments(info, config);
	decode_topology(info, config, name);
	decode_cache(info, config);
	decode_ranges(info, config);
	decode_geometry(info, config);
	return rc;
}

int blk_config_read(struct vio_blk *blk, struct vio_blk_info *info, struct vio_error *err)
{
	struct vio_config_field fields[KNOWN_FIELDS];
	struct virtio_blk_config config;
	const char *name = blk->transport->name;
	int rc;

	memset(&config, 0, sizeof(config));
	memset(info, 0, sizeof(*info));
	info->features = vio_device_features(blk->device);
	info->has_lifetime = has(info, VIO_BLK_F_LIFETIME);
	info->read_only = has(info, VIRTIO_BLK_F_RO) || blk->options.read_only;
	rc = vio_device_config(blk->device, fields, present_fields(info, fields), &config);
	if (rc < 0) {
		return vio_fail(err, -EPROTO,
				rc == -EPROTO
					? "%s: the configuration of the device changes without end"
					: "%s: the configuration of the device is shorter than its "
					  "features need",
				name);
	}
	rc = decode(info, &config, name, err);
	if (rc == 0) {
		blk->config = config;
	}
	return rc;
}

void blk_limits_set(struct blk_limits *limits, const struct vio_blk_info *info)
{
	uint32_t size_max = info->segment_max_size;

	limits->capacity_sectors = info->capacity_sectors;
	limits->size_max = (size_max < BLK_REQUEST_MAX ? size_max : BLK_REQUEST_MAX) - 1;
	limits->size_mask = info->block_size - 1;
	limits->sector_mask = info->block_size / VIO_BLK_SECTOR_SIZE - 1;
	limits->op_last = info->read_only ? VIO_BLK_READ : VIO_BLK_WRITE;
}

bool blk_config_resized(struct vio_blk *blk)
{
	const struct vio_config_field *field = &known_fields[0].where;
	struct virtio_blk_config config;

	return vio_device_config(blk->device, field, 1, &config) == 0 &&
	       config.capacity != blk->config.capacity;
}

static int read_cache(struct vio_blk *blk, uint8_t *on)
{
	const struct vio_config_field field = {offsetof(struct virtio_blk_config, wce),
					       sizeof(*on)};
	struct virtio_blk_config config;
	int rc = vio_device_config(blk->device, &field, 1, &config);

	*on = config.wce;
	return rc;
}

/* What it then says itself is what counts. */
static int write_cache(struct vio_blk *blk, bool on)
{
	struct vio_transport *t = blk->transport;
	uint8_t value = on;
	int rc = t->ops->config_write(t, offsetof(struct virtio_blk_config, wce), &value,
				      sizeof(value));

	if (rc == 0) {
		rc = read_cache(blk, &value);
	}
	if (rc < 0) {
		return -EIO;
	}
	blk->config.wce = value;
	__atomic_store_n(&blk->info.writeback, value != 0, __ATOMIC_RELAXED);
	return (value != 0) == on ? 0 : -EIO;
}

int vio_blk_set_writeback(struct vio_blk *blk, bool on)
{
	int rc = vio_blk_error(blk);

	if (rc == 0 && !blk->info.can_set_writeback) {
		rc = -ENOTSUP;
	}
	if (rc == 0) {
		rc = write_cache(blk, on);
	}
	if (rc == 0) {
		blk->cache = on ? BLK_CACHE_ON : BLK_CACHE_OFF;
	}
	return rc;
}

void blk_config_restore_cache(struct vio_blk *blk)
{
	bool on = blk->cache == BLK_CACHE_ON;

	if (blk->cache != BLK_CACHE_AS_FOUND && blk->info.writeback != on &&
	    write_cache(blk, on) < 0) {
		vio_log(VIO_LOG_WARN, "%s: after its reset the device keeps its write cache %s",
			blk->transport->name, on ? "off" : "on");
	}
}
