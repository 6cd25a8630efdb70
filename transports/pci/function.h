/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One PCI function: configuration space and BARs. Each is a stretch of a file,
 * of sysfs or of VFIO, so that nothing above needs to know which.
 */
#ifndef VIOT_PCI_FUNCTION_H
#define VIOT_PCI_FUNCTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <vio/error.h>

#include "caps.h"
#include "vfio.h"

enum {
	VIOT_PCI_NAME_SIZE = 16
};

/* What a scan found. */
struct viot_pci_identity {
	char name[VIOT_PCI_NAME_SIZE]; /* "0000:00:04.0" */
	uint16_t vendor_id, device_id, subvendor_id;
	uint32_t type;                     /* VIRTIO_ID_…, 0 if it is no VirtIO device */
	uint64_t bar_start[VIOT_PCI_BARS]; /* physical */
	uint64_t bar_size[VIOT_PCI_BARS];  /* bytes; 0: not in memory */
	uint64_t port_size[VIOT_PCI_BARS]; /* bytes; 0: not I/O ports */
};

struct pci_region {
	int fd; /* -1: not opened */
	off_t offset;
	void *map; /* page aligned, or NULL */
	size_t map_size;
};

struct pci_function {
	struct viot_pci_identity identity;
	struct viot_vfio *vfio; /* NULL: sysfs; not owned */
	struct pci_region config;
	struct pci_region bar[VIOT_PCI_BARS];
	int ports; /* /dev/port: the ports of a function that the kernel has removed; or -1 */
	atomic_bool *is_gone; /* set when registers stop to answer */
};

/* @vfio: open, or NULL */
int viot_pci_function_open(struct pci_function *function, struct viot_vfio *vfio,
			   atomic_bool *is_gone, struct vio_error *err);
void viot_pci_function_close(struct pci_function *function);
/* Whether the kernel still knows it. */
bool viot_pci_function_exists(const struct pci_function *function);

/* viot_pci_read_byte; @context: the function */
int viot_pci_config_read8(void *context, unsigned offset, uint8_t *value);
int viot_pci_config_read16(const struct pci_function *function, unsigned offset, uint16_t *value);
int viot_pci_config_write16(const struct pci_function *function, unsigned offset, uint16_t value);

/* The first byte of a BAR, mapped when it is first asked for. */
int viot_pci_bar(struct pci_function *function, unsigned bar, volatile char **first,
		 struct vio_error *err);

/* A BAR of I/O ports, to be read and written by viot_pci_port_…(). */
int viot_pci_open_ports(struct pci_function *function, unsigned bar, struct vio_error *err);
/* 1, 2 or 4 bytes in wire order; all ones when nothing answers. */
void viot_pci_port_read(const struct pci_function *function, unsigned bar, unsigned offset,
			void *value, size_t size);
void viot_pci_port_write(const struct pci_function *function, unsigned bar, unsigned offset,
			 const void *value, size_t size);

#endif
