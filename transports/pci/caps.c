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

/* What the specification says of each type of window (4.1.4.3 to 4.1.4.6). */
struct kind {
	uint32_t length_min, align;
	uint8_t cap_length_min;
};

static const struct kind kinds[] = {
	[VIRTIO_PCI_CAP_COMMON_CFG] = {COMMON_SIZE, 4, sizeof(struct virtio_pci_cap)},
	[VIRTIO_PCI_CAP_NOTIFY_CFG] = {2, 2, sizeof(struct virtio_pci_notify_cap)},
	[VIRTIO_PCI_CAP_ISR_CFG] = {1, 1, sizeof(struct virtio_pci_cap)},
	[VIRTIO_PCI_CAP_DEVICE_CFG] = {4, 4, sizeof(struct virtio_pci_cap)},
};

static int check_window(const struct reader *r, const struct viot_pci_window *window, uint8_t type)
{
	const struct kind *kind = &kinds[type];
	uint64_t size = r->bar_size[window->bar];

	if ((uint64_t)window->offset + window->length > size) {
		return vio_fail(
			r->err, -EPROTO,
			"%s: its registers of type %u lie outside BAR %u (offset 0x%x, length "
			"0x%x, the BAR has 0x%llx)",
			r->name, type, window->bar, window->offset, window->length,
			(unsigned long long)size);
	}
	if (window->length < kind->length_min || window->offset % kind->align != 0) {
		return vio_fail(
			r->err, -EPROTO,
			"%s: its registers of type %u are impossible (offset 0x%x, length 0x%x; "
			"at least 0x%x at a multiple of %u was expected)",
			r->name, type, window->offset, window->length, kind->length_min,
			kind->align);
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

/* The window that a type fills; NULL for types that exist and are not needed. */
static struct viot_pci_window *slot_of(struct viot_pci_caps *caps, uint8_t type)
{
	switch (type) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		return &caps->common;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		return &caps->notify;
	case VIRTIO_PCI_CAP_ISR_CFG:
		return &caps->isr;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		return &caps->device;
	default:
		return NULL;
	}
}

static int read_window(const struct reader *r, unsigned at, struct viot_pci_window *window)
{
	int rc = read32(r, at + VIRTIO_PCI_CAP_OFFSET, &window->offset);

	return rc < 0 ? rc : read32(r, at + VIRTIO_PCI_CAP_LENGTH, &window->length);
}

/*
 * 4.1.4.1: the first of each type that we support counts. Capabilities that are
 * cut short, reserved BAR numbers, and BARs that are not in memory but ports are
 * passed over.
 */
static int is_supported(const struct reader *r, unsigned at, uint8_t type, uint8_t *bar)
{
	uint8_t length;
	int rc = read8(r, at + VIRTIO_PCI_CAP_LEN, &length);

	if (rc < 0 || length < kinds[type].cap_length_min || at + length > PCI_CFG_SPACE_SIZE) {
		return rc;
	}
	rc = read8(r, at + VIRTIO_PCI_CAP_BAR, bar);
	return rc < 0 ? rc : *bar < VIOT_PCI_BARS && r->bar_size[*bar] != 0;
}

static int read_one(const struct reader *r, unsigned at, struct viot_pci_caps *caps)
{
	struct viot_pci_window window = {.present = true};
	struct viot_pci_window *slot;
	uint8_t type;
	int rc = read8(r, at + VIRTIO_PCI_CAP_CFG_TYPE, &type);

	slot = rc == 0 ? slot_of(caps, type) : NULL;
	if (!slot || slot->present) {
		return rc;
	}
	rc = is_supported(r, at, type, &window.bar);
	if (rc <= 0) {
		return rc;
	}
	rc = read_window(r, at, &window);
	if (rc == 0) {
		rc = check_window(r, &window, type);
	}
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
