/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A QNX6 volume in memory, made block by block, so that a test can put anything anywhere in it;
 * and a source over it that counts, and fails where it is told to. Checks with Check: what a
 * test asks for in vain fails that test.
 *
 *   image_make()	super blocks, an inode table, an empty root directory
 *   image_file()	an inode; image_put() gives it data, image_map() any pointer
 *   image_name()	a record in a directory
 *   image_seal()	writes both super blocks; then they may be changed, and signed again
 */
#ifndef TEST_QNX6_IMAGE_H
#define TEST_QNX6_IMAGE_H

#include <stdatomic.h>

#include "qnx6.h"

#define IMAGE_INODES 64u

/* Of the 2 orders, 7 block sizes and 3 layouts, for loops. */
#define IMAGE_KINDS 42

struct image {
	uint8_t *bytes;
	size_t size;
	enum qnx6_order order;
	enum qnx6_layout layout;
	uint32_t block_size, num_blocks, num_inodes;
	uint64_t data_offset, super_offset[2];
	uint32_t next_block, next_inode, next_long;
	struct qnx6_root inodes, bitmap, long_names; /* of both super blocks */
};

/* What a test wants to say of it, else 0. */
struct image_kind {
	enum qnx6_order order;
	enum qnx6_layout layout;
	uint32_t block_size; /* 0: 1024 */
	uint32_t num_blocks; /* 0: 512 */
	uint32_t num_inodes; /* 0: IMAGE_INODES; rounded up to whole blocks */
};

struct image_kind image_kind(int number);
void image_make(struct image *image, struct image_kind kind);
void image_free(struct image *image);

/* The next block that nothing has; zeroed. */
uint32_t image_block(struct image *image);
void *image_at(const struct image *image, uint32_t block);
/* In the table, in the volume's order. */
struct qnx6_inode *image_inode(const struct image *image, uint32_t number);

/* A live inode with no blocks. Returns its number. */
uint32_t image_file(struct image *image, uint16_t mode, uint64_t size, unsigned levels);
/* Makes the indirect blocks that it takes. */
void image_map(struct image *image, qnx6_u32 *ptr, unsigned levels, uint64_t index, uint32_t block);
/* Gives the inode the blocks that it takes; they hold the bytes from @offset on. */
void image_put(struct image *image, uint32_t number, uint64_t offset, const void *data,
	       size_t size);
/* Adds a record at the directory's end. */
void image_record(struct image *image, uint32_t dir, const void *record);
void image_name(struct image *image, uint32_t dir, const char *name, uint32_t number);
/* The same by a long record, however short. Returns the block that has the name. */
uint32_t image_long_name(struct image *image, uint32_t dir, const char *name, size_t length,
			 uint32_t number);

/* Super blocks 0 and 1. */
void image_seal(struct image *image, uint64_t serial0, uint64_t serial1);
struct qnx6_super *image_super(const struct image *image, unsigned which);
void image_sign(const struct image *image, unsigned which);

/* The same numbers each time, of 31 bits, from a seed of the test's. */
void image_srandom(uint32_t seed);
uint32_t image_random(void);

qnx6_u16 image16(const struct image *image, uint16_t value);
qnx6_u32 image32(const struct image *image, uint32_t value);
qnx6_u64 image64(const struct image *image, uint64_t value);

#define IMAGE_FAULTS 4

/* Over the image's bytes. */
struct image_source {
	struct qnx6_source head;
	const struct image *image;
	atomic_uint calls, pieces, warnings;
	atomic_size_t bytes;
	struct {
		uint64_t start, end; /* bytes that cannot be read */
	} faults[IMAGE_FAULTS];
	char warning[256]; /* the last one */
};

void image_source(struct image_source *source, const struct image *image);
/* Block @block of the data area cannot be read. */
void image_fault(struct image_source *source, unsigned which, uint32_t block);
/* Opens it, and fails the test when that fails; warnings are counted. */
struct qnx6_volume *image_open(struct image_source *source, size_t cache_size);
/* The sentence of an open that has to fail, with @error. */
const char *image_refused(struct image_source *source, int error);
struct qnx6_node image_node(struct qnx6_volume *volume, uint32_t number);

#endif
