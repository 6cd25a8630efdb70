/* SPDX-License-Identifier: BSD-3-Clause */
/* Inodes: live, free, and senseless. */
#include <errno.h>
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
}

static void end(void)
{
	qnx6_close(volume);
	image_free(&image);
}

/* What the inode gives after @number was changed. */
static int node_of(uint32_t number)
{
	struct qnx6_node node;

	qnx6_close(volume);
	volume = image_open(&source, 0);
	source.warnings = 0;
	return qnx6_node(volume, number, &node);
}

START_TEST(test_attributes)
{
	struct qnx6_inode *inode;
	struct qnx6_node node;
	uint32_t number;

	begin(image_kind(_i));
	number = image_file(&image, S_IFREG | 04751, 0x123456789abcdefull, 3);
	inode = image_inode(&image, number);
	inode->links = image16(&image, 777);
	inode->ptr[15] = image32(&image, 5);
	inode->mtime = image32(&image, UINT32_MAX);
	volume = image_open(&source, 0);
	node = image_node(volume, number);
	must(node.number == number && node.mode == (S_IFREG | 04751) && node.links == 777);
	must(node.uid == 100 + number && node.gid == 200 + number);
	must(node.ftime == 1 && node.mtime == UINT32_MAX && node.atime == 3 && node.ctime == 4);
	must(node.status == QNX6_STATUS_LIVE && node.tree.size == 0x123456789abcdefull);
	must(node.tree.levels == 3 && node.tree.ptr[0] == QNX6_NO_BLOCK && node.tree.ptr[15] == 5);
	end();
}
END_TEST

START_TEST(test_numbers)
{
	begin(image_kind(_i));
	must(node_of(0) == -ENOENT);
	must(node_of(QNX6_ROOT_INODE) == 0);
	must(node_of(2) == -ENOENT); /* free */
	must(node_of(image.num_inodes) == -ENOENT);
	must(node_of(image.num_inodes + 1) == -ENOENT);
	must(node_of(UINT32_MAX) == -ENOENT);
	image.next_inode = image.num_inodes - 1;
	image_file(&image, S_IFREG, 0, 0);
	must(node_of(image.num_inodes) == 0);
	end();
}
END_TEST

START_TEST(test_live)
{
	static const struct {
		uint8_t status;
		int error;
	} cases[] = {{0, -ENOENT}, {1, 0}, {2, -ENOENT}, {3, 0}, {0x80, -ENOENT}, {0x81, 0}};
	struct qnx6_inode *inode;

	begin((struct image_kind){0});
	inode = image_inode(&image, image_file(&image, S_IFREG | 0644, 0, 0));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		inode->status = cases[i].status;
		must(node_of(2) == cases[i].error);
	}
	inode->status = 3;
	inode->mode = image16(&image, 0);
	must(node_of(2) == -ENOENT);
	must(source.warnings == 0);
	end();
}
END_TEST

START_TEST(test_types)
{
	struct qnx6_inode *inode;

	begin((struct image_kind){0});
	inode = image_inode(&image, image_file(&image, S_IFREG | 0644, 0, 0));
	for (uint16_t type = 0; type < 16; type++) {
		bool known = type == 1 || type == 2 || type == 4 || type == 6 || type == 8 ||
			     type == 10 || type == 12;

		inode->mode = image16(&image, (uint16_t)(type << 12 | 0644));
		must(node_of(2) == (known ? 0 : -EIO));
		must(source.warnings == (known ? 0 : 1));
	}
	must(strstr(source.warning, "inode 2 is of no known type: its mode is 0170644"));
	end();
}
END_TEST

START_TEST(test_senseless)
{
	struct qnx6_inode *inode;

	begin((struct image_kind){0});
	inode = image_inode(&image, image_file(&image, S_IFREG | 0644, 0, QNX6_MAX_LEVELS));
	must(node_of(2) == 0);
	inode->levels = QNX6_MAX_LEVELS + 1;
	must(node_of(2) == -EIO && strstr(source.warning, "6 levels"));
	inode->levels = 255;
	must(node_of(2) == -EIO);
	inode->levels = 0;
	inode->size = image64(&image, INT64_MAX);
	must(node_of(2) == 0);
	inode->size = image64(&image, (uint64_t)INT64_MAX + 1);
	must(node_of(2) == -EIO && strstr(source.warning, "size of 9223372036854775808 bytes"));
	must(node_of(1) == 0);
	end();
}
END_TEST

/* One sentence for all inodes, of which a volume of a newer version has many. */
START_TEST(test_spare_bytes)
{
	struct qnx6_node node;

	begin((struct image_kind){0});
	for (int i = 0; i < 5; i++)
		image_inode(&image, image_file(&image, S_IFREG, 0, 0))->spare[25] = 1;
	must(node_of(2) == 0);
	for (uint32_t number = 2; number < 7; number++)
		must(qnx6_node(volume, number, &node) == 0);
	must(source.warnings == 1 && strstr(source.warning, "inode 2 has bytes set"));
	end();
}
END_TEST

START_TEST(test_warnings_end)
{
	struct qnx6_node node;

	begin((struct image_kind){0});
	image_file(&image, S_IFREG, UINT64_MAX, 0);
	must(node_of(2) == -EIO);
	for (int i = 0; i < 1000; i++)
		must(qnx6_node(volume, 2, &node) == -EIO);
	must(source.warnings == 100);
	end();
}
END_TEST

/* Holes in the table are free inodes; what leads nowhere is an error; the rest stays. */
START_TEST(test_damaged_table)
{
	begin((struct image_kind){.block_size = 512}); /* 4 inodes in a block */
	for (int i = 0; i < 20; i++)
		image_file(&image, S_IFREG, 0, 0);
	image.inodes.ptr[1] = image32(&image, QNX6_NO_BLOCK);
	image.inodes.ptr[2] = image32(&image, image.num_blocks);
	image_seal(&image, 1, 2);
	must(node_of(4) == 0 && node_of(5) == -ENOENT && node_of(8) == -ENOENT);
	must(node_of(9) == -EIO && node_of(12) == -EIO && node_of(13) == 0);
	must(node_of(9) == -EIO && source.warnings == 1);
	must(strstr(source.warning, "inode 9 cannot be read"));
	image_fault(&source, 0, 0);
	must(node_of(1) == -EIO && node_of(4) == -EIO && node_of(13) == 0);
	end();
}
END_TEST

static uint64_t blocks_of(uint64_t size, unsigned levels, unsigned pointers)
{
	struct qnx6_node node = {.mode = S_IFREG, .tree = {.size = size, .levels = levels}};

	memset(node.tree.ptr, 0xff, sizeof(node.tree.ptr));
	memset(node.tree.ptr, 0, pointers * sizeof(node.tree.ptr[0]));
	return qnx6_node_blocks(volume, &node);
}

START_TEST(test_blocks)
{
	begin((struct image_kind){.block_size = 1024});
	volume = image_open(&source, 0);
	must(blocks_of(0, 0, 16) == 0);
	must(blocks_of(1, 0, 16) == 2 && blocks_of(1024, 0, 16) == 2 &&
	     blocks_of(1025, 0, 16) == 4);
	must(blocks_of(16384, 0, 16) == 32 && blocks_of(16384, 0, 3) == 6);
	must(blocks_of(102400, 1, 1) == 200 && blocks_of(307200, 1, 1) == 512);
	must(blocks_of(307200, 1, 2) == 600 && blocks_of(307200, 1, 0) == 0);
	must(blocks_of(UINT64_MAX, 5, 16) == (uint64_t)image.num_blocks * 2);
	must(blocks_of(UINT64_MAX, 5, 0) == 0);
	end();
}
END_TEST

Suite *qnx6_node_suite(void)
{
	Suite *suite = suite_create("qnx6_node");
	TCase *tc = tcase_create("node");

	tcase_add_loop_test(tc, test_attributes, 0, IMAGE_KINDS);
	tcase_add_loop_test(tc, test_numbers, 0, IMAGE_KINDS);
	tcase_add_test(tc, test_live);
	tcase_add_test(tc, test_types);
	tcase_add_test(tc, test_senseless);
	tcase_add_test(tc, test_spare_bytes);
	tcase_add_test(tc, test_warnings_end);
	tcase_add_test(tc, test_damaged_table);
	tcase_add_test(tc, test_blocks);
	suite_add_tcase(suite, tc);
	return suite;
}
