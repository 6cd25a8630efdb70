/* SPDX-License-Identifier: BSD-3-Clause */
/* Directories and long names. */
#include <stdlib.h>
#include <string.h>

#include "mkqnx6_emit.h"

/* Puts a name into the next block of the long names' file. */
static int emit_long_name(struct emit *emit, const char *name, size_t length)
{
	const struct layout *layout = emit->layout;
	uint64_t block = layout->long_names.row[0].first + emit->next_long_name++;
	uint64_t position = layout_position(layout, block);
	struct qnx6_long_name record = {.length = qnx6_put16(emit->opt->order, (uint16_t)length)};

	memcpy(record.name, name, length);
	if (image_write(emit->image, position, &record, sizeof(record)))
		return -1;
	return image_zero(emit->image, position + sizeof(record),
			  layout->block_size - sizeof(record));
}

static int fill_long_entry(struct emit *emit, struct qnx6_entry *slot, uint32_t inode,
			   const char *name, size_t length)
{
	enum qnx6_order order = emit->opt->order;
	struct qnx6_long_entry entry = {
		.inode = qnx6_put32(order, inode),
		.length = QNX6_LONG_MARK,
		.index = qnx6_put32(order, emit->next_long_name),
		.checksum = qnx6_put32(order, qnx6_name_checksum(name, length)),
	};

	memcpy(slot, &entry, sizeof(entry));
	return emit_long_name(emit, name, length);
}

static int fill_entry(struct emit *emit, struct qnx6_entry *slot, uint32_t inode, const char *name)
{
	size_t length = strlen(name);

	if (length > QNX6_SHORT_NAME)
		return fill_long_entry(emit, slot, inode, name, length);
	slot->inode = qnx6_put32(emit->opt->order, inode);
	slot->length = (uint8_t)length;
	memcpy(slot->name, name, length);
	return 0;
}

static int fill_directory(struct emit *emit, struct qnx6_entry *slot,
			  const struct source_node *node)
{
	const struct source_name *name;

	if (fill_entry(emit, slot++, node->number, ".") ||
	    fill_entry(emit, slot++, node->parent, ".."))
		return -1;
	STAILQ_FOREACH(name, &node->names, next)
	if (fill_entry(emit, slot++, name->node->number, name->text))
		return -1;
	return 0;
}

int emit_directory(struct emit *emit, const struct source_node *node, const struct tree *tree)
{
	struct qnx6_entry *slots = calloc(1, tree->size);
	int failed;

	if (!slots)
		return fail("out of memory for a directory of %u names", node->num_names);
	failed = fill_directory(emit, slots, node);
	if (!failed)
		failed = image_write(emit->image, layout_position(emit->layout, tree->row[0].first),
				     slots, tree->size);
	free(slots);
	return failed;
}
