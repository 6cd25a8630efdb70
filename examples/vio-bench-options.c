/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of vio-bench: the device as for devb-virtio, the rest as in fio. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "vio-bench.h"

/* Debian 12's <linux/virtio_config.h> lacks it. */
#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA 38
#endif

enum {
	DEPTH_MAX = 4096,
	QUEUES_MAX = 64,
	BLOCK_MAX = 16 << 20,
	RUNTIME_DEFAULT = 5,
};

/* Returns where the number ends, or NULL. */
static const char *read_number(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return isdigit((unsigned char)*text) && errno == 0 ? end : NULL;
}

/* "4k", "1m", "2g", "512" */
static bool read_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "bkmg";
	const char *end = read_number(text, bytes), *unit;
	unsigned shift = 0;

	if (!end) {
		return false;
	}
	if (*end) {
		unit = strchr(units, tolower((unsigned char)*end));
		if (!unit || end[1]) {
			return false;
		}
		shift = (unsigned)(unit - units) * 10;
	}
	if (*bytes > UINT64_MAX >> shift) {
		return false;
	}
	*bytes <<= shift;
	return true;
}

static bool set_u32(const char *text, uint32_t least, uint32_t most, uint32_t *value)
{
	uint64_t number;
	const char *end = read_number(text, &number);

	if (!end || *end || number < least || number > most) {
		return false;
	}
	*value = (uint32_t)number;
	return true;
}

static bool set_rw(struct bench_options *o, const char *text)
{
	static const char *const names[] = {"read",     "write",     "rw",
					    "randread", "randwrite", "randrw"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			o->rw = (enum bench_rw)i;
			return true;
		}
	}
	return false;
}

static bool set_bs(struct bench_options *o, const char *text)
{
	uint64_t bytes;

	if (!read_size(text, &bytes) || bytes < 512 || bytes > BLOCK_MAX || (bytes & (bytes - 1))) {
		return false;
	}
	o->block_size = (uint32_t)bytes;
	return true;
}

static bool set_size(struct bench_options *o, const char *text)
{
	return read_size(text, &o->size) && o->size > 0;
}

static bool set_depth(struct bench_options *o, const char *text)
{
	return set_u32(text, 1, DEPTH_MAX, &o->depth);
}

static bool set_batch(struct bench_options *o, const char *text)
{
	return set_u32(text, 1, DEPTH_MAX, &o->batch);
}

static bool set_mix(struct bench_options *o, const char *text)
{
	return set_u32(text, 0, 100, &o->read_percent);
}

static bool set_queues(struct bench_options *o, const char *text)
{
	return set_u32(text, 1, QUEUES_MAX, &o->queues);
}

static bool set_queue_size(struct bench_options *o, const char *text)
{
	return set_u32(text, 4, 32768, &o->queue_size) && !(o->queue_size & (o->queue_size - 1));
}

static bool set_poll_us(struct bench_options *o, const char *text)
{
	return set_u32(text, 0, 10000, &o->poll_us);
}

static bool set_runtime(struct bench_options *o, const char *text)
{
	char *end;

	o->runtime = strtod(text, &end);
	return end != text && (*end == '\0' || strcmp(end, "s") == 0) && o->runtime > 0 &&
	       o->runtime <= 86400;
}

static bool set_number(struct bench_options *o, const char *text)
{
	const char *end = read_number(text, &o->number_ios);

	return end && *end == '\0' && o->number_ios > 0;
}

/* One of two words: the first means true. */
static bool set_choice(const char *text, const char *yes, const char *no, bool *value)
{
	*value = strcmp(text, yes) == 0;
	return *value || strcmp(text, no) == 0;
}

static bool set_wait(struct bench_options *o, const char *text)
{
	return set_choice(text, "event", "poll", &o->event);
}

static bool set_format(struct bench_options *o, const char *text)
{
	return set_choice(text, "json", "normal", &o->json);
}

/* on: fail without it; off: do without it; auto: whatever is offered */
static bool set_feature(struct bench_options *o, const char *text, unsigned bit)
{
	const uint64_t mask = UINT64_C(1) << bit;
	bool on = strcmp(text, "on") == 0, off = strcmp(text, "off") == 0;

	o->required_features &= ~mask;
	o->refused_features &= ~mask;
	if (on) {
		o->required_features |= mask;
	} else if (off) {
		o->refused_features |= mask;
	}
	return on || off || strcmp(text, "auto") == 0;
}

static bool set_packed(struct bench_options *o, const char *text)
{
	return set_feature(o, text, VIRTIO_F_RING_PACKED);
}

static bool set_indirect(struct bench_options *o, const char *text)
{
	return set_feature(o, text, VIRTIO_RING_F_INDIRECT_DESC);
}

static bool set_event_idx(struct bench_options *o, const char *text)
{
	return set_feature(o, text, VIRTIO_RING_F_EVENT_IDX);
}

static bool set_in_order(struct bench_options *o, const char *text)
{
	return set_feature(o, text, VIRTIO_F_IN_ORDER);
}

static bool set_notification_data(struct bench_options *o, const char *text)
{
	return set_feature(o, text, VIRTIO_F_NOTIFICATION_DATA);
}

static bool set_ring_reset(struct bench_options *o, const char *text)
{
	return set_feature(o, text, VIRTIO_F_RING_RESET);
}

static bool set_destructive(struct bench_options *o, const char *text)
{
	(void)text;
	o->allow_destructive = true;
	return true;
}

/* In the order of the usage text. The value NULL: the option takes none. */
static const struct bench_option {
	const char *name, *value, *meaning;
	bool (*set)(struct bench_options *o, const char *text);
} table[] = {
	{"rw", "read|write|rw|randread|randwrite|randrw", "what to do (randread)", set_rw},
	{"bs", "SIZE", "bytes a request, a power of two, 512 to 16m (4k)", set_bs},
	{"iodepth", "N", "requests in flight on each queue (1)", set_depth},
	{"iodepth_batch_complete_max", "N", "completions to take at once (iodepth)", set_batch},
	{"runtime", "SECONDS", "for so long (5, unless number_ios is given)", set_runtime},
	{"number_ios", "N", "so many requests, of all queues together", set_number},
	{"queues", "N", "queues, each with a thread (1)", set_queues},
	{"wait", "poll|event", "spin, or sleep until the device interrupts (poll)", set_wait},
	{"poll_us", "N", "with wait=event: spin for up to so long first (0)", set_poll_us},
	{"size", "SIZE", "use only so much of the start of the disk (all)", set_size},
	{"rwmixread", "PERCENT", "reads in a mix (50)", set_mix},
	{"queue_size", "N", "entries of a queue, a power of two (what the depth takes)",
	 set_queue_size},
	{"packed", "on|off|auto", "packed virtqueue (auto: what the device offers)", set_packed},
	{"indirect", "on|off|auto", "indirect descriptors", set_indirect},
	{"event_idx", "on|off|auto", "event index", set_event_idx},
	{"in_order", "on|off|auto", "use of descriptors in order", set_in_order},
	{"notification_data", "on|off|auto", "notifications that say how far the ring is filled",
	 set_notification_data},
	{"ring_reset", "on|off|auto", "the reset of single queues", set_ring_reset},
	{"output-format", "normal|json", "how to print the figures (normal)", set_format},
	{"allow_destructive", NULL, "write, although it destroys what is on the disk",
	 set_destructive},
};

enum {
	OPTIONS = sizeof(table) / sizeof(table[0])
};

void bench_usage(FILE *out, const char *name)
{
	char left[80];

	fprintf(out, "usage: %s virtio ADDRESS [OPTION...]\n", name);
	for (unsigned i = 0; i < OPTIONS; i++) {
		snprintf(left, sizeof(left), "--%s%s%s", table[i].name, table[i].value ? "=" : "",
			 table[i].value ? table[i].value : "");
		fprintf(out, "  %-32s  %s%s\n", left, strlen(left) > 32 ? "\n\t\t\t\t    " : "",
			table[i].meaning);
	}
}

static bool complain(const struct bench_options *o, const char *sentence)
{
	fprintf(stderr, "%s: %s; see %s --help\n", o->name, sentence, o->name);
	return false;
}

static bool parse_options(struct bench_options *o, int argc, char **argv)
{
	struct option known[OPTIONS + 2] = {{0}};
	int index;

	for (int i = 0; i < OPTIONS; i++) {
		known[i] = (struct option){
			table[i].name, table[i].value ? required_argument : no_argument, NULL, i};
	}
	known[OPTIONS] = (struct option){"help", no_argument, NULL, OPTIONS};
	while ((index = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (index == OPTIONS) {
			bench_usage(stdout, o->name);
			exit(0);
		}
		if (index < 0 || index > OPTIONS) { /* getopt_long() said why */
			return false;
		}
		if (!table[index].set(o, optarg)) {
			fprintf(stderr, "%s: --%s=%s is not %s: %s\n", o->name, table[index].name,
				optarg, table[index].value, table[index].meaning);
			return false;
		}
	}
	return true;
}

static bool check(const struct bench_options *o)
{
	if (bench_writes(o) && !o->allow_destructive) {
		return complain(o, "writing destroys what is on the disk: say --allow_destructive "
				   "if that is meant");
	}
	if (o->poll_us && !o->event) {
		return complain(o, "--poll_us goes with --wait=event; --wait=poll always spins");
	}
	if (o->number_ios && o->number_ios < o->queues) {
		return complain(o, "--number_ios gives not one request to each queue");
	}
	return true;
}

bool bench_parse(struct bench_options *o, const char *name, int argc, char **argv)
{
	*o = (struct bench_options){
		.name = name,
		.rw = BENCH_RANDREAD,
		.block_size = 4096,
		.depth = 1,
		.queues = 1,
		.read_percent = 50,
	};
	if (!parse_options(o, argc, argv)) {
		return false;
	}
	if (argc - optind < 1 || argc - optind > 2 || strcmp(argv[optind], "virtio") != 0) {
		return complain(o, "after the options, or before, the device is named as for "
				   "devb-virtio: virtio ADDRESS");
	}
	o->address = argc - optind == 2 ? argv[optind + 1] : "";
	if (o->runtime <= 0 && !o->number_ios) {
		o->runtime = RUNTIME_DEFAULT;
	}
	if (o->batch == 0 || o->batch > o->depth) {
		o->batch = o->depth;
	}
	return check(o);
}
