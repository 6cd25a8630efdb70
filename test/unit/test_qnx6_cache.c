/* SPDX-License-Identifier: BSD-3-Clause */
/* The metadata cache: what it asks of the source, what it keeps, and many threads in it. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache.h"
#include "qnx6_image.h"
#include "suites.h"

static struct image image;
static struct image_source source;

/* Nothing of a volume is needed for the cache itself: the image is 64 clusters of numbers. */
static void make_bytes(void)
{
	image.size = 64 * QNX6_CLUSTER + 1000;
	image.bytes = malloc(image.size);
	must(image.bytes);
	for (size_t i = 0; i < image.size; i++)
		image.bytes[i] = (uint8_t)(i * 7 + i / 256 + i / QNX6_CLUSTER);
	image_source(&source, &image);
}

static struct qnx6_cache *make_cache(size_t limit)
{
	struct qnx6_cache *cache;

	must(qnx6_cache_open(&cache, &source.head, 500, image.size - 500, limit) == 0);
	return cache;
}

static void must_copy(struct qnx6_cache *cache, uint64_t offset, size_t size)
{
	uint8_t bytes[4096];

	must(qnx6_cache_copy(cache, offset, bytes, size) == 0);
	must(memcmp(bytes, image.bytes + 500 + offset, size) == 0);
}

static void copy_clusters(struct qnx6_cache *cache, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		must_copy(cache, i * QNX6_CLUSTER + i % 40, 100);
}

START_TEST(test_keeps)
{
	struct qnx6_cache *cache;

	make_bytes();
	cache = make_cache(64 * QNX6_CLUSTER);
	copy_clusters(cache, 0, 64);
	must(source.calls == 64 && source.bytes == 64 * QNX6_CLUSTER);
	for (int i = 0; i < 5; i++)
		copy_clusters(cache, 0, 64);
	must(source.calls == 64);
	must_copy(cache, 64 * QNX6_CLUSTER, 500); /* the last, which is cut off */
	must(source.calls == 65 && source.bytes == 64 * QNX6_CLUSTER + 500);
	qnx6_cache_close(cache);
	free(image.bytes);
}
END_TEST

/* What is in use stays; what was not for longest goes. */
START_TEST(test_bound)
{
	struct qnx6_cache *cache;

	make_bytes();
	cache = make_cache(8 * QNX6_CLUSTER + 1);
	copy_clusters(cache, 0, 8);
	must(source.calls == 8);
	for (unsigned i = 8; i < 60; i++) {
		must_copy(cache, 5, 10);
		copy_clusters(cache, i, i + 1);
	}
	must(source.calls == 60);
	must_copy(cache, 5, 10);
	copy_clusters(cache, 53, 60);
	must(source.calls == 60); /* the last 7 and the first */
	copy_clusters(cache, 1, 9);
	must(source.calls == 68);
	qnx6_cache_close(cache);
	free(image.bytes);
}
END_TEST

/* Less than one cluster keeps nothing; no size is more than there is to keep. */
START_TEST(test_sizes)
{
	static const size_t limits[] = {1, QNX6_CLUSTER - 1, QNX6_CLUSTER, 3 * QNX6_CLUSTER,
					SIZE_MAX};

	make_bytes();
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct qnx6_cache *cache = make_cache(limits[i]);

		source.calls = 0;
		source.bytes = 0;
		for (int round = 0; round < 10; round++)
			must_copy(cache, 100, 128);
		must(source.calls == (i < 2 ? 10 : 1));
		must(source.bytes == (i < 2 ? 1280 : QNX6_CLUSTER));
		copy_clusters(cache, 0, 64);
		qnx6_cache_close(cache);
	}
	qnx6_cache_close(NULL);
	free(image.bytes);
}
END_TEST

/* A cluster that cannot be read as a whole is not asked for each time again. */
START_TEST(test_fault)
{
	struct qnx6_cache *cache;
	uint8_t bytes[128];

	make_bytes();
	cache = make_cache(16 * QNX6_CLUSTER);
	source.faults[0].start = 500 + QNX6_CLUSTER + 1024;
	source.faults[0].end = source.faults[0].start + 512;
	must_copy(cache, QNX6_CLUSTER, 128);
	must(source.calls == 2);
	must_copy(cache, QNX6_CLUSTER + 1024 - 128, 128);
	must(source.calls == 3);
	must(qnx6_cache_copy(cache, QNX6_CLUSTER + 1024, bytes, 128) == -EIO);
	must(qnx6_cache_copy(cache, QNX6_CLUSTER + 1408, bytes, 128) == -EIO);
	must_copy(cache, QNX6_CLUSTER + 1536, 128);
	must(source.calls == 6);
	copy_clusters(cache, 2, 5);
	for (int i = 0; i < 200; i++)
		must(qnx6_cache_copy(cache, QNX6_CLUSTER + 1024, bytes, 128) == -EIO);
	must(source.calls <= 9 + 200 + 4); /* the cluster was tried again, but seldom */
	source.faults[0].end = 0;
	for (int i = 0; i < 100; i++)
		must_copy(cache, QNX6_CLUSTER + 1024, 128);
	source.calls = 0;
	must_copy(cache, QNX6_CLUSTER + 1024, 128);
	must(source.calls == 0);
	qnx6_cache_close(cache);
	free(image.bytes);
}
END_TEST

#define FILES 20000u
#define DIRS  20u

/* Each directory has the names f0.., of files with the size of their number. */
static void make_tree(uint32_t files, uint32_t dirs)
{
	char name[32];
	uint32_t dir = 0, number;

	image_make(&image, (struct image_kind){.num_inodes = files + dirs + 1,
					       .num_blocks = files / 4 + 200});
	for (uint32_t i = 0; i < files; i++) {
		if (i % (files / dirs) == 0) {
			dir = image_file(&image, S_IFDIR | 0755, 0, 1);
			snprintf(name, sizeof(name), "d%u", i);
			image_name(&image, QNX6_ROOT_INODE, name, dir);
		}
		number = image_file(&image, S_IFREG | 0644, 0, 0);
		image_inode(&image, number)->size = image64(&image, number);
		snprintf(name, sizeof(name), "f%u", i);
		image_name(&image, dir, name, number);
	}
	image_seal(&image, 1, 2);
	image_source(&source, &image);
}

struct visit {
	struct qnx6_volume *volume;
	struct qnx6_node dir;
	unsigned files;
};

static bool visit(void *context, const struct qnx6_name *name, uint64_t next)
{
	struct visit *parent = context;
	struct visit child = {.volume = parent->volume};
	uint32_t number;

	(void)next;
	if (name->text[0] == '.')
		return true;
	must(qnx6_lookup(parent->volume, &parent->dir, name->text, &number) == 0);
	must(number == name->inode);
	must(qnx6_node(parent->volume, name->inode, &child.dir) == 0);
	if (S_ISDIR(child.dir.mode)) {
		must(qnx6_list(child.volume, &child.dir, 0, visit, &child) == 0);
		parent->files += child.files;
		return true;
	}
	must(child.dir.tree.size == name->inode);
	parent->files++;
	return true;
}

static unsigned visit_all(struct qnx6_volume *volume)
{
	struct visit top = {.volume = volume};

	must(qnx6_node(volume, QNX6_ROOT_INODE, &top.dir) == 0);
	must(qnx6_list(volume, &top.dir, 0, visit, &top) == 0);
	return top.files;
}

/* Listing a tree with all attributes reads each cluster of its metadata once. */
START_TEST(test_few_requests)
{
	struct qnx6_volume *volume;
	uint64_t metadata;
	unsigned calls;

	make_tree(FILES, DIRS);
	volume = image_open(&source, 0);
	metadata = (uint64_t)image.next_block * image.block_size;
	calls = source.calls;
	ck_assert_uint_eq(visit_all(volume), FILES);
	must(source.calls - calls <= metadata / QNX6_CLUSTER + 1);
	visit_all(volume);
	must(source.calls - calls <= metadata / QNX6_CLUSTER + 1);
	qnx6_close(volume);
	image_free(&image);
}
END_TEST

#define THREADS 4

static void *visit_in_thread(void *volume)
{
	return (void *)(uintptr_t)visit_all(volume);
}

/* In a cache that is far too small, so that they take each other's ways. */
START_TEST(test_threads)
{
	static const size_t limits[] = {1, 2 * QNX6_CLUSTER, 0};
	struct qnx6_volume *volume;
	pthread_t threads[THREADS];
	void *files;

	make_tree(2000, 8);
	volume = image_open(&source, limits[_i]);
	for (int i = 0; i < THREADS; i++)
		must(pthread_create(&threads[i], NULL, visit_in_thread, volume) == 0);
	for (int i = 0; i < THREADS; i++) {
		must(pthread_join(threads[i], &files) == 0);
		must((uintptr_t)files == 2000);
	}
	qnx6_close(volume);
	image_free(&image);
}
END_TEST

Suite *qnx6_cache_suite(void)
{
	Suite *suite = suite_create("qnx6_cache");
	TCase *tc = tcase_create("cache");

	tcase_add_test(tc, test_keeps);
	tcase_add_test(tc, test_bound);
	tcase_add_test(tc, test_sizes);
	tcase_add_test(tc, test_fault);
	tcase_add_test(tc, test_few_requests);
	tcase_add_loop_test(tc, test_threads, 0, 3);
	suite_add_tcase(suite, tc);
	return suite;
}
