/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding a name in a large directory without reading all of it: tables from the sum of a name
 * to its record, made when a directory is first looked into. A table never answers by itself:
 * the record is read and compared. Tables of few directories are kept, of those used last.
 *
 * Any thread, several at once; not held locked while a table is made.
 */
#ifndef QNX6_INDEX_H
#define QNX6_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct qnx6_indexes;
struct qnx6_node;
struct qnx6_volume;

/* Returns 0 or -ENOMEM. */
int qnx6_indexes_open(struct qnx6_indexes **out);
/* NULL is allowed. */
void qnx6_indexes_close(struct qnx6_indexes *indexes);

/* 0, -ENOENT; -ENOTSUP: scan the directory, which has no table or can't have one. */
int qnx6_indexes_lookup(struct qnx6_volume *volume, const struct qnx6_node *dir, const char *name,
			size_t length, uint32_t *number);

#endif
