/* SPDX-License-Identifier: BSD-3-Clause */
/* What the command line asked for, and the one way in which mkqnx6 reports a failure. */
#ifndef MKQNX6_H
#define MKQNX6_H

#include <stdbool.h>
#include <stdint.h>

#include "format.h"

struct options {
	char *image;
	char *dir; /* NULL: the volume stays empty */
	uint64_t offset;
	uint64_t size;
	uint32_t block_size;
	uint32_t time; /* seconds since 1970 */
	enum qnx6_order order;
	bool reproducible; /* -t: nothing of the volume may depend on this run */
};

/* Says one sentence on stderr. Returns -1, for the caller to return in turn. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
