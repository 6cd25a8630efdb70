/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is on the PCI bus, without touching it: for lists and tools. To drive a
 * function, see open.h.
 */
#ifndef VIO_TRANSPORT_PCI_H
#define VIO_TRANSPORT_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include <vio/error.h>
#include <vio/export.h>

#ifdef __cplusplus
extern "C" {
#endif

struct viot_pci_function {
	uint16_t domain;
	uint8_t bus, device, function;
	uint16_t vendor_id, device_id;
	uint16_t subvendor_id, subdevice_id;
	uint32_t device_class; /* 24 bits: class, subclass, register interface */
	uint8_t revision;
	uint32_t virtio_type; /* VIRTIO_ID_…, 0 if it is no VirtIO device */
	char vendor_name[80]; /* from the machine's PCI list; empty if unknown */
	char device_name[80];
	char driver[32]; /* the kernel driver that holds it; empty if none */
};

/**
 * viot_pci_list - all functions, in bus order
 * @functions: receives the first @max of them
 *
 * Returns how many there are, 0 on a machine without PCI, or a negative errno.
 */
VIO_EXPORT int viot_pci_list(struct viot_pci_function *functions, unsigned max,
			     struct vio_error *err);

/* Short English name of a device class ("block", "network"), "unknown" if it has none. */
VIO_EXPORT const char *viot_type_name(uint32_t virtio_type);

#ifdef __cplusplus
}
#endif

#endif
