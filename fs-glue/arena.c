/* SPDX-License-Identifier: BSD-3-Clause */
/* See the picture in arena.h. */
#include "arena.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

static struct fsg_piece *oldest_piece(const struct fsg_arena *arena)
{
	return &arena->pieces[arena->oldest];
}

static struct fsg_piece *newest_piece(const struct fsg_arena *arena)
{
	return &arena->pieces[(arena->oldest + arena->count - 1) % arena->slots];
}

/* Where @size bytes fit behind the newest piece; arena->size when nowhere. */
static size_t find_room(const struct fsg_arena *arena, size_t size)
{
	if (size > arena->size)
		return arena->size;
	if (arena->count == 0)
		return 0;

	size_t front = oldest_piece(arena)->start;
	size_t behind = newest_piece(arena)->end;
	bool wrapped = newest_piece(arena)->start < front;

	if (size <= (wrapped ? front : arena->size) - behind)
		return behind;
	return !wrapped && size <= front ? 0 : arena->size;
}

struct fsg_piece *fsg_arena_alloc(struct fsg_arena *arena, size_t size)
{
	assert(size > 0);
	size = FSG_PAGE_UP(size);

	size_t start = find_room(arena, size);

	if (start == arena->size)
		return NULL;
	arena->count++;

	struct fsg_piece *piece = newest_piece(arena);

	*piece = (struct fsg_piece){.start = start, .end = start + size, .used = true};
	return piece;
}

void fsg_arena_free(struct fsg_arena *arena, struct fsg_piece *piece)
{
	assert(piece->used);
	piece->used = false;
	/* The newest first: its memory is the warmest, and the next to be handed out. */
	while (arena->count > 0 && !newest_piece(arena)->used)
		arena->count--;
	while (arena->count > 0 && !oldest_piece(arena)->used) {
		arena->oldest = (arena->oldest + 1) % arena->slots;
		arena->count--;
	}
}

void fsg_piece_trim(struct fsg_piece *piece, size_t offset, size_t size)
{
	assert(piece->used && size > 0 && offset % FSG_PAGE == 0);
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
	if ((uintptr_t)memory % FSG_PAGE != 0 || size < FSG_PAGE)
		return -EINVAL;
	*arena = (struct fsg_arena){
		.memory = memory,
		.size = size / FSG_PAGE * FSG_PAGE,
		.slots = size / FSG_PAGE,
	};
	arena->pieces = calloc(arena->slots, sizeof(*arena->pieces));
	return arena->pieces ? 0 : -ENOMEM;
}

void fsg_arena_close(struct fsg_arena *arena)
{
	free(arena->pieces);
	*arena = (struct fsg_arena){0};
}
