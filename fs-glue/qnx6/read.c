/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data of files: past the cache, straight into the caller's memory. Small files are written one
 * after the other and read so, and share clusters: theirs comes through the cache.
 */
#include "blocks.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define BATCH 64
_Static_assert(QNX6_SMALL_FILE * 4 <= QNX6_CLUSTER, "some files for each cluster that is read");

/* What is to be asked of the source at once. */
struct batch {
	struct qnx6_source *source;
	struct qnx6_cache *cache; /* NULL: past it */
	struct qnx6_piece pieces[BATCH];
	unsigned count;
};

static int flush(struct batch *batch)
{
	unsigned count = batch->count;

	batch->count = 0;
	if (!count)
		return 0;
	qnx6_source_waits(batch->source);
	return batch->source->ops->read(batch->source, batch->pieces, count) ? -EIO : 0;
}

/* Behind the last piece, in the source and in memory. */
static bool goes_on(const struct batch *batch, uint64_t offset, const uint8_t *buffer)
{
	const struct qnx6_piece *last;

	if (!batch->count)
		return false;
	last = &batch->pieces[batch->count - 1];
	return last->offset + last->size == offset &&
	       (uint8_t *)last->buffer + last->size == buffer;
}

static int add(struct batch *batch, uint64_t offset, uint8_t *buffer, size_t size)
{
	if (goes_on(batch, offset, buffer)) {
		batch->pieces[batch->count - 1].size += size;
		return 0;
	}
	if (batch->count == BATCH) {
		int error = flush(batch);

		if (error)
			return error;
	}
	batch->pieces[batch->count++] = (struct qnx6_piece){offset, buffer, size};
	return 0;
}

/* Of the data area, from @offset on. */
static int copy(struct qnx6_cache *cache, uint64_t offset, uint8_t *buffer, size_t size)
{
	int error = 0;

	for (size_t at = 0, part; at < size && !error; at += part) {
		part = QNX6_CLUSTER - (offset + at) % QNX6_CLUSTER;
		part = part < size - at ? part : size - at;
		error = qnx6_cache_copy(cache, offset + at, buffer + at, part);
	}
	return error;
}

/* The blocks that @size bytes touch, the first of them from @skip on. */
static uint64_t blocks_of(const struct qnx6_volume *volume, size_t skip, size_t size)
{
	return ((uint64_t)skip + size + volume->info.block_size - 1) >> volume->block_bits;
}

/* Up to @size bytes from @offset on, of one run; how many in @done. */
static int add_run(struct qnx6_walk *walk, struct batch *batch, uint64_t offset, uint8_t *buffer,
		   size_t size, size_t *done)
{
	const struct qnx6_volume *volume = walk->volume;
	size_t skip = offset & (volume->info.block_size - 1);
	struct qnx6_run run;
	uint64_t bytes;
	int error;

	error = qnx6_walk_to(walk, offset >> volume->block_bits, blocks_of(volume, skip, size),
			     &run);
	if (error)
		return error;
	bytes = (run.count << volume->block_bits) - skip;
	*done = bytes < size ? (size_t)bytes : size;
	if (run.block == QNX6_NO_BLOCK) {
		memset(buffer, 0, *done);
		return 0;
	}
	offset = ((uint64_t)run.block << volume->block_bits) + skip;
	return batch->cache ? copy(batch->cache, offset, buffer, *done)
			    : add(batch, volume->info.data_offset + offset, buffer, *done);
}

static size_t readable(uint64_t file_size, uint64_t offset, size_t size)
{
	if (offset >= file_size)
		return 0;
	if (size > SSIZE_MAX)
		size = SSIZE_MAX;
	return file_size - offset < size ? (size_t)(file_size - offset) : size;
}

ssize_t qnx6_read(struct qnx6_volume *volume, const struct qnx6_node *node, uint64_t offset,
		  void *buffer, size_t size)
{
	struct batch batch;
	struct qnx6_walk walk;
	int error = 0;

	batch.source = volume->source;
	batch.cache = node->tree.size <= QNX6_SMALL_FILE ? volume->cache : NULL;
	batch.count = 0;
	qnx6_walk_init(&walk, volume, &node->tree);
	size = readable(node->tree.size, offset, size);
	for (size_t at = 0, done; at < size && !error; at += done) {
		done = 0;
		error = add_run(&walk, &batch, offset + at, (uint8_t *)buffer + at, size - at,
				&done);
	}
	if (!error)
		error = flush(&batch);
	if (!error)
		return (ssize_t)size;
	qnx6_warn(volume, "inode %u: of the %zu bytes from byte %llu on not all can be read",
		  node->number, size, (unsigned long long)offset);
	return error;
}

int qnx6_read_block(struct qnx6_volume *volume, uint32_t block, void *buffer)
{
	const struct qnx6_info *info = &volume->info;

	if (block >= info->num_blocks)
		return -EIO;
	if (qnx6_source_read(volume->source,
			     info->data_offset + ((uint64_t)block << volume->block_bits), buffer,
			     info->block_size))
		return -EIO;
	return 0;
}
