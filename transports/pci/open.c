/* SPDX-License-Identifier: BSD-3-Clause */
/* From an address to a mapped, bus-mastering function. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/virtio_ids.h>

#include "modern.h"
#include "pci.h"

static bool matches(const struct viot_address *address, const struct pci_device *pci,
		    uint32_t wanted, uint32_t *seen)
{
	uint32_t type = viot_pci_virtio_type(pci);

	if (address->kind == VIOT_PCI_FUNCTION) {
		return pci->domain == address->pci_domain && pci->bus == address->pci_bus &&
		       pci->dev == address->pci_device && pci->func == address->pci_function;
	}
	if (type == 0 || (wanted && type != wanted)) {
		return false;
	}
	return (*seen)++ == address->pci_index;
}

static int report_missing(const struct viot_address *address, uint32_t wanted, uint32_t seen,
			  struct vio_error *err)
{
	const char *type = wanted == VIRTIO_ID_BLOCK ? "VirtIO block" : "VirtIO";

	if (address->kind == VIOT_PCI_FUNCTION) {
		return vio_fail(err, -ENODEV,
				"there is no PCI function %04x:%02x:%02x.%x on this machine: see "
				"'devb-virtio --list'",
				address->pci_domain, address->pci_bus, address->pci_device,
				address->pci_function);
	}
	if (seen == 0) {
		return vio_fail(
			err, -ENODEV,
			"no %s device was found on the PCI bus: add one to the VM, or give a "
			"directly mapped one with 'virtio smem=…,irq=…'",
			type);
	}
	return vio_fail(err, -ENODEV,
			"pci=%u was asked for, and the PCI bus has %u %s device%s (counted from 0)",
			address->pci_index, seen, type, seen == 1 ? "" : "s");
}

static int find(struct pci_modern *m, const struct viot_address *address, uint32_t wanted,
		struct vio_error *err)
{
	struct pci_device_iterator *iterator = pci_slot_match_iterator_create(NULL);
	struct pci_device *pci = NULL;
	uint32_t seen = 0;

	while (iterator && (pci = pci_device_next(iterator)) != NULL) {
		pci_device_probe(pci);
		if (matches(address, pci, wanted, &seen)) {
			break;
		}
	}
	pci_iterator_destroy(iterator);
	if (!pci) {
		return report_missing(address, wanted, seen, err);
	}
	m->pci = pci;
	m->t.device_type = viot_pci_virtio_type(pci);
	m->t.vendor_id = pci->subvendor_id;
	return 0;
}

static int read_byte(void *context, unsigned offset, uint8_t *value)
{
	return pci_device_cfg_read_u8(context, value, offset) ? -EACCES : 0;
}

static int map_bar(struct pci_modern *m, unsigned bar, struct vio_error *err)
{
	const struct pci_mem_region *region = &m->pci->regions[bar];
	int rc;

	if (m->bar[bar]) {
		return 0;
	}
	rc = pci_device_map_range(m->pci, region->base_addr, region->size,
				  PCI_DEV_MAP_FLAG_WRITABLE, &m->bar[bar]);
	if (rc) {
		m->bar[bar] = NULL;
		return vio_fail(
			err, rc == EACCES || rc == EPERM ? -EACCES : -EBUSY,
			"%s: BAR %u cannot be mapped (%s): run as root, and see that no kernel "
			"driver holds the device",
			m->t.name, bar, strerror(rc));
	}
	return 0;
}

static int map_window(struct pci_modern *m, const struct viot_pci_window *window,
		      volatile char **registers, struct vio_error *err)
{
	int rc;

	if (!window->present) {
		return 0;
	}
	rc = map_bar(m, window->bar, err);
	if (rc == 0) {
		*registers = (volatile char *)m->bar[window->bar] + window->offset;
	}
	return rc;
}

static int map_registers(struct pci_modern *m, struct vio_error *err)
{
	int rc = map_window(m, &m->caps.common, &m->common, err);

	if (rc == 0) {
		rc = map_window(m, &m->caps.notify, &m->notify, err);
	}
	if (rc == 0) {
		rc = map_window(m, &m->caps.isr, &m->isr, err);
	}
	if (rc == 0) {
		rc = map_window(m, &m->caps.device, &m->device, err);
	}
	return rc;
}

static int read_caps(struct pci_modern *m, struct vio_error *err)
{
	uint64_t bar_size[VIOT_PCI_BARS];

	for (unsigned i = 0; i < VIOT_PCI_BARS; i++) {
		const struct pci_mem_region *region = &m->pci->regions[i];

		bar_size[i] = region->is_IO ? 0 : region->size;
	}
	return viot_pci_read_caps(read_byte, m->pci, bar_size, m->t.name, &m->caps, err);
}

/* With an IOMMU translating, physical addresses lead nowhere. */
static int check_iommu(const char *name, struct vio_error *err)
{
	char path[128], type[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/type", name);
	file = fopen(path, "re");
	if (!file) {
		return 0;
	}
	if (!fgets(type, sizeof(type), file)) {
		type[0] = '\0';
	}
	fclose(file);
	type[strcspn(type, "\n")] = '\0';
	if (strcmp(type, "identity") == 0) {
		return 0;
	}
	return vio_fail(err, -ENOTSUP,
			"%s stands behind an IOMMU that translates its addresses (%s): boot with "
			"iommu=pt, or write 'identity' to %s",
			name, type, path);
}

static int check_holder(const char *name, bool takeover, struct vio_error *err)
{
	struct viot_holder holder;

	viot_holder_of(&holder, "pci", name);
	/* it only forwards an interrupt, and leaves the registers to us */
	if (strcmp(holder.driver, "uio_pci_generic") == 0) {
		return 0;
	}
	return viot_holder_check(&holder, takeover, err);
}

/*
 * Memory decoding for the registers, bus mastering for DMA; INTx off, because
 * nobody would answer it while we poll and the kernel would shut its line down.
 */
static int enable(struct pci_modern *m, struct vio_error *err)
{
	uint16_t command;

	if (pci_device_cfg_read_u16(m->pci, &m->command, PCI_COMMAND)) {
		return vio_fail(err, -EACCES,
				"%s: its PCI configuration space cannot be read: run as root",
				m->t.name);
	}
	command = m->command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE;
	if (pci_device_cfg_write_u16(m->pci, command, PCI_COMMAND)) {
		return vio_fail(
			err, -EACCES,
			"%s: bus mastering cannot be switched on: run as root, without kernel "
			"lockdown",
			m->t.name);
	}
	m->command_changed = true;
	return 0;
}

static int open_function(struct pci_modern *m, const struct viot_options *options,
			 struct vio_error *err)
{
	char name[VIOT_PCI_NAME_SIZE];
	int rc;

	viot_pci_name(m->pci, name);
	rc = viot_platform_claim(&m->platform, m->t.name, err);
	if (rc == 0) {
		rc = check_holder(name, options->takeover, err);
	}
	if (rc == 0) {
		rc = check_iommu(name, err);
	}
	if (rc == 0) {
		rc = read_caps(m, err);
	}
	if (rc == 0) {
		rc = enable(m, err);
	}
	if (rc == 0) {
		rc = map_registers(m, err);
	}
	if (rc == 0) {
		rc = viot_platform_start(&m->platform, &m->t, options, err);
	}
	return rc;
}

static int start(struct pci_modern *m, const struct viot_address *address,
		 const struct viot_options *options, struct vio_error *err)
{
	char name[VIOT_PCI_NAME_SIZE];
	int rc = find(m, address, options->device_type, err);

	if (rc < 0) {
		return rc;
	}
	viot_pci_name(m->pci, name);
	snprintf(m->t.name, sizeof(m->t.name), "pci-%s", name);
	if (m->t.device_type == 0) {
		return vio_fail(err, -ENODEV,
				"%s is no VirtIO device (vendor %04x, device %04x; 1af4:1042 or "
				"1af4:1001 was expected): see 'devb-virtio --list'",
				m->t.name, m->pci->vendor_id, m->pci->device_id);
	}
	rc = viot_check_type(m->t.name, m->t.device_type, options, err);
	return rc < 0 ? rc : open_function(m, options, err);
}

int viot_pci_open(struct vio_transport **out, const struct viot_address *address,
		  const struct viot_options *options, struct vio_error *err)
{
	struct pci_modern *m;
	int rc = viot_pci_enter(err);

	if (rc < 0) {
		return rc;
	}
	m = calloc(1, sizeof(*m));
	if (!m) {
		viot_pci_leave();
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	m->platform.lock.fd = -1;
	m->platform.timer = -1;
	m->t.ops = &viot_pci_modern_ops;
	m->t.ring_align = 4;
	rc = start(m, address, options, err);
	if (rc < 0) {
		viot_pci_release(m);
		return rc;
	}
	*out = &m->t;
	return 0;
}

void viot_pci_release(struct pci_modern *m)
{
	for (unsigned i = 0; i < VIOT_PCI_BARS; i++) {
		if (m->bar[i]) {
			pci_device_unmap_range(m->pci, m->bar[i], m->pci->regions[i].size);
		}
	}
	/* without bus mastering even a device that ignored its reset reaches no memory */
	if (m->command_changed) {
		pci_device_cfg_write_u16(m->pci, m->command & (uint16_t)~PCI_COMMAND_MASTER,
					 PCI_COMMAND);
	}
	viot_platform_release(&m->platform);
	viot_pci_leave();
	free(m);
}
