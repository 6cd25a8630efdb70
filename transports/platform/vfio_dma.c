/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA memory behind an IOMMU: ordinary memory, which VFIO pins and shows to the
 * device at an address of our choice. The mapping ends with the container, also
 * that of a killed process, and with it the device's reach: no quarantine is needed.
 */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "vfio.h"

/*
 * Chosen: not 0, which devices take for "none", and aligned as a huge page, so
 * that the IOMMU may use large entries.
 */
#define IOVA_FLOOR 0x200000u
#define IOVA_ALIGN 0x200000u

enum {
	INFO_MAX = 1 << 16, /* bytes: what the kernel tells of an IOMMU */
	RANGES_MAX = 64,
};

struct vfio_pool {
	struct viot_pool pool; /* first */
	int container;         /* not ours */
	bool is_mapped;
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
			    struct viot_iova_range *ranges)
{
	unsigned count = cap->nr_iovas < RANGES_MAX ? cap->nr_iovas : RANGES_MAX;

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
			    struct viot_iova_range *ranges)
{
	size_t at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;

	while (at >= sizeof(*info) && at + sizeof(struct vfio_info_cap_header) <= info->argsz) {
		const void *place = (const char *)info + at;
		const struct vfio_info_cap_header *header = place;

		if (header->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE &&
		    at + sizeof(struct vfio_iommu_type1_info_cap_iova_range) <= info->argsz) {
			return copy_ranges(place, info->argsz - at, ranges);
		}
		if (header->next <= at) {
			break;
		}
		at = header->next;
	}
	return 0;
}

/* Old kernels do not say: then the low 2 GiB, where no known IOMMU reserves anything we hit. */
static int choose_iova(const struct viot_vfio *vfio, size_t size, uint64_t *iova,
		       struct vio_error *err)
{
	struct viot_iova_range ranges[RANGES_MAX] = {{0, INT32_MAX}};
	struct vfio_iommu_type1_info *info = get_info(vfio->container);
	struct viot_iova_range told[RANGES_MAX];
	unsigned count = info ? find_ranges(info, told) : 0;

	free(info);
	if (count > 0) {
		memcpy(ranges, told, sizeof(told));
	}
	if (!viot_iova_choose(ranges, count ? count : 1, IOVA_FLOOR, size, IOVA_ALIGN, iova)) {
		return vio_fail(err, -ENOMEM,
				"%s: its IOMMU has no room for %zu bytes of DMA memory: ask for "
				"less with dma=",
				vfio->function, size);
	}
	return 0;
}

static int map_memory(struct vfio_pool *vp, struct vio_error *err)
{
	void *base = mmap(NULL, vp->pool.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (base == MAP_FAILED) {
		return vio_fail(err, -ENOMEM, "%zu bytes of DMA memory cannot be mapped (%s)",
				vp->pool.size, strerror(errno));
	}
	vp->pool.base = base;
	/* a child would get copies, and the device would go on with either */
	madvise(base, vp->pool.size, MADV_DONTFORK);
	madvise(base, vp->pool.size, MADV_HUGEPAGE);
	return 0;
}

static int refuse_mapping(const struct vfio_pool *vp, int error, struct vio_error *err)
{
	struct rlimit limit = {0, 0};

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (error == ENOMEM && limit.rlim_cur < vp->pool.size) {
		return vio_fail(
			err, -ENOMEM,
			"%zu bytes of DMA memory are more than this process may lock (%llu): "
			"raise its limit (ulimit -l, LimitMEMLOCK=), or ask for less with "
			"dma=",
			vp->pool.size, (unsigned long long)limit.rlim_cur);
	}
	return vio_fail(err, -ENOMEM, "VFIO does not map %zu bytes of DMA memory (%s)",
			vp->pool.size, strerror(error));
}

static int show_to_device(struct vfio_pool *vp, uint64_t iova, struct vio_error *err)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)vp->pool.base,
		.iova = iova,
		.size = vp->pool.size,
	};

	if (ioctl(vp->container, VFIO_IOMMU_MAP_DMA, &map) < 0) {
		return refuse_mapping(vp, errno, err);
	}
	vp->is_mapped = true;
	vp->pool.device[0] = iova;
	return 0;
}

static void vfio_pool_close(struct viot_pool *pool)
{
	struct vfio_pool *vp = (struct vfio_pool *)pool; /* first member */

	if (vp->is_mapped) {
		struct vfio_iommu_type1_dma_unmap unmap = {
			.argsz = sizeof(unmap),
			.iova = pool->device[0],
			.size = pool->size,
		};

		ioctl(vp->container, VFIO_IOMMU_UNMAP_DMA, &unmap);
	}
	if (pool->base) {
		munmap(pool->base, pool->size);
	}
	viot_pool_destroy(pool);
	free(vp);
}

/* One "page" of the pool is all of it: what is contiguous for us is so for the device. */
static unsigned shift_of(size_t size)
{
	return (unsigned)(sizeof(long) * 8) - (unsigned)__builtin_clzl(size - 1);
}

static int prepare(struct vfio_pool *vp, const struct viot_vfio *vfio, struct vio_error *err)
{
	uint64_t iova = 0;
	int rc = choose_iova(vfio, vp->pool.size, &iova, err);

	if (rc == 0) {
		rc = map_memory(vp, err);
	}
	return rc < 0 ? rc : show_to_device(vp, iova, err);
}

int viot_vfio_dma_open(struct vio_dma **dma, const struct viot_vfio *vfio, size_t size,
		       struct vio_error *err)
{
	struct vfio_pool *vp = calloc(1, sizeof(*vp));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int rc;

	if (!vp) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	vp->container = vfio->container;
	vp->pool.close = vfio_pool_close;
	size = (size + page - 1) / page * page;
	rc = viot_pool_init(&vp->pool, size, shift_of(size), err);
	vp->pool.dma.contiguous = size;
	if (rc == 0) {
		rc = prepare(vp, vfio, err);
	}
	if (rc < 0) {
		vfio_pool_close(&vp->pool);
		return rc;
	}
	*dma = &vp->pool.dma;
	return 0;
}
