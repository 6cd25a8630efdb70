/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The partition table of a disk, as libblkid reads it: MBR with logical
 * partitions, GPT, and whatever else it knows.
 */
#ifndef DEVB_TABLE_H
#define DEVB_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include <vio/error.h>

enum {
	DEVB_PARTITIONS_MAX = 128
}; /* chosen: what a GPT holds by default */

struct devb_table_entry {
	uint64_t start, size; /* bytes, inside the disk */
	unsigned mbr_type;    /* 1..255; 0 where the table has other types */
	char type_uuid[40];   /* GPT, lower case; empty elsewhere */
};

struct devb_table {
	unsigned count;
	struct devb_table_entry entries[DEVB_PARTITIONS_MAX];
};

/**
 * devb_table_read - read the table of the disk that the file @path shows
 * @block_size: bytes; tables are laid out in blocks of this size
 *
 * Containers of logical partitions are left out, what they contain is not.
 * Entries that reach beyond the disk are left out and logged. A disk without a
 * table has 0 entries. Returns 0 or a negative errno with a sentence. Blocks as
 * long as reading the file does.
 */
int devb_table_read(const char *path, uint32_t block_size, struct devb_table *table,
		    struct vio_error *err);

/**
 * devb_table_name - the name of a partition's volume
 * @disk: "hd0"
 *
 * MBR: the decimal type, "hd0t179", and "hd0t179.1" for the next of that type.
 * GPT: the type's GUID and a count from 0 among those of that type,
 * "hd0.0fc63daf-8483-4772-8e79-3d69d8477de4.0". Other tables: "hd0p1" by position.
 */
void devb_table_name(const struct devb_table *table, unsigned index, const char *disk, char *name,
		     unsigned name_size);

#endif
