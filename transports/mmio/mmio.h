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
	volatile char *registers;
};

extern const struct vio_transport_ops viot_mmio_version1_ops, viot_mmio_version2_ops;

#endif
