/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which directly mapped VirtIO devices a machine declares, and where: by the
 * nodes "virtio,mmio" of its device tree, by the ACPI devices LNRO0005, by
 * "virtio_mmio.device=" on the kernel's command line. Nothing is changed by
 * looking. To drive a device, see open.h.
 *
 *   struct viot_mmio_device devices[VIOT_MMIO_DEVICES_MAX];
 *   const struct viot_mmio_source all = {.from = VIOT_FROM_ALL};
 *   int count = viot_mmio_list(&all, devices, VIOT_MMIO_DEVICES_MAX, &err);
 *
 * What is in a slot only its registers tell, or the kernel driver that holds
 * it. Where neither can be asked, the class stays unknown and `why` says why: an
 * ordinary user sees names, and of ACPI devices no addresses.
 */
#ifndef VIO_TRANSPORT_MMIO_H
#define VIO_TRANSPORT_MMIO_H

#include <stdbool.h>
#include <stdint.h>

#include <vio-transport/address.h>
#include <vio/error.h>
#include <vio/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* More than any machine has; what a device tree has beyond them is refused. */
#define VIOT_MMIO_DEVICES_MAX 256

/* Who declares a device; a bit mask in struct viot_mmio_source. */
enum viot_mmio_from {
	VIOT_FROM_DEVICE_TREE = 1 << 0,
	VIOT_FROM_ACPI = 1 << 1,
	VIOT_FROM_COMMAND_LINE = 1 << 2,
	VIOT_FROM_ALL = 7,
};

struct viot_mmio_source {
	unsigned from;    /* enum viot_mmio_from */
	const char *blob; /* a file to read instead of this machine's device tree, or NULL */
};

/* How the interrupt is signalled, as in a device tree; 0 = not said. */
enum viot_trigger {
	VIOT_TRIGGER_EDGE_RISING = 1,
	VIOT_TRIGGER_EDGE_FALLING = 2,
	VIOT_TRIGGER_LEVEL_HIGH = 4,
	VIOT_TRIGGER_LEVEL_LOW = 8,
};

struct viot_mmio_device {
	enum viot_mmio_from from;
	uint64_t smem; /* guest-physical address of the registers, 0 = not known */
	uint64_t size; /* bytes, 0 = not known */
	bool has_irq;
	uint32_t irq;     /* Arm: GIC INTID; else as the interrupt controller counts, x86: GSI */
	uint32_t trigger; /* enum viot_trigger */
	bool has_type;    /* whether virtio_type is known */
	uint32_t virtio_type; /* VIRTIO_ID_…, 0 = the slot is empty */
	uint32_t version;     /* of the registers: 1 or 2; 0 = not known */
	char where[128];      /* "/virtio_mmio@a000400", "LNRO0005:00", "virtio_mmio.device=…" */
	char driver[32];      /* the kernel driver that holds it; empty if none */
	char why[200];        /* why something is not known: a sentence's end; empty otherwise */
};

/**
 * viot_mmio_list - what is declared, in the order of addresses
 * @source: a source that this machine lacks counts as an empty one, a @blob does not
 * @devices: receives the first @max of them, at most VIOT_MMIO_DEVICES_MAX
 *
 * Empty slots are among them, disabled nodes are not. Returns how many there are,
 * or a negative errno with a sentence: -EINVAL (a malformed tree), -EACCES, -ENODEV
 * (no such @blob), -ENOMEM. Reads files and, with the rights for it, the three
 * identity registers of each slot that no kernel driver holds. Not thread safe
 * against itself; catches SIGBUS for a moment.
 */
VIO_EXPORT int viot_mmio_list(const struct viot_mmio_source *source,
			      struct viot_mmio_device *devices, unsigned max,
			      struct vio_error *err);

/**
 * viot_mmio_find - the devices that an address of kind VIOT_FDT_ALL or VIOT_FDT_INDEX means
 * @virtio_type: VIRTIO_ID_… that counts, 0 = any
 * @devices: receives at most @max of them, each with smem, irq and type known
 *
 * A machine whose device tree declares no VirtIO device, or that has none, is asked
 * for those of ACPI and the command line instead. Returns how many there are, 1 or
 * more, or a negative errno with a sentence as above; -ENODEV: none, or no N-th one;
 * -EACCES: a slot before the N-th one cannot be told apart. Slots that cannot be
 * used are left out of VIOT_FDT_ALL with a warning, unless none is left.
 */
VIO_EXPORT int viot_mmio_find(const struct viot_address *address, uint32_t virtio_type,
			      struct viot_mmio_device *devices, unsigned max,
			      struct vio_error *err);

/* "device tree", "ACPI", "command line" */
VIO_EXPORT const char *viot_from_name(enum viot_mmio_from from);

#ifdef __cplusplus
}
#endif

#endif
