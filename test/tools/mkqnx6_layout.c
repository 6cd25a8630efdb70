/* SPDX-License-Identifier: BSD-3-Clause */
#include "mkqnx6_layout.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_PER_INODE 8192u /* of the volume: what QNX's own maker provides for */

static uint64_t divide_up(uint64_t value, uint64_t by)
{
	return value / by + (value % by != 0);
}

/* Decides the number of levels and the length of each row. */
static int tree_shape(struct tree *tree, uint64_t size, uint32_t block_size)
{
	uint64_t count = divide_up(size, block_size);

	*tree = (struct tree){.size = size};
	tree->row[0].count = count;
	while (count > QNX6_POINTERS) {
		if (tree->levels == LAYOUT_LEVELS)
			return fail("a file of %ju bytes needs larger blocks than %u bytes",
				    (uintmax_t)size, block_size);
		count = divide_up(count, block_size / sizeof(qnx6_u32));
		tree->row[++tree->levels].count = count;
	}
	return 0;
}

/* Gives each row its blocks, from *next on. */
static void tree_place(struct tree *tree, uint64_t *next)
{
	for (unsigned int level = 0; level <= tree->levels; level++) {
		tree->row[level].first = *next;
		*next += tree->row[level].count;
	}
}

static int count_blocks(struct layout *layout, uint64_t size)
{
	uint64_t fixed = QNX6_DATA + QNX6_SUPER_AREA, blocks;

	blocks = size > fixed ? (size - fixed) / layout->block_size : 0;
	if (!blocks)
		return fail("a volume of %ju bytes is too small for any data", (uintmax_t)size);
	if (blocks >= QNX6_NO_BLOCK)
		return fail("a volume of %ju bytes needs larger blocks than %u bytes",
			    (uintmax_t)size, layout->block_size);
	layout->num_blocks = (uint32_t)blocks;
	return 0;
}

/* The usual share of the volume, more if the source needs more, and whole blocks. */
static void count_inodes(struct layout *layout, uint32_t wanted)
{
	uint64_t share = (uint64_t)layout->num_blocks * layout->block_size / BYTES_PER_INODE;
	uint32_t per_block = layout->block_size / (uint32_t)sizeof(struct qnx6_inode);
	uint64_t count = share > wanted ? share : wanted;

	layout->num_inodes = (uint32_t)(divide_up(count, per_block) * per_block);
}

static int place_system_area(struct layout *layout, uint64_t *next)
{
	uint64_t table_size = (uint64_t)layout->num_inodes * sizeof(struct qnx6_inode);

	if (tree_shape(&layout->bitmap, divide_up(layout->num_blocks, 8), layout->block_size) ||
	    tree_shape(&layout->inodes, table_size, layout->block_size))
		return -1;
	tree_place(&layout->bitmap, next);
	tree_place(&layout->inodes, next);
	*next *= 2;
	return 0;
}

static int place_long_names(struct layout *layout, uint32_t count, uint64_t *next)
{
	if (tree_shape(&layout->long_names, (uint64_t)count * layout->block_size,
		       layout->block_size))
		return -1;
	tree_place(&layout->long_names, next);
	return 0;
}

static uint64_t contents_size(const struct source_node *node, uint32_t block_size)
{
	uint64_t entries = 2 + (uint64_t)node->num_names;

	if (!S_ISDIR(node->mode))
		return node->size;
	return divide_up(entries * sizeof(struct qnx6_entry), block_size) * block_size;
}

static int place_files(struct layout *layout, const struct source *source, uint64_t *next)
{
	layout->files = calloc(source->count, sizeof(struct tree));
	if (!layout->files)
		return fail("out of memory for %u files", source->count);
	for (uint32_t i = 0; i < source->count; i++) {
		uint64_t size = contents_size(source->nodes[i], layout->block_size);

		if (tree_shape(&layout->files[i], size, layout->block_size))
			return -1;
		tree_place(&layout->files[i], next);
	}
	return 0;
}

int layout_make(struct layout *layout, const struct options *opt, const struct source *source)
{
	uint64_t next = 0;

	*layout = (struct layout){.block_size = opt->block_size};
	if (count_blocks(layout, opt->size))
		return -1;
	count_inodes(layout, source->count);
	if (place_system_area(layout, &next) ||
	    place_long_names(layout, source->num_long_names, &next) ||
	    place_files(layout, source, &next))
		return -1;
	if (next > layout->num_blocks)
		return fail("%s needs %ju blocks of %u bytes, but a volume of %ju bytes has %u",
			    opt->dir ? opt->dir : "an empty volume", (uintmax_t)next,
			    layout->block_size, (uintmax_t)opt->size, layout->num_blocks);
	layout->used_blocks = (uint32_t)next;
	return 0;
}

void layout_free(struct layout *layout)
{
	free(layout->files);
}

uint64_t layout_position(const struct layout *layout, uint64_t block)
{
	return QNX6_DATA + block * layout->block_size;
}
