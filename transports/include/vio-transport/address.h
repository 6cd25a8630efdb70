/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a VirtIO device is: the value that every tool reads from its command
 * line and hands to viot_open() (see <vio-transport/open.h>).
 *
 *   smem=0x1c0d0000,irq=41   registers mapped at a guest-physical address
 *   pci=0                    the first VirtIO block function on the PCI bus
 *   pci=0000:00:04.0         that PCI function
 *   fdt                      every VirtIO block device that the device tree declares
 *   fdt=0                    the first of them, in the order of addresses
 *   fdt=board.dtb            every one that this file declares
 *   fdt=board.dtb:0          the first of those
 *   vhost-user=/run/d.sock   a device that another process serves on this socket
 *   (nothing)                the only one, or the first, on the PCI bus
 *
 * What `fdt` means is looked up when the device is opened; mmio.h does it too.
 */
#ifndef VIO_TRANSPORT_ADDRESS_H
#define VIO_TRANSPORT_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <vio/error.h>
#include <vio/export.h>

#ifdef __cplusplus
extern "C" {
#endif

enum viot_address_kind {
	VIOT_PCI_INDEX,    /* the n-th matching function, in bus order */
	VIOT_PCI_FUNCTION, /* one named function */
	VIOT_MMIO,         /* registers at a guest-physical address */
	VIOT_FDT_ALL,      /* whatever a device tree declares; viot_open() wants it to be one */
	VIOT_FDT_INDEX,    /* the n-th of them, in the order of addresses */
	VIOT_VHOST_USER,   /* a back end's socket */
};

#define VIOT_FDT_FILE_SIZE   128
#define VIOT_VHOST_USER_SIZE 108 /* as the kernel has it for all sockets */

struct viot_address {
	enum viot_address_kind kind;
	/* VIOT_PCI_INDEX: 0 is the first */
	uint32_t pci_index;
	/* VIOT_PCI_FUNCTION */
	uint16_t pci_domain;
	uint8_t pci_bus, pci_device, pci_function;
	/* VIOT_MMIO: guest-physical address of the registers */
	uint64_t smem;
	/* VIOT_MMIO: interrupt number as the hypervisor counts it (Arm: GIC INTID, x86: GSI) */
	uint32_t irq;
	/* VIOT_FDT_INDEX: 0 is the first that has the class asked for */
	uint32_t fdt_index;
	/* VIOT_FDT_…: a blob; empty: this machine's own tree */
	char fdt_file[VIOT_FDT_FILE_SIZE];
	/* VIOT_VHOST_USER: the path, without a comma */
	char vhost_user[VIOT_VHOST_USER_SIZE];
};

/**
 * viot_address_parse_pci - the value of a `pci=` option
 * @text: an index ("0", "0x1") or a function ("0000:00:04.0", "00:04.0")
 *
 * Returns 0, or -EINVAL with a sentence in @err. Any thread; does not look for the device.
 */
VIO_EXPORT int viot_address_parse_pci(const char *text, struct viot_address *address,
				      struct vio_error *err);

/**
 * viot_address_parse - a whole address, as in the table above
 * @text: "smem=…,irq=…", "pci=…", "fdt…", "vhost-user=…" or "" for the first PCI function
 *
 * Returns 0, or -EINVAL with a sentence in @err. Any thread; does not look for the device.
 */
VIO_EXPORT int viot_address_parse(const char *text, struct viot_address *address,
				  struct vio_error *err);

#ifdef __cplusplus
}
#endif

#endif
