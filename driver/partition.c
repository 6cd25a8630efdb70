/* SPDX-License-Identifier: BSD-3-Clause */
#include "partition.h"

#include <errno.h>

static int partition_submit(struct devb_block *block, struct devb_io *io)
{
	struct devb_partition *partition = (struct devb_partition *)block;

	if (io->device_offset > block->size || io->size > block->size - io->device_offset) {
		return -ENOSPC;
	}
	io->device_offset += partition->start;
	return partition->disk->ops->submit(partition->disk, io);
}

static const struct devb_block_ops partition_ops = {
	.submit = partition_submit,
};

void devb_partition_init(struct devb_partition *partition, struct devb_block *disk, uint64_t start,
			 uint64_t size)
{
	partition->block = *disk;
	partition->block.ops = &partition_ops;
	/* what is left of a last block cannot be read either */
	partition->block.size = size - size % disk->block_size;
	partition->disk = disk;
	partition->start = start;
}
