/* SPDX-License-Identifier: BSD-3-Clause */
/* The contents of regular files and symbolic links. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mkqnx6_emit.h"

static int changed(const struct source_node *node)
{
	return fail("%s changed while it was being read", node->path);
}

/* From the end of the contents to the end of their last block. */
static int pad(struct emit *emit, const struct tree *tree)
{
	uint64_t end = layout_position(emit->layout, tree->row[0].first) + tree->size;
	uint64_t rest = tree->row[0].count * emit->layout->block_size - tree->size;

	return image_zero(emit->image, end, rest);
}

static int copy(struct emit *emit, const struct source_node *node, uint64_t position, int fd)
{
	char buffer[65536];
	uint64_t left = node->size;

	while (left) {
		size_t part = left < sizeof(buffer) ? left : sizeof(buffer);
		ssize_t got = read(fd, buffer, part);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail("cannot read %s: %s", node->path, strerror(errno));
		if (got == 0)
			return changed(node);
		if (image_write(emit->image, position, buffer, (size_t)got))
			return -1;
		position += (uint64_t)got;
		left -= (uint64_t)got;
	}
	return 0;
}

static int copy_regular(struct emit *emit, const struct source_node *node, uint64_t position)
{
	struct stat st;
	int fd = open(node->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int failed;

	if (fd < 0)
		return fail("cannot read %s: %s", node->path, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != node->size)
		failed = changed(node);
	else
		failed = copy(emit, node, position, fd);
	close(fd);
	return failed;
}

static int copy_link(struct emit *emit, const struct source_node *node, uint64_t position)
{
	char target[PATH_MAX];
	ssize_t length = readlink(node->path, target, sizeof(target));

	if (length < 0)
		return fail("cannot read %s: %s", node->path, strerror(errno));
	if ((uint64_t)length != node->size)
		return changed(node);
	return image_write(emit->image, position, target, (size_t)length);
}

int emit_file(struct emit *emit, const struct source_node *node, const struct tree *tree)
{
	uint64_t position = layout_position(emit->layout, tree->row[0].first);
	int failed = 0;

	if (S_ISREG(node->mode))
		failed = copy_regular(emit, node, position);
	else if (S_ISLNK(node->mode))
		failed = copy_link(emit, node, position);
	return failed ? failed : pad(emit, tree);
}
