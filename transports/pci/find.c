/* SPDX-License-Identifier: BSD-3-Clause */
/* From an address to the PCI function that it means. */
#include "pci.h"

#include <errno.h>
#include <pciaccess.h>
#include <string.h>

#include <linux/virtio_ids.h>

struct search {
	const struct viot_address *address;
	uint32_t wanted;
	uint32_t seen; /* functions that an index counts */
	struct viot_pci_identity *identity;
	bool found;
};

static bool matches(struct search *search, const struct pci_device *pci)
{
	const struct viot_address *address = search->address;
	uint32_t type = viot_pci_virtio_type(pci);

	if (address->kind == VIOT_PCI_FUNCTION) {
		return pci->domain == address->pci_domain && pci->bus == address->pci_bus &&
		       pci->dev == address->pci_device && pci->func == address->pci_function;
	}
	if (type == 0 || (search->wanted && type != search->wanted)) {
		return false;
	}
	return search->seen++ == address->pci_index;
}

static void describe(const struct pci_device *pci, struct viot_pci_identity *identity)
{
	memset(identity, 0, sizeof(*identity));
	viot_pci_name(pci, identity->name);
	identity->vendor_id = (uint16_t)pci->vendor_id;
	identity->device_id = (uint16_t)pci->device_id;
	identity->subvendor_id = (uint16_t)pci->subvendor_id;
	identity->type = viot_pci_virtio_type(pci);
	for (unsigned i = 0; i < VIOT_PCI_BARS; i++) {
		identity->bar_start[i] = pci->regions[i].base_addr;
		if (pci->regions[i].is_IO) {
			identity->port_size[i] = pci->regions[i].size;
		} else {
			identity->bar_size[i] = pci->regions[i].size;
		}
	}
}

static bool visit(void *context, struct pci_device *pci)
{
	struct search *search = context;

	search->found = matches(search, pci);
	if (search->found) {
		pci_device_probe(pci); /* fills in the BARs */
		describe(pci, search->identity);
	}
	return search->found;
}

static int report_missing(const struct search *search, struct vio_error *err)
{
	const struct viot_address *address = search->address;
	const char *type = search->wanted == VIRTIO_ID_BLOCK ? "VirtIO block" : "VirtIO";

	if (address->kind == VIOT_PCI_FUNCTION) {
		return vio_fail(
			err, -ENODEV,
			"there is no PCI function %04x:%02x:%02x.%x on this machine: see the "
			"list of PCI functions (lspci, devb-virtio --list)",
			address->pci_domain, address->pci_bus, address->pci_device,
			address->pci_function);
	}
	if (search->seen == 0) {
		return vio_fail(
			err, -ENODEV,
			"no %s device was found on the PCI bus: add one to the VM, or give a "
			"directly mapped one with 'smem=…,irq=…'",
			type);
	}
	return vio_fail(err, -ENODEV,
			"pci=%u was asked for, and the PCI bus has %u %s device%s (counted from 0)",
			address->pci_index, search->seen, type, search->seen == 1 ? "" : "s");
}

int viot_pci_find(struct viot_pci_identity *identity, const struct viot_address *address,
		  uint32_t wanted, struct vio_error *err)
{
	struct search search = {.address = address, .wanted = wanted, .identity = identity};
	int rc = viot_pci_scan(visit, &search, err);

	if (rc < 0) {
		return rc;
	}
	return search.found ? 0 : report_missing(&search, err);
}
