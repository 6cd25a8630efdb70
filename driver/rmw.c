/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests that do not begin or end between two blocks:
 *
 *        block         block         block
 *   |.............|.............|.............|
 *           [======= the request ======]            done_bytes, piece_bytes
 *   [ inner: whole blocks, at most the buffer ]
 *
 *   read:   inner read, copy out the piece, next piece
 *   write:  inner read, copy in the piece, inner write, next piece
 *
 * One request of a queue at a time, and one write of all queues (turn.c): whoever wants
 * speed asks for whole blocks.
 */
#include "disk_internal.h"

#include <errno.h>
#include <string.h>

static struct devb_disk_queue *queue_of_inner(struct devb_io *inner)
{
	return inner->private_data;
}

int rmw_open(struct devb_disk_queue *queue, struct vio_error *err)
{
	queue->rmw.buffer = vio_blk_alloc(queue->disk->blk, DISK_RMW_BUFFER);
	if (!queue->rmw.buffer) {
		return vio_fail(err, -ENOMEM,
				"the DMA memory is too small for this queue size and number of "
				"queues: give a larger dma=");
	}
	queue->rmw.inner.private_data = queue;
	return 0;
}

void rmw_close(struct devb_disk_queue *queue)
{
	vio_blk_free(queue->disk->blk, queue->rmw.buffer, DISK_RMW_BUFFER);
}

static uint64_t round_down(const struct devb_disk *disk, uint64_t offset)
{
	return offset & ~((uint64_t)disk->block.block_size - 1);
}

static uint64_t round_up(const struct devb_disk *disk, uint64_t offset)
{
	return round_down(disk, offset + disk->block.block_size - 1);
}

static void next_piece(struct devb_disk_queue *queue);

static void end(struct devb_disk_queue *queue, int result)
{
	struct devb_io *io = queue->rmw.active;

	queue->rmw.active = NULL;
	if (io->op == DEVB_WRITE) {
		turn_end(queue);
	}
	disk_finish_later(queue, io, result);
	/* those behind it have waited as well: not for a deadline each, one after the other */
	while (result == -ETIMEDOUT && (io = io_list_take(&queue->rmw.waiting)) != NULL) {
		disk_finish_later(queue, io, result);
	}
}

static void start_inner(struct devb_disk_queue *queue, enum devb_op op,
			void (*done)(struct devb_io *, int))
{
	struct devb_io *inner = &queue->rmw.inner;
	int rc;

	inner->op = op;
	inner->done = done;
	inner->buffer = queue->rmw.buffer;
	rc = disk_start(queue, inner);
	if (rc < 0) {
		end(queue, rc);
	}
}

static void piece_written(struct devb_io *inner, int result)
{
	struct devb_disk_queue *queue = queue_of_inner(inner);

	if (result < 0) {
		end(queue, result);
		return;
	}
	queue->rmw.done_bytes += queue->rmw.piece_bytes;
	next_piece(queue);
}

static void blocks_read(struct devb_io *inner, int result)
{
	struct devb_disk_queue *queue = queue_of_inner(inner);
	struct disk_rmw *rmw = &queue->rmw;
	struct devb_io *io = rmw->active;
	char *caller = (char *)io->buffer + rmw->done_bytes;
	char *blocks = rmw->buffer + (io->device_offset + rmw->done_bytes - inner->device_offset);

	if (result < 0) {
		end(queue, result);
	} else if (io->op == DEVB_READ) {
		memcpy(caller, blocks, rmw->piece_bytes);
		rmw->done_bytes += rmw->piece_bytes;
		next_piece(queue);
	} else {
		memcpy(blocks, caller, rmw->piece_bytes);
		start_inner(queue, DEVB_WRITE, piece_written);
	}
}

static void next_piece(struct devb_disk_queue *queue)
{
	struct disk_rmw *rmw = &queue->rmw;
	struct devb_io *io = rmw->active;
	uint64_t from = io->device_offset + rmw->done_bytes;
	uint64_t first = round_down(queue->disk, from);
	uint64_t end_offset = io->device_offset + io->size;
	uint64_t last = round_up(queue->disk, end_offset);

	if (rmw->done_bytes == io->size) {
		end(queue, 0);
		return;
	}
	if (last - first > DISK_RMW_BUFFER) {
		last = first + DISK_RMW_BUFFER;
	}
	rmw->inner.device_offset = first;
	rmw->inner.size = (size_t)(last - first);
	rmw->piece_bytes = (size_t)((last < end_offset ? last : end_offset) - from);
	start_inner(queue, DEVB_READ, blocks_read);
}

static void begin(struct devb_disk_queue *queue)
{
	struct disk_rmw *rmw = &queue->rmw;

	rmw->is_blocked =
		rmw->active->op == DEVB_WRITE &&
		(!turn_has_come(queue) || disk_writes_to(queue, queue->first, queue->end));
	if (!rmw->is_blocked) {
		next_piece(queue);
	}
}

static void next_request(struct devb_disk_queue *queue)
{
	struct disk_rmw *rmw = &queue->rmw;
	struct devb_io *io = io_list_take(&rmw->waiting);

	rmw->active = io;
	if (!io) {
		return;
	}
	rmw->done_bytes = 0;
	if (io->op == DEVB_WRITE) {
		turn_want(queue, round_down(queue->disk, io->device_offset),
			  round_up(queue->disk, io->device_offset + io->size));
	}
	begin(queue);
}

void rmw_submit(struct devb_disk_queue *queue, struct devb_io *io)
{
	io_list_append(&queue->rmw.waiting, io);
}

void rmw_poke(struct devb_disk_queue *queue)
{
	if (!queue->rmw.active) {
		next_request(queue);
	} else if (queue->rmw.is_blocked) {
		begin(queue);
	}
}
