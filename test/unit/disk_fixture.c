/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk_fixture.h"

#include <poll.h>

enum {
	DRAIN_LIMIT_MS = 8000,
};

struct devb_disk *disk;
struct devb_disk_queue *disk_queue;
static unsigned submitting;

void open_block(const struct sim_options *options, const struct vio_blk_options *blk_options)
{
	open_disk(options, blk_options);
	ck_assert_msg(devb_disk_open(&disk, blk, &err) == 0, "%s", err.text);
	disk_queue = devb_disk_queue(disk, 0);
}

void close_block(void)
{
	if (disk) {
		ck_assert_uint_eq(devb_disk_in_flight(disk_queue), 0);
	}
	devb_disk_close(disk);
	disk = NULL;
	close_disk();
}

void finish_job(struct devb_io *io, int result)
{
	struct job *job = (struct job *)io;

	must(submitting == 0);
	job->times++;
	job->result = result;
}

int resubmit_job(struct job *job)
{
	int rc;

	submitting++;
	rc = devb_block_submit(devb_disk_block(disk), &job->io);
	submitting--;
	return rc;
}

int start_job(struct job *job, enum devb_op op, uint64_t offset, void *buffer, size_t size)
{
	*job = (struct job){.io = {.op = op,
				   .offset = offset,
				   .size = size,
				   .buffer = buffer,
				   .done = finish_job}};
	return resubmit_job(job);
}

/* As a loop does it: arm, wait, ack. False when nothing came in time. */
static bool wait_for_device(int patience_ms)
{
	struct pollfd wait = {.fd = devb_disk_wait_fd(disk_queue), .events = POLLIN};

	if (devb_disk_wait_arm(disk_queue)) {
		return true;
	}
	if (poll(&wait, 1, patience_ms) != 1) {
		return false;
	}
	devb_disk_wait_ack(disk_queue);
	return true;
}

/* No tick after the failure: it is for the test to say when the device is restarted. */
static void tick_if_due(void)
{
	static uint64_t last;

	if (now_ms() >= last + TICK_MS && vio_blk_health(blk) == VIO_BLK_GOOD) {
		last = now_ms();
		devb_disk_tick(disk);
	}
}

void poll_once(int patience_ms)
{
	if (devb_disk_poll(disk_queue) || devb_disk_in_flight(disk_queue) == 0) {
		return;
	}
	must(wait_for_device(patience_ms) || patience_ms == TICK_MS);
	if (patience_ms == TICK_MS) {
		tick_if_due();
	}
}

void drain(int patience_ms)
{
	uint64_t limit = now_ms() + DRAIN_LIMIT_MS;

	while (devb_disk_in_flight(disk_queue)) {
		must(now_ms() < limit);
		poll_once(patience_ms);
	}
}

int run_job(enum devb_op op, uint64_t offset, void *buffer, size_t size)
{
	struct job job;
	int rc = start_job(&job, op, offset, buffer, size);

	if (rc < 0) {
		return rc;
	}
	drain(PATIENCE_MS);
	must(job.times == 1);
	return job.result;
}
