/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A simulated disk and a driver on top, for one test at a time.
 *
 *   START_TEST(test_something)
 *   {
 *           struct sim_options o = sim_defaults();
 *           open_disk(&o, NULL);             now sim, blk and queue may be used
 *           ...
 *   }
 *   tcase_add_checked_fixture(tcase, NULL, close_disk);
 *
 * close_disk() is where most of the checking is done: nothing may be left
 * allocated or shared, and the simulation must have nothing to complain of.
 */
#ifndef TEST_FIXTURE_H
#define TEST_FIXTURE_H

#include <check.h>
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <vio/blk.h>
#include <vio/log.h>

#include "sim.h"
#include "suites.h"

#define BIT(n) (UINT64_C(1) << (n))
#define SECTOR ((size_t)512)

extern struct sim *sim;
extern struct vio_blk *blk;
extern struct vio_blk_queue *queue;
extern struct vio_error err;

/* What the library logged since open_sim(), by enum vio_log_level, and the last line. */
extern unsigned logged[4];
extern char last_line[512];

#define NOTIFICATION_DATA 38 /* as VIRTIO_F_…, which Debian 12's headers lack */

/* Rings of every kind: offered by turns by the devices of options_of(). */
#define RING_FEATURES                                                                              \
	(BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) |                         \
	 BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) | BIT(VIRTIO_F_RING_RESET) |           \
	 BIT(NOTIFICATION_DATA))

enum {
	RING_CHOICES = 8,
};

uint64_t ring_features(int choice);

/* Every sort of device and of memory: the index of a loop test picks one, modulo KINDS. */
enum {
	KINDS = 6,
};

struct sim_options options_of(int kind);

/* The simulation alone; with the driver on top, which must succeed or must fail. */
void open_sim(const struct sim_options *options);
void open_disk(const struct sim_options *options, const struct vio_blk_options *blk_options);
int try_open_disk(const struct sim_options *options);
void close_disk(void);
/* Bytes without a pattern that a mistake could repeat. */
void fill(void *buffer, size_t size, unsigned seed);

/* A pseudo-random number, the same ones in every run. */
unsigned pick(unsigned below);

/* One request on one buffer, submitted and kicked. */
struct simple {
	struct vio_blk_request request;
	struct iovec iov;
};

int submit(struct simple *simple, enum vio_blk_op op, uint64_t sector, void *buffer, size_t size);
/* Reaps until @count requests came back, with checks, for 5 s at most; the last one. */
struct vio_blk_request *reap(unsigned count);
/* As submit, then reaped: its result. */
int run_one(enum vio_blk_op op, uint64_t sector, void *buffer, size_t size);

/* A device that failed: nothing is accepted, nothing hangs, nothing spins. */
void assert_failed(enum vio_blk_health health);
/* And now it works again. */
void assert_restarts(void);

/* From now on no reset is confirmed, and the library waits less for it. */
void stop_resetting(void);

/* Reads a sector, blocking, and compares it with the disk of the simulation. */
void assert_works(void);

static inline uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
