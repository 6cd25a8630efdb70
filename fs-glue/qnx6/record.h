/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records of a directory, one after the other, with their names checked.
 *
 * How far a directory is believed: it has no more blocks than the volume, and no more than
 * QNX6_DIRECTORY_MAX bytes; what is said to be behind that is damage. Holes, which no maker
 * leaves in a directory, are passed as a whole. Pointers that lead to the same block again and
 * again thus end, too.
 *
 * Not shared between threads.
 */
#ifndef QNX6_RECORD_H
#define QNX6_RECORD_H

#include "blocks.h"

#define QNX6_DIRECTORY_MAX ((uint64_t)1 << 30) /* a record's number has 32 bits in an index */

#define QNX6_RECORDS_AT_ONCE 16 /* fills the smallest block */

struct qnx6_records {
	struct qnx6_walk walk;
	const struct qnx6_node *dir;
	bool is_quiet;
	bool is_damaged;       /* something could not be read, so names may be missing */
	uint64_t next, end;    /* records */
	uint64_t first, count; /* those below */
	struct qnx6_entry entries[QNX6_RECORDS_AT_ONCE];
};

/* @start: a record's number, any; @is_quiet: damage is not warned of */
void qnx6_records_init(struct qnx6_records *records, struct qnx6_volume *volume,
		       const struct qnx6_node *dir, uint64_t start, bool is_quiet);

/* The next one with a name, from records->next on, which is then behind it. False: no more. */
bool qnx6_records_next(struct qnx6_records *records, struct qnx6_name *name);

#endif
