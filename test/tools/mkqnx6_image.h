/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file or block device that the volume goes into. All positions are bytes from the volume's
 * start. Every function returns 0, or -1 after fail().
 */
#ifndef MKQNX6_IMAGE_H
#define MKQNX6_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mkqnx6.h"

struct image {
	const char *name;
	int fd;
	uint64_t start;
	bool created;
	off_t old_size; /* to go back to; -1 for a block device */
};

/* Makes the file if there is none, and lengthens it if the volume ends beyond it. */
int image_open(struct image *image, const struct options *opt);

int image_write(struct image *image, uint64_t position, const void *data, size_t length);
int image_zero(struct image *image, uint64_t position, size_t length);
int image_flush(struct image *image);

/* Not kept: the file is removed if image_open made it, else cut back to its former length. */
int image_close(struct image *image, bool keep);

#endif
