/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VirtIO disk as a devb_block: aligned requests go straight to the queue,
 * unaligned ones through a read-modify-write (rmw.c), all of them asynchronously.
 *
 * Threads: everything on the thread that runs the disk's loop.
 */
#ifndef DEVB_DISK_H
#define DEVB_DISK_H

#include <stdbool.h>

#include <vio/blk.h>
#include <vio/error.h>

#include "block.h"

struct devb_disk;

/* @blk is not owned. Returns 0, or -ENOMEM with a sentence. */
int devb_disk_open(struct devb_disk **out, struct vio_blk *blk, struct vio_error *err);
/* Nothing may be in flight. NULL is allowed. */
void devb_disk_close(struct devb_disk *disk);

struct devb_block *devb_disk_block(struct devb_disk *disk);

/**
 * devb_disk_poll - run done() for what is finished, start what was waiting
 *
 * Notifies the device of everything submitted since, at most once. Returns how
 * many requests of the device finished.
 */
unsigned devb_disk_poll(struct devb_disk *disk);

/* Requests that have not been done yet. */
unsigned devb_disk_in_flight(const struct devb_disk *disk);

/*
 * Waiting for the device, see blk.h. arm returns true if there is something to
 * poll already. The acks return true if the device has news: tick soon.
 */
int devb_disk_wait_fd(const struct devb_disk *disk);
bool devb_disk_wait_arm(struct devb_disk *disk);
void devb_disk_wait_disarm(struct devb_disk *disk);
bool devb_disk_wait_ack(struct devb_disk *disk);
void devb_disk_wait_expired(struct devb_disk *disk);
bool devb_disk_has_interrupts(const struct devb_disk *disk);
int devb_disk_events_fd(const struct devb_disk *disk);
bool devb_disk_events_ack(struct devb_disk *disk);
struct vio_spin *devb_disk_spin(struct devb_disk *disk);

/**
 * devb_disk_tick - once a second, and at news: deadlines, resize, recovery
 *
 * While the disk is quiet, less often will do.
 *
 * Returns true if the size of the block is another one now.
 */
bool devb_disk_tick(struct devb_disk *disk);

/* Nothing is in flight, and the device is well. */
bool devb_disk_is_quiet(const struct devb_disk *disk);

/*
 * The device is gone, or did not confirm a reset and may still write to its
 * memory: the disk fails everything from now on. No buffer of a failed read may be
 * used again.
 */
bool devb_disk_is_lost(const struct devb_disk *disk);

#endif
