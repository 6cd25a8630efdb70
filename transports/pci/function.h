/* SPDX-License-Identifier: BSD-3-Clause */
/* One PCI function through its files in sysfs: configuration space and BARs. */
#ifndef VIOT_PCI_FUNCTION_H
#define VIOT_PCI_FUNCTION_H

#include <stddef.h>
#include <stdint.h>

#include <vio/error.h>

#include "caps.h"

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
};

struct pci_function {
	struct viot_pci_identity identity;
	int config; /* descriptor; -1 while closed */
	struct {
		void *map; /* page aligned, or NULL */
		size_t map_size;
	} bar[VIOT_PCI_BARS];
};

int viot_pci_function_open(struct pci_function *function, struct vio_error *err);
void viot_pci_function_close(struct pci_function *function);

/* viot_pci_read_byte; @context: the function */
int viot_pci_config_read8(void *context, unsigned offset, uint8_t *value);
int viot_pci_config_read16(const struct pci_function *function, unsigned offset, uint16_t *value);
int viot_pci_config_write16(const struct pci_function *function, unsigned offset, uint16_t value);

/* The first byte of a BAR, mapped when it is first asked for. */
int viot_pci_bar(struct pci_function *function, unsigned bar, volatile char **first,
		 struct vio_error *err);

#endif
