/* SPDX-License-Identifier: BSD-3-Clause */
/* From `reg` to an address of the machine: each bus on the way may shift it (2.3.6, 2.3.8). */
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>

#include "walk.h"

enum {
	ADDRESS_CELLS_DEFAULT = 2, /* 2.3.5 */
	SIZE_CELLS_DEFAULT = 1,
	CELLS_MAX = 2,         /* of one number here; PCI's three are no address by themselves */
	REGISTERS_MIN = 0x100, /* VirtIO 1.2, 4.2.2: the configuration begins there */
};

#define PHYSICAL_MAX (1ull << 52) /* the largest guest-physical space of x86-64 and Arm */

/* How a bus writes numbers. */
struct format {
	uint32_t address_cells, size_cells;
};

static struct format format_of(const void *blob, int bus)
{
	struct format format = {ADDRESS_CELLS_DEFAULT, SIZE_CELLS_DEFAULT};

	viot_tree_cell(blob, bus, "#address-cells", &format.address_cells);
	viot_tree_cell(blob, bus, "#size-cells", &format.size_cells);
	return format;
}

static bool is_readable(const struct format *format)
{
	return format->address_cells >= 1 && format->address_cells <= CELLS_MAX &&
	       format->size_cells >= 1 && format->size_cells <= CELLS_MAX;
}

static uint64_t take_number(const fdt32_t **cells, uint32_t count)
{
	uint64_t value = 0;

	for (; count > 0; count--) {
		value = value << 32 | fdt32_ld((*cells)++);
	}
	return value;
}

#define WHY(device, ...) (snprintf((device)->why, sizeof((device)->why), __VA_ARGS__), false)

static bool read_reg(const struct viot_tree_walk *walk, struct viot_mmio_device *device)
{
	const struct format format = format_of(walk->blob, walk->nodes[walk->depth - 1]);
	int size, needed;
	const fdt32_t *reg = fdt_getprop(walk->blob, walk->nodes[walk->depth], "reg", &size);

	if (!reg || size == 0) {
		return WHY(device, "its reg is %s", reg ? "empty" : "missing");
	}
	if (!is_readable(&format)) {
		return WHY(device,
			   "its bus writes addresses of %" PRIu32 " and sizes of %" PRIu32
			   " cells; 1 or 2 were expected",
			   format.address_cells, format.size_cells);
	}
	needed = (int)((format.address_cells + format.size_cells) * sizeof(fdt32_t));
	if (size < needed) {
		return WHY(device, "its reg has %d bytes, at least %d were expected", size, needed);
	}
	device->smem = take_number(&reg, format.address_cells);
	device->size = take_number(&reg, format.size_cells);
	return true;
}

/* One entry of `ranges`; whether it holds the whole device. */
static bool shift(const fdt32_t *entry, const struct format *child, const struct format *parent,
		  struct viot_mmio_device *device)
{
	uint64_t from = take_number(&entry, child->address_cells);
	uint64_t to = take_number(&entry, parent->address_cells);
	uint64_t size = take_number(&entry, child->size_cells);
	uint64_t offset = device->smem - from;

	if (device->smem < from || offset > size || device->size > size - offset ||
	    to > UINT64_MAX - offset) {
		return false;
	}
	device->smem = to + offset;
	return true;
}

/* From the addresses of the bus at @level to those of the bus around it. */
static bool cross(const struct viot_tree_walk *walk, int level, struct viot_mmio_device *device)
{
	const struct format child = format_of(walk->blob, walk->nodes[level]);
	const struct format parent = format_of(walk->blob, walk->nodes[level - 1]);
	const char *name = fdt_get_name(walk->blob, walk->nodes[level], NULL);
	int size;
	const fdt32_t *ranges = fdt_getprop(walk->blob, walk->nodes[level], "ranges", &size);
	int entry = (int)(child.address_cells + parent.address_cells + child.size_cells);

	if (!ranges) {
		return WHY(device, "its bus %.40s has no ranges: no address of the machine", name);
	}
	if (size == 0) {
		return true; /* one to one */
	}
	if (!is_readable(&child) || !is_readable(&parent) ||
	    size % (entry * (int)sizeof(fdt32_t)) != 0) {
		return WHY(device, "the ranges of its bus %.40s are malformed", name);
	}
	for (int i = 0; i < size / (int)sizeof(fdt32_t); i += entry) {
		if (shift(ranges + i, &child, &parent, device)) {
			return true;
		}
	}
	return WHY(device, "0x%" PRIx64 " is outside the ranges of its bus %.40s", device->smem,
		   name);
}

static bool translate(const struct viot_tree_walk *walk, struct viot_mmio_device *device)
{
	for (int level = walk->depth - 1; level > 0; level--) {
		if (!cross(walk, level, device)) {
			return false;
		}
	}
	if (device->smem == 0 || device->smem % sizeof(uint32_t) != 0 ||
	    device->smem >= PHYSICAL_MAX) {
		return WHY(device, "0x%" PRIx64 " is no address of registers", device->smem);
	}
	if (device->size < REGISTERS_MIN) {
		return WHY(device,
			   "its reg covers 0x%" PRIx64 " bytes, at least 0x%x were expected",
			   device->size, REGISTERS_MIN);
	}
	return true;
}

bool viot_tree_registers(const struct viot_tree_walk *walk, struct viot_mmio_device *device)
{
	bool is_known = walk->depth > 0 ? read_reg(walk, device) && translate(walk, device)
					: WHY(device, "the root of a tree has no registers");

	if (!is_known) {
		device->smem = 0;
		device->size = 0;
	}
	return is_known;
}
