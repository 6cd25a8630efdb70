/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "platform.h"

int viot_open(struct vio_transport **t, const struct viot_address *address,
	      const struct viot_options *options, struct vio_error *err)
{
	static const struct viot_options defaults;

	*t = NULL;
	if (!options) {
		options = &defaults;
	}
	if (address->kind == VIOT_MMIO) {
		return viot_mmio_open(t, address, options, err);
	}
	if (address->kind == VIOT_FDT_ALL || address->kind == VIOT_FDT_INDEX) {
		return viot_fdt_open(t, address, options, err);
	}
	return viot_pci_open(t, address, options, err);
}
