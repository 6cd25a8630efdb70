/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VirtIO disk as a devb_block: aligned requests go straight to the queue that
 * devb_io.queue names, unaligned ones through a read-modify-write (rmw.c), all of
 * them asynchronously.
 *
 * Threads: one for each queue, on which everything happens that takes the queue, and
 * the requests submitted to it are done. The thread of queue 0 also looks after the
 * device: what takes the disk is its own, once the disk is open.
 */
#ifndef DEVB_DISK_H
#define DEVB_DISK_H

#include <stdbool.h>

#include <vio/blk.h>
#include <vio/error.h>

#include "block.h"

struct devb_disk;
struct devb_disk_queue;

/* @blk is not owned. Returns 0, or -ENOMEM with a sentence. */
int devb_disk_open(struct devb_disk **out, struct vio_blk *blk, struct vio_error *err);
/* Nothing may be in flight. NULL is allowed. */
void devb_disk_close(struct devb_disk *disk);

struct devb_block *devb_disk_block(struct devb_disk *disk);

/* How many threads may use it; at least 1, constant. */
unsigned devb_disk_queues(const struct devb_disk *disk);
/* @index below devb_disk_queues(). */
struct devb_disk_queue *devb_disk_queue(struct devb_disk *disk, unsigned index);

/**
 * devb_disk_poll - run done() for what is finished, start what was waiting
 *
 * Notifies the device of everything submitted since, at most once. Returns how
 * many requests of the device finished.
 */
unsigned devb_disk_poll(struct devb_disk_queue *queue);

/* Requests of this queue that have not been done yet. */
unsigned devb_disk_in_flight(const struct devb_disk_queue *queue);

/*
 * Waiting for the device, see blk.h. arm returns true if there is something to
 * poll already. The acks return true if the device has news: tick soon, on thread 0.
 */
int devb_disk_wait_fd(const struct devb_disk_queue *queue);
bool devb_disk_wait_arm(struct devb_disk_queue *queue);
void devb_disk_wait_disarm(struct devb_disk_queue *queue);
bool devb_disk_wait_ack(struct devb_disk_queue *queue);
void devb_disk_wait_expired(struct devb_disk_queue *queue);
bool devb_disk_has_interrupts(const struct devb_disk_queue *queue);
struct vio_spin *devb_disk_spin(struct devb_disk_queue *queue);

/* Thread 0: news of the device, where they do not come with those of queue 0. */
int devb_disk_events_fd(const struct devb_disk *disk);
bool devb_disk_events_ack(struct devb_disk *disk);

/**
 * devb_disk_tick - on thread 0, once a second, and at news: deadlines, resize, recovery
 *
 * While the disk is quiet, less often will do.
 *
 * Returns true if the size of the block is another one now.
 */
bool devb_disk_tick(struct devb_disk *disk);

/**
 * devb_disk_queue_tick - the same for the other queues, on their threads: deadlines
 *
 * Returns false if the device is not well: thread 0 should tick soon.
 */
bool devb_disk_queue_tick(struct devb_disk_queue *queue);

/* Nothing is in flight in this queue, and the device is well. */
bool devb_disk_is_quiet(const struct devb_disk_queue *queue);

/*
 * The device is gone, or did not confirm a reset and may still write to its
 * memory: the disk fails everything from now on. No buffer of a failed read may be
 * used again. Any thread.
 */
bool devb_disk_is_lost(const struct devb_disk *disk);

#endif
