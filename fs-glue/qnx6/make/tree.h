/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The blocks of one file, and what points at them.
 *
 * Row 0 is the contents; each row above it has a block of pointers for every so many blocks of
 * the row below, until the inode's own pointers are enough for the top row. The blocks of a row
 * are consecutive on the disk. A sparse file's rows lack those blocks that hold nothing but holes;
 * but never the top row: Linux takes a hole among the inode's own pointers for a block number,
 * and so even the smallest sparse file gets one row of pointers.
 */
#ifndef TREE_H
#define TREE_H

#include <stdint.h>

#include "make.h"

#define MK_LEVELS 3 /* Linux computes wrong blocks from level 4 on */

/* Blocks of a row that are there, one after the other. */
struct mk_run {
	uint64_t index;
	uint64_t count;
	uint64_t rank; /* how many are there before it */
};

struct mk_row {
	uint64_t first;      /* block on the disk */
	uint64_t count;      /* of the blocks that are there */
	struct mk_run *runs; /* owned; NULL: none is missing */
	uint32_t num_runs;
};

struct mk_tree {
	uint64_t size; /* bytes */
	unsigned int levels;
	struct mk_row row[MK_LEVELS + 1];
};

/* Bytes that are no hole; sorted, without overlap. */
struct mk_extent;

/* Decides the number of levels and the length of each row. Either way the tree is to be freed. */
int mk_tree_shape(struct mk_tree *tree, uint64_t size, uint32_t block_size);
/* The same of a file with holes. */
int mk_tree_shape_sparse(struct mk_tree *tree, uint64_t size, uint32_t block_size,
			 const struct mk_extent *extents, uint32_t num_extents);
/* Gives each row its blocks, from *next on. */
void mk_tree_place(struct mk_tree *tree, uint64_t *next);
void mk_tree_free(struct mk_tree *tree);

/* The block on the disk; QNX6_NO_BLOCK for a hole, and behind the row's end. */
uint32_t mk_row_block(const struct mk_row *row, uint64_t index);
/* Which block of the row the one of this rank is. */
uint64_t mk_row_index(const struct mk_row *row, uint64_t rank);

#endif
