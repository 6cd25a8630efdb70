/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk automount=: QNX6 volumes are mounted by this process itself (qnx6_automount.h), all others handed to
 * mount(8), on a loop device. Thread: main.
 */
#ifndef DEVB_AUTOMOUNT_H
#define DEVB_AUTOMOUNT_H

#include <stdbool.h>

#include <vio/error.h>

#include "options.h"
#include "unit.h"

enum {
	DEVB_AUTOMOUNT_LIMIT_S = 95, /* mounting or unmounting one takes no longer */
};

/**
 * devb_automount_all - mount what the options ask for from the volumes of @unit
 *
 * Entries for volumes that this unit does not have are left alone. Returns how
 * many were mounted, or a negative errno with a sentence; those mounted before
 * it stay, for devb_automount_undo().
 */
int devb_automount_all(const struct devb_options *options, struct devb_unit *unit,
		       struct vio_error *err);

/*
 * Unmounts what was mounted from a unit, or from all for NULL, last first; what is
 * busy is synced and detached with a warning. Twice the limit for each at most.
 */
void devb_automount_undo(const void *owner);
/* What to do when syncing takes longer than that, before detaching: end who serves the volumes. */
void devb_automount_when_stuck(void (*function)(void));
/* Everything that was written anywhere, within the limit: for mounts that nobody undoes. */
void devb_automount_sync(void);

/* From one process to another: each mount of a unit in turn, NULL after the last … */
const struct devb_automount *devb_automount_next(const void *owner, unsigned *cursor,
						 bool *made_dir);
/* … which the other takes on, under an owner of its own choice … */
void devb_automount_adopt(const struct devb_automount *automount, const void *owner, bool made_dir);
/* … and the first no longer undoes. NULL: all. */
void devb_automount_forget(const void *owner);

/* The first entry that no unit had a volume for, or NULL. */
const struct devb_automount *devb_automount_unused(const struct devb_options *options);

#endif
