/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA memory without an IOMMU: huge pages, which are never swapped and which we
 * hold in place, and their physical addresses from /proc/self/pagemap.
 */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <vio/log.h>

struct hugepages {
	struct viot_pool pool; /* first */
	int file;
	int pins[2]; /* a pipe */
	char path[160];
	struct viot_lock *lock; /* of the device: remembers what we reserved */
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

static int find_physical(struct hugepages *huge, struct vio_error *err)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t pages = huge->pool.size >> huge->pool.page_shift;
	int rc = pagemap < 0 ? -EACCES : 0;

	for (size_t i = 0; rc == 0 && i < pages; i++) {
		rc = read_frame(pagemap, (uintptr_t)huge->pool.base + (i << huge->pool.page_shift),
				&huge->pool.device[i]);
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

static int map_pages(struct hugepages *huge, struct vio_error *err)
{
	void *base;

	if (ftruncate(huge->file, (off_t)huge->pool.size) < 0) {
		return vio_fail(err, -ENOMEM, "%s cannot be sized to %zu bytes (%s)", huge->path,
				huge->pool.size, strerror(errno));
	}
	base = mmap(NULL, huge->pool.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		    huge->file, 0);
	if (base == MAP_FAILED) {
		return vio_fail(
			err, -ENOMEM,
			"%zu bytes of huge pages cannot be mapped (%s): free some, or ask for "
			"less with dma=",
			huge->pool.size, strerror(errno));
	}
	viot_pool_place(&huge->pool, base);
	madvise(base, huge->pool.size, MADV_DONTFORK);
	return 0;
}

/*
 * The kernel may move huge pages: when their memory is taken offline, or to make
 * room for a large contiguous piece. It moves none that somebody else refers to,
 * and a byte of each in a pipe is such a reference, until the pipe is closed.
 */
static bool pin_pages(struct hugepages *huge)
{
	size_t pages = huge->pool.size >> huge->pool.page_shift;
	int slots = (int)(pages * (size_t)sysconf(_SC_PAGESIZE)); /* the unit of its size */

	if (pipe2(huge->pins, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    fcntl(huge->pins[1], F_SETPIPE_SZ, slots) < 0) {
		return false;
	}
	for (size_t i = 0; i < pages; i++) {
		const struct iovec byte = {huge->pool.base + (i << huge->pool.page_shift), 1};

		if (vmsplice(huge->pins[1], &byte, 1, 0) != 1) {
			return false;
		}
	}
	return true;
}

/*
 * The file of a killed process is safe to empty: its device has been reset. That
 * gives its pages back before we count.
 */
static int take_pages(struct hugepages *huge, struct vio_error *err)
{
	int rc = viot_hugetlbfs_open(huge->lock->key, huge->path, sizeof(huge->path), err);

	if (rc < 0) {
		return rc;
	}
	huge->file = rc;
	if (ftruncate(huge->file, 0) < 0) {
		return vio_fail(err, -EACCES, "%s cannot be emptied (%s)", huge->path,
				strerror(errno));
	}
	rc = viot_hugepages_reserve(huge->lock,
				    (unsigned)(huge->pool.size >> huge->pool.page_shift), err);
	return rc < 0 ? rc : map_pages(huge, err);
}

static int prepare(struct hugepages *huge, struct vio_error *err)
{
	int lock = viot_hugepool_lock(err);
	int rc;

	if (lock < 0) {
		return lock;
	}
	rc = take_pages(huge, err);
	viot_hugepool_unlock(lock);
	if (rc < 0) {
		return rc;
	}
	if (!pin_pages(huge)) {
		vio_log(VIO_LOG_WARN,
			"DMA memory could not be held in place (%s): do not take memory offline",
			strerror(errno));
	}
	return find_physical(huge, err);
}

static void close_if_open(int fd)
{
	if (fd >= 0) {
		close(fd);
	}
}

/* In quarantine the file keeps the pages from ever becoming something else. */
static void let_go(struct hugepages *huge)
{
	if (huge->pool.base) {
		munmap(huge->pool.base, huge->pool.size);
	}
	close_if_open(huge->pins[0]);
	close_if_open(huge->pins[1]);
	if (huge->file < 0) {
		return;
	}
	if (huge->pool.dma.quarantined) {
		vio_log(VIO_LOG_WARN,
			"%s stays: the device did not confirm its reset and may still write to "
			"these pages",
			huge->path);
	} else {
		unlink(huge->path);
	}
	close(huge->file);
}

/*
 * Under one lock, or another process takes our pages between their release and
 * the shrinking of the pool, which then takes its own. Without the lock the pool
 * stays as it is, and the note says by how much for the next to come.
 */
static void return_pages(struct hugepages *huge)
{
	struct vio_error err;
	int lock = viot_hugepool_lock(&err);

	let_go(huge);
	if (lock < 0) {
		/* who is no longer root has left this to somebody who is */
		if (lock != -EACCES || geteuid() == 0) {
			vio_log(VIO_LOG_WARN, "huge pages stay reserved: %s", err.text);
		}
		return;
	}
	if (!huge->pool.dma.quarantined) {
		viot_hugepages_give_back(huge->lock);
	}
	viot_hugetlbfs_release();
	viot_hugepool_unlock(lock);
}

static void hugepages_close(struct viot_pool *pool)
{
	struct hugepages *huge = (struct hugepages *)pool; /* first member */

	return_pages(huge);
	viot_pool_destroy(pool);
	free(huge);
}

static struct hugepages *make(struct viot_lock *lock)
{
	struct hugepages *huge = calloc(1, sizeof(*huge));

	if (huge) {
		huge->lock = lock;
		huge->file = huge->pins[0] = huge->pins[1] = -1;
		huge->pool.close = hugepages_close;
	}
	return huge;
}

int viot_hugepages_open(struct vio_dma **dma, struct viot_lock *lock, size_t size,
			struct vio_error *err)
{
	size_t page_size = viot_hugepage_size();
	struct hugepages *huge;
	int rc;

	if (page_size == 0) {
		return vio_fail(
			err, -ENOTSUP,
			"this kernel has no huge pages (CONFIG_HUGETLB_PAGE), which DMA memory "
			"is made of");
	}
	huge = make(lock);
	if (!huge) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	size = (size + page_size - 1) / page_size * page_size;
	rc = viot_pool_init(&huge->pool, size, (unsigned)__builtin_ctzl(page_size), err);
	if (rc == 0) {
		rc = prepare(huge, err);
	}
	if (rc < 0) {
		hugepages_close(&huge->pool);
		return rc;
	}
	*dma = &huge->pool.dma;
	return 0;
}

int viot_hugepages_forget(struct viot_lock *lock, struct vio_error *err)
{
	char path[160];
	int pool_lock, file;

	snprintf(path, sizeof(path), VIOT_RUN_DIR "/huge/%s", lock->key);
	if (lock->reserved_pages == 0 && access(path, F_OK) < 0) {
		return 0;
	}
	pool_lock = viot_hugepool_lock(err);
	if (pool_lock < 0) {
		return pool_lock;
	}
	file = viot_hugetlbfs_open(lock->key, path, sizeof(path), err);
	if (file >= 0) {
		unlink(path);
		close(file);
		viot_hugepages_give_back(lock);
		viot_hugetlbfs_release();
	}
	viot_hugepool_unlock(pool_lock);
	return file < 0 ? file : 0;
}
