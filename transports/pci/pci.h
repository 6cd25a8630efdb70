/* SPDX-License-Identifier: BSD-3-Clause */
/* The PCI bus as libpciaccess shows it; private to this folder. */
#ifndef VIOT_PCI_H
#define VIOT_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include <vio-transport/address.h>
#include <vio/error.h>

#include "function.h"

struct pci_device;

/* Whether to stop here; @pci is valid during the call only. */
typedef bool viot_pci_visitor(void *context, struct pci_device *pci);

/*
 * All functions in bus order, as they are now: each scan starts afresh, so that
 * one that was plugged in is found while others are driven.
 */
int viot_pci_scan(viot_pci_visitor *visit, void *context, struct vio_error *err);

/* VIRTIO_ID_… of a function, 0 if it is no VirtIO device. */
uint32_t viot_pci_virtio_type(const struct pci_device *pci);

void viot_pci_name(const struct pci_device *pci, char name[VIOT_PCI_NAME_SIZE]);

/* The function that is meant; @wanted: VIRTIO_ID_…, 0 = any. -ENODEV if it is not there. */
int viot_pci_find(struct viot_pci_identity *identity, const struct viot_address *address,
		  uint32_t wanted, struct vio_error *err);

#endif
