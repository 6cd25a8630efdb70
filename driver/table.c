/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <blkid.h>

#include <vio/log.h>

enum {
	TABLE_UNIT = 512
}; /* libblkid counts in these, whatever the block size */

static bool is_mbr(blkid_parttable table)
{
	const char *type = blkid_parttable_get_type(table);

	return type && strcmp(type, "dos") == 0;
}

static void copy_type(struct devb_table_entry *entry, blkid_parttable table,
		      blkid_partition partition)
{
	const char *uuid = blkid_partition_get_type_string(partition);

	if (is_mbr(table)) {
		entry->mbr_type = (unsigned)blkid_partition_get_type(partition) & 0xff;
	} else if (uuid && strlen(uuid) == 36) {
		for (unsigned i = 0; i < 36; i++) {
			entry->type_uuid[i] = (char)tolower((unsigned char)uuid[i]);
		}
	}
}

/* What a table says is input like any other: it may not lead outside the disk. */
static bool is_inside(blkid_loff_t start, blkid_loff_t sectors, uint64_t disk_size)
{
	uint64_t disk_sectors = disk_size / TABLE_UNIT;

	return start > 0 && sectors > 0 && (uint64_t)start < disk_sectors &&
	       (uint64_t)sectors <= disk_sectors - (uint64_t)start;
}

static void add_entry(struct devb_table *table, blkid_partition partition, uint64_t disk_size)
{
	blkid_loff_t start = blkid_partition_get_start(partition);
	blkid_loff_t sectors = blkid_partition_get_size(partition);
	struct devb_table_entry *entry = &table->entries[table->count];

	if (blkid_partition_is_extended(partition)) {
		return;
	}
	if (table->count == DEVB_PARTITIONS_MAX) {
		vio_log(VIO_LOG_WARN, "partition %d is not shown: %d are shown at most",
			blkid_partition_get_partno(partition), DEVB_PARTITIONS_MAX);
		return;
	}
	if (!is_inside(start, sectors, disk_size)) {
		vio_log(VIO_LOG_WARN,
			"partition %d is not shown: it begins at sector %lld and has %lld, the "
			"disk "
			"has %llu",
			blkid_partition_get_partno(partition), (long long)start, (long long)sectors,
			(unsigned long long)(disk_size / TABLE_UNIT));
		return;
	}
	memset(entry, 0, sizeof(*entry));
	entry->start = (uint64_t)start * TABLE_UNIT;
	entry->size = (uint64_t)sectors * TABLE_UNIT;
	copy_type(entry, blkid_partition_get_table(partition), partition);
	table->count++;
}

static void probe(blkid_probe probe, uint64_t disk_size, struct devb_table *table)
{
	blkid_partlist list = blkid_probe_get_partitions(probe);
	int count = list ? blkid_partlist_numof_partitions(list) : 0;

	for (int i = 0; i < count; i++) {
		add_entry(table, blkid_partlist_get_partition(list, i), disk_size);
	}
}

/* libblkid cannot tell a disk that fails from one without a table. */
static int check_readable(int fd, const char *path, uint32_t block_size, struct vio_error *err)
{
	char *block = malloc(block_size);
	ssize_t n = block ? pread(fd, block, block_size, 0) : -1;
	int error = errno;

	free(block);
	if (n < 0) {
		return vio_fail(err, -EIO, "the partition table of %s cannot be read (%s)", path,
				strerror(error));
	}
	return 0;
}

static int probe_file(int fd, const char *path, uint32_t block_size, struct devb_table *table,
		      struct vio_error *err)
{
	blkid_probe pr = blkid_new_probe();
	struct stat status;
	int rc = 0;

	if (!pr) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	if (fstat(fd, &status) < 0 || blkid_probe_set_device(pr, fd, 0, 0) < 0) {
		rc = vio_fail(err, -EIO, "the partition table of %s cannot be read (%s)", path,
			      strerror(errno));
	} else if (status.st_size > 0) {
		blkid_probe_set_sectorsize(pr, block_size);
		blkid_probe_enable_superblocks(pr, 0);
		blkid_probe_enable_partitions(pr, 1);
		probe(pr, (uint64_t)status.st_size, table);
	}
	blkid_free_probe(pr);
	return rc;
}

int devb_table_read(const char *path, uint32_t block_size, struct devb_table *table,
		    struct vio_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	table->count = 0;
	if (fd < 0) {
		return vio_fail(err, -EIO, "%s cannot be opened to read its partition table (%s)",
				path, strerror(errno));
	}
	rc = check_readable(fd, path, block_size, err);
	if (rc == 0) {
		rc = probe_file(fd, path, block_size, table, err);
	}
	close(fd);
	return rc;
}

static bool same_type(const struct devb_table_entry *a, const struct devb_table_entry *b)
{
	return a->mbr_type == b->mbr_type && strcmp(a->type_uuid, b->type_uuid) == 0;
}

/* How many before @index are of its type. */
static unsigned rank(const struct devb_table *table, unsigned index)
{
	unsigned n = 0;

	for (unsigned i = 0; i < index; i++) {
		n += same_type(&table->entries[i], &table->entries[index]);
	}
	return n;
}

void devb_table_name(const struct devb_table *table, unsigned index, const char *disk, char *name,
		     unsigned name_size)
{
	const struct devb_table_entry *entry = &table->entries[index];
	unsigned n = rank(table, index);

	if (entry->type_uuid[0]) {
		snprintf(name, name_size, "%s.%s.%u", disk, entry->type_uuid, n);
	} else if (entry->mbr_type == 0) {
		snprintf(name, name_size, "%sp%u", disk, index + 1);
	} else if (n == 0) {
		snprintf(name, name_size, "%st%u", disk, entry->mbr_type);
	} else {
		snprintf(name, name_size, "%st%u.%u", disk, entry->mbr_type, n);
	}
}
