/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A unit inside.
 *
 *   unit.c          up, down, and what the program asks of it
 *   unit_device.c   the device: open it, what is to be said of it, its memory
 */
#ifndef DEVB_UNIT_INTERNAL_H
#define DEVB_UNIT_INTERNAL_H

#include <stdatomic.h>

#include <vio-transport/open.h>
#include <vio/blk.h>

#include "disk.h"
#include "fsg.h"
#include "loop.h"
#include "names.h"
#include "partition.h"
#include "table.h"
#include "unit.h"

struct devb_unit {
	const struct devb_options *options;
	const struct devb_disk_options *disk_options;
	struct vio_transport *transport;
	struct vio_blk *blk;
	struct devb_disk *disk;
	struct fsg_tree *tree;
	struct fsg_channel *channels[FSG_CHANNELS_MAX]; /* one for each queue of the disk */
	unsigned channel_count;
	struct devb_loop *loop;
	atomic_bool has_ended, has_resized;
	void (*news)(void *);
	void *context;
	struct devb_names names;
	bool has_mount_dir;
	void *memory; /* of the channels, in equal shares; the device reaches it */
	size_t memory_size;
	struct devb_table table;
	struct devb_partition partitions[DEVB_PARTITIONS_MAX];
	unsigned shown; /* partitions in the tree */
	unsigned shown_index[DEVB_PARTITIONS_MAX];
	char id[VIO_BLK_ID_SIZE + 1];
};

/* unit_device.c; each returns 0 or a negative errno with a sentence */
int unit_open_device(struct devb_unit *unit, struct vio_error *err);
/* Also asks it for its name. */
int unit_note_what_was_found(struct devb_unit *unit, struct vio_error *err);
/* All the DMA memory that rings and headers left over goes to messages and data. */
int unit_take_memory(struct devb_unit *unit, struct vio_error *err);

#endif
