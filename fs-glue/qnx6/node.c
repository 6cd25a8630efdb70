/* SPDX-License-Identifier: BSD-3-Clause */
#include "volume.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static bool is_known_type(uint16_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return true;
	default:
		return false;
	}
}

static void decode(enum qnx6_order order, const struct qnx6_inode *inode, struct qnx6_node *node)
{
	node->mode = qnx6_get16(order, inode->mode);
	node->links = qnx6_get16(order, inode->links);
	node->uid = qnx6_get32(order, inode->uid);
	node->gid = qnx6_get32(order, inode->gid);
	node->ftime = qnx6_get32(order, inode->ftime);
	node->mtime = qnx6_get32(order, inode->mtime);
	node->atime = qnx6_get32(order, inode->atime);
	node->ctime = qnx6_get32(order, inode->ctime);
	node->status = inode->status;
	node->tree.size = qnx6_get64(order, inode->size);
	node->tree.levels = inode->levels;
	for (unsigned i = 0; i < QNX6_POINTERS; i++)
		node->tree.ptr[i] = qnx6_get32(order, inode->ptr[i]);
}

/* QNX 7.1 may keep a sum of the inode somewhere in there. */
static void look_at_spare(struct qnx6_volume *volume, const struct qnx6_inode *inode,
			  uint32_t number)
{
	static const uint8_t zero[sizeof(inode->spare)];

	if (!memcmp(inode->spare, zero, sizeof(zero)) ||
	    atomic_flag_test_and_set_explicit(&volume->told_of_spare, memory_order_relaxed))
		return;
	qnx6_warn(
		volume,
		"inode %u has bytes set that version 4.3 keeps zero; they are ignored, here and in "
		"other inodes",
		number);
}

static int check(struct qnx6_volume *volume, const struct qnx6_node *node)
{
	if (!is_known_type(node->mode))
		qnx6_warn(volume, "inode %u is of no known type: its mode is 0%o", node->number,
			  node->mode);
	else if (node->tree.levels > QNX6_MAX_LEVELS)
		qnx6_warn(volume, "inode %u has %u levels of indirect blocks; %d are the most",
			  node->number, node->tree.levels, QNX6_MAX_LEVELS);
	else if (node->tree.size > INT64_MAX)
		qnx6_warn(volume, "inode %u says a size of %llu bytes", node->number,
			  (unsigned long long)node->tree.size);
	else
		return 0;
	return -EIO;
}

/* A hole in the table is full of free inodes. */
static int read_inode(struct qnx6_volume *volume, uint32_t number, struct qnx6_inode *inode)
{
	uint64_t offset = (uint64_t)(number - 1) * sizeof(*inode);
	uint32_t block;
	int error;

	error = qnx6_map(volume, &volume->info.inodes, offset >> volume->block_bits, &block);
	if (error)
		return error;
	if (block == QNX6_NO_BLOCK)
		return -ENOENT;
	return qnx6_copy(volume, block, (uint32_t)(offset & (volume->info.block_size - 1)), inode,
			 sizeof(*inode));
}

int qnx6_node(struct qnx6_volume *volume, uint32_t number, struct qnx6_node *node)
{
	struct qnx6_inode inode;
	int error;

	if (!number || number > volume->info.num_inodes)
		return -ENOENT;
	error = read_inode(volume, number, &inode);
	if (error == -EIO)
		qnx6_warn(volume, "inode %u cannot be read", number);
	if (error)
		return error;
	node->number = number;
	decode(volume->info.order, &inode, node);
	if (!(node->status & QNX6_STATUS_OF_MKFS) || !node->mode)
		return -ENOENT;
	look_at_spare(volume, &inode, number);
	return check(volume, node);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Holes count where the inode itself tells of them. */
uint64_t qnx6_node_blocks(const struct qnx6_volume *volume, const struct qnx6_node *node)
{
	const struct qnx6_tree *tree = &node->tree;
	unsigned bits = volume->pointer_bits * tree->levels;
	uint64_t each = bits < 64 ? (uint64_t)1 << bits : UINT64_MAX;
	uint64_t left =
		(tree->size >> volume->block_bits) + !!(tree->size & (volume->info.block_size - 1));
	uint64_t blocks = 0;

	for (unsigned i = 0; i < QNX6_POINTERS; i++) {
		uint64_t here = smaller(left, each);

		if (tree->ptr[i] != QNX6_NO_BLOCK)
			blocks += here;
		left -= here;
	}
	return smaller(blocks, volume->info.num_blocks) << (volume->block_bits - 9);
}
