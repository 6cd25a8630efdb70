/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	POLL_BATCH = 64,
};

static struct devb_disk *disk_of(struct devb_block *block)
{
	return (struct devb_disk *)block;
}

static enum vio_blk_op device_op(enum devb_op op)
{
	static const enum vio_blk_op ops[] = {
		[DEVB_READ] = VIO_BLK_READ,
		[DEVB_WRITE] = VIO_BLK_WRITE,
		[DEVB_FLUSH] = VIO_BLK_FLUSH,
		[DEVB_WRITE_ZEROES] = VIO_BLK_WRITE_ZEROES,
	};

	return ops[op];
}

static void fill(struct disk_request *request, struct devb_io *io)
{
	request->io = io;
	request->iov.iov_base = io->buffer;
	request->iov.iov_len = io->size;
	request->vio.op = device_op(io->op);
	request->vio.start_sector = io->device_offset / VIO_BLK_SECTOR_SIZE;
	request->vio.iov = &request->iov;
	request->vio.iov_count = io->op == DEVB_READ || io->op == DEVB_WRITE ? 1 : 0;
	request->vio.sector_count = io->size / VIO_BLK_SECTOR_SIZE;
	request->vio.unmap = io->may_unmap;
	request->vio.user_data = request;
}

static void give_request(struct devb_disk_queue *queue, struct disk_request *request)
{
	request->io = NULL;
	request->next_free = queue->free_requests;
	queue->free_requests = request;
}

/* -EAGAIN when there is no room. */
static int try_start(struct devb_disk_queue *queue, struct devb_io *io)
{
	struct disk_request *request = queue->free_requests;
	int rc;

	if (!request) {
		return -EAGAIN;
	}
	queue->free_requests = request->next_free;
	fill(request, io);
	rc = vio_blk_submit(queue->ring, &request->vio);
	if (rc < 0) {
		give_request(queue, request);
	}
	return rc;
}

int disk_start(struct devb_disk_queue *queue, struct devb_io *io)
{
	int rc;

	if (disk_is_write(io) && turn_is_taken(queue->disk) && turn_holds(queue, io)) {
		io_list_append(&queue->held, io);
		return 0;
	}
	rc = queue->pending.first ? -EAGAIN : try_start(queue, io);
	if (rc == -EAGAIN) {
		io_list_append(&queue->pending, io);
		rc = 0;
	}
	return rc;
}

void disk_finish_later(struct devb_disk_queue *queue, struct devb_io *io, int result)
{
	io->private_result = result;
	io_list_append(&queue->finished, io);
}

static bool is_aligned(const struct devb_disk *disk, const struct devb_io *io)
{
	return ((io->device_offset | io->size) & (disk->block.block_size - 1)) == 0;
}

/* Whole blocks alone: those of a partition may lie between ours. */
static bool can_write_zeroes(const struct devb_disk *disk, const struct devb_io *io)
{
	return vio_blk_info(disk->blk)->write_zeroes.sectors_max > 0 && is_aligned(disk, io);
}

static int check(const struct devb_disk *disk, const struct devb_io *io)
{
	uint64_t size = devb_block_size(&disk->block);
	int error = vio_blk_error(disk->blk);

	/* others wait for a device that may come back, or the library refuses them */
	if (error < 0 && (!disk_waits(disk) || devb_disk_is_lost(disk))) {
		return error;
	}
	if (io->op == DEVB_FLUSH) {
		return 0;
	}
	if (io->size == 0 || (io->size > DEVB_IO_MAX && io->op != DEVB_WRITE_ZEROES)) {
		return -EINVAL;
	}
	/* by subtraction: offset + size may wrap */
	if (io->device_offset > size || io->size > size - io->device_offset) {
		return -ENOSPC;
	}
	if (disk_is_write(io) && devb_block_is_read_only(&disk->block)) {
		return -EROFS;
	}
	return io->op == DEVB_WRITE_ZEROES && !can_write_zeroes(disk, io) ? -EOPNOTSUPP : 0;
}

static int disk_submit(struct devb_block *block, struct devb_io *io)
{
	struct devb_disk *disk = disk_of(block);
	struct devb_disk_queue *queue = disk->queues[io->queue];
	int rc = check(disk, io);

	if (rc < 0) {
		return rc;
	}
	if (io->op == DEVB_FLUSH && !vio_blk_info(disk->blk)->can_flush) {
		/* without a volatile cache it is all safe already */
		disk_finish_later(queue, io, vio_blk_info(disk->blk)->writeback ? -ENOTSUP : 0);
	} else if (!is_aligned(disk, io)) {
		rmw_submit(queue, io);
	} else {
		rc = disk_start(queue, io);
	}
	if (rc == 0) {
		queue->in_flight++;
	}
	return rc;
}

static const struct devb_block_ops disk_ops = {
	.submit = disk_submit,
};

/* Other threads read them; the size of a block is checked to stay (blk.h). */
void disk_take_info(struct devb_disk *disk)
{
	const struct vio_blk_info *info = vio_blk_info(disk->blk);
	struct devb_block *block = &disk->block;

	__atomic_store_n(&block->size, info->capacity_sectors * VIO_BLK_SECTOR_SIZE,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&block->physical_block_size, info->physical_block_size, __ATOMIC_RELAXED);
	__atomic_store_n(&block->read_only, info->read_only, __ATOMIC_RELAXED);
}

static int open_queue(struct devb_disk *disk, struct vio_error *err)
{
	struct devb_disk_queue *queue = aligned_alloc(DISK_CACHE_LINE, sizeof(*queue));

	if (!queue) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	memset(queue, 0, sizeof(*queue));
	queue->disk = disk;
	queue->index = disk->queue_count;
	queue->is_parked = true;
	queue->ring = vio_blk_queue(disk->blk, queue->index);
	for (int i = 0; i < DISK_REQUESTS; i++) {
		give_request(queue, &queue->requests[i]);
	}
	disk->queues[disk->queue_count++] = queue;
	return rmw_open(queue, err);
}

static int open_queues(struct devb_disk *disk, struct vio_error *err)
{
	int rc = 0;

	while (rc == 0 && disk->queue_count < vio_blk_info(disk->blk)->queues) {
		rc = open_queue(disk, err);
	}
	return rc;
}

int devb_disk_open(struct devb_disk **out, struct vio_blk *blk, struct vio_error *err)
{
	struct devb_disk *disk = aligned_alloc(DISK_CACHE_LINE, sizeof(*disk));

	*out = NULL;
	if (!disk) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	memset(disk, 0, sizeof(*disk));
	disk->block.ops = &disk_ops;
	disk->block.block_size = vio_blk_info(blk)->block_size;
	disk->blk = blk;
	turn_open(&disk->turn);
	if (open_queues(disk, err) < 0) {
		devb_disk_close(disk);
		return -ENOMEM;
	}
	disk_take_info(disk);
	disk->size_told = disk->block.size;
	*out = disk;
	return 0;
}

void devb_disk_close(struct devb_disk *disk)
{
	if (!disk) {
		return;
	}
	for (unsigned i = 0; i < disk->queue_count; i++) {
		rmw_close(disk->queues[i]);
		free(disk->queues[i]);
	}
	turn_close(&disk->turn);
	free(disk);
}

struct devb_block *devb_disk_block(struct devb_disk *disk)
{
	return &disk->block;
}

unsigned devb_disk_queues(const struct devb_disk *disk)
{
	return disk->queue_count;
}

struct devb_disk_queue *devb_disk_queue(struct devb_disk *disk, unsigned index)
{
	return disk->queues[index];
}

unsigned devb_disk_in_flight(const struct devb_disk_queue *queue)
{
	return queue->in_flight;
}

/* The inner steps of a read-modify-write are not requests of their own. */
static void finish(struct devb_disk_queue *queue, struct devb_io *io, int result)
{
	if (io != &queue->rmw.inner) {
		queue->in_flight--;
	}
	io->done(io, result);
}

/* Written to only when it says something else: all threads read it. */
static void note_success(struct devb_disk *disk)
{
	if (__atomic_load_n(&disk->restarts, __ATOMIC_RELAXED) > 0) {
		__atomic_store_n(&disk->restarts, 0, __ATOMIC_RELAXED);
	}
}

static unsigned reap(struct devb_disk_queue *queue)
{
	struct vio_blk_request *done[POLL_BATCH];
	unsigned n = vio_blk_reap(queue->ring, done, POLL_BATCH);

	for (unsigned i = 0; i < n; i++) {
		struct disk_request *request = done[i]->user_data;
		struct devb_io *io = request->io;
		int result = request->vio.result;

		if (result == 0) {
			note_success(queue->disk);
		}
		give_request(queue, request);
		finish(queue, io, result);
	}
	return n;
}

static void finish_waiting(struct devb_disk_queue *queue)
{
	struct devb_io *io;

	while ((io = io_list_take(&queue->finished)) != NULL) {
		finish(queue, io, io->private_result);
	}
}

/*
 * Held writes, in order. No turn begins until they are all started (turn.c), whoever
 * had the last one.
 */
static void release_held(struct devb_disk_queue *queue)
{
	struct devb_io *io;

	while ((io = io_list_take(&queue->held)) != NULL) {
		int rc = disk_start(queue, io);

		if (rc < 0) {
			disk_finish_later(queue, io, rc);
		}
	}
	turn_released(queue);
}

static void start_pending(struct devb_disk_queue *queue)
{
	struct devb_io *io;

	while ((io = queue->pending.first) != NULL) {
		int rc = try_start(queue, io);

		if (rc == -EAGAIN) {
			return;
		}
		io_list_take(&queue->pending);
		if (rc < 0) {
			disk_finish_later(queue, io, rc);
		}
	}
}

static bool overlaps(const struct devb_io *io, uint64_t first, uint64_t end)
{
	return disk_is_write(io) && io->device_offset < end && first < io->device_offset + io->size;
}

bool disk_writes_to(const struct devb_disk_queue *queue, uint64_t first, uint64_t end)
{
	for (int i = 0; i < DISK_REQUESTS; i++) {
		const struct devb_io *io = queue->requests[i].io;

		if (io && overlaps(io, first, end)) {
			return true;
		}
	}
	for (const struct devb_io *io = queue->pending.first; io; io = io->next) {
		if (overlaps(io, first, end)) {
			return true;
		}
	}
	return false;
}

void disk_wake(const struct devb_disk_queue *queue)
{
	if (queue->wake) {
		queue->wake(queue->wake_context);
	}
}

/*
 * Thread 0 resets a device that failed, and afterwards every thread takes back what was in
 * flight. So whoever finds out wakes thread 0, and that one the others.
 */
static void tell_failure(struct devb_disk_queue *queue)
{
	struct devb_disk *disk = queue->disk;

	/* a second time when it has taken back its requests, which a restart waits for */
	if (queue->index > 0 && queue->told < 2) {
		queue->told++;
		disk_wake(disk->queues[0]);
	}
	if (queue->index > 0 || queue->told > 0) {
		return;
	}
	queue->told = 1;
	vio_blk_check(disk->blk); /* resets it, if it was another thread that found out */
	for (unsigned i = 1; i < disk->queue_count; i++) {
		disk_wake(disk->queues[i]);
	}
}

unsigned devb_disk_poll(struct devb_disk_queue *queue)
{
	unsigned n = reap(queue);

	if (vio_blk_error(queue->disk->blk) == 0) {
		queue->told = 0;
	} else {
		tell_failure(queue);
		if (queue->index == 0 && disk_waits(queue->disk)) {
			disk_recover(queue->disk); /* somebody waits: sooner than the next tick */
		}
	}
	finish_waiting(queue);
	/* who was held by the last turn goes before the next one */
	if (queue->held.first && !turn_is_taken(queue->disk)) {
		release_held(queue);
	}
	if (turn_is_news(queue)) {
		turn_attend(queue);
	}
	if (queue->rmw.active || queue->rmw.waiting.first) {
		rmw_poke(queue);
	}
	if (queue->pending.first) {
		start_pending(queue);
	}
	finish_waiting(queue);
	vio_blk_kick(queue->ring);
	return n;
}
