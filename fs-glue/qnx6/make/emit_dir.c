/* SPDX-License-Identifier: BSD-3-Clause */
/* Directories and long names. */
#include <string.h>

#include "emit.h"

/* A block of its own in the long names' file. */
static int emit_long_name(struct mk_emit *emit, const char *name, size_t length)
{
	struct qnx6_long_name record = {.length = qnx6_put16(emit->opt->order, (uint16_t)length)};

	memcpy(record.name, name, length);
	if (mk_image_write(emit->image, &record, sizeof(record)))
		return -1;
	return mk_image_zero(emit->image, emit->layout->block_size - sizeof(record));
}

static int emit_long_names_of(struct mk_emit *emit, const struct mk_node *dir)
{
	for (uint32_t i = 0; i < dir->num_names; i++) {
		size_t length = strlen(dir->names[i].text);

		if (length > QNX6_SHORT_NAME && emit_long_name(emit, dir->names[i].text, length))
			return -1;
	}
	return 0;
}

int mk_emit_long_names(struct mk_emit *emit)
{
	const struct mk_tree *tree = &emit->layout->long_names;

	if (mk_emit_seek(emit, tree->row[0].first))
		return -1;
	for (uint32_t i = 0; i < emit->scan->count; i++)
		if (emit_long_names_of(emit, emit->scan->nodes[i]))
			return -1;
	return mk_emit_pointers(emit, tree);
}

static int emit_long_entry(struct mk_emit *emit, uint32_t inode, const char *name, size_t length)
{
	enum qnx6_order order = emit->opt->order;
	struct qnx6_long_entry entry = {
		.inode = qnx6_put32(order, inode),
		.length = QNX6_LONG_MARK,
		.index = qnx6_put32(order, emit->next_long_name++),
		.checksum = qnx6_put32(order, qnx6_name_checksum(name, length)),
	};

	return mk_image_write(emit->image, &entry, sizeof(entry));
}

static int emit_entry(struct mk_emit *emit, uint32_t inode, const char *name)
{
	size_t length = strlen(name);
	struct qnx6_entry entry = {
		.inode = qnx6_put32(emit->opt->order, inode),
		.length = (uint8_t)length,
	};

	if (length > QNX6_SHORT_NAME)
		return emit_long_entry(emit, inode, name, length);
	memcpy(entry.name, name, length);
	return mk_image_write(emit->image, &entry, sizeof(entry));
}

int mk_emit_directory(struct mk_emit *emit, const struct mk_node *node, const struct mk_tree *tree)
{
	uint64_t used = (2 + (uint64_t)node->num_names) * sizeof(struct qnx6_entry);

	if (mk_emit_seek(emit, tree->row[0].first) || emit_entry(emit, node->number, ".") ||
	    emit_entry(emit, node->parent, ".."))
		return -1;
	for (uint32_t i = 0; i < node->num_names; i++)
		if (emit_entry(emit, node->names[i].node->number, node->names[i].text))
			return -1;
	return mk_image_zero(emit->image, tree->size - used);
}
