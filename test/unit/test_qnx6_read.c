/* SPDX-License-Identifier: BSD-3-Clause */
/* Data of files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "qnx6_image.h"
#include "suites.h"

#define KIB ((size_t)1024)

static struct image image;
static struct image_source source;
static struct qnx6_volume *volume;

static void begin(struct image_kind kind)
{
	image_make(&image, kind);
	image_source(&source, &image);
}

static void reopen(void)
{
	qnx6_close(volume);
	image_seal(&image, 1, 2);
	volume = image_open(&source, 0);
}

static void end(void)
{
	qnx6_close(volume);
	image_free(&image);
}

static uint8_t *random_bytes(size_t size)
{
	uint8_t *bytes = malloc(size);

	must(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)image_random();
	return bytes;
}

/* What a file is to read as. */
struct model {
	uint32_t number;
	uint8_t *bytes;
	size_t size;
};

/* Some blocks in order, some not, some are holes. */
static struct model make_file(size_t size, unsigned levels)
{
	struct model model = {image_file(&image, S_IFREG | 0644, size, levels), calloc(1, size),
			      size};
	uint8_t *data = random_bytes(image.block_size);

	for (size_t at = 0; at < size; at += image.block_size) {
		size_t part = size - at < image.block_size ? size - at : image.block_size;

		if (image_random() % 8 == 0)
			image_block(&image); /* what follows is not next to it */
		if (image_random() % 4 == 0)
			continue;
		data[0]++;
		image_put(&image, model.number, at, data, part);
		memcpy(model.bytes + at, data, part);
	}
	free(data);
	return model;
}

static void check_part(const struct model *model, const struct qnx6_node *node, size_t offset,
		       size_t size)
{
	size_t there = offset >= model->size         ? 0
		       : model->size - offset < size ? model->size - offset
						     : size;
	uint8_t *buffer = malloc(size + 2);

	memset(buffer, 0xaa, size + 2);
	ck_assert_int_eq(qnx6_read(volume, node, offset, buffer + 1, size), (ssize_t)there);
	must(memcmp(buffer + 1, model->bytes + offset, there) == 0);
	must(buffer[0] == 0xaa && buffer[1 + there] == 0xaa);
	free(buffer);
}

static void check_file(const struct model *model)
{
	struct qnx6_node node = image_node(volume, model->number);

	check_part(model, &node, 0, model->size);
	check_part(model, &node, 0, model->size + 1000);
	check_part(model, &node, model->size - 1, 2);
	check_part(model, &node, model->size, 10);
	check_part(model, &node, model->size + 1, 10);
	check_part(model, &node, model->size + 100000, 10);
	for (int i = 0; i < 200; i++)
		check_part(model, &node, image_random() % (model->size + 10),
			   image_random() % (i % 2 ? 3000 : model->size));
}

START_TEST(test_contents)
{
	struct image_kind kind = image_kind(_i);
	struct model models[4];

	kind.num_blocks = 1000;
	begin(kind);
	for (unsigned levels = 0; levels < 4; levels++)
		models[levels] = make_file((levels ? 120 : 14) * (size_t)image.block_size -
						   (size_t)77 * levels - 1,
					   levels);
	reopen();
	for (unsigned levels = 0; levels < 4; levels++) {
		check_file(&models[levels]);
		free(models[levels].bytes);
	}
	end();
}
END_TEST

/* Blocks that follow one another are one piece, and all pieces are one batch. */
START_TEST(test_one_request)
{
	struct image_kind kind = {.block_size = 1024, .num_blocks = 3000};
	size_t size = 2000 * KIB;
	uint8_t *data = random_bytes(size), *buffer = malloc(size);
	struct qnx6_node node;
	uint32_t number, pieces, start;
	unsigned calls;

	begin(kind);
	number = image_file(&image, S_IFREG | 0644, size, 1);
	start = image.next_block + 10;
	image_block(&image);
	for (uint32_t i = 0; i < 2000; i++)
		image_map(&image, image_inode(&image, number)->ptr, 1, i, start + i);
	memcpy(image_at(&image, start), data, size);
	reopen();
	node = image_node(volume, number);
	must(qnx6_read(volume, &node, 0, buffer, 1) == 1);
	must(qnx6_read(volume, &node, size - 1, buffer, 1) == 1); /* metadata is known now */
	calls = source.calls;
	pieces = source.pieces;
	must(qnx6_read(volume, &node, 5, buffer, size) == (ssize_t)size - 5);
	must(source.calls == calls + 1 && source.pieces == pieces + 1);
	must(memcmp(buffer, data + 5, size - 5) == 0);
	free(data);
	free(buffer);
	end();
}
END_TEST

START_TEST(test_scattered_batches)
{
	struct image_kind kind = {.block_size = 512, .num_blocks = 1000};
	uint8_t buffer[200 * 512];
	struct qnx6_node node;
	uint32_t number;
	unsigned calls;

	begin(kind);
	number = image_file(&image, S_IFREG | 0644, sizeof(buffer), 1);
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t block = 900 - 2 * i;

		image_map(&image, image_inode(&image, number)->ptr, 1, i, block);
		memset(image_at(&image, block), (int)i, 512);
	}
	reopen();
	node = image_node(volume, number);
	must(qnx6_read(volume, &node, 0, buffer, sizeof(buffer)) == sizeof(buffer));
	calls = source.calls;
	must(qnx6_read(volume, &node, 0, buffer, sizeof(buffer)) == sizeof(buffer));
	must(source.calls == calls + 4); /* of 64 pieces */
	for (size_t i = 0; i < sizeof(buffer); i++)
		must(buffer[i] == i / 512);
	end();
}
END_TEST

/* A block that cannot be read is an error for who asks for it, and for nobody else. */
START_TEST(test_bad_block)
{
	uint8_t buffer[12 * KIB], *data = random_bytes(sizeof(buffer));
	struct qnx6_node node;
	uint32_t number, bad;

	begin((struct image_kind){.block_size = 1024});
	number = image_file(&image, S_IFREG | 0644, sizeof(buffer), 0);
	bad = image.next_block + 5;
	image_put(&image, number, 0, data, sizeof(buffer));
	image_fault(&source, 0, bad);
	reopen();
	node = image_node(volume, number);
	must(qnx6_read(volume, &node, 0, buffer, sizeof(buffer)) == -EIO);
	must(qnx6_read(volume, &node, 5 * KIB - 1, buffer, 2) == -EIO);
	must(qnx6_read(volume, &node, 0, buffer, 5 * KIB) == (ssize_t)(5 * KIB));
	must(memcmp(buffer, data, 5 * KIB) == 0);
	must(qnx6_read(volume, &node, 6 * KIB, buffer, 7000) == (ssize_t)(6 * KIB));
	must(memcmp(buffer, data + 6 * KIB, 6 * KIB) == 0);
	must(source.warnings == 2);
	must(strstr(source.warning, "inode 2: of the 2 bytes from byte 5119 on not all can be"));
	image_inode(&image, number)->ptr[8] = image32(&image, image.num_blocks - 1);
	image_inode(&image, number)->ptr[9] = image32(&image, image.num_blocks);
	image_inode(&image, number)->ptr[7] = image32(&image, image.num_blocks);
	reopen();
	node = image_node(volume, number);
	must(qnx6_read(volume, &node, 6 * KIB, buffer, 1025) == -EIO);
	must(qnx6_read(volume, &node, 6 * KIB, buffer, 1024) == 1024);
	must(qnx6_read(volume, &node, 8 * KIB, buffer, 1024) == 1024);
	must(qnx6_read(volume, &node, 8 * KIB, buffer, 1025) == -EIO);
	free(data);
	end();
}
END_TEST

/* A directory's records, a symbolic link's target, a single block. */
START_TEST(test_kinds_of_node)
{
	struct qnx6_entry entries[3];
	struct qnx6_node node;
	uint8_t *block;
	char text[20];
	uint32_t link;

	begin(image_kind(_i));
	link = image_file(&image, S_IFLNK | 0777, 11, 0);
	image_put(&image, link, 0, "../a/target", 11);
	reopen();
	node = image_node(volume, QNX6_ROOT_INODE);
	must(qnx6_read(volume, &node, 0, entries, sizeof(entries)) == 2 * sizeof(entries[0]));
	must(entries[1].length == 2 && !memcmp(entries[1].name, "..", 3));
	node = image_node(volume, link);
	must(qnx6_read(volume, &node, 0, text, sizeof(text)) == 11);
	must(!memcmp(text, "../a/target", 11));
	block = malloc(image.block_size);
	must(qnx6_read_block(volume, node.tree.ptr[0], block) == 0);
	must(!memcmp(block, "../a/target", 12));
	must(qnx6_read_block(volume, image.num_blocks - 1, block) == 0);
	must(qnx6_read_block(volume, image.num_blocks, block) == -EIO);
	must(qnx6_read_block(volume, QNX6_NO_BLOCK, block) == -EIO);
	free(block);
	end();
}
END_TEST

Suite *qnx6_read_suite(void)
{
	Suite *suite = suite_create("qnx6_read");
	TCase *tc = tcase_create("read");

	tcase_add_loop_test(tc, test_contents, 0, IMAGE_KINDS);
	tcase_add_test(tc, test_one_request);
	tcase_add_test(tc, test_scattered_batches);
	tcase_add_test(tc, test_bad_block);
	tcase_add_loop_test(tc, test_kinds_of_node, 0, IMAGE_KINDS);
	suite_add_tcase(suite, tc);
	return suite;
}
