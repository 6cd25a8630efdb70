/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QNX6 volumes of a unit, mounted by this process itself: what files hold goes from the device
 * to who reads it, without a loop device and a second file system of FUSE between.
 *
 *   devb_qnx6_mount()     mounted; threads of its own serve it
 *   (whoever has the right to unmounts it)
 *   devb_qnx6_close()     the threads have ended
 *
 * Thread: main, which must not touch a path in a mount of these once it is to be closed.
 */
#ifndef DEVB_QNX6_AUTOMOUNT_H
#define DEVB_QNX6_AUTOMOUNT_H

#include <vio/error.h>

#include "options.h"
#include "unit.h"

/* The type that the kernel shows for such a mount. */
#define DEVB_QNX6_TYPE "fuse.qnx6fs"

/* Of so many bytes of DMA memory the mounts in the options make use, for each unit. */
size_t devb_qnx6_memory(const struct devb_options *options);

/**
 * devb_qnx6_mount - mount @volume of @unit where @automount says
 *
 * Returns 0; 1 when it holds no QNX6 and the automount does not say that it does; or a negative
 * errno with a sentence. Outlives neither the options nor the unit.
 */
int devb_qnx6_mount(struct devb_unit *unit, const struct devb_volume *volume,
		    const struct devb_automount *automount, const struct devb_options *options,
		    struct vio_error *err);

/* Those of @unit: unmounted already, or dead from now on. Before devb_unit_close(). */
void devb_qnx6_close(const struct devb_unit *unit);

#endif
