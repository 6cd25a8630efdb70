/* SPDX-License-Identifier: BSD-3-Clause */
#include "qnx6_exercise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	NODES = 64,          /* that are looked at */
	NAMES = 64,          /* of a directory */
	CHUNK = 5000,        /* bytes of a read, no multiple of a block */
	CHUNKS = 4,          /* from each end of a file */
	CACHE = 16 * 1024,   /* small, so that blocks come and go */
	INODES_TOUCHED = 40, /* by number */
};

static void fail(const char *what)
{
	fprintf(stderr, "the reader broke its promise: %s\n", what);
	abort();
}

/* A source that somebody else writes to, or that lies. */
static void change(struct memory_source *memory, const struct qnx6_piece *piece)
{
	uint8_t *bytes = piece->buffer;

	memory->changes = memory->changes * 1664525u + 1013904223u;
	if (memory->changes >> 28 == 0)
		bytes[memory->changes % piece->size] ^= (uint8_t)(memory->changes >> 16);
}

static int read_memory(struct qnx6_source *source, const struct qnx6_piece *pieces, unsigned count)
{
	struct memory_source *memory = (struct memory_source *)source;

	for (unsigned i = 0; i < count; i++) {
		const struct qnx6_piece *piece = &pieces[i];

		if (!piece->size || piece->offset > source->size ||
		    piece->size > source->size - piece->offset)
			fail("a read of nothing, or beyond the source");
		if (piece->offset < memory->fault_end &&
		    piece->offset + piece->size > memory->fault)
			return -EIO;
		memcpy(piece->buffer, memory->bytes + piece->offset, piece->size);
		if (memory->changes)
			change(memory, piece);
	}
	return 0;
}

struct memory_source memory_source(const void *bytes, size_t size)
{
	static const struct qnx6_source_ops ops = {.read = read_memory};

	return (struct memory_source){.head = {.ops = &ops, .size = size}, .bytes = bytes};
}

struct tour {
	struct qnx6_volume *volume;
	const struct qnx6_node *dir;
	uint32_t waiting[NODES];
	unsigned count, names;
};

/* "." and "..", and circles, are not gone into again. */
static void remember(struct tour *tour, uint32_t number)
{
	for (unsigned i = 0; i < tour->count; i++)
		if (tour->waiting[i] == number)
			return;
	if (tour->count < NODES)
		tour->waiting[tour->count++] = number;
}

static bool visit_name(void *context, const struct qnx6_name *name, uint64_t next)
{
	struct tour *tour = context;
	uint32_t number;

	(void)next;
	if (!name->length || name->length > QNX6_LONG_NAME || name->text[name->length] ||
	    strlen(name->text) != name->length || strchr(name->text, '/') || !name->inode)
		fail("a name that is none");
	qnx6_lookup(tour->volume, tour->dir, name->text, &number);
	remember(tour, name->inode);
	return ++tour->names < NAMES;
}

static void read_part(struct qnx6_volume *volume, const struct qnx6_node *node, uint64_t offset)
{
	static char buffer[CHUNK];
	ssize_t size = qnx6_read(volume, node, offset, buffer, sizeof(buffer));
	uint64_t left = offset < node->tree.size ? node->tree.size - offset : 0;

	if (size > CHUNK || (size >= 0 && (uint64_t)size > left) ||
	    (size >= 0 && size < CHUNK && (uint64_t)size != left))
		fail("a read of another size than was asked for");
}

static void read_node(struct qnx6_volume *volume, const struct qnx6_node *node)
{
	uint64_t size = node->tree.size;
	uint32_t block;

	for (unsigned i = 0; i < CHUNKS; i++) {
		read_part(volume, node, (uint64_t)i * CHUNK);
		read_part(volume, node, size > (i + 1ull) * CHUNK ? size - (i + 1ull) * CHUNK : 0);
	}
	read_part(volume, node, size);
	read_part(volume, node, UINT64_MAX);
	qnx6_node_blocks(volume, node);
	if (!qnx6_map(volume, &node->tree, size / 2 / qnx6_info(volume)->block_size, &block) &&
	    block != QNX6_NO_BLOCK && block >= qnx6_info(volume)->num_blocks)
		fail("a block that the volume does not have");
}

static void visit_node(struct tour *tour, uint32_t number)
{
	struct qnx6_node node;
	uint32_t found;

	if (qnx6_node(tour->volume, number, &node))
		return;
	if (node.tree.levels > QNX6_MAX_LEVELS || node.number != number)
		fail("an inode that makes no sense");
	read_node(tour->volume, &node);
	tour->dir = &node;
	tour->names = 0;
	qnx6_list(tour->volume, &node, 0, visit_name, tour);
	qnx6_lookup(tour->volume, &node, "no such name in this directory", &found);
}

static void check_info(const struct qnx6_info *info, uint64_t size)
{
	if (info->block_size < QNX6_BLOCK_MIN || info->block_size > QNX6_BLOCK_MAX ||
	    (info->block_size & (info->block_size - 1)) || info->free_blocks > info->num_blocks ||
	    info->free_inodes > info->num_inodes || info->data_offset > size ||
	    (uint64_t)info->num_blocks * info->block_size > size - info->data_offset)
		fail("numbers of the volume that it said are checked");
}

static void ignore(void *context, const char *text)
{
	(void)context;
	if (strchr(text, '\n'))
		fail("a warning of several lines");
}

void exercise_reader(struct qnx6_source *source)
{
	const struct qnx6_open_options options = {.cache_size = CACHE, .warn = ignore};
	struct tour tour = {.count = 0};
	char why[256] = "";

	if (qnx6_open(&tour.volume, source, &options, why, sizeof(why))) {
		if (!*why || strchr(why, '\n'))
			fail("a refusal without a sentence");
		return;
	}
	check_info(qnx6_info(tour.volume), source->size);
	tour.waiting[tour.count++] = QNX6_ROOT_INODE;
	for (unsigned i = 0; i < tour.count; i++)
		visit_node(&tour, tour.waiting[i]);
	tour.count = NODES; /* what follows is not asked for names below */
	for (uint32_t number = 0; number < INODES_TOUCHED; number++)
		visit_node(&tour, number);
	qnx6_close(tour.volume);
}
