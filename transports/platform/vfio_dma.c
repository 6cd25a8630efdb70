/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA memory behind an IOMMU: ordinary memory, which VFIO pins and shows to the
 * device at an address of our choice. The mapping ends with VFIO's descriptors, also
 * those of a killed process, and with it the device's reach: no quarantine is needed.
 */
#include "pool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vio/log.h>

#include "vfio.h"

/*
 * Chosen: not 0, which devices take for "none", and aligned as a huge page, so
 * that the IOMMU may use large entries.
 */
#define IOVA_FLOOR 0x200000u
#define IOVA_ALIGN 0x200000u

struct vfio_pool {
	struct viot_pool pool;        /* first */
	const struct viot_vfio *vfio; /* not ours; outlives us */
	bool is_mapped;
};

/* Old kernels do not say: then the low 2 GiB, where no known IOMMU reserves anything we hit. */
static int choose_iova(const struct viot_vfio *vfio, size_t size, uint64_t *iova,
		       struct vio_error *err)
{
	struct viot_iova_range ranges[VIOT_IOVA_RANGES_MAX];
	unsigned count = vfio->iommu->get_ranges(vfio, ranges, VIOT_IOVA_RANGES_MAX);

	if (count == 0) {
		ranges[count++] = (struct viot_iova_range){0, INT32_MAX};
	}
	if (!viot_iova_choose(ranges, count, IOVA_FLOOR, size, IOVA_ALIGN, iova)) {
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
	viot_pool_place(&vp->pool, base);
	/* a child would get copies, and the device would go on with either */
	madvise(base, vp->pool.size, MADV_DONTFORK);
	madvise(base, vp->pool.size, MADV_HUGEPAGE);
	return 0;
}

/* iommufd counts what all processes of a user have locked, type 1 what this one has. */
static int refuse_mapping(const struct vfio_pool *vp, int error, struct vio_error *err)
{
	struct rlimit limit = {0, 0};

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (error == ENOMEM && (limit.rlim_cur < vp->pool.size || geteuid() != 0)) {
		return vio_fail(err, -ENOMEM,
				"%zu bytes of DMA memory are more than may be locked here (the "
				"limit is %llu, less what is locked already): raise it (ulimit -l, "
				"LimitMEMLOCK=), or ask for less with dma=",
				vp->pool.size, (unsigned long long)limit.rlim_cur);
	}
	return vio_fail(err, -ENOMEM, "%s: VFIO does not map %zu bytes of DMA memory (%s)",
			vp->vfio->function, vp->pool.size, strerror(error));
}

static int show_to_device(struct vfio_pool *vp, uint64_t iova, struct vio_error *err)
{
	int rc = vp->vfio->iommu->map(vp->vfio, vp->pool.base, vp->pool.size, iova);

	if (rc < 0) {
		return refuse_mapping(vp, -rc, err);
	}
	vp->is_mapped = true;
	vp->pool.device[0] = iova;
	vio_log(VIO_LOG_DEBUG, "%s: %zu bytes of DMA memory at I/O address 0x%" PRIx64,
		vp->vfio->function, vp->pool.size, iova);
	return 0;
}

static void vfio_pool_close(struct viot_pool *pool)
{
	struct vfio_pool *vp = (struct vfio_pool *)pool; /* first member */

	if (vp->is_mapped) {
		vp->vfio->iommu->unmap(vp->vfio, pool->size, pool->device[0]);
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

static int prepare(struct vfio_pool *vp, struct vio_error *err)
{
	uint64_t iova = 0;
	int rc = choose_iova(vp->vfio, vp->pool.size, &iova, err);

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
	vp->vfio = vfio;
	vp->pool.close = vfio_pool_close;
	size = (size + page - 1) / page * page;
	rc = viot_pool_init(&vp->pool, size, shift_of(size), err);
	vp->pool.dma.contiguous = size;
	if (rc == 0) {
		rc = prepare(vp, err);
	}
	if (rc < 0) {
		vfio_pool_close(&vp->pool);
		return rc;
	}
	*dma = &vp->pool.dma;
	return 0;
}
