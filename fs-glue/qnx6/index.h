/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding a name in a large directory without reading all of it: sorted lists of the names' sums
 * and the records that they are of, made when a directory is first looked into. A list never
 * answers by itself: the record is read and compared, so that the answer is that of a scan.
 *
 * The lists of few directories are kept, of those used last, and together no more than
 * QNX6_INDEX_TOTAL names.
 *
 * Any thread, several at once; not held locked while a list is made.
 */
#ifndef QNX6_INDEX_H
#define QNX6_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define QNX6_INDEX_RECORDS 64u /* a directory of no more is scanned faster than that */
#define QNX6_INDEX_NAMES   ((size_t)1 << 20) /* one of more is scanned; 8 bytes each */
#define QNX6_INDEX_TOTAL   (2 * QNX6_INDEX_NAMES)
#define QNX6_INDEXES       8

struct qnx6_indexes;
struct qnx6_node;
struct qnx6_volume;

/* Returns 0 or -ENOMEM. */
int qnx6_indexes_open(struct qnx6_indexes **out);
/* NULL is allowed. */
void qnx6_indexes_close(struct qnx6_indexes *indexes);

/* 0, -ENOENT; -ENOTSUP: the directory is to be scanned. */
int qnx6_indexes_lookup(struct qnx6_volume *volume, const struct qnx6_node *dir, const char *name,
			size_t length, uint32_t *number);

#endif
