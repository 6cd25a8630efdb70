/* SPDX-License-Identifier: BSD-3-Clause */
/* Prelude: both super blocks. The reader has chosen one; here is said what is wrong with them. */
#include <string.h>

#include "internal.h"

/* Seen in volumes that QNX wrote: 1 is set by commits under sync=optional. */
#define FLAGS_KNOWN (QNX6_FLAG_LONG_NAME_SUMS | 1u)

static struct place place_of(const struct check *check, unsigned which)
{
	return (struct place){0, QNX6_NO_BLOCK, check->info->super_offset[which]};
}

/* What the reader has against this one. */
static void explain(struct check *check, unsigned which, enum qnx6_verdict verdict, const char *why)
{
	static const enum kind kinds[] = {
		[QNX6_UNREADABLE] = READ_ERROR,   [QNX6_NO_MAGIC] = SUPER_MAGIC,
		[QNX6_WRONG_SUM] = SUPER_SUM,     [QNX6_NO_GEOMETRY] = SUPER_NUMBERS,
		[QNX6_SENSELESS] = SUPER_NUMBERS, [QNX6_VALID] = SUPER_DIFFER,
	};
	const struct place place = place_of(check, which);

	if (verdict == QNX6_VALID)
		why = "is that of another volume";
	chk_found(check, kinds[verdict], &place, "super block %u: %s", which + 1, why);
}

static bool has_any(const void *data, size_t size)
{
	const uint8_t *bytes = data;

	while (size--)
		if (*bytes++)
			return true;
	return false;
}

static void check_version(struct check *check, const struct place *place)
{
	const struct qnx6_info *info = check->info;

	if (info->version_major != QNX6_VERSION_MAJOR || info->version_minor != QNX6_VERSION_MINOR)
		chk_found(check, SUPER_VERSION, place,
			  "the volume is of version %u.%u, expected %u.%u", info->version_major,
			  info->version_minor, QNX6_VERSION_MAJOR, QNX6_VERSION_MINOR);
	if (info->flags & ~FLAGS_KNOWN)
		chk_found(check, SUPER_FLAGS, place,
			  "the volume has flags 0x%x, of which 0x%x are not known", info->flags,
			  info->flags & ~FLAGS_KNOWN);
}

static struct qnx6_tree tree_of(enum qnx6_order order, const struct qnx6_root *root)
{
	struct qnx6_tree tree = {.size = qnx6_get64(order, root->size), .levels = root->levels};

	for (unsigned i = 0; i < QNX6_POINTERS; i++)
		tree.ptr[i] = qnx6_get32(order, root->ptr[i]);
	return tree;
}

/* Two trees that no volume seen so far had: their blocks are in use all the same. */
static void take_unused(struct check *check, const struct place *place,
			const struct qnx6_super *super)
{
	check->unused4 = tree_of(check->info->order, &super->unused4);
	check->unused5 = tree_of(check->info->order, &super->unused5);
	if (check->unused4.size || check->unused5.size)
		chk_found(check, SUPER_TREES, place,
			  "the volume uses trees that are not understood, of %ju and %ju bytes",
			  (uintmax_t)check->unused4.size, (uintmax_t)check->unused5.size);
	if (has_any(super->spare, sizeof(super->spare)))
		chk_found(check, SUPER_SPARE, place,
			  "the super block has bytes set that no known version uses");
}

static void check_sizes(struct check *check, const struct place *place)
{
	const struct qnx6_super_view *super = check->super;
	uint64_t table = (uint64_t)super->num_inodes * sizeof(struct qnx6_inode);
	uint64_t bitmap = ((uint64_t)super->num_blocks + 7) / 8;

	if (super->inodes.size != table)
		chk_found(check, ROOT_SIZE, place,
			  "the inode table is %ju bytes long, but %u inodes take %ju",
			  (uintmax_t)super->inodes.size, super->num_inodes, (uintmax_t)table);
	if (super->bitmap.size != bitmap)
		chk_found(check, ROOT_SIZE, place,
			  "the bitmap is %ju bytes long, but %u blocks take %ju",
			  (uintmax_t)super->bitmap.size, super->num_blocks, (uintmax_t)bitmap);
}

/* What the reader's view has not. */
static bool check_raw(struct check *check, const struct place *place)
{
	struct qnx6_super raw;
	int error = qnx6_source_read(check->source, place->offset, &raw, sizeof(raw));

	if (error)
		chk_found(check, READ_ERROR, place, "super block %u cannot be read: %s",
			  check->info->active, strerror(-error));
	else
		take_unused(check, place, &raw);
	return !error;
}

static bool check_active(struct check *check)
{
	const struct place place = place_of(check, check->info->active - 1);

	check_sizes(check, &place);
	if (check->info->layout == QNX6_LAYOUT_MMI)
		return true;
	check_version(check, &place);
	return check_raw(check, &place);
}

static void compare(struct check *check, const struct qnx6_super_view *a,
		    const struct qnx6_super_view *b)
{
	const struct place place = place_of(check, 1);

	if (a->block_size != b->block_size || a->num_blocks != b->num_blocks ||
	    a->num_inodes != b->num_inodes)
		chk_found(
			check, SUPER_DIFFER, &place,
			"super block 1 has %u blocks of %u bytes and %u inodes, but super block 2 "
			"has %u blocks of %u bytes and %u inodes",
			a->num_blocks, a->block_size, a->num_inodes, b->num_blocks, b->block_size,
			b->num_inodes);
	if (a->serial == b->serial)
		chk_found(
			check, SUPER_SERIAL, &place,
			"both super blocks have serial %ju: which is the newer one is not certain",
			(uintmax_t)a->serial);
	if (memcmp(a->volume_id, b->volume_id, sizeof(a->volume_id)))
		chk_found(check, SUPER_ID, &place, "the super blocks have different volume ids");
}

static bool check_both(struct check *check)
{
	const struct qnx6_info *info = check->info;
	enum qnx6_verdict verdict[2];
	char why[PATH_TEXT];

	for (unsigned which = 0; which < 2; which++) {
		verdict[which] =
			qnx6_super_read(check->source, info->super_offset[which], info->layout,
					&check->supers[which], why, sizeof(why));
		if (verdict[which] != QNX6_VALID || !info->is_valid[which])
			explain(check, which, verdict[which], why);
	}
	check->super = &check->supers[info->active - 1];
	if (verdict[info->active - 1] != QNX6_VALID || !check_active(check))
		return false;
	if (verdict[0] == verdict[1] && info->is_valid[0] && info->is_valid[1]) {
		compare(check, &check->supers[0], &check->supers[1]);
		return true;
	}
	if (!check->options->takes_one_super)
		chk_note(check, "Super block %u alone can be used: -p checks by it.", info->active);
	return check->options->takes_one_super;
}

bool chk_supers(struct check *check)
{
	static const char *const layouts[] = {
		[QNX6_LAYOUT_BOOT] = "with boot area",
		[QNX6_LAYOUT_NO_BOOT] = "without boot area",
		[QNX6_LAYOUT_MMI] = "of an MMI unit",
	};
	const struct qnx6_info *info = check->info;

	chk_note(check,
		 "%s-endian volume %s: %u blocks of %u bytes, %u inodes; super block %u counts, of "
		 "serial %ju",
		 info->order == QNX6_BIG ? "Big" : "Little", layouts[info->layout],
		 info->num_blocks, info->block_size, info->num_inodes, info->active,
		 (uintmax_t)info->serial[info->active - 1]);
	return check_both(check);
}
