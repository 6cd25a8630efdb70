/* SPDX-License-Identifier: BSD-3-Clause */
/* A source that is a file or a block device. */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
	struct qnx6_source head;
	int fd;
};

/* All of it: a file that became shorter than it was is an error. */
static int read_piece(int fd, const struct qnx6_piece *piece)
{
	for (size_t at = 0; at < piece->size;) {
		ssize_t got = pread(fd, (char *)piece->buffer + at, piece->size - at,
				    (off_t)(piece->offset + at));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -EIO;
		at += (size_t)got;
	}
	return 0;
}

static int file_read(struct qnx6_source *source, const struct qnx6_piece *pieces, unsigned count)
{
	const struct file *file = (const struct file *)source;

	for (unsigned i = 0; i < count; i++) {
		int error = read_piece(file->fd, &pieces[i]);

		if (error)
			return error;
	}
	return 0;
}

static void file_close(struct qnx6_source *source)
{
	struct file *file = (struct file *)source;

	close(file->fd);
	free(file);
}

static const struct qnx6_source_ops ops = {
	.read = file_read,
	.close = file_close,
};

/* A block device says its size to who seeks its end, only. */
static int find_size(int fd, uint64_t *size, const char **what)
{
	struct stat stat;
	off_t end;

	if (fstat(fd, &stat))
		return -errno;
	*what = "expected is a file or a block device, and it is neither";
	if (!S_ISREG(stat.st_mode) && !S_ISBLK(stat.st_mode))
		return S_ISDIR(stat.st_mode) ? -EISDIR : -EINVAL;
	end = lseek(fd, 0, SEEK_END);
	*what = NULL;
	if (end < 0)
		return -errno;
	*size = (uint64_t)end;
	return 0;
}

static int make(struct qnx6_source **out, int fd, const char **what)
{
	struct file *file = calloc(1, sizeof(*file));
	int error;

	if (!file)
		return -ENOMEM;
	file->head.ops = &ops;
	file->fd = fd;
	error = find_size(fd, &file->head.size, what);
	if (error) {
		free(file);
		return error;
	}
	*out = &file->head;
	return 0;
}

int qnx6_file_open(struct qnx6_source **out, const char *path, char *why, size_t why_size)
{
	/* a fifo would wait for a writer */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *what = NULL;
	int error;

	error = fd < 0 ? -errno : make(out, fd, &what);
	if (!error)
		return 0;
	snprintf(why, why_size, "%s: %s", path, what ? what : strerror(-error));
	if (fd >= 0)
		close(fd);
	return error;
}
