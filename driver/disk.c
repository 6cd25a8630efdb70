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

	if (disk_is_write(io) && rmw_holds(queue->disk, io)) {
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
	const struct devb_block *block = &disk->block;
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
	if (io->device_offset > block->size || io->size > block->size - io->device_offset) {
		return -ENOSPC;
	}
	if (disk_is_write(io) && block->read_only) {
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
		rmw_submit(disk, io);
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

void disk_take_info(struct devb_disk *disk)
{
	const struct vio_blk_info *info = vio_blk_info(disk->blk);

	disk->block.size = info->capacity_sectors * VIO_BLK_SECTOR_SIZE;
	disk->block.block_size = info->block_size;
	disk->block.physical_block_size = info->physical_block_size;
	disk->block.read_only = info->read_only;
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
	queue->ring = vio_blk_queue(disk->blk, queue->index);
	for (int i = 0; i < DISK_REQUESTS; i++) {
		give_request(queue, &queue->requests[i]);
	}
	disk->queues[disk->queue_count++] = queue;
	return 0;
}

int devb_disk_open(struct devb_disk **out, struct vio_blk *blk, struct vio_error *err)
{
	struct devb_disk *disk = calloc(1, sizeof(*disk));

	*out = NULL;
	if (!disk) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	disk->block.ops = &disk_ops;
	disk->blk = blk;
	if (open_queue(disk, err) < 0 || rmw_open(disk, err) < 0) {
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
	rmw_close(disk);
	for (unsigned i = 0; i < disk->queue_count; i++) {
		free(disk->queues[i]);
	}
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
	if (io != &queue->disk->rmw.inner) {
		queue->in_flight--;
	}
	io->done(io, result);
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
			queue->disk->restarts = 0;
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

/* Held writes again, in order; those that still overlap are held again. */
static void release_held(struct devb_disk_queue *queue)
{
	struct io_list held = queue->held;
	struct devb_io *io;

	queue->held = (struct io_list){NULL, NULL};
	while ((io = io_list_take(&held)) != NULL) {
		int rc = disk_start(queue, io);

		if (rc < 0) {
			disk_finish_later(queue, io, rc);
		}
	}
}

static void start_pending(struct devb_disk_queue *queue)
{
	struct devb_io *io;

	while ((io = queue->pending.first) != NULL) {
		int rc = 0;

		if (disk_is_write(io) && rmw_holds(queue->disk, io)) {
			io_list_append(&queue->held, io_list_take(&queue->pending));
			continue;
		}
		rc = try_start(queue, io);
		if (rc == -EAGAIN) {
			return;
		}
		io_list_take(&queue->pending);
		if (rc < 0) {
			disk_finish_later(queue, io, rc);
		}
	}
}

unsigned devb_disk_poll(struct devb_disk_queue *queue)
{
	struct devb_disk *disk = queue->disk;
	unsigned n = reap(queue);

	if (queue->index == 0 && vio_blk_error(disk->blk) < 0 && disk_waits(disk)) {
		disk_recover(disk); /* somebody waits: sooner than the next tick */
	}
	finish_waiting(queue);
	/* who was held by the last read-modify-write goes before the next one */
	if (queue->held.first) {
		release_held(queue);
	}
	if (queue->index == 0 && (disk->rmw.active || disk->rmw.waiting.first)) {
		rmw_poke(disk);
	}
	if (queue->pending.first) {
		start_pending(queue);
	}
	finish_waiting(queue);
	vio_blk_kick(queue->ring);
	return n;
}

int devb_disk_wait_fd(const struct devb_disk_queue *queue)
{
	return vio_blk_wait_fd(queue->ring);
}

/* What the next poll can do without the device. */
static bool has_work(const struct devb_disk_queue *queue)
{
	const struct disk_rmw *rmw = &queue->disk->rmw;

	return queue->finished.first || (!rmw->active && (queue->held.first || rmw->waiting.first));
}

bool devb_disk_wait_arm(struct devb_disk_queue *queue)
{
	return has_work(queue) || vio_blk_wait_arm(queue->ring);
}

void devb_disk_wait_disarm(struct devb_disk_queue *queue)
{
	vio_blk_wait_disarm(queue->ring);
}

bool devb_disk_wait_ack(struct devb_disk_queue *queue)
{
	return vio_blk_wait_ack(queue->ring) != 0;
}

void devb_disk_wait_expired(struct devb_disk_queue *queue)
{
	vio_blk_wait_expired(queue->ring);
}

bool devb_disk_has_interrupts(const struct devb_disk_queue *queue)
{
	return vio_blk_has_interrupts(queue->ring);
}

int devb_disk_events_fd(const struct devb_disk *disk)
{
	return vio_blk_events_fd(disk->blk);
}

bool devb_disk_events_ack(struct devb_disk *disk)
{
	return vio_blk_events_ack(disk->blk) != 0;
}

struct vio_spin *devb_disk_spin(struct devb_disk_queue *queue)
{
	return vio_blk_spin(queue->ring);
}

bool devb_disk_tick(struct devb_disk *disk)
{
	bool has_changed;

	if (vio_blk_health(disk->blk) == VIO_BLK_FAILED) {
		disk_recover(disk);
	} else if (vio_blk_check(disk->blk) & VIO_EVENT_CONFIG) {
		disk_take_info(disk);
	}
	/* a recovery between two ticks may have found another size, too */
	has_changed = disk->block.size != disk->size_told;
	disk->size_told = disk->block.size;
	return has_changed;
}

bool devb_disk_queue_tick(struct devb_disk_queue *queue)
{
	return vio_blk_queue_check(queue->ring);
}

bool devb_disk_is_quiet(const struct devb_disk_queue *queue)
{
	return queue->in_flight == 0 && vio_blk_health(queue->disk->blk) == VIO_BLK_GOOD;
}

bool devb_disk_is_lost(const struct devb_disk *disk)
{
	return vio_blk_health(disk->blk) == VIO_BLK_LOST || vio_blk_error(disk->blk) == -ENODEV;
}
