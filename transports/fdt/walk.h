/* SPDX-License-Identifier: BSD-3-Clause */
/* One node and the way to it, private to this folder. */
#ifndef VIOT_TREE_WALK_H
#define VIOT_TREE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "device_tree.h"

struct viot_tree_walk {
	const void *blob;
	int nodes[VIOT_TREE_DEPTH_MAX]; /* offsets from the root to the node in hand */
	int depth;                      /* of that node; the root's is 0 */
};

/* Whether one cell stands in property @name of the node at @offset. */
bool viot_tree_cell(const void *blob, int offset, const char *name, uint32_t *value);

/* translate.c: smem and size of the node in hand; false: `why` is set */
bool viot_tree_registers(const struct viot_tree_walk *walk, struct viot_mmio_device *device);

/* interrupt.c: irq and trigger of the node in hand; false: `why` is set */
bool viot_tree_interrupt(const struct viot_tree_walk *walk, struct viot_mmio_device *device);

#endif
