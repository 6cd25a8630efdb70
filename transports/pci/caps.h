/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VirtIO capabilities of a PCI function (VirtIO 1.2, 4.1.4): where in which
 * BAR its registers are. Pure: reads configuration space through a callback, so
 * that it is tested without a machine.
 */
#ifndef VIOT_PCI_CAPS_H
#define VIOT_PCI_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vio/error.h>

enum {
	VIOT_PCI_BARS = 6
};

/* One byte of configuration space; 0 or a negative errno. */
typedef int viot_pci_read_byte(void *context, unsigned offset, uint8_t *value);

/* A window of registers in a BAR. */
struct viot_pci_window {
	bool present;
	uint8_t bar;
	uint32_t offset, length; /* bytes */
};

struct viot_pci_caps {
	struct viot_pci_window common, notify, isr, device;
	uint32_t notify_multiplier; /* bytes between the doorbells of two queues */
};

/**
 * viot_pci_read_caps - find and check the windows
 * @bar_size: bytes of each BAR that is mapped in memory, 0 for the others
 *
 * Returns 0; -ENOTSUP if the function has no modern registers; -EPROTO, with a
 * sentence, if what it has is impossible (a window outside its BAR, a list
 * without end, a register block too short).
 */
int viot_pci_read_caps(viot_pci_read_byte *read, void *context,
		       const uint64_t bar_size[VIOT_PCI_BARS], const char *name,
		       struct viot_pci_caps *caps, struct vio_error *err);

#endif
