/* SPDX-License-Identifier: BSD-3-Clause */
#include "mkqnx6_emit.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* One block in the making; always a whole number of each kind of record. */
union block {
	uint8_t bytes[4096];
	qnx6_u32 pointers[4096 / sizeof(qnx6_u32)];
	struct qnx6_inode inodes[4096 / sizeof(struct qnx6_inode)];
};

static int write_block(struct emit *emit, uint64_t number, const union block *block)
{
	return image_write(emit->image, layout_position(emit->layout, number), block,
			   emit->layout->block_size);
}

/* Points at the next blocks of a row, from its index on, and at no block behind its end. */
static void fill_pointers(enum qnx6_order order, qnx6_u32 *pointers, uint32_t count,
			  const struct tree *tree, unsigned int level, uint64_t index)
{
	for (uint32_t i = 0; i < count; i++, index++) {
		bool exists = index < tree->row[level].count;
		uint64_t block = exists ? tree->row[level].first + index : QNX6_NO_BLOCK;

		pointers[i] = qnx6_put32(order, (uint32_t)block);
	}
}

static void fill_top_pointers(enum qnx6_order order, qnx6_u32 *pointers, const struct tree *tree)
{
	fill_pointers(order, pointers, QNX6_POINTERS, tree, tree->levels, 0);
}

int emit_pointers(struct emit *emit, const struct tree *tree)
{
	uint32_t per_block = emit->layout->block_size / (uint32_t)sizeof(qnx6_u32);
	union block block;

	for (unsigned int level = 1; level <= tree->levels; level++)
		for (uint64_t i = 0; i < tree->row[level].count; i++) {
			fill_pointers(emit->opt->order, block.pointers, per_block, tree, level - 1,
				      i * per_block);
			if (write_block(emit, tree->row[level].first + i, &block))
				return -1;
		}
	return 0;
}

static void fill_inode(const struct options *opt, struct qnx6_inode *inode,
		       const struct source_node *node, const struct tree *tree)
{
	*inode = (struct qnx6_inode){
		.size = qnx6_put64(opt->order, tree->size),
		.uid = qnx6_put32(opt->order, node->uid),
		.gid = qnx6_put32(opt->order, node->gid),
		.ftime = qnx6_put32(opt->order, opt->time),
		.mtime = qnx6_put32(opt->order, node->mtime),
		.atime = qnx6_put32(opt->order, opt->time),
		.ctime = qnx6_put32(opt->order, opt->time),
		.mode = qnx6_put16(opt->order, (uint16_t)node->mode),
		.links = qnx6_put16(opt->order, (uint16_t)node->links),
		.levels = (uint8_t)tree->levels,
		.status = node->number <= QNX6_BOOT_INODE ? QNX6_STATUS_OF_MKFS : QNX6_STATUS_LIVE,
	};
	fill_top_pointers(opt->order, inode->ptr, tree);
}

/* From nodes[index] on; free inodes stay zero. */
static void fill_inodes(const struct emit *emit, struct qnx6_inode *inodes, uint32_t count,
			uint64_t index)
{
	for (uint32_t i = 0; i < count && index < emit->source->count; i++, index++)
		fill_inode(emit->opt, &inodes[i], emit->source->nodes[index],
			   &emit->layout->files[index]);
}

static int emit_inode_table(struct emit *emit)
{
	const struct tree *tree = &emit->layout->inodes;
	uint32_t per_block = emit->layout->block_size / (uint32_t)sizeof(struct qnx6_inode);

	for (uint64_t i = 0; i < tree->row[0].count; i++) {
		union block block = {0};

		fill_inodes(emit, block.inodes, per_block, i * per_block);
		if (write_block(emit, tree->row[0].first + i, &block))
			return -1;
	}
	return emit_pointers(emit, tree);
}

/* Eight blocks' bits, the lowest first. Blocks behind the volume's end count as used. */
static uint8_t bitmap_byte(const struct layout *layout, uint64_t first_block)
{
	unsigned int byte = 0;

	for (unsigned int bit = 0; bit < 8; bit++) {
		uint64_t block = first_block + bit;

		if (block < layout->used_blocks || block >= layout->num_blocks)
			byte |= 1u << bit;
	}
	return (uint8_t)byte;
}

static int emit_bitmap(struct emit *emit)
{
	const struct tree *tree = &emit->layout->bitmap;
	uint32_t bytes = emit->layout->block_size;
	union block block;

	for (uint64_t i = 0; i < tree->row[0].count; i++) {
		for (uint32_t j = 0; j < bytes; j++)
			block.bytes[j] = bitmap_byte(emit->layout, (i * bytes + j) * 8);
		if (write_block(emit, tree->row[0].first + i, &block))
			return -1;
	}
	return emit_pointers(emit, tree);
}

static int emit_files(struct emit *emit)
{
	for (uint32_t i = 0; i < emit->source->count; i++) {
		const struct source_node *node = emit->source->nodes[i];
		const struct tree *tree = &emit->layout->files[i];
		int failed = S_ISDIR(node->mode) ? emit_directory(emit, node, tree)
						 : emit_file(emit, node, tree);

		if (failed || emit_pointers(emit, tree))
			return -1;
	}
	return emit_pointers(emit, &emit->layout->long_names);
}

/* A UUID: random, or of the maker's own version 8. */
static int choose_volume_id(const struct options *opt, uint8_t id[16])
{
	uint64_t fixed[2] = {htobe64(opt->time), htobe64(opt->size)};
	int version = opt->reproducible ? 8 : 4;

	if (opt->reproducible)
		memcpy(id, fixed, sizeof(fixed));
	else if (getrandom(id, 16, 0) != 16)
		return fail("cannot get a random volume id: %s", strerror(errno));
	id[6] = (uint8_t)((id[6] & 0x0f) | version << 4);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80); /* the UUID variant */
	return 0;
}

static void fill_root(enum qnx6_order order, struct qnx6_root *root, const struct tree *tree)
{
	root->size = qnx6_put64(order, tree->size);
	root->levels = (uint8_t)tree->levels;
	root->mode = 1;
	fill_top_pointers(order, root->ptr, tree);
}

static void fill_super(const struct emit *emit, struct qnx6_super *super)
{
	static const struct tree none;
	const struct layout *layout = emit->layout;
	enum qnx6_order order = emit->opt->order;

	super->magic = qnx6_put32(order, QNX6_MAGIC);
	super->ctime = qnx6_put32(order, emit->opt->time);
	super->atime = qnx6_put32(order, emit->opt->time);
	super->flags = qnx6_put32(order, QNX6_FLAG_LONG_NAME_SUMS);
	super->version_major = qnx6_put16(order, QNX6_VERSION_MAJOR);
	super->version_minor = qnx6_put16(order, QNX6_VERSION_MINOR);
	super->block_size = qnx6_put32(order, layout->block_size);
	super->num_inodes = qnx6_put32(order, layout->num_inodes);
	super->free_inodes = qnx6_put32(order, layout->num_inodes - emit->source->count);
	super->num_blocks = qnx6_put32(order, layout->num_blocks);
	super->free_blocks = qnx6_put32(order, layout->num_blocks - layout->used_blocks);
	super->alloc_groups = qnx6_put32(order, 1);
	fill_root(order, &super->inodes, &layout->inodes);
	fill_root(order, &super->bitmap, &layout->bitmap);
	fill_root(order, &super->long_names, &layout->long_names);
	fill_root(order, &super->unused4, &none);
}

static int emit_super(struct emit *emit, struct qnx6_super *super, uint64_t serial,
		      uint64_t position)
{
	super->serial = qnx6_put64(emit->opt->order, serial);
	super->checksum = qnx6_put32(emit->opt->order, qnx6_super_checksum(super));
	return image_write(emit->image, position, super, sizeof(*super));
}

static uint64_t super2_position(const struct layout *layout)
{
	return layout_position(layout, layout->num_blocks);
}

/* Both lead to the same roots; the second is the older, because Linux wants it valid too. */
static int emit_supers(struct emit *emit)
{
	struct qnx6_super super = {0};

	if (choose_volume_id(emit->opt, super.volume_id))
		return -1;
	fill_super(emit, &super);
	if (emit_super(emit, &super, 0, super2_position(emit->layout)))
		return -1;
	return emit_super(emit, &super, 1, QNX6_SUPER1);
}

/* No volume that was here before may be found any more. */
static int emit_blank_areas(struct emit *emit)
{
	if (image_zero(emit->image, 0, QNX6_DATA))
		return -1;
	return image_zero(emit->image, super2_position(emit->layout), QNX6_SUPER_AREA);
}

int emit_volume(struct image *image, const struct options *opt, const struct source *source,
		const struct layout *layout)
{
	struct emit emit = {.image = image, .opt = opt, .source = source, .layout = layout};

	if (emit_blank_areas(&emit) || emit_files(&emit) || emit_inode_table(&emit) ||
	    emit_bitmap(&emit) || image_flush(image))
		return -1;
	return emit_supers(&emit) || image_flush(image) ? -1 : 0;
}
