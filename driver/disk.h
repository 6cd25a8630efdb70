/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VirtIO disk as a devb_block: aligned requests go straight to the queue that
 * devb_io.queue names, unaligned ones through a read-modify-write (rmw.c), all of
 * them asynchronously.
 *
 * Threads: one for each queue, on which everything happens that takes the queue, and
 * the requests submitted to it are done. The thread of queue 0 also looks after the
 * device: what takes the disk is its own, once the disk is open.
 *
 * Each thread, until its last request is done:
 *
 *   devb_disk_unpark(queue);
 *   for (;;) {
 *           submit; devb_disk_poll(queue);
 *           if (nothing to do && !devb_disk_wait_arm(queue) && !devb_disk_park(queue)) {
 *                   sleep until the device, or the wake function, or about a second
 *                   devb_disk_unpark(queue);
 *                   devb_disk_wait_disarm(queue);
 *           }
 *   }
 *   devb_disk_park(queue), until it returns false
 *
 * A flush covers the writes of every queue that were done before it was submitted: the
 * device's cache is one.
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

/*
 * Other threads call @wake, from any thread, when this one has something to do although
 * it sleeps: unaligned writes of others, a device that failed. Before any thread runs.
 */
void devb_disk_set_wake(struct devb_disk_queue *queue, void (*wake)(void *context), void *context);

/**
 * devb_disk_park - the last thing before the queue's thread sleeps, or ends
 *
 * Returns true if there is something to poll for instead. With several queues, a thread
 * that neither polls nor is parked stops the unaligned writes of the others. Queues are
 * parked at first.
 */
bool devb_disk_park(struct devb_disk_queue *queue);
/* Afterwards, before anything is submitted. */
void devb_disk_unpark(struct devb_disk_queue *queue);

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
