/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree inside: names, inode numbers and attributes. Knows no FUSE.
 *
 * One directory, inode FSG_ROOT. A volume's inode number is its place in the
 * order of fsg_tree_add() plus FSG_ROOT + 1, and never changes.
 *
 * Any thread. Data goes past the mutex: a node, once found, stays, and of what I/O
 * changes there are the times alone, each in one piece.
 */
#ifndef FSG_TREE_H
#define FSG_TREE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "fsg.h"

#define FSG_ROOT      1u
#define FSG_NODES_MAX 1024u /* chosen: a disk, and far more partitions than the driver shows */

/* ns since 1970, until 2262. */
typedef _Atomic int64_t fsg_time;

struct fsg_node {
	struct devb_block *block;
	struct fsg_access access; /* protected by the tree's mutex */
	fsg_time read_time;
	fsg_time write_time;
	fsg_time change_time; /* of the data or the attributes */
	char name[];
};

struct fsg_tree {
	struct fsg_access access;
	int64_t start_time;
	pthread_mutex_t mutex; /* of names and attributes */
	atomic_size_t count;
	struct fsg_node *nodes[FSG_NODES_MAX];
};

/* NULL for the root and for numbers that were never given out. */
struct fsg_node *fsg_tree_node(const struct fsg_tree *tree, uint64_t ino);

/* 0 when there is no such name. */
uint64_t fsg_tree_find(const struct fsg_tree *tree, const char *name);

/* -ENOENT for numbers that were never given out. */
int fsg_tree_stat(struct fsg_tree *tree, uint64_t ino, struct stat *attr);

/* Now, as precise as the kernel's tick and as cheap. */
int64_t fsg_tree_clock(void);

/* Between two ticks nothing is stored: other threads have the node in their caches. */
static inline void fsg_time_set(fsg_time *time, int64_t now)
{
	if (atomic_load_explicit(time, memory_order_relaxed) != now)
		atomic_store_explicit(time, now, memory_order_relaxed);
}

#endif
