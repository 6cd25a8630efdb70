/* SPDX-License-Identifier: BSD-3-Clause */
/* From huge pages of the kernel's pool to DMA memory, and back. */
#include "hugepages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <vio/log.h>

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

	if (ftruncate(pool->file, (off_t)pool->size) < 0) {
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
	return 0;
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

/*
 * The kernel may move huge pages: when their memory is taken offline, or to make
 * room for a large contiguous piece. It moves none that somebody else refers to,
 * and a byte of each in a pipe is such a reference, until the pipe is closed.
 */
static bool pin_pages(struct hugepages *pool)
{
	size_t pages = pool->size >> pool->page_shift;
	int slots = (int)(pages * (size_t)sysconf(_SC_PAGESIZE)); /* the unit of its size */

	if (pipe2(pool->pins, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    fcntl(pool->pins[1], F_SETPIPE_SZ, slots) < 0) {
		return false;
	}
	for (size_t i = 0; i < pages; i++) {
		const struct iovec byte = {pool->base + (i << pool->page_shift), 1};

		if (vmsplice(pool->pins[1], &byte, 1, 0) != 1) {
			return false;
		}
	}
	return true;
}

/*
 * The file of a killed process is safe to empty: its device has been reset. That
 * gives its pages back before we count.
 */
static int take_pages(struct hugepages *pool, struct vio_error *err)
{
	int rc = viot_hugetlbfs_open(pool->lock->key, pool->path, sizeof(pool->path), err);

	if (rc < 0) {
		return rc;
	}
	pool->file = rc;
	if (ftruncate(pool->file, 0) < 0) {
		return vio_fail(err, -EACCES, "%s cannot be emptied (%s)", pool->path,
				strerror(errno));
	}
	rc = viot_hugepages_reserve(pool->lock, (unsigned)(pool->size >> pool->page_shift), err);
	return rc < 0 ? rc : map_pages(pool, err);
}

static int prepare(struct hugepages *pool, struct vio_error *err)
{
	int rc = make_tables(pool, err);
	int lock = rc < 0 ? rc : viot_pool_lock(err);

	if (lock < 0) {
		return lock;
	}
	rc = take_pages(pool, err);
	viot_pool_unlock(lock);
	if (rc < 0) {
		return rc;
	}
	if (!pin_pages(pool)) {
		vio_log(VIO_LOG_WARN,
			"DMA memory could not be held in place (%s): do not take memory offline",
			strerror(errno));
	}
	return find_physical(pool, err);
}

static struct hugepages *make_pool(struct viot_lock *lock, size_t size, size_t page_size)
{
	struct hugepages *pool = calloc(1, sizeof(*pool));

	if (!pool) {
		return NULL;
	}
	pool->dma.ops = &viot_hugepages_ops;
	pool->dma.contiguous = page_size;
	pool->page_shift = (unsigned)__builtin_ctzl(page_size);
	pool->size = (size + page_size - 1) / page_size * page_size;
	pool->lock = lock;
	pool->file = pool->pins[0] = pool->pins[1] = -1;
	pthread_mutex_init(&pool->mutex, NULL);
	return pool;
}

int viot_hugepages_open(struct vio_dma **dma, struct viot_lock *lock, size_t size,
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
	pool = make_pool(lock, size, page_size);
	if (!pool) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	rc = prepare(pool, err);
	if (rc < 0) {
		viot_hugepages_close(&pool->dma);
		return rc;
	}
	*dma = &pool->dma;
	return 0;
}

static void close_if_open(int fd)
{
	if (fd >= 0) {
		close(fd);
	}
}

/* In quarantine the file keeps the pages from ever becoming something else. */
static void let_go(struct hugepages *pool)
{
	if (pool->base) {
		munmap(pool->base, pool->size);
	}
	close_if_open(pool->pins[0]);
	close_if_open(pool->pins[1]);
	if (pool->file < 0) {
		return;
	}
	if (pool->dma.quarantined) {
		vio_log(VIO_LOG_WARN,
			"%s stays: the device did not confirm its reset and may still write to "
			"these pages",
			pool->path);
	} else {
		unlink(pool->path);
	}
	close(pool->file);
}

/*
 * Under one lock, or another process takes our pages between their release and
 * the shrinking of the pool, which then takes its own. Without the lock the pool
 * stays as it is, and the note says by how much for the next to come.
 */
static void return_pages(struct hugepages *pool)
{
	struct vio_error err;
	int lock = viot_pool_lock(&err);

	let_go(pool);
	if (lock < 0) {
		vio_log(VIO_LOG_WARN, "huge pages stay reserved: %s", err.text);
		return;
	}
	if (!pool->dma.quarantined) {
		viot_hugepages_give_back(pool->lock);
	}
	viot_hugetlbfs_release();
	viot_pool_unlock(lock);
}

void viot_hugepages_close(struct vio_dma *dma)
{
	struct hugepages *pool = (struct hugepages *)dma; /* first member */

	if (!pool) {
		return;
	}
	return_pages(pool);
	pthread_mutex_destroy(&pool->mutex);
	free(pool->physical);
	free(pool->taken);
	free(pool);
}
