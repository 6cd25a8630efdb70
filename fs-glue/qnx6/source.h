/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the bytes of a volume come from: a file, a block device, a partition inside a driver, a
 * test's memory. What is read is not trusted, and neither is that it stays the same.
 */
#ifndef QNX6_SOURCE_H
#define QNX6_SOURCE_H

#include <stddef.h>
#include <stdint.h>

/* One piece of a batch. */
struct qnx6_piece {
	uint64_t offset; /* bytes, within the source */
	void *buffer;
	size_t size; /* bytes, at least 1 */
};

struct qnx6_source;

struct qnx6_source_ops {
	/*
	 * Reads all of @count pieces, in any order, or several at once. Any thread. Blocks for
	 * a bounded time. Returns 0; or a negative errno, and what the buffers hold then is
	 * undefined.
	 */
	int (*read)(struct qnx6_source *source, const struct qnx6_piece *pieces, unsigned count);
	/*
	 * Memory that data comes into without a copy on the way; any other may be read into
	 * too. NULL when it ran out, or as an op: none is better than malloc's.
	 */
	void *(*alloc)(struct qnx6_source *source, size_t size);
	void (*free)(struct qnx6_source *source, void *memory, size_t size);
	void (*close)(struct qnx6_source *source);
};

/* The head of every source, filled in by who made it. */
struct qnx6_source {
	const struct qnx6_source_ops *ops;
	uint64_t size; /* bytes */
	/*
	 * Called on each thread that is going to wait for what is read, by itself or by another
	 * one. NULL: nobody wants to know. Set while nothing reads.
	 */
	void (*waits)(void);
};

static inline void qnx6_source_waits(const struct qnx6_source *source)
{
	if (source->waits)
		source->waits();
}

static inline int qnx6_source_read(struct qnx6_source *source, uint64_t offset, void *buffer,
				   size_t size)
{
	const struct qnx6_piece piece = {offset, buffer, size};

	qnx6_source_waits(source);
	return source->ops->read(source, &piece, 1);
}

/* NULL is allowed. */
static inline void qnx6_source_close(struct qnx6_source *source)
{
	if (source)
		source->ops->close(source);
}

/**
 * qnx6_file_open - a file or a block device, for reading
 *
 * Returns 0; or a negative errno with one sentence in @why. Nothing else is opened: a
 * directory, a fifo and the like are refused.
 */
int qnx6_file_open(struct qnx6_source **out, const char *path, char *why, size_t why_size);

#endif
