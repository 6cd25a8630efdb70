/* SPDX-License-Identifier: BSD-3-Clause */
#include "super.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool qnx6_is_block_size(uint32_t size)
{
	return size >= QNX6_BLOCK_MIN && size <= QNX6_BLOCK_MAX && !(size & (size - 1));
}

static uint64_t round_up(uint64_t value, uint32_t block_size)
{
	return (value + block_size - 1) / block_size * block_size;
}

uint64_t qnx6_super1_offset(enum qnx6_layout layout)
{
	return layout == QNX6_LAYOUT_BOOT ? QNX6_SUPER1 : 0;
}

uint64_t qnx6_data_offset(enum qnx6_layout layout, uint32_t block_size)
{
	return round_up(qnx6_super1_offset(layout) + QNX6_SUPER_AREA, block_size);
}

uint64_t qnx6_super2_offset(const struct qnx6_super_view *view)
{
	return qnx6_data_offset(view->layout, view->block_size) +
	       (uint64_t)view->num_blocks * view->block_size;
}

bool qnx6_is_magic(const void *bytes, enum qnx6_order *order)
{
	qnx6_u32 magic;

	memcpy(&magic, bytes, sizeof(magic));
	*order = qnx6_get32(QNX6_BIG, magic) == QNX6_MAGIC ? QNX6_BIG : QNX6_LITTLE;
	return qnx6_get32(*order, magic) == QNX6_MAGIC;
}

static struct qnx6_tree tree_of(enum qnx6_order order, const struct qnx6_root *root)
{
	struct qnx6_tree tree = {.size = qnx6_get64(order, root->size), .levels = root->levels};

	for (unsigned i = 0; i < QNX6_POINTERS; i++)
		tree.ptr[i] = qnx6_get32(order, root->ptr[i]);
	return tree;
}

static void decode(struct qnx6_super_view *view, const struct qnx6_super *super)
{
	enum qnx6_order order = view->order;

	view->serial = qnx6_get64(order, super->serial);
	view->block_size = qnx6_get32(order, super->block_size);
	view->num_blocks = qnx6_get32(order, super->num_blocks);
	view->free_blocks = qnx6_get32(order, super->free_blocks);
	view->num_inodes = qnx6_get32(order, super->num_inodes);
	view->free_inodes = qnx6_get32(order, super->free_inodes);
	view->flags = qnx6_get32(order, super->flags);
	view->alloc_groups = qnx6_get32(order, super->alloc_groups);
	view->time = qnx6_get32(order, super->ctime);
	view->version_major = qnx6_get16(order, super->version_major);
	view->version_minor = qnx6_get16(order, super->version_minor);
	memcpy(view->volume_id, super->volume_id, sizeof(super->volume_id));
	view->inodes = tree_of(order, &super->inodes);
	view->bitmap = tree_of(order, &super->bitmap);
	view->long_names = tree_of(order, &super->long_names);
	view->unused[0] = qnx6_get64(order, super->unused4.size);
	view->unused[1] = qnx6_get64(order, super->unused5.size);
}

static void decode_mmi(struct qnx6_super_view *view, const struct qnx6_mmi_super *super)
{
	enum qnx6_order order = view->order;

	view->serial = qnx6_get64(order, super->serial);
	view->block_size = qnx6_get32(order, super->block_size);
	view->num_blocks = qnx6_get32(order, super->num_blocks);
	view->free_blocks = qnx6_get32(order, super->free_blocks);
	view->num_inodes = qnx6_get32(order, super->num_inodes);
	view->free_inodes = qnx6_get32(order, super->free_inodes);
	memcpy(view->volume_id, super->volume_id, sizeof(super->volume_id));
	view->inodes = tree_of(order, &super->inodes);
	view->bitmap = tree_of(order, &super->bitmap);
	view->long_names = tree_of(order, &super->long_names);
	view->unused[0] = qnx6_get64(order, super->unused4.size);
}

/* Where the sentence goes that tells what is wrong, and with which super block. */
struct complaint {
	char *why;
	size_t size;
	uint64_t offset;
};

static enum qnx6_verdict complain(const struct complaint *to, enum qnx6_verdict verdict,
				  const char *format, ...) __attribute__((format(printf, 3, 4)));

static enum qnx6_verdict complain(const struct complaint *to, enum qnx6_verdict verdict,
				  const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(to->why, to->size, "the super block at byte %llu %s",
		 (unsigned long long)to->offset, text);
	return verdict;
}

static enum qnx6_verdict judge_geometry(const struct qnx6_super_view *view, uint64_t source_size,
					const struct complaint *to)
{
	if (!qnx6_is_block_size(view->block_size))
		return complain(to, QNX6_NO_GEOMETRY,
				"says blocks of %u bytes; expected is a power of two from %u to %u",
				view->block_size, QNX6_BLOCK_MIN, QNX6_BLOCK_MAX);
	if (!view->num_blocks)
		return complain(to, QNX6_NO_GEOMETRY, "says that the volume has no blocks");
	if (qnx6_super2_offset(view) > source_size)
		return complain(to, QNX6_SENSELESS,
				"says that the volume has %llu bytes before its other super block, "
				"but only %llu are there; take all of the image or partition",
				(unsigned long long)qnx6_super2_offset(view),
				(unsigned long long)source_size);
	return QNX6_VALID;
}

static enum qnx6_verdict judge_tree(const struct qnx6_super_view *view,
				    const struct qnx6_tree *tree, const char *name,
				    const struct complaint *to)
{
	uint64_t most = (uint64_t)view->num_blocks * view->block_size;

	if (tree->levels > QNX6_MAX_LEVELS)
		return complain(to, QNX6_SENSELESS,
				"says %u levels of indirect blocks for the %s; %d are the most",
				tree->levels, name, QNX6_MAX_LEVELS);
	if (tree->size > most)
		return complain(to, QNX6_SENSELESS,
				"says %llu bytes for the %s; all of the volume has %llu",
				(unsigned long long)tree->size, name, (unsigned long long)most);
	return QNX6_VALID;
}

static enum qnx6_verdict judge(const struct qnx6_super_view *view, uint64_t source_size,
			       const struct complaint *to)
{
	enum qnx6_verdict verdict = judge_geometry(view, source_size, to);

	if (verdict == QNX6_VALID)
		verdict = judge_tree(view, &view->inodes, "inode table", to);
	if (verdict == QNX6_VALID)
		verdict = judge_tree(view, &view->bitmap, "bitmap", to);
	if (verdict == QNX6_VALID)
		verdict = judge_tree(view, &view->long_names, "long names", to);
	if (verdict == QNX6_VALID && view->inodes.size < sizeof(struct qnx6_inode))
		verdict = complain(to, QNX6_SENSELESS, "says that the inode table is empty");
	return verdict;
}

static enum qnx6_verdict judge_sum(const struct qnx6_super_view *view,
				   const struct qnx6_super *super, const struct complaint *to)
{
	uint32_t expected = qnx6_super_checksum(super);
	uint32_t found = qnx6_get32(view->order, super->checksum);

	if (found == expected)
		return QNX6_VALID;
	return complain(to, QNX6_WRONG_SUM,
			"is damaged: expected is the checksum 0x%08x, found 0x%08x; when the other "
			"one is lost too, the volume has to come from a backup",
			expected, found);
}

static void decode_as(struct qnx6_super_view *view, const struct qnx6_super *super)
{
	struct qnx6_mmi_super mmi;

	if (view->layout != QNX6_LAYOUT_MMI) {
		decode(view, super);
		return;
	}
	memcpy(&mmi, super, sizeof(mmi));
	decode_mmi(view, &mmi);
}

enum qnx6_verdict qnx6_super_read(struct qnx6_source *source, uint64_t offset,
				  enum qnx6_layout layout, struct qnx6_super_view *view, char *why,
				  size_t why_size)
{
	const struct complaint to = {why, why_size, offset};
	struct qnx6_super super = {0};
	enum qnx6_verdict verdict;

	*view = (struct qnx6_super_view){.layout = layout, .offset = offset};
	if (offset > source->size || source->size - offset < sizeof(super))
		return complain(&to, QNX6_NO_MAGIC, "is behind the end, %llu",
				(unsigned long long)source->size);
	if (qnx6_source_read(source, offset, &super, sizeof(super)))
		return complain(&to, QNX6_UNREADABLE, "cannot be read");
	if (!qnx6_is_magic(&super.magic, &view->order))
		return complain(&to, QNX6_NO_MAGIC,
				"is none: expected is the magic 0x%08x, found 0x%08x", QNX6_MAGIC,
				qnx6_get32(QNX6_LITTLE, super.magic));
	decode_as(view, &super);
	verdict = judge_sum(view, &super, &to);
	return verdict == QNX6_VALID ? judge(view, source->size, &to) : verdict;
}
