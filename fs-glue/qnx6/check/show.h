/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef QNX6_CHECK_SHOW_H
#define QNX6_CHECK_SHOW_H

#include "qnx6.h"

#define SHOW_ACTIVE 2 /* instead of a super block's number, 0 or 1 */

/*
 * Prints a super block: the more @verbosity, from 0 to 2, the more of it. Returns 0, or -EINVAL
 * with one sentence in @why when there is none, or -EIO.
 */
int show_super(struct qnx6_source *source, unsigned which, unsigned verbosity, char *why,
	       size_t why_size);

#endif
