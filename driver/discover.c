/* SPDX-License-Identifier: BSD-3-Clause */
#include "discover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ids.h>

#include <vio-transport/mmio.h>

static bool is_fdt(const struct viot_address *address)
{
	return address->kind == VIOT_FDT_ALL || address->kind == VIOT_FDT_INDEX;
}

/* What to write on a command line, and as a comment where it comes from. */
static void print_line(const struct viot_mmio_device *device)
{
	printf("virtio smem=0x%llx,irq=%u    # %s, %s\n", (unsigned long long)device->smem,
	       device->irq, device->where, viot_from_name(device->from));
}

/* @devices in the place of disk @index. */
static void replace(struct devb_options *options, unsigned index,
		    const struct viot_mmio_device *devices, unsigned count)
{
	struct devb_disk_options *disk = &options->disks[index];
	const struct devb_disk_options before = *disk;

	memmove(disk + count, disk + 1,
		(options->disk_count - index - 1) * sizeof(options->disks[0]));
	for (unsigned i = 0; i < count; i++) {
		disk[i] = before;
		disk[i].address = (struct viot_address){
			.kind = VIOT_MMIO,
			.smem = devices[i].smem,
			.irq = devices[i].irq,
		};
		if (!options->quiet) {
			print_line(&devices[i]);
		}
	}
	options->disk_count += count - 1;
}

/* One group would become several disks while others are being served. */
static int refuse_to_wait(struct vio_error *err)
{
	const struct vio_error why = *err;

	return vio_fail(err, -ENODEV,
			"%s. 'cam pnp' does not wait for 'virtio fdt', which may mean any number "
			"of disks: say which with fdt=NUMBER",
			why.text);
}

/* Returns how many disks are now in the place of this one. */
static int expand(struct devb_options *options, unsigned index, struct vio_error *err)
{
	const struct viot_address *address = &options->disks[index].address;
	struct viot_mmio_device devices[DEVB_DISKS_MAX];
	int count = viot_mmio_find(address, VIRTIO_ID_BLOCK, devices, DEVB_DISKS_MAX, err);

	if (count == -ENODEV && options->plug_and_play && !address->fdt_file[0]) {
		return address->kind == VIOT_FDT_INDEX ? 1 : refuse_to_wait(err);
	}
	if (count < 0) {
		return count;
	}
	if (options->disk_count - 1 + (unsigned)count > DEVB_DISKS_MAX) {
		return vio_fail(err, -EINVAL,
				"'virtio fdt' means %d disks, which makes %u with the others: one "
				"devb-virtio drives %d at most; choose with fdt=NUMBER",
				count, options->disk_count - 1 + (unsigned)count, DEVB_DISKS_MAX);
	}
	replace(options, index, devices, (unsigned)count);
	return count;
}

static int check_repeated(const struct devb_options *options, struct vio_error *err)
{
	for (unsigned i = 0; i < options->disk_count; i++) {
		for (unsigned j = 0; j < i; j++) {
			const struct viot_address *a = &options->disks[i].address;
			const struct viot_address *b = &options->disks[j].address;

			if (a->kind == VIOT_MMIO && b->kind == VIOT_MMIO && a->smem == b->smem) {
				return vio_fail(err, -EINVAL,
						"two 'virtio' groups mean the device at "
						"smem=0x%llx, one of them by 'fdt': remove one",
						(unsigned long long)a->smem);
			}
		}
	}
	return 0;
}

int devb_discover_expand(struct devb_options *options, struct vio_error *err)
{
	int rc = 0;

	for (unsigned i = 0; rc >= 0 && i < options->disk_count; i += (unsigned)rc) {
		rc = is_fdt(&options->disks[i].address) ? expand(options, i, err) : 1;
	}
	return rc < 0 ? rc : check_repeated(options, err);
}

static const char *declared_where(enum viot_mmio_from from)
{
	return from == VIOT_FROM_ACPI          ? "in ACPI"
	       : from == VIOT_FROM_DEVICE_TREE ? "in the device tree"
					       : "on the kernel's command line";
}

void devb_discover_advise(const struct devb_disk_options *disk, struct vio_error *err)
{
	const struct viot_address all = {.kind = VIOT_FDT_ALL};
	struct viot_mmio_device *devices;
	int count;

	if (disk->address.kind != VIOT_PCI_INDEX || disk->address.pci_index != 0) {
		return;
	}
	devices = calloc(1, sizeof(*devices));
	count = devices ? viot_mmio_find(&all, VIRTIO_ID_BLOCK, devices, 1, NULL) : 0;
	if (count > 0) {
		vio_fail(err, -ENODEV,
			 "no VirtIO block device was found on the PCI bus, but %d %s, the "
			 "first at 'virtio smem=0x%llx,irq=%u': start %s with 'devb-virtio virtio "
			 "fdt'",
			 count, declared_where(devices[0].from),
			 (unsigned long long)devices[0].smem, devices[0].irq,
			 count == 1 ? "it" : "all");
	}
	free(devices);
}
