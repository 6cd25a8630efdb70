/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data through every queue at once, each with a thread of its own.
 *
 * The sectors are cut into chunks, which the queues take in turn, so that neighbours on
 * the disk travel on different queues. In each pass a queue goes through its chunks in an
 * order that jumps about, writes one half anew and compares the other with what it must
 * hold; first that is what was on the disk. At last everything is written once more, for
 * the host to look at, and compared. Requests have one to four segments of odd lengths, so
 * that chains differ, and more are in flight than a short ring takes.
 */
#include "ring_check.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	DEPTH = 24,
	CHUNK = 16, /* sectors */
	CHUNK_SIZE = CHUNK * CHECK_SECTOR,
	SEGMENTS = 4,
	SEGMENT_SIZE = 1001, /* of all but the last */
	PASSES = 10,
	LAST_PASS = PASSES,    /* writes all */
	PASS_NUMBER = 1000000, /* what is added to a sector's number for each pass */
	WAKE_UPS = 16,
	STEP = 7, /* no common factor with a power of two */
};

struct slot {
	struct vio_blk_request request;
	struct iovec iov[SEGMENTS];
	char *buffer;
	uint32_t chunk;
	struct slot *next;
};

struct worker {
	pthread_t thread;
	const struct check_options *options;
	struct vio_blk *blk;
	struct vio_blk_queue *queue;
	unsigned index;
	struct slot slots[DEPTH], *free;
	unsigned char *passes; /* in which each own chunk was written; 0: it is as it was found */
	bool is_good;
};

static uint32_t own_chunks(const struct worker *w)
{
	return w->options->count / CHUNK / w->options->queues;
}

static uint32_t sector_of(const struct worker *w, uint32_t chunk)
{
	return w->options->first + (chunk * w->options->queues + w->index) * CHUNK;
}

static uint32_t number_of(const struct worker *w, uint32_t chunk)
{
	uint32_t sector = sector_of(w, chunk);

	return w->passes[chunk] == LAST_PASS ? w->options->number + sector - w->options->first
					     : sector + w->passes[chunk] * PASS_NUMBER;
}

static void cut(struct slot *slot)
{
	unsigned count = 1 + slot->chunk % SEGMENTS;
	char *at = slot->buffer, *end = at + CHUNK_SIZE;

	for (unsigned i = 0; i < count; i++) {
		size_t length = i + 1 < count ? SEGMENT_SIZE : (size_t)(end - at);

		slot->iov[i] = (struct iovec){at, length};
		at += length;
	}
	slot->request.iov = slot->iov;
	slot->request.iov_count = count;
}

static bool starts_writing(const struct worker *w, uint32_t chunk, unsigned pass)
{
	return pass == LAST_PASS ? w->passes[chunk] != LAST_PASS : (chunk / 2 + pass) % 2;
}

/* Returns what submit does; @slot is free unless that is 0. */
static int start(struct worker *w, struct slot *slot, uint32_t chunk, bool writes, unsigned pass)
{
	unsigned char before = w->passes[chunk];
	int rc;

	slot->chunk = chunk;
	slot->request = (struct vio_blk_request){
		.op = writes ? VIO_BLK_WRITE : VIO_BLK_READ,
		.start_sector = sector_of(w, chunk),
		.user_data = slot,
	};
	cut(slot);
	if (writes) {
		w->passes[chunk] = (unsigned char)pass;
		check_fill(slot->buffer, CHUNK, number_of(w, chunk));
	} else {
		memset(slot->buffer, 0xee, CHUNK_SIZE);
	}
	rc = vio_blk_submit(w->queue, &slot->request);
	if (rc < 0) {
		w->passes[chunk] = before;
	}
	return rc;
}

static bool finish(struct worker *w, struct slot *slot)
{
	char expected[CHUNK_SIZE];
	uint32_t sector = sector_of(w, slot->chunk);

	slot->next = w->free;
	w->free = slot;
	if (slot->request.result < 0) {
		return check_failed(slot->request.result, "queue %u: a request at sector %u failed",
				    w->index, sector);
	}
	if (slot->request.op == VIO_BLK_READ) {
		check_fill(expected, CHUNK, number_of(w, slot->chunk));
		if (memcmp(expected, slot->buffer, CHUNK_SIZE) != 0) {
			return check_failed(
				0, "queue %u: at sector %u '%.23s' was read instead of '%.23s'",
				w->index, sector, slot->buffer, expected);
		}
	}
	return true;
}

/* How many, or -1. */
static int reap(struct worker *w)
{
	struct vio_blk_request *done[DEPTH];
	unsigned n = vio_blk_reap(w->queue, done, DEPTH);
	bool is_good = true;

	for (unsigned i = 0; i < n; i++) {
		is_good &= finish(w, done[i]->user_data);
	}
	return is_good ? (int)n : -1;
}

/* Whatever is there, or else a wait. */
static bool take_some(struct worker *w)
{
	int n = reap(w), rc = n ? 0 : vio_blk_wait(w->queue, CHECK_WAIT_MS);

	return rc < 0 ? check_failed(rc, "queue %u: no answer within %d ms", w->index,
				     CHECK_WAIT_MS)
		      : n >= 0;
}

/* False if it cannot be started now. */
static bool try_start(struct worker *w, uint32_t chunk, bool writes, unsigned pass, int *rc)
{
	struct slot *slot = w->free;

	*rc = slot ? start(w, slot, chunk, writes, pass) : -EAGAIN;
	if (*rc == 0) {
		w->free = slot->next;
	}
	return *rc == 0;
}

/* In batches of different sizes. */
static bool run_pass(struct worker *w, unsigned pass)
{
	uint32_t chunks = own_chunks(w), done = 0;
	int rc;

	while (done < chunks) {
		uint32_t chunk = done * STEP % chunks;

		if (try_start(w, chunk, starts_writing(w, chunk, pass), pass, &rc)) {
			done++;
			if (done % 5 == pass % 5) {
				vio_blk_kick(w->queue);
			}
			continue;
		}
		vio_blk_kick(w->queue);
		if (rc != -EAGAIN || !take_some(w)) {
			return rc == -EAGAIN ? false
					     : check_failed(rc, "queue %u refuses", w->index);
		}
	}
	vio_blk_kick(w->queue);
	while (vio_blk_in_flight(w->queue)) {
		if (!take_some(w)) {
			return false;
		}
	}
	return true;
}

/* A request that the device learns of when its interrupt is asked for: it has to come. */
static bool wakes_up(struct worker *w)
{
	struct pollfd wait = {.fd = vio_blk_wait_fd(w->queue), .events = POLLIN};
	bool is_there = false;
	int rc, n = 0;

	if (!try_start(w, 0, false, 0, &rc)) {
		return check_failed(rc, "queue %u refuses", w->index);
	}
	vio_blk_wait_arm(w->queue);
	vio_blk_kick(w->queue);
	while (n == 0) {
		if (!is_there && poll(&wait, 1, CHECK_WAIT_MS) <= 0) {
			return check_failed(0, "queue %u: no interrupt within %d ms", w->index,
					    CHECK_WAIT_MS);
		}
		vio_blk_wait_ack(w->queue);
		n = reap(w);
		/* it may have been an old one: UIO's line, or of the device itself */
		is_there = n == 0 && vio_blk_wait_arm(w->queue);
	}
	vio_blk_wait_disarm(w->queue);
	return n > 0;
}

static bool prepare(struct worker *w)
{
	w->passes = calloc(own_chunks(w), 1);
	for (unsigned i = 0; i < DEPTH; i++) {
		w->slots[i].buffer = vio_blk_alloc(w->blk, CHUNK_SIZE);
		w->slots[i].next = w->free;
		w->free = &w->slots[i];
		if (!w->passes || !w->slots[i].buffer) {
			return check_failed(-ENOMEM, "no memory for the buffers");
		}
	}
	return true;
}

/* The last pass twice: it writes everything, and reads what it wrote. */
static void *run(void *argument)
{
	struct worker *w = argument;

	w->is_good = true;
	for (unsigned i = 0; i < WAKE_UPS && w->is_good && w->options->sleeps; i++) {
		w->is_good = wakes_up(w);
	}
	for (unsigned pass = 1; pass <= LAST_PASS + 1 && w->is_good; pass++) {
		w->is_good = run_pass(w, pass < LAST_PASS ? pass : LAST_PASS);
	}
	return NULL;
}

static bool run_all(struct worker *workers, unsigned count)
{
	unsigned started = 0;
	bool is_good = true;

	while (started < count && is_good) {
		struct worker *w = &workers[started];

		is_good = pthread_create(&w->thread, NULL, run, w) == 0 ||
			  check_failed(0, "no thread for queue %u", w->index);
		started += is_good;
	}
	for (unsigned i = 0; i < started; i++) {
		pthread_join(workers[i].thread, NULL);
		is_good &= workers[i].is_good;
	}
	return is_good;
}

/* That it slept and woke by its own interrupts, where it has some. */
static bool check_waits(const struct worker *w, const struct vio_transport *t)
{
	struct vio_blk_stats stats;

	vio_blk_stats(w->queue, &stats);
	printf("queue %u: %llu requests, %llu sleeps, %llu interrupts (%llu missed)\n", w->index,
	       (unsigned long long)stats.requests, (unsigned long long)stats.sleeps,
	       (unsigned long long)stats.interrupts, (unsigned long long)stats.interrupts_missed);
	if (stats.violations || stats.resets) {
		return check_failed(0, "queue %u: the device broke the specification", w->index);
	}
	if (w->options->sleeps && vio_blk_has_interrupts(w->queue) != t->interrupts) {
		return check_failed(0, "queue %u: its interrupts do not arrive", w->index);
	}
	return true;
}

static bool verify(struct vio_blk *blk, const struct vio_transport *t,
		   const struct check_options *options)
{
	static struct worker workers[CHECK_QUEUES_MAX];
	unsigned queues = options->queues;
	bool is_good = true;

	for (unsigned i = 0; i < queues && is_good; i++) {
		workers[i] = (struct worker){
			.options = options, .blk = blk, .queue = vio_blk_queue(blk, i), .index = i};
		is_good = prepare(&workers[i]);
	}
	is_good = is_good && run_all(workers, queues);
	for (unsigned i = 0; i < queues; i++) {
		is_good = is_good && check_waits(&workers[i], t);
		free(workers[i].passes);
	}
	return is_good && (vio_blk_flush(blk) == 0 || check_failed(0, "the flush failed"));
}

static bool suits(const struct vio_blk_info *info, const struct check_options *options)
{
	uint32_t chunks = options->count / CHUNK / options->queues;

	if (info->queues != options->queues) {
		return check_failed(0, "%u queues were asked for, %u of the device's %u are used",
				    options->queues, info->queues, info->queues_offered);
	}
	if (chunks < 2 || (chunks & (chunks - 1)) != 0 ||
	    chunks * CHUNK * options->queues != options->count) {
		return check_failed(0,
				    "count=%u does not give each of %u queues a power of two of "
				    "chunks of %d sectors",
				    options->count, options->queues, CHUNK);
	}
	return true;
}

bool check_verify(struct vio_transport *t, const struct check_options *options)
{
	const struct vio_blk_options blk_options = check_blk_options(options);
	struct vio_blk *blk;
	struct vio_error err;
	bool is_good;

	if (vio_blk_open(&blk, t, &blk_options, &err) < 0) {
		return check_failed(0, "%s", err.text);
	}
	check_print_features(vio_blk_info(blk)->features);
	is_good = suits(vio_blk_info(blk), options) && verify(blk, t, options);
	vio_blk_close(blk);
	return is_good;
}
