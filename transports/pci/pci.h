/* SPDX-License-Identifier: BSD-3-Clause */
/* The PCI bus as libpciaccess shows it; private to this folder. */
#ifndef VIOT_PCI_H
#define VIOT_PCI_H

#include <pciaccess.h>
#include <stdbool.h>
#include <stdint.h>

#include <vio/error.h>

/* Starts libpciaccess; every success is paired with viot_pci_leave(). */
int viot_pci_enter(struct vio_error *err);
void viot_pci_leave(void);

/* VIRTIO_ID_… of a function, 0 if it is no VirtIO device. */
uint32_t viot_pci_virtio_type(const struct pci_device *pci);

/* "0000:00:04.0" */
enum {
	VIOT_PCI_NAME_SIZE = 16
};
void viot_pci_name(const struct pci_device *pci, char name[VIOT_PCI_NAME_SIZE]);

#endif
