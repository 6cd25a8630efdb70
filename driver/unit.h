/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One disk from the device to its names: transport, block device, volumes, mount
 * and the loop that serves them.
 *
 *   devb_unit_open()        the disk can be opened under its name
 *   devb_unit_partitions()  and its partitions too
 *   devb_unit_refresh()     after news: the kernel sees the disk's present size
 *   devb_unit_hide()        the names are gone, open files still work
 *   devb_unit_close()       finish, flush, unmount, reset, free
 *
 * Thread: the one that owns the process (main).
 */
#ifndef DEVB_UNIT_H
#define DEVB_UNIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <vio/error.h>

#include "options.h"

struct devb_unit;

/* A volume that is offered, for whoever wants to mount it. */
struct devb_volume {
	const char *name;  /* "hd0t179"; lives as long as the unit */
	const char *disk;  /* "hd0" */
	unsigned index;    /* as in devb_unit_volume() */
	unsigned mbr_type; /* 0: the disk itself, or a partition without an MBR type */
	bool read_only;
	char path[PATH_MAX]; /* in devdir */
};

/**
 * devb_unit_open - bring one disk up
 * @index: into options->disks
 * @news: called on another thread when the unit ended by itself, or its disk has
 *        another size
 *
 * Returns 0 or a negative errno with a sentence, -ENODEV among them; everything
 * is undone then.
 */
int devb_unit_open(struct devb_unit **out, const struct devb_options *options, unsigned index,
		   void (*news)(void *), void *context, struct vio_error *err);

/* Reads the partition table through the volume itself and shows what is in it. */
int devb_unit_partitions(struct devb_unit *unit, struct vio_error *err);

/* In the style of QNX: what was found, and the volumes. */
void devb_unit_print_banner(const struct devb_unit *unit, FILE *out);

unsigned devb_unit_volume_count(const struct devb_unit *unit);
void devb_unit_volume(const struct devb_unit *unit, unsigned index, struct devb_volume *volume);

struct qnx6_source;

/*
 * Its bytes, for a QNX6 volume: see qnx6_source.h. Close it before the unit, and do not read on the
 * unit's own threads. Returns 0 or -ENOMEM.
 */
int devb_unit_source(struct devb_unit *unit, unsigned index, struct qnx6_source **source);

/* The device's name: "pci-0000:00:04.0". Lives as long as the unit. */
const char *devb_unit_name(const struct devb_unit *unit);

/**
 * devb_unit_settle - run @function on the unit's own threads, once nothing there needs root
 *
 * The kernel greets a new mount, and the answer may set the mount up: that is over
 * as soon as a volume can be looked up. Returns what @function returned, the first
 * error of it, or a negative errno.
 */
int devb_unit_settle(struct devb_unit *unit, int (*function)(void *), void *argument);

/* It ended by itself: close it. */
bool devb_unit_has_ended(const struct devb_unit *unit);

/*
 * The kernel keeps a file's size until somebody asks for it, and a loop device asks
 * nobody. Does that if the size has changed. Blocks until the unit's loop answers.
 */
void devb_unit_refresh(struct devb_unit *unit);

void devb_unit_hide(struct devb_unit *unit);
/* Returns 0, or a negative errno if the last flush failed. NULL is allowed. */
int devb_unit_close(struct devb_unit *unit);

#endif
