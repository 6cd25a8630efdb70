/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blkio-bench: vio-bench's loop on libblkio, with the same options and report.
 *
 *   blkio-bench virtio vhost-user=/run/d.sock --rw=randread --iodepth=32 --wait=poll
 *
 * --wait=poll takes libblkio's poll queues, which spin inside blkioq_do_io();
 * --wait=event its ordinary ones, which sleep there. run.sh compiles it against the
 * package that it unpacked.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <blkio.h>

#include "vio-bench.h"

static const char scheme[] = "vhost-user=";

enum {
	QUEUE_SIZE_DEFAULT = 512, /* what libblkio was found to be fastest with */
};

struct slot {
	void *buffer;
	uint64_t started_ns;
	bool is_write;
};

struct worker {
	struct bench_job *job;
	const struct bench_options *options;
	struct blkioq *queue;
	unsigned index, in_flight;
	pthread_t thread;
	struct slot *slots;
	struct blkio_completion *done;
	int error;
};

static pthread_barrier_t ready;

static int fail(const char *what)
{
	fprintf(stderr, "blkio-bench: %s: %s\n", what, blkio_get_error_msg());
	return -1;
}

static void start(struct worker *w, struct slot *slot, uint64_t now)
{
	uint64_t start = bench_next_sector(w->job) * 512;

	slot->is_write = bench_next_is_write(w->job);
	slot->started_ns = now;
	w->job->to_start--;
	w->in_flight++;
	if (slot->is_write) {
		blkioq_write(w->queue, start, slot->buffer, w->options->block_size, slot, 0);
	} else {
		blkioq_read(w->queue, start, slot->buffer, w->options->block_size, slot, 0);
	}
}

static void turn_over(struct worker *w, unsigned n)
{
	uint64_t now = bench_now_ns();
	unsigned writes = 0;

	if (now >= w->job->end_ns) {
		w->job->to_start = 0;
	}
	w->in_flight -= n;
	for (unsigned i = 0; i < n; i++) {
		struct slot *slot = w->done[i].user_data;

		bench_count(w->job, now - slot->started_ns);
		writes += slot->is_write;
		if (w->done[i].ret < 0) {
			w->error = w->done[i].ret;
			w->job->to_start = 0;
		} else if (w->job->to_start > 0) {
			start(w, slot, now);
		}
	}
	w->job->writes += writes;
	w->job->reads += n - writes;
	w->job->finished_ns = now;
}

static void *run(void *argument)
{
	struct worker *w = argument;

	pthread_barrier_wait(&ready);
	bench_start(w->job, w->options, w->index);
	for (unsigned i = 0; i < w->options->depth && w->job->to_start > 0; i++) {
		start(w, &w->slots[i], w->job->started_ns);
	}
	/* submits, then waits for one completion at least */
	while (w->in_flight > 0) {
		int n = blkioq_do_io(w->queue, w->done, 1, (int)w->options->batch, NULL);

		if (n < 0) {
			w->error = n;
			break;
		}
		turn_over(w, (unsigned)n);
	}
	return NULL;
}

static int prepare(struct worker *w, char *memory)
{
	w->slots = calloc(w->options->depth, sizeof(*w->slots));
	w->done = calloc(w->options->depth, sizeof(*w->done));
	if (!w->slots || !w->done) {
		return -1;
	}
	for (unsigned i = 0; i < w->options->depth; i++) {
		w->slots[i].buffer = memory + (size_t)i * w->options->block_size;
	}
	return 0;
}

static int run_all(struct worker *workers, unsigned count)
{
	pthread_barrier_init(&ready, NULL, count);
	for (unsigned i = 1; i < count; i++) {
		if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0) {
			fprintf(stderr, "blkio-bench: a thread cannot be started\n");
			exit(1);
		}
	}
	run(&workers[0]);
	for (unsigned i = 1; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
	}
	for (unsigned i = 0; i < count; i++) {
		if (workers[i].error < 0) {
			fprintf(stderr, "blkio-bench: a request failed: %s\n",
				strerror(-workers[i].error));
			return -1;
		}
	}
	return 0;
}

static int bench(struct blkio *b, const struct bench_options *options, char *memory)
{
	struct worker *workers = calloc(options->queues, sizeof(*workers));
	struct bench_job *jobs = aligned_alloc(64, options->queues * sizeof(*jobs));
	uint64_t capacity;
	int rc = workers && jobs ? 0 : -1;

	if (rc == 0 && blkio_get_uint64(b, "capacity", &capacity) < 0) {
		rc = fail("the capacity");
	}
	for (unsigned i = 0; i < options->queues && rc == 0; i++) {
		workers[i] = (struct worker){
			.job = &jobs[i],
			.options = options,
			.queue = options->event ? blkio_get_queue(b, (int)i)
						: blkio_get_poll_queue(b, (int)i),
			.index = i,
		};
		rc = bench_prepare(&jobs[i], options, i, capacity)
			     ? prepare(&workers[i],
				       memory + (size_t)i * options->depth * options->block_size)
			     : -1;
	}
	rc = rc < 0 ? rc : run_all(workers, options->queues);
	if (rc == 0) {
		bench_report(options, jobs, "");
	}
	return rc; /* the process ends here: what it allocated does, too */
}

static int open_device(struct blkio **b, const struct bench_options *options)
{
	int queues = (int)options->queues;
	int size = options->queue_size ? (int)options->queue_size : QUEUE_SIZE_DEFAULT;

	if (strncmp(options->address, scheme, strlen(scheme)) != 0) {
		fprintf(stderr, "blkio-bench: \"%s\" is not vhost-user=PATH\n", options->address);
		return -1;
	}
	if (blkio_create("virtio-blk-vhost-user", b) < 0 ||
	    blkio_set_str(*b, "path", options->address + strlen(scheme)) < 0 ||
	    blkio_connect(*b) < 0 || blkio_set_int(*b, "queue-size", size) < 0 ||
	    blkio_set_int(*b, "num-queues", options->event ? queues : 0) < 0 ||
	    blkio_set_int(*b, "num-poll-queues", options->event ? 0 : queues) < 0 ||
	    blkio_start(*b) < 0) {
		return fail(options->address);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct blkio_mem_region memory;
	struct bench_options options;
	struct blkio *b = NULL;
	size_t size;
	int rc;

	if (!bench_parse(&options, "blkio-bench", argc, argv)) {
		return 2;
	}
	size = (size_t)options.queues * options.depth * options.block_size;
	size = (size + 4095) & ~(size_t)4095;
	rc = open_device(&b, &options);
	if (rc == 0 && (blkio_alloc_mem_region(b, &memory, size) < 0 ||
			blkio_map_mem_region(b, &memory) < 0)) {
		rc = fail("memory for the buffers");
	}
	if (rc == 0) {
		rc = bench(b, &options, memory.addr);
	}
	blkio_destroy(&b);
	return rc < 0 ? 1 : 0;
}
