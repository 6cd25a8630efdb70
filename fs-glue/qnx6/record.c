/* SPDX-License-Identifier: BSD-3-Clause */
#include "record.h"

#include <errno.h>
#include <string.h>

/* What one of them is. */
enum kind {
	KIND_NAME,
	KIND_FREE,
	KIND_DAMAGED,
	KIND_UNREADABLE
};

static enum kind damaged(struct qnx6_records *records, const char *what)
{
	if (!records->is_quiet)
		qnx6_warn(records->walk.volume, "directory %u: record %llu %s; it is left out",
			  records->dir->number, (unsigned long long)records->next - 1, what);
	return KIND_DAMAGED;
}

static void tell_of_sum(struct qnx6_records *records)
{
	if (!records->is_quiet)
		qnx6_warn(records->walk.volume,
			  "directory %u: record %llu has another checksum than its long name",
			  records->dir->number, (unsigned long long)records->next - 1);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* In records; one that is cut off at the end is none. */
static uint64_t count_records(const struct qnx6_volume *volume, uint64_t size)
{
	uint64_t most = (uint64_t)volume->info.num_blocks << volume->block_bits;

	return smaller(smaller(size, most), QNX6_DIRECTORY_MAX) / sizeof(struct qnx6_entry);
}

void qnx6_records_init(struct qnx6_records *records, struct qnx6_volume *volume,
		       const struct qnx6_node *dir, uint64_t start, bool is_quiet)
{
	qnx6_walk_init(&records->walk, volume, &dir->tree);
	records->dir = dir;
	records->is_quiet = is_quiet;
	records->next = start;
	records->end = count_records(volume, dir->tree.size);
	records->is_damaged = dir->tree.size / sizeof(struct qnx6_entry) > records->end;
	if (records->is_damaged && !is_quiet && !start)
		qnx6_warn(
			volume,
			"directory %u says a size of %llu bytes; only the first %llu are looked at",
			dir->number, (unsigned long long)dir->tree.size,
			(unsigned long long)records->end * sizeof(struct qnx6_entry));
	records->first = 0;
	records->count = 0;
}

/* The reader's own rules, and the format's: a path is made of these. */
static enum kind check(struct qnx6_records *records, struct qnx6_name *name)
{
	if (!name->length)
		return damaged(records, "has an empty name");
	if (memchr(name->text, '/', name->length) || memchr(name->text, 0, name->length))
		return damaged(records, "has a name with a slash or a zero in it");
	name->text[name->length] = 0;
	return KIND_NAME;
}

/* Before 6.2 Linux took bytes from 0x80 on as negative; what QNX does is not known. */
static uint32_t signed_sum(const char *text, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++) {
		int value = (unsigned char)text[i];

		if (value >= 0x80)
			value -= 0x100;
		sum = ((sum >> 1) + (uint32_t)value) ^ (sum & 1 ? 0x80000000u : 0);
	}
	return sum;
}

static bool is_sum(const struct qnx6_volume *volume, uint32_t sum, const struct qnx6_name *name)
{
	return volume->info.layout == QNX6_LAYOUT_MMI ||
	       !(volume->info.flags & QNX6_FLAG_LONG_NAME_SUMS) ||
	       sum == qnx6_name_checksum(name->text, name->length) ||
	       sum == signed_sum(name->text, name->length);
}

static int read_long(struct qnx6_volume *volume, uint32_t index, struct qnx6_long_name *text)
{
	const struct qnx6_tree *tree = &volume->info.long_names;
	uint32_t block;
	int error;

	if (index >= tree->size >> volume->block_bits)
		return -ENOENT;
	error = qnx6_map(volume, tree, index, &block);
	if (error)
		return error;
	return block == QNX6_NO_BLOCK ? -ENOENT : qnx6_copy(volume, block, 0, text, sizeof(*text));
}

static enum kind take_long(struct qnx6_records *records, const struct qnx6_entry *entry,
			   struct qnx6_name *name)
{
	struct qnx6_volume *volume = records->walk.volume;
	struct qnx6_long_entry record;
	struct qnx6_long_name text;
	enum kind kind;
	int error;

	memcpy(&record, entry, sizeof(record));
	error = read_long(volume, qnx6_u32_of(volume, record.index), &text);
	if (error == -ENOENT)
		return damaged(records, "has a long name that does not exist");
	if (error) {
		damaged(records, "has a long name that cannot be read");
		return KIND_UNREADABLE;
	}
	name->length = qnx6_get16(volume->info.order, text.length);
	if (name->length > QNX6_LONG_NAME)
		return damaged(records, "has a long name that is longer than can be");
	memcpy(name->text, text.name, name->length);
	kind = check(records, name);
	if (kind == KIND_NAME && !is_sum(volume, qnx6_u32_of(volume, record.checksum), name))
		tell_of_sum(records);
	return kind;
}

static enum kind take(struct qnx6_records *records, const struct qnx6_entry *entry,
		      struct qnx6_name *name)
{
	name->inode = qnx6_u32_of(records->walk.volume, entry->inode);
	if (!name->inode || !entry->length)
		return KIND_FREE;
	if (entry->length == QNX6_LONG_MARK)
		return take_long(records, entry, name);
	if (entry->length > QNX6_SHORT_NAME)
		return damaged(records, "has a name of a length that cannot be");
	name->length = entry->length;
	memcpy(name->text, entry->name, entry->length);
	return check(records, name);
}

/* As many as there are at the place, in a block, and in memory. */
static int read_entries(struct qnx6_records *records, uint32_t block, uint64_t offset)
{
	const struct qnx6_volume *volume = records->walk.volume;
	uint32_t skip = (uint32_t)(offset & (volume->info.block_size - 1));
	uint64_t left = (volume->info.block_size - skip) / sizeof(struct qnx6_entry);

	records->first = records->next;
	records->count = smaller(smaller(left, QNX6_RECORDS_AT_ONCE), records->end - records->next);
	return qnx6_copy(records->walk.volume, block, skip, records->entries,
			 records->count * sizeof(struct qnx6_entry));
}

/* To the block that begins @count blocks behind the one with the byte @offset. */
static void skip_blocks(struct qnx6_records *records, uint64_t offset, uint64_t count)
{
	const struct qnx6_volume *volume = records->walk.volume;
	uint64_t block = (offset >> volume->block_bits) + count;

	records->next = (block << volume->block_bits) / sizeof(struct qnx6_entry);
}

static void skip_unreadable(struct qnx6_records *records, uint64_t offset)
{
	records->is_damaged = true;
	records->count = 0;
	if (!records->is_quiet)
		qnx6_warn(records->walk.volume, "directory %u: block %llu of it cannot be read",
			  records->dir->number,
			  (unsigned long long)(offset >> records->walk.volume->block_bits));
	skip_blocks(records, offset, 1);
}

/* To entries that are there; false: to the end. */
static bool fill(struct qnx6_records *records)
{
	struct qnx6_volume *volume = records->walk.volume;

	while (records->next < records->end) {
		uint64_t offset = records->next * sizeof(struct qnx6_entry);
		uint64_t bytes = (records->end - records->next) * sizeof(struct qnx6_entry);
		struct qnx6_run run;
		int error = qnx6_walk_to(&records->walk, offset >> volume->block_bits,
					 (bytes >> volume->block_bits) + 1, &run);

		if (!error && run.block == QNX6_NO_BLOCK) {
			skip_blocks(records, offset, run.count);
			continue;
		}
		if (!error && !read_entries(records, run.block, offset))
			return true;
		skip_unreadable(records, offset);
	}
	return false;
}

bool qnx6_records_next(struct qnx6_records *records, struct qnx6_name *name)
{
	for (;;) {
		uint64_t at = records->next - records->first;
		enum kind kind;

		if (at >= records->count) {
			if (!fill(records))
				return false;
			at = 0;
		}
		records->next++;
		kind = take(records, &records->entries[at], name);
		if (kind == KIND_NAME)
			return true;
		records->is_damaged |= kind == KIND_UNREADABLE;
	}
}
