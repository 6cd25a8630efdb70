/* SPDX-License-Identifier: BSD-3-Clause */
/* Names: short, long, free, damaged; listed and looked up. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "qnx6_image.h"
#include "suites.h"

static struct image image;
static struct image_source source;
static struct qnx6_volume *volume;
static struct qnx6_node root;

static void begin(struct image_kind kind)
{
	image_make(&image, kind);
	image_source(&source, &image);
}

static void reopen(void)
{
	qnx6_close(volume);
	image_seal(&image, 1, 2);
	source.warnings = 0;
	volume = image_open(&source, 0);
	root = image_node(volume, QNX6_ROOT_INODE);
}

static void end(void)
{
	qnx6_close(volume);
	image_free(&image);
}

/* All names, each with a space behind it, long ones cut short. */
struct listing {
	char text[4096];
	unsigned names;
	unsigned most; /* names that are taken */
	uint64_t next;
};

static bool take(void *context, const struct qnx6_name *name, uint64_t next)
{
	struct listing *listing = context;
	size_t length = strlen(listing->text);

	must(name->length && name->length <= QNX6_LONG_NAME && !name->text[name->length]);
	must(strlen(name->text) == name->length);
	if (listing->names == listing->most)
		return false;
	snprintf(listing->text + length, sizeof(listing->text) - length, "%.32s:%u ", name->text,
		 name->inode);
	listing->names++;
	must(next > listing->next);
	listing->next = next;
	return true;
}

/* In portions of @most names; the error of the last one. */
static int list(const struct qnx6_node *dir, unsigned most, char *text)
{
	struct listing listing = {.most = most};
	unsigned before;
	int error;

	do {
		before = listing.names;
		error = qnx6_list(volume, dir, listing.next, take, &listing);
		listing.most = listing.names + most;
	} while (!error && listing.names != before);
	memcpy(text, listing.text, sizeof(listing.text));
	return error;
}

static void must_list(int error, const char *expected)
{
	char text[4096];

	for (unsigned most = 1; most < 5; most++) {
		ck_assert_int_eq(list(&root, most, text), error);
		ck_assert_str_eq(text, expected);
	}
	ck_assert_int_eq(list(&root, 10000, text), error);
	ck_assert_str_eq(text, expected);
}

static void must_find(const char *name, uint32_t expected)
{
	uint32_t number = 0;

	ck_assert_int_eq(qnx6_lookup(volume, &root, name, &number), 0);
	ck_assert_uint_eq(number, expected);
}

static void must_fail(const char *name, int error)
{
	uint32_t number;

	ck_assert_int_eq(qnx6_lookup(volume, &root, name, &number), error);
}

static void entry(uint8_t length, const char *name, size_t size, uint32_t number)
{
	struct qnx6_entry record = {.inode = image32(&image, number), .length = length};

	memcpy(record.name, name, size);
	image_record(&image, QNX6_ROOT_INODE, &record);
}

START_TEST(test_names)
{
	char longest[QNX6_LONG_NAME + 2];

	memset(longest, 'x', sizeof(longest));
	longest[QNX6_LONG_NAME] = 0;
	begin(image_kind(_i));
	image_name(&image, QNX6_ROOT_INODE, "a", 7);
	image_name(&image, QNX6_ROOT_INODE, "of_27_characters_and_no_NUL", 8);
	image_name(&image, QNX6_ROOT_INODE, "of_28_characters_and_so_long", 9);
	image_name(&image, QNX6_ROOT_INODE, longest, 10);
	image_long_name(&image, QNX6_ROOT_INODE, "b", 1, 11);
	reopen();
	must_list(0, ".:1 ..:1 a:7 of_27_characters_and_no_NUL:8 of_28_characters_and_so_long:9 "
		     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx:10 b:11 ");
	must_find(".", 1);
	must_find("..", 1);
	must_find("a", 7);
	must_find("of_27_characters_and_no_NUL", 8);
	must_find("of_28_characters_and_so_long", 9);
	must_find(longest, 10);
	must_find("b", 11);
	must_fail("c", -ENOENT);
	must_fail("", -ENOENT);
	must_fail("of_27_characters_and_no_NU", -ENOENT);
	longest[QNX6_LONG_NAME] = 'x';
	longest[QNX6_LONG_NAME + 1] = 0;
	must_fail(longest, -ENAMETOOLONG);
	must(source.warnings == 0);
	end();
}
END_TEST

/* What was deleted, in front of what was not. */
START_TEST(test_free_records)
{
	begin(image_kind(_i));
	entry(18, "this_file_is_moved", 18, 0);
	entry(0, "gone", 4, 5);
	for (int i = 0; i < 200; i++)
		entry(0, "", 0, 0);
	entry(QNX6_LONG_MARK, "\0\0\0\xff\xff\xff\xff", 7, 0);
	image_name(&image, QNX6_ROOT_INODE, "last", 6);
	reopen();
	must_list(0, ".:1 ..:1 last:6 ");
	must_find("last", 6);
	must_fail("this_file_is_moved", -ENOENT);
	must_fail("gone", -ENOENT);
	must(source.warnings == 0);
	end();
}
END_TEST

START_TEST(test_damaged_records)
{
	struct qnx6_long_name *text;

	begin(image_kind(_i));
	entry(28, "xxxxxxxxxxxxxxxxxxxxxxxxxxx", 27, 5);
	entry(254, "y", 1, 5);
	entry(3, "a/b", 3, 5);
	entry(3, "a\0b", 3, 5);
	entry(QNX6_LONG_MARK, "\0\0\0\x77\x77\x77\x77", 7, 5);
	image_long_name(&image, QNX6_ROOT_INODE, "", 0, 5);
	text = image_at(&image, image_long_name(&image, QNX6_ROOT_INODE, "z", 1, 5));
	text->length = image16(&image, QNX6_LONG_NAME + 1);
	memset(text->name, 'z', QNX6_LONG_NAME);
	image_long_name(&image, QNX6_ROOT_INODE, "slash/slash", 11, 5);
	image_name(&image, QNX6_ROOT_INODE, "good", 6);
	reopen();
	must_list(0, ".:1 ..:1 good:6 ");
	must_find("good", 6);
	must_fail("a/b", -ENOENT);
	must_fail("a", -ENOENT);
	must_fail("xxxxxxxxxxxxxxxxxxxxxxxxxxx", -ENOENT);
	must_fail("slash/slash", -ENOENT);
	source.warnings = 0;
	must(list(&root, 100, (char[4096]){0}) == 0 && source.warnings == 8);
	must(strstr(source.warning, "directory 1: record 9 has a name with a slash"));
	end();
}
END_TEST

static uint32_t signed_sum(const char *name)
{
	uint32_t sum = 0;

	for (; *name; name++) {
		int value = (unsigned char)*name;

		if (value >= 0x80)
			value -= 0x100;
		sum = ((sum >> 1) + (uint32_t)value) ^ (sum & 1 ? 0x80000000u : 0);
	}
	return sum;
}

/* The sum is not worth a name: it is shown, and either way of making the sum is right. */
START_TEST(test_long_name_sums)
{
	static const char name[] = "m\xc3\xbc\xc3\x9fig, und l\xc3\xa4nger als siebenundzwanzig";
	struct qnx6_long_entry *entries;
	char text[4096];

	begin((struct image_kind){.order = _i ? QNX6_BIG : QNX6_LITTLE});
	image_name(&image, QNX6_ROOT_INODE, name, 5);
	entries = image_at(&image, qnx6_get32(image.order, image_inode(&image, 1)->ptr[0]));
	must(signed_sum(name) != qnx6_name_checksum(name, strlen(name)));
	for (int i = 0; i < 3; i++) {
		uint32_t sums[] = {qnx6_name_checksum(name, strlen(name)), signed_sum(name), 1};

		entries[2].checksum = image32(&image, sums[i]);
		reopen();
		must(list(&root, 100, text) == 0 && strstr(text, "m\xc3\xbc"));
		must_find(name, 5);
		must(source.warnings == (i == 2 ? 1 : 0));
	}
	must(strstr(source.warning, "record 2 has another checksum"));
	end();
}
END_TEST

/* Volumes that do not have the sums do not have wrong ones. */
START_TEST(test_no_long_name_sums)
{
	char text[4096];

	begin((struct image_kind){.layout = _i ? QNX6_LAYOUT_MMI : QNX6_LAYOUT_BOOT});
	image_name(&image, QNX6_ROOT_INODE, "a name of more than 27 characters", 5);
	((struct qnx6_long_entry *)image_at(
		&image, qnx6_get32(image.order, image_inode(&image, 1)->ptr[0])))[2]
		.checksum.raw++;
	reopen();
	if (!_i) {
		image_super(&image, 0)->flags = image32(&image, 0);
		image_super(&image, 0)->serial = image64(&image, 9);
		image_sign(&image, 0);
		qnx6_close(volume);
		volume = image_open(&source, 0);
	}
	must(list(&root, 100, text) == 0 && source.warnings == 0 && strstr(text, ":5"));
	end();
}
END_TEST

START_TEST(test_no_dots)
{
	struct qnx6_node dir;
	uint32_t number, sub;

	begin((struct image_kind){0});
	image_inode(&image, 1)->size = image64(&image, 0);
	sub = image_file(&image, S_IFDIR | 0755, 0, 0);
	image_name(&image, QNX6_ROOT_INODE, "sub", sub);
	reopen();
	must_list(0, "sub:2 ");
	must_find(".", 1);
	must_find("..", 1);
	dir = image_node(volume, sub);
	must(qnx6_lookup(volume, &dir, ".", &number) == 0 && number == sub);
	must(qnx6_lookup(volume, &dir, "..", &number) == -ENOENT);
	must(qnx6_lookup(volume, &dir, "...", &number) == -ENOENT);
	end();
}
END_TEST

START_TEST(test_no_directory)
{
	struct qnx6_node file;
	uint32_t number;

	begin((struct image_kind){0});
	number = image_file(&image, S_IFREG | 0644, 0, 0);
	reopen();
	file = image_node(volume, number);
	must(qnx6_list(volume, &file, 0, take, NULL) == -ENOTDIR);
	must(qnx6_lookup(volume, &file, ".", &number) == -ENOTDIR);
	must(qnx6_list(volume, &root, UINT64_MAX >> 2, take, NULL) == 0);
	must(qnx6_list(volume, &root, UINT64_MAX, take, NULL) == -EIO);
	end();
}
END_TEST

/* Names in front of and behind a block that is lost; and in the long names' file. */
START_TEST(test_unreadable_blocks)
{
	uint32_t lost;
	char name[64];

	begin((struct image_kind){.block_size = 512}); /* 16 records in a block */
	for (uint32_t i = 2; i < 40; i++) {
		snprintf(name, sizeof(name), "%c%u", i < 16 || i >= 32 ? 'n' : 'l', i);
		image_name(&image, QNX6_ROOT_INODE, name, i);
	}
	lost = qnx6_get32(image.order, image_inode(&image, 1)->ptr[1]);
	for (int i = 0; i < 3; i++) {
		if (i == 0)
			image_fault(&source, 0, lost);
		else
			image_inode(&image, 1)->ptr[1] =
				image32(&image, i == 1 ? image.num_blocks : QNX6_NO_BLOCK);
		reopen();
		must_list(i < 2 ? -EIO : 0,
			  ".:1 ..:1 n2:2 n3:3 n4:4 n5:5 n6:6 n7:7 n8:8 n9:9 n10:10 n11:11 n12:12 "
			  "n13:13 n14:14 n15:15 n32:32 n33:33 n34:34 n35:35 n36:36 n37:37 n38:38 "
			  "n39:39 ");
		must_find("n39", 39);
		must_fail("l20", i < 2 ? -EIO : -ENOENT);
		must_fail("nowhere", i < 2 ? -EIO : -ENOENT);
	}
	end();
}
END_TEST

START_TEST(test_unreadable_long_name)
{
	uint32_t block;

	begin((struct image_kind){.block_size = 512});
	image_name(&image, QNX6_ROOT_INODE, "one name of more than 27 characters", 5);
	block = image_long_name(&image, QNX6_ROOT_INODE, "another one that is as long", 27, 6);
	image_name(&image, QNX6_ROOT_INODE, "short", 7);
	image_fault(&source, 0, block);
	reopen();
	must_list(-EIO, ".:1 ..:1 one name of more than 27 charact:5 short:7 ");
	must_find("short", 7);
	must_find("one name of more than 27 characters", 5);
	must_fail("another one that is as long", -EIO);
	end();
}
END_TEST

static unsigned count(const struct qnx6_node *dir, int error)
{
	struct listing listing = {.most = UINT32_MAX};
	uint64_t position = 0;

	listing.text[0] = 0;
	ck_assert_int_eq(qnx6_list(volume, dir, position, take, &listing), error);
	return listing.names;
}

/* Exabytes of nothing, and of the same block again and again. */
START_TEST(test_endless)
{
	struct qnx6_node dir;
	uint32_t number, block;
	qnx6_u32 *pointers;
	uint64_t records;

	begin(image_kind(_i));
	number = image_file(&image, S_IFDIR | 0755, INT64_MAX, 5);
	image_name(&image, QNX6_ROOT_INODE, "sub", number);
	block = image_block(&image);
	reopen();
	dir = image_node(volume, number);
	must(count(&dir, -EIO) == 0);
	must(qnx6_lookup(volume, &dir, "x", &number) == -EIO);
	pointers = image_at(&image, block);
	for (uint32_t i = 0; i < image.block_size / 4; i++)
		pointers[i] = image32(&image, block);
	for (unsigned i = 0; i < QNX6_POINTERS; i++)
		image_inode(&image, 2)->ptr[i] = image32(&image, block);
	reopen();
	dir = image_node(volume, 2);
	records = (uint64_t)image.num_blocks * image.block_size / sizeof(struct qnx6_entry);
	must(count(&dir, -EIO) <= records);
	must(qnx6_lookup(volume, &dir, "x", &number) == -EIO);
	end();
}
END_TEST

/* 0: it is not there */
static void must_find_in(const struct qnx6_node *dir, const char *name, uint32_t expected)
{
	uint32_t number = 0;
	int error = qnx6_lookup(volume, dir, name, &number);

	ck_assert_int_eq(error, expected ? 0 : -ENOENT);
	ck_assert_uint_eq(number, expected);
}

#define MANY 3000

/* By the list of sums as by going through all: the first of equals, in front of damage too. */
START_TEST(test_large)
{
	struct image_kind kind = image_kind(_i);
	char name[64];
	uint32_t dir;
	struct qnx6_node node;

	kind.num_blocks = kind.block_size < 1024 ? 3000 : 1500;
	kind.num_inodes = 64;
	begin(kind);
	image.long_names.levels = 1;
	dir = image_file(&image, S_IFDIR | 0755, 0, 2);
	for (uint32_t i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), i % 30 ? "file_%u" : "a file whose name is long %u",
			 i);
		image_name(&image, dir, name, 10 + i);
		if (i % 3 == 0) /* a second one with the name of a first */
			image_name(&image, dir, "twice", i + 1);
	}
	/* of equal sums, as it happens */
	image_name(&image, dir, "costarring", 5001);
	image_name(&image, dir, "declinate", 5002);
	image_name(&image, dir, "zinke", 5003);
	image_name(&image, dir, "altarage", 5004);
	reopen();
	node = image_node(volume, dir);
	must_find_in(&node, "costarring", 5001);
	must_find_in(&node, "liquid", 0);
	must_find_in(&node, "declinate", 5002);
	must_find_in(&node, "macallums", 0);
	must_find_in(&node, "zinke", 5003);
	must_find_in(&node, "altarage", 5004);
	for (uint32_t i = 0; i < MANY; i++) {
		uint32_t number;

		snprintf(name, sizeof(name), i % 30 ? "file_%u" : "a file whose name is long %u",
			 i);
		must(qnx6_lookup(volume, &node, name, &number) == 0 && number == 10 + i);
		snprintf(name, sizeof(name), "no_file_%u", i);
		must(qnx6_lookup(volume, &node, name, &number) == -ENOENT);
		must(qnx6_lookup(volume, &node, "twice", &number) == 0 && number == 1);
		must(qnx6_lookup(volume, &node, ".", &number) == 0 && number == dir);
	}
	end();
}
END_TEST

/* More large directories than have a list at a time; damaged ones never have. */
START_TEST(test_many_large)
{
	struct qnx6_node nodes[20];
	uint32_t number;
	char name[64];

	begin((struct image_kind){.num_blocks = 4000});
	for (uint32_t d = 0; d < 20; d++) {
		must(image_file(&image, S_IFDIR | 0755, 0, 1) == d + 2);
		for (uint32_t i = 0; i < 200; i++) {
			snprintf(name, sizeof(name), "%u", i);
			image_name(&image, d + 2, name, 1000 * d + i + 1);
		}
	}
	image_map(&image, image_inode(&image, 5)->ptr, 1, 1, image.num_blocks);
	reopen();
	for (uint32_t d = 0; d < 20; d++)
		nodes[d] = image_node(volume, d + 2);
	for (uint32_t i = 0; i < 200 * 20; i++) {
		uint32_t d = i % 20, file = (i / 20) * 7 % 200;
		int expected = d == 3 && file >= 32 && file < 64 ? -EIO : 0;

		snprintf(name, sizeof(name), "%u", file);
		must(qnx6_lookup(volume, &nodes[d], name, &number) == expected);
		must(expected || number == 1000 * d + file + 1);
		must(qnx6_lookup(volume, &nodes[d], "x", &number) == (d == 3 ? -EIO : -ENOENT));
	}
	end();
}
END_TEST

Suite *qnx6_directory_suite(void)
{
	Suite *suite = suite_create("qnx6_directory");
	TCase *tc = tcase_create("directory");

	tcase_add_loop_test(tc, test_names, 0, IMAGE_KINDS);
	tcase_add_loop_test(tc, test_free_records, 0, IMAGE_KINDS);
	tcase_add_loop_test(tc, test_damaged_records, 0, IMAGE_KINDS);
	tcase_add_loop_test(tc, test_long_name_sums, 0, 2);
	tcase_add_loop_test(tc, test_no_long_name_sums, 0, 2);
	tcase_add_test(tc, test_no_dots);
	tcase_add_test(tc, test_no_directory);
	tcase_add_test(tc, test_unreadable_blocks);
	tcase_add_test(tc, test_unreadable_long_name);
	tcase_add_loop_test(tc, test_endless, 0, IMAGE_KINDS);
	tcase_add_loop_test(tc, test_large, 0, IMAGE_KINDS);
	tcase_add_test(tc, test_many_large);
	suite_add_tcase(suite, tc);
	return suite;
}
