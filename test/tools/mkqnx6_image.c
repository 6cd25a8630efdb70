/* SPDX-License-Identifier: BSD-3-Clause */
#include "mkqnx6_image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot(const struct image *image, const char *what)
{
	return fail("cannot %s %s: %s", what, image->name, strerror(errno));
}

/* O_EXCL keeps us off a block device that is mounted. */
static int open_existing(struct image *image)
{
	struct stat st;
	int busy = stat(image->name, &st) == 0 && S_ISBLK(st.st_mode) ? O_EXCL : 0;

	image->fd = open(image->name, O_RDWR | O_CLOEXEC | O_NONBLOCK | busy);
	return image->fd < 0 ? cannot(image, "open") : 0;
}

static int open_or_create(struct image *image)
{
	image->fd = open(image->name, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, 0666);
	image->created = image->fd >= 0;
	if (image->created)
		return 0;
	return errno == EEXIST ? open_existing(image) : cannot(image, "create");
}

static int fit_device(const struct image *image, off_t end)
{
	off_t size = lseek(image->fd, 0, SEEK_END);

	if (size < 0)
		return cannot(image, "measure");
	if (size < end)
		return fail("%s has only %jd bytes, but the volume ends at %jd", image->name,
			    (intmax_t)size, (intmax_t)end);
	return 0;
}

static int fit(struct image *image, off_t end)
{
	struct stat st;

	if (fstat(image->fd, &st))
		return cannot(image, "measure");
	if (S_ISBLK(st.st_mode))
		return fit_device(image, end);
	if (!S_ISREG(st.st_mode))
		return fail("%s is neither a file nor a block device", image->name);
	image->old_size = st.st_size;
	if (st.st_size < end && ftruncate(image->fd, end))
		return cannot(image, "lengthen");
	return 0;
}

int image_open(struct image *image, const struct options *opt)
{
	*image = (struct image){.name = opt->image, .start = opt->offset, .old_size = -1};
	if (open_or_create(image))
		return -1;
	if (fit(image, (off_t)(opt->offset + opt->size)))
		return image_close(image, false);
	return 0;
}

int image_write(struct image *image, uint64_t position, const void *data, size_t length)
{
	const char *from = data;

	while (length) {
		ssize_t done = pwrite(image->fd, from, length, (off_t)(image->start + position));

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return cannot(image, "write to");
		from += done;
		position += (uint64_t)done;
		length -= (size_t)done;
	}
	return 0;
}

int image_zero(struct image *image, uint64_t position, size_t length)
{
	static const char zeros[4096];

	while (length) {
		size_t part = length < sizeof(zeros) ? length : sizeof(zeros);

		if (image_write(image, position, zeros, part))
			return -1;
		position += part;
		length -= part;
	}
	return 0;
}

int image_flush(struct image *image)
{
	return fsync(image->fd) ? cannot(image, "flush") : 0;
}

static void undo(struct image *image)
{
	if (image->created)
		unlink(image->name);
	else if (image->old_size >= 0 && ftruncate(image->fd, image->old_size))
		cannot(image, "shorten");
}

int image_close(struct image *image, bool keep)
{
	if (!keep)
		undo(image);
	if (close(image->fd) && keep)
		return cannot(image, "close");
	return keep ? 0 : -1;
}
