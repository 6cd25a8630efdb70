/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tree.h"

Suite *fsg_tree_suite(void);

static struct fsg_tree *tree;
static struct devb_block disk;
static struct devb_block protected_disk;

static void open_tree(void)
{
	const struct fsg_access access = {.uid = 1, .gid = 2, .mode = 0660};

	disk = (struct devb_block){.size = 5120, .block_size = 512, .physical_block_size = 4096};
	protected_disk = disk;
	protected_disk.read_only = true;
	tree = fsg_tree_open(&access);
	ck_assert_ptr_nonnull(tree);
}

static void close_tree(void)
{
	fsg_tree_close(tree);
}

START_TEST(test_close_null)
{
	fsg_tree_close(NULL);
}
END_TEST

START_TEST(test_names)
{
	ck_assert_uint_eq(fsg_tree_find(tree, "hd0"), 0);
	ck_assert_int_eq(fsg_tree_add(tree, "hd0", &disk), 0);
	ck_assert_int_eq(fsg_tree_add(tree, "hd0t179.1", &protected_disk), 0);

	uint64_t first = fsg_tree_find(tree, "hd0");
	uint64_t second = fsg_tree_find(tree, "hd0t179.1");

	ck_assert_uint_gt(first, FSG_ROOT);
	ck_assert_uint_ne(first, second);
	ck_assert_ptr_eq(fsg_tree_node(tree, first)->block, &disk);
	ck_assert_ptr_eq(fsg_tree_node(tree, second)->block, &protected_disk);
	ck_assert_str_eq(fsg_tree_node(tree, second)->name, "hd0t179.1");
	ck_assert_uint_eq(fsg_tree_find(tree, "hd0t179"), 0);
}
END_TEST

START_TEST(test_names_refused)
{
	char longest[NAME_MAX + 2];

	memset(longest, 'x', sizeof(longest));
	longest[NAME_MAX + 1] = '\0';
	ck_assert_int_eq(fsg_tree_add(tree, longest, &disk), -EINVAL);
	ck_assert_int_eq(fsg_tree_add(tree, "", &disk), -EINVAL);
	ck_assert_int_eq(fsg_tree_add(tree, ".", &disk), -EINVAL);
	ck_assert_int_eq(fsg_tree_add(tree, "..", &disk), -EINVAL);
	ck_assert_int_eq(fsg_tree_add(tree, "a/b", &disk), -EINVAL);
	longest[NAME_MAX] = '\0';
	ck_assert_int_eq(fsg_tree_add(tree, longest, &disk), 0);
	ck_assert_int_eq(fsg_tree_add(tree, longest, &disk), -EEXIST);
	ck_assert_uint_eq(tree->count, 1);
}
END_TEST

START_TEST(test_numbers)
{
	ck_assert_int_eq(fsg_tree_add(tree, "hd0", &disk), 0);

	uint64_t ino = fsg_tree_find(tree, "hd0");

	ck_assert_ptr_null(fsg_tree_node(tree, 0));
	ck_assert_ptr_null(fsg_tree_node(tree, FSG_ROOT));
	ck_assert_ptr_null(fsg_tree_node(tree, ino + 1));
	ck_assert_ptr_null(fsg_tree_node(tree, UINT64_MAX));
}
END_TEST

/* Numbers and nodes stay where they are while the tree grows. */
START_TEST(test_many)
{
	char name[16];
	const struct fsg_node *first = NULL;

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "hd%u", i);
		ck_assert_int_eq(fsg_tree_add(tree, name, &disk), 0);
		if (i == 0)
			first = fsg_tree_node(tree, fsg_tree_find(tree, name));
		ck_assert_uint_eq(fsg_tree_find(tree, name), FSG_ROOT + 1 + i);
	}
	ck_assert_ptr_eq(fsg_tree_node(tree, FSG_ROOT + 1), first);
}
END_TEST

START_TEST(test_stat_root)
{
	struct stat attr;

	ck_assert_int_eq(fsg_tree_stat(tree, FSG_ROOT, &attr), 0);
	ck_assert_uint_eq(attr.st_mode, S_IFDIR | 0755);
	ck_assert_uint_eq(attr.st_uid, 1);
	ck_assert_uint_eq(attr.st_gid, 2);
	ck_assert_int_eq(fsg_tree_stat(tree, FSG_ROOT + 1, &attr), -ENOENT);
	ck_assert_int_eq(fsg_tree_stat(tree, 0, &attr), -ENOENT);
}
END_TEST

START_TEST(test_stat)
{
	struct stat attr;

	ck_assert_int_eq(fsg_tree_add(tree, "hd0", &disk), 0);
	ck_assert_int_eq(fsg_tree_stat(tree, FSG_ROOT + 1, &attr), 0);
	ck_assert_uint_eq(attr.st_ino, FSG_ROOT + 1);
	ck_assert_uint_eq(attr.st_mode, S_IFREG | 0660);
	ck_assert_uint_eq(attr.st_uid, 1);
	ck_assert_uint_eq(attr.st_gid, 2);
	ck_assert_int_eq(attr.st_size, 5120);
	ck_assert_int_eq(attr.st_blocks, 10);
	ck_assert_int_gt(attr.st_mtim.tv_sec, 0);
	disk.size = 10240; /* a device may grow */
	ck_assert_int_eq(fsg_tree_stat(tree, FSG_ROOT + 1, &attr), 0);
	ck_assert_int_eq(attr.st_size, 10240);
}
END_TEST

START_TEST(test_stat_read_only)
{
	struct stat attr;

	ck_assert_int_eq(fsg_tree_add(tree, "hd0", &protected_disk), 0);
	ck_assert_int_eq(fsg_tree_stat(tree, FSG_ROOT + 1, &attr), 0);
	ck_assert_uint_eq(attr.st_mode, S_IFREG | 0440);
	protected_disk.read_only = false;
	ck_assert_int_eq(fsg_tree_stat(tree, FSG_ROOT + 1, &attr), 0);
	ck_assert_uint_eq(attr.st_mode, S_IFREG | 0660);
}
END_TEST

/* What the device says, within what the kernel can take for a block size. */
START_TEST(test_stat_block_size)
{
	static const struct {
		uint32_t physical;
		long shown;
	} cases[] = {{0, 512}, {512, 512}, {2048, 2048}, {4096, 4096}, {65536, 4096}};
	struct stat attr;

	ck_assert_int_eq(fsg_tree_add(tree, "hd0", &disk), 0);
	disk.physical_block_size = cases[_i].physical;
	ck_assert_int_eq(fsg_tree_stat(tree, FSG_ROOT + 1, &attr), 0);
	ck_assert_int_eq(attr.st_blksize, cases[_i].shown);
}
END_TEST

Suite *fsg_tree_suite(void)
{
	Suite *suite = suite_create("fsg_tree");
	TCase *tests = tcase_create("tree");

	tcase_add_checked_fixture(tests, open_tree, close_tree);
	tcase_add_test(tests, test_close_null);
	tcase_add_test(tests, test_names);
	tcase_add_test(tests, test_names_refused);
	tcase_add_test(tests, test_numbers);
	tcase_add_test(tests, test_many);
	tcase_add_test(tests, test_stat_root);
	tcase_add_test(tests, test_stat);
	tcase_add_test(tests, test_stat_read_only);
	tcase_add_loop_test(tests, test_stat_block_size, 0, 5);
	suite_add_tcase(suite, tests);
	return suite;
}
