/* SPDX-License-Identifier: BSD-3-Clause */
/* Disks that the machine declares, where the command line does not say where they are. */
#ifndef DEVB_DISCOVER_H
#define DEVB_DISCOVER_H

#include <vio/error.h>

#include "options.h"

/**
 * devb_discover_expand - puts addresses in the place of `fdt`
 *
 * Each disk that a `fdt` means becomes one of its own, with the other options of
 * its group; a line for each is printed, unless cam quiet. Returns 0, or a negative
 * errno with a sentence. With pnp, what is not there yet stays as it is.
 */
int devb_discover_expand(struct devb_options *options, struct vio_error *err);

/* Nothing was found on the PCI bus: says so together with what was found elsewhere, if anything. */
void devb_discover_advise(const struct devb_disk_options *disk, struct vio_error *err);

#endif
