/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A block device in memory that behaves like a device behind a queue: what is
 * submitted completes later, in any order, and sometimes fails.
 *
 * Data moves when a request completes, not when it is submitted, so that a
 * buffer that is reused too early shows as wrong data.
 */
#ifndef RAM_BLOCK_H
#define RAM_BLOCK_H

#include "block.h"

struct ram_counts {
	unsigned long reads;
	unsigned long writes;
	unsigned long flushes;
	unsigned long zeroes;
	size_t largest_read;
	size_t largest_write;
	unsigned long unaligned; /* offset or size no multiple of 512 */
	unsigned long foreign;   /* buffers outside the memory given, or not page aligned */
};

/* What all blocks of the program share. */
struct ram_queue {
	const unsigned char *memory; /* where buffers must lie */
	size_t memory_size;
	bool shuffled; /* any order and a few at a time; else in order, all at once */
	bool held;     /* nothing completes */
	bool null;     /* no data is moved */
	int fail_error;
	unsigned fail_count; /* so many completions carry fail_error */
	int refuse_error;
	unsigned refuse_count; /* so many submits return refuse_error */
	struct ram_counts counts;
	unsigned used;
	unsigned seed;
	struct devb_io *ios[1024];
};

struct ram_block;

/* NULL when memory ran out. */
struct ram_block *ram_block_open(struct ram_queue *queue, size_t size, bool read_only);
void ram_block_close(struct ram_block *ram);
struct devb_block *ram_block_device(struct ram_block *ram);
/* What is in flight behind a smaller end fails. False when memory ran out. */
bool ram_block_resize(struct ram_block *ram, size_t size);

/* Completes some or all of what is queued, unless held. */
void ram_queue_run(struct ram_queue *queue);

#endif
