/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree inside: names, inode numbers and attributes. Knows no FUSE.
 *
 * One directory, inode FSG_ROOT. A volume's inode number is its place in the
 * order of fsg_tree_add() plus FSG_ROOT + 1, and never changes.
 */
#ifndef FSG_TREE_H
#define FSG_TREE_H

#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "fsg.h"

#define FSG_ROOT 1u

struct fsg_node {
	struct devb_block *block;
	struct fsg_access access;
	struct timespec read_time;
	struct timespec write_time;
	struct timespec change_time; /* of the data or the attributes */
	char name[];
};

struct fsg_tree {
	struct fsg_access access;
	struct timespec start_time;
	struct fsg_node **nodes;
	size_t count;
	size_t room;
};

/* NULL for the root and for numbers that were never given out. */
struct fsg_node *fsg_tree_node(const struct fsg_tree *tree, uint64_t ino);

/* 0 when there is no such name. */
uint64_t fsg_tree_find(const struct fsg_tree *tree, const char *name);

/* -ENOENT for numbers that were never given out. */
int fsg_tree_stat(const struct fsg_tree *tree, uint64_t ino, struct stat *attr);

/* Now, as precise as the kernel's tick and as cheap. */
struct timespec fsg_tree_clock(void);

#endif
