/* SPDX-License-Identifier: BSD-3-Clause */
/* The jobs of a benchmark, from their first request to the figures. */
#include <inttypes.h>
#include <string.h>

#include "vio-bench.h"

static const char *const rw_names[] = {"read", "write", "rw", "randread", "randwrite", "randrw"};

bool bench_writes(const struct bench_options *options)
{
	return options->rw != BENCH_READ && options->rw != BENCH_RANDREAD;
}

static uint64_t write_below(const struct bench_options *options)
{
	switch (options->rw) {
	case BENCH_READ:
	case BENCH_RANDREAD:
		return 0;
	case BENCH_WRITE:
	case BENCH_RANDWRITE:
		return UINT64_C(1) << 32;
	default:
		return ((100 - (uint64_t)options->read_percent) << 32) / 100;
	}
}

/* Random requests go everywhere; sequential ones through a part of the area each queue. */
bool bench_prepare(struct bench_job *job, const struct bench_options *options, unsigned index,
		   uint64_t capacity_bytes)
{
	uint64_t bytes =
		options->size && options->size < capacity_bytes ? options->size : capacity_bytes;
	uint64_t blocks = bytes / options->block_size;

	memset(job, 0, sizeof(*job));
	job->is_random = options->rw >= BENCH_RANDREAD;
	if (!job->is_random) {
		blocks /= options->queues;
		job->area_start = index * blocks;
	}
	if (blocks == 0) {
		fprintf(stderr,
			"%s: %" PRIu64 " bytes are too few for %u queue%s with blocks of %u\n",
			options->name, bytes, options->queues, options->queues == 1 ? "" : "s",
			options->block_size);
		return false;
	}
	job->area_blocks = blocks;
	job->block_shift = (unsigned)__builtin_ctz(options->block_size / 512);
	job->write_below = write_below(options);
	job->random = index + 1;
	bench_random(job);
	return true;
}

void bench_start(struct bench_job *job, const struct bench_options *options, unsigned index)
{
	uint64_t share = options->number_ios / options->queues;

	job->to_start = UINT64_MAX;
	if (options->number_ios) {
		job->to_start = share + (index < options->number_ios % options->queues);
	}
	job->started_ns = bench_now_ns();
	job->end_ns = UINT64_MAX;
	if (options->runtime > 0) {
		job->end_ns = job->started_ns + (uint64_t)(options->runtime * 1e9);
	}
	job->tick_ns = job->started_ns + BENCH_SECOND;
	job->finished_ns = job->started_ns;
}

static struct bench_job add_up(const struct bench_job *jobs, unsigned count)
{
	struct bench_job sum = jobs[0];

	for (unsigned i = 1; i < count; i++) {
		sum.reads += jobs[i].reads;
		sum.writes += jobs[i].writes;
		sum.latency_ns_sum += jobs[i].latency_ns_sum;
		if (jobs[i].started_ns < sum.started_ns) {
			sum.started_ns = jobs[i].started_ns;
		}
		if (jobs[i].finished_ns > sum.finished_ns) {
			sum.finished_ns = jobs[i].finished_ns;
		}
		for (unsigned b = 0; b < BENCH_BUCKETS; b++) {
			sum.latency[b] += jobs[i].latency[b];
		}
	}
	return sum;
}

/* The middle of what falls into the bucket, ns. */
static double bucket_middle(unsigned bucket)
{
	unsigned shift = bucket >> BENCH_STEP_BITS;

	if (shift < 2) {
		return bucket;
	}
	shift--;
	return ((bucket & (BENCH_STEPS - 1)) + BENCH_STEPS + 0.5) * (double)(UINT64_C(1) << shift);
}

/* Latency that so many of 1 are not above, in µs. */
static double percentile_us(const struct bench_job *sum, double part)
{
	double wanted = part * (double)(sum->reads + sum->writes);
	uint64_t seen = 0;
	unsigned last = 0;

	for (unsigned i = 0; i < BENCH_BUCKETS; i++) {
		if (sum->latency[i] == 0) {
			continue;
		}
		last = i;
		seen += sum->latency[i];
		if ((double)seen >= wanted) {
			break;
		}
	}
	return bucket_middle(last) / 1000;
}

struct figures {
	uint64_t ios;
	double seconds, iops, bytes_per_s, mean, p50, p99, p99_9, p99_99, max;
};

static struct figures figures_of(const struct bench_options *options, const struct bench_job *sum)
{
	uint64_t ios = sum->reads + sum->writes;
	double seconds = (double)(sum->finished_ns - sum->started_ns) / 1e9;
	double iops = seconds > 0 ? (double)ios / seconds : 0;

	return (struct figures){
		.ios = ios,
		.seconds = seconds,
		.iops = iops,
		.bytes_per_s = iops * options->block_size,
		.mean = ios ? (double)sum->latency_ns_sum / (double)ios / 1000 : 0,
		.p50 = percentile_us(sum, 0.5),
		.p99 = percentile_us(sum, 0.99),
		.p99_9 = percentile_us(sum, 0.999),
		.p99_99 = percentile_us(sum, 0.9999),
		.max = percentile_us(sum, 1),
	};
}

static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\') {
			putchar('\\');
		}
		if ((unsigned char)*text < 0x20) {
			printf("\\u%04x", (unsigned)*text);
		} else {
			putchar(*text);
		}
	}
	putchar('"');
}

static void print_json(const struct bench_options *options, const struct bench_job *sum,
		       const struct figures *f, const char *note)
{
	printf("{\"tool\": \"%s\", \"device\": ", options->name);
	print_string(options->address);
	printf(", \"rw\": \"%s\", \"bs\": %u, \"iodepth\": %u, \"queues\": %u, \"wait\": \"%s\",\n",
	       rw_names[options->rw], options->block_size, options->depth, options->queues,
	       options->event ? "event" : "poll");
	printf(" \"seconds\": %.6f, \"ios\": %" PRIu64 ", \"read_ios\": %" PRIu64
	       ", \"write_ios\": %" PRIu64 ", \"iops\": %.1f, \"bw_bytes\": %.0f,\n",
	       f->seconds, f->ios, sum->reads, sum->writes, f->iops, f->bytes_per_s);
	printf(" \"lat_us\": {\"mean\": %.3f, \"p50\": %.3f, \"p99\": %.3f, \"p99_9\": %.3f, "
	       "\"p99_99\": %.3f, \"max\": %.3f}%s%s}\n",
	       f->mean, f->p50, f->p99, f->p99_9, f->p99_99, f->max, *note ? ",\n " : "", note);
}

static void print_text(const struct bench_options *options, const struct figures *f)
{
	printf("%s, %u byte%s, %u in flight on %s%u queue%s, %s\n", rw_names[options->rw],
	       options->block_size, options->block_size == 1 ? "" : "s", options->depth,
	       options->queues == 1 ? "" : "each of ", options->queues,
	       options->queues == 1 ? "" : "s", options->event ? "event-driven" : "polled");
	printf("%" PRIu64 " in %.3f s: %.0f IOPS, %.1f MiB/s\n", f->ios, f->seconds, f->iops,
	       f->bytes_per_s / (1 << 20));
	printf("latency in µs: mean %.2f, 50 %% %.2f, 99 %% %.2f, 99.9 %% %.2f, 99.99 %% %.2f, "
	       "all %.2f\n",
	       f->mean, f->p50, f->p99, f->p99_9, f->p99_99, f->max);
}

void bench_report(const struct bench_options *options, const struct bench_job *jobs,
		  const char *note)
{
	struct bench_job sum = add_up(jobs, options->queues);
	struct figures figures = figures_of(options, &sum);

	if (options->json) {
		print_json(options, &sum, &figures, note);
	} else {
		print_text(options, &figures);
	}
}
