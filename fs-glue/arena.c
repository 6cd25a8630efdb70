/* SPDX-License-Identifier: BSD-3-Clause */
/* See the picture in arena.h. */
#include "arena.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* Behind @below, or in front of all when that is NULL. */
static size_t gap_start(const struct fsg_piece *below)
{
	return below ? below->end : 0;
}

static bool fits(const struct fsg_arena *arena, const struct fsg_piece *below, size_t size)
{
	const struct fsg_piece *above = below ? below->above : arena->lowest;
	size_t end = above ? above->start : arena->size;

	return size <= end - gap_start(below);
}

/* Finds the piece that the new one goes above, NULL for the front. False: nowhere. */
static bool find_gap(const struct fsg_arena *arena, size_t size, struct fsg_piece **below)
{
	size_t warm_end = 2 * size;

	*below = arena->newest;
	if (gap_start(*below) + size <= warm_end && fits(arena, *below, size))
		return true;
	*below = NULL;
	if (fits(arena, NULL, size))
		return true;
	for (*below = arena->lowest; *below; *below = (*below)->above) {
		if (fits(arena, *below, size))
			return true;
	}
	return false;
}

static void link_above(struct fsg_arena *arena, struct fsg_piece *piece, struct fsg_piece *below)
{
	piece->below = below;
	piece->above = below ? below->above : arena->lowest;
	if (piece->above)
		piece->above->below = piece;
	*(below ? &below->above : &arena->lowest) = piece;
}

struct fsg_piece *fsg_arena_alloc(struct fsg_arena *arena, size_t size)
{
	struct fsg_piece *below, *piece = arena->free;

	assert(size > 0);
	if (size > arena->size) /* nor could it be rounded up */
		return NULL;
	size = FSG_PAGE_UP(size);
	if (!find_gap(arena, size, &below))
		return NULL;
	arena->free = piece->above;
	piece->start = gap_start(below);
	piece->end = piece->start + size;
	link_above(arena, piece, below);
	arena->newest = piece;
	return piece;
}

void fsg_arena_free(struct fsg_arena *arena, struct fsg_piece *piece)
{
	assert(piece->end > piece->start);
	*(piece->below ? &piece->below->above : &arena->lowest) = piece->above;
	if (piece->above)
		piece->above->below = piece->below;
	if (arena->newest == piece)
		arena->newest = piece->below;
	*piece = (struct fsg_piece){.above = arena->free};
	arena->free = piece;
}

void fsg_piece_trim(struct fsg_piece *piece, size_t offset, size_t size)
{
	assert(size > 0 && offset % FSG_PAGE == 0);
	assert(offset + FSG_PAGE_UP(size) <= piece->end - piece->start);
	piece->start += offset;
	piece->end = piece->start + FSG_PAGE_UP(size);
}

void *fsg_arena_address(const struct fsg_arena *arena, const struct fsg_piece *piece)
{
	return arena->memory + piece->start;
}

int fsg_arena_open(struct fsg_arena *arena, void *memory, size_t size)
{
	size_t pages = size / FSG_PAGE;

	if ((uintptr_t)memory % FSG_PAGE != 0 || pages == 0)
		return -EINVAL;
	*arena = (struct fsg_arena){.memory = memory, .size = pages * FSG_PAGE};
	arena->pieces = calloc(pages, sizeof(*arena->pieces));
	if (!arena->pieces)
		return -ENOMEM;
	for (size_t i = 0; i < pages; i++)
		arena->pieces[i].above = i + 1 < pages ? &arena->pieces[i + 1] : NULL;
	arena->free = arena->pieces;
	return 0;
}

void fsg_arena_close(struct fsg_arena *arena)
{
	free(arena->pieces);
	*arena = (struct fsg_arena){0};
}
