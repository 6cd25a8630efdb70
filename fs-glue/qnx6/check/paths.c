/* SPDX-License-Identifier: BSD-3-Clause */
/* Where in the tree of directories an inode is, for people to read. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* Deeper paths are cut at the front. */
#define DEPTH_MAX 64

bool chk_read_record(struct check *check, uint32_t dir, uint64_t record, struct name *name)
{
	const uint32_t per_block = check->info->block_size / (uint32_t)sizeof(struct qnx6_entry);
	const struct place none = chk_at_inode(dir);
	struct qnx6_node node;
	struct qnx6_entry entry;
	uint32_t block;
	uint64_t offset;

	if (qnx6_node(check->volume, dir, &node) ||
	    qnx6_map(check->volume, &node.tree, record / per_block, &block) ||
	    block == QNX6_NO_BLOCK)
		return false;
	offset = chk_at_block(check, dir, block, record % per_block * sizeof(entry)).offset;
	if (qnx6_source_read(check->source, offset, &entry, sizeof(entry)))
		return false;
	return chk_read_name(check, &none, &entry, false, name);
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c != 0x7f && c != 0xff && c != '\\' && c != '/';
}

const char *chk_name_text(const struct name *name, char *buffer, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < name->length && used + 5 < size; i++) {
		unsigned char c = (unsigned char)name->text[i];

		if (is_plain(c))
			buffer[used++] = (char)c;
		else
			used += (size_t)snprintf(buffer + used, size - used, "\\x%02x", c);
	}
	buffer[used] = '\0';
	return buffer;
}

/* Puts "/NAME" before what is there, which begins at *begin; false when it has no place. */
static bool prepend(char *buffer, size_t *begin, const struct name *name)
{
	char text[PATH_TEXT];
	size_t length = strlen(chk_name_text(name, text, sizeof(text)));

	if (length + 1 > *begin)
		return false;
	*begin -= length;
	memcpy(buffer + *begin, text, length);
	buffer[--*begin] = '/';
	return true;
}

/* Where the path begins in @buffer; 0: there is none. */
static size_t build(struct check *check, uint32_t inode, char *buffer)
{
	size_t begin = PATH_TEXT - 1;

	buffer[begin] = '\0';
	for (unsigned depth = 0; inode != QNX6_ROOT_INODE; depth++) {
		const struct inode_state *state = &check->inodes[inode];
		struct name name;

		if (depth == DEPTH_MAX || !state->parent ||
		    !chk_read_record(check, state->parent, state->record, &name) ||
		    !prepend(buffer, &begin, &name))
			return 0;
		inode = state->parent;
	}
	if (begin == PATH_TEXT - 1)
		buffer[--begin] = '/';
	return begin;
}

const char *chk_path_of(struct check *check, uint32_t inode, char *buffer)
{
	size_t begin = build(check, inode, buffer);

	if (begin)
		return buffer + begin;
	snprintf(buffer, PATH_TEXT, "inode %u", inode);
	return buffer;
}
