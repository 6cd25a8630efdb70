/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA memory as unpleasant as it may be: device addresses are not pointers, and
 * neighbouring pages are not neighbours for the device.
 *
 *   ours    | page 0 | page 1 | page 2 | page 3 |
 *                \       /  \______  ___/
 *   device  |  frame[0] ... in a shuffled order, from BASE on  |
 *
 * It watches both sides. What is free is full of POISON and must stay so; what
 * the device touches must be allocated and, if it is memory of a caller, shared.
 * The first mistake is kept as a complaint.
 *
 * Threads: any.
 */
#ifndef SIM_POOL_H
#define SIM_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vio/dma.h>

enum sim_flavour {
	SIM_PLAIN,    /* sharing holds nothing: no unshare, and a table to look up */
	SIM_TRACKED,  /* every byte shared must be unshared, exactly once */
	SIM_BOUNCING, /* as TRACKED, and the device works on a copy in between */
};

struct sim_pool;

/* @page: bytes, a power of two >= 4096; @size: a multiple of it. */
struct sim_pool *sim_pool_open(enum sim_flavour flavour, size_t size, size_t page);
void sim_pool_close(struct sim_pool *pool);

struct vio_dma *sim_pool_dma(struct sim_pool *pool);

/*
 * The device's view of [@iova, @iova + @size): NULL and a complaint if that is
 * not memory it may use now.
 */
void *sim_pool_at(struct sim_pool *pool, uint64_t iova, size_t size);

/* As above for @addr, without a complaint: would the device be allowed to? */
bool sim_pool_is_allocated(struct sim_pool *pool, const void *addr);

/* Pieces that are allocated, and bytes that are shared, now. */
unsigned sim_pool_pieces(struct sim_pool *pool);
size_t sim_pool_shared(struct sim_pool *pool);

/* The next @count allocations fail. */
void sim_pool_starve(struct sim_pool *pool, unsigned after, unsigned count);

/* Checks that what is free was not written; the first complaint, or "". */
const char *sim_pool_complaint(struct sim_pool *pool);

#endif
