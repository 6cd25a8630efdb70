/* SPDX-License-Identifier: BSD-3-Clause */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stop.h"

#define BUFFER_SIZE (256u << 10) /* stays in the second-level cache */
#define PROBED      (128u << 10) /* from the volume's start, and before its end */

static int cannot(const struct mk_image *image, const char *what)
{
	return mk_fail("cannot %s %s: %s", what, image->name, strerror(errno));
}

/* O_EXCL keeps us off a block device that is mounted. */
static int open_existing(struct mk_image *image)
{
	int busy = S_ISBLK(image->stat.st_mode) ? O_EXCL : 0;
	off_t size;

	if (!S_ISREG(image->stat.st_mode) && !busy)
		return mk_fail("%s is neither a file nor a block device", image->name);
	image->fd = open(image->name, O_RDWR | O_CLOEXEC | O_NONBLOCK | busy);
	if (image->fd < 0 && errno == EBUSY && busy)
		return mk_fail("%s is in use, perhaps mounted: unmount it first", image->name);
	if (image->fd < 0)
		return cannot(image, "open");
	size = lseek(image->fd, 0, SEEK_END);
	if (size < 0)
		return cannot(image, "measure");
	image->old_size = (uint64_t)size;
	return 0;
}

int mk_image_open(struct mk_image *image, const struct mk_options *opt)
{
	*image = (struct mk_image){.name = opt->host, .fd = -1, .start = opt->offset};
	image->buffer = aligned_alloc(4096, BUFFER_SIZE);
	if (!image->buffer)
		return mk_fail("out of memory for a buffer");
	if (stat(image->name, &image->stat) == 0)
		return open_existing(image);
	return errno == ENOENT ? 0 : cannot(image, "use");
}

/* Fewer bytes at the end of the file. */
static ssize_t read_at(const struct mk_image *image, uint64_t position, size_t length)
{
	ssize_t got;

	do
		got = pread(image->fd, image->buffer, length, (off_t)position);
	while (got < 0 && errno == EINTR);
	return got < 0 ? cannot(image, "read") : got;
}

static int is_blank(const struct mk_image *image, uint64_t position)
{
	ssize_t got = read_at(image, position, PROBED);

	if (got < 0)
		return -1;
	for (ssize_t i = 0; i < got; i++)
		if (image->buffer[i])
			return 0;
	return 1;
}

int mk_image_holds_data(const struct mk_image *image, uint64_t size)
{
	uint64_t end = image->start + size;
	int blank = image->fd < 0 ? 1 : is_blank(image, image->start);

	if (blank == 1 && image->fd >= 0 && size > PROBED)
		blank = is_blank(image, end - PROBED);
	return blank < 0 ? -1 : !blank;
}

static int create(struct mk_image *image)
{
	image->fd = open(image->name, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, 0666);
	if (image->fd < 0)
		return cannot(image, "create");
	image->created = true;
	return 0;
}

int mk_image_begin(struct mk_image *image, uint64_t size)
{
	uint64_t end = image->start + size;

	if (image->fd < 0 && create(image))
		return -1;
	if (end <= image->old_size)
		return 0;
	if (!image->created && S_ISBLK(image->stat.st_mode))
		return mk_fail("%s has only %ju bytes, but the volume would end at %ju",
			       image->name, (uintmax_t)image->old_size, (uintmax_t)end);
	image->lengthened = true;
	return ftruncate(image->fd, (off_t)end) ? cannot(image, "lengthen") : 0;
}

static int write_out(struct mk_image *image)
{
	const char *from = image->buffer;

	while (image->filled) {
		ssize_t done = pwrite(image->fd, from, image->filled,
				      (off_t)(image->start + image->position));

		if (mk_stop_requested())
			return mk_fail("interrupted");
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return cannot(image, "write to");
		from += done;
		image->position += (uint64_t)done;
		image->filled -= (size_t)done;
	}
	return 0;
}

int mk_image_seek(struct mk_image *image, uint64_t position)
{
	if (position == image->position + image->filled)
		return 0;
	if (write_out(image))
		return -1;
	image->position = position;
	return 0;
}

void *mk_image_room(struct mk_image *image, size_t *length)
{
	size_t room;

	if (image->filled == BUFFER_SIZE && write_out(image))
		return NULL;
	room = BUFFER_SIZE - image->filled;
	if (*length > room)
		*length = room;
	return image->buffer + image->filled;
}

void mk_image_filled(struct mk_image *image, size_t length)
{
	image->filled += length;
}

int mk_image_write(struct mk_image *image, const void *data, size_t length)
{
	const char *from = data;

	while (length) {
		size_t part = length;
		void *room = mk_image_room(image, &part);

		if (!room)
			return -1;
		memcpy(room, from, part);
		mk_image_filled(image, part);
		from += part;
		length -= part;
	}
	return 0;
}

/* A file that is new, or the part of it that is, reads as zeroes where nothing is written. */
static bool is_zero_already(const struct mk_image *image, uint64_t position)
{
	return image->created || (image->lengthened && image->start + position >= image->old_size);
}

int mk_image_zero(struct mk_image *image, uint64_t length)
{
	uint64_t position = image->position + image->filled;

	if (length >= BUFFER_SIZE && is_zero_already(image, position))
		return mk_image_seek(image, position + length);
	while (length) {
		size_t part = length < BUFFER_SIZE ? (size_t)length : BUFFER_SIZE;
		void *room = mk_image_room(image, &part);

		if (!room)
			return -1;
		memset(room, 0, part);
		mk_image_filled(image, part);
		length -= part;
	}
	return 0;
}

int mk_image_flush(struct mk_image *image)
{
	if (write_out(image))
		return -1;
	return fsync(image->fd) ? cannot(image, "flush") : 0;
}

static void undo(const struct mk_image *image)
{
	if (image->created)
		unlink(image->name);
	else if (image->lengthened && ftruncate(image->fd, (off_t)image->old_size))
		cannot(image, "shorten");
}

int mk_image_close(struct mk_image *image, bool keep)
{
	int failed = 0;

	free(image->buffer);
	if (!keep)
		undo(image);
	if (image->fd >= 0 && close(image->fd) && keep)
		failed = cannot(image, "close");
	return keep ? failed : -1;
}
