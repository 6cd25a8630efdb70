/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where everything goes. The whole volume is planned in memory before the first byte is written,
 * so that a tree that does not fit leaves no trace.
 *
 * The system area comes first: bitmap and inode table, and then as many blocks again, the second
 * slot each of these blocks needs when it is first rewritten. Long names and files follow without
 * gaps, so the blocks in use are those below used_blocks.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdint.h>

#include "make.h"
#include "scan.h"
#include "tree.h"

struct mk_layout {
	uint64_t size;   /* of the volume, bytes */
	uint64_t super1; /* bytes from the volume's start; 0: there is no boot area */
	uint64_t data;   /* bytes from the volume's start: block 0 */
	uint64_t super2;
	uint32_t block_size;
	uint32_t num_blocks;
	uint32_t used_blocks;
	uint32_t num_inodes;
	uint32_t num_files;
	struct mk_tree bitmap;
	struct mk_tree inodes;
	struct mk_tree long_names;
	struct mk_tree *files; /* of inode N: files[N - 1] */
};

/* How many bytes a volume of opt->num_blocks takes. */
uint64_t mk_layout_size(const struct mk_options *opt);
/* @size: of the volume, bytes. Either way the layout is to be freed. */
int mk_layout_make(struct mk_layout *layout, const struct mk_options *opt, uint64_t size,
		   const struct mk_scan *scan);
void mk_layout_free(struct mk_layout *layout);

/* Of a block, in bytes from the volume's start. */
uint64_t mk_layout_position(const struct mk_layout *layout, uint64_t block);

#endif
