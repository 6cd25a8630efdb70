/* SPDX-License-Identifier: BSD-3-Clause */
/* Damage to super blocks, the bitmap, and trees of blocks. */
#include <string.h>

#include "qnx6_damage.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The one that counts. */
static struct qnx6_super *active(const struct sample *s)
{
	return sample_super(s, 0);
}

static void flip_bit(const struct sample *s, uint32_t block)
{
	sample_bitmap(s)[block / 8] ^= (uint8_t)(1u << block % 8);
}

static uint32_t system_blocks(const struct sample *s)
{
	return 2 + 2 * s->num_inodes * (uint32_t)sizeof(struct qnx6_inode) / s->block_size;
}

static void magic_of_first(const struct sample *s)
{
	memset(&active(s)->magic, 0, sizeof(qnx6_u32));
}

static void magic_of_second(const struct sample *s)
{
	memset(sample_super(s, 1), 0, sizeof(qnx6_u32));
}

static void sum_of_first(const struct sample *s)
{
	active(s)->spare[0] ^= 1;
}

static void sum_of_second(const struct sample *s)
{
	((struct qnx6_super *)sample_super(s, 1))->volume_id[3] ^= 1;
}

static void both_sums(const struct sample *s)
{
	sum_of_first(s);
	sum_of_second(s);
}

static void numbers_of_second(const struct sample *s)
{
	((struct qnx6_super *)sample_super(s, 1))->inodes.levels = 9;
	sample_sign(s, 1);
}

static void other_inodes(const struct sample *s)
{
	SET(s, ((struct qnx6_super *)sample_super(s, 1))->num_inodes, s->num_inodes - 4);
	sample_sign(s, 1);
}

static void other_volume_id(const struct sample *s)
{
	sum_of_second(s);
	sample_sign(s, 1);
}

static void same_serial(const struct sample *s)
{
	((struct qnx6_super *)sample_super(s, 1))->serial = active(s)->serial;
	sample_sign(s, 1);
}

static void unknown_flags(const struct sample *s)
{
	SET(s, active(s)->flags, 0x40000100);
	sample_sign(s, 0);
}

static void unknown_version(const struct sample *s)
{
	SET(s, active(s)->version_minor, 4);
	sample_sign(s, 0);
}

static void spare_of_super(const struct sample *s)
{
	sum_of_first(s);
	sample_sign(s, 0);
}

static void fourth_tree(const struct sample *s)
{
	SET(s, active(s)->unused4.size, 1);
	SET(s, active(s)->unused4.ptr[0], s->next_block);
	sample_sign(s, 0);
}

static void table_too_long(const struct sample *s)
{
	SET(s, active(s)->inodes.size, (s->num_inodes - 1) * sizeof(struct qnx6_inode));
	sample_sign(s, 0);
}

static void bitmap_too_short(const struct sample *s)
{
	SET(s, active(s)->bitmap.size, SAMPLE_BLOCKS / 8 - 1);
	sample_sign(s, 0);
}

static void free_blocks(const struct sample *s)
{
	SET(s, active(s)->free_blocks, GET(s, active(s)->free_blocks) + 1);
	sample_sign(s, 0);
}

static void free_inodes(const struct sample *s)
{
	SET(s, active(s)->free_inodes, GET(s, active(s)->free_inodes) - 1);
	sample_sign(s, 0);
}

static void bit_of_used(const struct sample *s)
{
	flip_bit(s, sample_pointer(s, SAMPLE_FILE, 2));
}

static void bits_of_used(const struct sample *s)
{
	for (unsigned i = 0; i < 3; i++)
		flip_bit(s, sample_pointer(s, SAMPLE_FILE, i));
}

static void bit_of_unused(const struct sample *s)
{
	flip_bit(s, SAMPLE_BLOCKS - 1);
}

static void bit_behind_end(const struct sample *s)
{
	flip_bit(s, SAMPLE_BLOCKS);
}

static void bit_of_system(const struct sample *s)
{
	flip_bit(s, system_blocks(s) - 1);
}

static void bitmap_hole(const struct sample *s)
{
	SET(s, active(s)->bitmap.ptr[0], QNX6_NO_BLOCK);
	sample_sign(s, 0);
}

static void bitmap_pointer(const struct sample *s)
{
	SET(s, active(s)->bitmap.ptr[0], SAMPLE_BLOCKS);
	sample_sign(s, 0);
}

static void table_outside(const struct sample *s)
{
	uint32_t block = s->next_block;

	memcpy(sample_block(s, block), sample_block(s, 1), s->block_size);
	flip_bit(s, block);
	SET(s, active(s)->inodes.ptr[0], block);
	SET(s, active(s)->free_blocks, SAMPLE_BLOCKS - block - 1);
	sample_sign(s, 0);
}

static void file_in_system(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_FILE)->ptr[1], system_blocks(s) - 1);
}

static void levels(const struct sample *s)
{
	sample_inode(s, SAMPLE_FILE)->levels = QNX6_MAX_LEVELS + 1;
}

static void size_beyond_tree(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_FILE)->size, UINT64_C(1) << 40);
}

static void negative_size(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_FILE)->size, UINT64_MAX);
}

static void direct_pointer(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_FILE)->ptr[1], SAMPLE_BLOCKS);
}

static qnx6_u32 *indirect(const struct sample *s)
{
	return sample_block(s, sample_pointer(s, SAMPLE_SPARSE, 0));
}

static void indirect_pointer(const struct sample *s)
{
	SET(s, indirect(s)[4], QNX6_NO_BLOCK - 1);
}

static void indirect_circle(const struct sample *s)
{
	SET(s, indirect(s)[2], sample_pointer(s, SAMPLE_SPARSE, 0));
}

/* Each block of pointers has itself at every place: walked as said, it would never end. */
static void deep_circle(const struct sample *s)
{
	qnx6_u32 *pointers = indirect(s);

	sample_inode(s, SAMPLE_SPARSE)->levels = QNX6_MAX_LEVELS;
	SET(s, sample_inode(s, SAMPLE_SPARSE)->size, UINT64_C(1) << 40);
	for (size_t i = 0; i < s->block_size / sizeof(*pointers); i++)
		SET(s, pointers[i], sample_pointer(s, SAMPLE_SPARSE, 0));
}

static void file_shorter(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_FILE)->size, 1);
}

static void directory_hole(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_DIR)->size, s->block_size * 2);
}

static void twice_in_file(const struct sample *s)
{
	struct qnx6_inode *inode = sample_inode(s, SAMPLE_FILE);

	inode->ptr[2] = inode->ptr[0];
}

static void twice_in_files(const struct sample *s)
{
	sample_inode(s, SAMPLE_FILE)->ptr[0] = sample_inode(s, SAMPLE_HARD)->ptr[0];
}

static void file_has_bitmap(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_HARD)->ptr[0], 0);
}

static uint32_t first_super_block(const struct sample *s)
{
	(void)s;
	return SAMPLE_BLOCKS + 1;
}

static uint32_t second_super_block(const struct sample *s)
{
	(void)s;
	return SAMPLE_BLOCKS;
}

static uint32_t bitmap_block(const struct sample *s)
{
	(void)s;
	return 0;
}

static uint32_t directory_block(const struct sample *s)
{
	return sample_pointer(s, SAMPLE_DIR, 0);
}

static uint32_t indirect_block(const struct sample *s)
{
	return sample_pointer(s, SAMPLE_SPARSE, 0);
}

static uint32_t long_name_block(const struct sample *s)
{
	return system_blocks(s) + 1;
}

const struct damage damage_of_volume[] = {
	{"magic of super block 1", "super-magic", magic_of_first, NULL},
	{"magic of super block 2", "super-magic", magic_of_second, NULL},
	{"sum of super block 1", "super-sum", sum_of_first, NULL},
	{"sum of super block 2", "super-sum", sum_of_second, NULL},
	{"both sums", "super-none", both_sums, NULL},
	{"senseless super block 2", "super-numbers", numbers_of_second, NULL},
	{"other number of inodes", "super-differ", other_inodes, NULL},
	{"other volume id", "super-id", other_volume_id, NULL},
	{"same serial", "super-serial", same_serial, NULL},
	{"unknown flags", "super-flags", unknown_flags, NULL},
	{"unknown version", "super-version", unknown_version, NULL},
	{"spare bytes of a super block", "super-spare", spare_of_super, NULL},
	{"a fourth tree", "super-trees block-free", fourth_tree, NULL},
	{"inode table too short", "root-size", table_too_long, NULL},
	{"bitmap too short", "root-size", bitmap_too_short, NULL},
	{"free blocks", "count-blocks", free_blocks, NULL},
	{"free inodes", "count-inodes", free_inodes, NULL},
	{"used block is free", "block-free count-blocks", bit_of_used, NULL},
	{"used blocks are free", "block-free count-blocks", bits_of_used, NULL},
	{"lost block", "block-lost count-blocks", bit_of_unused, NULL},
	{"padding of the bitmap", "bitmap-padding", bit_behind_end, NULL},
	{"free block in the system area", "system-free count-blocks", bit_of_system, NULL},
	{"hole in the bitmap", "tree-hole", bitmap_hole, NULL},
	{"bitmap beyond the volume", "tree-pointer", bitmap_pointer, NULL},
	{"inode table outside its area", "system-outside", table_outside, NULL},
	{"file in the system area", "system-inside block-lost", file_in_system, NULL},
	{"too many levels", "tree-levels block-lost", levels, NULL},
	{"size beyond the tree", "tree-size", size_beyond_tree, NULL},
	{"size that no file has", "tree-size", negative_size, NULL},
	{"direct pointer", "tree-pointer block-lost", direct_pointer, NULL},
	{"indirect pointer", "tree-pointer block-lost", indirect_pointer, NULL},
	{"block of pointers in a circle", "block-twice", indirect_circle, NULL},
	{"all pointers in a circle", "block-twice block-lost tree-beyond", deep_circle, NULL},
	{"blocks behind the end", "tree-beyond", file_shorter, NULL},
	{"hole in a directory", "tree-hole", directory_hole, NULL},
	{"block twice in a file", "block-twice block-lost", twice_in_file, NULL},
	{"block in two files", "block-twice block-lost", twice_in_files, NULL},
	{"bitmap in a file", "block-twice block-lost system-inside", file_has_bitmap, NULL},
	{"unreadable super block 1", "read-error", NULL, first_super_block},
	{"unreadable super block 2", "read-error", NULL, second_super_block},
	{"unreadable bitmap", "read-error", NULL, bitmap_block},
	{"unreadable directory", "read-error", NULL, directory_block},
	{"unreadable pointers", "read-error", NULL, indirect_block},
	{"unreadable long name", "read-error", NULL, long_name_block},
};
const unsigned num_damage_of_volume = COUNT(damage_of_volume);
