/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory that messages and data live in: one region, handed out in order.
 *
 *     oldest                newest
 *       v                     v
 *   ....[used|free|used|free|used]............      next piece: after the newest
 *   ]......................[used|free|used          or, past the end, in front
 *    newest                 oldest
 *
 * A piece is always allocated behind the newest one and may be freed in any
 * order; its space comes back when it is the oldest or the newest. Requests are
 * done roughly in the order of their arrival, so little is lost by that, and in
 * return every step is O(1) and a large piece never fails for fragmentation
 * alone: once the older pieces are free, there is room.
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
	bool used;
};

struct fsg_arena {
	unsigned char *memory;
	size_t size;
	/* A ring of records in the order of allocation, freed ones in between. */
	struct fsg_piece *pieces;
	size_t slots; /* one for each page: a piece is at least a page, so records can't run out */
	size_t oldest;
	size_t count;
};

/* @memory is not owned. -ENOMEM; -EINVAL unless it is page aligned and not empty. */
int fsg_arena_open(struct fsg_arena *arena, void *memory, size_t size);
/* Whatever is still allocated is forgotten. */
void fsg_arena_close(struct fsg_arena *arena);

/* NULL when there is no room until older pieces are freed. @size is not 0. */
struct fsg_piece *fsg_arena_alloc(struct fsg_arena *arena, size_t size);
void fsg_arena_free(struct fsg_arena *arena, struct fsg_piece *piece);

/*
 * Keeps @size bytes from @offset, which is a multiple of FSG_PAGE, and gives up the
 * rest; of the newest piece that makes room at once. @size is not 0.
 */
void fsg_piece_trim(struct fsg_piece *piece, size_t offset, size_t size);

void *fsg_arena_address(const struct fsg_arena *arena, const struct fsg_piece *piece);

#endif
