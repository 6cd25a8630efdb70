/* SPDX-License-Identifier: BSD-3-Clause */
/* The nodes "virtio,mmio" of a blob (Devicetree Specification 0.4). */
#include <ctype.h>
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "walk.h"

bool viot_tree_cell(const void *blob, int offset, const char *name, uint32_t *value)
{
	int size;
	const void *property = fdt_getprop(blob, offset, name, &size);

	if (!property || size != (int)sizeof(fdt32_t)) {
		return false;
	}
	*value = fdt32_ld(property);
	return true;
}

/* 2.3.4: absent means "okay". */
static bool is_enabled(const void *blob, int offset)
{
	int size;
	const char *status = fdt_getprop(blob, offset, "status", &size);

	return !status || (size == 5 && memcmp(status, "okay", 5) == 0) ||
	       (size == 3 && memcmp(status, "ok", 3) == 0);
}

/* What is on a bus that is switched off is so too. */
static bool is_device(const struct viot_tree_walk *walk)
{
	if (fdt_node_check_compatible(walk->blob, walk->nodes[walk->depth], "virtio,mmio") != 0) {
		return false;
	}
	for (int level = 0; level <= walk->depth; level++) {
		if (!is_enabled(walk->blob, walk->nodes[level])) {
			return false;
		}
	}
	return true;
}

/* A name may come from anybody and end up on a terminal. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if (!isprint((unsigned char)*text)) {
			*text = '?';
		}
	}
}

static void name_node(const struct viot_tree_walk *walk, char *where, size_t size)
{
	int offset = walk->nodes[walk->depth];
	const char *name;

	if (fdt_get_path(walk->blob, offset, where, (int)size) < 0) {
		name = fdt_get_name(walk->blob, offset, NULL);
		snprintf(where, size, ".../%s", name ? name : "");
	}
}

static void describe(const struct viot_tree_walk *walk, struct viot_mmio_device *device)
{
	*device = (struct viot_mmio_device){.from = VIOT_FROM_DEVICE_TREE};
	name_node(walk, device->where, sizeof(device->where));
	if (viot_tree_registers(walk, device)) {
		device->has_irq = viot_tree_interrupt(walk, device);
	}
	make_printable(device->where);
	make_printable(device->why);
}

static int too_large(const struct viot_tree *tree, const char *what, int most,
		     struct vio_error *err)
{
	return vio_fail(err, -EINVAL,
			"the device tree %s has more than %d %s: give the device "
			"itself with 'smem=…,irq=…'",
			tree->name, most, what);
}

int viot_tree_list(const struct viot_tree *tree, struct viot_mmio_device *devices, unsigned max,
		   struct vio_error *err)
{
	struct viot_tree_walk walk = {.blob = tree->blob, .depth = -1};
	unsigned nodes = 0, count = 0;
	int offset = -1;

	while ((offset = fdt_next_node(walk.blob, offset, &walk.depth)) >= 0 && walk.depth >= 0) {
		if (walk.depth >= VIOT_TREE_DEPTH_MAX) {
			return too_large(tree, "levels", VIOT_TREE_DEPTH_MAX, err);
		}
		if (++nodes > VIOT_TREE_NODES_MAX) {
			return too_large(tree, "nodes", VIOT_TREE_NODES_MAX, err);
		}
		walk.nodes[walk.depth] = offset;
		if (!is_device(&walk)) {
			continue;
		}
		if (count == VIOT_MMIO_DEVICES_MAX) {
			return too_large(tree, "VirtIO devices", VIOT_MMIO_DEVICES_MAX, err);
		}
		if (count < max) {
			describe(&walk, &devices[count]);
		}
		count++;
	}
	return (int)count;
}
