/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA memory that another process maps as well: a memfd, of huge pages where there
 * are free ones. It is sealed, so that the other process cannot take its end away and
 * have us meet a bus error. What a back end may still write to is memory of nobody
 * else, ever: no quarantine is needed.
 */
#include "vhost_user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vio/log.h>

#include "pool.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* <linux/mman.h> of Linux 5.14 */
#endif

struct shared_pool {
	struct viot_pool pool; /* first */
	int file;
};

static int open_file(size_t size, unsigned flags)
{
	int file = memfd_create("vhost-user", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (file >= 0 &&
	    (ftruncate(file, (off_t)size) < 0 ||
	     fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)) {
		close(file);
		return -1;
	}
	return file;
}

/* Populated: neither of us meets a page fault on the I/O path. */
static bool map_file(struct shared_pool *sp, unsigned flags)
{
	void *base;

	sp->file = open_file(sp->pool.size, flags);
	if (sp->file < 0) {
		return false;
	}
	base = mmap(NULL, sp->pool.size, PROT_READ | PROT_WRITE, MAP_SHARED, sp->file, 0);
	if (base == MAP_FAILED) {
		close(sp->file);
		sp->file = -1;
		return false;
	}
	viot_pool_place(&sp->pool, base);
	madvise(base, sp->pool.size, MADV_DONTFORK);
	if (!(flags & MFD_HUGETLB)) {
		madvise(base, sp->pool.size, MADV_HUGEPAGE);
	}
	madvise(base, sp->pool.size, MADV_POPULATE_WRITE);
	return true;
}

static void shared_close(struct viot_pool *pool)
{
	struct shared_pool *sp = (struct shared_pool *)pool; /* first member */

	if (pool->base) {
		munmap(pool->base, pool->size);
	}
	if (sp->file >= 0) {
		close(sp->file);
	}
	viot_pool_destroy(pool);
	free(sp);
}

/* One "page" of the pool is all of it: what is contiguous for us is so for the device. */
static unsigned shift_of(size_t size)
{
	return (unsigned)(sizeof(long) * 8) - (unsigned)__builtin_clzl(size - 1);
}

int viot_vu_memory_open(struct vio_dma **dma, size_t size, struct vio_error *err)
{
	struct shared_pool *sp = calloc(1, sizeof(*sp));
	size_t page = viot_hugepage_size() ? viot_hugepage_size() : (size_t)sysconf(_SC_PAGESIZE);
	int rc;

	if (!sp) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	sp->file = -1;
	sp->pool.close = shared_close;
	size = (size + page - 1) / page * page;
	rc = viot_pool_init(&sp->pool, size, shift_of(size), err);
	sp->pool.dma.contiguous = size;
	if (rc == 0 && !map_file(sp, MFD_HUGETLB) && !map_file(sp, 0)) {
		rc = vio_fail(err, -ENOMEM, "%zu bytes of shared memory cannot be made (%s)", size,
			      strerror(errno));
	}
	if (rc < 0) {
		shared_close(&sp->pool);
		return rc;
	}
	sp->pool.device[0] = VU_MEMORY_BASE;
	*dma = &sp->pool.dma;
	return 0;
}

int viot_vu_memory_file(const struct vio_dma *dma)
{
	return ((const struct shared_pool *)(const void *)dma)->file;
}
