/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small volume in memory, consistent in every respect, with one of everything: to be damaged
 * by the tests of the check, and for the fuzzer to begin with. What is where is always the same;
 * inodes are numbered as in enum sample_inode.
 */
#ifndef TEST_QNX6_SAMPLE_H
#define TEST_QNX6_SAMPLE_H

#include <stddef.h>

#include "qnx6.h"

#define SAMPLE_BLOCKS 64u
#define SAMPLE_LONG   40u /* bytes of a long name */

enum sample_inode {
	SAMPLE_ROOT = 1,
	SAMPLE_BOOT,   /* /.boot, a directory */
	SAMPLE_FILE,   /* /file, three blocks */
	SAMPLE_SPARSE, /* /sparse: an indirect block, and a hole between two blocks */
	SAMPLE_LINK,   /* /link, symbolic */
	SAMPLE_DIR,    /* /dir */
	SAMPLE_HARD,   /* /dir/hard and /linked */
	SAMPLE_SUB,    /* /dir/sub, a directory */
	SAMPLE_FIFO,   /* /fifo */
	SAMPLE_LONG1,  /* a long name of a's in /dir */
	SAMPLE_LONG2,  /* a long name of b's in / */
	SAMPLE_FREE,   /* from here on */
};

struct sample {
	uint8_t *bytes; /* malloc */
	size_t size;
	enum qnx6_order order;
	enum qnx6_layout layout;
	uint32_t block_size;
	uint32_t num_inodes; /* whole blocks of the table */
	uint64_t data_offset;
	uint32_t next_block; /* none from here on is in use */
};

/* Records in /: ".", "..", ".boot", "file", "sparse", "link", "dir", "linked", "fifo", b's. */
enum sample_record {
	SAMPLE_RECORD_BOOT = 2,
	SAMPLE_RECORD_FILE,
	SAMPLE_RECORD_SPARSE,
	SAMPLE_RECORD_LINK,
	SAMPLE_RECORD_DIR,
	SAMPLE_RECORD_LINKED,
	SAMPLE_RECORD_FIFO,
	SAMPLE_RECORD_LONG2,
	SAMPLE_RECORD_FREE,
};

/* @block_size: QNX6_BLOCK_MIN to QNX6_BLOCK_MAX. Aborts without memory. */
void sample_make(struct sample *sample, enum qnx6_order order, enum qnx6_layout layout,
		 uint32_t block_size);
void sample_free(struct sample *sample);

/* Super block 0 or 1; the second is the older one. */
void *sample_super(const struct sample *sample, unsigned which);
/* After changes to it. */
void sample_sign(const struct sample *sample, unsigned which);
void *sample_block(const struct sample *sample, uint32_t block);
struct qnx6_inode *sample_inode(const struct sample *sample, uint32_t number);
/* Pointer @i of the inode, in this machine's order. */
uint32_t sample_pointer(const struct sample *sample, uint32_t number, unsigned i);
/* Record of the first block of a directory. */
struct qnx6_entry *sample_entry(const struct sample *sample, uint32_t dir, unsigned record);
/* 0: the a's, 1: the b's */
struct qnx6_long_name *sample_long(const struct sample *sample, unsigned index);
uint8_t *sample_bitmap(const struct sample *sample);

#endif
