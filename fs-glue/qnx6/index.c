/* SPDX-License-Identifier: BSD-3-Clause */
#include "index.h"

#include <errno.h>
#include <stdlib.h>

struct qnx6_indexes {
	int unused;
};

int qnx6_indexes_open(struct qnx6_indexes **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void qnx6_indexes_close(struct qnx6_indexes *indexes)
{
	free(indexes);
}

int qnx6_indexes_lookup(struct qnx6_volume *volume, const struct qnx6_node *dir, const char *name,
			size_t length, uint32_t *number)
{
	(void)volume, (void)dir, (void)name, (void)length, (void)number;
	return -ENOTSUP;
}
