/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vio-bench: how fast is a VirtIO disk through libvio?
 *
 *   vio-bench virtio pci=0 --rw=randread --bs=4k --iodepth=32 --runtime=5
 *   vio-bench virtio vhost-user=/run/d.sock --wait=event --output-format=json
 *   vio-bench --help
 *
 * A closed loop: each queue keeps a constant number of requests in flight; what is
 * reaped is counted, pointed elsewhere and submitted again in the same turn, with
 * one notification for all of it. No copies: the buffers are memory of the device's.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ids.h>

#include <vio-transport/open.h>
#include <vio/blk.h>

#include "vio-bench.h"

enum {
	WAIT_MS = 1000,
	/* The longest chain for one buffer: header, data, status. */
	ENTRIES_PER_REQUEST = 3,
	QUEUE_SIZE_LEAST = 256,
	QUEUE_SIZE_MOST = 32768,
};

struct slot {
	struct vio_blk_request request; /* first: reap gives it back */
	struct iovec iov;
	uint64_t started_ns;
};

/* One thread and its queue. */
struct worker {
	struct bench_job *job;
	const struct bench_options *options;
	struct vio_blk *blk;
	struct vio_blk_queue *queue;
	unsigned index;
	pthread_t thread;
	struct slot *slots;
	struct vio_blk_request **done;
	int error; /* the first that a request had */
};

/* One failed: all stop. Looked at about once a second. */
static atomic_bool stopping;
static pthread_barrier_t ready;

static int fail(const struct bench_options *options, const char *what, int error)
{
	fprintf(stderr, "%s: %s: %s\n", options->name, what, strerror(-error));
	return error;
}

static void give_up(struct worker *w, int error)
{
	if (w->error == 0) {
		w->error = error;
	}
	w->job->to_start = 0;
	atomic_store(&stopping, true);
}

/* About once a second: deadlines, news of the device. */
static void look_around(struct worker *w, uint64_t now)
{
	w->job->tick_ns = now + BENCH_SECOND;
	if (w->index == 0) {
		vio_blk_check(w->blk);
	} else {
		vio_blk_queue_check(w->queue);
	}
	if (atomic_load(&stopping)) {
		w->job->to_start = 0;
	}
}

static void look_at_clock(struct worker *w, uint64_t now)
{
	if (now >= w->job->end_ns) {
		w->job->to_start = 0;
	}
	if (now >= w->job->tick_ns) {
		look_around(w, now);
	}
}

static int start(struct worker *w, struct slot *slot, uint64_t now)
{
	bool is_write = bench_next_is_write(w->job);

	slot->request.op = is_write ? VIO_BLK_WRITE : VIO_BLK_READ;
	slot->request.start_sector = bench_next_sector(w->job);
	slot->started_ns = now;
	w->job->to_start--;
	return vio_blk_submit(w->queue, &slot->request);
}

/* Counts what was reaped and starts as much again. */
static void turn_over(struct worker *w, unsigned n)
{
	uint64_t now = bench_now_ns();
	unsigned writes = 0;

	look_at_clock(w, now);
	for (unsigned i = 0; i < n; i++) {
		struct slot *slot = (struct slot *)w->done[i];
		int rc = slot->request.result;

		bench_count(w->job, now - slot->started_ns);
		writes += slot->request.op == VIO_BLK_WRITE;
		if (rc == 0 && w->job->to_start > 0) {
			rc = start(w, slot, now);
		}
		if (rc < 0) {
			give_up(w, rc);
		}
	}
	vio_blk_kick(w->queue);
	w->job->writes += writes;
	w->job->reads += n - writes;
	w->job->finished_ns = now;
}

/* Spins in the library, or sleeps. What it finds, the next turn takes, and looks at the clock. */
static void turn_over_nothing(struct worker *w)
{
	if (vio_blk_wait(w->queue, WAIT_MS) < 0) {
		look_at_clock(w, bench_now_ns());
	}
}

static void run(struct worker *w)
{
	uint64_t now;

	bench_start(w->job, w->options, w->index);
	now = w->job->started_ns;
	for (unsigned i = 0; i < w->options->depth && w->job->to_start > 0; i++) {
		int rc = start(w, &w->slots[i], now);

		if (rc < 0) {
			give_up(w, rc);
		}
	}
	vio_blk_kick(w->queue);
	while (vio_blk_in_flight(w->queue) > 0) {
		unsigned n = vio_blk_reap(w->queue, w->done, w->options->batch);

		if (n > 0) {
			turn_over(w, n);
		} else {
			turn_over_nothing(w);
		}
	}
}

static void *run_thread(void *argument)
{
	pthread_barrier_wait(&ready);
	run(argument);
	return NULL;
}

static int prepare(struct worker *w)
{
	const struct bench_options *options = w->options;

	w->slots = calloc(options->depth, sizeof(*w->slots));
	w->done = calloc(options->depth, sizeof(struct vio_blk_request *));
	if (!w->slots || !w->done) {
		return fail(options, "requests", -ENOMEM);
	}
	for (unsigned i = 0; i < options->depth; i++) {
		struct slot *slot = &w->slots[i];

		slot->iov.iov_base = vio_blk_alloc(w->blk, options->block_size);
		slot->iov.iov_len = options->block_size;
		slot->request.iov = &slot->iov;
		slot->request.iov_count = 1;
		if (!slot->iov.iov_base) {
			return fail(options, "DMA memory for the buffers", -ENOMEM);
		}
	}
	return 0;
}

static int explain(const struct worker *w)
{
	if (w->error == -EAGAIN) {
		return fail(w->options,
			    "the queue does not take as many requests as --iodepth: "
			    "ask for more entries with --queue_size",
			    w->error);
	}
	return w->error < 0 ? fail(w->options, "a request failed", w->error) : 0;
}

/* Only number 0 can reset a device that fails, also for those who still wait for it. */
static void join(const struct worker *w)
{
	struct timespec limit;

	do {
		clock_gettime(CLOCK_REALTIME, &limit);
		limit.tv_sec++;
		vio_blk_check(w->blk);
	} while (pthread_timedjoin_np(w->thread, NULL, &limit) == ETIMEDOUT);
}

/* Threads 1 and up, and ourselves as number 0; afterwards none runs. */
static int run_all(struct worker *workers, unsigned count)
{
	unsigned started = 1;
	int rc = 0;

	pthread_barrier_init(&ready, NULL, count);
	for (; started < count && rc == 0; started++) {
		rc = -pthread_create(&workers[started].thread, NULL, run_thread, &workers[started]);
	}
	if (rc < 0) { /* those that run wait for us all: the process has to end */
		fail(workers->options, "a thread for each queue", rc);
		exit(1);
	}
	run_thread(&workers[0]);
	for (unsigned i = 1; i < count; i++) {
		join(&workers[i]);
	}
	pthread_barrier_destroy(&ready);
	for (unsigned i = 0; i < count && rc == 0; i++) {
		rc = explain(&workers[i]);
	}
	return rc;
}

static void report(const struct bench_options *options, const struct bench_job *jobs,
		   const struct vio_blk *blk)
{
	const struct vio_blk_info *info = vio_blk_info(blk);
	char note[128];

	snprintf(note, sizeof(note), "\"queue_size\": %u, \"features\": \"0x%" PRIx64 "\"",
		 info->queue_size, info->features);
	bench_report(options, jobs, note);
}

static int bench(struct vio_blk *blk, const struct bench_options *options)
{
	uint64_t capacity = vio_blk_info(blk)->capacity_sectors * VIO_BLK_SECTOR_SIZE;
	struct worker *workers = calloc(options->queues, sizeof(*workers));
	struct bench_job *jobs = aligned_alloc(64, options->queues * sizeof(*jobs));
	int rc = workers && jobs ? 0 : fail(options, "queues", -ENOMEM);

	for (unsigned i = 0; i < options->queues && rc == 0; i++) {
		workers[i] = (struct worker){.job = &jobs[i],
					     .options = options,
					     .blk = blk,
					     .queue = vio_blk_queue(blk, i),
					     .index = i};
		rc = bench_prepare(&jobs[i], options, i, capacity) ? prepare(&workers[i]) : -ENOSPC;
	}
	if (rc == 0) {
		rc = run_all(workers, options->queues);
	}
	if (rc == 0) {
		report(options, jobs, blk);
	}
	for (unsigned i = 0; workers && i < options->queues; i++) {
		free(workers[i].slots); /* the buffers end with the device's memory */
		free(workers[i].done);
	}
	free(jobs);
	free(workers);
	return rc;
}

static uint16_t queue_size(const struct bench_options *options)
{
	uint32_t size = QUEUE_SIZE_LEAST;

	if (options->queue_size) {
		return (uint16_t)options->queue_size;
	}
	while (size < options->depth * ENTRIES_PER_REQUEST && size < QUEUE_SIZE_MOST) {
		size *= 2;
	}
	return (uint16_t)size;
}

static enum vio_poll poll_of(const struct bench_options *options)
{
	if (!options->event) {
		return VIO_POLL_ALWAYS;
	}
	return options->poll_us ? VIO_POLL_AUTO : VIO_POLL_NEVER;
}

static int open_device(struct vio_blk **blk, struct vio_transport **transport,
		       const struct bench_options *options, struct vio_error *err)
{
	const size_t buffers =
		(size_t)options->queues * options->depth * ((options->block_size + 4095) & ~4095u);
	const struct viot_options how = {.device_type = VIRTIO_ID_BLOCK,
					 .dma_size = VIOT_DMA_SIZE_DEFAULT + buffers};
	const struct vio_blk_options blk_options = {
		.queue_size = queue_size(options),
		.queues = (uint16_t)options->queues,
		.refused_features = options->refused_features,
		.required_features = options->required_features,
		.read_only = !bench_writes(options),
		.poll = poll_of(options),
		.poll_us = options->poll_us,
	};
	struct viot_address address;
	int rc = viot_address_parse(options->address, &address, err);

	if (rc == 0) {
		rc = viot_open(transport, &address, &how, err);
	}
	if (rc == 0) {
		rc = vio_blk_open(blk, *transport, &blk_options, err);
	}
	return rc;
}

/* False, with a sentence, if the disk cannot do what was asked for. */
static bool suits(struct vio_blk *blk, const struct bench_options *options)
{
	const struct vio_blk_info *info = vio_blk_info(blk);

	if (!vio_blk_queue(blk, options->queues - 1)) {
		fprintf(stderr, "%s: --queues=%u is more than can be used of this disk's %u\n",
			options->name, options->queues, info->queues_offered);
		return false;
	}
	if (options->block_size < info->block_size) {
		fprintf(stderr, "%s: this disk has blocks of %u bytes, --bs=%u is less\n",
			options->name, info->block_size, options->block_size);
		return false;
	}
	if (bench_writes(options) && info->read_only) {
		fprintf(stderr, "%s: this disk is read-only\n", options->name);
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct bench_options options;
	struct vio_transport *transport = NULL;
	struct vio_blk *blk = NULL;
	struct vio_error err;
	int rc;

	if (!bench_parse(&options, "vio-bench", argc, argv)) {
		return 2;
	}
	rc = open_device(&blk, &transport, &options, &err);
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", options.name, err.text);
	} else {
		rc = suits(blk, &options) ? bench(blk, &options) : -EINVAL;
	}
	vio_blk_close(blk);
	vio_transport_close(transport);
	return rc < 0 ? 1 : 0;
}
