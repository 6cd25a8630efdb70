/* SPDX-License-Identifier: BSD-3-Clause */
/* One request at a time, on top of the asynchronous calls. */
#include "blk_internal.h"

#include <errno.h>
#include <string.h>

enum {
	CHECK_INTERVAL_MS = 500, /* or a quarter of the deadline */
	PIECE_MAX = 1 << 20,     /* bytes of one request of a long transfer */
};

/* Nobody else is there to restart it. Not yet, or not at all: the deadline will tell. */
static void restart(struct vio_blk *blk)
{
	if (vio_blk_health(blk) == VIO_BLK_FAILED && blk_may_replay(blk)) {
		vio_blk_restart(blk, NULL);
	}
}

/* Bounded: vio_blk_check() ends a request that is overdue. */
static void wait_for(struct vio_blk_queue *queue, const struct vio_blk_request *request)
{
	struct vio_blk_request *done = NULL;
	unsigned interval_ms = queue->blk->options.timeout_ms / 4;

	if (interval_ms > CHECK_INTERVAL_MS) {
		interval_ms = CHECK_INTERVAL_MS;
	}
	while (done != request) {
		if (vio_blk_reap(queue, &done, 1) == 0 && vio_blk_wait(queue, interval_ms) < 0) {
			vio_blk_check(queue->blk);
			restart(queue->blk);
		}
	}
}

static int run(struct vio_blk *blk, struct vio_blk_request *request)
{
	struct vio_blk_queue *queue = blk->queues[0];
	int rc = vio_blk_submit(queue, request);

	if (rc < 0) {
		return rc;
	}
	vio_blk_kick(queue);
	wait_for(queue, request);
	return request->result;
}

static int transfer(struct vio_blk *blk, enum vio_blk_op op, uint64_t start_sector, void *buffer,
		    size_t size)
{
	struct iovec iov = {.iov_base = buffer};
	struct vio_blk_request request = {.op = op, .iov = &iov, .iov_count = 1};
	size_t done = 0;
	/* all of it before any of it: a refused transfer must not be half done */
	int rc = blk_check_range(&blk->info, start_sector, size);

	while (rc == 0 && done < size) {
		iov.iov_base = (char *)buffer + done;
		iov.iov_len = size - done < PIECE_MAX ? size - done : PIECE_MAX;
		request.start_sector = start_sector + done / VIO_BLK_SECTOR_SIZE;
		rc = run(blk, &request);
		done += iov.iov_len;
	}
	return rc;
}

int vio_blk_read(struct vio_blk *blk, uint64_t start_sector, void *buffer, size_t size)
{
	return transfer(blk, VIO_BLK_READ, start_sector, buffer, size);
}

int vio_blk_write(struct vio_blk *blk, uint64_t start_sector, const void *buffer, size_t size)
{
	/* struct iovec has no const; a write only reads through it */
	return transfer(blk, VIO_BLK_WRITE, start_sector, (void *)(uintptr_t)buffer, size);
}

int vio_blk_flush(struct vio_blk *blk)
{
	struct vio_blk_request request = {.op = VIO_BLK_FLUSH};

	if (!blk->info.can_flush) {
		return blk->info.writeback ? -ENOTSUP : 0;
	}
	return run(blk, &request);
}

int vio_blk_get_id(struct vio_blk *blk, char id[VIO_BLK_ID_SIZE + 1])
{
	struct iovec iov = {.iov_base = id, .iov_len = VIO_BLK_ID_SIZE};
	struct vio_blk_request request = {.op = VIO_BLK_GET_ID, .iov = &iov, .iov_count = 1};

	memset(id, 0, VIO_BLK_ID_SIZE + 1);
	return run(blk, &request);
}

static int run_range(struct vio_blk *blk, struct vio_blk_request request)
{
	return run(blk, &request);
}

int vio_blk_write_zeroes(struct vio_blk *blk, uint64_t start_sector, uint64_t sector_count,
			 bool unmap)
{
	return run_range(blk, (struct vio_blk_request){.op = VIO_BLK_WRITE_ZEROES,
						       .start_sector = start_sector,
						       .sector_count = sector_count,
						       .unmap = unmap});
}

int vio_blk_discard(struct vio_blk *blk, uint64_t start_sector, uint64_t sector_count)
{
	return run_range(blk, (struct vio_blk_request){.op = VIO_BLK_DISCARD,
						       .start_sector = start_sector,
						       .sector_count = sector_count});
}
