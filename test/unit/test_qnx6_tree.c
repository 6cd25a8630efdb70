/* SPDX-License-Identifier: BSD-3-Clause */
/* Trees of blocks: sound, with holes, and of malice. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "qnx6_image.h"
#include "suites.h"

static struct image image;
static struct image_source source;
static struct qnx6_volume *volume;

static void begin(struct image_kind kind)
{
	image_make(&image, kind);
	image_seal(&image, 1, 2);
	image_source(&source, &image);
	volume = image_open(&source, 0);
}

static void end(void)
{
	qnx6_close(volume);
	image_free(&image);
}

/* Its cache may have seen blocks that changed since. */
static void reopen(void)
{
	qnx6_close(volume);
	volume = image_open(&source, 0);
}

static struct qnx6_tree empty_tree(unsigned levels)
{
	struct qnx6_tree tree = {.size = UINT64_MAX, .levels = levels};

	memset(tree.ptr, 0xff, sizeof(tree.ptr));
	return tree;
}

static void map(struct qnx6_tree *tree, uint64_t index, uint32_t block)
{
	qnx6_u32 ptr[QNX6_POINTERS];

	for (unsigned i = 0; i < QNX6_POINTERS; i++)
		ptr[i] = image32(&image, tree->ptr[i]);
	image_map(&image, ptr, tree->levels, index, block);
	for (unsigned i = 0; i < QNX6_POINTERS; i++)
		tree->ptr[i] = qnx6_get32(image.order, ptr[i]);
}

static int find(const struct qnx6_tree *tree, uint64_t index, uint32_t *block)
{
	*block = 12345;
	return qnx6_map(volume, tree, index, block);
}

static void must_find(const struct qnx6_tree *tree, uint64_t index, uint32_t expected)
{
	uint32_t block;

	ck_assert_int_eq(find(tree, index, &block), 0);
	ck_assert_uint_eq(block, expected);
}

static void must_fail(const struct qnx6_tree *tree, uint64_t index)
{
	uint32_t block;

	ck_assert_int_eq(find(tree, index, &block), -EIO);
}

/* How many blocks a tree has room for; 0 when that is more than a number holds. */
static uint64_t room(unsigned levels)
{
	unsigned bits = 4 + levels * (unsigned)__builtin_ctz(image.block_size / 4);

	return bits < 64 ? (uint64_t)1 << bits : 0;
}

/* The first, the last, and some in between at each depth. */
START_TEST(test_levels)
{
	struct image_kind kind = image_kind(_i);

	kind.num_blocks = 200;
	for (unsigned levels = 0; levels <= QNX6_MAX_LEVELS; levels++) {
		struct qnx6_tree tree = empty_tree(levels);
		uint64_t last, some[4];

		image_make(&image, kind);
		last = room(levels) - 1;
		some[0] = 0, some[1] = last / 3, some[2] = last / 2 + 1, some[3] = last;
		for (uint32_t i = 0; i < 4; i++)
			map(&tree, some[i], 150 + i);
		image_seal(&image, 1, 2);
		image_source(&source, &image);
		volume = image_open(&source, 0);
		for (uint32_t i = 0; i < 4; i++)
			must_find(&tree, some[i], 150 + i);
		must_find(&tree, last / 4, QNX6_NO_BLOCK);
		must_find(&tree, last - 1, QNX6_NO_BLOCK);
		if (room(levels))
			must_fail(&tree, last + 1);
		if (room(levels))
			must_fail(&tree, UINT64_MAX);
		end();
	}
}
END_TEST

START_TEST(test_too_many_levels)
{
	struct qnx6_tree tree = empty_tree(6);

	begin(image_kind(_i));
	must_fail(&tree, 0);
	tree.levels = UINT32_MAX;
	must_fail(&tree, 0);
	end();
}
END_TEST

/* A pointer to what lies behind the data, at each depth: never super block 2's bytes. */
START_TEST(test_out_of_range)
{
	begin(image_kind(_i));
	for (unsigned levels = 0; levels <= QNX6_MAX_LEVELS; levels++) {
		struct qnx6_tree tree = empty_tree(levels);

		tree.ptr[0] = image.num_blocks;
		must_fail(&tree, 0);
		tree.ptr[0] = QNX6_NO_BLOCK - 1;
		must_fail(&tree, 0);
		tree.ptr[0] = QNX6_NO_BLOCK;
		map(&tree, 0, image.num_blocks - 1);
		map(&tree, 1, image.num_blocks);
		reopen();
		must_find(&tree, 0, image.num_blocks - 1);
		must_fail(&tree, 1);
		must_find(&tree, 2, QNX6_NO_BLOCK);
	}
	end();
}
END_TEST

/* An indirect block that leads to itself ends with the depth. */
START_TEST(test_cycle)
{
	struct qnx6_tree tree = empty_tree(QNX6_MAX_LEVELS);
	uint32_t block;
	qnx6_u32 *pointers;

	begin(image_kind(_i));
	block = image_block(&image);
	pointers = image_at(&image, block);
	for (uint32_t i = 0; i < image.block_size / 4; i++)
		pointers[i] = image32(&image, block);
	for (unsigned i = 0; i < QNX6_POINTERS; i++)
		tree.ptr[i] = block;
	reopen();
	must_find(&tree, 0, block);
	must_find(&tree, (uint64_t)1 << 38, block);
	must_find(&tree, room(QNX6_MAX_LEVELS) - 1, block);
	end();
}
END_TEST

START_TEST(test_unreadable)
{
	struct qnx6_tree tree = empty_tree(2);
	uint32_t lower, per = 1024 / 4;

	begin((struct image_kind){0});
	map(&tree, 0, 7);
	map(&tree, per, 8);
	lower = qnx6_get32(image.order, ((qnx6_u32 *)image_at(&image, tree.ptr[0]))[1]);
	image_fault(&source, 0, lower);
	reopen();
	must_find(&tree, 0, 7);
	must_fail(&tree, per);
	must_find(&tree, (uint64_t)2 * per, QNX6_NO_BLOCK);
	image_fault(&source, 0, tree.ptr[0]);
	must_fail(&tree, 0);
	must_find(&tree, (uint64_t)per * per, QNX6_NO_BLOCK);
	end();
}
END_TEST

static ssize_t read_at(const struct qnx6_tree *tree, uint64_t offset, uint8_t *buffer, size_t size)
{
	struct qnx6_node node = {.number = 9, .mode = S_IFREG, .tree = *tree};

	return qnx6_read(volume, &node, offset, buffer, size);
}

static bool is_all(const uint8_t *bytes, uint8_t value, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

/* Sizes that no tree holds: what is there reads, what is not is an error. */
START_TEST(test_huge_sizes)
{
	static const uint64_t sizes[] = {INT64_MAX, UINT64_MAX, (uint64_t)1 << 62};
	uint8_t *buffer = malloc(70000);

	begin(image_kind(_i));
	for (unsigned i = 0; i < 15; i++) {
		unsigned levels = i / 3;
		struct qnx6_tree tree = empty_tree(levels);
		uint64_t bytes = room(levels) * image.block_size;
		bool overflows = bytes / image.block_size != room(levels) || !bytes;

		tree.size = sizes[i % 3];
		must(read_at(&tree, 0, buffer, 1000) == 1000 && is_all(buffer, 0, 1000));
		if (overflows || bytes >= tree.size)
			continue;
		memset(buffer, 1, 70000);
		must(read_at(&tree, bytes - 500, buffer, 500) == 500 && is_all(buffer, 0, 500));
		must(read_at(&tree, bytes - 500, buffer, 501) == -EIO);
		must(read_at(&tree, bytes, buffer, 70000) == -EIO);
		must(read_at(&tree, tree.size - 1, buffer, 70000) == -EIO);
		must(read_at(&tree, tree.size, buffer, 70000) == 0);
	}
	end();
	free(buffer);
}
END_TEST

/* A hole of exabytes is passed in one step, not block by block. */
START_TEST(test_large_hole)
{
	struct qnx6_tree tree = empty_tree(5);
	size_t size = (size_t)64 << 20;
	uint8_t *buffer = malloc(size);
	unsigned calls;

	begin((struct image_kind){.block_size = 512});
	memset(buffer, 1, size);
	calls = source.calls;
	must(read_at(&tree, (uint64_t)1 << 40, buffer, size) == (ssize_t)size);
	must(is_all(buffer, 0, size) && source.calls == calls);
	end();
	free(buffer);
}
END_TEST

Suite *qnx6_tree_suite(void)
{
	Suite *suite = suite_create("qnx6_tree");
	TCase *tc = tcase_create("tree");

	tcase_add_loop_test(tc, test_levels, 0, IMAGE_KINDS);
	tcase_add_loop_test(tc, test_too_many_levels, 0, IMAGE_KINDS);
	tcase_add_loop_test(tc, test_out_of_range, 0, IMAGE_KINDS);
	tcase_add_loop_test(tc, test_cycle, 0, IMAGE_KINDS);
	tcase_add_test(tc, test_unreadable);
	tcase_add_loop_test(tc, test_huge_sizes, 0, IMAGE_KINDS);
	tcase_add_test(tc, test_large_hole);
	suite_add_tcase(suite, tc);
	return suite;
}
