/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a closed-loop benchmark consists of beside its driver: options, where the
 * next request goes, how long the last one took, the report. vio-bench.c is the
 * loop on libvio; test/bench/blkio-bench.c is the same loop on another library, so
 * that the two compare libraries and not benchmarks.
 *
 * The inline functions run for every request: callgrind counts them with the
 * library, so they are few instructions each, without division and without a clock.
 */
#ifndef VIO_BENCH_H
#define VIO_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum bench_rw {
	BENCH_READ,
	BENCH_WRITE,
	BENCH_RW,
	BENCH_RANDREAD,
	BENCH_RANDWRITE,
	BENCH_RANDRW,
};

struct bench_options {
	const char *name;    /* of the program, for its messages */
	const char *address; /* of the device */
	enum bench_rw rw;
	uint32_t block_size, depth, batch, queues;
	uint32_t read_percent; /* of BENCH_RW and BENCH_RANDRW */
	uint64_t size;         /* bytes from the start of the device, 0 = all */
	uint64_t number_ios;   /* of all queues together, 0 = until the time is over */
	double runtime;        /* s */
	uint32_t queue_size;   /* entries, 0 = enough for the depth */
	uint32_t poll_us;
	bool event, json, allow_destructive;
	uint64_t refused_features, required_features;
};

enum {
	/* 32 linear steps in each power of two: a latency is known to 3 %. */
	BENCH_STEP_BITS = 5,
	BENCH_STEPS = 1 << BENCH_STEP_BITS,
	BENCH_BUCKETS = (64 - BENCH_STEP_BITS + 1) << BENCH_STEP_BITS,
};

#define BENCH_SECOND UINT64_C(1000000000) /* ns */

/* Of one queue, written by its thread alone. */
struct bench_job {
	/* where the next request goes: blocks of the area, which the queues share or divide */
	uint64_t random, area_start, area_blocks, next_block;
	unsigned block_shift; /* log2(block_size / 512) */
	bool is_random;
	uint64_t write_below; /* of 2^32: how many requests in so many are writes */

	/* what is left to be started, and when to look around */
	uint64_t to_start, tick_ns, end_ns;

	/* what happened */
	uint64_t started_ns, finished_ns, reads, writes, latency_ns_sum;
	uint64_t latency[BENCH_BUCKETS];
};

static inline uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * BENCH_SECOND + (uint64_t)now.tv_nsec;
}

/* Knuth's MMIX generator: its high bits are good, and the callers use no others. */
static inline uint64_t bench_random(struct bench_job *job)
{
	job->random = job->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return job->random;
}

/* Sector of 512 bytes. The high half of a product is a random number below its factor. */
static inline uint64_t bench_next_sector(struct bench_job *job)
{
	uint64_t block;

	if (job->is_random) {
		block = (uint64_t)((unsigned __int128)bench_random(job) * job->area_blocks >> 64);
	} else {
		block = job->next_block++;
		if (job->next_block == job->area_blocks) {
			job->next_block = 0;
		}
	}
	return (job->area_start + block) << job->block_shift;
}

static inline bool bench_next_is_write(struct bench_job *job)
{
	if (job->write_below == 0) {
		return false;
	}
	return job->write_below >> 32 || bench_random(job) >> 32 < job->write_below;
}

static inline unsigned bench_bucket(uint64_t ns)
{
	unsigned shift;

	if (ns < BENCH_STEPS) {
		return (unsigned)ns;
	}
	shift = 63 - BENCH_STEP_BITS - (unsigned)__builtin_clzll(ns);
	return (unsigned)(((uint64_t)shift << BENCH_STEP_BITS) + (ns >> shift));
}

static inline void bench_count(struct bench_job *job, uint64_t ns)
{
	job->latency[bench_bucket(ns)]++;
	job->latency_ns_sum += ns;
}

/* Fills @options from the command line. False: said why on standard error. */
bool bench_parse(struct bench_options *options, const char *name, int argc, char **argv);
void bench_usage(FILE *out, const char *name);

bool bench_writes(const struct bench_options *options);

/* Job @index of options->queues. False, with a sentence, for a device that is too small. */
bool bench_prepare(struct bench_job *job, const struct bench_options *options, unsigned index,
		   uint64_t capacity_bytes);

/* From here on time counts. */
void bench_start(struct bench_job *job, const struct bench_options *options, unsigned index);

/* The sum of all jobs; @note says more of the driver, as members of a JSON object. */
void bench_report(const struct bench_options *options, const struct bench_job *jobs,
		  const char *note);

#endif
