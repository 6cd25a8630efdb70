/* SPDX-License-Identifier: BSD-3-Clause */
/* From `fdt`, `fdt=N`, `fdt=FILE` to devices that can be opened. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ids.h>

#include <vio/log.h>
#include <vio-transport/pci.h>

#include "discover.h"
#include "platform.h"

static const char *plural(unsigned count)
{
	return count == 1 ? "" : "s";
}

static const char *type_name(const struct viot_mmio_search *search)
{
	return search->wanted == VIRTIO_ID_BLOCK ? "VirtIO block" : "VirtIO";
}

static bool is_complete(const struct viot_mmio_device *device)
{
	return device->smem && device->has_irq && device->has_type;
}

/* False where counting ends. */
static bool visit(struct viot_mmio_search *search, const struct viot_mmio_device *device)
{
	bool is_index = search->address->kind == VIOT_FDT_INDEX;

	if (device->has_type && device->virtio_type == 0) {
		search->empty++;
		return true;
	}
	if (device->has_type && search->wanted && device->virtio_type != search->wanted) {
		search->others++;
		return true;
	}
	if (!is_complete(device)) {
		search->unusable = search->unusable ? search->unusable : device;
		search->unusable_count++;
		return !is_index; /* whether it counts is not known */
	}
	if (is_index && search->count++ < search->address->fdt_index) {
		return true;
	}
	if (is_index) {
		search->devices[0] = *device;
		return false;
	}
	if (search->count < search->max) {
		search->devices[search->count] = *device;
	}
	search->count++;
	return true;
}

static int report_nothing(const struct viot_mmio_search *search, struct vio_error *err)
{
	if (search->all_count == 0) {
		return vio_fail(
			err, -ENODEV,
			"%s declares no VirtIO device: look with 'devb-virtio --list', and "
			"give one on the PCI bus with 'pci=…' or a directly mapped one with "
			"'smem=…,irq=…'",
			search->tree);
	}
	return vio_fail(err, -ENODEV,
			"%s declares %u VirtIO slot%s and none holds a %s device: %u empty, %u of "
			"other classes; add one to the VM",
			search->tree, search->all_count, plural(search->all_count),
			type_name(search), search->empty, search->others);
}

static int report_unusable(const struct viot_mmio_search *search, struct vio_error *err)
{
	const struct viot_mmio_device *device = search->unusable;

	if (search->address->kind == VIOT_FDT_INDEX) {
		return vio_fail(err, -EACCES,
				"fdt=%" PRIu32 " cannot be counted, because %s is not known well "
				"enough: %s",
				search->address->fdt_index, device->where, device->why);
	}
	return vio_fail(err, -EACCES, "%s cannot be used, and there is no other device: %s",
			device->where, device->why);
}

static void warn_left_out(const struct viot_mmio_search *search)
{
	if (search->unusable) {
		vio_log(VIO_LOG_WARN, "%u VirtIO slot%s left out, %s%s: %s", search->unusable_count,
			search->unusable_count == 1 ? " is" : "s are",
			search->unusable_count == 1 ? "" : "the first is ", search->unusable->where,
			search->unusable->why);
	}
}

static int conclude(const struct viot_mmio_search *search, bool is_found, struct vio_error *err)
{
	if (is_found) {
		warn_left_out(search);
		return search->address->kind == VIOT_FDT_INDEX ? 1 : (int)search->count;
	}
	if (search->unusable) {
		return report_unusable(search, err);
	}
	if (search->count == 0) {
		return report_nothing(search, err);
	}
	return vio_fail(err, -ENODEV,
			"fdt=%" PRIu32 " was asked for, and %s declares %u %s device%s (counted "
			"from 0)",
			search->address->fdt_index, search->tree, search->count, type_name(search),
			plural(search->count));
}

int viot_mmio_choose(struct viot_mmio_search *search, struct vio_error *err)
{
	bool is_index = search->address->kind == VIOT_FDT_INDEX, goes_on = true;

	for (unsigned i = 0; goes_on && i < search->all_count; i++) {
		goes_on = visit(search, &search->all[i]);
	}
	return conclude(search, is_index ? !goes_on && !search->unusable : search->count > 0, err);
}

/* A machine without VirtIO devices in a tree may have them elsewhere. */
static int list(struct viot_mmio_search *search, struct viot_mmio_device *all,
		struct vio_error *err)
{
	const char *file = search->address->fdt_file;
	struct viot_mmio_source source = {
		.from = VIOT_FROM_DEVICE_TREE,
		.blob = file[0] ? file : NULL,
	};
	int count = viot_mmio_list(&source, all, VIOT_MMIO_DEVICES_MAX, err);

	search->tree = file[0] ? file : "the device tree";
	if (count == 0 && !file[0]) {
		source.from = VIOT_FROM_ACPI | VIOT_FROM_COMMAND_LINE;
		count = viot_mmio_list(&source, all, VIOT_MMIO_DEVICES_MAX, err);
		search->tree = "this machine (device tree, ACPI, kernel command line)";
	}
	return count;
}

int viot_mmio_find(const struct viot_address *address, uint32_t virtio_type,
		   struct viot_mmio_device *devices, unsigned max, struct vio_error *err)
{
	struct viot_mmio_search search = {
		.address = address, .wanted = virtio_type, .devices = devices, .max = max};
	struct viot_mmio_device *all = calloc(VIOT_MMIO_DEVICES_MAX, sizeof(*all));
	int rc;

	if (!all) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	rc = list(&search, all, err);
	if (rc >= 0) {
		search.all = all;
		search.all_count = (unsigned)rc;
		rc = viot_mmio_choose(&search, err);
	}
	free(all);
	return rc;
}

int viot_fdt_open(struct vio_transport **t, const struct viot_address *address,
		  const struct viot_options *options, struct vio_error *err)
{
	struct viot_mmio_device device = {0};
	struct viot_address found = {.kind = VIOT_MMIO};
	int count = viot_mmio_find(address, options->device_type, &device, 1, err);

	if (count < 0) {
		return count;
	}
	if (count > 1) {
		return vio_fail(err, -EINVAL,
				"'fdt' means %d devices here: choose one of fdt=0 to fdt=%d", count,
				count - 1);
	}
	found.smem = device.smem;
	found.irq = device.irq;
	return viot_mmio_open(t, &found, options, err);
}
