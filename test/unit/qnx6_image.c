/* SPDX-License-Identifier: BSD-3-Clause */
#include "qnx6_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "suites.h"

qnx6_u16 image16(const struct image *image, uint16_t value)
{
	return qnx6_put16(image->order, value);
}

qnx6_u32 image32(const struct image *image, uint32_t value)
{
	return qnx6_put32(image->order, value);
}

qnx6_u64 image64(const struct image *image, uint64_t value)
{
	return qnx6_put64(image->order, value);
}

static uint32_t random_state = 1;

void image_srandom(uint32_t seed)
{
	random_state = seed * 2654435761u + 1;
}

/* Marsaglia's xorshift. */
uint32_t image_random(void)
{
	random_state = random_state ? random_state : 1;
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state >> 1;
}

struct image_kind image_kind(int number)
{
	return (struct image_kind){
		.order = number % 2 ? QNX6_BIG : QNX6_LITTLE,
		.block_size = 512u << (number / 2 % 7),
		.layout = (enum qnx6_layout)(number / 14),
	};
}

uint32_t image_block(struct image *image)
{
	must(image->next_block < image->num_blocks);
	memset(image_at(image, image->next_block), 0, image->block_size);
	return image->next_block++;
}

void *image_at(const struct image *image, uint32_t block)
{
	must(block < image->num_blocks);
	return image->bytes + image->data_offset + (size_t)block * image->block_size;
}

static void empty_root(const struct image *image, struct qnx6_root *root, uint64_t size)
{
	memset(root, 0, sizeof(*root));
	memset(root->ptr, 0xff, sizeof(root->ptr));
	root->size = image64(image, size);
	root->mode = 1;
}

/* By the fewest levels that hold it. */
static void make_table(struct image *image)
{
	uint32_t blocks =
		(image->num_inodes * (uint32_t)sizeof(struct qnx6_inode) + image->block_size - 1) /
		image->block_size;
	uint64_t room = QNX6_POINTERS;

	image->num_inodes = blocks * image->block_size / (uint32_t)sizeof(struct qnx6_inode);
	empty_root(image, &image->inodes, (uint64_t)blocks * image->block_size);
	for (; room < blocks; room *= image->block_size / sizeof(qnx6_u32))
		image->inodes.levels++;
	for (uint32_t i = 0; i < blocks; i++)
		image_map(image, image->inodes.ptr, image->inodes.levels, i, image_block(image));
}

static void place(struct image *image, const struct image_kind *kind)
{
	uint64_t start = kind->layout == QNX6_LAYOUT_BOOT ? QNX6_BOOT_AREA : 0;
	uint32_t size;

	image->order = kind->order;
	image->layout = kind->layout;
	image->block_size = size = kind->block_size ? kind->block_size : 1024;
	image->num_blocks = kind->num_blocks ? kind->num_blocks : 512;
	image->num_inodes = kind->num_inodes ? kind->num_inodes : IMAGE_INODES;
	image->data_offset = (start + QNX6_SUPER_AREA + size - 1) / size * size;
	image->super_offset[0] = start;
	image->super_offset[1] = image->data_offset + (uint64_t)image->num_blocks * size;
	image->size = image->super_offset[1] + QNX6_SUPER_AREA;
}

void image_make(struct image *image, struct image_kind kind)
{
	memset(image, 0, sizeof(*image));
	place(image, &kind);
	image->bytes = calloc(1, image->size);
	must(image->bytes);
	make_table(image);
	empty_root(image, &image->bitmap, (image->num_blocks + 7) / 8);
	empty_root(image, &image->long_names, 0);
	must(image_file(image, S_IFDIR | 0755, 0, 0) == QNX6_ROOT_INODE);
	image_name(image, QNX6_ROOT_INODE, ".", QNX6_ROOT_INODE);
	image_name(image, QNX6_ROOT_INODE, "..", QNX6_ROOT_INODE);
}

void image_free(struct image *image)
{
	free(image->bytes);
}

static unsigned pointer_bits(const struct image *image)
{
	return (unsigned)__builtin_ctz(image->block_size / (uint32_t)sizeof(qnx6_u32));
}

static uint32_t new_indirect(struct image *image)
{
	uint32_t block = image_block(image);

	memset(image_at(image, block), 0xff, image->block_size);
	return block;
}

void image_map(struct image *image, qnx6_u32 *ptr, unsigned levels, uint64_t index, uint32_t block)
{
	unsigned bits = pointer_bits(image);
	uint64_t slot = bits * levels < 64 ? index >> (bits * levels) : 0;

	must(slot < QNX6_POINTERS);
	while (levels--) {
		if (qnx6_get32(image->order, ptr[slot]) == QNX6_NO_BLOCK)
			ptr[slot] = image32(image, new_indirect(image));
		ptr = image_at(image, qnx6_get32(image->order, ptr[slot]));
		slot = (bits * levels < 64 ? index >> (bits * levels) : 0) & ((1u << bits) - 1);
	}
	ptr[slot] = image32(image, block);
}

/* QNX6_NO_BLOCK for a hole. */
static uint32_t find_block(const struct image *image, const qnx6_u32 *ptr, unsigned levels,
			   uint64_t index)
{
	unsigned bits = pointer_bits(image);
	uint32_t block = qnx6_get32(image->order, ptr[index >> (bits * levels)]);

	while (levels-- && block != QNX6_NO_BLOCK) {
		ptr = image_at(image, block);
		block = qnx6_get32(image->order,
				   ptr[index >> (bits * levels) & ((1u << bits) - 1)]);
	}
	return block;
}

struct qnx6_inode *image_inode(const struct image *image, uint32_t number)
{
	uint64_t offset = (number - 1) * sizeof(struct qnx6_inode);
	uint32_t block;

	must(number && number <= image->num_inodes);
	block = find_block(image, image->inodes.ptr, image->inodes.levels,
			   offset / image->block_size);
	return (struct qnx6_inode *)((uint8_t *)image_at(image, block) +
				     offset % image->block_size);
}

uint32_t image_file(struct image *image, uint16_t mode, uint64_t size, unsigned levels)
{
	uint32_t number = ++image->next_inode;
	struct qnx6_inode *inode = image_inode(image, number);

	inode->size = image64(image, size);
	inode->uid = image32(image, 100 + number);
	inode->gid = image32(image, 200 + number);
	inode->ftime = image32(image, 1);
	inode->mtime = image32(image, 2);
	inode->atime = image32(image, 3);
	inode->ctime = image32(image, 4);
	inode->mode = image16(image, mode);
	inode->links = image16(image, 1);
	memset(inode->ptr, 0xff, sizeof(inode->ptr));
	inode->levels = (uint8_t)levels;
	inode->status = QNX6_STATUS_LIVE;
	return number;
}

/* The part of one block. */
static size_t put_part(struct image *image, struct qnx6_inode *inode, uint64_t offset,
		       const void *data, size_t size)
{
	uint64_t index = offset / image->block_size;
	size_t skip = offset % image->block_size;
	uint32_t block = find_block(image, inode->ptr, inode->levels, index);

	if (block == QNX6_NO_BLOCK) {
		block = image_block(image);
		image_map(image, inode->ptr, inode->levels, index, block);
	}
	if (size > image->block_size - skip)
		size = image->block_size - skip;
	memcpy((uint8_t *)image_at(image, block) + skip, data, size);
	return size;
}

void image_put(struct image *image, uint32_t number, uint64_t offset, const void *data, size_t size)
{
	struct qnx6_inode *inode = image_inode(image, number);

	for (size_t at = 0; at < size;)
		at += put_part(image, inode, offset + at, (const uint8_t *)data + at, size - at);
}

void image_record(struct image *image, uint32_t dir, const void *record)
{
	struct qnx6_inode *inode = image_inode(image, dir);
	uint64_t size = qnx6_get64(image->order, inode->size);

	image_put(image, dir, size, record, sizeof(struct qnx6_entry));
	inode->size = image64(image, size + sizeof(struct qnx6_entry));
}

void image_name(struct image *image, uint32_t dir, const char *name, uint32_t number)
{
	struct qnx6_entry entry = {.inode = image32(image, number)};
	size_t length = strlen(name);

	if (length > QNX6_SHORT_NAME) {
		image_long_name(image, dir, name, length, number);
		return;
	}
	entry.length = (uint8_t)length;
	memcpy(entry.name, name, length);
	image_record(image, dir, &entry);
}

uint32_t image_long_name(struct image *image, uint32_t dir, const char *name, size_t length,
			 uint32_t number)
{
	struct qnx6_long_entry entry = {
		.inode = image32(image, number),
		.length = QNX6_LONG_MARK,
		.index = image32(image, image->next_long),
		.checksum = image32(image, qnx6_name_checksum(name, length)),
	};
	uint32_t block = image_block(image);
	struct qnx6_long_name *text = image_at(image, block);

	text->length = image16(image, (uint16_t)length);
	memcpy(text->name, name, length < QNX6_LONG_NAME ? length : QNX6_LONG_NAME);
	image_map(image, image->long_names.ptr, image->long_names.levels, image->next_long++,
		  block);
	image->long_names.size = image64(image, (uint64_t)image->next_long * image->block_size);
	image_record(image, dir, &entry);
	return block;
}

struct qnx6_super *image_super(const struct image *image, unsigned which)
{
	return (struct qnx6_super *)(image->bytes + image->super_offset[which]);
}

void image_sign(const struct image *image, unsigned which)
{
	struct qnx6_super *super = image_super(image, which);

	super->checksum = image32(image, qnx6_super_checksum(super));
}

static void write_super(struct image *image, unsigned which, uint64_t serial)
{
	*image_super(image, which) = (struct qnx6_super){
		.magic = image32(image, QNX6_MAGIC),
		.serial = image64(image, serial),
		.ctime = image32(image, 1000),
		.flags = image32(image, QNX6_FLAG_LONG_NAME_SUMS),
		.version_major = image16(image, QNX6_VERSION_MAJOR),
		.version_minor = image16(image, QNX6_VERSION_MINOR),
		.volume_id = "the volume's id",
		.block_size = image32(image, image->block_size),
		.num_inodes = image32(image, image->num_inodes),
		.free_inodes = image32(image, image->num_inodes - image->next_inode),
		.num_blocks = image32(image, image->num_blocks),
		.free_blocks = image32(image, image->num_blocks - image->next_block),
		.alloc_groups = image32(image, 1),
		.inodes = image->inodes,
		.bitmap = image->bitmap,
		.long_names = image->long_names,
	};
}

static void write_mmi_super(struct image *image, unsigned which, uint64_t serial)
{
	struct qnx6_mmi_super super = {
		.magic = image32(image, QNX6_MAGIC),
		.serial = image64(image, serial),
		.volume_id = "mmi id",
		.block_size = image32(image, image->block_size),
		.num_inodes = image32(image, image->num_inodes),
		.free_inodes = image32(image, image->num_inodes - image->next_inode),
		.num_blocks = image32(image, image->num_blocks),
		.free_blocks = image32(image, image->num_blocks - image->next_block),
		.inodes = image->inodes,
		.bitmap = image->bitmap,
		.long_names = image->long_names,
	};

	memcpy(image_super(image, which), &super, sizeof(super));
}

void image_seal(struct image *image, uint64_t serial0, uint64_t serial1)
{
	for (unsigned i = 0; i < 2; i++) {
		uint64_t serial = i ? serial1 : serial0;

		if (image->layout == QNX6_LAYOUT_MMI)
			write_mmi_super(image, i, serial);
		else
			write_super(image, i, serial);
		image_sign(image, i);
	}
}

static int read_piece(struct image_source *source, const struct qnx6_piece *piece)
{
	atomic_fetch_add(&source->pieces, 1);
	atomic_fetch_add(&source->bytes, piece->size);
	/* nobody may ask for what a source says that it does not have */
	must(piece->size && piece->offset < source->head.size &&
	     piece->size <= source->head.size - piece->offset);
	for (unsigned i = 0; i < IMAGE_FAULTS; i++) {
		if (piece->offset < source->faults[i].end &&
		    piece->offset + piece->size > source->faults[i].start)
			return -ENXIO; /* one that no caller of the reader is to get */
	}
	memcpy(piece->buffer, source->image->bytes + piece->offset, piece->size);
	return 0;
}

static int read_pieces(struct qnx6_source *head, const struct qnx6_piece *pieces, unsigned count)
{
	struct image_source *source = (struct image_source *)head;

	atomic_fetch_add(&source->calls, 1);
	must(count);
	for (unsigned i = 0; i < count; i++) {
		int error = read_piece(source, &pieces[i]);

		if (error)
			return error;
	}
	return 0;
}

void image_source(struct image_source *source, const struct image *image)
{
	static const struct qnx6_source_ops ops = {.read = read_pieces};

	memset(source, 0, sizeof(*source));
	source->head = (struct qnx6_source){.ops = &ops, .size = image->size};
	source->image = image;
}

void image_fault(struct image_source *source, unsigned which, uint32_t block)
{
	const struct image *image = source->image;

	source->faults[which].start = image->data_offset + (uint64_t)block * image->block_size;
	source->faults[which].end = source->faults[which].start + image->block_size;
}

static void take_warning(void *context, const char *text)
{
	struct image_source *source = context;

	must(strlen(text) > 10 && !strchr(text, '\n'));
	if (atomic_fetch_add(&source->warnings, 1) < 1000)
		strncpy(source->warning, text, sizeof(source->warning) - 1);
}

struct qnx6_volume *image_open(struct image_source *source, size_t cache_size)
{
	struct qnx6_open_options options = {
		.cache_size = cache_size, .warn = take_warning, .context = source};
	struct qnx6_volume *volume;
	char why[256] = "";

	ck_assert_msg(qnx6_open(&volume, &source->head, &options, why, sizeof(why)) == 0, "%s",
		      why);
	return volume;
}

const char *image_refused(struct image_source *source, int error)
{
	static char why[256];
	struct qnx6_volume *volume;

	memset(why, 0, sizeof(why));
	ck_assert_int_eq(qnx6_open(&volume, &source->head, NULL, why, sizeof(why)), error);
	must(strlen(why) > 10 && strlen(why) < sizeof(why) - 1 && !strchr(why, '\n'));
	return why;
}

struct qnx6_node image_node(struct qnx6_volume *volume, uint32_t number)
{
	struct qnx6_node node;

	ck_assert_int_eq(qnx6_node(volume, number, &node), 0);
	return node;
}
