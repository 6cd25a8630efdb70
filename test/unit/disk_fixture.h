/* SPDX-License-Identifier: BSD-3-Clause */
/* A devb_disk on top of fixture.h, driven as a loop drives it. */
#ifndef TEST_DISK_FIXTURE_H
#define TEST_DISK_FIXTURE_H

#include "disk.h"
#include "fixture.h"

enum {
	TICK_MS = 20,       /* so often devb_disk_tick(), until the device failed */
	PATIENCE_MS = 4000, /* the device does answer: it may not come to this */
};

extern struct devb_disk *disk;
extern struct devb_disk_queue *disk_queue; /* its first */

/* A request and how it ended. */
struct job {
	struct devb_io io; /* first */
	unsigned times;    /* that done() was called */
	int result;
};

void open_block(const struct sim_options *options, const struct vio_blk_options *blk_options);
void close_block(void);

/* done() of every job: fails the test when it is called from inside submit. */
void finish_job(struct devb_io *io, int result);
int start_job(struct job *job, enum devb_op op, uint64_t offset, void *buffer, size_t size);
int resubmit_job(struct job *job);
/* Polls and waits until nothing is in flight. @patience_ms: PATIENCE_MS or TICK_MS. */
void drain(int patience_ms);
/* One poll; waits if there was nothing. */
void poll_once(int patience_ms);
/* Started and drained: what submit or done said. */
int run_job(enum devb_op op, uint64_t offset, void *buffer, size_t size);

/* test_disk_load.c */
void add_disk_load(Suite *suite);
void add_disk_zeroes(Suite *suite);

#endif
