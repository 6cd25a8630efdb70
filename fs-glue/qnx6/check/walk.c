/* SPDX-License-Identifier: BSD-3-Clause */
/* Trees of blocks: every pointer in one of them, each block once. */
#include <stdio.h>

#include "internal.h"

/* More blocks than any size asks for; what lies deeper need not be told apart. */
#define SPAN_SHIFT_MAX 58

static uint64_t span_of(const struct check *check, unsigned level)
{
	unsigned shift = check->pointer_bits * level;

	return UINT64_C(1) << (shift < SPAN_SHIFT_MAX ? shift : SPAN_SHIFT_MAX);
}

const char *chk_owner_text(const struct owner *owner, char *buffer, size_t size)
{
	if (owner->inode)
		snprintf(buffer, size, "inode %u", owner->inode);
	else
		snprintf(buffer, size, "the %s", owner->root);
	return buffer;
}

static const char *owner_text(const struct walk *walk)
{
	return chk_owner_text(&walk->owner, walk->check->owner_buffer,
			      sizeof(walk->check->owner_buffer));
}

static struct place place_of(const struct walk *walk, size_t byte)
{
	if (walk->from == QNX6_NO_BLOCK)
		return chk_at_inode(walk->owner.inode);
	return chk_at_block(walk->check, walk->owner.inode, walk->from, byte);
}

static void bad_pointer(const struct walk *walk, uint32_t pointer, unsigned number)
{
	const struct place place = place_of(walk, number * sizeof(qnx6_u32));

	if (walk->is_first)
		chk_found(walk->check, TREE_POINTER, &place,
			  "%s points at block %u, but the volume has %u blocks", owner_text(walk),
			  pointer, walk->check->info->num_blocks);
}

/* What is told of once for the whole tree. */
static void count_block(struct walk *walk, uint32_t block, uint64_t index)
{
	if (index >= walk->needed && !walk->beyond++)
		walk->first_beyond = block;
	if ((block < walk->check->system_blocks) != walk->is_system && !walk->misplaced++)
		walk->first_misplaced = block;
}

static void walk_pointers(struct walk *walk, const qnx6_u32 *pointers, unsigned count,
			  unsigned level, uint64_t index);

/* That it cannot be read is told of once. */
static bool read_pointers(const struct walk *walk, uint32_t block, void *buffer)
{
	struct check *check = walk->check;

	if (walk->is_first)
		return chk_read_block(check, walk->owner.inode, block, buffer);
	return !qnx6_source_read(check->source, chk_at_block(check, 0, block, 0).offset, buffer,
				 check->info->block_size);
}

static void walk_block(struct walk *walk, uint32_t block, unsigned level, uint64_t index)
{
	struct check *check = walk->check;
	size_t size = check->info->block_size;
	uint8_t *buffer = check->pointers[walk->nesting] + (level ? level - 1 : 0) * size;
	uint32_t from = walk->from;

	if (!level) {
		if (walk->leaf)
			walk->leaf(walk, index, block);
		return;
	}
	if (!read_pointers(walk, block, buffer))
		return;
	walk->from = block;
	walk_pointers(walk, (const qnx6_u32 *)(const void *)buffer,
		      (unsigned)(size / sizeof(qnx6_u32)), level - 1, index);
	walk->from = from;
}

static void walk_pointer(struct walk *walk, uint32_t pointer, unsigned number, unsigned level,
			 uint64_t index)
{
	bool is_new;

	if (pointer == QNX6_NO_BLOCK) {
		walk->holes += index < walk->needed;
		return;
	}
	if (pointer >= walk->check->info->num_blocks) {
		bad_pointer(walk, pointer, number);
		return;
	}
	count_block(walk, pointer, index);
	is_new = !has_bit(walk->seen, pointer);
	set_bit(walk->seen, pointer);
	if (walk->visit)
		walk->visit(walk, pointer, is_new);
	if (is_new)
		walk_block(walk, pointer, level, index);
}

/* @index: block of contents that the first pointer leads to. */
static void walk_pointers(struct walk *walk, const qnx6_u32 *pointers, unsigned count,
			  unsigned level, uint64_t index)
{
	const struct check *check = walk->check;
	uint64_t span = span_of(check, level);

	for (unsigned i = 0; i < count && !check->is_stopped; i++) {
		walk_pointer(walk, qnx6_get32(check->info->order, pointers[i]), i, level, index);
		if (__builtin_add_overflow(index, span, &index))
			index = UINT64_MAX;
	}
}

static bool check_shape(struct walk *walk)
{
	const struct qnx6_tree *tree = walk->tree;
	const struct place place = chk_at_inode(walk->owner.inode);

	if (tree->levels > QNX6_MAX_LEVELS) {
		if (walk->is_first)
			chk_found(walk->check, TREE_LEVELS, &place,
				  "%s has %u levels of pointers, but %u are the most",
				  owner_text(walk), tree->levels, QNX6_MAX_LEVELS);
		return false;
	}
	if (walk->is_first && (walk->needed > QNX6_POINTERS * span_of(walk->check, tree->levels) ||
			       tree->size > INT64_MAX))
		chk_found(walk->check, TREE_SIZE, &place,
			  "%s is %ju bytes long, more than %u levels of pointers have room for",
			  owner_text(walk), (uintmax_t)tree->size, tree->levels);
	return true;
}

static void report_misplaced(struct walk *walk)
{
	uint32_t blocks = walk->check->system_blocks;
	const struct place place =
		chk_at_block(walk->check, walk->owner.inode, walk->first_misplaced, 0);

	if (walk->is_system)
		chk_found(walk->check, SYSTEM_OUTSIDE, &place,
			  "%s has %ju blocks outside the system area of %u blocks, the first is %u",
			  owner_text(walk), (uintmax_t)walk->misplaced, blocks,
			  walk->first_misplaced);
	else
		chk_found(walk->check, SYSTEM_INSIDE, &place,
			  "%s has %ju blocks in the system area of %u blocks, the first is %u",
			  owner_text(walk), (uintmax_t)walk->misplaced, blocks,
			  walk->first_misplaced);
}

static void report_tree(struct walk *walk)
{
	struct check *check = walk->check;
	const struct place place = chk_at_inode(walk->owner.inode);

	if (walk->holes && !walk->takes_holes)
		chk_found(check, TREE_HOLE, &place, "%s has no block where it needs one, %ju times",
			  owner_text(walk), (uintmax_t)walk->holes);
	if (walk->beyond)
		chk_found(check, TREE_BEYOND, &place,
			  "%s has %ju blocks behind its end of %ju bytes, the first is %u",
			  owner_text(walk), (uintmax_t)walk->beyond, (uintmax_t)walk->tree->size,
			  walk->first_beyond);
	if (walk->misplaced && check->has_system_rules)
		report_misplaced(walk);
}

void chk_walk_tree(struct walk *walk)
{
	const struct check *check = walk->check;
	const struct qnx6_tree *tree = walk->tree;
	uint32_t size = check->info->block_size;
	uint64_t span, index = 0;

	walk->needed = tree->size / size + (tree->size % size != 0);
	walk->from = QNX6_NO_BLOCK;
	walk->holes = walk->beyond = walk->misplaced = 0;
	if (!check_shape(walk))
		return;
	span = span_of(check, tree->levels);
	for (unsigned i = 0; i < QNX6_POINTERS && !check->is_stopped; i++, index += span)
		walk_pointer(walk, tree->ptr[i], i, tree->levels, index);
	if (walk->is_first)
		report_tree(walk);
}

/* All blocks of a tree without holes, those with pointers among them. */
static uint64_t blocks_of(const struct check *check, const struct qnx6_tree *tree)
{
	uint32_t size = check->info->block_size;
	uint64_t row = tree->size / size + (tree->size % size != 0), all = row;

	for (unsigned level = 1; level <= tree->levels && level <= QNX6_MAX_LEVELS; level++) {
		row = (row >> check->pointer_bits) +
		      ((row & ((UINT64_C(1) << check->pointer_bits) - 1)) != 0);
		all += row;
	}
	return all;
}

uint32_t chk_system_area(const struct check *check)
{
	const struct qnx6_info *info = check->info;
	uint64_t blocks = blocks_of(check, &info->inodes) + blocks_of(check, &info->bitmap);

	return blocks * 2 < info->num_blocks ? (uint32_t)(blocks * 2) : info->num_blocks;
}
