/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A block device as everything above the disk sees it: file systems, the volume
 * tree, partitions, tests. Nothing here knows where the blocks come from.
 *
 *   struct devb_io io = {.op = DEVB_READ, .offset = 0, .size = 4096,
 *                        .buffer = buffer, .done = finished};
 *   devb_block_submit(block, &io);
 *
 * Contract, at every level: submit returns 0 and io->done runs exactly once,
 * later, on the thread that submitted it; or it returns a negative errno and done
 * never runs. done is never called from inside submit. Between the two the io
 * and its buffer belong to the block. A failure of the device reaches done as
 * an error; there is no other path.
 *
 * Threads: as many as the block has queues, which is one for most. Each submits with
 * its own index as devb_io.queue, and the threads do not know of each other.
 */
#ifndef DEVB_BLOCK_H
#define DEVB_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum devb_op {
	DEVB_READ,
	DEVB_WRITE,
	DEVB_FLUSH, /* offset and size are 0, buffer is NULL */
	/*
	 * The range reads back as zeroes, or it fails: with -EOPNOTSUPP when the device
	 * has no command for that, and nothing is changed then. buffer is NULL; whole
	 * blocks only. The size is bounded by the block alone: its owner splits it into
	 * what the device takes.
	 */
	DEVB_WRITE_ZEROES,
};

struct devb_io {
	/* set by the submitter; constant until done */
	enum devb_op op;
	uint64_t offset; /* bytes from the start of this block; any alignment */
	size_t size;     /* bytes, 1..DEVB_IO_MAX; offset + size <= block size */
	bool may_unmap;  /* DEVB_WRITE_ZEROES: the blocks need not stay allocated */
	void *buffer;    /* copied on the way unless it lies in memory that the device reaches */
	unsigned queue;  /* the index of the thread that submits it, and on which it is done */
	void (*done)(struct devb_io *io, int result); /* 0 or a negative errno */

	/* of the block, from submit to done */
	uint64_t device_offset; /* offset, moved by every block stacked on another */
	struct devb_io *next;
	int private_result;
	void *private_data;
};

#define DEVB_IO_MAX (1u << 20)

struct devb_block;

struct devb_block_ops {
	/*
	 * See the contract above; the range is io->device_offset and io->size.
	 * -ENOSPC for a range outside, -EROFS, -EIO.
	 */
	int (*submit)(struct devb_block *block, struct devb_io *io);
};

/*
 * size, physical_block_size and read_only may change, on thread 0 alone: other threads
 * read them by the functions below.
 */
struct devb_block {
	const struct devb_block_ops *ops;
	uint64_t size;       /* bytes, a multiple of block_size */
	uint32_t block_size; /* bytes: what a write is atomic for, and the unit without copies */
	uint32_t physical_block_size; /* bytes: the unit without read-modify-write in the device */
	bool read_only;
};

static inline uint64_t devb_block_size(const struct devb_block *block)
{
	return __atomic_load_n(&block->size, __ATOMIC_RELAXED);
}

static inline uint32_t devb_block_physical_size(const struct devb_block *block)
{
	return __atomic_load_n(&block->physical_block_size, __ATOMIC_RELAXED);
}

static inline bool devb_block_is_read_only(const struct devb_block *block)
{
	return __atomic_load_n(&block->read_only, __ATOMIC_RELAXED);
}

static inline int devb_block_submit(struct devb_block *block, struct devb_io *io)
{
	io->device_offset = io->offset;
	return block->ops->submit(block, io);
}

#endif
