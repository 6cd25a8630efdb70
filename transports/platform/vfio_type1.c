/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory behind the IOMMU of a VFIO container, type 1. */
#include "vfio.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include <linux/vfio.h>

enum {
	INFO_MAX = 1 << 16, /* bytes: what the kernel tells of an IOMMU */
};

/* With the capabilities that follow it, or NULL. */
static struct vfio_iommu_type1_info *get_info(int container)
{
	struct vfio_iommu_type1_info probe = {.argsz = sizeof(probe)}, *info;

	if (ioctl(container, VFIO_IOMMU_GET_INFO, &probe) < 0 || probe.argsz > INFO_MAX) {
		return NULL;
	}
	info = calloc(1, probe.argsz);
	if (info) {
		info->argsz = probe.argsz;
		if (ioctl(container, VFIO_IOMMU_GET_INFO, info) < 0) {
			free(info);
			info = NULL;
		}
	}
	return info;
}

static unsigned copy_ranges(const struct vfio_iommu_type1_info_cap_iova_range *cap, size_t room,
			    struct viot_iova_range *ranges, unsigned max)
{
	unsigned count = cap->nr_iovas < max ? cap->nr_iovas : max;

	if (sizeof(*cap) + count * sizeof(cap->iova_ranges[0]) > room) {
		return 0;
	}
	for (unsigned i = 0; i < count; i++) {
		ranges[i].first = cap->iova_ranges[i].start;
		ranges[i].last = cap->iova_ranges[i].end;
	}
	return count;
}

/* Offsets go up only, so the walk ends. */
static unsigned find_ranges(const struct vfio_iommu_type1_info *info,
			    struct viot_iova_range *ranges, unsigned max)
{
	size_t at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;

	while (at >= sizeof(*info) && at + sizeof(struct vfio_info_cap_header) <= info->argsz) {
		const void *place = (const char *)info + at;
		const struct vfio_info_cap_header *header = place;

		if (header->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE &&
		    at + sizeof(struct vfio_iommu_type1_info_cap_iova_range) <= info->argsz) {
			return copy_ranges(place, info->argsz - at, ranges, max);
		}
		if (header->next <= at) {
			break;
		}
		at = header->next;
	}
	return 0;
}

static unsigned get_ranges(const struct viot_vfio *vfio, struct viot_iova_range *ranges,
			   unsigned max)
{
	struct vfio_iommu_type1_info *info = get_info(vfio->container);
	unsigned count = info ? find_ranges(info, ranges, max) : 0;

	free(info);
	return count;
}

static int map(const struct viot_vfio *vfio, void *memory, size_t size, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = size,
	};

	return ioctl(vfio->container, VFIO_IOMMU_MAP_DMA, &map) < 0 ? -errno : 0;
}

static void unmap(const struct viot_vfio *vfio, size_t size, uint64_t iova)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = size,
	};

	ioctl(vfio->container, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

const struct viot_iommu_ops viot_type1_ops = {
	.name = "type 1",
	.get_ranges = get_ranges,
	.map = map,
	.unmap = unmap,
};
