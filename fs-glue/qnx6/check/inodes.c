/* SPDX-License-Identifier: BSD-3-Clause */
/* Pass 1: each inode by itself, and its blocks. */
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

/* No system follows a link as long as that. */
#define SYMLINK_MAX 4096u

struct qnx6_tree chk_tree_of(const struct check *check, const struct qnx6_inode *inode)
{
	enum qnx6_order order = check->info->order;
	struct qnx6_tree tree = {
		.size = qnx6_get64(order, inode->size),
		.levels = inode->levels,
	};

	for (unsigned i = 0; i < QNX6_POINTERS; i++)
		tree.ptr[i] = qnx6_get32(order, inode->ptr[i]);
	return tree;
}

struct each {
	void (*call)(struct check *check, uint32_t number, const struct qnx6_inode *inode);
	bool is_first;
};

static bool read_inodes(struct check *check, const struct each *each, uint32_t block)
{
	if (each->is_first)
		return chk_read_block(check, 0, block, check->records);
	return !qnx6_source_read(check->source, chk_at_block(check, 0, block, 0).offset,
				 check->records, check->info->block_size);
}

static void each_of_block(struct walk *walk, uint64_t index, uint32_t block)
{
	struct check *check = walk->check;
	const struct each *each = walk->context;
	const struct qnx6_inode *inodes = (const void *)check->records;
	uint32_t per_block = check->info->block_size / (uint32_t)sizeof(*inodes);

	if (index >= walk->needed || !read_inodes(check, each, block))
		return;
	for (uint32_t i = 0; i < per_block && !check->is_stopped; i++) {
		uint64_t number = index * per_block + i + 1;

		if (number <= check->num_inodes)
			each->call(check, (uint32_t)number, &inodes[i]);
	}
}

static void walk_table(struct check *check, struct each *each)
{
	struct walk walk = {
		.check = check,
		.tree = &check->info->inodes,
		.owner = {.root = "inode table"},
		.seen = check->table,
		.leaf = each_of_block,
		.context = each,
	};

	memset(check->table, 0, check->map_size);
	chk_walk_tree(&walk);
}

void chk_each_inode(struct check *check, void (*each)(struct check *check, uint32_t number,
						      const struct qnx6_inode *inode))
{
	walk_table(check, &(struct each){.call = each});
}

static bool has_blocks(const struct qnx6_tree *tree)
{
	for (unsigned i = 0; i < QNX6_POINTERS; i++)
		if (tree->ptr[i] != QNX6_NO_BLOCK)
			return true;
	return false;
}

static bool has_any(const uint8_t *bytes, size_t size)
{
	while (size--)
		if (*bytes++)
			return true;
	return false;
}

static void check_directory_size(struct check *check, const struct place *place,
				 const struct qnx6_tree *tree)
{
	uint32_t block_size = check->info->block_size;

	if (!tree->size || tree->size % block_size)
		chk_found(check, INODE_DIR_SIZE, place,
			  "inode %u is a directory of %ju bytes, not of whole blocks of %u bytes",
			  place->inode, (uintmax_t)tree->size, block_size);
}

static void check_symlink(struct check *check, const struct place *place,
			  const struct qnx6_tree *tree)
{
	if (!tree->size || tree->size >= SYMLINK_MAX)
		chk_found(check, INODE_SYMLINK, place,
			  "inode %u is a symbolic link of %ju bytes, expected 1 to %u",
			  place->inode, (uintmax_t)tree->size, SYMLINK_MAX - 1);
}

static void check_special(struct check *check, const struct place *place,
			  const struct qnx6_tree *tree)
{
	if (tree->size || has_blocks(tree))
		chk_found(check, INODE_SPECIAL, place,
			  "inode %u is a fifo or a socket, but has a size of %ju bytes, or blocks",
			  place->inode, (uintmax_t)tree->size);
}

static void check_type(struct check *check, const struct place *place, uint16_t mode,
		       const struct qnx6_tree *tree)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return;
	case S_IFDIR:
		check_directory_size(check, place, tree);
		return;
	case S_IFLNK:
		check_symlink(check, place, tree);
		return;
	case S_IFIFO:
	case S_IFSOCK:
		check_special(check, place, tree);
		return;
	case S_IFCHR:
	case S_IFBLK:
		chk_found(check, INODE_DEVICE, place, "inode %u is a device, which QNX6 has not",
			  place->inode);
		return;
	default:
		chk_found(check, INODE_TYPE, place,
			  "inode %u has mode 0%o, which is no kind of file", place->inode, mode);
	}
}

/* A free inode keeps what it held; only its status counts. */
static bool is_live(struct check *check, const struct place *place, const struct qnx6_inode *inode,
		    uint16_t mode)
{
	if (inode->status > QNX6_STATUS_LIVE)
		chk_found(check, INODE_STATUS, place, "inode %u has status %u, expected 0 to %u",
			  place->inode, inode->status, QNX6_STATUS_LIVE);
	else if (inode->status & 1 && !mode)
		chk_found(check, INODE_STATUS, place, "inode %u has status %u, in use, but no mode",
			  place->inode, inode->status);
	return inode->status & 1 && mode;
}

static void check_inode(struct check *check, uint32_t number, const struct qnx6_inode *inode)
{
	struct inode_state *state = &check->inodes[number];
	const struct place place = chk_at_inode(number);
	const struct qnx6_tree tree = chk_tree_of(check, inode);
	uint16_t mode = qnx6_get16(check->info->order, inode->mode);

	state->flags |= IS_READ;
	if (!is_live(check, &place, inode, mode))
		return;
	check->result->used_inodes++;
	state->flags = (uint8_t)(state->flags | IS_LIVE | (S_ISDIR(mode) ? IS_DIR : 0));
	state->links = qnx6_get16(check->info->order, inode->links);
	if (has_any(inode->spare, sizeof(inode->spare)))
		chk_found(check, INODE_SPARE, &place,
			  "inode %u has bytes set that no known version uses", number);
	check_type(check, &place, mode, &tree);
	chk_claim_inode(check, number, &tree, !S_ISDIR(mode) && !S_ISLNK(mode));
}

static void check_root(struct check *check)
{
	const uint8_t needed = IS_LIVE | IS_DIR;
	const struct place place = chk_at_inode(QNX6_ROOT_INODE);
	uint8_t flags = check->num_inodes ? check->inodes[QNX6_ROOT_INODE].flags : IS_READ;

	if (flags & IS_READ && (flags & needed) != needed)
		chk_found(check, INODE_ROOT, &place,
			  "inode %u is no directory, but should be the root", QNX6_ROOT_INODE);
}

void chk_inodes(struct check *check)
{
	uint32_t free;

	walk_table(check, &(struct each){.call = check_inode, .is_first = true});
	check_root(check);
	free = check->super->num_inodes - check->result->used_inodes;
	if (!check->unread && free != check->super->free_inodes)
		chk_found(check, COUNT_INODES, NULL,
			  "the super block counts %u free inodes, but the inode table has %u",
			  check->super->free_inodes, free);
}
