/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pieces of the pool: first fit in units of 4 KiB. It happens while devices are
 * opened, so simple beats fast; share() is what the I/O path calls.
 */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct viot_pool *pool_of(struct vio_dma *dma)
{
	return (struct viot_pool *)dma; /* first member */
}

static size_t round_up(size_t value, size_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static uint64_t device_address(const struct viot_pool *pool, size_t offset)
{
	size_t page = offset >> pool->page_shift;

	return pool->device[page] + (offset & (((size_t)1 << pool->page_shift) - 1));
}

static bool is_free(const struct viot_pool *pool, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++) {
		if (pool->taken[i]) {
			return false;
		}
	}
	return true;
}

/* What fits in a page stays inside one; nothing is promised for more. */
static bool is_contiguous_enough(const struct viot_pool *pool, size_t first, size_t count)
{
	size_t per_page = (size_t)1 << (pool->page_shift - UNIT_SHIFT);

	return count > per_page || first / per_page == (first + count - 1) / per_page;
}

/* First unit of the first fit, or SIZE_MAX. */
static size_t find(const struct viot_pool *pool, size_t count)
{
	for (size_t first = 0; first + count <= pool->units; first++) {
		if (is_contiguous_enough(pool, first, count) && is_free(pool, first, count)) {
			return first;
		}
	}
	return SIZE_MAX;
}

static void mark(struct viot_pool *pool, size_t first, size_t count, bool taken)
{
	for (size_t i = first; i < first + count; i++) {
		pool->taken[i] = taken;
	}
}

static int pool_alloc(struct vio_dma *dma, size_t size, size_t align, struct vio_dma_memory *memory)
{
	struct viot_pool *pool = pool_of(dma);
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
	memory->iova.raw = device_address(pool, first << UNIT_SHIFT);
	memset(memory->addr, 0, size);
	return 0;
}

static void pool_free(struct vio_dma *dma, struct vio_dma_memory *memory)
{
	struct viot_pool *pool = pool_of(dma);
	size_t offset = (size_t)((char *)memory->addr - pool->base);

	pthread_mutex_lock(&pool->mutex);
	mark(pool, offset >> UNIT_SHIFT, round_up(memory->size, UNIT) >> UNIT_SHIFT, false);
	pthread_mutex_unlock(&pool->mutex);
}

static int pool_share(struct vio_dma *dma, const void *addr, size_t size,
		      enum vio_direction direction, struct vio_segment *segments, unsigned max)
{
	const struct viot_pool *pool = pool_of(dma);
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

		segments[n].iova.raw = device_address(pool, offset);
		segments[n].length = (uint32_t)length;
		n++;
		offset += length;
		size -= length;
	}
	return (int)n;
}

static const struct vio_dma_ops pool_ops = {
	.alloc = pool_alloc,
	.free = pool_free,
	.share = pool_share,
};

int viot_pool_init(struct viot_pool *pool, size_t size, unsigned page_shift, struct vio_error *err)
{
	pool->dma.ops = &pool_ops;
	pool->dma.contiguous = (size_t)1 << page_shift;
	pool->dma.page_shift = page_shift;
	pool->dma.page_mask = ((size_t)1 << page_shift) - 1;
	pool->size = size;
	pool->page_shift = page_shift;
	pool->units = size >> UNIT_SHIFT;
	pthread_mutex_init(&pool->mutex, NULL);
	pool->device = calloc((size >> page_shift) + 1, sizeof(*pool->device));
	pool->taken = calloc(pool->units, sizeof(*pool->taken));
	pool->dma.pages = pool->device;
	return pool->device && pool->taken ? 0 : vio_fail(err, -ENOMEM, "out of memory");
}

void viot_pool_place(struct viot_pool *pool, void *base)
{
	pool->base = base;
	pool->dma.base = (uintptr_t)base;
	pool->dma.size = pool->size;
}

void viot_pool_destroy(struct viot_pool *pool)
{
	pthread_mutex_destroy(&pool->mutex);
	free(pool->device);
	free(pool->taken);
}

void viot_dma_close(struct vio_dma *dma)
{
	if (dma) {
		pool_of(dma)->close(pool_of(dma));
	}
}
