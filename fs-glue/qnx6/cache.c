/* SPDX-License-Identifier: BSD-3-Clause */
/* See the picture in cache.h. */
#include "cache.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WAYS      8
#define PATIENCE  64   /* requests for a broken way, until it is tried again */
#define ALIGNMENT 4096 /* of the memory, for sources that reach the disk directly */

enum state {
	WAY_EMPTY,
	WAY_LOADING, /* belongs to the thread that reads it */
	WAY_READY,
	WAY_BROKEN /* could not be read as a whole; its bytes are read one request at a time */
};

struct way {
	enum state state;
	uint64_t cluster;
	uint64_t used;   /* when, by the set's clock */
	unsigned misses; /* since it broke */
	uint8_t *memory; /* NULL until it is needed */
};

struct set {
	pthread_mutex_t lock;
	pthread_cond_t loaded;
	uint64_t clock;
	struct way ways[WAYS];
};

struct qnx6_cache {
	struct qnx6_source *source;
	uint64_t start, size;
	uint64_t num_sets; /* 0: nothing is kept */
	unsigned num_ways; /* of each set */
	struct set sets[];
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* All that the volume has, or what the limit allows. */
static uint64_t choose_clusters(uint64_t size, size_t limit)
{
	return smaller((size + QNX6_CLUSTER - 1) / QNX6_CLUSTER, limit / QNX6_CLUSTER);
}

int qnx6_cache_open(struct qnx6_cache **out, struct qnx6_source *source, uint64_t start,
		    uint64_t size, size_t limit)
{
	uint64_t clusters = choose_clusters(size, limit);
	uint64_t num_sets = clusters < WAYS ? !!clusters : clusters / WAYS;
	struct qnx6_cache *cache = calloc(1, sizeof(*cache) + num_sets * sizeof(struct set));

	if (!cache)
		return -ENOMEM;
	cache->source = source;
	cache->start = start;
	cache->size = size;
	cache->num_sets = num_sets;
	cache->num_ways = (unsigned)smaller(clusters, WAYS);
	for (uint64_t i = 0; i < num_sets; i++) {
		pthread_mutex_init(&cache->sets[i].lock, NULL);
		pthread_cond_init(&cache->sets[i].loaded, NULL);
	}
	*out = cache;
	return 0;
}

static void close_set(struct set *set)
{
	for (unsigned i = 0; i < WAYS; i++)
		free(set->ways[i].memory);
	pthread_cond_destroy(&set->loaded);
	pthread_mutex_destroy(&set->lock);
}

void qnx6_cache_close(struct qnx6_cache *cache)
{
	if (!cache)
		return;
	for (uint64_t i = 0; i < cache->num_sets; i++)
		close_set(&cache->sets[i]);
	free(cache);
}

static int read_source(struct qnx6_cache *cache, uint64_t offset, void *out, size_t size)
{
	return qnx6_source_read(cache->source, cache->start + offset, out, size) ? -EIO : 0;
}

static struct way *find_way(struct qnx6_cache *cache, struct set *set, uint64_t cluster)
{
	for (unsigned i = 0; i < cache->num_ways; i++) {
		struct way *way = &set->ways[i];

		if (way->state != WAY_EMPTY && way->cluster == cluster)
			return way;
	}
	return NULL;
}

/* Empty ones were used at 0. */
static struct way *oldest_way(struct qnx6_cache *cache, struct set *set)
{
	struct way *oldest = NULL;

	for (unsigned i = 0; i < cache->num_ways; i++) {
		struct way *way = &set->ways[i];

		if (way->state != WAY_LOADING && (!oldest || way->used < oldest->used))
			oldest = way;
	}
	return oldest;
}

static int fill(struct qnx6_cache *cache, struct way *way)
{
	uint64_t offset = way->cluster * QNX6_CLUSTER;

	if (!way->memory)
		way->memory = aligned_alloc(ALIGNMENT, QNX6_CLUSTER);
	if (!way->memory)
		return -ENOMEM;
	return read_source(cache, offset, way->memory, smaller(cache->size - offset, QNX6_CLUSTER));
}

/* Locked; but not while it reads: others find the way loading, and wait. */
static void load(struct qnx6_cache *cache, struct set *set, struct way *way, uint64_t cluster)
{
	int error;

	way->cluster = cluster;
	way->state = WAY_LOADING;
	pthread_mutex_unlock(&set->lock);
	error = fill(cache, way);
	pthread_mutex_lock(&set->lock);
	way->state = error ? WAY_BROKEN : WAY_READY;
	way->misses = 0;
	pthread_cond_broadcast(&set->loaded);
}

/* The disk may have been away for a moment only. */
static bool is_worth_a_try(struct way *way)
{
	return way->state == WAY_BROKEN && ++way->misses >= PATIENCE;
}

/* The wait is bounded by the source's reading. NULL: all ways are being read into. */
static struct way *get_way(struct qnx6_cache *cache, struct set *set, uint64_t cluster)
{
	struct way *way = find_way(cache, set, cluster);

	while (way && way->state == WAY_LOADING) {
		qnx6_source_waits(cache->source);
		pthread_cond_wait(&set->loaded, &set->lock);
		way = find_way(cache, set, cluster);
	}
	if (!way || is_worth_a_try(way)) {
		way = way ? way : oldest_way(cache, set);
		if (!way)
			return NULL;
		load(cache, set, way, cluster);
	}
	way->used = ++set->clock;
	return way;
}

/* Whether the bytes were copied. */
static int copy_kept(struct qnx6_cache *cache, uint64_t offset, void *out, size_t size)
{
	uint64_t cluster = offset / QNX6_CLUSTER;
	struct set *set = &cache->sets[cluster % cache->num_sets];
	struct way *way;
	int copied;

	pthread_mutex_lock(&set->lock);
	way = get_way(cache, set, cluster);
	copied = way && way->state == WAY_READY;
	if (copied)
		memcpy(out, way->memory + offset % QNX6_CLUSTER, size);
	pthread_mutex_unlock(&set->lock);
	return copied;
}

int qnx6_cache_copy(struct qnx6_cache *cache, uint64_t offset, void *out, size_t size)
{
	assert(offset < cache->size && size <= cache->size - offset);
	assert(offset % QNX6_CLUSTER + size <= QNX6_CLUSTER);
	if (cache->num_sets && copy_kept(cache, offset, out, size))
		return 0;
	return read_source(cache, offset, out, size);
}
