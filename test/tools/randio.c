/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * randio: random writes and verified reads on a file or volume.
 *
 *   randio FILE BYTES STRIPE THREADS SECONDS [direct]
 *
 * The first BYTES are cut into stripes of STRIPE bytes, which need not be whole
 * blocks: then neighbouring stripes share a block, and writes of two threads
 * must not lose each other's half. Every thread has stripes of its own, writes
 * a random one with a new content or reads one and compares it with what was
 * written last. At the end everything is synced, read again and compared.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	THREADS_MAX = 64
};

struct job {
	pthread_t thread;
	unsigned index;
	uint64_t random;
	uint64_t writes, reads;
};

static const char *path;
static uint64_t stripes;
static size_t stripe_size;
static unsigned threads;
static int open_flags = O_RDWR | O_CLOEXEC;
static uint32_t *versions; /* of each stripe; 0 = not written yet */
static time_t end_time;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ULL;
}

static _Noreturn void die(const char *what, uint64_t stripe)
{
	fprintf(stderr, "randio: %s: %s (stripe %" PRIu64 " at byte %" PRIu64 "): %s\n", path, what,
		stripe, stripe * stripe_size, strerror(errno));
	exit(1);
}

/* What a stripe holds in a version: different for every stripe, version and place. */
static void fill(unsigned char *buffer, uint64_t stripe, uint32_t version)
{
	uint64_t state = (stripe + 1) * 0x9e3779b97f4a7c15ULL ^ ((uint64_t)version << 32 | 1);

	for (size_t i = 0; i < stripe_size; i += 8) {
		uint64_t word = next_random(&state);
		size_t left = stripe_size - i;

		memcpy(buffer + i, &word, left < 8 ? left : 8);
	}
}

static void write_stripe(int fd, unsigned char *buffer, uint64_t stripe)
{
	fill(buffer, stripe, ++versions[stripe]);
	if (pwrite(fd, buffer, stripe_size, (off_t)(stripe * stripe_size)) !=
	    (ssize_t)stripe_size) {
		die("a write failed", stripe);
	}
}

static void verify_stripe(int fd, unsigned char *buffer, unsigned char *expected, uint64_t stripe)
{
	if (pread(fd, buffer, stripe_size, (off_t)(stripe * stripe_size)) != (ssize_t)stripe_size) {
		die("a read failed", stripe);
	}
	fill(expected, stripe, versions[stripe]);
	if (memcmp(buffer, expected, stripe_size)) {
		errno = EILSEQ;
		die("what was read is not what was written", stripe);
	}
}

static unsigned char *allocate(void)
{
	size_t size = (stripe_size + 4095) & ~(size_t)4095;
	unsigned char *buffer = aligned_alloc(4096, size);

	if (!buffer) {
		die("out of memory", 0);
	}
	return buffer;
}

static uint64_t pick(struct job *job)
{
	uint64_t own = stripes / threads;

	return next_random(&job->random) % own * threads + job->index;
}

static void *run(void *argument)
{
	struct job *job = argument;
	unsigned char *buffer = allocate(), *expected = allocate();
	int fd = open(path, open_flags);

	if (fd < 0) {
		die("it cannot be opened", 0);
	}
	while (time(NULL) < end_time) {
		uint64_t stripe = pick(job);

		if (versions[stripe] == 0 || next_random(&job->random) % 2) {
			write_stripe(fd, buffer, stripe);
			job->writes++;
		} else {
			verify_stripe(fd, buffer, expected, stripe);
			job->reads++;
		}
	}
	close(fd);
	free(buffer);
	free(expected);
	return NULL;
}

static void verify_all(void)
{
	unsigned char *buffer = allocate(), *expected = allocate();
	int fd = open(path, open_flags);
	uint64_t checked = 0;

	if (fd < 0 || fsync(fd) < 0) {
		die("it cannot be synced", 0);
	}
	for (uint64_t stripe = 0; stripe < stripes; stripe++) {
		if (versions[stripe]) {
			verify_stripe(fd, buffer, expected, stripe);
			checked++;
		}
	}
	close(fd);
	free(buffer);
	free(expected);
	printf("all %" PRIu64 " stripes that were written are right\n", checked);
}

static void run_all(void)
{
	static struct job jobs[THREADS_MAX];

	for (unsigned i = 0; i < threads; i++) {
		jobs[i].index = i;
		jobs[i].random = 88172645463325252ULL + i;
		if (pthread_create(&jobs[i].thread, NULL, run, &jobs[i])) {
			die("no thread", 0);
		}
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(jobs[i].thread, NULL);
		printf("thread %u: %" PRIu64 " writes, %" PRIu64 " verified reads\n", i,
		       jobs[i].writes, jobs[i].reads);
	}
}

int main(int argc, char **argv)
{
	if (argc < 6) {
		fprintf(stderr, "usage: randio FILE BYTES STRIPE THREADS SECONDS [direct]\n");
		return 2;
	}
	path = argv[1];
	stripe_size = strtoul(argv[3], NULL, 0);
	threads = (unsigned)strtoul(argv[4], NULL, 0);
	stripes = stripe_size ? strtoull(argv[2], NULL, 0) / stripe_size : 0;
	if (threads < 1 || threads > THREADS_MAX || stripes < threads) {
		fprintf(stderr, "randio: 1 to %d threads, each with a stripe at least\n",
			THREADS_MAX);
		return 2;
	}
	if (argc > 6 && strcmp(argv[6], "direct") == 0) {
		open_flags |= O_DIRECT;
	}
	versions = calloc(stripes, sizeof(*versions));
	end_time = time(NULL) + strtol(argv[5], NULL, 0);
	run_all();
	verify_all();
	free(versions);
	return 0;
}
