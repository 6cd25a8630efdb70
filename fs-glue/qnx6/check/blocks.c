/* SPDX-License-Identifier: BSD-3-Clause */
/* Who has which block, and whether the bitmap agrees. */
#include <string.h>

#include "internal.h"

static bool is_same(const struct owner *a, const struct owner *b)
{
	return a->inode == b->inode && a->root == b->root;
}

/* One and the same block as often as it likes is one finding. */
static bool is_known(const struct check *check, uint32_t block, const struct owner *owner)
{
	const struct twice *last;

	if (!check->num_twice || check->num_twice > QNX6_CHECK_REPORTS)
		return false;
	last = &check->twice[check->num_twice - 1];
	return last->block == block && is_same(&last->second, owner);
}

static void remember_twice(struct check *check, uint32_t block, const struct owner *owner)
{
	if (is_known(check, block, owner))
		return;
	if (check->num_twice < QNX6_CHECK_REPORTS) {
		check->twice[check->num_twice] = (struct twice){.block = block, .second = *owner};
		set_bit(check->marked, block);
	}
	check->num_twice++;
}

static void claim(struct walk *walk, uint32_t block, bool is_new)
{
	if (!is_new)
		remember_twice(walk->check, block, &walk->owner);
}

/* In a walk of its own, which meets the blocks in the same order as the first one. */
static void name_first_owner(struct walk *walk, uint32_t block, bool is_new)
{
	struct check *check = walk->check;

	if (!is_new || !has_bit(check->marked, block))
		return;
	for (unsigned i = 0; i < check->num_twice && i < QNX6_CHECK_REPORTS; i++)
		if (check->twice[i].block == block)
			check->twice[i].first = walk->owner;
}

static void walk_root(struct check *check, const struct qnx6_tree *tree, const char *name,
		      bool is_system, bool is_first)
{
	struct walk walk = {
		.check = check,
		.tree = tree,
		.owner = {.root = name},
		.seen = is_first ? check->used : check->again,
		.is_first = is_first,
		.takes_holes = !is_system,
		.is_system = is_system,
		.nesting = 1,
		.visit = is_first ? claim : name_first_owner,
	};

	chk_walk_tree(&walk);
}

static void walk_roots(struct check *check, bool is_first)
{
	const struct qnx6_info *info = check->info;

	walk_root(check, &info->inodes, "inode table", true, is_first);
	walk_root(check, &info->bitmap, "bitmap", true, is_first);
	walk_root(check, &info->long_names, "long names' file", false, is_first);
	if (check->unused4.size)
		walk_root(check, &check->unused4, "fourth tree", false, is_first);
	if (check->unused5.size)
		walk_root(check, &check->unused5, "fifth tree", false, is_first);
}

void chk_claim_roots(struct check *check)
{
	check->system_blocks = chk_system_area(check);
	check->has_system_rules = check->info->layout != QNX6_LAYOUT_MMI;
	walk_roots(check, true);
}

static void walk_inode(struct check *check, uint32_t number, const struct qnx6_tree *tree,
		       bool takes_holes, bool is_first)
{
	struct walk walk = {
		.check = check,
		.tree = tree,
		.owner = {.inode = number},
		.seen = is_first ? check->used : check->again,
		.is_first = is_first,
		.takes_holes = takes_holes,
		.nesting = 1,
		.visit = is_first ? claim : name_first_owner,
	};

	chk_walk_tree(&walk);
}

void chk_claim_inode(struct check *check, uint32_t number, const struct qnx6_tree *tree,
		     bool takes_holes)
{
	walk_inode(check, number, tree, takes_holes, true);
}

static void name_owner(struct check *check, uint32_t number, const struct qnx6_inode *inode)
{
	const struct qnx6_tree tree = chk_tree_of(check, inode);

	if (check->inodes[number].flags & IS_LIVE)
		walk_inode(check, number, &tree, true, false);
}

static void report_one(struct check *check, const struct twice *twice)
{
	char first[64], second[64];
	const struct place place = chk_at_block(check, twice->second.inode, twice->block, 0);

	chk_owner_text(&twice->first, first, sizeof(first));
	chk_owner_text(&twice->second, second, sizeof(second));
	if (!is_same(&twice->first, &twice->second))
		chk_found(check, BLOCK_TWICE, &place, "block %u belongs to %s, and to %s as well",
			  twice->block, first, second);
	else
		chk_found(check, BLOCK_TWICE, &place, "block %u belongs to %s twice", twice->block,
			  first);
}

void chk_report_twice(struct check *check)
{
	if (!check->num_twice)
		return;
	memset(check->again, 0, check->map_size);
	walk_roots(check, false);
	chk_each_inode(check, name_owner);
	for (unsigned i = 0; i < check->num_twice && i < QNX6_CHECK_REPORTS; i++)
		report_one(check, &check->twice[i]);
	if (check->num_twice > QNX6_CHECK_REPORTS)
		chk_count(check, BLOCK_TWICE, check->num_twice - QNX6_CHECK_REPORTS);
}

/* Neighbours with the same fault are one finding. */
struct bitmap_scan {
	enum kind kind; /* NUM_KINDS: no fault */
	uint32_t first, count;
	uint64_t known; /* blocks whose bit could be read */
	uint32_t free;
	uint64_t clear_padding;
};

static void report_run(struct check *check, struct bitmap_scan *scan)
{
	static const char *const texts[NUM_KINDS] = {
		[BLOCK_FREE] = "in use, but free in the bitmap",
		[BLOCK_LOST] = "allocated in the bitmap, but nothing uses it",
		[SYSTEM_FREE] = "of the system area, but free in the bitmap",
	};
	const struct place place = chk_at_block(check, 0, scan->first, 0);

	if (scan->kind == NUM_KINDS)
		return;
	if (scan->count == 1)
		chk_found(check, scan->kind, &place, "block %u is %s", scan->first,
			  texts[scan->kind]);
	else
		chk_found(check, scan->kind, &place, "each of the %u blocks %u to %u is %s",
			  scan->count, scan->first, scan->first + scan->count - 1,
			  texts[scan->kind]);
	scan->kind = NUM_KINDS;
}

static void add_to_run(struct check *check, struct bitmap_scan *scan, enum kind kind,
		       uint32_t block)
{
	if (scan->kind != kind || scan->first + scan->count != block) {
		report_run(check, scan);
		scan->kind = kind;
		scan->first = block;
		scan->count = 0;
	}
	scan->count++;
}

/* With a tree that could not be read, there is no telling what is lost. */
static enum kind judge(const struct check *check, uint32_t block, bool is_allocated)
{
	bool is_system = block < check->system_blocks;

	if (has_bit(check->used, block))
		return is_allocated ? NUM_KINDS : BLOCK_FREE;
	if (is_allocated)
		return is_system || check->unread ? NUM_KINDS : BLOCK_LOST;
	return is_system && check->has_system_rules ? SYSTEM_FREE : NUM_KINDS;
}

static void compare_bit(struct check *check, struct bitmap_scan *scan, uint64_t block,
			bool is_allocated)
{
	enum kind kind;

	if (block >= check->info->num_blocks) {
		scan->clear_padding += !is_allocated;
		return;
	}
	scan->known++;
	scan->free += !is_allocated;
	kind = judge(check, (uint32_t)block, is_allocated);
	if (kind != NUM_KINDS)
		add_to_run(check, scan, kind, (uint32_t)block);
}

static void compare_byte(struct check *check, struct bitmap_scan *scan, uint64_t block,
			 uint8_t byte)
{
	bool is_plain = block >= check->system_blocks && block + 8 <= check->info->num_blocks;

	if (is_plain && byte == check->used[block / 8]) {
		scan->known += 8;
		scan->free += 8 - (uint32_t)__builtin_popcount(byte);
		return;
	}
	if (block >= check->info->num_blocks && byte == UINT8_MAX)
		return;
	for (unsigned bit = 0; bit < 8; bit++)
		compare_bit(check, scan, block + bit, byte >> bit & 1);
}

static void compare_block(struct walk *walk, uint64_t index, uint32_t block)
{
	struct check *check = walk->check;
	uint32_t size = check->info->block_size;

	if (index >= walk->needed || !chk_read_block(check, 0, block, check->contents))
		return;
	for (uint32_t i = 0; i < size; i++)
		compare_byte(check, walk->context, (index * size + i) * 8, check->contents[i]);
}

static void check_totals(struct check *check, const struct bitmap_scan *scan)
{
	const struct qnx6_info *info = check->info;

	if (scan->clear_padding)
		chk_found(check, BITMAP_PADDING, NULL,
			  "%ju bits of the bitmap are not set, of those behind the volume's last "
			  "block",
			  (uintmax_t)scan->clear_padding);
	if (scan->known == info->num_blocks && scan->free != check->super->free_blocks)
		chk_found(check, COUNT_BLOCKS, NULL,
			  "the super block counts %u free blocks, but the bitmap has %u",
			  check->super->free_blocks, scan->free);
}

void chk_bitmap(struct check *check)
{
	struct bitmap_scan scan = {.kind = NUM_KINDS};
	struct walk walk = {
		.check = check,
		.tree = &check->info->bitmap,
		.owner = {.root = "bitmap"},
		.seen = check->again,
		.leaf = compare_block,
		.context = &scan,
	};

	memset(check->again, 0, check->map_size);
	chk_walk_tree(&walk);
	report_run(check, &scan);
	check_totals(check, &scan);
}
