/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of entries: short ones, long ones, and those that a directory has twice. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* As older systems count the sum: bytes from 0x80 on are negative. */
static uint32_t signed_checksum(const char *name, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++) {
		uint32_t low = sum & 1;
		int32_t c = (signed char)name[i];

		sum = ((sum >> 1) + (uint32_t)c) ^ low << 31;
	}
	return sum;
}

static bool has_sums(const struct qnx6_info *info)
{
	return info->layout != QNX6_LAYOUT_MMI && info->flags & QNX6_FLAG_LONG_NAME_SUMS;
}

static void check_sum(struct check *check, const struct place *place, uint32_t sum,
		      const struct name *name)
{
	uint32_t expected = qnx6_name_checksum(name->text, name->length);
	char text[PATH_TEXT];

	if (!has_sums(check->info) || sum == expected ||
	    sum == signed_checksum(name->text, name->length))
		return;
	chk_found(check, LONG_SUM, place,
		  "the entry of \"%s\" in inode %u has checksum 0x%08x, but the name has 0x%08x",
		  chk_name_text(name, text, sizeof(text)), place->inode, sum, expected);
}

/* Linux and QNX look for a name of up to 27 bytes among the short ones alone. */
static bool check_length(struct check *check, const struct place *place, uint32_t index,
			 uint16_t length, bool is_first)
{
	if (length > QNX6_SHORT_NAME && length <= QNX6_LONG_NAME)
		return true;
	if (is_first)
		chk_found(
			check, LONG_LENGTH, place,
			"long name %u has %u bytes, expected %u to %u; an entry in inode %u has it",
			index, length, QNX6_SHORT_NAME + 1, QNX6_LONG_NAME, place->inode);
	return false;
}

static void share(struct check *check, const struct place *place, uint32_t index, uint32_t block)
{
	if (has_bit(check->marked, block))
		chk_found(check, LONG_SHARED, place,
			  "long name %u belongs to several entries, one of them in inode %u", index,
			  place->inode);
	set_bit(check->marked, block);
}

/* The block that long name @index is in. */
static bool find_long(struct check *check, const struct place *place, uint32_t index, bool is_first,
		      uint32_t *block)
{
	const struct qnx6_info *info = check->info;
	const struct qnx6_tree *tree = &info->long_names;

	if (index < tree->size / info->block_size && !qnx6_map(check->volume, tree, index, block) &&
	    *block != QNX6_NO_BLOCK)
		return true;
	if (is_first)
		chk_found(check, LONG_INDEX, place,
			  "an entry in inode %u has long name %u, but there are %ju, or it has no "
			  "block",
			  place->inode, index, (uintmax_t)(tree->size / info->block_size));
	return false;
}

static bool read_long(struct check *check, const struct place *place, uint32_t block, bool is_first,
		      struct qnx6_long_name *name)
{
	const struct place at = chk_at_block(check, place->inode, block, 0);
	int error = qnx6_source_read(check->source, at.offset, name, sizeof(*name));

	if (error && is_first) {
		check->unread++;
		chk_found(check, READ_ERROR, &at, "block %u, of a long name, cannot be read: %s",
			  block, strerror(-error));
	}
	return !error;
}

static bool read_long_name(struct check *check, const struct place *place,
			   const struct qnx6_long_entry *entry, bool is_first, struct name *name)
{
	enum qnx6_order order = check->info->order;
	uint32_t index = qnx6_get32(order, entry->index), block;
	struct qnx6_long_name found;

	if (!find_long(check, place, index, is_first, &block) ||
	    !read_long(check, place, block, is_first, &found))
		return false;
	name->length = qnx6_get16(order, found.length);
	if (!check_length(check, place, index, name->length, is_first))
		return false;
	memcpy(name->text, found.name, name->length);
	if (is_first) {
		share(check, place, index, block);
		check_sum(check, place, qnx6_get32(order, entry->checksum), name);
	}
	return true;
}

bool chk_read_name(struct check *check, const struct place *place, const struct qnx6_entry *entry,
		   bool is_first, struct name *name)
{
	struct qnx6_long_entry long_entry;

	if (entry->length == QNX6_LONG_MARK) {
		memcpy(&long_entry, entry, sizeof(long_entry));
		return read_long_name(check, place, &long_entry, is_first, name);
	}
	if (entry->length > QNX6_SHORT_NAME) {
		if (is_first)
			chk_found(check, ENTRY_LENGTH, place,
				  "an entry in inode %u has a name of %u bytes, expected 1 to %u, "
				  "or %u for a long one",
				  place->inode, entry->length, QNX6_SHORT_NAME, QNX6_LONG_MARK);
		return false;
	}
	name->length = entry->length;
	memcpy(name->text, entry->name, entry->length);
	return true;
}

/* A volume cannot know it, and therefore cannot have names that only look the same. */
static uint64_t hash_of(const struct name_set *set, const struct name *name)
{
	uint64_t hash = set->seed[0] ^ name->length;

	for (size_t i = 0; i < name->length; i++) {
		hash = (hash ^ (unsigned char)name->text[i]) * set->seed[1];
		hash ^= hash >> 29;
	}
	return hash;
}

static bool make_room(struct name_set *set)
{
	size_t room = set->room ? set->room * 2 : 64;
	struct name_key *keys;

	if (set->count < set->room)
		return true;
	keys = reallocarray(set->keys, room, sizeof(*keys));
	if (!keys)
		return false;
	set->keys = keys;
	set->room = room;
	return true;
}

bool chk_name_set_add(struct name_set *set, const struct name *name, uint64_t record)
{
	if (!make_room(set))
		return false;
	set->keys[set->count++] = (struct name_key){hash_of(set, name), record};
	return true;
}

static int compare_keys(const void *a, const void *b)
{
	const struct name_key *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->record > y->record) - (x->record < y->record);
}

static void report_same(struct check *check, uint32_t dir, const struct name_key *key)
{
	const struct place place = chk_at_inode(dir);
	char path[PATH_TEXT], text[PATH_TEXT];
	struct name name;

	if (!chk_is_reported(check, NAME_TWICE)) {
		chk_count(check, NAME_TWICE, 1);
		return;
	}
	if (!chk_read_record(check, dir, key->record, &name))
		name = (struct name){.length = 1, .text = "?"};
	chk_found(check, NAME_TWICE, &place,
		  "directory %s has the name \"%s\" twice, in records %ju and %ju",
		  chk_path_of(check, dir, path), chk_name_text(&name, text, sizeof(text)),
		  (uintmax_t)key[-1].record, (uintmax_t)key->record);
}

void chk_name_set_check(struct check *check, struct name_set *set, uint32_t dir)
{
	if (set->count)
		qsort(set->keys, set->count, sizeof(*set->keys), compare_keys);
	for (size_t i = 1; i < set->count && !check->is_stopped; i++)
		if (set->keys[i].hash == set->keys[i - 1].hash)
			report_same(check, dir, &set->keys[i]);
	set->count = 0;
}

void chk_name_set_free(struct name_set *set)
{
	free(set->keys);
}
