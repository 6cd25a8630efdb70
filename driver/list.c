/* SPDX-License-Identifier: BSD-3-Clause */
#include "list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ids.h>

#include <vio-transport/mmio.h>
#include <vio-transport/open.h>
#include <vio-transport/pci.h>

enum {
	FUNCTIONS_MAX = 1024
};

/* What is known of a device, whichever bus it is on. */
struct row {
	const char *device, *type, *found_in;
	const char *key;    /* as viot_is_driven() takes it */
	const char *driver; /* of the kernel */
	const char *start;  /* empty: cannot */
};

/*
 * A disk that the kernel uses is not offered: by hand, taking it costs the machine that
 * disk. Nor is one of which that is not known. @use: receives "in use as vda"
 */
static bool may_start(const struct row *row, char *use, size_t size)
{
	char disk[40];
	int rc;

	use[0] = '\0';
	if (!row->start[0] || !row->driver[0]) {
		return row->start[0] != '\0';
	}
	rc = viot_in_use(row->key, disk, sizeof(disk));
	if (rc > 0) {
		snprintf(use, size, "in use as %s", disk);
	}
	return rc == 0;
}

static void print_row(FILE *out, unsigned *shown, const struct row *row)
{
	static const char format[] = "%-20s %-10s %-13s %-16s %s\n";
	bool is_ours = row->key[0] && viot_is_driven(row->key);
	char use[64];
	const char *start = may_start(row, use, sizeof(use)) ? row->start : "-";
	const char *holder = is_ours ? "devb-virtio" : use[0] ? use : row->driver;

	if ((*shown)++ == 0) {
		fprintf(out, format, "DEVICE", "CLASS", "FOUND IN", "HELD BY", "START WITH");
	}
	fprintf(out, format, row->device, row->type, row->found_in, holder[0] ? holder : "-",
		start);
}

/* ---- PCI ---- */

static void print_function(FILE *out, unsigned *shown, const struct viot_pci_function *f,
			   unsigned block_index)
{
	char address[16], ids[16], key[32], start[64] = "";

	snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", f->domain, f->bus, f->device,
		 f->function & 0xfu);
	snprintf(ids, sizeof(ids), "PCI %04x:%04x", f->vendor_id, f->device_id);
	snprintf(key, sizeof(key), "pci-%s", address);
	if (f->virtio_type == VIRTIO_ID_BLOCK) {
		snprintf(start, sizeof(start), "devb-virtio virtio pci=%u%s", block_index,
			 f->driver[0] ? ",takeover" : "");
	}
	print_row(out, shown,
		  &(struct row){.device = address,
				.type = viot_type_name(f->virtio_type),
				.found_in = ids,
				.key = key,
				.driver = f->driver,
				.start = start});
}

static int print_pci(FILE *out, unsigned *shown, struct vio_error *err)
{
	struct viot_pci_function *functions = calloc(FUNCTIONS_MAX, sizeof(*functions));
	unsigned blocks = 0;
	int count;

	if (!functions) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	count = viot_pci_list(functions, FUNCTIONS_MAX, err);
	for (int i = 0; i < count && i < FUNCTIONS_MAX; i++) {
		if (functions[i].virtio_type != 0) {
			print_function(out, shown, &functions[i], blocks);
			blocks += functions[i].virtio_type == VIRTIO_ID_BLOCK;
		}
	}
	free(functions);
	return count < 0 ? count : 0;
}

/* ---- directly mapped ---- */

static bool is_empty(const struct viot_mmio_device *device)
{
	return device->has_type && device->virtio_type == 0;
}

static void print_slot(FILE *out, unsigned *shown, const struct viot_mmio_device *device)
{
	unsigned long long smem = (unsigned long long)device->smem;
	const char *value =
		device->from == VIOT_FROM_COMMAND_LINE ? strchr(device->where, '=') : NULL;
	char key[32] = "", start[80] = "";

	if (smem) {
		snprintf(key, sizeof(key), "mmio-0x%llx", smem);
	}
	if (smem && device->has_irq && device->has_type && device->virtio_type == VIRTIO_ID_BLOCK) {
		snprintf(start, sizeof(start), "devb-virtio virtio smem=0x%llx,irq=%u%s", smem,
			 device->irq,
			 strcmp(device->driver, "virtio-mmio") == 0 ? ",takeover" : "");
	}
	print_row(out, shown,
		  &(struct row){.device = value ? value + 1 : device->where,
				.type = device->has_type ? viot_type_name(device->virtio_type)
							 : "unknown",
				.found_in = viot_from_name(device->from),
				.key = key,
				.driver = device->driver,
				.start = start});
}

static bool has_reason(const struct viot_mmio_device *device)
{
	return device->why[0] && !is_empty(device);
}

/* Each reason once, with the first device that it holds for. */
static void print_reasons(FILE *out, const struct viot_mmio_device *devices, int count)
{
	for (int i = 0; i < count; i++) {
		unsigned same = 0;
		bool is_first = has_reason(&devices[i]);

		for (int j = 0; j < count; j++) {
			bool is_same = has_reason(&devices[j]) &&
				       strcmp(devices[i].why, devices[j].why) == 0;

			is_first = is_first && (!is_same || j >= i);
			same += is_same;
		}
		if (is_first && same == 1) {
			fprintf(out, "%s: %s.\n", devices[i].where, devices[i].why);
		} else if (is_first) {
			fprintf(out, "%s and %u more: %s.\n", devices[i].where, same - 1,
				devices[i].why);
		}
	}
}

static void print_slots(FILE *out, unsigned *shown, const struct viot_mmio_device *devices,
			int count)
{
	unsigned empty = 0;

	for (int i = 0; i < count; i++) {
		if (is_empty(&devices[i])) {
			empty++;
		} else {
			print_slot(out, shown, &devices[i]);
		}
	}
	if (empty) {
		fprintf(out, "%u more declared slot%s empty.\n", empty,
			empty == 1 ? " is" : "s are");
	}
	print_reasons(out, devices, count);
}

static int print_mmio(FILE *out, unsigned *shown, struct vio_error *err)
{
	const struct viot_mmio_source all = {.from = VIOT_FROM_ALL};
	struct viot_mmio_device *devices = calloc(VIOT_MMIO_DEVICES_MAX, sizeof(*devices));
	int count;

	if (!devices) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	count = viot_mmio_list(&all, devices, VIOT_MMIO_DEVICES_MAX, err);
	print_slots(out, shown, devices, count);
	free(devices);
	return count < 0 ? count : 0;
}

int devb_list_print(FILE *out, struct vio_error *err)
{
	unsigned shown = 0;
	int rc = print_pci(out, &shown, err);

	if (rc == 0) {
		rc = print_mmio(out, &shown, err);
	}
	if (rc == 0 && shown == 0) {
		fprintf(out, "No VirtIO device was found: none on the PCI bus, in the device tree, "
			     "in ACPI or on the\nkernel's command line. Start one that you know of "
			     "with 'devb-virtio virtio\nsmem=ADDRESS,irq=NUMBER'.\n");
	}
	return rc;
}
