/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names in devdir: symbolic links to the volumes in a unit's own mount.
 *
 *   /dev/hd0 -> /run/devb-virtio/pci-0000:00:04.0/hd0
 *
 * Making a link either succeeds or finds the name taken, so processes that start
 * at once share out hd0, hd1, … by themselves, and nothing else in devdir is ever
 * touched. A killed process leaves links behind; whoever comes next recognises
 * them (nobody drives their device) and takes them over.
 */
#ifndef DEVB_NAMES_H
#define DEVB_NAMES_H

#include <limits.h>

#include <vio/error.h>

#include "table.h"

struct devb_names {
	char devdir[PATH_MAX]; /* "/dev" */
	char target_dir[256];  /* the unit's mount */
	char key[64];          /* the device's name, part of target_dir */
	char disk[32];         /* "hd0", once claimed */
	unsigned count;
	char claimed[DEVB_PARTITIONS_MAX + 1][80];
};

/**
 * devb_names_claim_disk - the first free one of PREFIXfirst, PREFIXfirst+1, …
 *
 * Returns 0, or -EACCES with a sentence when devdir cannot be written.
 */
int devb_names_claim_disk(struct devb_names *names, const char *prefix, unsigned first,
			  struct vio_error *err);

/* One name; -EBUSY with a sentence if something else has it. */
int devb_names_claim(struct devb_names *names, const char *name, struct vio_error *err);

/* Removes every link that is still ours. */
void devb_names_release(struct devb_names *names);

/*
 * What a process that ended left of this very device, whatever it was called. Of
 * @names, devdir, target_dir and key count.
 */
void devb_names_remove_all(const struct devb_names *names);

#endif
