/* SPDX-License-Identifier: BSD-3-Clause */
/* Which super block counts, and what is refused. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qnx6_image.h"
#include "suites.h"

static struct image image;
static struct image_source source;

static void begin(struct image_kind kind, uint64_t serial0, uint64_t serial1)
{
	image_make(&image, kind);
	image_seal(&image, serial0, serial1);
	image_source(&source, &image);
}

static void end(void)
{
	image_free(&image);
}

/* Opens it: the active one is @active, 1 or 2, the valid ones are the bits of @valid. */
static void expect(unsigned active, unsigned valid)
{
	struct qnx6_volume *volume = image_open(&source, 0);
	const struct qnx6_info *info = qnx6_info(volume);
	uint32_t number;
	struct qnx6_node root = image_node(volume, QNX6_ROOT_INODE);

	must(info->active == active);
	must(info->is_valid[0] == !!(valid & 1) && info->is_valid[1] == !!(valid & 2));
	/* from 16 KiB on the boot area fits in front of the first block, whether or not it is there
	 */
	if (info->is_valid[0] || image.block_size <= 8192) {
		must(info->layout == image.layout);
		must(info->super_offset[0] == image.super_offset[0]);
	}
	must(info->order == image.order && info->block_size == image.block_size &&
	     info->num_blocks == image.num_blocks);
	must(info->data_offset == image.data_offset);
	must(info->super_offset[1] == image.super_offset[1]);
	must(qnx6_lookup(volume, &root, "..", &number) == 0 && number == QNX6_ROOT_INODE);
	must(source.warnings == (valid == 3 ? 0 : 1));
	qnx6_close(volume);
}

static void tear(unsigned which)
{
	image.bytes[image.super_offset[which] + 300] ^= 1;
}

static void destroy(unsigned which)
{
	memset(image.bytes + image.super_offset[which], 0, QNX6_SUPER_AREA);
}

START_TEST(test_info)
{
	struct qnx6_volume *volume;
	const struct qnx6_info *info;
	bool is_mmi;

	begin(image_kind(_i), 7, 9);
	volume = image_open(&source, 0);
	info = qnx6_info(volume);
	is_mmi = info->layout == QNX6_LAYOUT_MMI;
	must(info->serial[0] == 7 && info->serial[1] == 9);
	must(info->num_inodes == image.num_inodes);
	must(info->free_inodes == image.num_inodes - 1);
	must(info->free_blocks == image.num_blocks - image.next_block);
	must(info->flags == (is_mmi ? 0 : QNX6_FLAG_LONG_NAME_SUMS));
	must(info->time == (is_mmi ? 0 : 1000));
	must(info->version_major == (is_mmi ? 0 : 4) && info->version_minor == (is_mmi ? 0 : 3));
	ck_assert_str_eq((const char *)info->volume_id, is_mmi ? "mmi id" : "the volume's id");
	must(info->inodes.size == (uint64_t)image.num_inodes * sizeof(struct qnx6_inode));
	must(info->inodes.ptr[0] == 0 && info->inodes.levels == 0);
	must(info->bitmap.ptr[QNX6_POINTERS - 1] == QNX6_NO_BLOCK && info->bitmap.size == 64);
	must(info->long_names.size == 0);
	qnx6_close(volume);
	end();
}
END_TEST

START_TEST(test_newer_counts)
{
	static const struct {
		uint64_t serial[2];
		unsigned active;
	} cases[] = {{{1, 2}, 2}, {{3, 2}, 1},          {{5, 5}, 1},
		     {{0, 0}, 1}, {{1, UINT64_MAX}, 2}, {{UINT64_MAX, 1}, 1}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(image_kind(_i), cases[i].serial[0], cases[i].serial[1]);
		expect(cases[i].active, 3);
		end();
	}
}
END_TEST

START_TEST(test_one_is_enough)
{
	void (*const damage[])(unsigned) = {tear, destroy};

	for (unsigned i = 0; i < 4; i++) {
		unsigned which = i % 2;

		begin(image_kind(_i), which ? 1 : 9, 5); /* also when it is the newer one */
		/* large blocks are refused then: test_large_blocks */
		if (which && i >= 2 && image.block_size > QNX6_SUPER_AREA) {
			end();
			continue;
		}
		damage[i / 2](which);
		expect(which ? 1 : 2, which ? 1 : 2);
		end();
	}
}
END_TEST

START_TEST(test_both_torn)
{
	begin(image_kind(_i), 1, 2);
	tear(0);
	tear(1);
	must(strstr(image_refused(&source, -EINVAL), "expected is the checksum 0x"));
	destroy(0);
	destroy(1);
	must(strstr(image_refused(&source, -EINVAL), "no QNX6 volume"));
	end();
}
END_TEST

/* More behind super block 2 than a search at the end goes through. */
static void add_slack(size_t size)
{
	image.bytes = realloc(image.bytes, image.size + size);
	memset(image.bytes + image.size, 0xee, size);
	image.size += size;
	image_source(&source, &image);
}

START_TEST(test_boot_block_knows)
{
	static const uint32_t units[] = {512, 1024, 4096};
	uint32_t unit = units[_i];
	qnx6_u32 words[3];

	begin((struct image_kind){.block_size = 1024}, 1, 2);
	add_slack((size_t)5 << 20);
	destroy(0);
	must(strstr(image_refused(&source, -EINVAL), "no QNX6 volume"));
	words[0] = qnx6_put32(QNX6_LITTLE, 0);
	words[1] = qnx6_put32(QNX6_LITTLE, QNX6_SUPER1 / unit);
	words[2] = qnx6_put32(QNX6_LITTLE, (uint32_t)(image.super_offset[1] / unit));
	memcpy(image.bytes + 4, words, sizeof(words));
	expect(2, 2);
	end();
}
END_TEST

/* Torn between two commits it still tells how large the volume is. */
START_TEST(test_torn_one_knows)
{
	begin((struct image_kind){.block_size = 1024}, 1, 2);
	add_slack((size_t)5 << 20);
	tear(0);
	expect(2, 2);
	end();
}
END_TEST

/* With an end that is at no block. */
START_TEST(test_found_at_end)
{
	begin((struct image_kind){.block_size = 512, .num_blocks = 301}, 1, 2);
	destroy(0);
	expect(2, 2);
	add_slack(((size_t)1 << 20) + 77);
	expect(2, 2);
	end();
}
END_TEST

/* It counts only where its own numbers say that it is. */
START_TEST(test_strayed)
{
	begin((struct image_kind){.block_size = 1024}, 1, 2);
	destroy(0);
	memmove(image.bytes + image.super_offset[1] - 1024, image_super(&image, 1), 512);
	destroy(1);
	image_refused(&source, -EINVAL);
	end();
}
END_TEST

START_TEST(test_pair_of_two_kinds)
{
	struct image other;

	begin((struct image_kind){.order = QNX6_LITTLE}, 1, 2);
	image_make(&other, (struct image_kind){.order = QNX6_BIG});
	image_seal(&other, 1, 2);
	memcpy(image_super(&image, 1), image_super(&other, 1), sizeof(struct qnx6_super));
	expect(1, 1);
	image_free(&other);
	end();
}
END_TEST

/* A file's contents look like a super block, in a volume without boot area. */
START_TEST(test_junk_where_boot_layout_has_it)
{
	begin((struct image_kind){.layout = QNX6_LAYOUT_NO_BOOT}, 1, 2);
	memcpy(image.bytes + QNX6_SUPER1, image_super(&image, 0), sizeof(struct qnx6_super));
	image.bytes[QNX6_SUPER1 + 9] ^= 1;
	expect(2, 3);
	end();
}
END_TEST

static void edit(unsigned which, const char *field)
{
	struct qnx6_super *super = image_super(&image, which);
	const struct {
		const char *name;
		void *at;
		uint64_t value;
		size_t size;
	} edits[] = {
		{"block 0", &super->block_size, 0, 4},
		{"block 1000", &super->block_size, 1000, 4},
		{"block 256", &super->block_size, 256, 4},
		{"block 65536", &super->block_size, 65536, 4},
		{"no blocks", &super->num_blocks, 0, 4},
		{"more blocks", &super->num_blocks, image.num_blocks + 5, 4},
		{"most blocks", &super->num_blocks, UINT32_MAX, 4},
		{"inode levels", &super->inodes.levels, 6, 1},
		{"bitmap levels", &super->bitmap.levels, 255, 1},
		{"name levels", &super->long_names.levels, 6, 1},
		{"inode size", &super->inodes.size, (uint64_t)1 << 40, 8},
		{"no inodes", &super->inodes.size, 127, 8},
		{"bitmap size", &super->bitmap.size, UINT64_MAX, 8},
		{"name size", &super->long_names.size, image.size, 8},
	};

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		if (strcmp(edits[i].name, field) != 0)
			continue;
		if (edits[i].size == 8)
			*(qnx6_u64 *)edits[i].at = image64(&image, edits[i].value);
		else if (edits[i].size == 4)
			*(qnx6_u32 *)edits[i].at = image32(&image, (uint32_t)edits[i].value);
		else
			*(uint8_t *)edits[i].at = (uint8_t)edits[i].value;
		image_sign(&image, which);
		return;
	}
	ck_abort_msg("no edit %s", field);
}

static const struct {
	const char *edit, *says;
} senseless[] = {
	{"block 0", "says blocks of 0 bytes; expected is a power of two from 512 to 32768"},
	{"block 1000", "says blocks of 1000 bytes"},
	{"block 256", "says blocks of 256 bytes"},
	{"block 65536", "says blocks of 65536 bytes"},
	{"no blocks", "no blocks"},
	{"more blocks", "take all of the image"},
	{"most blocks", "take all of the image"},
	{"inode levels", "6 levels of indirect blocks for the inode table; 5 are the most"},
	{"bitmap levels", "255 levels of indirect blocks for the bitmap"},
	{"name levels", "6 levels of indirect blocks for the long names"},
	{"inode size", "1099511627776 bytes for the inode table"},
	{"no inodes", "inode table is empty"},
	{"bitmap size", "18446744073709551615 bytes for the bitmap"},
	{"name size", "bytes for the long names"},
};

#define SENSELESS (int)(sizeof(senseless) / sizeof(senseless[0]))

START_TEST(test_senseless)
{
	const char *why;

	begin((struct image_kind){.order = _i % 2 ? QNX6_BIG : QNX6_LITTLE}, 2, 1);
	edit(0, senseless[_i].edit);
	edit(1, senseless[_i].edit);
	why = image_refused(&source, -EINVAL);
	ck_assert_msg(strstr(why, senseless[_i].says) && strstr(why, "byte 8192"), "%s", why);
	end();
}
END_TEST

/* The older one is better than none. */
START_TEST(test_senseless_newer)
{
	begin((struct image_kind){0}, 1, 2);
	edit(1, senseless[_i].edit);
	expect(1, 1);
	end();
}
END_TEST

START_TEST(test_truncated)
{
	begin((struct image_kind){0}, 1, 2);
	source.head.size = image.super_offset[1] - 1;
	must(strstr(image_refused(&source, -EINVAL), "take all of the image or partition"));
	/* all blocks are there, super block 2 is not */
	source.head.size = image.super_offset[1];
	expect(1, 1);
	for (uint64_t size = 0; size < QNX6_DATA; size += size < 16 ? 1 : 255) {
		source.head.size = size;
		image_refused(&source, -EINVAL);
	}
	end();
}
END_TEST

/* Nobody has made such a volume yet that we know of: both have to be where they should be. */
START_TEST(test_large_blocks)
{
	begin((struct image_kind){.block_size = 8192u << _i}, 9, 2);
	expect(1, 3);
	tear(1);
	expect(1, 1);
	destroy(1);
	must(strstr(image_refused(&source, -EINVAL), "how it is laid out is not understood"));
	end();
}
END_TEST

START_TEST(test_unreadable)
{
	begin((struct image_kind){0}, 1, 2);
	source.faults[0].start = QNX6_SUPER1;
	source.faults[0].end = QNX6_DATA;
	expect(2, 2); /* at the end */
	source.faults[1].start = image.super_offset[1];
	source.faults[1].end = image.size;
	image_refused(&source, -EIO);
	source.faults[0].end = 0;
	source.warnings = 0;
	expect(1, 1);
	end();
}
END_TEST

static void expect_warning(const char *text)
{
	struct qnx6_volume *volume;
	const struct qnx6_info *info;

	image_sign(&image, 0);
	source.warnings = 0;
	volume = image_open(&source, 0);
	must(source.warnings == 1);
	ck_assert_msg(strstr(source.warning, text) != NULL, "%s", source.warning);
	info = qnx6_info(volume);
	must(info->num_inodes <= info->inodes.size / sizeof(struct qnx6_inode));
	must(info->free_inodes <= info->num_inodes && info->free_blocks <= info->num_blocks);
	image_node(volume, QNX6_ROOT_INODE);
	qnx6_close(volume);
	image_seal(&image, 2, 1);
}

/* What a reader can live with. */
START_TEST(test_warnings)
{
	struct qnx6_super *super;

	begin((struct image_kind){.order = QNX6_BIG}, 2, 1);
	super = image_super(&image, 0);
	super->version_minor = image16(&image, 4);
	expect_warning("version 4.4");
	super->version_major = image16(&image, 5);
	expect_warning("version 5.3");
	super->flags = image32(&image, 0x80000301);
	expect_warning("flags 0x80000200");
	super->unused4.size = image64(&image, 77);
	expect_warning("root node 4 of the super block, expected to be empty, has 77 bytes");
	super->unused5.size = image64(&image, 1);
	expect_warning("root node 5");
	super->num_inodes = image32(&image, image.num_inodes + 1);
	expect_warning("65 inodes, which cannot be more than 64");
	super->free_inodes = image32(&image, image.num_inodes + 1);
	expect_warning("65 free inodes");
	super->free_blocks = image32(&image, image.num_blocks + 1);
	expect_warning("513 free blocks");
	end();
}
END_TEST

/* As many blocks twice the size, at the same place: only one of them can be true. */
START_TEST(test_pair_disagrees)
{
	struct qnx6_super *super;

	begin((struct image_kind){0}, 2, 1);
	super = image_super(&image, 1);
	super->block_size = image32(&image, 2048);
	super->num_blocks = image32(&image, 256);
	super->free_blocks = image32(&image, 0);
	image_sign(&image, 1);
	expect_warning("tell of different volumes");
	end();
}
END_TEST

Suite *qnx6_super_suite(void)
{
	Suite *suite = suite_create("qnx6_super");
	TCase *tc = tcase_create("super");

	tcase_add_loop_test(tc, test_info, 0, IMAGE_KINDS);
	tcase_add_loop_test(tc, test_newer_counts, 0, IMAGE_KINDS);
	tcase_add_loop_test(tc, test_one_is_enough, 0, IMAGE_KINDS);
	tcase_add_loop_test(tc, test_both_torn, 0, IMAGE_KINDS);
	tcase_add_loop_test(tc, test_boot_block_knows, 0, 3);
	tcase_add_test(tc, test_torn_one_knows);
	tcase_add_test(tc, test_found_at_end);
	tcase_add_test(tc, test_strayed);
	tcase_add_test(tc, test_pair_of_two_kinds);
	tcase_add_test(tc, test_junk_where_boot_layout_has_it);
	tcase_add_loop_test(tc, test_senseless, 0, SENSELESS);
	tcase_add_loop_test(tc, test_senseless_newer, 0, SENSELESS);
	tcase_add_test(tc, test_truncated);
	tcase_add_loop_test(tc, test_large_blocks, 0, 3);
	tcase_add_test(tc, test_unreadable);
	tcase_add_test(tc, test_warnings);
	tcase_add_test(tc, test_pair_disagrees);
	suite_add_tcase(suite, tc);
	return suite;
}
