/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA memory without an IOMMU: huge pages, which the kernel does not move, and
 * their physical addresses from /proc/self/pagemap.
 *
 *   base                page_size
 *   |  page 0            |  page 1            |  …   contiguous for us
 *   v                    v
 *   physical[0]          physical[1]                 each contiguous for the device
 *
 * Allocation is first fit in units of 4 KiB. It happens while devices are
 * opened, so simple beats fast; share() is what the I/O path calls.
 */
#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vio/log.h>

enum {
	UNIT_SHIFT = 12,
	UNIT = 1 << UNIT_SHIFT,
};

struct hugepages {
	struct vio_dma dma;
	char *base;
	size_t size;
	unsigned page_shift;
	uint64_t *physical; /* of every huge page */
	bool *taken;        /* every unit */
	size_t units;
	pthread_mutex_t mutex; /* taken */
	int file;
	char path[160];
	struct viot_lock *lock; /* of the device: remembers what we reserved */
};

static struct hugepages *hugepages_of(struct vio_dma *dma)
{
	return (struct hugepages *)dma; /* first member */
}

static size_t round_up(size_t value, size_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static uint64_t physical_address(const struct hugepages *pool, size_t offset)
{
	size_t page = offset >> pool->page_shift;

	return pool->physical[page] + (offset & (((size_t)1 << pool->page_shift) - 1));
}

static bool is_free(const struct hugepages *pool, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++) {
		if (pool->taken[i]) {
			return false;
		}
	}
	return true;
}

/* What fits in a huge page stays inside one; nothing is promised for more. */
static bool is_contiguous_enough(const struct hugepages *pool, size_t first, size_t count)
{
	size_t per_page = (size_t)1 << (pool->page_shift - UNIT_SHIFT);

	return count > per_page || first / per_page == (first + count - 1) / per_page;
}

/* First unit of the first fit, or SIZE_MAX. */
static size_t find(const struct hugepages *pool, size_t count)
{
	for (size_t first = 0; first + count <= pool->units; first++) {
		if (is_contiguous_enough(pool, first, count) && is_free(pool, first, count)) {
			return first;
		}
	}
	return SIZE_MAX;
}

static void mark(struct hugepages *pool, size_t first, size_t count, bool taken)
{
	for (size_t i = first; i < first + count; i++) {
		pool->taken[i] = taken;
	}
}

static int pool_alloc(struct vio_dma *dma, size_t size, size_t align, struct vio_dma_memory *memory)
{
	struct hugepages *pool = hugepages_of(dma);
	size_t count = round_up(size, UNIT) >> UNIT_SHIFT;
	size_t first;

	(void)align; /* units are aligned to the most that may be asked for */
	pthread_mutex_lock(&pool->mutex);
	first = find(pool, count);
	if (first != SIZE_MAX) {
		mark(pool, first, count, true);
	}
	pthread_mutex_unlock(&pool->mutex);
	if (first == SIZE_MAX) {
		return -ENOMEM;
	}
	memory->addr = pool->base + (first << UNIT_SHIFT);
	memory->size = size;
	memory->iova.raw = physical_address(pool, first << UNIT_SHIFT);
	memset(memory->addr, 0, size);
	return 0;
}

static void pool_free(struct vio_dma *dma, struct vio_dma_memory *memory)
{
	struct hugepages *pool = hugepages_of(dma);
	size_t offset = (size_t)((char *)memory->addr - pool->base);

	pthread_mutex_lock(&pool->mutex);
	mark(pool, offset >> UNIT_SHIFT, round_up(memory->size, UNIT) >> UNIT_SHIFT, false);
	pthread_mutex_unlock(&pool->mutex);
}

static int pool_share(struct vio_dma *dma, const void *addr, size_t size,
		      enum vio_direction direction, struct vio_segment *segments, unsigned max)
{
	const struct hugepages *pool = hugepages_of(dma);
	size_t page_size = (size_t)1 << pool->page_shift;
	size_t offset = (size_t)((uintptr_t)addr - (uintptr_t)pool->base);
	unsigned n = 0;

	(void)direction;
	if (offset >= pool->size || size > pool->size - offset) {
		return -EFAULT;
	}
	while (size && n < max) {
		size_t left = page_size - (offset & (page_size - 1));
		size_t length = size < left ? size : left;

		segments[n].iova.raw = physical_address(pool, offset);
		segments[n].length = (uint32_t)length;
		n++;
		offset += length;
		size -= length;
	}
	return (int)n;
}

static const struct vio_dma_ops hugepages_ops = {
	.alloc = pool_alloc,
	.free = pool_free,
	.share = pool_share,
};

/* One entry of pagemap: bit 63 present, bits 0..54 the page frame. */
static int read_frame(int pagemap, uintptr_t addr, uint64_t *physical)
{
	long page_size = sysconf(_SC_PAGESIZE);
	uint64_t entry;
	off_t offset = (off_t)(addr / (uintptr_t)page_size * sizeof(entry));

	if (pread(pagemap, &entry, sizeof(entry), offset) != sizeof(entry) || !(entry >> 63)) {
		return -EACCES;
	}
	*physical = (entry & ((UINT64_C(1) << 55) - 1)) * (uint64_t)page_size;
	return *physical ? 0 : -EACCES;
}

static int find_physical(struct hugepages *pool, struct vio_error *err)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t pages = pool->size >> pool->page_shift;
	int rc = pagemap < 0 ? -EACCES : 0;

	for (size_t i = 0; rc == 0 && i < pages; i++) {
		rc = read_frame(pagemap, (uintptr_t)pool->base + (i << pool->page_shift),
				&pool->physical[i]);
	}
	if (pagemap >= 0) {
		close(pagemap);
	}
	if (rc < 0) {
		return vio_fail(
			err, rc,
			"the physical addresses of DMA memory are hidden from this process: "
			"run as root (CAP_SYS_ADMIN)");
	}
	return 0;
}

static int map_pages(struct hugepages *pool, struct vio_error *err)
{
	void *base;

	/* an old file of a killed process is safe now: its device has been reset */
	if (ftruncate(pool->file, 0) < 0 || ftruncate(pool->file, (off_t)pool->size) < 0) {
		return vio_fail(err, -ENOMEM, "%s cannot be sized to %zu bytes (%s)", pool->path,
				pool->size, strerror(errno));
	}
	base = mmap(NULL, pool->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, pool->file,
		    0);
	if (base == MAP_FAILED) {
		return vio_fail(
			err, -ENOMEM,
			"%zu bytes of huge pages cannot be mapped (%s): free some, or ask for "
			"less with dma=",
			pool->size, strerror(errno));
	}
	pool->base = base;
	madvise(base, pool->size, MADV_DONTFORK);
	return find_physical(pool, err);
}

static int make_tables(struct hugepages *pool, struct vio_error *err)
{
	pool->units = pool->size >> UNIT_SHIFT;
	pool->physical = calloc(pool->size >> pool->page_shift, sizeof(*pool->physical));
	pool->taken = calloc(pool->units, sizeof(*pool->taken));
	if (!pool->physical || !pool->taken) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* Opening the old file and emptying it gives its pages back before we count. */
static int prepare(struct hugepages *pool, struct vio_error *err)
{
	unsigned pages = (unsigned)(pool->size >> pool->page_shift);
	int rc = viot_hugetlbfs_open(pool->lock->key, pool->path, sizeof(pool->path), err);

	if (rc < 0) {
		return rc;
	}
	pool->file = rc;
	if (ftruncate(pool->file, 0) < 0) {
		return vio_fail(err, -EACCES, "%s cannot be emptied (%s)", pool->path,
				strerror(errno));
	}
	rc = viot_hugepages_reserve(pool->lock, pages, err);
	if (rc == 0) {
		rc = make_tables(pool, err);
	}
	return rc < 0 ? rc : map_pages(pool, err);
}

int viot_hugepages_open(struct vio_dma **out, struct viot_lock *lock, size_t size,
			struct vio_error *err)
{
	size_t page_size = viot_hugepage_size();
	struct hugepages *pool;
	int rc;

	if (page_size == 0) {
		return vio_fail(
			err, -ENOTSUP,
			"this kernel has no huge pages (CONFIG_HUGETLB_PAGE), which DMA memory "
			"is made of");
	}
	pool = calloc(1, sizeof(*pool));
	if (!pool) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	pool->dma.ops = &hugepages_ops;
	pool->dma.contiguous = page_size;
	pool->page_shift = (unsigned)__builtin_ctzl(page_size);
	pool->size = round_up(size, page_size);
	pool->lock = lock;
	pool->file = -1;
	pthread_mutex_init(&pool->mutex, NULL);
	rc = prepare(pool, err);
	if (rc < 0) {
		viot_hugepages_close(&pool->dma);
		return rc;
	}
	*out = &pool->dma;
	return 0;
}

/* In quarantine the file keeps the pages from ever becoming something else. */
static void close_file(struct hugepages *pool)
{
	if (pool->file < 0) {
		return;
	}
	if (pool->dma.quarantined) {
		vio_log(VIO_LOG_WARN,
			"%s stays: the device did not confirm its reset and may still write to "
			"these "
			"pages",
			pool->path);
	} else {
		unlink(pool->path);
	}
	close(pool->file);
}

void viot_hugepages_close(struct vio_dma *dma)
{
	struct hugepages *pool;

	if (!dma) {
		return;
	}
	pool = hugepages_of(dma);
	if (pool->base) {
		munmap(pool->base, pool->size);
	}
	close_file(pool);
	if (!dma->quarantined) {
		viot_hugepages_give_back(pool->lock);
	}
	viot_hugetlbfs_release();
	pthread_mutex_destroy(&pool->mutex);
	free(pool->physical);
	free(pool->taken);
	free(pool);
}
