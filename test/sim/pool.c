/* SPDX-License-Identifier: BSD-3-Clause */
#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	GRANULE = 4096,
	POISON = 0xdd,
};

#define BASE        UINT64_C(0x400000000000) /* no pointer of this process looks like it */
#define SHADOW_BASE UINT64_C(0x600000000000) /* the copies of the bouncing flavour */

struct sim_pool {
	struct vio_dma dma; /* first */
	enum sim_flavour flavour;
	size_t size, page;
	uint8_t *memory;
	uint8_t *shadow;  /* SIM_BOUNCING: what the device sees of shared bytes */
	size_t *frame;    /* page -> place in the device's order */
	uint64_t *pages;  /* SIM_PLAIN: page -> device address, for the driver to look up */
	size_t *page_of;  /* and back */
	bool *used;       /* granules that are allocated */
	bool *was_shared; /* granules shared since they were allocated */
	uint8_t *shares;  /* of each byte, now */
	size_t shared;    /* bytes, now */
	unsigned pieces;  /* allocated now */
	unsigned starve_after, starve_count;
	char complaint[200];
	pthread_mutex_t lock; /* over all of the above */
};

static struct sim_pool *pool_of(struct vio_dma *dma)
{
	return (struct sim_pool *)(void *)dma;
}

__attribute__((format(printf, 2, 3))) static void complain(struct sim_pool *pool,
							   const char *format, ...)
{
	va_list args;

	if (pool->complaint[0]) {
		return;
	}
	va_start(args, format);
	vsnprintf(pool->complaint, sizeof(pool->complaint), format, args);
	va_end(args);
}

static uint64_t device_offset(const struct sim_pool *pool, size_t offset)
{
	return (uint64_t)pool->frame[offset / pool->page] * pool->page + offset % pool->page;
}

static bool is_within(const struct sim_pool *pool, const void *addr, size_t size)
{
	uintptr_t start = (uintptr_t)pool->memory;
	uintptr_t a = (uintptr_t)addr;

	return a >= start && size <= pool->size && a - start <= pool->size - size;
}

static bool granules_are(const struct sim_pool *pool, size_t offset, size_t size, bool used)
{
	for (size_t g = offset / GRANULE; g <= (offset + size - 1) / GRANULE; g++) {
		if (pool->used[g] != used) {
			return false;
		}
	}
	return true;
}

static void set_granules(struct sim_pool *pool, size_t offset, size_t size, bool used)
{
	for (size_t g = offset / GRANULE; g <= (offset + size - 1) / GRANULE; g++) {
		pool->used[g] = used;
		pool->was_shared[g] = false;
	}
}

/* Bytes equal to their neighbours from a first one that is right are all right. */
static void check_poison(struct sim_pool *pool, size_t offset, size_t size)
{
	const uint8_t *start = pool->memory + offset;

	if (start[0] != POISON || memcmp(start, start + 1, size - 1) != 0) {
		complain(pool, "free memory was written between offsets %zu and %zu", offset,
			 offset + size);
	}
}

/* Small pieces stay within a page; large ones start with one. */
static bool fits_at(const struct sim_pool *pool, size_t offset, size_t size)
{
	size_t in_page = offset % pool->page;

	if (offset + size > pool->size) {
		return false;
	}
	return size > pool->page ? in_page == 0 : in_page + size <= pool->page;
}

static bool find_room(const struct sim_pool *pool, size_t size, size_t *found)
{
	for (size_t offset = 0; offset < pool->size; offset += GRANULE) {
		if (fits_at(pool, offset, size) && granules_are(pool, offset, size, false)) {
			*found = offset;
			return true;
		}
	}
	return false;
}

static bool is_starving(struct sim_pool *pool)
{
	if (pool->starve_count == 0) {
		return false;
	}
	if (pool->starve_after) {
		pool->starve_after--;
		return false;
	}
	pool->starve_count--;
	return true;
}

static int pool_alloc(struct vio_dma *dma, size_t size, size_t align, struct vio_dma_memory *memory)
{
	struct sim_pool *pool = pool_of(dma);
	size_t rounded = (size + GRANULE - 1) / GRANULE * GRANULE;
	size_t offset;
	int rc = -ENOMEM;

	pthread_mutex_lock(&pool->lock);
	if (align > GRANULE) {
		complain(pool, "memory aligned to %zu was asked for", align);
	} else if (!is_starving(pool) && find_room(pool, rounded, &offset)) {
		check_poison(pool, offset, rounded);
		set_granules(pool, offset, rounded, true);
		memset(pool->memory + offset, 0, rounded);
		pool->pieces++;
		*memory = (struct vio_dma_memory){
			pool->memory + offset, size, {BASE + device_offset(pool, offset)}};
		rc = 0;
	}
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

static void pool_free(struct vio_dma *dma, struct vio_dma_memory *memory)
{
	struct sim_pool *pool = pool_of(dma);
	size_t rounded = (memory->size + GRANULE - 1) / GRANULE * GRANULE;
	size_t offset;

	pthread_mutex_lock(&pool->lock);
	if (!is_within(pool, memory->addr, rounded)) {
		complain(pool, "foreign memory was freed");
	} else {
		offset = (size_t)((uint8_t *)memory->addr - pool->memory);
		if (!granules_are(pool, offset, rounded, true)) {
			complain(pool, "memory was freed twice");
		}
		if (pool->shares[offset] ||
		    memcmp(&pool->shares[offset], &pool->shares[offset + 1], rounded - 1) != 0) {
			complain(pool, "memory was freed while shared");
		}
		set_granules(pool, offset, rounded, false);
		memset(pool->memory + offset, POISON, rounded);
		pool->pieces--;
	}
	pthread_mutex_unlock(&pool->lock);
}

/* The bytes from @offset to the end of its page, at most @size. */
static size_t run_length(const struct sim_pool *pool, size_t offset, size_t size)
{
	size_t left = pool->page - offset % pool->page;

	return left < size ? left : size;
}

static void hold(struct sim_pool *pool, size_t offset, size_t size, enum vio_direction direction)
{
	for (size_t g = offset / GRANULE; g <= (offset + size - 1) / GRANULE; g++) {
		pool->was_shared[g] = true;
	}
	for (size_t i = offset; i < offset + size; i++) {
		if (pool->shares[i]++ == UINT8_MAX) {
			complain(pool, "offset %zu is shared too often", i);
		}
	}
	pool->shared += size;
	if (pool->flavour == SIM_BOUNCING) {
		if (direction == VIO_DEVICE_READS) {
			memcpy(pool->shadow + offset, pool->memory + offset, size);
		} else {
			memset(pool->shadow + offset, POISON, size);
		}
	}
}

static int pool_share(struct vio_dma *dma, const void *addr, size_t size,
		      enum vio_direction direction, struct vio_segment *segments, unsigned max)
{
	struct sim_pool *pool = pool_of(dma);
	uint64_t base = pool->flavour == SIM_BOUNCING ? SHADOW_BASE : BASE;
	size_t offset = (size_t)((const uint8_t *)addr - pool->memory);
	unsigned n = 0;

	if (!is_within(pool, addr, size)) {
		return -EFAULT;
	}
	pthread_mutex_lock(&pool->lock);
	if (!granules_are(pool, offset, size, true)) {
		complain(pool, "free memory was shared");
	}
	for (; n < max && size > 0; n++) {
		size_t run = run_length(pool, offset, size);

		segments[n].iova.raw = base + device_offset(pool, offset);
		segments[n].length = (uint32_t)run;
		if (pool->flavour != SIM_PLAIN) {
			hold(pool, offset, run, direction);
		}
		offset += run;
		size -= run;
	}
	pthread_mutex_unlock(&pool->lock);
	return (int)n;
}

static void pool_unshare(struct vio_dma *dma, const void *addr, size_t size,
			 enum vio_direction direction)
{
	struct sim_pool *pool = pool_of(dma);
	size_t offset = (size_t)((const uint8_t *)addr - pool->memory);

	pthread_mutex_lock(&pool->lock);
	if (!is_within(pool, addr, size)) {
		complain(pool, "foreign memory was unshared");
		size = 0;
	}
	for (size_t i = offset; i < offset + size; i++) {
		if (pool->shares[i] == 0) {
			complain(pool, "offset %zu was unshared and was not shared", i);
			continue;
		}
		pool->shares[i]--;
		pool->shared--;
		if (pool->flavour == SIM_BOUNCING && direction == VIO_DEVICE_WRITES) {
			pool->memory[i] = pool->shadow[i];
		}
	}
	pthread_mutex_unlock(&pool->lock);
}

/* Where the device's address leads, or SIZE_MAX. */
static size_t translate(const struct sim_pool *pool, uint64_t iova, size_t size, bool *is_shadow)
{
	uint64_t offset;

	*is_shadow = iova >= SHADOW_BASE;
	offset = iova - (*is_shadow ? SHADOW_BASE : BASE);
	if (offset >= pool->size || (*is_shadow && pool->flavour != SIM_BOUNCING) ||
	    size > pool->page - offset % pool->page) {
		return SIZE_MAX;
	}
	return pool->page_of[offset / pool->page] * pool->page + (size_t)(offset % pool->page);
}

/* Memory of a caller is the device's only between share and unshare. */
static bool is_shared_where_needed(const struct sim_pool *pool, size_t offset, size_t size,
				   bool is_shadow)
{
	bool needed = is_shadow || pool->was_shared[offset / GRANULE];

	for (size_t i = offset; needed && i < offset + size; i++) {
		if (pool->shares[i] == 0) {
			return false;
		}
	}
	return pool->flavour != SIM_BOUNCING || is_shadow || !needed;
}

static void *look_up(struct sim_pool *pool, uint64_t iova, size_t size)
{
	bool is_shadow;
	size_t offset = translate(pool, iova, size, &is_shadow);

	if (size == 0 || offset == SIZE_MAX) {
		complain(pool, "the device was given 0x%llx, %zu bytes: not one piece of the pool",
			 (unsigned long long)iova, size);
		return NULL;
	}
	if (!granules_are(pool, offset, size, true)) {
		complain(pool, "the device uses free memory at offset %zu", offset);
		return NULL;
	}
	if (!is_shared_where_needed(pool, offset, size, is_shadow)) {
		complain(pool, "the device uses memory that is not shared, offset %zu", offset);
		return NULL;
	}
	return (is_shadow ? pool->shadow : pool->memory) + offset;
}

void *sim_pool_at(struct sim_pool *pool, uint64_t iova, size_t size)
{
	void *found;

	pthread_mutex_lock(&pool->lock);
	found = look_up(pool, iova, size);
	pthread_mutex_unlock(&pool->lock);
	return found;
}

bool sim_pool_is_allocated(struct sim_pool *pool, const void *addr)
{
	bool result;

	pthread_mutex_lock(&pool->lock);
	result = is_within(pool, addr, 1) &&
		 granules_are(pool, (size_t)((const uint8_t *)addr - pool->memory), 1, true);
	pthread_mutex_unlock(&pool->lock);
	return result;
}

unsigned sim_pool_pieces(struct sim_pool *pool)
{
	return pool->pieces;
}

size_t sim_pool_shared(struct sim_pool *pool)
{
	return pool->shared;
}

void sim_pool_starve(struct sim_pool *pool, unsigned after, unsigned count)
{
	pool->starve_after = after;
	pool->starve_count = count;
}

const char *sim_pool_complaint(struct sim_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	for (size_t g = 0; g < pool->size / GRANULE; g++) {
		if (!pool->used[g]) {
			check_poison(pool, g * GRANULE, GRANULE);
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return pool->complaint;
}

/* A full-cycle step through the pages: neighbours of ours are strangers to the device. */
static void permute(struct sim_pool *pool)
{
	size_t pages = pool->size / pool->page;

	for (size_t i = 0; i < pages; i++) {
		pool->frame[i] = pages - 1 - (i / 2 + (i % 2) * ((pages + 1) / 2));
		pool->page_of[pool->frame[i]] = i;
	}
}

static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static const struct vio_dma_ops plain_ops = {
	.alloc = pool_alloc,
	.free = pool_free,
	.share = pool_share,
};

static const struct vio_dma_ops tracked_ops = {
	.alloc = pool_alloc,
	.free = pool_free,
	.share = pool_share,
	.unshare = pool_unshare,
};

/* As the platforms do it: the driver finds addresses in a table, without a call. */
static void show_table(struct sim_pool *pool)
{
	pool->pages = calloc(pool->size / pool->page, sizeof(*pool->pages));
	if (!pool->pages) {
		abort();
	}
	for (size_t i = 0; i < pool->size / pool->page; i++) {
		pool->pages[i] = BASE + pool->frame[i] * pool->page;
	}
	pool->dma.base = (uintptr_t)pool->memory;
	pool->dma.size = pool->size;
	pool->dma.page_shift = (unsigned)__builtin_ctzl(pool->page);
	pool->dma.page_mask = pool->page - 1;
	pool->dma.pages = pool->pages;
}

struct sim_pool *sim_pool_open(enum sim_flavour flavour, size_t size, size_t page)
{
	struct sim_pool *pool = calloc(1, sizeof(*pool));

	if (!pool) {
		abort();
	}
	pool->dma.ops = flavour == SIM_PLAIN ? &plain_ops : &tracked_ops;
	pool->dma.contiguous = page;
	pool->flavour = flavour;
	pool->size = size;
	pool->page = page;
	pool->memory = map(size);
	pool->shadow = map(size);
	pool->shares = map(size);
	pool->frame = calloc(size / page, sizeof(*pool->frame));
	pool->page_of = calloc(size / page, sizeof(*pool->page_of));
	pool->used = calloc(size / GRANULE, sizeof(*pool->used));
	pool->was_shared = calloc(size / GRANULE, sizeof(*pool->was_shared));
	if (!pool->memory || !pool->shadow || !pool->shares || !pool->frame || !pool->page_of ||
	    !pool->used || !pool->was_shared) {
		abort();
	}
	memset(pool->memory, POISON, size);
	pthread_mutex_init(&pool->lock, NULL);
	permute(pool);
	if (flavour == SIM_PLAIN) {
		show_table(pool);
	}
	return pool;
}

void sim_pool_close(struct sim_pool *pool)
{
	munmap(pool->memory, pool->size);
	munmap(pool->shadow, pool->size);
	munmap(pool->shares, pool->size);
	free(pool->frame);
	free(pool->pages);
	free(pool->page_of);
	free(pool->used);
	free(pool->was_shared);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

struct vio_dma *sim_pool_dma(struct sim_pool *pool)
{
	return &pool->dma;
}
