/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

#include <errno.h>
#include <stdlib.h>

#include "dma_internal.h"

static size_t round_up(size_t value, size_t align)
{
	return (value + align - 1) / align * align;
}

/* Header, table and footer of a chain with @segments of data: a power of two. */
static size_t frame_size(const struct frames *frames, unsigned segments, bool has_tables)
{
	size_t table = has_tables ? sizeof(struct vring_desc) * (segments + frames->edges) : 0;
	size_t needed = round_up(frames->table_offset + table, CACHE_LINE) + CACHE_LINE;
	size_t size = CACHE_LINE;

	while (size < needed) {
		size *= 2;
	}
	return size;
}

/* What the power of two left over is room for more segments. Returns the size of a frame. */
static size_t lay_out(struct frames *frames, const struct vio_queue_options *options,
		      bool has_tables)
{
	unsigned segments = options->indirect_segments;
	size_t size;

	frames->header_size = options->header_size;
	frames->footer_size = options->footer_size;
	frames->edges = (options->header_size ? 1u : 0u) + (options->footer_size ? 1u : 0u);
	frames->table_offset = (uint16_t)round_up(options->header_size, sizeof(struct vring_desc));
	while ((size = frame_size(frames, segments, has_tables)) > FRAME_SIZE_MAX) {
		segments /= 2;
	}
	frames->footer_offset = (uint16_t)(size - CACHE_LINE);
	frames->table_segments = -1;
	if (has_tables) {
		frames->table_segments = (int)((frames->footer_offset - frames->table_offset) /
						       sizeof(struct vring_desc) -
					       frames->edges);
	}
	return size;
}

/* As few pieces as the platform allows: each is contiguous for the device. */
static int allocate(struct frames *frames, struct vio_dma *dma, uint16_t count, size_t size,
		    struct vio_error *err)
{
	unsigned in_piece = (unsigned)(dma->contiguous / size);
	unsigned pieces = (count + in_piece - 1) / in_piece;

	frames->of = calloc(count, sizeof(*frames->of));
	frames->pieces = calloc(pieces, sizeof(*frames->pieces));
	if (!frames->of || !frames->pieces) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	for (unsigned id = 0; id < count; id++) {
		unsigned left = count - id < in_piece ? count - id : in_piece;
		size_t offset = id % in_piece * size;
		struct vio_dma_memory *piece = &frames->pieces[id / in_piece];

		if (offset == 0) {
			int rc = dma_alloc_piece(dma, left * size, piece, err);

			if (rc < 0) {
				return rc;
			}
			frames->piece_count++;
		}
		frames->of[id].memory = (char *)piece->addr + offset;
		frames->of[id].iova.raw = piece->iova.raw + offset;
	}
	return 0;
}

int frames_open(struct frames *frames, struct vio_dma *dma, uint16_t count,
		const struct vio_queue_options *options, bool has_tables, struct vio_error *err)
{
	size_t size;

	has_tables = has_tables && options->indirect_segments > 0;
	size = lay_out(frames, options, has_tables);
	return frames->edges || has_tables ? allocate(frames, dma, count, size, err) : 0;
}

void frames_close(struct frames *frames, struct vio_dma *dma)
{
	for (unsigned i = 0; i < frames->piece_count; i++) {
		vio_dma_free(dma, &frames->pieces[i]);
	}
	free(frames->pieces);
	free(frames->of);
	*frames = (struct frames){.table_segments = -1};
}
