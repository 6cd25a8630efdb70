/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where everything goes. The whole volume is planned in memory before the first byte is written,
 * so that a tree that does not fit leaves no trace.
 *
 * The system area comes first: bitmap and inode table, and then as many blocks again, the second
 * slot each of these blocks needs when it is first rewritten. Long names and files follow without
 * gaps, so the blocks in use are those below used_blocks.
 */
#ifndef MKQNX6_LAYOUT_H
#define MKQNX6_LAYOUT_H

#include <stdint.h>

#include "mkqnx6.h"
#include "mkqnx6_source.h"

#define LAYOUT_LEVELS 3 /* Linux computes wrong blocks from level 4 on */

/*
 * The blocks of one file. Row 0 is its contents; each row above it has a block of pointers for
 * every so many blocks of the row below, until the inode's own pointers are enough for the top row.
 * The blocks of a row are consecutive.
 */
struct tree {
	uint64_t size; /* bytes */
	unsigned int levels;
	struct {
		uint64_t first;
		uint64_t count;
	} row[LAYOUT_LEVELS + 1];
};

struct layout {
	uint32_t block_size;
	uint32_t num_blocks;
	uint32_t used_blocks;
	uint32_t num_inodes;
	struct tree bitmap;
	struct tree inodes;
	struct tree long_names;
	struct tree *files; /* of inode N: files[N - 1] */
};

/* Returns 0, or -1 after fail(). Either way the layout is to be freed. */
int layout_make(struct layout *layout, const struct options *opt, const struct source *source);
void layout_free(struct layout *layout);

/* Bytes from the volume's start. */
uint64_t layout_position(const struct layout *layout, uint64_t block);

#endif
