/* SPDX-License-Identifier: BSD-3-Clause */
/* The registers of a modern VirtIO PCI function (VirtIO 1.2, 4.1.4.3). */
#ifndef VIOT_PCI_MODERN_H
#define VIOT_PCI_MODERN_H

#include "caps.h"
#include "function.h"
#include "platform.h"

enum {
	VIOT_PCI_QUEUES_MAX = 64
};

struct pci_modern {
	struct viot_base base; /* first */
	struct pci_function function;
	struct viot_pci_caps caps;
	volatile char *common, *notify, *isr, *device;
	volatile char *doorbell[VIOT_PCI_QUEUES_MAX]; /* by queue; checked when it is set up */
	uint16_t command;                             /* as it was found */
	bool command_changed;
};

extern const struct vio_transport_ops viot_pci_modern_ops;

/* open.c */
/* Whether the function may reach memory; its registers answer either way. */
int viot_pci_set_master(struct pci_modern *m, bool on);
void viot_pci_release(struct pci_modern *m);

#endif
