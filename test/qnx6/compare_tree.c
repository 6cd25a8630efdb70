/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * compare_tree IMAGE DIR [SECONDS]: whether a volume holds what a directory does. Names, modes,
 * owners, times, sizes, contents, targets of symbolic links, which names are one file, and how many
 * links it has; that holes are where Linux reads them, and are where the directory has them. With
 * SECONDS, creation, access and change are expected at that time. Prints each difference; the exit
 * status is 1 when there is one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qnx6.h"

/* One inode of both, and how often its name was met. */
struct pair {
	dev_t device;
	ino_t host;
	uint32_t number;
	uint32_t links, expected; /* met, and what the volume says */
};

static struct qnx6_volume *volume;
static void *by_host, *by_number;
static long fixed_time = -1;
static unsigned long differences, files;

static void differ(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void differ(const char *path, const char *format, ...)
{
	va_list args;

	differences++;
	printf("%s: ", path);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void *must(void *memory)
{
	if (memory)
		return memory;
	perror("compare_tree");
	exit(2);
}

static int compare_hosts(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return (x->host > y->host) - (x->host < y->host);
}

static int compare_numbers(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* One file of the directory must be one inode of the volume, whatever its names. */
static void match(const char *path, const struct stat *st, const struct qnx6_node *node)
{
	struct pair *pair = must(malloc(sizeof(*pair)));
	struct pair *host, *number;

	*pair = (struct pair){st->st_dev, st->st_ino, node->number, 0, node->links};
	host = *(struct pair **)must(tsearch(pair, &by_host, compare_hosts));
	number = *(struct pair **)must(tsearch(pair, &by_number, compare_numbers));
	if (host != number)
		differ(path, "is inode %u, but what the directory has there is inode %u",
		       node->number, host->number);
	host->links++;
	if (host != pair && number != pair)
		free(pair);
}

static void check_links(const void *item, VISIT visit, int depth)
{
	const struct pair *pair = *(struct pair *const *)item;

	(void)depth;
	if ((visit == postorder || visit == leaf) && pair->links != pair->expected)
		differ("links", "inode %u says %u, but %u were met", pair->number, pair->expected,
		       pair->links);
}

static void compare_attributes(const char *path, const struct stat *st,
			       const struct qnx6_node *node)
{
	if (node->mode != st->st_mode)
		differ(path, "mode %o, not %o", node->mode, st->st_mode);
	if (node->uid != st->st_uid || node->gid != st->st_gid)
		differ(path, "owner %u:%u, not %u:%u", node->uid, node->gid, st->st_uid,
		       st->st_gid);
	if (node->mtime != (uint64_t)st->st_mtime)
		differ(path, "modified at %u, not %ju", node->mtime, (uintmax_t)st->st_mtime);
	if (fixed_time < 0 && node->ctime != (uint64_t)st->st_ctime)
		differ(path, "changed at %u, not %ju", node->ctime, (uintmax_t)st->st_ctime);
	if (fixed_time >= 0 &&
	    (node->ctime != fixed_time || node->atime != fixed_time || node->ftime != fixed_time))
		differ(path, "times %u, %u, %u, not %ld", node->ctime, node->atime, node->ftime,
		       fixed_time);
	if (!S_ISDIR(st->st_mode) && node->tree.size != (uint64_t)st->st_size)
		differ(path, "size %ju, not %ju", (uintmax_t)node->tree.size,
		       (uintmax_t)st->st_size);
}

/* Linux takes a hole among the inode's own pointers for a block, and miscounts from level 4 on. */
static void check_tree(const char *path, const struct qnx6_node *node)
{
	uint32_t block_size = qnx6_info(volume)->block_size;
	uint64_t span = block_size;

	if (node->tree.levels > 3)
		differ(path, "%u levels", node->tree.levels);
	for (unsigned level = 0; level < node->tree.levels; level++)
		span *= block_size / 4;
	for (unsigned i = 0; i < QNX6_POINTERS; i++)
		if ((i * span < node->tree.size) != (node->tree.ptr[i] != QNX6_NO_BLOCK))
			differ(path, "pointer %u of %ju bytes at level %u is %x", i,
			       (uintmax_t)node->tree.size, node->tree.levels, node->tree.ptr[i]);
}

/* A block without data in the directory's file must have none in the volume, and the reverse. */
static void check_holes(const char *path, const struct qnx6_node *node, int fd)
{
	uint32_t block_size = qnx6_info(volume)->block_size;
	off_t data = -1;

	for (uint64_t i = 0; i * block_size < node->tree.size; i++) {
		uint64_t offset = i * block_size;
		uint32_t block;

		if (data < (off_t)offset)
			data = lseek(fd, (off_t)offset, SEEK_DATA);
		if (data < 0)
			data = INT64_MAX;
		if (qnx6_map(volume, &node->tree, i, &block))
			differ(path, "block %ju can't be found", (uintmax_t)i);
		else if ((block == QNX6_NO_BLOCK) != (data >= (off_t)(offset + block_size)))
			differ(path, "block %ju is %x, but data begins at %jd", (uintmax_t)i, block,
			       (intmax_t)data);
	}
}

/* What lies behind the end in the last block may not be what was on the disk before. */
static void check_padding(const char *path, const struct qnx6_node *node)
{
	static char bytes[4096];
	uint32_t block_size = qnx6_info(volume)->block_size, block;
	uint64_t used = node->tree.size % block_size;

	if (!used || qnx6_map(volume, &node->tree, node->tree.size / block_size, &block) ||
	    block == QNX6_NO_BLOCK || qnx6_read_block(volume, block, bytes))
		return;
	for (; used < block_size; used++)
		if (bytes[used]) {
			differ(path, "is not followed by zeroes");
			return;
		}
}

static void compare_contents(const char *path, int fd, const struct qnx6_node *node)
{
	static char want[1 << 18], got[1 << 18];
	uint64_t offset = 0;
	ssize_t count, have;

	do {
		count = pread(fd, want, sizeof(want), (off_t)offset);
		have = qnx6_read(volume, node, offset, got, sizeof(got));
		if (count < 0 || count != have || memcmp(want, got, (size_t)count) != 0) {
			differ(path, "other contents near %ju", (uintmax_t)offset);
			return;
		}
		offset += (uint64_t)count;
	} while (count > 0);
}

static void compare_file(const char *path, int dir, const char *name, const struct qnx6_node *node)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);

	if (fd < 0) {
		differ(path, "cannot be read: %s", strerror(errno));
		return;
	}
	compare_contents(path, fd, node);
	check_holes(path, node, fd);
	close(fd);
}

static void compare_link(const char *path, int dir, const char *name, const struct qnx6_node *node)
{
	char want[4096], got[4096];
	ssize_t count = readlinkat(dir, name, want, sizeof(want));
	ssize_t have = qnx6_read(volume, node, 0, got, sizeof(got));

	if (count < 0 || count != have || memcmp(want, got, (size_t)count) != 0)
		differ(path, "leads to \"%.*s\", not \"%.*s\"", (int)have, got, (int)count, want);
}

struct names {
	struct qnx6_name *list;
	size_t count;
};

static bool add_name(void *context, const struct qnx6_name *name, uint64_t next)
{
	struct names *names = context;

	(void)next;
	names->list = must(reallocarray(names->list, names->count + 1, sizeof(*names->list)));
	names->list[names->count++] = *name;
	return true;
}

static void compare_dir(const char *path, int fd, const struct qnx6_node *dir, uint32_t parent);

static void compare_node(const char *path, int dir, const char *name, uint32_t number,
			 uint32_t parent)
{
	struct qnx6_node node;
	struct stat st;
	int fd;

	files++;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || qnx6_node(volume, number, &node)) {
		differ(path, "inode %u can't be read", number);
		return;
	}
	match(path, &st, &node);
	compare_attributes(path, &st, &node);
	check_tree(path, &node);
	check_padding(path, &node);
	if (S_ISREG(st.st_mode))
		compare_file(path, dir, name, &node);
	if (S_ISLNK(st.st_mode))
		compare_link(path, dir, name, &node);
	if (!S_ISDIR(st.st_mode))
		return;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY);
	compare_dir(path, fd, &node, parent);
	close(fd);
}

static uint32_t take(struct names *names, const char *text)
{
	for (size_t i = 0; i < names->count; i++)
		if (names->list[i].length && !strcmp(names->list[i].text, text)) {
			names->list[i].length = 0; /* taken */
			return names->list[i].inode;
		}
	return 0;
}

/* The links of a directory: its name, its "." and the ".." of each one in it. */
static void count_dots(const char *path, struct names *names, const struct qnx6_node *dir,
		       uint32_t parent)
{
	struct pair key = {.number = dir->number};
	struct pair **self = tfind(&key, &by_number, compare_numbers);
	struct pair **above;

	key.number = parent;
	above = tfind(&key, &by_number, compare_numbers);
	if (take(names, ".") != dir->number || take(names, "..") != parent)
		differ(path, "\".\" or \"..\" is wrong");
	if (self)
		(*self)->links++;
	if (above && parent != dir->number)
		(*above)->links++;
}

/* What every volume has, also when the directory doesn't. */
static void take_boot(struct names *names, const struct qnx6_node *dir)
{
	struct pair key = {.number = QNX6_ROOT_INODE};

	if (dir->number == QNX6_ROOT_INODE && take(names, ".boot") == QNX6_BOOT_INODE)
		(*(struct pair **)tfind(&key, &by_number, compare_numbers))->links++;
}

static void compare_dir(const char *path, int fd, const struct qnx6_node *dir, uint32_t parent)
{
	struct names names = {0};
	struct dirent *entry;
	DIR *stream = must(fdopendir(dup(fd)));

	if (qnx6_list(volume, dir, 0, add_name, &names))
		differ(path, "can't be listed");
	count_dots(path, &names, dir, parent);
	while ((entry = readdir(stream))) {
		char below[8192];
		uint32_t number;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		number = take(&names, entry->d_name);
		if (number)
			compare_node(below, fd, entry->d_name, number, dir->number);
		else
			differ(below, "is missing");
	}
	take_boot(&names, dir);
	for (size_t i = 0; i < names.count; i++)
		if (names.list[i].length)
			differ(path, "has \"%s\" too", names.list[i].text);
	free(names.list);
	closedir(stream);
}

static void warn(void *context, const char *text)
{
	(void)context;
	differ("volume", "%s", text);
}

int main(int argc, char **argv)
{
	static const struct qnx6_open_options options = {.warn = warn};
	struct qnx6_source *source;
	char why[256];

	if (argc < 3 || argc > 4) {
		fputs("usage: compare_tree IMAGE DIR [SECONDS]\n", stderr);
		return 2;
	}
	if (argc == 4)
		fixed_time = atol(argv[3]);
	if (qnx6_file_open(&source, argv[1], why, sizeof(why)) ||
	    qnx6_open(&volume, source, &options, why, sizeof(why))) {
		fprintf(stderr, "compare_tree: %s\n", why);
		return 2;
	}
	compare_node("", AT_FDCWD, argv[2], QNX6_ROOT_INODE, QNX6_ROOT_INODE);
	twalk(by_number, check_links);
	qnx6_close(volume);
	qnx6_source_close(source);
	printf("%lu files, %lu differences\n", files, differences);
	return differences != 0;
}
