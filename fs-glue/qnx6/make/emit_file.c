/* SPDX-License-Identifier: BSD-3-Clause */
/* The contents of regular files and symbolic links. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "emit.h"

static int changed(const struct mk_emit *emit, const struct mk_node *node)
{
	return mk_fail("%s changed while it was being read", mk_scan_node_path(emit->scan, node));
}

static int cannot_read(const struct mk_emit *emit, const struct mk_node *node)
{
	if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EINVAL)
		return changed(emit, node);
	return mk_fail("cannot read %s: %s", mk_scan_node_path(emit->scan, node), strerror(errno));
}

/* The directory that the node was found in stays open for the next, which is mostly there too. */
static int open_dir_of(struct mk_emit *emit, const struct mk_node *node)
{
	const struct mk_node *dir = emit->scan->nodes[node->parent - 1];

	if (emit->dir == dir)
		return 0;
	if (emit->dir)
		close(emit->dir_fd);
	emit->dir_fd = mk_scan_open_dir(emit->scan, dir);
	emit->dir = emit->dir_fd < 0 ? NULL : dir;
	return emit->dir ? 0 : -1;
}

/* Bytes of the file, from @offset to @end. */
static int copy(struct mk_emit *emit, const struct mk_node *node, int fd, uint64_t offset,
		uint64_t end)
{
	while (offset < end) {
		size_t part = end - offset;
		void *room = mk_image_room(emit->image, &part);
		ssize_t got = room ? pread(fd, room, part, (off_t)offset) : -1;

		if (!room)
			return -1;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return cannot_read(emit, node);
		if (got == 0)
			return changed(emit, node);
		mk_image_filled(emit->image, (size_t)got);
		offset += (uint64_t)got;
	}
	return 0;
}

/* Blocks of the file without a hole, and zeroes to the end of the last. */
static int copy_blocks(struct mk_emit *emit, const struct mk_node *node, int fd, uint64_t index,
		       uint64_t count)
{
	uint64_t begin = index * emit->layout->block_size;
	uint64_t end = begin + count * emit->layout->block_size;
	uint64_t length = node->size < end ? node->size : end;

	return copy(emit, node, fd, begin, length) || mk_image_zero(emit->image, end - length) ? -1
											       : 0;
}

static int copy_row(struct mk_emit *emit, const struct mk_node *node, int fd,
		    const struct mk_row *row)
{
	if (!row->runs)
		return copy_blocks(emit, node, fd, 0, row->count);
	for (uint32_t i = 0; i < row->num_runs; i++)
		if (copy_blocks(emit, node, fd, row->runs[i].index, row->runs[i].count))
			return -1;
	return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Looked at when all is read: whatever happened to the file since it was found shows then. */
static int check_unchanged(const struct mk_emit *emit, const struct mk_node *node, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return cannot_read(emit, node);
	if (st.st_dev != node->host_device || st.st_ino != node->host_inode ||
	    (uint64_t)st.st_size != node->size || !same_time(&st.st_mtim, &node->host_mtime) ||
	    !same_time(&st.st_ctim, &node->host_ctime))
		return changed(emit, node);
	return 0;
}

static int copy_regular(struct mk_emit *emit, const struct mk_node *node,
			const struct mk_tree *tree)
{
	int fd = openat(emit->dir_fd, node->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int failed;

	if (fd < 0)
		return cannot_read(emit, node);
	failed = copy_row(emit, node, fd, &tree->row[0]);
	if (!failed)
		failed = check_unchanged(emit, node, fd);
	close(fd);
	return failed;
}

static int copy_link(struct mk_emit *emit, const struct mk_node *node, const struct mk_tree *tree)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(emit->dir_fd, node->name, target, sizeof(target));
	uint64_t end = tree->row[0].count * emit->layout->block_size;

	if (length < 0)
		return cannot_read(emit, node);
	if ((uint64_t)length != node->size)
		return changed(emit, node);
	if (mk_image_write(emit->image, target, (size_t)length))
		return -1;
	return mk_image_zero(emit->image, end - node->size);
}

int mk_emit_file(struct mk_emit *emit, const struct mk_node *node, const struct mk_tree *tree)
{
	if (!S_ISREG(node->mode) && !S_ISLNK(node->mode))
		return 0;
	if (mk_emit_seek(emit, tree->row[0].first) || open_dir_of(emit, node))
		return -1;
	return S_ISREG(node->mode) ? copy_regular(emit, node, tree) : copy_link(emit, node, tree);
}
