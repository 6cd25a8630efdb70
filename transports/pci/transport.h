/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VirtIO PCI function as a transport, modern (VirtIO 1.2, 4.1.4) or legacy
 * (4.1.4.10: registers in the I/O ports of BAR 0).
 *
 *   open.c        which it is, and whose; then up, step by step
 *   modern.c      legacy.c      registers
 *   interrupt.c   what wakes us
 */
#ifndef VIOT_PCI_TRANSPORT_H
#define VIOT_PCI_TRANSPORT_H

#include "caps.h"
#include "function.h"
#include "platform.h"
#include "vfio.h"

struct pci_transport {
	struct viot_base base; /* first */
	struct viot_vfio vfio; /* closed: by sysfs */
	struct pci_function function;
	uint16_t command; /* as it is now, and as it was found */
	uint16_t command_before;
	bool command_changed;
	uint16_t queues; /* that will be used; 0: all there are */

	/* modern */
	struct viot_pci_caps caps;
	volatile char *common, *notify, *isr, *device;
	bool has_notification_data;
	volatile char *doorbell[VIOT_QUEUES_MAX]; /* by queue; checked when it is set up */
};

extern const struct vio_transport_ops viot_pci_modern_ops, viot_pci_legacy_ops;

/* modern.c; legacy.c: make the registers answer, and set what follows from them. */
int viot_pci_modern_start(struct pci_transport *p, struct vio_error *err);
int viot_pci_legacy_start(struct pci_transport *p, struct vio_error *err);
uint8_t viot_pci_modern_isr(struct viot_base *base);
uint8_t viot_pci_legacy_isr(struct viot_base *base);
/* How many queues it has, at most VIOT_QUEUES_MAX. */
uint16_t viot_pci_modern_queues(const struct pci_transport *p);
uint16_t viot_pci_legacy_queues(struct pci_transport *p);
/* The status register itself; legacy: without the kernel's help, once it has removed it. */
uint8_t viot_pci_modern_raw_status(const struct pci_transport *p);
bool viot_pci_legacy_stop(const struct pci_transport *p);

/* interrupt.c: @wanted, or by AUTO the best there is */
int viot_pci_start_interrupts(struct pci_transport *p, enum viot_interrupts wanted,
			      struct vio_error *err);

/*
 * Which vector the device (@queue false) or the selected queue is to use: writes it and
 * returns what reads back.
 */
typedef uint16_t viot_pci_set_vector(struct pci_transport *p, bool queue, uint16_t vector);
/* What a reset forgets; queue @index is selected. Nothing to do without vectors. */
int viot_pci_set_vectors(struct pci_transport *p, uint16_t index, viot_pci_set_vector *set,
			 struct vio_error *err);

/* open.c */
/*
 * What the status register says, or all ones of a function that is not there any
 * more: the kernel leaves the mapping of its registers in place, some machines read 0
 * where nothing answers, and a new device may come to answer there.
 */
uint8_t viot_pci_status(struct pci_transport *p, uint8_t status);
/* Sets and clears bits of the command register. */
int viot_pci_command(struct pci_transport *p, uint16_t set, uint16_t clear);
void viot_pci_release(struct pci_transport *p);

static inline struct pci_transport *viot_pci_of(struct vio_transport *t)
{
	return (struct pci_transport *)t; /* first member of its first member */
}

#endif
