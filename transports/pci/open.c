/* SPDX-License-Identifier: BSD-3-Clause */
/* From an address to a mapped, bus-mastering function. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>

#include <vio/device.h>
#include <vio/log.h>

#include "pci.h"
#include "transport.h"

enum {
	STOP_TRIES = 100,
	STOP_PAUSE_US = 1000,
};

static int examine(const struct pci_transport *p, const struct viot_options *options,
		   struct vio_error *err)
{
	const struct viot_pci_identity *identity = &p->function.identity;

	if (identity->type == 0) {
		return vio_fail(err, -ENODEV,
				"%s is no VirtIO device (vendor %04x, device %04x; 1af4:1042 or "
				"1af4:1001 was expected): see the list of PCI functions (lspci, "
				"devb-virtio --list)",
				p->base.t.name, identity->vendor_id, identity->device_id);
	}
	return viot_check_type(p->base.t.name, identity->type, options, err);
}

/*
 * uio_pci_generic only forwards an interrupt, and leaves the registers to us;
 * vfio-pci is there to hand the function out. Any other driver has to go.
 */
static int take_function(struct pci_transport *p, const struct viot_options *options,
			 struct vio_error *err)
{
	struct viot_holder *holder = &p->base.holder;
	const char *name = p->function.identity.name;
	struct viot_vfio *vfio = NULL;
	int rc = 0;

	viot_holder_of(holder, "pci", name);
	if (strcmp(holder->driver, "vfio-pci") == 0) {
		vfio = &p->vfio;
		rc = viot_vfio_open(vfio, name, err);
	} else if (strcmp(holder->driver, "uio_pci_generic") != 0) {
		rc = viot_holder_free(holder, options, err);
	}
	return rc < 0 ? rc : viot_pci_function_open(&p->function, vfio, &p->base.is_gone, err);
}

int viot_pci_command(struct pci_transport *p, uint16_t set, uint16_t clear)
{
	p->command = (uint16_t)((p->command | set) & ~clear);
	return viot_pci_config_write16(&p->function, PCI_COMMAND, p->command);
}

/*
 * The kernel has removed the function, which neither stops a device nor takes its
 * registers from us: while nobody else can drive it, it is stopped. What reads all
 * ones after that is not there at all.
 */
static bool stop_removed(struct pci_transport *p)
{
	struct vio_transport *t = &p->base.t;
	uint8_t status;

	if (viot_pci_function_exists(&p->function)) {
		return false;
	}
	if (t->legacy) {
		return viot_pci_legacy_stop(p);
	}
	t->ops->set_status(t, 0);
	for (int i = 0; i < STOP_TRIES; i++) {
		status = viot_pci_modern_raw_status(p);
		if (atomic_load(&p->base.is_gone)) {
			return false; /* the mapping went: that says nothing of the device */
		}
		if (status == 0 || status == 0xff) {
			return true;
		}
		usleep(STOP_PAUSE_US);
	}
	return false;
}

static bool is_present(const struct pci_transport *p)
{
	uint16_t vendor;

	return viot_pci_config_read16(&p->function, PCI_VENDOR_ID, &vendor) == 0 &&
	       vendor != 0xffff;
}

uint8_t viot_pci_status(struct pci_transport *p, uint8_t status)
{
	if (!atomic_load(&p->base.is_gone) && !is_present(p)) {
		p->base.is_harmless |= stop_removed(p);
		atomic_store(&p->base.is_gone, true);
	}
	return viot_base_status(&p->base, status);
}

/*
 * Registers without DMA: before its reset the device may work for a process that
 * was killed. INTx stays off until somebody answers it: the kernel would shut the
 * line down.
 */
static int enable_registers(struct pci_transport *p, struct vio_error *err)
{
	int rc = viot_pci_config_read16(&p->function, PCI_COMMAND, &p->command_before);

	p->command = p->command_before;
	if (rc == 0) {
		rc = viot_pci_command(
			p, PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_INTX_DISABLE,
			PCI_COMMAND_MASTER);
	}
	if (rc < 0) {
		return vio_fail(err, rc,
				"%s: its PCI command register cannot be changed: run as root, "
				"without kernel lockdown",
				p->base.t.name);
	}
	p->command_changed = true;
	return 0;
}

/* Modern registers where there are some: a transitional device has both. */
static int start_registers(struct pci_transport *p, struct vio_error *err)
{
	int rc = viot_pci_read_caps(viot_pci_config_read8, &p->function,
				    p->function.identity.bar_size, p->base.t.name, &p->caps, err);

	if (rc == -ENOTSUP && p->function.identity.port_size[0]) {
		return viot_pci_legacy_start(p, err);
	}
	return rc < 0 ? rc : viot_pci_modern_start(p, err);
}

/* Whether the kernel has the IOMMU translate this function's addresses; how, in @type. */
static bool is_translated(const char *name, char *type, int size)
{
	char path[128];
	FILE *file;
	bool found;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/type", name);
	file = fopen(path, "re");
	if (!file) {
		return false;
	}
	found = fgets(type, size, file) != NULL;
	fclose(file);
	type[found ? strcspn(type, "\n") : 0] = '\0';
	return strcmp(type, "identity") != 0;
}

/*
 * A device that does not offer ACCESS_PLATFORM uses physical addresses, whatever
 * stands between it and memory (VirtIO 1.2, 6.1).
 */
static int open_memory(struct pci_transport *p, const struct viot_options *options,
		       struct vio_error *err)
{
	const char *name = p->function.identity.name;
	uint64_t features = p->base.t.ops->get_features(&p->base.t);
	bool obeys = (features >> VIRTIO_F_ACCESS_PLATFORM & 1) != 0;
	char type[32] = "";

	if (p->vfio.translates && obeys) {
		p->base.is_harmless = true;
		/* of a process that was killed; the device has been reset */
		if (viot_hugepages_forget(&p->base.lock, err) < 0) {
			vio_log(VIO_LOG_WARN, "%s", err->text);
		}
		p->base.t.required_features = VIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM);
		return viot_vfio_dma_open(&p->base.t.dma, &p->vfio, viot_dma_size(options), err);
	}
	if (p->vfio.translates) {
		p->base.t.refused_features = VIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM);
		vio_log(VIO_LOG_INFO,
			"%s: the device does not offer ACCESS_PLATFORM and so goes past the IOMMU: "
			"it is given physical addresses",
			p->base.t.name);
	} else if (obeys && p->vfio.device < 0 && is_translated(name, type, sizeof(type))) {
		return vio_fail(
			err, -ENOTSUP,
			"%s stands behind an IOMMU that translates its addresses (%s): bind it to "
			"vfio-pci, boot with iommu=pt, or write 'identity' to "
			"/sys/bus/pci/devices/%s/iommu_group/type",
			p->base.t.name, type, name);
	}
	return viot_base_hugepages(&p->base, options, err);
}

static int enable_dma(struct pci_transport *p, struct vio_error *err)
{
	int rc = viot_pci_command(p, PCI_COMMAND_MASTER, 0);

	return rc < 0 ? vio_fail(err, rc, "%s: bus mastering cannot be switched on", p->base.t.name)
		      : 0;
}

static int start(struct pci_transport *p, const struct viot_options *options, struct vio_error *err)
{
	int rc = viot_base_claim(&p->base, err);

	if (rc < 0 || (rc = examine(p, options, err)) < 0 ||
	    (rc = take_function(p, options, err)) < 0 || (rc = enable_registers(p, err)) < 0 ||
	    (rc = start_registers(p, err)) < 0 || (rc = viot_base_reset(&p->base, err)) < 0 ||
	    (rc = open_memory(p, options, err)) < 0 ||
	    (rc = viot_pci_start_interrupts(p, options->interrupts, err)) < 0) {
		return rc;
	}
	return enable_dma(p, err);
}

static struct pci_transport *make(const struct viot_pci_identity *identity)
{
	struct pci_transport *p = calloc(1, sizeof(*p));
	struct vio_transport *t;

	if (!p) {
		return NULL;
	}
	viot_base_init(&p->base);
	viot_vfio_init(&p->vfio);
	p->function.identity = *identity;
	p->function.config.fd = p->function.ports = -1;
	for (unsigned i = 0; i < VIOT_PCI_BARS; i++) {
		p->function.bar[i].fd = -1;
	}
	t = &p->base.t;
	snprintf(t->name, sizeof(t->name), "pci-%s", identity->name);
	t->ops = &viot_pci_modern_ops;
	t->device_type = identity->type;
	t->vendor_id = identity->subvendor_id;
	return p;
}

int viot_pci_open(struct vio_transport **out, const struct viot_address *address,
		  const struct viot_options *options, struct vio_error *err)
{
	struct viot_pci_identity identity;
	struct pci_transport *p;
	int rc = viot_pci_find(&identity, address, options->device_type, err);

	if (rc < 0) {
		return rc;
	}
	p = make(&identity);
	if (!p) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	p->queues = options->queues;
	rc = start(p, options, err);
	if (rc < 0) {
		viot_pci_release(p);
		return rc;
	}
	viot_base_keep(&p->base);
	*out = &p->base.t;
	return 0;
}

/* Without bus mastering even a device that ignored its reset reaches no memory. */
void viot_pci_release(struct pci_transport *p)
{
	viot_base_quiesce(&p->base);
	if (p->command_changed) {
		p->command = p->command_before;
		viot_pci_command(p, PCI_COMMAND_INTX_DISABLE, PCI_COMMAND_MASTER);
	}
	viot_pci_function_close(&p->function);
	viot_base_release(&p->base);
	viot_vfio_close(&p->vfio);
	free(p);
}
