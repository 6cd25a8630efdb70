/* SPDX-License-Identifier: BSD-3-Clause */
/* Where device trees come from: files that may be anything, and directories as the kernel has them.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "fdt_blob.h"
#include "suites.h"

static char folder[64], path[4096];
static struct viot_mmio_device devices[8], expected[8];
static struct viot_tree tree;
static struct vio_error err;

static void setup(void)
{
	snprintf(folder, sizeof(folder), "/tmp/viot-tree-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/board.dtb", folder);
	tree.blob = NULL;
}

static int remove_entry(const char *name, const struct stat *status, int kind, struct FTW *ftw)
{
	(void)status;
	(void)kind;
	(void)ftw;
	return remove(name);
}

static void teardown(void)
{
	nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *name, const void *data, size_t size)
{
	FILE *file = fopen(name, "we");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(data, 1, size, file), size);
	fclose(file);
}

static size_t make_board(void)
{
	open_board(1, 1);
	add_gic(GIC);
	fdt_begin_node(board, "soc@0");
	add_bus(1, 1);
	add_cells("ranges", 3, 0, 0x10000000, 0x10000);
	add_text("model", "not asked for");
	add_slot("virtio@400", 0x400, 0x200, 3);
	add_slot("virtio@600", 0x600, 0x200, 4);
	fdt_end_node(board);
	return fdt_totalsize(close_board());
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct viot_mmio_device *)a)->where,
		      ((const struct viot_mmio_device *)b)->where);
}

static void check_board(void)
{
	ck_assert_int_eq(viot_tree_list(&tree, devices, 8, &err), 2);
	qsort(devices, 2, sizeof(devices[0]), compare); /* directories have an order of their own */
	ck_assert_int_eq(list_blob(board, expected, 8, &err), 2);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(devices[i].smem, 0x10000400 + i * 0x200);
		ck_assert_uint_eq(devices[i].smem, expected[i].smem);
		ck_assert_uint_eq(devices[i].irq, expected[i].irq);
		ck_assert_uint_eq(devices[i].trigger, expected[i].trigger);
		ck_assert_str_eq(devices[i].where, expected[i].where);
		ck_assert_str_eq(devices[i].why, "");
	}
}

static void check_refusal(int rc, int code, const char *said)
{
	ck_assert_int_eq(rc, code);
	ck_assert_msg(strstr(err.text, said) && strstr(err.text, folder), "'%s' lacks '%s'",
		      err.text, said);
	ck_assert_ptr_null(tree.blob);
}

/* ---- files ---- */

START_TEST(test_file)
{
	write_file(path, board, make_board());
	ck_assert_int_eq(viot_tree_read_file(&tree, path, &err), 0);
	check_board();
	viot_tree_free(&tree);
}
END_TEST

START_TEST(test_no_file)
{
	check_refusal(viot_tree_read_file(&tree, path, &err), -ENODEV, "No such file");
	check_refusal(viot_tree_read_file(&tree, folder, &err), -EINVAL, "is no file");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	check_refusal(viot_tree_read_file(&tree, path, &err), -EINVAL, "is no file");
}
END_TEST

START_TEST(test_no_blob)
{
	static unsigned char large[VIOT_TREE_SIZE_MAX + 1];

	write_file(path, "", 0);
	check_refusal(viot_tree_read_file(&tree, path, &err), -EINVAL, "no device tree blob");
	write_file(path, "/dts-v1/;\n/ { };\n", 17);
	check_refusal(viot_tree_read_file(&tree, path, &err), -EINVAL, "dtc -O dtb");
	memcpy(large, board, make_board());
	write_file(path, large, sizeof(large));
	check_refusal(viot_tree_read_file(&tree, path, &err), -EINVAL, "larger than 2 MiB");
	write_file(path, large, sizeof(large) - 1);
	ck_assert_int_eq(viot_tree_read_file(&tree, path, &err), 0);
	viot_tree_free(&tree);
	board[0] ^= 1;
	write_file(path, board, fdt_totalsize(large));
	check_refusal(viot_tree_read_file(&tree, path, &err), -EINVAL, "0xd00dfeed");
}
END_TEST

START_TEST(test_truncated)
{
	size_t size = make_board();

	for (size_t left = 4; left < size; left += left < 80 ? 1 : 13) {
		write_file(path, board, left);
		check_refusal(viot_tree_read_file(&tree, path, &err), -EINVAL, "malformed");
	}
}
END_TEST

/* Any answer is right, a crash is not: this is for the sanitizers. */
START_TEST(test_mangled)
{
	uint32_t random = 4711;
	size_t size = make_board();
	unsigned accepted = 0;

	for (unsigned round = 0; round < 3000; round++) {
		make_board();
		for (unsigned change = 0; change < 1 + round % 4; change++) {
			random = random * 1664525 + 1013904223;
			board[4 + (random >> 8) % (size - 4)] = (unsigned char)(random >> 3);
		}
		write_file(path, board, size);
		if (viot_tree_read_file(&tree, path, &err) == 0) {
			int count = viot_tree_list(&tree, devices, 8, &err);

			must(count >= 0 && count <= 8);
			accepted++;
			viot_tree_free(&tree);
		}
	}
	ck_assert_uint_gt(accepted, 100); /* changes in values do not break the format */
	ck_assert_uint_lt(accepted, 2900);
}
END_TEST

/* ---- directories ---- */

/* What the kernel makes of a blob. */
static void unfold(int node)
{
	size_t length = strlen(path);
	int property, child;

	ck_assert_int_eq(mkdir(path, 0700), 0);
	fdt_for_each_property_offset(property, board, node)
	{
		const char *name;
		int size;
		const void *value = fdt_getprop_by_offset(board, property, &name, &size);

		snprintf(path + length, sizeof(path) - length, "/%s", name);
		write_file(path, value, (size_t)size);
	}
	fdt_for_each_subnode(child, board, node)
	{
		snprintf(path + length, sizeof(path) - length, "/%s",
			 fdt_get_name(board, child, NULL));
		unfold(child);
	}
	path[length] = '\0';
}

START_TEST(test_directory)
{
	snprintf(path, sizeof(path), "%s/base", folder);
	make_board();
	unfold(0);
	ck_assert_int_eq(viot_tree_read_directory(&tree, path, &err), 0);
	check_board();
	ck_assert_uint_lt(tree.size, 4096);
	ck_assert_int_eq(fdt_check_full(tree.blob, tree.size), 0);
	viot_tree_free(&tree);
}
END_TEST

START_TEST(test_odd_directory)
{
	char name[sizeof(path) + 32];
	static const char long_value[8192];

	snprintf(path, sizeof(path), "%s/base", folder);
	make_board();
	unfold(0);
	snprintf(name, sizeof(name), "%s/loop", path);
	ck_assert_int_eq(symlink(path, name), 0);
	snprintf(name, sizeof(name), "%s/soc@0/loop", path);
	ck_assert_int_eq(symlink("..", name), 0);
	snprintf(name, sizeof(name), "%s/reg", path);
	ck_assert_int_eq(symlink("/dev/zero", name), 0);
	snprintf(name, sizeof(name), "%s/interrupts", path);
	ck_assert_int_eq(mkfifo(name, 0600), 0);
	snprintf(name, sizeof(name), "%s/status", path);
	write_file(name, long_value, sizeof(long_value));
	ck_assert_int_eq(viot_tree_read_directory(&tree, path, &err), 0);
	check_board();
	viot_tree_free(&tree);
}
END_TEST

START_TEST(test_no_directory)
{
	check_refusal(viot_tree_read_directory(&tree, path, &err), -ENODEV, "has no device tree");
	write_file(path, "", 0);
	check_refusal(viot_tree_read_directory(&tree, path, &err), -ENODEV, "has no device tree");
}
END_TEST

START_TEST(test_deep_directory)
{
	size_t length = (size_t)snprintf(path, sizeof(path), "%s/base", folder);

	ck_assert_int_eq(mkdir(path, 0700), 0);
	for (unsigned depth = 1; depth <= VIOT_TREE_DEPTH_MAX; depth++) {
		snprintf(path + length + (size_t)2 * (depth - 1), 3, "/n");
		ck_assert_int_eq(mkdir(path, 0700), 0);
		if (depth == VIOT_TREE_DEPTH_MAX - 1) {
			path[length] = '\0';
			ck_assert_int_eq(viot_tree_read_directory(&tree, path, &err), 0);
			viot_tree_free(&tree);
			path[length] = '/';
		}
	}
	path[length] = '\0';
	check_refusal(viot_tree_read_directory(&tree, path, &err), -EINVAL, "64 levels");
}
END_TEST

Suite *fdt_files_suite(void)
{
	Suite *suite = suite_create("fdt_files");
	TCase *files = tcase_create("files"), *directories = tcase_create("directories");

	tcase_add_checked_fixture(files, setup, teardown);
	tcase_set_timeout(files, 30);
	tcase_add_test(files, test_file);
	tcase_add_test(files, test_no_file);
	tcase_add_test(files, test_no_blob);
	tcase_add_test(files, test_truncated);
	tcase_add_test(files, test_mangled);
	suite_add_tcase(suite, files);
	tcase_add_checked_fixture(directories, setup, teardown);
	tcase_add_test(directories, test_directory);
	tcase_add_test(directories, test_odd_directory);
	tcase_add_test(directories, test_no_directory);
	tcase_add_test(directories, test_deep_directory);
	suite_add_tcase(suite, directories);
	return suite;
}
