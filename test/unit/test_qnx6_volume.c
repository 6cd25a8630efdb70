/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source that is a file, a volume that QNX made against the tar of the same tree, and
 * volumes with damage at random.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qnx6_image.h"
#include "suites.h"

/* Not part of the repository. */
#define REAL QNX6_IMAGES "/nfi-qnxmount-test_image"

START_TEST(test_file_source)
{
	char path[] = "/tmp/qnx6-source-XXXXXX", why[256] = "";
	struct qnx6_source *source;
	struct qnx6_piece pieces[2];
	char bytes[8] = "";
	int fd = mkstemp(path);

	must(fd >= 0 && write(fd, "0123456789", 10) == 10);
	ck_assert_int_eq(qnx6_file_open(&source, path, why, sizeof(why)), 0);
	must(source->size == 10);
	pieces[0] = (struct qnx6_piece){7, bytes, 3};
	pieces[1] = (struct qnx6_piece){1, bytes + 3, 4};
	must(source->ops->read(source, pieces, 2) == 0 && !strcmp(bytes, "7891234"));
	must(qnx6_source_read(source, 8, bytes, 3) == -EIO);
	must(ftruncate(fd, 5) == 0);
	must(source->ops->read(source, pieces, 2) == -EIO);
	qnx6_source_close(source);
	qnx6_source_close(NULL);
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(test_file_refused)
{
	char dir[] = "/tmp/qnx6-source-XXXXXX", fifo[64], why[256] = "";
	struct qnx6_source *source;

	must(mkdtemp(dir));
	must(qnx6_file_open(&source, dir, why, sizeof(why)) == -EISDIR);
	must(strstr(why, dir) && strstr(why, "expected is a file or a block device"));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	must(qnx6_file_open(&source, fifo, why, sizeof(why)) == -ENOENT && strstr(why, "No such"));
	must(mkfifo(fifo, 0600) == 0);
	must(qnx6_file_open(&source, fifo, why, sizeof(why)) == -EINVAL);
	must(qnx6_file_open(&source, "/dev/null", why, sizeof(why)) == -EINVAL);
	unlink(fifo);
	rmdir(dir);
}
END_TEST

/* A member of a tar file, as POSIX has it. */
struct member {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
	char rest[255];
};

static unsigned long octal(const char *field, size_t size)
{
	char text[16] = "";

	memcpy(text, field, size);
	return strtoul(text, NULL, 8);
}

static uint16_t type_of(char type)
{
	switch (type) {
	case '5':
		return S_IFDIR;
	case '2':
		return S_IFLNK;
	case '6':
		return S_IFIFO;
	default:
		must(type == '0');
		return S_IFREG;
	}
}

static struct qnx6_node find(struct qnx6_volume *volume, const char *path)
{
	uint32_t number = QNX6_ROOT_INODE;
	struct qnx6_node node;
	char copy[101], *rest, *name;

	snprintf(copy, sizeof(copy), "%.100s", path);
	for (name = strtok_r(copy, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
		node = image_node(volume, number);
		ck_assert_msg(qnx6_lookup(volume, &node, name, &number) == 0, "no %s", path);
	}
	return image_node(volume, number);
}

struct count {
	struct qnx6_volume *volume;
	unsigned names, directories;
};

static bool count_name(void *context, const struct qnx6_name *name, uint64_t next)
{
	struct count *count = context;

	(void)next;
	if (!strcmp(name->text, ".") || !strcmp(name->text, ".."))
		return true;
	count->names++;
	count->directories += S_ISDIR(image_node(count->volume, name->inode).mode);
	return true;
}

static struct count count_names(struct qnx6_volume *volume, const struct qnx6_node *dir)
{
	struct count count = {.volume = volume};

	must(qnx6_list(volume, dir, 0, count_name, &count) == 0);
	return count;
}

static void compare_data(struct qnx6_volume *volume, const struct qnx6_node *node, FILE *tar,
			 size_t size)
{
	size_t padded = (size + 511) / 512 * 512;
	char *expected = malloc(padded + 1), *found = malloc(size + 1);

	must(node->tree.size == size);
	must(fread(expected, 1, padded, tar) == padded);
	must(qnx6_read(volume, node, 0, found, size + 1) == (ssize_t)size);
	must(memcmp(expected, found, size) == 0);
	free(expected);
	free(found);
}

/* A directory has a link for each of its own, and two. */
static void compare(struct qnx6_volume *volume, const struct member *member, FILE *tar)
{
	struct qnx6_node node = find(volume, member->name);
	char target[101] = "";

	must(node.mode == (type_of(member->type) | octal(member->mode, 8)));
	must(node.uid == octal(member->uid, 8) && node.gid == octal(member->gid, 8));
	must(node.mtime == octal(member->mtime, 12));
	if (S_ISDIR(node.mode)) {
		must(node.links == 2 + count_names(volume, &node).directories);
		return;
	}
	must(node.links == 1);
	if (S_ISLNK(node.mode)) {
		must(qnx6_read(volume, &node, 0, target, 100) == (ssize_t)node.tree.size);
		ck_assert_str_eq(target, member->link);
		return;
	}
	compare_data(volume, &node, tar, octal(member->size, 12));
}

static unsigned count_all(struct qnx6_volume *volume, const struct qnx6_node *dir);

static bool count_below(void *context, const struct qnx6_name *name, uint64_t next)
{
	struct count *count = context;
	struct qnx6_node node = image_node(count->volume, name->inode);

	(void)next;
	if (!strcmp(name->text, ".") || !strcmp(name->text, ".."))
		return true;
	count->names += 1 + (S_ISDIR(node.mode) ? count_all(count->volume, &node) : 0);
	return true;
}

static unsigned count_all(struct qnx6_volume *volume, const struct qnx6_node *dir)
{
	struct count count = {.volume = volume};

	must(qnx6_list(volume, dir, 0, count_below, &count) == 0);
	return count.names;
}

static struct qnx6_volume *open_real(struct qnx6_source **source)
{
	struct qnx6_volume *volume;
	char why[256] = "";

	ck_assert_msg(!qnx6_file_open(source, REAL ".bin", why, sizeof(why)), "%s", why);
	ck_assert_msg(!qnx6_open(&volume, *source, NULL, why, sizeof(why)), "%s", why);
	must(qnx6_info(volume)->active == 2 && qnx6_info(volume)->block_size == 1024);
	return volume;
}

static FILE *open_tar(pid_t *gzip)
{
	int ends[2];

	must(pipe(ends) == 0);
	*gzip = fork();
	must(*gzip >= 0);
	if (*gzip == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execlp("gzip", "gzip", "-dc", REAL ".tar.gz", NULL);
		_exit(127);
	}
	close(ends[1]);
	return fdopen(ends[0], "r");
}

START_TEST(test_real_volume)
{
	struct qnx6_source *source;
	struct qnx6_volume *volume;
	struct qnx6_node root;
	struct member member;
	unsigned members = 0;
	int status;
	pid_t gzip;
	FILE *tar;

	if (access(REAL ".bin", R_OK)) {
		printf("qnx6: no volume made by QNX is at " REAL ".bin: not compared\n");
		return;
	}
	volume = open_real(&source);
	root = image_node(volume, QNX6_ROOT_INODE);
	tar = open_tar(&gzip);
	while (fread(&member, sizeof(member), 1, tar) == 1 && member.name[0]) {
		compare(volume, &member, tar);
		members++;
	}
	while (fread(&member, sizeof(member), 1, tar) == 1)
		; /* the padding, which gzip is to get rid of */
	fclose(tar);
	must(waitpid(gzip, &status, 0) == gzip && status == 0);
	must(members == 32);
	/* the tar has not the root itself, and not ".boot", which QNX makes in each volume */
	must(count_all(volume, &root) == members + 1);
	must(root.links == 2 + count_names(volume, &root).directories);
	qnx6_close(volume);
	qnx6_source_close(source);
}
END_TEST

static void make_victim(struct image *image, struct image_kind kind)
{
	static char data[40000];
	uint32_t dir, file;
	char name[64];

	kind.num_blocks = 300;
	image_make(image, kind);
	dir = image_file(image, S_IFDIR | 0755, 0, 1);
	image_name(image, QNX6_ROOT_INODE, "directory", dir);
	image_name(image, dir, ".", dir);
	image_name(image, dir, "..", QNX6_ROOT_INODE);
	for (unsigned i = 0; i < 12; i++) {
		size_t size = (size_t)500 * i * i % sizeof(data);

		file = image_file(image, i % 5 ? S_IFREG | 0644 : S_IFLNK | 0777, size, i % 3 + 1);
		image_put(image, file, 0, data, size < 7000 ? size : 7000);
		snprintf(name, sizeof(name),
			 i % 4 ? "file_%u" : "a file whose name is longer than fits %u", i);
		image_name(image, i % 2 ? dir : QNX6_ROOT_INODE, name, file);
	}
	image_seal(image, 1, 2);
}

struct tour {
	struct qnx6_volume *volume;
	struct qnx6_node dir;
	unsigned depth, names;
};

static void look_around(struct qnx6_volume *volume, uint32_t number, unsigned depth);

/* No more than a few: a damaged directory may have one name thousands of times. */
static bool look_at(void *context, const struct qnx6_name *name, uint64_t next)
{
	struct tour *tour = context;
	uint32_t number;

	(void)next;
	must(name->length && strlen(name->text) == name->length && !strchr(name->text, '/'));
	must(qnx6_lookup(tour->volume, &tour->dir, name->text, &number) == 0);
	look_around(tour->volume, name->inode, tour->depth + 1);
	return ++tour->names < 40;
}

static void look_around(struct qnx6_volume *volume, uint32_t number, unsigned depth)
{
	struct tour tour = {.volume = volume, .depth = depth};
	static char data[50000];
	ssize_t got;
	int error;

	if (depth > 3 || qnx6_node(volume, number, &tour.dir))
		return;
	got = qnx6_read(volume, &tour.dir, 0, data, sizeof(data));
	must(got == -EIO || (got >= 0 && (uint64_t)got <= tour.dir.tree.size));
	must(qnx6_node_blocks(volume, &tour.dir) <=
	     (uint64_t)qnx6_info(volume)->num_blocks * qnx6_info(volume)->block_size / 512);
	error = qnx6_list(volume, &tour.dir, 0, look_at, &tour);
	must(error == 0 || error == -EIO || error == -ENOTDIR);
}

static void damage(struct image *image)
{
	static const uint32_t values[] = {0,           1,         UINT32_MAX, UINT32_MAX - 1,
					  0x80000000u, 0x7fffffff};
	size_t metadata = image->data_offset + (size_t)image->next_block * image->block_size;
	uint32_t edits = 1 + image_random() % 8;

	for (uint32_t i = 0; i < edits; i++) {
		size_t at = image_random() % (image_random() % 4 ? metadata : image->size);

		if (image_random() % 3 == 0) /* most of what counts is in the super blocks */
			at = image->super_offset[image_random() % 2] + image_random() % 400;
		if (image_random() % 2)
			image->bytes[at] = (uint8_t)image_random();
		else
			memcpy(image->bytes + at / 4 * 4, &values[image_random() % 6], 4);
	}
	image_sign(image, 0);
	image_sign(image, 1);
}

/* Whatever is in it: an answer, or an error. */
START_TEST(test_random_damage)
{
	for (int round = 0; round < 60; round++) {
		struct image image;
		struct image_source source;
		struct qnx6_volume *volume;
		char why[256];

		image_srandom((uint32_t)(_i * 1000 + round));
		make_victim(&image, image_kind(_i));
		damage(&image);
		image_source(&source, &image);
		if (!qnx6_open(&volume, &source.head, NULL, why, sizeof(why))) {
			for (uint32_t number = 1; number < 20; number++)
				look_around(volume, number, 1);
			qnx6_close(volume);
		}
		image_free(&image);
	}
}
END_TEST

Suite *qnx6_volume_suite(void)
{
	Suite *suite = suite_create("qnx6_volume");
	TCase *tc = tcase_create("volume");

	tcase_add_test(tc, test_file_source);
	tcase_add_test(tc, test_file_refused);
	tcase_add_test(tc, test_real_volume);
	tcase_add_loop_test(tc, test_random_damage, 0, IMAGE_KINDS);
	suite_add_tcase(suite, tc);
	return suite;
}
