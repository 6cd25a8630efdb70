/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of a block queue: everything that the I/O path needs, allocated before it starts. */
#include "blk_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "dma_internal.h"

enum {
	BOUNCE_CHUNKS_MIN = 1, /* of each queue; fewer, and a request might never start */
};

static int open_slots(struct vio_blk_queue *queue, struct vio_error *err)
{
	queue->slot_count = vio_queue_ids(queue->ring);
	queue->slots = calloc(queue->slot_count, sizeof(*queue->slots));
	if (!queue->slots) {
		return vio_fail(err, -ENOMEM, "%s: out of memory", queue->blk->transport->name);
	}
	for (unsigned i = 0; i < queue->slot_count; i++) {
		queue->slots[i].bounce = BLK_NO_BOUNCE;
	}
	return 0;
}

static int open_bounce(struct vio_blk_queue *queue, struct vio_error *err)
{
	struct blk_bounce *bounce = &queue->bounce;
	uint32_t block = queue->blk->info.block_size;
	int rc = 0;

	bounce->chunk_size = block > BLK_BOUNCE_CHUNK ? block : BLK_BOUNCE_CHUNK;
	bounce->count = (int)(queue->blk->options.bounce_size / queue->blk->info.queues /
			      bounce->chunk_size);
	if (bounce->count < BOUNCE_CHUNKS_MIN) {
		bounce->count = BOUNCE_CHUNKS_MIN;
	}
	bounce->chunks = calloc((size_t)bounce->count, sizeof(*bounce->chunks));
	bounce->free = calloc((size_t)bounce->count, sizeof(*bounce->free));
	if (!bounce->chunks || !bounce->free) {
		return vio_fail(err, -ENOMEM, "%s: out of memory", queue->blk->transport->name);
	}
	for (int i = 0; i < bounce->count && rc == 0; i++) {
		bounce->free[i] = i;
		rc = dma_alloc_piece(queue->blk->dma, bounce->chunk_size, &bounce->chunks[i], err);
	}
	bounce->free_count = bounce->count;
	return rc;
}

static void close_bounce(struct vio_blk_queue *queue)
{
	struct blk_bounce *bounce = &queue->bounce;

	for (int i = 0; bounce->chunks && i < bounce->count; i++) {
		vio_dma_free(queue->blk->dma, &bounce->chunks[i]);
	}
	free(bounce->chunks);
	free(bounce->free);
}

int blk_slots_open(struct vio_blk_queue *queue, struct vio_error *err)
{
	int rc = open_slots(queue, err);

	return rc < 0 ? rc : open_bounce(queue, err);
}

void blk_slots_close(struct vio_blk_queue *queue)
{
	close_bounce(queue);
	free(queue->slots);
}
