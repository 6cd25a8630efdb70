/* SPDX-License-Identifier: BSD-3-Clause */
/* The registers of a modern VirtIO PCI function (VirtIO 1.2, 4.1.4.3). */
#ifndef VIOT_PCI_MODERN_H
#define VIOT_PCI_MODERN_H

#include <pciaccess.h>

#include "caps.h"
#include "platform.h"

enum {
	VIOT_PCI_QUEUES_MAX = 64
};

struct pci_modern {
	struct vio_transport t; /* first */
	struct viot_platform platform;
	struct pci_device *pci;
	struct viot_pci_caps caps;
	void *bar[VIOT_PCI_BARS]; /* mapped, or NULL */
	volatile char *common, *notify, *isr, *device;
	volatile char *doorbell[VIOT_PCI_QUEUES_MAX]; /* by queue; checked when it is set up */
	uint16_t command;                             /* as it was found */
	bool command_changed;
};

extern const struct vio_transport_ops viot_pci_modern_ops;

void viot_pci_release(struct pci_modern *m);

#endif
