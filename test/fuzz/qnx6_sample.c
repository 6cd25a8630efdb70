/* SPDX-License-Identifier: BSD-3-Clause */
#include "qnx6_sample.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TIME       1700000000u
#define INODES_MIN 32u

/* The volume's own files: so many blocks, and as many again for the other super block. */
static uint32_t table_blocks(const struct sample *sample)
{
	return sample->num_inodes * (uint32_t)sizeof(struct qnx6_inode) / sample->block_size;
}

static uint32_t long_names_block(const struct sample *sample)
{
	return (1 + table_blocks(sample)) * 2;
}

void *sample_block(const struct sample *sample, uint32_t block)
{
	return sample->bytes + sample->data_offset + (size_t)block * sample->block_size;
}

struct qnx6_inode *sample_inode(const struct sample *sample, uint32_t number)
{
	return (struct qnx6_inode *)sample_block(sample, 1) + (number - 1);
}

uint32_t sample_pointer(const struct sample *sample, uint32_t number, unsigned i)
{
	return qnx6_get32(sample->order, sample_inode(sample, number)->ptr[i]);
}

struct qnx6_entry *sample_entry(const struct sample *sample, uint32_t dir, unsigned record)
{
	return (struct qnx6_entry *)sample_block(sample, sample_pointer(sample, dir, 0)) + record;
}

struct qnx6_long_name *sample_long(const struct sample *sample, unsigned index)
{
	return sample_block(sample, long_names_block(sample) + index);
}

uint8_t *sample_bitmap(const struct sample *sample)
{
	return sample_block(sample, 0);
}

void *sample_super(const struct sample *sample, unsigned which)
{
	size_t first = sample->layout == QNX6_LAYOUT_BOOT ? QNX6_SUPER1 : 0;

	return which ? sample_block(sample, SAMPLE_BLOCKS) : sample->bytes + first;
}

void sample_sign(const struct sample *sample, unsigned which)
{
	struct qnx6_super *super = sample_super(sample, which);

	super->checksum = qnx6_put32(sample->order, qnx6_super_checksum(super));
}

static void clear_pointers(qnx6_u32 ptr[QNX6_POINTERS])
{
	for (unsigned i = 0; i < QNX6_POINTERS; i++)
		ptr[i] = qnx6_put32(QNX6_LITTLE, QNX6_NO_BLOCK);
}

static void put_inode(const struct sample *sample, uint32_t number, uint16_t mode, uint64_t size,
		      uint16_t links)
{
	enum qnx6_order order = sample->order;
	struct qnx6_inode *inode = sample_inode(sample, number);

	*inode = (struct qnx6_inode){
		.size = qnx6_put64(order, size),
		.ftime = qnx6_put32(order, TIME),
		.mtime = qnx6_put32(order, TIME),
		.atime = qnx6_put32(order, TIME),
		.ctime = qnx6_put32(order, TIME),
		.mode = qnx6_put16(order, mode),
		.links = qnx6_put16(order, links),
		.status = number <= SAMPLE_BOOT ? QNX6_STATUS_OF_MKFS : QNX6_STATUS_LIVE,
	};
	clear_pointers(inode->ptr);
}

/* A block with a pattern of its own. */
static uint32_t new_block(struct sample *sample)
{
	uint32_t block = sample->next_block++;

	memset(sample_block(sample, block), (int)('A' + block % 26), sample->block_size);
	return block;
}

static void put_blocks(struct sample *sample, uint32_t number, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		sample_inode(sample, number)->ptr[i] = qnx6_put32(sample->order, new_block(sample));
}

static void put_entry(const struct sample *sample, uint32_t dir, unsigned record, const char *name,
		      uint32_t number)
{
	struct qnx6_entry *entry = sample_entry(sample, dir, record);

	entry->inode = qnx6_put32(sample->order, number);
	entry->length = (uint8_t)strlen(name);
	memcpy(entry->name, name, entry->length);
}

static void put_long_entry(const struct sample *sample, uint32_t dir, unsigned record,
			   unsigned index, uint32_t number)
{
	struct qnx6_long_name *name = sample_long(sample, index);
	struct qnx6_long_entry entry = {
		.inode = qnx6_put32(sample->order, number),
		.length = QNX6_LONG_MARK,
		.index = qnx6_put32(sample->order, index),
	};

	name->length = qnx6_put16(sample->order, SAMPLE_LONG);
	memset(name->name, (int)('a' + index), SAMPLE_LONG);
	entry.checksum = qnx6_put32(sample->order, qnx6_name_checksum(name->name, SAMPLE_LONG));
	memcpy(sample_entry(sample, dir, record), &entry, sizeof(entry));
}

static void put_directory(struct sample *sample, uint32_t number, uint32_t parent, uint16_t links)
{
	put_inode(sample, number, S_IFDIR | 0755, sample->block_size, links);
	put_blocks(sample, number, 1);
	memset(sample_entry(sample, number, 0), 0, sample->block_size);
	put_entry(sample, number, 0, ".", number);
	put_entry(sample, number, 1, "..", parent);
}

static void put_directories(struct sample *sample)
{
	put_directory(sample, SAMPLE_ROOT, SAMPLE_ROOT, 4);
	put_directory(sample, SAMPLE_BOOT, SAMPLE_ROOT, 2);
	put_directory(sample, SAMPLE_DIR, SAMPLE_ROOT, 3);
	put_directory(sample, SAMPLE_SUB, SAMPLE_DIR, 2);
}

static void put_names(const struct sample *sample)
{
	put_entry(sample, SAMPLE_ROOT, SAMPLE_RECORD_BOOT, ".boot", SAMPLE_BOOT);
	put_entry(sample, SAMPLE_ROOT, SAMPLE_RECORD_FILE, "file", SAMPLE_FILE);
	put_entry(sample, SAMPLE_ROOT, SAMPLE_RECORD_SPARSE, "sparse", SAMPLE_SPARSE);
	put_entry(sample, SAMPLE_ROOT, SAMPLE_RECORD_LINK, "link", SAMPLE_LINK);
	put_entry(sample, SAMPLE_ROOT, SAMPLE_RECORD_DIR, "dir", SAMPLE_DIR);
	put_entry(sample, SAMPLE_ROOT, SAMPLE_RECORD_LINKED, "linked", SAMPLE_HARD);
	put_entry(sample, SAMPLE_ROOT, SAMPLE_RECORD_FIFO, "fifo", SAMPLE_FIFO);
	put_long_entry(sample, SAMPLE_ROOT, SAMPLE_RECORD_LONG2, 1, SAMPLE_LONG2);
	put_entry(sample, SAMPLE_DIR, 2, "hard", SAMPLE_HARD);
	put_entry(sample, SAMPLE_DIR, 3, "sub", SAMPLE_SUB);
	put_long_entry(sample, SAMPLE_DIR, 4, 0, SAMPLE_LONG1);
}

static void put_sparse(struct sample *sample)
{
	uint32_t indirect, size = sample->block_size;
	qnx6_u32 *pointers;

	put_inode(sample, SAMPLE_SPARSE, S_IFREG | 0644, (uint64_t)size * 5 - 100, 1);
	put_blocks(sample, SAMPLE_SPARSE, 1);
	indirect = sample_pointer(sample, SAMPLE_SPARSE, 0);
	sample_inode(sample, SAMPLE_SPARSE)->levels = 1;
	pointers = sample_block(sample, indirect);
	memset(pointers, 0xff, size);
	pointers[0] = qnx6_put32(sample->order, new_block(sample));
	pointers[4] = qnx6_put32(sample->order, new_block(sample));
}

static void put_files(struct sample *sample)
{
	uint32_t size = sample->block_size;

	put_inode(sample, SAMPLE_FILE, S_IFREG | 0644, (uint64_t)size * 2 + 1, 1);
	put_blocks(sample, SAMPLE_FILE, 3);
	put_sparse(sample);
	put_inode(sample, SAMPLE_LINK, S_IFLNK | 0777, 4, 1);
	put_blocks(sample, SAMPLE_LINK, 1);
	memcpy(sample_block(sample, sample_pointer(sample, SAMPLE_LINK, 0)), "file", 4);
	put_inode(sample, SAMPLE_HARD, S_IFREG | 0600, size, 2);
	put_blocks(sample, SAMPLE_HARD, 1);
	put_inode(sample, SAMPLE_FIFO, S_IFIFO | 0600, 0, 1);
	put_inode(sample, SAMPLE_LONG1, S_IFREG | 0644, 1, 1);
	put_blocks(sample, SAMPLE_LONG1, 1);
	put_inode(sample, SAMPLE_LONG2, S_IFREG | 0644, 0, 1);
}

static void put_root(const struct sample *sample, struct qnx6_root *root, uint64_t size,
		     uint32_t first, uint32_t count)
{
	root->size = qnx6_put64(sample->order, size);
	root->mode = 1;
	clear_pointers(root->ptr);
	for (uint32_t i = 0; i < count; i++)
		root->ptr[i] = qnx6_put32(sample->order, first + i);
}

static void put_roots(const struct sample *sample, struct qnx6_root *roots)
{
	put_root(sample, &roots[0], sample->num_inodes * sizeof(struct qnx6_inode), 1,
		 table_blocks(sample));
	put_root(sample, &roots[1], SAMPLE_BLOCKS / 8, 0, 1);
	put_root(sample, &roots[2], 2ull * sample->block_size, long_names_block(sample), 2);
	put_root(sample, &roots[3], 0, 0, 0);
}

static void put_super(const struct sample *sample, struct qnx6_super *super)
{
	enum qnx6_order order = sample->order;

	super->flags = qnx6_put32(order, QNX6_FLAG_LONG_NAME_SUMS);
	super->version_major = qnx6_put16(order, QNX6_VERSION_MAJOR);
	super->version_minor = qnx6_put16(order, QNX6_VERSION_MINOR);
	super->block_size = qnx6_put32(order, sample->block_size);
	super->num_inodes = qnx6_put32(order, sample->num_inodes);
	super->free_inodes = qnx6_put32(order, sample->num_inodes - (SAMPLE_FREE - 1));
	super->num_blocks = qnx6_put32(order, SAMPLE_BLOCKS);
	super->free_blocks = qnx6_put32(order, SAMPLE_BLOCKS - sample->next_block);
	super->alloc_groups = qnx6_put32(order, 1);
	put_roots(sample, &super->inodes);
}

static void put_mmi_super(const struct sample *sample, struct qnx6_mmi_super *super)
{
	enum qnx6_order order = sample->order;

	super->block_size = qnx6_put32(order, sample->block_size);
	super->num_inodes = qnx6_put32(order, sample->num_inodes);
	super->free_inodes = qnx6_put32(order, sample->num_inodes - (SAMPLE_FREE - 1));
	super->num_blocks = qnx6_put32(order, SAMPLE_BLOCKS);
	super->free_blocks = qnx6_put32(order, SAMPLE_BLOCKS - sample->next_block);
	put_roots(sample, &super->inodes);
}

static void put_supers(const struct sample *sample)
{
	for (unsigned which = 0; which < 2; which++) {
		struct qnx6_super *super = sample_super(sample, which);

		super->magic = qnx6_put32(sample->order, QNX6_MAGIC);
		super->serial = qnx6_put64(sample->order, 8 - which);
		if (sample->layout == QNX6_LAYOUT_MMI)
			put_mmi_super(sample, (struct qnx6_mmi_super *)super);
		else
			put_super(sample, super);
		sample_sign(sample, which);
	}
}

/* As in volumes that QNX made: it jumps over itself, and knows the super blocks by sector. */
static void put_boot_block(const struct sample *sample)
{
	static const uint8_t jump[] = {0xeb, 0x10, 0x90, 0x00};
	uint64_t super2 = sample->data_offset + (uint64_t)SAMPLE_BLOCKS * sample->block_size;
	const qnx6_u32 words[] = {
		qnx6_put32(QNX6_LITTLE, 0),
		qnx6_put32(QNX6_LITTLE, QNX6_SUPER1 / 512),
		qnx6_put32(QNX6_LITTLE, (uint32_t)(super2 / 512)),
	};

	memcpy(sample->bytes, jump, sizeof(jump));
	memcpy(sample->bytes + sizeof(jump), words, sizeof(words));
}

static void put_bitmap(const struct sample *sample)
{
	uint8_t *bitmap = sample_bitmap(sample);

	memset(bitmap, 0xff, sample->block_size);
	for (uint32_t block = sample->next_block; block < SAMPLE_BLOCKS; block++)
		bitmap[block / 8] = (uint8_t)(bitmap[block / 8] & ~(1u << block % 8));
}

static size_t round_up(size_t value, size_t unit)
{
	return (value + unit - 1) / unit * unit;
}

void sample_make(struct sample *sample, enum qnx6_order order, enum qnx6_layout layout,
		 uint32_t block_size)
{
	size_t boot = layout == QNX6_LAYOUT_BOOT ? QNX6_BOOT_AREA : 0;
	uint32_t per_block = block_size / (uint32_t)sizeof(struct qnx6_inode);
	size_t data = round_up(boot + QNX6_SUPER_AREA, block_size);

	*sample = (struct sample){
		.order = order,
		.layout = layout,
		.block_size = block_size,
		.num_inodes = per_block < INODES_MIN ? INODES_MIN : per_block,
		.data_offset = data,
		.size = data + (size_t)SAMPLE_BLOCKS * block_size +
			round_up(QNX6_SUPER_AREA, block_size),
	};
	sample->bytes = calloc(1, sample->size);
	if (!sample->bytes)
		abort();
	sample->next_block = long_names_block(sample) + 2;
	put_directories(sample);
	put_files(sample);
	put_names(sample);
	put_bitmap(sample);
	put_supers(sample);
	if (layout == QNX6_LAYOUT_BOOT)
		put_boot_block(sample);
}

void sample_free(struct sample *sample)
{
	free(sample->bytes);
}
