/* SPDX-License-Identifier: BSD-3-Clause */
/* The first interrupt of a node, as the hypervisor counts it (Devicetree Specification, 2.4). */
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>

#include "walk.h"

enum {
	GIC_CELLS = 3, /* or more; the kernel's binding arm,gic.yaml: kind, number, flags */
	GIC_TRIGGER = 0xf,
	CELLS_MAX = 8, /* chosen: GICv3 has at most 4 */
};

/* The kinds of the first cell, and the INTID that each one's number 0 has. */
static const struct {
	uint32_t count, first_intid;
} gic_kinds[] = {
	{988, 32},    /* SPI */
	{16, 16},     /* PPI */
	{1024, 4096}, /* extended SPI, GICv3.1 */
	{64, 1056},   /* extended PPI */
};

#define WHY(device, ...) (snprintf((device)->why, sizeof((device)->why), __VA_ARGS__), false)

static bool take_gic(const fdt32_t *cells, struct viot_mmio_device *device)
{
	uint32_t kind = fdt32_ld(&cells[0]), number = fdt32_ld(&cells[1]);

	if (kind >= sizeof(gic_kinds) / sizeof(gic_kinds[0]) || number >= gic_kinds[kind].count) {
		return WHY(device,
			   "its interrupt <%" PRIu32 " %" PRIu32
			   " ...> is none of a GIC's: give it "
			   "by hand with 'smem=ADDRESS,irq=NUMBER'",
			   kind, number);
	}
	device->irq = gic_kinds[kind].first_intid + number;
	device->trigger = fdt32_ld(&cells[2]) & GIC_TRIGGER;
	return true;
}

static bool take_cells(const fdt32_t *cells, uint32_t count, struct viot_mmio_device *device)
{
	if (count >= GIC_CELLS) {
		return take_gic(cells, device);
	}
	device->irq = fdt32_ld(&cells[0]);
	device->trigger = count == 2 ? fdt32_ld(&cells[1]) & GIC_TRIGGER : 0;
	return true;
}

/* @cells: of the device's property, behind a phandle if there is one. */
static bool ask(const struct viot_tree_walk *walk, int controller, const fdt32_t *cells, int size,
		struct viot_mmio_device *device)
{
	uint32_t count;

	if (controller < 0) {
		return WHY(device, "its interrupt parent is not in the tree");
	}
	/* a nexus has none of its own, and its map is not followed */
	if (!fdt_getprop(walk->blob, controller, "interrupt-controller", NULL) ||
	    !viot_tree_cell(walk->blob, controller, "#interrupt-cells", &count) || count == 0 ||
	    count > CELLS_MAX) {
		return WHY(device, "its interrupt parent %.40s is no interrupt controller",
			   fdt_get_name(walk->blob, controller, NULL));
	}
	if (size < (int)(count * sizeof(fdt32_t))) {
		return WHY(device,
			   "its interrupt has %d bytes, %" PRIu32 " cells of 4 were expected", size,
			   count);
	}
	return take_cells(cells, count, device);
}

/* 2.4.1.2: a node without a word of it inherits its interrupt parent. */
static int find_parent(const struct viot_tree_walk *walk)
{
	uint32_t phandle;

	for (int level = walk->depth; level >= 0; level--) {
		if (viot_tree_cell(walk->blob, walk->nodes[level], "interrupt-parent", &phandle)) {
			return fdt_node_offset_by_phandle(walk->blob, phandle);
		}
		if (level < walk->depth &&
		    fdt_getprop(walk->blob, walk->nodes[level], "#interrupt-cells", NULL)) {
			return walk->nodes[level];
		}
	}
	return -FDT_ERR_NOTFOUND;
}

bool viot_tree_interrupt(const struct viot_tree_walk *walk, struct viot_mmio_device *device)
{
	int node = walk->nodes[walk->depth], size;
	const fdt32_t *cells = fdt_getprop(walk->blob, node, "interrupts-extended", &size);

	/* it counts where both are there */
	if (cells && size >= (int)sizeof(fdt32_t)) {
		int controller = fdt_node_offset_by_phandle(walk->blob, fdt32_ld(&cells[0]));

		return ask(walk, controller, cells + 1, size - (int)sizeof(fdt32_t), device);
	}
	cells = fdt_getprop(walk->blob, node, "interrupts", &size);
	if (!cells) {
		return WHY(device, "it declares no interrupt");
	}
	return ask(walk, find_parent(walk), cells, size, device);
}
