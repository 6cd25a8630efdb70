/* SPDX-License-Identifier: BSD-3-Clause */
#include "emit.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

int mk_emit_seek(struct mk_emit *emit, uint64_t block)
{
	return mk_image_seek(emit->image, mk_layout_position(emit->layout, block));
}

/* Points at the blocks of a row, from its index on. */
static void fill_pointers(enum qnx6_order order, qnx6_u32 *pointers, uint32_t count,
			  const struct mk_row *row, uint64_t index)
{
	for (uint32_t i = 0; i < count; i++)
		pointers[i] = qnx6_put32(order, mk_row_block(row, index + i));
}

void mk_emit_top_pointers(const struct mk_emit *emit, qnx6_u32 *pointers,
			  const struct mk_tree *tree)
{
	fill_pointers(emit->opt->order, pointers, QNX6_POINTERS, &tree->row[tree->levels], 0);
}

static int emit_row(struct mk_emit *emit, const struct mk_row *row, const struct mk_row *below)
{
	qnx6_u32 pointers[4096 / sizeof(qnx6_u32)];
	uint32_t per_block = emit->layout->block_size / (uint32_t)sizeof(qnx6_u32);

	if (mk_emit_seek(emit, row->first))
		return -1;
	for (uint64_t i = 0; i < row->count; i++) {
		fill_pointers(emit->opt->order, pointers, per_block, below,
			      mk_row_index(row, i) * per_block);
		if (mk_image_write(emit->image, pointers, emit->layout->block_size))
			return -1;
	}
	return 0;
}

int mk_emit_pointers(struct mk_emit *emit, const struct mk_tree *tree)
{
	for (unsigned int level = 1; level <= tree->levels; level++)
		if (emit_row(emit, &tree->row[level], &tree->row[level - 1]))
			return -1;
	return 0;
}

static int emit_files(struct mk_emit *emit)
{
	for (uint32_t i = 0; i < emit->scan->count; i++) {
		const struct mk_node *node = emit->scan->nodes[i];
		const struct mk_tree *tree = &emit->layout->files[i];
		int failed = S_ISDIR(node->mode) ? mk_emit_directory(emit, node, tree)
						 : mk_emit_file(emit, node, tree);

		if (failed || mk_emit_pointers(emit, tree))
			return -1;
	}
	return 0;
}

/* FNV-1a, byte by byte. */
static uint64_t mix(uint64_t sum, uint64_t value)
{
	for (int i = 0; i < 8; i++, value >>= 8)
		sum = (sum ^ (value & 0xff)) * 0x100000001b3u;
	return sum;
}

/* Of what the volume is made of; the contents count by their sizes and times. */
static uint64_t digest(const struct mk_scan *scan)
{
	uint64_t sum = 0xcbf29ce484222325u;

	for (uint32_t i = 0; i < scan->count; i++) {
		const struct mk_node *node = scan->nodes[i];

		sum = mix(mix(sum, node->mode), node->mtime);
		sum = mix(mix(sum, node->uid), node->gid);
		sum = mix(sum, node->size);
		for (const char *c = node->name; c && *c; c++)
			sum = mix(sum, (uint8_t)*c);
	}
	return sum;
}

/* What was asked for; or a UUID, random, or of the maker's own version 8. */
static int choose_volume_id(const struct mk_emit *emit, uint8_t id[16])
{
	uint64_t fixed[2] = {htobe64((uint64_t)emit->opt->time << 32 | emit->layout->num_blocks),
			     htobe64(digest(emit->scan))};
	int version = emit->opt->reproducible ? 8 : 4;

	if (emit->opt->has_volume_id) {
		memcpy(id, emit->opt->volume_id, 16);
		return 0;
	}
	if (emit->opt->reproducible)
		memcpy(id, fixed, sizeof(fixed));
	else if (getrandom(id, 16, 0) != 16)
		return mk_fail("cannot get a random volume id: %s", strerror(errno));
	id[6] = (uint8_t)((id[6] & 0x0f) | version << 4);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80); /* the UUID variant */
	return 0;
}

static void fill_root(const struct mk_emit *emit, struct qnx6_root *root,
		      const struct mk_tree *tree)
{
	root->size = qnx6_put64(emit->opt->order, tree->size);
	root->levels = (uint8_t)tree->levels;
	root->mode = 1;
	mk_emit_top_pointers(emit, root->ptr, tree);
}

static void fill_super(const struct mk_emit *emit, struct qnx6_super *super)
{
	static const struct mk_tree none;
	const struct mk_layout *layout = emit->layout;
	enum qnx6_order order = emit->opt->order;

	super->magic = qnx6_put32(order, QNX6_MAGIC);
	super->ctime = qnx6_put32(order, emit->opt->time);
	super->atime = qnx6_put32(order, emit->opt->time);
	super->flags = qnx6_put32(order, QNX6_FLAG_LONG_NAME_SUMS);
	super->version_major = qnx6_put16(order, QNX6_VERSION_MAJOR);
	super->version_minor = qnx6_put16(order, QNX6_VERSION_MINOR);
	super->block_size = qnx6_put32(order, layout->block_size);
	super->num_inodes = qnx6_put32(order, layout->num_inodes);
	super->free_inodes = qnx6_put32(order, layout->num_inodes - emit->scan->count);
	super->num_blocks = qnx6_put32(order, layout->num_blocks);
	super->free_blocks = qnx6_put32(order, layout->num_blocks - layout->used_blocks);
	super->alloc_groups = qnx6_put32(order, emit->opt->groups);
	fill_root(emit, &super->inodes, &layout->inodes);
	fill_root(emit, &super->bitmap, &layout->bitmap);
	fill_root(emit, &super->long_names, &layout->long_names);
	fill_root(emit, &super->unused4, &none);
}

static int emit_super(struct mk_emit *emit, struct qnx6_super *super, uint64_t serial,
		      uint64_t position)
{
	super->serial = qnx6_put64(emit->opt->order, serial);
	super->checksum = qnx6_put32(emit->opt->order, qnx6_super_checksum(super));
	if (mk_image_seek(emit->image, position))
		return -1;
	return mk_image_write(emit->image, super, sizeof(*super));
}

/* Both lead to the same roots; the second is the older, because Linux wants it valid too. */
static int emit_supers(struct mk_emit *emit)
{
	struct qnx6_super super = {0};

	if (choose_volume_id(emit, super.volume_id))
		return -1;
	fill_super(emit, &super);
	if (emit_super(emit, &super, 0, emit->layout->super2))
		return -1;
	return emit_super(emit, &super, 1, emit->layout->super1);
}

/* As QNX leaves it: where a boot loader would jump, and where the super blocks are, in sectors. */
struct boot_block {
	uint8_t jump[4];
	uint32_t reserved;
	uint32_t super1;
	uint32_t super2;
};

static int emit_boot_block(struct mk_emit *emit)
{
	uint64_t super2 = emit->layout->super2 / 512;
	struct boot_block block = {
		.jump = {0xeb, 0x10, 0x90, 0x00},
		.super1 = htole32((uint32_t)(emit->layout->super1 / 512)),
		.super2 = htole32(super2 > UINT32_MAX ? 0 : (uint32_t)super2),
	};

	if (!emit->layout->super1)
		return 0;
	return mk_image_write(emit->image, &block, sizeof(block));
}

/*
 * No volume that was here before may be found any more: one with a boot block had its first
 * super block where this one may have blocks that nothing is written to.
 */
static int emit_blank_areas(struct mk_emit *emit)
{
	uint64_t end = emit->layout->super2 < QNX6_DATA ? emit->layout->super2 : QNX6_DATA;

	if (mk_image_seek(emit->image, 0) || emit_boot_block(emit) ||
	    mk_image_zero(emit->image, end - (emit->image->position + emit->image->filled)))
		return -1;
	if (mk_image_seek(emit->image, emit->layout->super2))
		return -1;
	return mk_image_zero(emit->image, QNX6_SUPER_AREA);
}

static int emit_all(struct mk_emit *emit)
{
	if (emit_blank_areas(emit) || mk_emit_bitmap(emit) || mk_emit_inode_table(emit) ||
	    mk_emit_long_names(emit) || emit_files(emit) || mk_image_flush(emit->image))
		return -1;
	return emit_supers(emit) || mk_image_flush(emit->image) ? -1 : 0;
}

int mk_emit_volume(struct mk_image *image, const struct mk_options *opt, const struct mk_scan *scan,
		   const struct mk_layout *layout)
{
	struct mk_emit emit = {.image = image, .opt = opt, .scan = scan, .layout = layout};
	int failed = emit_all(&emit);

	if (emit.dir)
		close(emit.dir_fd);
	return failed;
}
