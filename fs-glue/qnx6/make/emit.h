/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes a planned volume: whatever the super blocks lead to first, the super blocks last. */
#ifndef EMIT_H
#define EMIT_H

#include "image.h"
#include "layout.h"
#include "make.h"
#include "scan.h"

struct mk_emit {
	struct mk_image *image;
	const struct mk_options *opt;
	const struct mk_scan *scan;
	const struct mk_layout *layout;
	uint32_t next_long_name;   /* index, while directories are written */
	const struct mk_node *dir; /* the source directory that is open; NULL: none */
	int dir_fd;
};

int mk_emit_volume(struct mk_image *image, const struct mk_options *opt, const struct mk_scan *scan,
		   const struct mk_layout *layout);

/* The parts of it. */

/* Moves on to a block. */
int mk_emit_seek(struct mk_emit *emit, uint64_t block);
/* The rows of pointers to what a tree holds. */
int mk_emit_pointers(struct mk_emit *emit, const struct mk_tree *tree);
/* The pointers that the inode or the super block holds. */
void mk_emit_top_pointers(const struct mk_emit *emit, qnx6_u32 *pointers,
			  const struct mk_tree *tree);
/* The system area, all of it. */
int mk_emit_inode_table(struct mk_emit *emit);
int mk_emit_bitmap(struct mk_emit *emit);
/* The contents of one inode, without the pointers. */
int mk_emit_directory(struct mk_emit *emit, const struct mk_node *node, const struct mk_tree *tree);
int mk_emit_file(struct mk_emit *emit, const struct mk_node *node, const struct mk_tree *tree);
/* All long names, in the order in which the directories count them. */
int mk_emit_long_names(struct mk_emit *emit);

#endif
