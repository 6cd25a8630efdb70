/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_NODE (FSG_ROOT + 1)
#define WRITE_BITS 0222u

struct timespec fsg_tree_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now;
}

struct fsg_tree *fsg_tree_open(const struct fsg_access *access)
{
	struct fsg_tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return NULL;
	tree->access = *access;
	tree->start_time = fsg_tree_clock();
	return tree;
}

void fsg_tree_close(struct fsg_tree *tree)
{
	if (!tree)
		return;
	for (size_t i = 0; i < tree->count; i++)
		free(tree->nodes[i]);
	free(tree->nodes);
	free(tree);
}

struct fsg_node *fsg_tree_node(const struct fsg_tree *tree, uint64_t ino)
{
	return ino >= FIRST_NODE && ino - FIRST_NODE < tree->count ? tree->nodes[ino - FIRST_NODE]
								   : NULL;
}

/* A machine has a handful of volumes: a table would cost more than this saves. */
uint64_t fsg_tree_find(const struct fsg_tree *tree, const char *name)
{
	for (size_t i = 0; i < tree->count; i++)
		if (strcmp(tree->nodes[i]->name, name) == 0)
			return i + FIRST_NODE;
	return 0;
}

static bool is_file_name(const char *name)
{
	return name[0] != '\0' && strlen(name) <= NAME_MAX && !strchr(name, '/') &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int make_room(struct fsg_tree *tree)
{
	if (tree->count < tree->room)
		return 0;

	size_t room = tree->room ? 2 * tree->room : 8;
	struct fsg_node **nodes = reallocarray(tree->nodes, room, sizeof(void *));

	if (!nodes)
		return -ENOMEM;
	tree->nodes = nodes;
	tree->room = room;
	return 0;
}

int fsg_tree_add(struct fsg_tree *tree, const char *name, struct devb_block *block)
{
	if (!is_file_name(name))
		return -EINVAL;
	if (fsg_tree_find(tree, name))
		return -EEXIST;
	if (make_room(tree) < 0)
		return -ENOMEM;

	size_t name_size = strlen(name) + 1;
	struct fsg_node *node = malloc(sizeof(*node) + name_size);

	if (!node)
		return -ENOMEM;
	*node = (struct fsg_node){
		.block = block,
		.access = tree->access,
		.read_time = tree->start_time,
		.write_time = tree->start_time,
		.change_time = tree->start_time,
	};
	memcpy(node->name, name, name_size);
	tree->nodes[tree->count++] = node;
	return 0;
}

/*
 * What programs size their buffers by: the device's physical block, below which
 * a write makes the device read first. Bounded by what the kernel takes for a
 * file system's block size: it splits its pages, 4096 bytes at least, by it.
 */
static blksize_t preferred_size(const struct devb_block *block)
{
	if (block->physical_block_size < 512)
		return 512;
	return block->physical_block_size > 4096 ? 4096 : (blksize_t)block->physical_block_size;
}

static void stat_root(const struct fsg_tree *tree, struct stat *attr)
{
	*attr = (struct stat){
		.st_ino = FSG_ROOT,
		.st_mode = S_IFDIR | 0755,
		.st_nlink = 2,
		.st_uid = tree->access.uid,
		.st_gid = tree->access.gid,
		.st_blksize = 4096,
		.st_atim = tree->start_time,
		.st_mtim = tree->start_time,
		.st_ctim = tree->start_time,
	};
}

static void stat_node(const struct fsg_node *node, uint64_t ino, struct stat *attr)
{
	const struct devb_block *block = node->block;
	mode_t hidden = block->read_only ? WRITE_BITS : 0;

	*attr = (struct stat){
		.st_ino = ino,
		.st_mode = S_IFREG | (node->access.mode & 0777 & ~hidden),
		.st_nlink = 1,
		.st_uid = node->access.uid,
		.st_gid = node->access.gid,
		.st_size = (off_t)block->size,
		.st_blocks = (blkcnt_t)(block->size / 512),
		.st_blksize = preferred_size(block),
		.st_atim = node->read_time,
		.st_mtim = node->write_time,
		.st_ctim = node->change_time,
	};
}

int fsg_tree_stat(const struct fsg_tree *tree, uint64_t ino, struct stat *attr)
{
	const struct fsg_node *node = fsg_tree_node(tree, ino);

	if (node)
		stat_node(node, ino, attr);
	else if (ino == FSG_ROOT)
		stat_root(tree, attr);
	else
		return -ENOENT;
	return 0;
}
