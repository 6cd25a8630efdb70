/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory that messages and data live in: one region, pieces in the order of their
 * addresses, and the gaps between them.
 *
 *   [used|used]....[used|newest]......|..................
 *   lowest          ^ first gap       warm end
 *
 * A piece is put behind the newest one as long as it stays near the beginning, and
 * otherwise into the lowest gap that takes it: however much memory there is, a few
 * requests at a time use the same little of it, which then stays in the processor's
 * cache. Receiving 1 MiB into memory that is not there takes half as long again.
 *
 * Behind the newest takes a few steps, finding a gap as many as there are pieces, which
 * is rare. Gaps grow as pieces are freed and nothing else takes them, so that what does
 * not fit will.
 *
 * Sizes are rounded up to FSG_PAGE, so every piece starts on such a boundary.
 */
#ifndef FSG_ARENA_H
#define FSG_ARENA_H

#include <stdbool.h>
#include <stddef.h>

/* What data is aligned to: any block device can transfer from and to it. */
#define FSG_PAGE 4096u

#define FSG_PAGE_UP(size) (((size) + FSG_PAGE - 1) / FSG_PAGE * FSG_PAGE)

/* Offsets in the arena. */
struct fsg_piece {
	size_t start;
	size_t end;
	struct fsg_piece *below, *above; /* NULL: none; above is the next free record, too */
};

struct fsg_arena {
	unsigned char *memory;
	size_t size;
	/* One for each page: a piece is at least a page, so records can't run out. */
	struct fsg_piece *pieces;
	struct fsg_piece *free;
	struct fsg_piece *lowest;
	struct fsg_piece *newest; /* or, when that was freed, who was below it; NULL: the front */
};

/* @memory is not owned. -ENOMEM; -EINVAL unless it is page aligned and not empty. */
int fsg_arena_open(struct fsg_arena *arena, void *memory, size_t size);
/* Whatever is still allocated is forgotten. */
void fsg_arena_close(struct fsg_arena *arena);

/* NULL when there is no room until others are freed. @size is not 0. */
struct fsg_piece *fsg_arena_alloc(struct fsg_arena *arena, size_t size);
void fsg_arena_free(struct fsg_arena *arena, struct fsg_piece *piece);

/* Keeps @size bytes from @offset, which is a multiple of FSG_PAGE; the rest is free at once.
 * @size is not 0. */
void fsg_piece_trim(struct fsg_piece *piece, size_t offset, size_t size);

void *fsg_arena_address(const struct fsg_arena *arena, const struct fsg_piece *piece);

#endif
