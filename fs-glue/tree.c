/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_NODE (FSG_ROOT + 1)
#define WRITE_BITS 0222u
#define SECOND     INT64_C(1000000000) /* ns */

int64_t fsg_tree_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

static struct timespec to_timespec(int64_t time)
{
	int64_t ns = time % SECOND;

	if (ns < 0)
		ns += SECOND;
	return (struct timespec){.tv_sec = (time - ns) / SECOND, .tv_nsec = ns};
}

struct fsg_tree *fsg_tree_open(const struct fsg_access *access)
{
	struct fsg_tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return NULL;
	tree->access = *access;
	tree->start_time = fsg_tree_clock();
	pthread_mutex_init(&tree->mutex, NULL);
	return tree;
}

void fsg_tree_close(struct fsg_tree *tree)
{
	if (!tree)
		return;
	for (size_t i = 0; i < tree->count; i++)
		free(tree->nodes[i]);
	pthread_mutex_destroy(&tree->mutex);
	free(tree);
}

struct fsg_node *fsg_tree_node(const struct fsg_tree *tree, uint64_t ino)
{
	size_t count = atomic_load_explicit(&tree->count, memory_order_acquire);

	return ino >= FIRST_NODE && ino - FIRST_NODE < count ? tree->nodes[ino - FIRST_NODE] : NULL;
}

/* A machine has a handful of volumes: a table would cost more than this saves. */
uint64_t fsg_tree_find(const struct fsg_tree *tree, const char *name)
{
	size_t count = atomic_load_explicit(&tree->count, memory_order_acquire);

	for (size_t i = 0; i < count; i++)
		if (strcmp(tree->nodes[i]->name, name) == 0)
			return i + FIRST_NODE;
	return 0;
}

static bool is_file_name(const char *name)
{
	return name[0] != '\0' && strlen(name) <= NAME_MAX && !strchr(name, '/') &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int add(struct fsg_tree *tree, const char *name, struct devb_block *block)
{
	size_t count = tree->count;
	size_t name_size = strlen(name) + 1;

	if (fsg_tree_find(tree, name))
		return -EEXIST;
	if (count == FSG_NODES_MAX)
		return -ENOSPC;

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
	tree->nodes[count] = node;
	/* whoever sees the number finds the node */
	atomic_store_explicit(&tree->count, count + 1, memory_order_release);
	return 0;
}

int fsg_tree_add(struct fsg_tree *tree, const char *name, struct devb_block *block)
{
	int error;

	if (!is_file_name(name))
		return -EINVAL;
	pthread_mutex_lock(&tree->mutex);
	error = add(tree, name, block);
	pthread_mutex_unlock(&tree->mutex);
	return error;
}

/*
 * What programs size their buffers by: the device's physical block, below which
 * a write makes the device read first. Bounded by what the kernel takes for a
 * file system's block size: it splits its pages, 4096 bytes at least, by it.
 */
static blksize_t preferred_size(const struct devb_block *block)
{
	uint32_t size = devb_block_physical_size(block);

	if (size < 512)
		return 512;
	return size > 4096 ? 4096 : (blksize_t)size;
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
		.st_atim = to_timespec(tree->start_time),
		.st_mtim = to_timespec(tree->start_time),
		.st_ctim = to_timespec(tree->start_time),
	};
}

static void stat_node(const struct fsg_node *node, uint64_t ino, struct stat *attr)
{
	const struct devb_block *block = node->block;
	mode_t hidden = devb_block_is_read_only(block) ? WRITE_BITS : 0;
	uint64_t size = devb_block_size(block);

	*attr = (struct stat){
		.st_ino = ino,
		.st_mode = S_IFREG | (node->access.mode & 0777 & ~hidden),
		.st_nlink = 1,
		.st_uid = node->access.uid,
		.st_gid = node->access.gid,
		.st_size = (off_t)size,
		.st_blocks = (blkcnt_t)(size / 512),
		.st_blksize = preferred_size(block),
		.st_atim = to_timespec(node->read_time),
		.st_mtim = to_timespec(node->write_time),
		.st_ctim = to_timespec(node->change_time),
	};
}

int fsg_tree_stat(struct fsg_tree *tree, uint64_t ino, struct stat *attr)
{
	const struct fsg_node *node = fsg_tree_node(tree, ino);

	if (node) {
		pthread_mutex_lock(&tree->mutex);
		stat_node(node, ino, attr);
		pthread_mutex_unlock(&tree->mutex);
	} else if (ino == FSG_ROOT) {
		stat_root(tree, attr);
	} else {
		return -ENOENT;
	}
	return 0;
}
