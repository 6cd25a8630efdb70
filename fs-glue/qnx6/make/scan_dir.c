/* SPDX-License-Identifier: BSD-3-Clause */
/* One directory of the source, with what its names stand for. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan.h"

#define BOOT_NAME ".boot"

/* Where in the tree, and the directory opened. */
struct place {
	struct mk_scan *scan;
	struct mk_node *dir;
	int fd;
};

static const char *path(const struct place *place, const char *name)
{
	return mk_scan_path(place->scan, place->dir, name);
}

static int cannot_read(const struct place *place, const char *name)
{
	return mk_fail("cannot read %s: %s", path(place, name), strerror(errno));
}

/* QNX6 forbids control characters and 0xff. */
static int check_name(const struct place *place, const char *name)
{
	const unsigned char *c;

	for (c = (const unsigned char *)name; *c; c++)
		if (*c < 0x20 || *c == 0x7f || *c == 0xff)
			return mk_fail("the name of %s has a byte 0x%02x, which QNX6 forbids",
				       path(place, name), *c);
	if (strlen(name) > QNX6_LONG_NAME)
		return mk_fail("the name of %s is longer than the %d bytes that QNX6 has for one",
			       path(place, name), QNX6_LONG_NAME);
	return 0;
}

static int check_file(const struct place *place, const char *name, const struct stat *st)
{
	const struct stat *host = place->scan->host;

	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		return mk_fail("%s is a device file, and QNX6 has none: remove it, or leave it out "
			       "with --skip-devices",
			       path(place, name));
	if (st->st_mtime < 0 || st->st_mtime > UINT32_MAX)
		return mk_fail("%s was modified at a time outside 1970 to 2106", path(place, name));
	if (host && S_ISREG(st->st_mode) && st->st_dev == host->st_dev &&
	    st->st_ino == host->st_ino)
		return mk_fail("%s, to be made, lies inside the directory it would be filled from",
			       path(place, name));
	return check_name(place, name);
}

static int add_extent(struct mk_node *node, off_t start, off_t end)
{
	uint32_t count = node->num_extents;
	struct mk_extent *extents = node->extents;

	if ((count & (count - 1)) == 0) {
		extents = reallocarray(extents, count ? 2 * (size_t)count : 1, sizeof(*extents));
		if (!extents)
			return mk_fail("out of memory for a file of %u parts", count);
		node->extents = extents;
	}
	extents[node->num_extents++] = (struct mk_extent){(uint64_t)start, (uint64_t)end};
	return 0;
}

/* A file system that can't tell says that all of it is data. */
static int find_extents(const struct place *place, struct mk_node *node, int fd)
{
	off_t start, end = 0, size = (off_t)node->size;

	while (end < size) {
		start = lseek(fd, end, SEEK_DATA);
		if (start < 0 && errno == ENXIO)
			return 0;
		end = start < 0 ? -1 : lseek(fd, start, SEEK_HOLE);
		if (end < 0)
			return cannot_read(place, node->name);
		if (start < size && add_extent(node, start, end < size ? end : size))
			return -1;
	}
	return 0;
}

static int find_holes(const struct place *place, struct mk_node *node)
{
	int fd = openat(place->fd, node->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int failed;

	if (fd < 0)
		return cannot_read(place, node->name);
	node->sparse = true;
	failed = find_extents(place, node, fd);
	close(fd);
	return failed;
}

static int compare_hosts(const void *a, const void *b)
{
	const struct mk_node *x = a, *y = b;

	if (x->host_device != y->host_device)
		return x->host_device < y->host_device ? -1 : 1;
	if (x->host_inode != y->host_inode)
		return x->host_inode < y->host_inode ? -1 : 1;
	return 0;
}

static bool may_be_linked(const struct stat *st)
{
	return !S_ISDIR(st->st_mode) && st->st_nlink > 1;
}

static struct mk_node *find_linked(const struct place *place, const struct stat *st)
{
	struct mk_node key = {.host_device = st->st_dev, .host_inode = st->st_ino};
	void *found = may_be_linked(st) ? tfind(&key, &place->scan->linked, compare_hosts) : NULL;

	return found ? *(struct mk_node **)found : NULL;
}

static int add_new(const struct place *place, char *name, const struct stat *st)
{
	struct mk_node *node = mk_scan_add_node(place->scan, st->st_mode);

	if (!node) {
		free(name);
		return -1;
	}
	mk_scan_describe(place->scan, node, st);
	if (mk_scan_add_name(place->scan, place->dir, node, name))
		return -1;
	if (may_be_linked(st) && !tsearch(node, &place->scan->linked, compare_hosts))
		return mk_fail("out of memory at %s", path(place, name));
	/* blocks of 512 bytes, by definition */
	if (S_ISREG(st->st_mode) && st->st_blocks < st->st_size / 512)
		return find_holes(place, node);
	return 0;
}

/* The volume has one already. */
static int merge_boot(const struct place *place, const char *name, const struct stat *st)
{
	if (!S_ISDIR(st->st_mode))
		return mk_fail("%s is not a directory, which QNX6 wants it to be",
			       path(place, name));
	mk_scan_describe(place->scan, place->scan->nodes[QNX6_BOOT_INODE - 1], st);
	return 0;
}

/* Takes the name. */
static int add_file(const struct place *place, char *name)
{
	struct mk_node *known;
	struct stat st;
	int failed = 0;

	if (fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW))
		failed = cannot_read(place, name);
	else if (place->scan->opt->skip_devices && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
		goto out;
	else if (check_file(place, name, &st))
		failed = -1;
	else if (place->dir->number == QNX6_ROOT_INODE && !strcmp(name, BOOT_NAME))
		failed = merge_boot(place, name, &st);
	else if ((known = find_linked(place, &st)))
		return mk_scan_add_name(place->scan, place->dir, known, name);
	else
		return add_new(place, name, &st);
out:
	free(name);
	return failed;
}

struct name_list {
	char **texts;
	size_t count, room;
};

static int grow(struct name_list *list)
{
	size_t room = list->room ? list->room * 2 : 64;
	char **texts = reallocarray(list->texts, room, sizeof(*texts));

	if (!texts)
		return -1;
	list->texts = texts;
	list->room = room;
	return 0;
}

static int collect_name(const struct place *place, struct name_list *list, const char *name)
{
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (list->count < list->room || !grow(list))
		list->texts[list->count] = strdup(name);
	if (list->count >= list->room || !list->texts[list->count])
		return mk_fail("out of memory at %s", path(place, name));
	list->count++;
	return 0;
}

static int collect_names(const struct place *place, struct name_list *list)
{
	int fd = openat(place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int failed = 0;

	if (!stream)
		return cannot_read(place, ".");
	while (!failed && (errno = 0, entry = readdir(stream)))
		failed = collect_name(place, list, entry->d_name);
	if (!failed && errno)
		failed = cannot_read(place, ".");
	closedir(stream);
	return failed;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_names(const struct place *place)
{
	struct name_list list = {0};
	int failed = collect_names(place, &list);
	size_t i = 0;

	if (!failed && list.count)
		qsort(list.texts, list.count, sizeof(*list.texts), compare_names);
	while (!failed && i < list.count)
		failed = add_file(place, list.texts[i++]);
	while (i < list.count)
		free(list.texts[i++]);
	free(list.texts);
	return failed;
}

int mk_scan_dir(struct mk_scan *scan, struct mk_node *dir)
{
	struct place place = {scan, dir, mk_scan_open_dir(scan, dir)};
	int failed;

	if (place.fd < 0)
		return -1;
	failed = read_names(&place);
	close(place.fd);
	return failed;
}
