/* SPDX-License-Identifier: BSD-3-Clause */
/* A device whose registers lie at a physical address; private to this folder. */
#ifndef VIOT_MMIO_PRIVATE_H
#define VIOT_MMIO_PRIVATE_H

#include "platform.h"

enum {
	VIOT_MMIO_WINDOW = 0x200,          /* what hypervisors give a slot */
	VIOT_MMIO_LEGACY_PAGE_SIZE = 4096, /* our choice for version 1 (4.2.4) */
};

struct mmio {
	struct viot_base base; /* first */
	struct viot_mapping mapping;
	struct viot_uio uio; /* name empty: none */
	int uio_fd;          /* until the interrupt has it; -1 */
	volatile char *registers;
};

extern const struct vio_transport_ops viot_mmio_version1_ops, viot_mmio_version2_ops;

/* The interrupt status (4.2.2), acknowledged. */
uint8_t viot_mmio_isr(struct viot_base *base);

/* interrupt.c: UIO for the device at @smem, if there is one; before its registers are mapped */
int viot_mmio_find_uio(struct mmio *m, uint64_t smem, uint32_t irq, enum viot_interrupts wanted,
		       struct vio_error *err);
int viot_mmio_start_interrupts(struct mmio *m, enum viot_interrupts wanted, struct vio_error *err);

#endif
