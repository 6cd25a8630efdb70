/* SPDX-License-Identifier: BSD-3-Clause */
/* Pass 2: every directory that the root leads to, and then those that it does not. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "internal.h"

#define RECORD sizeof(struct qnx6_entry)

/* One directory. */
struct scan {
	struct check *check;
	uint32_t number;
	bool has_first; /* its first block was looked at */
	bool has_dot, has_dotdot;
	struct name_set *names;
};

static void wait(struct check *check, uint32_t dir)
{
	if (check->last_waiting)
		check->inodes[check->last_waiting].next = dir;
	else
		check->first_waiting = dir;
	check->last_waiting = dir;
}

static uint32_t next_waiting(struct check *check)
{
	uint32_t dir = check->first_waiting;

	check->first_waiting = check->inodes[dir].next;
	if (!check->first_waiting)
		check->last_waiting = 0;
	check->inodes[dir].next = 0;
	return dir;
}

/* A path for a finding of @kind. It takes reads, so that one which nobody sees is left out. */
static const char *path_for(struct check *check, enum kind kind, uint32_t inode, char *buffer)
{
	return chk_is_reported(check, kind) ? chk_path_of(check, inode, buffer) : "";
}

/* The same of a name in a directory; in a buffer of the check's. */
static const char *entry_text(struct check *check, enum kind kind, uint32_t dir,
			      const struct name *name)
{
	char path[PATH_TEXT], text[PATH_TEXT];

	if (!chk_is_reported(check, kind))
		return "";
	snprintf(check->entry_buffer, sizeof(check->entry_buffer), "%s in directory %s",
		 chk_name_text(name, text, sizeof(text)), chk_path_of(check, dir, path));
	return check->entry_buffer;
}

static void name_directory(struct scan *scan, const struct place *place, uint32_t number,
			   uint64_t record, const struct name *name)
{
	struct check *check = scan->check;
	struct inode_state *state = &check->inodes[number];
	char path[PATH_TEXT];

	if (state->parent) {
		chk_found(check, DIR_LINKED, place, "%s leads to the directory %s (inode %u) again",
			  entry_text(check, DIR_LINKED, scan->number, name),
			  path_for(check, DIR_LINKED, number, path), number);
		return;
	}
	state->parent = scan->number;
	state->record = (uint32_t)record;
	check->inodes[scan->number].found++;
	if (!(state->flags & IS_SCANNED))
		wait(check, number);
}

static void name_inode(struct scan *scan, const struct place *place, uint32_t number,
		       uint64_t record, const struct name *name)
{
	struct check *check = scan->check;
	struct inode_state *state = &check->inodes[number];

	if (!(state->flags & IS_LIVE)) {
		chk_found(check, ENTRY_FREE, place, "%s leads to inode %u, which %s",
			  entry_text(check, ENTRY_FREE, scan->number, name), number,
			  state->flags & IS_READ ? "is free" : "cannot be read");
		return;
	}
	if (state->flags & IS_DIR) {
		name_directory(scan, place, number, record, name);
		return;
	}
	if (!state->found++) {
		state->parent = scan->number;
		state->record = (uint32_t)record;
	}
}

static bool is_name(const struct name *name, const char *text)
{
	return name->length == strlen(text) && !memcmp(name->text, text, name->length);
}

static void check_dot(struct scan *scan, const struct place *place, uint32_t number,
		      uint64_t record)
{
	struct check *check = scan->check;
	char path[PATH_TEXT];

	if (scan->has_dot)
		return; /* a name that is there twice */
	scan->has_dot = true;
	if (number != scan->number)
		chk_found(check, DIR_DOT, place, "\".\" of directory %s leads to inode %u, not %u",
			  path_for(check, DIR_DOT, scan->number, path), number, scan->number);
	if (record != 0)
		chk_found(check, DIR_DOT, place, "\".\" of directory %s is record %ju, not 0",
			  path_for(check, DIR_DOT, scan->number, path), (uintmax_t)record);
}

/* Of a directory that nothing leads to, any parent will do. */
static void check_dotdot(struct scan *scan, const struct place *place, uint32_t number,
			 uint64_t record)
{
	struct check *check = scan->check;
	uint32_t parent = check->inodes[scan->number].parent;
	char path[PATH_TEXT];

	if (scan->has_dotdot)
		return;
	scan->has_dotdot = true;
	if (parent && number != parent)
		chk_found(check, DIR_DOTDOT, place,
			  "\"..\" of directory %s leads to inode %u, not %u",
			  path_for(check, DIR_DOTDOT, scan->number, path), number, parent);
	if (record != 1)
		chk_found(check, DIR_DOTDOT, place, "\"..\" of directory %s is record %ju, not 1",
			  path_for(check, DIR_DOTDOT, scan->number, path), (uintmax_t)record);
}

static void check_bytes(struct scan *scan, const struct place *place, const struct name *name)
{
	for (size_t i = 0; i < name->length; i++) {
		unsigned char c = (unsigned char)name->text[i];

		if (c >= 0x20 && c != 0x7f && c != 0xff && c != '/')
			continue;
		chk_found(scan->check, NAME_BYTES, place,
			  "%s has a byte 0x%02x, which no name may have",
			  entry_text(scan->check, NAME_BYTES, scan->number, name), c);
		return;
	}
}

static void check_target(struct scan *scan, const struct place *place, uint32_t number,
			 uint64_t record, const struct name *name)
{
	struct check *check = scan->check;

	if (is_name(name, "."))
		check_dot(scan, place, number, record);
	else if (is_name(name, ".."))
		check_dotdot(scan, place, number, record);
	else if (number > check->num_inodes)
		chk_found(check, ENTRY_RANGE, place, "%s leads to inode %u, but the volume has %u",
			  entry_text(check, ENTRY_RANGE, scan->number, name), number,
			  check->num_inodes);
	else
		name_inode(scan, place, number, record, name);
}

static void check_entry(struct scan *scan, const struct place *place,
			const struct qnx6_entry *entry, uint64_t record)
{
	struct check *check = scan->check;
	uint32_t number = qnx6_get32(check->info->order, entry->inode);
	struct name name;

	if (!number)
		return;
	if (!entry->length) {
		chk_found(check, ENTRY_EMPTY, place,
			  "record %ju in inode %u has no name, but leads to inode %u",
			  (uintmax_t)record, scan->number, number);
		return;
	}
	if (!chk_read_name(check, place, entry, true, &name)) {
		name = (struct name){.length = 1, .text = "?"};
		if (record > 1) /* it is some name, and not "." nor ".." */
			check_target(scan, place, number, record, &name);
		return;
	}
	check_bytes(scan, place, &name);
	check_target(scan, place, number, record, &name);
	if (!chk_name_set_add(scan->names, &name, record))
		check->is_out_of_memory = check->is_stopped = true;
}

static void scan_block(struct walk *walk, uint64_t index, uint32_t block)
{
	struct scan *scan = walk->context;
	struct check *check = scan->check;
	uint32_t size = check->info->block_size;
	struct qnx6_entry entry;

	if (index >= walk->needed || !chk_read_block(check, scan->number, block, check->contents))
		return;
	scan->has_first |= index == 0;
	for (uint32_t at = 0; at < size && !check->is_stopped; at += (uint32_t)RECORD) {
		const struct place place = chk_at_block(check, scan->number, block, at);
		uint64_t record = (index * size + at) / RECORD;

		if (record >= walk->tree->size / RECORD)
			return;
		memcpy(&entry, check->contents + at, sizeof(entry));
		check_entry(scan, &place, &entry, record);
	}
}

static void check_dots(struct scan *scan)
{
	struct check *check = scan->check;
	const struct place place = chk_at_inode(scan->number);
	char path[PATH_TEXT];

	if (!scan->has_first || check->is_stopped)
		return;
	if (!scan->has_dot)
		chk_found(check, DIR_DOT, &place, "directory %s has no \".\"",
			  path_for(check, DIR_DOT, scan->number, path));
	if (!scan->has_dotdot)
		chk_found(check, DIR_DOTDOT, &place, "directory %s has no \"..\"",
			  path_for(check, DIR_DOTDOT, scan->number, path));
}

static bool tree_of_inode(struct check *check, uint32_t number, struct qnx6_tree *tree)
{
	const struct qnx6_info *info = check->info;
	uint32_t per_block = info->block_size / (uint32_t)sizeof(struct qnx6_inode);
	struct qnx6_inode inode;
	uint32_t block;
	struct place place;

	if (qnx6_map(check->volume, &info->inodes, (number - 1) / per_block, &block) ||
	    block == QNX6_NO_BLOCK)
		return false;
	place = chk_at_block(check, number, block, (number - 1) % per_block * sizeof(inode));
	if (qnx6_source_read(check->source, place.offset, &inode, sizeof(inode)))
		return false;
	*tree = chk_tree_of(check, &inode);
	return true;
}

static void scan_directory(struct check *check, uint32_t number, struct name_set *names)
{
	struct qnx6_tree tree;
	struct scan scan = {.check = check, .number = number, .names = names};
	struct walk walk = {
		.check = check,
		.tree = &tree,
		.owner = {.inode = number},
		.seen = check->again,
		.leaf = scan_block,
		.context = &scan,
	};

	check->inodes[number].flags |= IS_SCANNED;
	if (!tree_of_inode(check, number, &tree))
		return;
	chk_walk_tree(&walk);
	check_dots(&scan);
	chk_name_set_check(check, names, number);
}

static void scan_waiting(struct check *check, uint8_t mark, struct name_set *names)
{
	while (check->first_waiting && !check->is_stopped) {
		uint32_t dir = next_waiting(check);

		check->inodes[dir].flags |= mark;
		scan_directory(check, dir, names);
	}
}

static bool is_unscanned_directory(const struct inode_state *state)
{
	return (state->flags & (IS_LIVE | IS_DIR | IS_SCANNED)) == (IS_LIVE | IS_DIR);
}

static void scan_all(struct check *check, struct name_set *names)
{
	if (is_unscanned_directory(&check->inodes[QNX6_ROOT_INODE])) {
		check->inodes[QNX6_ROOT_INODE].parent = QNX6_ROOT_INODE;
		wait(check, QNX6_ROOT_INODE);
		scan_waiting(check, IS_REACHED, names);
	}
	for (uint32_t i = 1; i <= check->num_inodes && !check->is_stopped; i++)
		if (is_unscanned_directory(&check->inodes[i])) {
			wait(check, i);
			scan_waiting(check, 0, names);
		}
}

void chk_directories(struct check *check)
{
	struct name_set names = {.seed = {0x243f6a8885a308d3, 0x9e3779b97f4a7c15}};

	if (!check->num_inodes)
		return;
	memset(check->again, 0, check->map_size);
	memset(check->marked, 0, check->map_size);
	/* without it, a volume made to deceive could look worse than it is: no more than that */
	if (getrandom(names.seed, sizeof(names.seed), GRND_NONBLOCK) > 0)
		names.seed[1] |= 1;
	scan_all(check, &names);
	chk_name_set_free(&names);
}
