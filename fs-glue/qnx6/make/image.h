/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file or block device that the volume goes into. All positions are bytes from the volume's
 * start. Writes are collected in a buffer as long as each begins where the one before ended.
 *
 *   mk_image_open()   opens what there is; nothing is changed yet
 *   mk_image_begin()  makes the file if there is none, lengthens it if it is too short
 *   mk_image_seek(), then mk_image_write() and the like, as often as needed
 *   mk_image_flush()  all of it is on stable storage
 *   mk_image_close()  keeps it, or undoes what begin did
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "make.h"

struct mk_image {
	const char *name;
	int fd; /* -1: there is no file yet */
	bool created;
	bool lengthened;
	struct stat stat;  /* of what there was */
	uint64_t old_size; /* bytes */
	uint64_t start;    /* of the volume in it */
	char *buffer;      /* owned */
	size_t filled;
	uint64_t position; /* of the buffer's begin */
};

/* A device that is mounted is refused. */
int mk_image_open(struct mk_image *image, const struct mk_options *opt);
/*
 * Whether a volume of @size bytes would overwrite something: anything but zeroes where file systems
 * and partition tables have their beginnings. Returns 1 or 0, or -1 after mk_fail().
 */
int mk_image_holds_data(const struct mk_image *image, uint64_t size);
int mk_image_begin(struct mk_image *image, uint64_t size);

int mk_image_seek(struct mk_image *image, uint64_t position);
int mk_image_write(struct mk_image *image, const void *data, size_t length);
int mk_image_zero(struct mk_image *image, uint64_t length);
/* Up to @length bytes to be filled in, then told of with mk_image_filled(). NULL after mk_fail().
 */
void *mk_image_room(struct mk_image *image, size_t *length);
void mk_image_filled(struct mk_image *image, size_t length);

int mk_image_flush(struct mk_image *image);
/* Not kept: the file is removed if begin made it, else cut back to its former length. */
int mk_image_close(struct mk_image *image, bool keep);

#endif
