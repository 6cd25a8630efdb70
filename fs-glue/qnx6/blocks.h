/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Going along a tree of blocks, from one block to the next. The pointers of the lowest indirect
 * block are taken many at a time, so that the way down from the root is gone seldom, and a
 * hole is passed as a whole, however large it is.
 *
 * Not shared between threads.
 */
#ifndef QNX6_BLOCKS_H
#define QNX6_BLOCKS_H

#include <stdbool.h>

#include "volume.h"

#define QNX6_WALK_POINTERS 128

struct qnx6_walk {
	struct qnx6_volume *volume;
	const struct qnx6_tree *tree;
	uint64_t first, count; /* blocks of the tree that the pointers below are of */
	bool is_hole;          /* all of them, and there are no pointers then */
	qnx6_u32 pointers[QNX6_WALK_POINTERS];
};

/* Blocks that follow one another in the tree, and in the volume. */
struct qnx6_run {
	uint32_t block; /* QNX6_NO_BLOCK: a hole */
	uint64_t count;
};

void qnx6_walk_init(struct qnx6_walk *walk, struct qnx6_volume *volume,
		    const struct qnx6_tree *tree);

/**
 * qnx6_walk_to - what lies at block @index of the tree
 * @most: blocks that are wanted, at least 1
 *
 * Returns 0 with a run of 1..@most blocks, which may go on behind its end; or -EIO.
 */
int qnx6_walk_to(struct qnx6_walk *walk, uint64_t index, uint64_t most, struct qnx6_run *run);

#endif
