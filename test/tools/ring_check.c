/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_check: what a device does with its rings, by the library's own interface.
 *
 *   ring_check verify ADDRESS [NAME=VALUE...]     writes and reads, verified, on every queue
 *   ring_check reset ADDRESS [NAME=VALUE...]      each queue is reset alone, and works again
 *   ring_check no-reset ADDRESS [NAME=VALUE...]   that is offered and not done: the device's
 *                                                 own reset helps
 *   ring_check discard ADDRESS [NAME=VALUE...]    discards the sectors
 *
 *   first=, count=            sectors to work on (0, 4096); "verify" wants a multiple of 32
 *                             for each queue, which hold what make_pattern_disk put there
 *   number=                   what "verify" leaves there: sectors with this number and those
 *                             after it
 *   queues=, queue_size=      1 and 64
 *   wait=event|poll           "verify": sleep, or spin (event)
 *   interrupts=               as for devb-virtio (auto)
 *   packed=, in_order=, event_idx=, indirect=, ring_reset=
 *                             on (or fail), off, auto (if offered)
 *
 * It destroys what is on the disk. Every wait is bounded; a failure is a sentence and
 * status 1.
 */
#include "ring_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include <vio/device.h>

static const struct feature {
	const char *name;
	unsigned bit;
} features[] = {
	{"packed", VIRTIO_F_RING_PACKED},       {"in_order", VIRTIO_F_IN_ORDER},
	{"event_idx", VIRTIO_RING_F_EVENT_IDX}, {"indirect", VIRTIO_RING_F_INDIRECT_DESC},
	{"ring_reset", VIRTIO_F_RING_RESET},
};

static const char *const interrupts[] = {
	[VIOT_INTERRUPTS_AUTO] = "auto", [VIOT_INTERRUPTS_MSIX] = "msix",
	[VIOT_INTERRUPTS_INTX] = "intx", [VIOT_INTERRUPTS_MSIX_SHARED] = "msix-shared",
	[VIOT_INTERRUPTS_UIO] = "uio",   [VIOT_INTERRUPTS_POLL] = "poll",
};

static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
	{"first", offsetof(struct check_options, first)},
	{"count", offsetof(struct check_options, count)},
	{"number", offsetof(struct check_options, number)},
	{"queues", offsetof(struct check_options, queues)},
	{"queue_size", offsetof(struct check_options, queue_size)},
};

static const struct {
	const char *name;
	bool (*run)(struct vio_transport *t, const struct check_options *options);
} checks[] = {
	{"verify", check_verify},
	{"reset", check_reset},
	{"no-reset", check_no_reset},
	{"discard", check_discard},
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

bool check_failed(int rc, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "ring_check: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, rc ? " (%s)\n" : "\n", strerror(-rc));
	va_end(arguments);
	return false;
}

void check_print_features(uint64_t accepted)
{
	printf("features 0x%" PRIx64 ":", accepted);
	for (unsigned i = 0; i < COUNT_OF(features); i++) {
		if (accepted & VIO_FEATURE(features[i].bit)) {
			printf(" %s", features[i].name);
		}
	}
	printf("\n");
}

void check_fill(char *buffer, uint32_t sectors, uint32_t number)
{
	static const char start[] = "PATTERN-SECTOR-";

	for (uint32_t i = 0; i < sectors; i++) {
		char *at = buffer + (size_t)i * CHECK_SECTOR;
		uint32_t rest = number + i;

		memset(at, '.', CHECK_SECTOR - 1);
		memcpy(at, start, sizeof(start) - 1);
		at[CHECK_SECTOR - 1] = '\n';
		for (int digit = 7; digit >= 0; digit--, rest /= 10) {
			at[sizeof(start) - 1 + (size_t)digit] = (char)('0' + rest % 10);
		}
	}
}

struct vio_blk_options check_blk_options(const struct check_options *options)
{
	return (struct vio_blk_options){
		.queues = (uint16_t)options->queues,
		.queue_size = (uint16_t)options->queue_size,
		.poll = options->sleeps ? VIO_POLL_NEVER : VIO_POLL_ALWAYS,
		.required_features = options->required_features,
		.refused_features = options->refused_features,
	};
}

static bool set_number(struct check_options *options, const char *name, const char *value)
{
	char *end;

	for (unsigned i = 0; i < COUNT_OF(numbers); i++) {
		if (strcmp(name, numbers[i].name) == 0) {
			uint32_t *number = (uint32_t *)((char *)options + numbers[i].offset);

			*number = (uint32_t)strtoul(value, &end, 0);
			return *value && !*end;
		}
	}
	return false;
}

static bool set_feature(struct check_options *options, const char *name, const char *value)
{
	for (unsigned i = 0; i < COUNT_OF(features); i++) {
		uint64_t bit = VIO_FEATURE(features[i].bit);

		if (strcmp(name, features[i].name) == 0) {
			bool on = strcmp(value, "on") == 0, off = strcmp(value, "off") == 0;

			options->required_features |= on ? bit : 0;
			options->refused_features |= off ? bit : 0;
			return on || off || strcmp(value, "auto") == 0;
		}
	}
	return false;
}

static bool set_interrupts(struct check_options *options, const char *name, const char *value)
{
	for (unsigned i = 0; strcmp(name, "interrupts") == 0 && i < COUNT_OF(interrupts); i++) {
		if (strcmp(value, interrupts[i]) == 0) {
			options->interrupts = (enum viot_interrupts)i;
			return true;
		}
	}
	return false;
}

static bool set_wait(struct check_options *options, const char *name, const char *value)
{
	options->sleeps = strcmp(value, "poll") != 0;
	return strcmp(name, "wait") == 0 && (!options->sleeps || strcmp(value, "event") == 0);
}

static bool set_option(struct check_options *options, char *word)
{
	char *value = strchr(word, '=');

	if (!value) {
		return false;
	}
	*value++ = '\0';
	return set_number(options, word, value) || set_feature(options, word, value) ||
	       set_interrupts(options, word, value) || set_wait(options, word, value);
}

static bool parse(struct check_options *options, int argc, char **argv)
{
	*options = (struct check_options){
		.count = 4096, .queues = 1, .queue_size = 64, .sleeps = true};
	for (int i = 3; i < argc; i++) {
		if (!set_option(options, argv[i])) {
			return check_failed(0, "option %d, '%s', is none, or has no such value",
					    i - 2, argv[i]);
		}
	}
	if (options->queues < 1 || options->queues > CHECK_QUEUES_MAX) {
		return check_failed(0, "queues=%u was given; give 1 to %d", options->queues,
				    CHECK_QUEUES_MAX);
	}
	return true;
}

static bool open_transport(struct vio_transport **t, const char *text,
			   const struct check_options *options)
{
	const struct viot_options how = {.device_type = VIRTIO_ID_BLOCK,
					 .interrupts = options->interrupts,
					 .queues = (uint16_t)options->queues};
	struct viot_address address;
	struct vio_error err;

	if (viot_address_parse(text, &address, &err) < 0 ||
	    viot_open(t, &address, &how, &err) < 0) {
		return check_failed(0, "%s", err.text);
	}
	printf("%s: %s\n", (*t)->name, (*t)->wake_up);
	return true;
}

int main(int argc, char **argv)
{
	struct check_options options;
	struct vio_transport *t;
	bool is_good;

	for (unsigned i = 0; argc >= 3 && i < COUNT_OF(checks); i++) {
		if (strcmp(argv[1], checks[i].name) == 0) {
			if (!parse(&options, argc, argv) ||
			    !open_transport(&t, argv[2], &options)) {
				return 1;
			}
			is_good = checks[i].run(t, &options);
			vio_transport_close(t);
			return is_good ? 0 : 1;
		}
	}
	fprintf(stderr,
		"usage: ring_check verify|reset|no-reset|discard ADDRESS [NAME=VALUE...]\n");
	return 2;
}
