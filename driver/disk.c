/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk_internal.h"

#include <errno.h>
#include <stdlib.h>

#include <vio/log.h>

enum {
	POLL_BATCH = 64,
	RESTARTS_MAX = 5, /* chosen: a device that fails this often in a row is left alone */
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
	request->vio.iov_count = io->op == DEVB_FLUSH ? 0 : 1;
	request->vio.user_data = request;
}

static void give_request(struct devb_disk *disk, struct disk_request *request)
{
	request->io = NULL;
	request->next_free = disk->free_requests;
	disk->free_requests = request;
}

/* -EAGAIN when there is no room. */
static int try_start(struct devb_disk *disk, struct devb_io *io)
{
	struct disk_request *request = disk->free_requests;
	int rc;

	if (!request) {
		return -EAGAIN;
	}
	disk->free_requests = request->next_free;
	fill(request, io);
	rc = vio_blk_submit(disk->queue, &request->vio);
	if (rc < 0) {
		give_request(disk, request);
	}
	return rc;
}

int disk_start(struct devb_disk *disk, struct devb_io *io)
{
	int rc;

	if (io->op == DEVB_WRITE && rmw_holds(disk, io)) {
		io_list_append(&disk->held, io);
		return 0;
	}
	rc = disk->pending.first ? -EAGAIN : try_start(disk, io);
	if (rc == -EAGAIN) {
		io_list_append(&disk->pending, io);
		rc = 0;
	}
	return rc;
}

void disk_finish_later(struct devb_disk *disk, struct devb_io *io, int result)
{
	io->private_result = result;
	io_list_append(&disk->finished, io);
}

static int check(const struct devb_disk *disk, const struct devb_io *io)
{
	const struct devb_block *block = &disk->block;

	int error = vio_blk_error(disk->blk);

	if (error < 0 || io->op == DEVB_FLUSH) {
		return error;
	}
	if (io->size == 0 || io->size > DEVB_IO_MAX) {
		return -EINVAL;
	}
	/* by subtraction: offset + size may wrap */
	if (io->device_offset > block->size || io->size > block->size - io->device_offset) {
		return -ENOSPC;
	}
	return io->op == DEVB_WRITE && block->read_only ? -EROFS : 0;
}

static bool is_aligned(const struct devb_disk *disk, const struct devb_io *io)
{
	return ((io->device_offset | io->size) & (disk->block.block_size - 1)) == 0;
}

static int disk_submit(struct devb_block *block, struct devb_io *io)
{
	struct devb_disk *disk = disk_of(block);
	int rc = check(disk, io);

	if (rc < 0) {
		return rc;
	}
	if (io->op == DEVB_FLUSH && !vio_blk_info(disk->blk)->can_flush) {
		/* without a volatile cache it is all safe already */
		disk_finish_later(disk, io, vio_blk_info(disk->blk)->writeback ? -ENOTSUP : 0);
	} else if (!is_aligned(disk, io)) {
		rmw_submit(disk, io);
	} else {
		rc = disk_start(disk, io);
	}
	if (rc == 0) {
		disk->in_flight++;
	}
	return rc;
}

static const struct devb_block_ops disk_ops = {
	.submit = disk_submit,
};

static void take_info(struct devb_disk *disk)
{
	const struct vio_blk_info *info = vio_blk_info(disk->blk);

	disk->block.size = info->capacity_sectors * VIO_BLK_SECTOR_SIZE;
	disk->block.block_size = info->block_size;
	disk->block.physical_block_size = info->physical_block_size;
	disk->block.read_only = info->read_only;
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
	disk->queue = vio_blk_queue(blk, 0);
	for (int i = 0; i < DISK_REQUESTS; i++) {
		give_request(disk, &disk->requests[i]);
	}
	take_info(disk);
	if (rmw_open(disk, err) < 0) {
		free(disk);
		return -ENOMEM;
	}
	*out = disk;
	return 0;
}

void devb_disk_close(struct devb_disk *disk)
{
	if (disk) {
		rmw_close(disk);
		free(disk);
	}
}

struct devb_block *devb_disk_block(struct devb_disk *disk)
{
	return &disk->block;
}

unsigned devb_disk_in_flight(const struct devb_disk *disk)
{
	return disk->in_flight;
}

/* The inner steps of a read-modify-write are not requests of their own. */
static void finish(struct devb_disk *disk, struct devb_io *io, int result)
{
	if (io != &disk->rmw.inner) {
		disk->in_flight--;
	}
	io->done(io, result);
}

static unsigned reap(struct devb_disk *disk)
{
	struct vio_blk_request *done[POLL_BATCH];
	unsigned n = vio_blk_reap(disk->queue, done, POLL_BATCH);

	for (unsigned i = 0; i < n; i++) {
		struct disk_request *request = done[i]->user_data;
		struct devb_io *io = request->io;
		int result = request->vio.result;

		if (result == 0) {
			disk->restarts = 0;
		}
		give_request(disk, request);
		finish(disk, io, result);
	}
	return n;
}

static void finish_waiting(struct devb_disk *disk)
{
	struct devb_io *io;

	while ((io = io_list_take(&disk->finished)) != NULL) {
		finish(disk, io, io->private_result);
	}
}

/* Held writes again, in order; those that still overlap are held again. */
static void release_held(struct devb_disk *disk)
{
	struct io_list held = disk->held;
	struct devb_io *io;

	disk->held = (struct io_list){NULL, NULL};
	while ((io = io_list_take(&held)) != NULL) {
		int rc = disk_start(disk, io);

		if (rc < 0) {
			disk_finish_later(disk, io, rc);
		}
	}
}

static void start_pending(struct devb_disk *disk)
{
	struct devb_io *io;

	while ((io = disk->pending.first) != NULL) {
		int rc = 0;

		if (io->op == DEVB_WRITE && rmw_holds(disk, io)) {
			io_list_append(&disk->held, io_list_take(&disk->pending));
			continue;
		}
		rc = try_start(disk, io);
		if (rc == -EAGAIN) {
			return;
		}
		io_list_take(&disk->pending);
		if (rc < 0) {
			disk_finish_later(disk, io, rc);
		}
	}
}

unsigned devb_disk_poll(struct devb_disk *disk)
{
	unsigned n = reap(disk);

	finish_waiting(disk);
	/* who was held by the last read-modify-write goes before the next one */
	if (disk->held.first) {
		release_held(disk);
	}
	if (disk->rmw.active || disk->rmw.waiting.first) {
		rmw_poke(disk);
	}
	if (disk->pending.first) {
		start_pending(disk);
	}
	finish_waiting(disk);
	vio_blk_kick(disk->queue);
	return n;
}

int devb_disk_wait_fd(const struct devb_disk *disk)
{
	return vio_blk_wait_fd(disk->queue);
}

/* What the next poll can do without the device. */
static bool has_work(const struct devb_disk *disk)
{
	return disk->finished.first ||
	       (!disk->rmw.active && (disk->held.first || disk->rmw.waiting.first));
}

bool devb_disk_wait_arm(struct devb_disk *disk)
{
	return has_work(disk) || vio_blk_wait_arm(disk->queue);
}

void devb_disk_wait_disarm(struct devb_disk *disk)
{
	vio_blk_wait_disarm(disk->queue);
}

bool devb_disk_wait_ack(struct devb_disk *disk)
{
	return vio_blk_wait_ack(disk->queue) != 0;
}

void devb_disk_wait_expired(struct devb_disk *disk)
{
	vio_blk_wait_expired(disk->queue);
}

bool devb_disk_has_interrupts(const struct devb_disk *disk)
{
	return vio_blk_has_interrupts(disk->queue);
}

int devb_disk_events_fd(const struct devb_disk *disk)
{
	return vio_blk_events_fd(disk->blk);
}

bool devb_disk_events_ack(struct devb_disk *disk)
{
	return vio_blk_events_ack(disk->blk) != 0;
}

struct vio_spin *devb_disk_spin(struct devb_disk *disk)
{
	return vio_blk_spin(disk->queue);
}

static void recover(struct devb_disk *disk)
{
	struct vio_error err;

	if (vio_blk_in_flight(disk->queue) || disk->restarts >= RESTARTS_MAX ||
	    devb_disk_is_lost(disk)) {
		return;
	}
	disk->restarts++;
	if (vio_blk_restart(disk->blk, &err) == 0) {
		vio_log(VIO_LOG_WARN, "the device answers again after its reset");
		take_info(disk);
	} else {
		vio_log(VIO_LOG_ERROR, "%s (attempt %u of %d)", err.text, disk->restarts,
			RESTARTS_MAX);
	}
}

bool devb_disk_tick(struct devb_disk *disk)
{
	uint64_t size = disk->block.size;

	if (vio_blk_health(disk->blk) == VIO_BLK_FAILED) {
		recover(disk);
	} else if (vio_blk_check(disk->blk) & VIO_EVENT_CONFIG) {
		take_info(disk);
	}
	return disk->block.size != size;
}

bool devb_disk_is_quiet(const struct devb_disk *disk)
{
	return devb_disk_in_flight(disk) == 0 && vio_blk_health(disk->blk) == VIO_BLK_GOOD;
}

bool devb_disk_is_lost(const struct devb_disk *disk)
{
	return vio_blk_health(disk->blk) == VIO_BLK_LOST || vio_blk_error(disk->blk) == -ENODEV;
}
