/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <stdlib.h>

#include "scan.h"

static uint64_t divide_up(uint64_t value, uint64_t by)
{
	return value / by + (value % by != 0);
}

/* Adds blocks from @index to @end, which may begin with the last one that is there already. */
static void add_run(struct mk_row *row, uint64_t index, uint64_t end)
{
	struct mk_run *last = row->num_runs ? &row->runs[row->num_runs - 1] : NULL;
	uint64_t behind_last = last ? last->index + last->count : 0;

	if (last && index <= behind_last) {
		index = behind_last;
		last->count += end > index ? end - index : 0;
	} else {
		row->runs[row->num_runs++] =
			(struct mk_run){.index = index, .count = end - index, .rank = row->count};
	}
	row->count += end > index ? end - index : 0;
}

static int alloc_runs(struct mk_row *row, uint32_t count)
{
	row->runs = calloc(count + 1, sizeof(*row->runs));
	return row->runs ? 0 : mk_fail("out of memory for a file of %u parts", count);
}

static int add_contents(struct mk_row *row, uint32_t block_size, const struct mk_extent *extents,
			uint32_t num_extents)
{
	if (alloc_runs(row, num_extents))
		return -1;
	for (uint32_t i = 0; i < num_extents; i++)
		add_run(row, extents[i].start / block_size, divide_up(extents[i].end, block_size));
	return 0;
}

/* Blocks of pointers, for the blocks of @below that are there. */
static int add_pointers(struct mk_row *row, const struct mk_row *below, uint32_t per_block)
{
	if (alloc_runs(row, below->num_runs))
		return -1;
	for (uint32_t i = 0; i < below->num_runs; i++) {
		const struct mk_run *run = &below->runs[i];

		add_run(row, run->index / per_block, divide_up(run->index + run->count, per_block));
	}
	return 0;
}

static void make_full(struct mk_row *row, uint64_t count)
{
	free(row->runs);
	*row = (struct mk_row){.count = count};
}

/* Row 0 is there; @span is how many blocks it would have without holes. */
static int add_rows(struct mk_tree *tree, uint64_t span, uint32_t block_size)
{
	uint32_t per_block = block_size / (uint32_t)sizeof(qnx6_u32);
	bool sparse = tree->row[0].runs;

	while (span > QNX6_POINTERS || (sparse && !tree->levels)) {
		if (tree->levels == MK_LEVELS)
			return mk_fail("a file of %ju bytes needs larger blocks than %u bytes",
				       (uintmax_t)tree->size, block_size);
		tree->levels++;
		span = divide_up(span, per_block);
		tree->row[tree->levels].count = sparse ? 0 : span;
		if (sparse &&
		    add_pointers(&tree->row[tree->levels], &tree->row[tree->levels - 1], per_block))
			return -1;
	}
	if (sparse)
		make_full(&tree->row[tree->levels], span);
	return 0;
}

int mk_tree_shape(struct mk_tree *tree, uint64_t size, uint32_t block_size)
{
	uint64_t count = divide_up(size, block_size);

	*tree = (struct mk_tree){.size = size, .row[0].count = count};
	return add_rows(tree, count, block_size);
}

int mk_tree_shape_sparse(struct mk_tree *tree, uint64_t size, uint32_t block_size,
			 const struct mk_extent *extents, uint32_t num_extents)
{
	uint64_t count = divide_up(size, block_size);

	*tree = (struct mk_tree){.size = size};
	if (add_contents(&tree->row[0], block_size, extents, num_extents))
		return -1;
	if (tree->row[0].count == count)
		make_full(&tree->row[0], count); /* holes, but none as large as a block */
	return add_rows(tree, count, block_size);
}

void mk_tree_place(struct mk_tree *tree, uint64_t *next)
{
	for (unsigned int level = 0; level <= tree->levels; level++) {
		tree->row[level].first = *next;
		*next += tree->row[level].count;
	}
}

void mk_tree_free(struct mk_tree *tree)
{
	for (unsigned int level = 0; level <= MK_LEVELS; level++)
		free(tree->row[level].runs);
}

/* The last run that begins at @index or before it; NULL: none does. */
static const struct mk_run *find_run(const struct mk_row *row, uint64_t index)
{
	uint32_t low = 0, high = row->num_runs;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (row->runs[middle].index <= index)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &row->runs[low - 1] : NULL;
}

uint32_t mk_row_block(const struct mk_row *row, uint64_t index)
{
	const struct mk_run *run;

	if (!row->runs)
		return index < row->count ? (uint32_t)(row->first + index) : QNX6_NO_BLOCK;
	run = find_run(row, index);
	if (!run || index - run->index >= run->count)
		return QNX6_NO_BLOCK;
	return (uint32_t)(row->first + run->rank + (index - run->index));
}

uint64_t mk_row_index(const struct mk_row *row, uint64_t rank)
{
	const struct mk_run *run = row->runs;

	if (!run)
		return rank;
	while (rank - run->rank >= run->count)
		run++;
	return run->index + (rank - run->rank);
}
