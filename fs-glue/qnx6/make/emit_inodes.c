/* SPDX-License-Identifier: BSD-3-Clause */
/* The system area: the inode table and the bitmap. */
#include <string.h>

#include "emit.h"

static void fill_inode(const struct mk_emit *emit, struct qnx6_inode *inode,
		       const struct mk_node *node, const struct mk_tree *tree)
{
	enum qnx6_order order = emit->opt->order;

	*inode = (struct qnx6_inode){
		.size = qnx6_put64(order, tree->size),
		.uid = qnx6_put32(order, node->uid),
		.gid = qnx6_put32(order, node->gid),
		.ftime = qnx6_put32(order, node->ftime),
		.mtime = qnx6_put32(order, node->mtime),
		.atime = qnx6_put32(order, node->atime),
		.ctime = qnx6_put32(order, node->ctime),
		.mode = qnx6_put16(order, (uint16_t)node->mode),
		.links = qnx6_put16(order, (uint16_t)node->links),
		.levels = (uint8_t)tree->levels,
		.status = node->number <= QNX6_BOOT_INODE ? QNX6_STATUS_OF_MKFS : QNX6_STATUS_LIVE,
	};
	mk_emit_top_pointers(emit, inode->ptr, tree);
}

int mk_emit_inode_table(struct mk_emit *emit)
{
	const struct mk_tree *tree = &emit->layout->inodes;
	uint64_t blocks = tree->row[0].count * emit->layout->block_size;
	uint64_t used = emit->scan->count * sizeof(struct qnx6_inode);

	if (mk_emit_seek(emit, tree->row[0].first))
		return -1;
	for (uint32_t i = 0; i < emit->scan->count; i++) {
		struct qnx6_inode inode;

		fill_inode(emit, &inode, emit->scan->nodes[i], &emit->layout->files[i]);
		if (mk_image_write(emit->image, &inode, sizeof(inode)))
			return -1;
	}
	/* free inodes are zero */
	if (mk_image_zero(emit->image, blocks - used))
		return -1;
	return mk_emit_pointers(emit, tree);
}

/* Eight blocks' bits, the lowest first. Blocks behind the volume's end count as used. */
static uint8_t bitmap_byte(const struct mk_layout *layout, uint64_t first_block)
{
	unsigned int byte = 0;

	if (first_block + 8 <= layout->used_blocks)
		return 0xff;
	if (first_block >= layout->used_blocks && first_block + 8 <= layout->num_blocks)
		return 0;
	for (unsigned int bit = 0; bit < 8; bit++) {
		uint64_t block = first_block + bit;

		if (block < layout->used_blocks || block >= layout->num_blocks)
			byte |= 1u << bit;
	}
	return (uint8_t)byte;
}

int mk_emit_bitmap(struct mk_emit *emit)
{
	const struct mk_tree *tree = &emit->layout->bitmap;
	uint64_t bytes = tree->row[0].count * emit->layout->block_size;

	if (mk_emit_seek(emit, tree->row[0].first))
		return -1;
	for (uint64_t done = 0; done < bytes;) {
		size_t part = bytes - done;
		uint8_t *room = mk_image_room(emit->image, &part);

		if (!room)
			return -1;
		for (size_t i = 0; i < part; i++, done++)
			room[i] = bitmap_byte(emit->layout, done * 8);
		mk_image_filled(emit->image, part);
	}
	return mk_emit_pointers(emit, tree);
}
