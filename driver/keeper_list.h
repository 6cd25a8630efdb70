/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the worker tells the keeper (see keeper.h), and what the keeper makes of it.
 * No hardware, no files: all of it can be tested.
 *
 * Until the worker says that it drops its privileges it is root and is believed.
 * Afterwards only those messages count that bring about what its end would anyway.
 */
#ifndef DEVB_KEEPER_LIST_H
#define DEVB_KEEPER_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vio-transport/address.h>

#include "options.h"

#define DEVB_KEEP_NAME 64 /* as long as the name of a transport may be */

enum devb_keep_kind {
	DEVB_KEEP_DISK = 1, /* disk, name: it is open */
	DEVB_KEEP_MOUNT,    /* disk, automount, made_dir: it is mounted */
	DEVB_KEEP_FORGET,   /* disk: the worker cleaned it up itself */
	DEVB_KEEP_DROP,     /* no more of the above */
	DEVB_KEEP_READY,    /* the volumes can be opened */
	DEVB_KEEP_ENDED,    /* disk: it is closed, as far as a worker without privileges can */
	DEVB_KEEP_STOP,     /* the worker wants to stop */
};

struct devb_keep_message {
	uint32_t kind, disk, automount, made_dir;
	char name[DEVB_KEEP_NAME]; /* of the device: "pci-0000:00:04.0" */
};

struct devb_keep_list {
	unsigned automount_count; /* of the options */
	bool has_dropped, is_ready;
	char names[DEVB_DISKS_MAX][DEVB_KEEP_NAME]; /* empty: nothing to clean up */
};

/**
 * devb_keep_accept - one message as it was received
 *
 * Returns its kind when it is to be acted upon, with the list up to date (after
 * FORGET and ENDED, the name is left to the caller); or -EPROTO for anything that
 * no worker sends at this time.
 */
int devb_keep_accept(struct devb_keep_list *list, const void *data, size_t size);

/* Where the device of that name is. 0, or -EINVAL for one that this process cannot open. */
int devb_keep_address(const char *name, struct viot_address *address);

#endif
