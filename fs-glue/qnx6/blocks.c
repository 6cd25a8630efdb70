/* SPDX-License-Identifier: BSD-3-Clause */
#include "blocks.h"

#include <errno.h>

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Five levels of large blocks have more bits than a number: shifting by these is undefined. */
static uint64_t shift_right(uint64_t value, unsigned bits)
{
	return bits < 64 ? value >> bits : 0;
}

void qnx6_walk_init(struct qnx6_walk *walk, struct qnx6_volume *volume,
		    const struct qnx6_tree *tree)
{
	walk->volume = volume;
	walk->tree = tree;
	walk->first = 0;
	walk->count = 0;
}

/* From @index to the end of what a pointer covers that has @bits of the index below it. */
static void take_hole(struct qnx6_walk *walk, uint64_t index, unsigned bits)
{
	uint64_t below = bits < 64 ? ((uint64_t)1 << bits) - 1 : UINT64_MAX;
	uint64_t count = (index | below) - index;

	walk->first = index;
	walk->count = count == UINT64_MAX ? count : count + 1;
	walk->is_hole = true;
}

static int take_direct(struct qnx6_walk *walk, uint64_t index)
{
	walk->first = index;
	walk->count = QNX6_POINTERS - index;
	walk->is_hole = false;
	for (uint64_t i = index; i < QNX6_POINTERS; i++)
		walk->pointers[i - index] =
			qnx6_put32(walk->volume->info.order, walk->tree->ptr[i]);
	return 0;
}

static int take_indirect(struct qnx6_walk *walk, uint64_t index, uint64_t most, uint32_t block)
{
	uint64_t per_block = (uint64_t)1 << walk->volume->pointer_bits;
	uint64_t slot = index & (per_block - 1);
	uint64_t count = smaller(smaller(most, QNX6_WALK_POINTERS), per_block - slot);

	walk->first = index;
	walk->count = count;
	walk->is_hole = false;
	return qnx6_copy(walk->volume, block, (uint32_t)(slot * sizeof(qnx6_u32)), walk->pointers,
			 count * sizeof(qnx6_u32));
}

/* One level down: the pointer in @block that leads to @index. */
static int follow(struct qnx6_walk *walk, uint64_t index, unsigned bits, uint32_t *block)
{
	struct qnx6_volume *volume = walk->volume;
	uint64_t slot = shift_right(index, bits) & (((uint64_t)1 << volume->pointer_bits) - 1);
	qnx6_u32 pointer;
	int error;

	error = qnx6_copy(volume, *block, (uint32_t)(slot * sizeof(pointer)), &pointer,
			  sizeof(pointer));
	if (!error)
		*block = qnx6_u32_of(volume, pointer);
	return error;
}

/* Through the indirect blocks but the lowest, whose pointers are taken. */
static int descend(struct qnx6_walk *walk, uint64_t index, uint64_t most, uint32_t block)
{
	unsigned pointer_bits = walk->volume->pointer_bits;
	unsigned level = walk->tree->levels;
	int error;

	for (;;) {
		if (block == QNX6_NO_BLOCK) {
			take_hole(walk, index, pointer_bits * level);
			return 0;
		}
		if (block >= walk->volume->info.num_blocks)
			return -EIO;
		if (--level == 0)
			return take_indirect(walk, index, most, block);
		error = follow(walk, index, pointer_bits * level, &block);
		if (error)
			return error;
	}
}

static int fill(struct qnx6_walk *walk, uint64_t index, uint64_t most)
{
	const struct qnx6_tree *tree = walk->tree;
	uint64_t slot;

	walk->count = 0;
	if (tree->levels > QNX6_MAX_LEVELS)
		return -EIO;
	slot = shift_right(index, walk->volume->pointer_bits * tree->levels);
	if (slot >= QNX6_POINTERS)
		return -EIO;
	return tree->levels ? descend(walk, index, most, tree->ptr[slot])
			    : take_direct(walk, index);
}

/* As many pointers as go on where the first one, at @at, begins. */
static uint64_t count_run(const struct qnx6_walk *walk, uint64_t at, uint64_t most, uint32_t block)
{
	uint64_t count = 1;
	bool is_hole = block == QNX6_NO_BLOCK;

	while (count < most) {
		uint32_t next = qnx6_u32_of(walk->volume, walk->pointers[at + count]);

		if (is_hole ? next != QNX6_NO_BLOCK
			    : next != block + count || next >= walk->volume->info.num_blocks)
			break;
		count++;
	}
	return count;
}

int qnx6_walk_to(struct qnx6_walk *walk, uint64_t index, uint64_t most, struct qnx6_run *run)
{
	uint64_t at;
	int error;

	if (index < walk->first || index - walk->first >= walk->count) {
		error = fill(walk, index, most);
		if (error) {
			walk->count = 0;
			return error;
		}
	}
	at = index - walk->first;
	most = smaller(most, walk->count - at);
	*run = (struct qnx6_run){QNX6_NO_BLOCK, most};
	if (walk->is_hole)
		return 0;
	run->block = qnx6_u32_of(walk->volume, walk->pointers[at]);
	if (run->block != QNX6_NO_BLOCK && run->block >= walk->volume->info.num_blocks)
		return -EIO;
	run->count = count_run(walk, at, most, run->block);
	return 0;
}

int qnx6_map(struct qnx6_volume *volume, const struct qnx6_tree *tree, uint64_t index,
	     uint32_t *block)
{
	struct qnx6_walk walk;
	struct qnx6_run run;
	int error;

	qnx6_walk_init(&walk, volume, tree);
	error = qnx6_walk_to(&walk, index, 1, &run);
	if (!error)
		*block = run.block;
	return error;
}
