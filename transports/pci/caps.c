/* SPDX-License-Identifier: BSD-3-Clause */
#include "caps.h"

#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

enum {
	FIRST_CAPABILITY = 0x40, /* below stands the standard header */
	LIST_MAX = 48,           /* as many as fit: 192 bytes of 4 */
	COMMON_SIZE = sizeof(struct virtio_pci_common_cfg),
};

struct reader {
	viot_pci_read_byte *read;
	void *context;
	const uint64_t *bar_size;
	const char *name;
	struct vio_error *err;
};

static int read8(const struct reader *r, unsigned offset, uint8_t *value)
{
	int rc = r->read(r->context, offset, value);

	if (rc < 0) {
		return vio_fail(
			r->err, rc,
			"%s: its PCI configuration space cannot be read at 0x%x: run as root",
			r->name, offset);
	}
	return 0;
}

static int read32(const struct reader *r, unsigned offset, uint32_t *value)
{
	*value = 0;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t byte;
		int rc = read8(r, offset + i, &byte);

		if (rc < 0) {
			return rc;
		}
		*value |= (uint32_t)byte << (8 * i);
	}
	return 0;
}

static int check_window(const struct reader *r, const struct viot_pci_window *window,
			uint32_t length_min, uint8_t type)
{
	uint64_t size = r->bar_size[window->bar];

	if ((uint64_t)window->offset + window->length > size) {
		return vio_fail(
			r->err, -EPROTO,
			"%s: its registers of type %u lie outside BAR %u (offset 0x%x, length "
			"0x%x, the BAR has 0x%llx)",
			r->name, type, window->bar, window->offset, window->length,
			(unsigned long long)size);
	}
	if (window->length < length_min || window->offset % 4 != 0) {
		return vio_fail(
			r->err, -EPROTO,
			"%s: its registers of type %u are impossible (offset 0x%x, length 0x%x, "
			"at least 0x%x was expected)",
			r->name, type, window->offset, window->length, length_min);
	}
	return 0;
}

static int read_notify(const struct reader *r, unsigned at, struct viot_pci_caps *caps)
{
	int rc = read32(r, at + VIRTIO_PCI_NOTIFY_CAP_MULT, &caps->notify_multiplier);
	uint32_t multiplier = caps->notify_multiplier;

	/* 4.1.4.4.1: an even power of two, or 0 */
	if (rc == 0 && (multiplier == 1 || (multiplier & (multiplier - 1)) != 0)) {
		rc = vio_fail(
			r->err, -EPROTO,
			"%s: a notification multiplier of %u is impossible: 0 or a power of two "
			"from 2 was expected",
			r->name, multiplier);
	}
	return rc;
}

/* Which window a type fills, and the least it must hold. */
static struct viot_pci_window *window_of(struct viot_pci_caps *caps, uint8_t type,
					 uint32_t *length_min, uint8_t *cap_length_min)
{
	*cap_length_min = sizeof(struct virtio_pci_cap);
	switch (type) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		*length_min = COMMON_SIZE;
		return &caps->common;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		*length_min = 2;
		*cap_length_min = sizeof(struct virtio_pci_notify_cap);
		return &caps->notify;
	case VIRTIO_PCI_CAP_ISR_CFG:
		*length_min = 1;
		return &caps->isr;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		*length_min = 4;
		return &caps->device;
	default:
		return NULL; /* others exist and are not needed */
	}
}

/* 4.1.4.1: reserved BAR values are skipped, and the first of each type counts. */
static int read_one(const struct reader *r, unsigned at, struct viot_pci_caps *caps)
{
	struct viot_pci_window window = {.present = true};
	struct viot_pci_window *slot;
	uint8_t type, length, length_needed;
	uint32_t length_min = 0;
	int rc = read8(r, at + VIRTIO_PCI_CAP_CFG_TYPE, &type);

	if (rc == 0) {
		rc = read8(r, at + VIRTIO_PCI_CAP_BAR, &window.bar);
	}
	if (rc == 0) {
		rc = read8(r, at + VIRTIO_PCI_CAP_LEN, &length);
	}
	if (rc == 0) {
		rc = read32(r, at + VIRTIO_PCI_CAP_OFFSET, &window.offset);
	}
	if (rc == 0) {
		rc = read32(r, at + VIRTIO_PCI_CAP_LENGTH, &window.length);
	}
	if (rc < 0) {
		return rc;
	}
	slot = window_of(caps, type, &length_min, &length_needed);
	if (!slot || slot->present || window.bar >= VIOT_PCI_BARS || length < length_needed) {
		return 0;
	}
	rc = check_window(r, &window, length_min, type);
	if (rc == 0 && type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
		rc = read_notify(r, at, caps);
	}
	*slot = window;
	return rc;
}

static int walk(const struct reader *r, struct viot_pci_caps *caps)
{
	uint8_t at, id;
	int rc = read8(r, PCI_CAPABILITY_LIST, &at);

	for (int i = 0; rc == 0 && i < LIST_MAX; i++) {
		at &= (uint8_t)~3;
		if (at < FIRST_CAPABILITY) {
			return 0;
		}
		rc = read8(r, at, &id);
		if (rc == 0 && id == PCI_CAP_ID_VNDR) {
			rc = read_one(r, at, caps);
		}
		if (rc == 0) {
			rc = read8(r, at + PCI_CAP_LIST_NEXT, &at);
		}
	}
	if (rc < 0) {
		return rc;
	}
	return vio_fail(r->err, -EPROTO, "%s: its list of PCI capabilities has no end", r->name);
}

int viot_pci_read_caps(viot_pci_read_byte *read, void *context,
		       const uint64_t bar_size[VIOT_PCI_BARS], const char *name,
		       struct viot_pci_caps *caps, struct vio_error *err)
{
	const struct reader r = {read, context, bar_size, name, err};
	uint8_t status;
	int rc;

	memset(caps, 0, sizeof(*caps));
	rc = read8(&r, PCI_STATUS, &status);
	if (rc == 0 && (status & PCI_STATUS_CAP_LIST)) {
		rc = walk(&r, caps);
	}
	if (rc < 0) {
		return rc;
	}
	if (!caps->common.present || !caps->notify.present || !caps->isr.present) {
		return vio_fail(
			err, -ENOTSUP,
			"%s: it has no VirtIO 1.0 registers (a legacy-only device): configure "
			"the VM for a modern or transitional one",
			name);
	}
	return 0;
}
