/* SPDX-License-Identifier: BSD-3-Clause */
/* The nodes, their names and their paths. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan.h"

static int make_room(struct mk_scan *scan)
{
	uint32_t room = scan->room ? scan->room * 2 : 64;
	struct mk_node **nodes;

	if (scan->count < scan->room)
		return 0;
	nodes = reallocarray(scan->nodes, room, sizeof(struct mk_node *));
	if (!nodes)
		return mk_fail("out of memory after %u files", scan->count);
	scan->nodes = nodes;
	scan->room = room;
	return 0;
}

struct mk_node *mk_scan_add_node(struct mk_scan *scan, mode_t mode)
{
	uint32_t now = scan->opt->time;
	struct mk_node *node;

	if (make_room(scan))
		return NULL;
	node = calloc(1, sizeof(*node));
	if (!node) {
		mk_fail("out of memory after %u files", scan->count);
		return NULL;
	}
	node->mode = mode;
	node->ftime = node->mtime = node->atime = node->ctime = now;
	scan->nodes[scan->count++] = node;
	node->number = scan->count;
	return node;
}

static uint32_t seconds(const struct timespec *when)
{
	if (when->tv_sec < 0)
		return 0;
	return when->tv_sec < UINT32_MAX ? (uint32_t)when->tv_sec : UINT32_MAX;
}

void mk_scan_describe(const struct mk_scan *scan, struct mk_node *node, const struct stat *st)
{
	node->in_dir = true;
	node->mode = st->st_mode;
	node->uid = st->st_uid;
	node->gid = st->st_gid;
	node->mtime = seconds(&st->st_mtim);
	if (!scan->opt->reproducible) {
		node->atime = seconds(&st->st_atim);
		node->ctime = seconds(&st->st_ctim);
	}
	if (S_ISREG(st->st_mode) || S_ISLNK(st->st_mode))
		node->size = (uint64_t)st->st_size;
	node->host_device = st->st_dev;
	node->host_inode = st->st_ino;
	node->host_mtime = st->st_mtim;
	node->host_ctime = st->st_ctim;
}

static int append_name(struct mk_node *dir, const struct mk_node *node, char *text)
{
	uint32_t count = dir->num_names;
	struct mk_name *names = dir->names;

	/* room for a power of two of them, and so full when there is a power of two of them */
	if ((count & (count - 1)) == 0) {
		names = reallocarray(names, count ? 2 * (size_t)count : 1, sizeof(*names));
		if (!names) {
			free(text);
			mk_fail("out of memory for a directory of %u names", count);
			return -1;
		}
		dir->names = names;
	}
	names[dir->num_names++] = (struct mk_name){.node = node, .text = text};
	return 0;
}

static int check_links(const struct mk_scan *scan, const struct mk_node *node)
{
	if (node->links > UINT16_MAX)
		return mk_fail("%s has more links than the %u that QNX6 can count",
			       mk_scan_node_path(scan, node), UINT16_MAX);
	return 0;
}

int mk_scan_add_name(struct mk_scan *scan, struct mk_node *dir, struct mk_node *node, char *text)
{
	if (append_name(dir, node, text))
		return -1;
	if (!node->name) {
		node->name = text;
		node->parent = dir->number;
		node->depth = dir->depth + 1;
	}
	scan->num_long_names += strlen(text) > QNX6_SHORT_NAME;
	node->links++;
	if (S_ISDIR(node->mode)) {
		node->links++; /* its "." */
		dir->links++;  /* its ".." */
	}
	return check_links(scan, node) || check_links(scan, dir) ? -1 : 0;
}

/* Puts @text, and a slash, in front of what begins at @begin. */
static char *prepend(char *buffer, char *begin, const char *text)
{
	size_t room = (size_t)(begin - buffer);
	size_t length = strnlen(text, room);

	if (length == room)
		return begin;
	*--begin = '/';
	return memcpy(begin - length, text, length);
}

const char *mk_scan_path(const struct mk_scan *scan, const struct mk_node *dir, const char *name)
{
	static char buffer[8192];
	size_t length = strlen(name);
	char *begin = buffer + sizeof(buffer) - 1 - length;

	memcpy(begin, name, length + 1);
	for (; dir->name; dir = scan->nodes[dir->parent - 1])
		begin = prepend(buffer, begin, dir->name);
	return prepend(buffer, begin, scan->opt->dir ? scan->opt->dir : "");
}

const char *mk_scan_node_path(const struct mk_scan *scan, const struct mk_node *node)
{
	if (!node->name)
		return scan->opt->dir;
	return mk_scan_path(scan, scan->nodes[node->parent - 1], node->name);
}

static int cannot_open(const struct mk_scan *scan, const struct mk_node *dir)
{
	return mk_fail("cannot read %s: %s", mk_scan_node_path(scan, dir), strerror(errno));
}

/* Opens one directory in another, and closes that. */
static int step(const struct mk_scan *scan, int fd, const struct mk_node *dir, int flags)
{
	int next = openat(fd, dir->name, O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC | flags);

	close(fd);
	return next < 0 ? cannot_open(scan, dir) : next;
}

/*
 * Down from the root, one by one: no path is too long, and no symbolic link that was put into
 * the tree meanwhile leads out of it.
 */
static int walk_down(const struct mk_scan *scan, const struct mk_node **chain, uint32_t depth)
{
	int fd = open(scan->opt->dir, O_DIRECTORY | O_CLOEXEC | (depth ? O_PATH : O_RDONLY));

	if (fd < 0)
		return cannot_open(scan, scan->nodes[QNX6_ROOT_INODE - 1]);
	for (uint32_t i = 0; i < depth && fd >= 0; i++)
		fd = step(scan, fd, chain[i], i + 1 < depth ? O_PATH : O_RDONLY);
	return fd;
}

int mk_scan_open_dir(const struct mk_scan *scan, const struct mk_node *dir)
{
	const struct mk_node **chain = calloc(dir->depth + 1, sizeof(const struct mk_node *));
	uint32_t depth = dir->depth;
	int fd;

	if (!chain)
		return mk_fail("out of memory at %s", mk_scan_node_path(scan, dir));
	for (uint32_t i = depth; i > 0; i--, dir = scan->nodes[dir->parent - 1])
		chain[i - 1] = dir;
	fd = walk_down(scan, chain, depth);
	free(chain);
	return fd;
}
