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
 * One request at a time: whoever wants speed asks for whole blocks.
 */
#include "disk_internal.h"

#include <errno.h>
#include <string.h>

static struct devb_disk *disk_of_inner(struct devb_io *inner)
{
	return inner->private_data;
}

int rmw_open(struct devb_disk *disk, struct vio_error *err)
{
	disk->rmw.buffer = vio_blk_alloc(disk->blk, DISK_RMW_BUFFER);
	if (!disk->rmw.buffer) {
		return vio_fail(
			err, -ENOMEM,
			"the DMA memory is too small for this queue size: give a larger dma=");
	}
	disk->rmw.inner.private_data = disk;
	return 0;
}

void rmw_close(struct devb_disk *disk)
{
	vio_blk_free(disk->blk, disk->rmw.buffer, DISK_RMW_BUFFER);
}

static uint64_t round_down(const struct devb_disk *disk, uint64_t offset)
{
	return offset & ~((uint64_t)disk->block.block_size - 1);
}

static uint64_t round_up(const struct devb_disk *disk, uint64_t offset)
{
	return round_down(disk, offset + disk->block.block_size - 1);
}

/* Do the whole blocks around @a touch the bytes of @b? */
static bool overlaps(const struct devb_disk *disk, const struct devb_io *a, const struct devb_io *b)
{
	return round_down(disk, a->device_offset) < b->device_offset + b->size &&
	       b->device_offset < round_up(disk, a->device_offset + a->size);
}

bool rmw_holds(const struct devb_disk *disk, const struct devb_io *io)
{
	const struct devb_io *active = disk->rmw.active;

	return active && active->op == DEVB_WRITE && io != &disk->rmw.inner &&
	       overlaps(disk, active, io);
}

static bool write_in_flight(const struct devb_disk *disk, const struct devb_io *active)
{
	for (int i = 0; i < DISK_REQUESTS; i++) {
		const struct devb_io *io = disk->queues[0]->requests[i].io;

		if (io && disk_is_write(io) && overlaps(disk, active, io)) {
			return true;
		}
	}
	return false;
}

static void next_piece(struct devb_disk *disk);

static void end(struct devb_disk *disk, int result)
{
	struct devb_io *io = disk->rmw.active;

	disk->rmw.active = NULL;
	disk_finish_later(disk->queues[0], io, result);
	/* those behind it have waited as well: not for a deadline each, one after the other */
	while (result == -ETIMEDOUT && (io = io_list_take(&disk->rmw.waiting)) != NULL) {
		disk_finish_later(disk->queues[0], io, result);
	}
}

static void start_inner(struct devb_disk *disk, enum devb_op op,
			void (*done)(struct devb_io *, int))
{
	struct devb_io *inner = &disk->rmw.inner;
	int rc;

	inner->op = op;
	inner->done = done;
	inner->buffer = disk->rmw.buffer;
	rc = disk_start(disk->queues[0], inner);
	if (rc < 0) {
		end(disk, rc);
	}
}

static void piece_written(struct devb_io *inner, int result)
{
	struct devb_disk *disk = disk_of_inner(inner);

	if (result < 0) {
		end(disk, result);
		return;
	}
	disk->rmw.done_bytes += disk->rmw.piece_bytes;
	next_piece(disk);
}

static void blocks_read(struct devb_io *inner, int result)
{
	struct devb_disk *disk = disk_of_inner(inner);
	struct disk_rmw *rmw = &disk->rmw;
	struct devb_io *io = rmw->active;
	char *caller = (char *)io->buffer + rmw->done_bytes;
	char *blocks = rmw->buffer + (io->device_offset + rmw->done_bytes - inner->device_offset);

	if (result < 0) {
		end(disk, result);
	} else if (io->op == DEVB_READ) {
		memcpy(caller, blocks, rmw->piece_bytes);
		rmw->done_bytes += rmw->piece_bytes;
		next_piece(disk);
	} else {
		memcpy(blocks, caller, rmw->piece_bytes);
		start_inner(disk, DEVB_WRITE, piece_written);
	}
}

static void next_piece(struct devb_disk *disk)
{
	struct disk_rmw *rmw = &disk->rmw;
	struct devb_io *io = rmw->active;
	uint64_t from = io->device_offset + rmw->done_bytes;
	uint64_t first = round_down(disk, from);
	uint64_t end_offset = io->device_offset + io->size;
	uint64_t last = round_up(disk, end_offset);

	if (rmw->done_bytes == io->size) {
		end(disk, 0);
		return;
	}
	if (last - first > DISK_RMW_BUFFER) {
		last = first + DISK_RMW_BUFFER;
	}
	rmw->inner.device_offset = first;
	rmw->inner.size = (size_t)(last - first);
	rmw->piece_bytes = (size_t)((last < end_offset ? last : end_offset) - from);
	start_inner(disk, DEVB_READ, blocks_read);
}

static void begin(struct devb_disk *disk)
{
	struct disk_rmw *rmw = &disk->rmw;

	rmw->is_blocked = rmw->active->op == DEVB_WRITE && write_in_flight(disk, rmw->active);
	if (!rmw->is_blocked) {
		next_piece(disk);
	}
}

static void next_request(struct devb_disk *disk)
{
	struct disk_rmw *rmw = &disk->rmw;

	rmw->active = io_list_take(&rmw->waiting);
	if (rmw->active) {
		rmw->done_bytes = 0;
		begin(disk);
	}
}

void rmw_submit(struct devb_disk *disk, struct devb_io *io)
{
	io_list_append(&disk->rmw.waiting, io);
}

void rmw_poke(struct devb_disk *disk)
{
	if (!disk->rmw.active) {
		next_request(disk);
	} else if (disk->rmw.is_blocked) {
		begin(disk);
	}
}
