/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on ranges of sectors (5.2.6): discard, write zeroes, secure erase. */
#include "blk_internal.h"

#include <errno.h>

#include "ring_memory.h"

static const struct vio_blk_range_limits *limits_of(const struct vio_blk_info *info,
						    enum vio_blk_op op)
{
	switch (op) {
	case VIO_BLK_DISCARD:
		return &info->discard;
	case VIO_BLK_WRITE_ZEROES:
		return &info->write_zeroes;
	default:
		return &info->secure_erase;
	}
}

static uint32_t unit_of(const struct vio_blk_info *info)
{
	return info->block_size / VIO_BLK_SECTOR_SIZE;
}

/* Where parts may begin and end, in sectors; an alignment between blocks cannot be meant. */
static uint32_t step_of(const struct vio_blk_info *info, const struct vio_blk_range_limits *limits)
{
	uint32_t alignment = limits->alignment_sectors;

	return alignment && alignment % unit_of(info) == 0 ? alignment : unit_of(info);
}

/* Sectors of the largest part; 0: the device has no such command that could be used. */
static uint32_t part_max(const struct vio_blk_info *info, const struct vio_blk_range_limits *limits)
{
	uint32_t max = limits->sectors_max;
	uint32_t step = step_of(info, limits);

	return max >= step ? max - max % step : max - max % unit_of(info);
}

/* Only a hint: what the device could not do in whole is left as it is. */
static void trim_discard(const struct vio_blk_info *info, struct vio_blk_request *request)
{
	uint32_t step = step_of(info, &info->discard);
	uint64_t first = (request->start_sector + step - 1) / step * step;
	uint64_t end = (request->start_sector + request->sector_count) / step * step;

	if (first >= end) {
		request->bytes_total = 0;
		return;
	}
	request->bytes_started = (first - request->start_sector) * VIO_BLK_SECTOR_SIZE;
	request->bytes_total = (end - request->start_sector) * VIO_BLK_SECTOR_SIZE;
}

static int check_alignment(const struct vio_blk_info *info, struct vio_blk_request *request)
{
	uint32_t step = step_of(info, limits_of(info, request->op));

	request->bytes_total = request->sector_count * VIO_BLK_SECTOR_SIZE;
	if (request->op == VIO_BLK_DISCARD) {
		trim_discard(info, request);
		return 0;
	}
	return request->start_sector % step == 0 && request->sector_count % step == 0 ? 0 : -EINVAL;
}

int blk_range_check(const struct vio_blk_info *info, struct vio_blk_request *request)
{
	int rc;

	if (part_max(info, limits_of(info, request->op)) == 0) {
		return -ENOTSUP;
	}
	if (info->read_only) {
		return -EROFS;
	}
	if (request->iov_count != 0) {
		return -EINVAL;
	}
	/* so many sectors that their bytes would wrap */
	if (request->sector_count > UINT64_MAX / VIO_BLK_SECTOR_SIZE) {
		return -ENOSPC;
	}
	rc = blk_check_range(info, request->start_sector,
			     request->sector_count * VIO_BLK_SECTOR_SIZE);
	return rc < 0 ? rc : check_alignment(info, request);
}

uint64_t blk_range_describe(const struct vio_blk_info *info, const struct vio_blk_request *request,
			    struct virtio_blk_discard_write_zeroes *range)
{
	uint64_t left = (request->bytes_total - request->bytes_started) / VIO_BLK_SECTOR_SIZE;
	uint32_t max = part_max(info, limits_of(info, request->op));
	uint32_t sectors = left < max ? (uint32_t)left : max;
	bool unmaps = request->op == VIO_BLK_WRITE_ZEROES && request->unmap &&
		      info->write_zeroes_may_unmap;

	range->sector =
		wire64(request->start_sector + request->bytes_started / VIO_BLK_SECTOR_SIZE);
	range->num_sectors = wire32(sectors);
	range->flags = wire32(unmaps ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0);
	return (uint64_t)sectors * VIO_BLK_SECTOR_SIZE;
}
