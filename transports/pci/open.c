/* SPDX-License-Identifier: BSD-3-Clause */
/* From an address to a mapped, bus-mastering function. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "modern.h"
#include "pci.h"

static int map_window(struct pci_modern *m, const struct viot_pci_window *window,
		      volatile char **registers, struct vio_error *err)
{
	int rc = window->present ? viot_pci_bar(&m->function, window->bar, registers, err) : 0;

	if (rc == 0 && window->present) {
		*registers += window->offset;
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

/* All that can be known while a kernel driver still holds the function. */
static int examine(struct pci_modern *m, const struct viot_options *options, struct vio_error *err)
{
	const struct viot_pci_identity *identity = &m->function.identity;
	const char *name = m->base.t.name;
	int rc;

	if (identity->type == 0) {
		return vio_fail(err, -ENODEV,
				"%s is no VirtIO device (vendor %04x, device %04x; 1af4:1042 or "
				"1af4:1001 was expected): see the list of PCI functions (lspci, "
				"devb-virtio --list)",
				name, identity->vendor_id, identity->device_id);
	}
	rc = viot_check_type(name, identity->type, options, err);
	if (rc == 0) {
		rc = check_iommu(identity->name, err);
	}
	if (rc == 0) {
		rc = viot_pci_function_open(&m->function, err);
	}
	if (rc < 0) {
		return rc;
	}
	return viot_pci_read_caps(viot_pci_config_read8, &m->function, identity->bar_size, name,
				  &m->caps, err);
}

static int free_from_kernel(struct pci_modern *m, const struct viot_options *options,
			    struct vio_error *err)
{
	struct viot_holder *holder = &m->base.holder;

	viot_holder_of(holder, "pci", m->function.identity.name);
	/* it only forwards an interrupt, and leaves the registers to us */
	if (strcmp(holder->driver, "uio_pci_generic") == 0) {
		return 0;
	}
	return viot_holder_free(holder, options, err);
}

/* INTx is off: nobody would answer it while we poll, and the kernel would shut its line down. */
int viot_pci_set_master(struct pci_modern *m, bool on)
{
	uint16_t command = m->command | PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE;

	command = (uint16_t)(on ? command | PCI_COMMAND_MASTER : command & ~PCI_COMMAND_MASTER);
	return viot_pci_config_write16(&m->function, PCI_COMMAND, command);
}

/* Registers without DMA: before its reset the device may work for a process that was killed. */
static int enable_registers(struct pci_modern *m, struct vio_error *err)
{
	int rc = viot_pci_config_read16(&m->function, PCI_COMMAND, &m->command);

	if (rc == 0) {
		rc = viot_pci_set_master(m, false);
	}
	if (rc < 0) {
		return vio_fail(err, rc,
				"%s: its PCI command register cannot be changed: run as root, "
				"without kernel lockdown",
				m->base.t.name);
	}
	m->command_changed = true;
	return 0;
}

static int enable_dma(struct pci_modern *m, struct vio_error *err)
{
	int rc = viot_pci_set_master(m, true);

	return rc < 0 ? vio_fail(err, rc, "%s: bus mastering cannot be switched on", m->base.t.name)
		      : 0;
}

static int start(struct pci_modern *m, const struct viot_options *options, struct vio_error *err)
{
	int rc = viot_base_claim(&m->base, err);

	if (rc < 0) {
		return rc;
	}
	if ((rc = examine(m, options, err)) < 0 || (rc = free_from_kernel(m, options, err)) < 0 ||
	    (rc = enable_registers(m, err)) < 0 || (rc = map_registers(m, err)) < 0 ||
	    (rc = viot_base_start(&m->base, options, err)) < 0) {
		return rc;
	}
	return enable_dma(m, err);
}

static struct pci_modern *make(const struct viot_pci_identity *identity)
{
	struct pci_modern *m = calloc(1, sizeof(*m));
	struct vio_transport *t;

	if (!m) {
		return NULL;
	}
	viot_base_init(&m->base);
	m->function.identity = *identity;
	m->function.config = -1;
	t = &m->base.t;
	snprintf(t->name, sizeof(t->name), "pci-%s", identity->name);
	t->ops = &viot_pci_modern_ops;
	t->ring_align = 4;
	t->device_type = identity->type;
	t->vendor_id = identity->subvendor_id;
	return m;
}

int viot_pci_open(struct vio_transport **out, const struct viot_address *address,
		  const struct viot_options *options, struct vio_error *err)
{
	struct viot_pci_identity identity;
	struct pci_modern *m;
	int rc = viot_pci_find(&identity, address, options->device_type, err);

	if (rc < 0) {
		return rc;
	}
	m = make(&identity);
	if (!m) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	rc = start(m, options, err);
	if (rc < 0) {
		viot_pci_release(m);
		return rc;
	}
	viot_base_keep(&m->base);
	*out = &m->base.t;
	return 0;
}

void viot_pci_release(struct pci_modern *m)
{
	viot_base_quiesce(&m->base);
	/* without bus mastering even a device that ignored its reset reaches no memory */
	if (m->command_changed) {
		viot_pci_config_write16(&m->function, PCI_COMMAND,
					m->command & (uint16_t)~PCI_COMMAND_MASTER);
	}
	viot_pci_function_close(&m->function);
	viot_base_release(&m->base);
	free(m);
}
