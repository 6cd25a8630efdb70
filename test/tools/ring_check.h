/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of ring_check share.
 *
 *   ring_check.c    the command line; opens the device
 *   ring_verify.c   "verify": a thread for each queue, every byte compared
 *   ring_reset.c    "reset", "no-reset": one queue is reset, beside others that work
 *   ring_ranges.c   "discard"
 */
#ifndef RING_CHECK_H
#define RING_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vio-transport/open.h>
#include <vio/blk.h>

enum {
	CHECK_QUEUES_MAX = 16,
	CHECK_SECTOR = 512,
	CHECK_WAIT_MS = 10000, /* the longest that a request may take */
};

struct check_options {
	uint32_t first, count; /* sectors to work on */
	uint32_t number;       /* what "verify" leaves there: see check_fill() */
	uint32_t queues, queue_size;
	uint64_t required_features, refused_features;
	enum viot_interrupts interrupts;
	bool sleeps; /* on interrupts, or the timer; else it spins */
};

/*
 * Sectors as test/guest/disks.sh makes them: "PATTERN-SECTOR-", eight digits, dots, a line
 * feed. The first has @number, those after it the numbers that follow.
 */
void check_fill(char *buffer, uint32_t sectors, uint32_t number);

/* Each returns false after it has said what is wrong. */
bool check_verify(struct vio_transport *t, const struct check_options *options);
bool check_reset(struct vio_transport *t, const struct check_options *options);
bool check_no_reset(struct vio_transport *t, const struct check_options *options);
bool check_discard(struct vio_transport *t, const struct check_options *options);

/* Prints a sentence, with the error's name unless @rc is 0; returns false. */
bool check_failed(int rc, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "features 0x130006e54: packed event_idx indirect" */
void check_print_features(uint64_t features);

/* How to open the block device. */
struct vio_blk_options check_blk_options(const struct check_options *options);

#endif
