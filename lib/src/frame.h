/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that belongs to a chain, by its number: what stands around the caller's data,
 * and a table of indirect descriptors for all of it (VirtIO 1.2, 2.7.5.3).
 *
 *   0        header, rounded up to 16         last cache line
 *   | header | table: header data ... footer | footer |        one frame, a power of two
 *
 * A block request's header and the table of up to one segment share a cache line: the
 * device reads one line of ours and writes one. What the table and its entry in the ring
 * looked like last is remembered: a chain of the same shape changes addresses and lengths
 * of its data alone.
 */
#ifndef VIO_FRAME_H
#define VIO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include <vio/dma.h>
#include <vio/queue.h>

#define CACHE_LINE 64u

enum {
	FRAME_SIZE_MAX = 4096, /* one never straddles two of the platform's pages */
};

struct frame {
	char *memory;
	vio_iova iova;
};

struct frames {
	struct frame *of; /* by the chain's number; NULL: chains have neither frame nor table */
	uint16_t header_size, footer_size;
	uint16_t table_offset, footer_offset;
	unsigned edges;     /* descriptors that header and footer take: 0 to 2 */
	int table_segments; /* data segments that a table has room for; -1: no tables */
	struct vio_dma_memory *pieces;
	unsigned piece_count;
};

/* @has_tables: indirect descriptors were negotiated. Returns 0, or a negative errno with a
 * sentence. */
int frames_open(struct frames *frames, struct vio_dma *dma, uint16_t count,
		const struct vio_queue_options *options, bool has_tables, struct vio_error *err);
void frames_close(struct frames *frames, struct vio_dma *dma);

static inline void *frame_header(const struct frames *frames, uint16_t id)
{
	return frames->of[id].memory;
}

static inline void *frame_footer(const struct frames *frames, uint16_t id)
{
	return frames->of[id].memory + frames->footer_offset;
}

static inline void *frame_table(const struct frames *frames, uint16_t id)
{
	return frames->of[id].memory + frames->table_offset;
}

static inline struct vio_segment frame_segment(const struct frames *frames, uint16_t id,
					       size_t offset, size_t size)
{
	return (struct vio_segment){{frames->of[id].iova.raw + offset}, (uint32_t)size};
}

#endif
