/* SPDX-License-Identifier: BSD-3-Clause */
#include "record.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* In a position: damage was met before it, and is to be told at the end. */
#define DAMAGED ((uint64_t)1 << 62)

int qnx6_list(struct qnx6_volume *volume, const struct qnx6_node *dir, uint64_t position,
	      bool (*each)(void *context, const struct qnx6_name *name, uint64_t next),
	      void *context)
{
	struct qnx6_records records;
	struct qnx6_name name;

	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	qnx6_records_init(&records, volume, dir, position & ~DAMAGED, false);
	records.is_damaged |= !!(position & DAMAGED);
	while (qnx6_records_next(&records, &name)) {
		if (!each(context, &name, records.next | (records.is_damaged ? DAMAGED : 0)))
			return 0;
	}
	return records.is_damaged ? -EIO : 0;
}

static int scan(struct qnx6_volume *volume, const struct qnx6_node *dir, const char *text,
		size_t length, uint32_t *number)
{
	struct qnx6_records records;
	struct qnx6_name name;

	qnx6_records_init(&records, volume, dir, 0, true);
	while (qnx6_records_next(&records, &name)) {
		if (name.length == length && !memcmp(name.text, text, length)) {
			*number = name.inode;
			return 0;
		}
	}
	return records.is_damaged ? -EIO : -ENOENT;
}

/* What a directory can answer without its own record of it. */
static int instead(const struct qnx6_node *dir, const char *name, uint32_t *number)
{
	bool is_dot_dot = !strcmp(name, "..");

	if (strcmp(name, ".") != 0 && (!is_dot_dot || dir->number != QNX6_ROOT_INODE))
		return -ENOENT;
	*number = dir->number;
	return 0;
}

int qnx6_lookup(struct qnx6_volume *volume, const struct qnx6_node *dir, const char *name,
		uint32_t *number)
{
	size_t length = strlen(name);
	int error;

	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	if (length > QNX6_LONG_NAME)
		return -ENAMETOOLONG;
	error = qnx6_indexes_lookup(volume, dir, name, length, number);
	if (error == -ENOTSUP)
		error = scan(volume, dir, name, length, number);
	return error && !instead(dir, name, number) ? 0 : error;
}
