/* SPDX-License-Identifier: BSD-3-Clause */
/* Names and attributes: what is answered at once, from the tree. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/statvfs.h>

/*
 * A device's size may change at any time, so the kernel asks for each stat and open;
 * reads and writes do not wait for that. Telling it of a change instead would be a
 * call from the very thread that it may be waiting for.
 */
#define ATTR_SECONDS 0.0
/* Names stay as long as the tree. */
#define NAME_SECONDS 3600.0

static struct fsg_channel *channel_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static int fill_entry(struct fsg_tree *tree, uint64_t ino, struct fuse_entry_param *entry)
{
	*entry = (struct fuse_entry_param){
		.ino = ino,
		.attr_timeout = ATTR_SECONDS,
		.entry_timeout = NAME_SECONDS,
	};
	return fsg_tree_stat(tree, ino, &entry->attr);
}

void fsg_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fsg_tree *tree = channel_of(req)->connection->tree;
	uint64_t ino = parent == FSG_ROOT ? fsg_tree_find(tree, name) : 0;
	struct fuse_entry_param entry;

	/* The kernel doesn't remember this error, so a volume added later is found. */
	if (ino == 0 || fill_entry(tree, ino, &entry) < 0)
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_entry(req, &entry);
}

static void reply_attr(fuse_req_t req, fuse_ino_t ino)
{
	struct stat attr;

	if (fsg_tree_stat(channel_of(req)->connection->tree, ino, &attr) < 0)
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_attr(req, &attr, ATTR_SECONDS);
}

void fsg_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)file;
	reply_attr(req, ino);
}

/*
 * A disk can't be cut. As on a device node, open(O_TRUNC) goes unnoticed, which
 * the kernel sends as a new size of 0; so does a size that is the present one.
 */
static int check_size(const struct fsg_node *node, off_t size)
{
	if (devb_block_is_read_only(node->block))
		return EROFS;
	return size == 0 || (uint64_t)size == devb_block_size(node->block) ? 0 : EINVAL;
}

/* Before 1677 and after 2262 there is nothing. */
static int64_t from_timespec(const struct timespec *time)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)time->tv_sec, INT64_C(1000000000), &ns) ||
	    __builtin_add_overflow(ns, (int64_t)time->tv_nsec, &ns))
		return time->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

static void change_times(struct fsg_node *node, const struct stat *attr, int to_set)
{
	int64_t now = fsg_tree_clock();

	fsg_time_set(&node->change_time, now);
	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		fsg_time_set(&node->read_time, now);
	else if (to_set & FUSE_SET_ATTR_ATIME)
		fsg_time_set(&node->read_time, from_timespec(&attr->st_atim));
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		fsg_time_set(&node->write_time, now);
	else if (to_set & FUSE_SET_ATTR_MTIME)
		fsg_time_set(&node->write_time, from_timespec(&attr->st_mtim));
}

static void change_access(struct fsg_node *node, const struct stat *attr, int to_set)
{
	if (to_set & FUSE_SET_ATTR_MODE)
		node->access.mode = attr->st_mode & 0777;
	if (to_set & FUSE_SET_ATTR_UID)
		node->access.uid = attr->st_uid;
	if (to_set & FUSE_SET_ATTR_GID)
		node->access.gid = attr->st_gid;
}

/* Kept in memory, as a device node's in devtmpfs: they end with the program. */
void fsg_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		 struct fuse_file_info *file)
{
	struct fsg_tree *tree = channel_of(req)->connection->tree;
	struct fsg_node *node = fsg_tree_node(tree, ino);
	int error = node ? 0 : EPERM;

	(void)file;
	if (node && (to_set & FUSE_SET_ATTR_SIZE))
		error = check_size(node, attr->st_size);
	if (error) {
		fuse_reply_err(req, error);
		return;
	}
	pthread_mutex_lock(&tree->mutex);
	change_access(node, attr, to_set);
	pthread_mutex_unlock(&tree->mutex);
	change_times(node, attr, to_set);
	reply_attr(req, ino);
}

void fsg_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct fsg_connection *connection = channel_of(req)->connection;
	const struct fsg_node *node = fsg_tree_node(connection->tree, ino);

	if (!node) {
		fuse_reply_err(req, ENOENT);
	} else if (devb_block_is_read_only(node->block) && (file->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(req, EROFS);
	} else {
		/* Counted before the answer: the release may come to another thread. */
		atomic_fetch_add(&connection->open_files, 1);
		/* The opener was killed meanwhile: there will be no release. */
		if (fuse_reply_open(req, file) == -ENOENT)
			atomic_fetch_sub(&connection->open_files, 1);
	}
}

void fsg_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	(void)file;
	atomic_fetch_sub(&channel_of(req)->connection->open_files, 1);
	fuse_reply_err(req, 0);
}

/* The directory's @index-th entry: itself, its parent, the volumes. 0 behind the last. */
static uint64_t entry_at(const struct fsg_tree *tree, uint64_t index, const char **name)
{
	static const char *const dots[] = {".", ".."};

	if (index < 2) {
		*name = dots[index];
		return FSG_ROOT;
	}

	uint64_t ino = index - 2 + FSG_ROOT + 1;
	const struct fsg_node *node = fsg_tree_node(tree, ino);

	*name = node ? node->name : NULL;
	return node ? ino : 0;
}

static size_t add_entry(fuse_req_t req, char *to, size_t room, uint64_t index, bool plus)
{
	struct fsg_tree *tree = channel_of(req)->connection->tree;
	struct fuse_entry_param entry;
	const char *name;
	uint64_t ino = entry_at(tree, index, &name);
	off_t next = (off_t)index + 1;

	if (ino == 0 || fill_entry(tree, ino, &entry) < 0)
		return 0;
	return plus ? fuse_add_direntry_plus(req, to, room, name, &entry, next)
		    : fuse_add_direntry(req, to, room, name, &entry.attr, next);
}

static void list(fuse_req_t req, size_t size, off_t offset, bool plus)
{
	char entries[4096];
	size_t used = 0;

	if (size > sizeof(entries))
		size = sizeof(entries);
	for (uint64_t index = (uint64_t)offset;; index++) {
		size_t length = add_entry(req, entries + used, size - used, index, plus);

		/* None left, or it wasn't added for lack of room: the kernel asks on. */
		if (length == 0 || length > size - used)
			break;
		used += length;
	}
	fuse_reply_buf(req, entries, used);
}

void fsg_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		 struct fuse_file_info *file)
{
	(void)ino;
	(void)file;
	list(req, size, offset, false);
}

void fsg_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		     struct fuse_file_info *file)
{
	(void)ino;
	(void)file;
	list(req, size, offset, true);
}

/* The directory has no space of its own: its volumes' is shared out in them. */
void fsg_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct fsg_tree *tree = channel_of(req)->connection->tree;
	struct statvfs attr = {
		.f_bsize = 4096,
		.f_frsize = 4096,
		.f_files = tree->count,
		.f_namemax = NAME_MAX,
	};

	(void)ino;
	fuse_reply_statfs(req, &attr);
}
