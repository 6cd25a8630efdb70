/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A partition: a devb_block over a devb_block. It adds its start and checks its
 * end; nothing is copied.
 */
#ifndef DEVB_PARTITION_H
#define DEVB_PARTITION_H

#include "block.h"

struct devb_partition {
	struct devb_block block; /* first */
	struct devb_block *disk; /* not owned, outlives the partition */
	uint64_t start;          /* bytes */
};

/* @start and @size in bytes, inside @disk. */
void devb_partition_init(struct devb_partition *partition, struct devb_block *disk, uint64_t start,
			 uint64_t size);

#endif
