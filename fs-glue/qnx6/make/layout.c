/* SPDX-License-Identifier: BSD-3-Clause */
#include "layout.h"

#include <stdlib.h>
#include <string.h>

static uint64_t divide_up(uint64_t value, uint64_t by)
{
	return value / by + (value % by != 0);
}

static uint64_t data_offset(const struct mk_options *opt)
{
	return opt->no_boot_area ? QNX6_SUPER_AREA : QNX6_DATA;
}

uint64_t mk_layout_size(const struct mk_options *opt)
{
	return data_offset(opt) + (uint64_t)opt->num_blocks * opt->block_size + QNX6_SUPER_AREA;
}

static int count_blocks(struct mk_layout *layout)
{
	uint64_t fixed = layout->data + QNX6_SUPER_AREA;
	uint64_t blocks = layout->size > fixed ? (layout->size - fixed) / layout->block_size : 0;

	if (!blocks)
		return mk_fail("a volume of %ju bytes is too small for any data",
			       (uintmax_t)layout->size);
	if (blocks >= QNX6_NO_BLOCK)
		return mk_fail("a volume of %ju bytes needs larger blocks than %u bytes",
			       (uintmax_t)layout->size, layout->block_size);
	layout->num_blocks = (uint32_t)blocks;
	layout->super2 = mk_layout_position(layout, blocks);
	return 0;
}

/*
 * QNX's own maker gave one inode to 8 KiB of a volume of 400 KiB, and one to 256 KiB of one of
 * 128 GB; what it does in between isn't known. Media volumes hold few large files.
 */
static uint32_t bytes_per_inode(const struct mk_options *opt, uint64_t data)
{
	uint32_t bytes = 8192;

	if (opt->type == MK_MEDIA)
		return 262144;
	for (uint64_t limit = 1ull << 28; data > limit && bytes < 262144; limit *= 4)
		bytes *= 2;
	return bytes;
}

/* More if the source needs more, and whole blocks. */
static int count_inodes(struct mk_layout *layout, const struct mk_options *opt, uint32_t wanted)
{
	uint64_t bytes = (uint64_t)layout->num_blocks * layout->block_size;
	uint64_t share = bytes / bytes_per_inode(opt, bytes);
	uint32_t per_block = layout->block_size / (uint32_t)sizeof(struct qnx6_inode);
	uint64_t count = share > wanted ? share : wanted;

	if (opt->num_inodes && opt->num_inodes < wanted)
		return mk_fail("-i %u is too few: %s needs %u inodes", opt->num_inodes,
			       opt->dir ? opt->dir : "an empty volume", wanted);
	if (opt->num_inodes)
		count = opt->num_inodes;
	if (count > UINT32_MAX - per_block)
		count = UINT32_MAX - per_block;
	layout->num_inodes = (uint32_t)(divide_up(count, per_block) * per_block);
	return 0;
}

static int place_system_area(struct mk_layout *layout, uint64_t *next)
{
	uint64_t table_size = (uint64_t)layout->num_inodes * sizeof(struct qnx6_inode);

	if (mk_tree_shape(&layout->bitmap, divide_up(layout->num_blocks, 8), layout->block_size) ||
	    mk_tree_shape(&layout->inodes, table_size, layout->block_size))
		return -1;
	mk_tree_place(&layout->bitmap, next);
	mk_tree_place(&layout->inodes, next);
	*next *= 2;
	return 0;
}

static int place_long_names(struct mk_layout *layout, uint32_t count, uint64_t *next)
{
	if (mk_tree_shape(&layout->long_names, (uint64_t)count * layout->block_size,
			  layout->block_size))
		return -1;
	mk_tree_place(&layout->long_names, next);
	return 0;
}

static uint64_t directory_size(const struct mk_node *node, uint32_t block_size)
{
	uint64_t entries = 2 + (uint64_t)node->num_names;

	return divide_up(entries * sizeof(struct qnx6_entry), block_size) * block_size;
}

static int shape_file(struct mk_tree *tree, const struct mk_node *node, uint32_t block_size)
{
	if (S_ISDIR(node->mode))
		return mk_tree_shape(tree, directory_size(node, block_size), block_size);
	if (node->sparse)
		return mk_tree_shape_sparse(tree, node->size, block_size, node->extents,
					    node->num_extents);
	return mk_tree_shape(tree, node->size, block_size);
}

static int place_files(struct mk_layout *layout, const struct mk_scan *scan, uint64_t *next)
{
	layout->files = calloc(scan->count, sizeof(struct mk_tree));
	if (!layout->files)
		return mk_fail("out of memory for %u files", scan->count);
	layout->num_files = scan->count;
	for (uint32_t i = 0; i < scan->count; i++) {
		if (shape_file(&layout->files[i], scan->nodes[i], layout->block_size))
			return -1;
		mk_tree_place(&layout->files[i], next);
	}
	return 0;
}

int mk_layout_make(struct mk_layout *layout, const struct mk_options *opt, uint64_t size,
		   const struct mk_scan *scan)
{
	uint64_t next = 0;

	*layout = (struct mk_layout){
		.size = size,
		.super1 = opt->no_boot_area ? 0 : QNX6_SUPER1,
		.data = data_offset(opt),
		.block_size = opt->block_size,
	};
	if (count_blocks(layout) || count_inodes(layout, opt, scan->count) ||
	    place_system_area(layout, &next) ||
	    place_long_names(layout, scan->num_long_names, &next) ||
	    place_files(layout, scan, &next))
		return -1;
	if (next > layout->num_blocks)
		return mk_fail("%s needs %ju blocks of %u bytes, but a volume of %ju bytes has %u",
			       opt->dir ? opt->dir : "an empty volume", (uintmax_t)next,
			       layout->block_size, (uintmax_t)size, layout->num_blocks);
	layout->used_blocks = (uint32_t)next;
	return 0;
}

void mk_layout_free(struct mk_layout *layout)
{
	for (uint32_t i = 0; i < layout->num_files; i++)
		mk_tree_free(&layout->files[i]);
	free(layout->files);
}

uint64_t mk_layout_position(const struct mk_layout *layout, uint64_t block)
{
	return layout->data + block * layout->block_size;
}
