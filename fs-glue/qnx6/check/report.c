/* SPDX-License-Identifier: BSD-3-Clause */
/* Findings, and the reads that may become one. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

static const struct {
	const char *code;
	enum qnx6_severity severity;
} kinds[NUM_KINDS] = {
	[SUPER_NONE] = {"super-none", QNX6_ERROR},
	[SUPER_MAGIC] = {"super-magic", QNX6_ERROR},
	[SUPER_SUM] = {"super-sum", QNX6_ERROR},
	[SUPER_NUMBERS] = {"super-numbers", QNX6_ERROR},
	[SUPER_DIFFER] = {"super-differ", QNX6_ERROR},
	[SUPER_ID] = {"super-id", QNX6_WARNING},
	[SUPER_SERIAL] = {"super-serial", QNX6_WARNING},
	[SUPER_FLAGS] = {"super-flags", QNX6_WARNING},
	[SUPER_VERSION] = {"super-version", QNX6_WARNING},
	[SUPER_SPARE] = {"super-spare", QNX6_WARNING},
	[SUPER_TREES] = {"super-trees", QNX6_WARNING},
	[ROOT_SIZE] = {"root-size", QNX6_ERROR},
	[READ_ERROR] = {"read-error", QNX6_ERROR},
	[TREE_LEVELS] = {"tree-levels", QNX6_ERROR},
	[TREE_SIZE] = {"tree-size", QNX6_ERROR},
	[TREE_POINTER] = {"tree-pointer", QNX6_ERROR},
	[TREE_HOLE] = {"tree-hole", QNX6_ERROR},
	[TREE_BEYOND] = {"tree-beyond", QNX6_WARNING},
	[BLOCK_TWICE] = {"block-twice", QNX6_ERROR},
	[BLOCK_FREE] = {"block-free", QNX6_ERROR},
	[BLOCK_LOST] = {"block-lost", QNX6_ERROR},
	[BITMAP_PADDING] = {"bitmap-padding", QNX6_WARNING},
	[SYSTEM_FREE] = {"system-free", QNX6_WARNING},
	[SYSTEM_OUTSIDE] = {"system-outside", QNX6_WARNING},
	[SYSTEM_INSIDE] = {"system-inside", QNX6_WARNING},
	[COUNT_BLOCKS] = {"count-blocks", QNX6_ERROR},
	[COUNT_INODES] = {"count-inodes", QNX6_ERROR},
	[INODE_STATUS] = {"inode-status", QNX6_ERROR},
	[INODE_TYPE] = {"inode-type", QNX6_ERROR},
	[INODE_DEVICE] = {"inode-device", QNX6_WARNING},
	[INODE_SPARE] = {"inode-spare", QNX6_WARNING},
	[INODE_SYMLINK] = {"inode-symlink", QNX6_ERROR},
	[INODE_DIR_SIZE] = {"inode-dir-size", QNX6_ERROR},
	[INODE_SPECIAL] = {"inode-special", QNX6_WARNING},
	[INODE_ROOT] = {"inode-root", QNX6_ERROR},
	[INODE_ORPHAN] = {"inode-orphan", QNX6_ERROR},
	[INODE_UNLINKED] = {"inode-unlinked", QNX6_WARNING},
	[INODE_LINKS] = {"inode-links", QNX6_ERROR},
	[DIR_DOT] = {"dir-dot", QNX6_ERROR},
	[DIR_DOTDOT] = {"dir-dotdot", QNX6_ERROR},
	[DIR_LINKED] = {"dir-linked", QNX6_ERROR},
	[DIR_LOOP] = {"dir-loop", QNX6_ERROR},
	[ENTRY_LENGTH] = {"entry-length", QNX6_ERROR},
	[ENTRY_EMPTY] = {"entry-empty", QNX6_WARNING},
	[ENTRY_RANGE] = {"entry-range", QNX6_ERROR},
	[ENTRY_FREE] = {"entry-free", QNX6_ERROR},
	[NAME_BYTES] = {"name-bytes", QNX6_ERROR},
	[NAME_TWICE] = {"name-twice", QNX6_ERROR},
	[LONG_INDEX] = {"long-index", QNX6_ERROR},
	[LONG_LENGTH] = {"long-length", QNX6_ERROR},
	[LONG_SUM] = {"long-sum", QNX6_ERROR},
	[LONG_SHARED] = {"long-shared", QNX6_WARNING},
};

static void report(struct check *check, enum kind kind, const struct place *place, const char *text)
{
	const struct qnx6_check_options *options = check->options;
	const struct qnx6_finding finding = {
		.severity = kinds[kind].severity,
		.code = kinds[kind].code,
		.text = text,
		.inode = place->inode,
		.block = place->block,
		.offset = place->offset,
	};

	if (options->report && !options->report(options->context, &finding))
		check->is_stopped = true;
}

/* Its path is told when it is known. */
static void remember(struct check *check, const struct place *place)
{
	if (place && place->inode && place->inode <= check->num_inodes && !check->has_paths)
		check->inodes[place->inode].flags |= IS_TOLD;
}

void chk_count(struct check *check, enum kind kind, uint64_t more)
{
	if (kinds[kind].severity == QNX6_ERROR)
		check->result->errors += more;
	else
		check->result->warnings += more;
	check->count[kind] += more;
}

void chk_found(struct check *check, enum kind kind, const struct place *place, const char *format,
	       ...)
{
	char text[2 * PATH_TEXT];
	va_list args;

	if (check->is_stopped)
		return;
	chk_count(check, kind, 1);
	if (check->count[kind] > QNX6_CHECK_REPORTS)
		return;
	remember(check, place);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	report(check, kind, place ? place : &(struct place){0, QNX6_NO_BLOCK, NO_OFFSET}, text);
}

bool chk_is_reported(const struct check *check, enum kind kind)
{
	return !check->is_stopped && check->count[kind] < QNX6_CHECK_REPORTS;
}

void chk_note(struct check *check, const char *format, ...)
{
	char text[2 * PATH_TEXT];
	va_list args;

	if (!check->options->note || check->is_stopped)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	check->options->note(check->options->context, text);
}

void chk_report_rest(struct check *check)
{
	for (enum kind kind = 0; kind < NUM_KINDS; kind++)
		if (check->count[kind] > QNX6_CHECK_REPORTS)
			chk_note(check, "%s: %ju more, which are not listed", kinds[kind].code,
				 (uintmax_t)(check->count[kind] - QNX6_CHECK_REPORTS));
}

struct place chk_at_inode(uint32_t inode)
{
	return (struct place){inode, QNX6_NO_BLOCK, NO_OFFSET};
}

struct place chk_at_block(const struct check *check, uint32_t inode, uint32_t block, size_t byte)
{
	const struct qnx6_info *info = check->info;

	return (struct place){inode, block,
			      info->data_offset + (uint64_t)block * info->block_size + byte};
}

bool chk_read_block(struct check *check, uint32_t inode, uint32_t block, void *buffer)
{
	const struct place place = chk_at_block(check, inode, block, 0);
	int error = qnx6_source_read(check->source, place.offset, buffer, check->info->block_size);

	if (!error)
		return true;
	check->unread++;
	if (inode)
		chk_found(check, READ_ERROR, &place, "block %u, of inode %u, cannot be read: %s",
			  block, inode, strerror(-error));
	else
		chk_found(check, READ_ERROR, &place,
			  "block %u, of the volume's own files, cannot be read: %s", block,
			  strerror(-error));
	return false;
}
