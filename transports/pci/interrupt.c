/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way in which a PCI function wakes us: the first of the chain that works.
 *
 *   MSI-X, a vector for each queue -> MSI-X, one vector -> INTx   by VFIO
 *   INTx                                                          by uio_pci_generic
 *   nothing: polled
 */
#include "transport.h"

#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <vio/log.h>

/* Returns 0, -ENOTSUP where there is none, or another negative errno with a sentence. */
typedef int start_way(struct pci_transport *p, struct vio_error *err);

static bool has_vfio(const struct pci_transport *p)
{
	return p->vfio.device >= 0;
}

static int no_vfio(const struct pci_transport *p, const char *what, struct vio_error *err)
{
	return vio_fail(
		err, -ENOTSUP,
		"%s: %s needs VFIO: bind the function to vfio-pci ('modprobe vfio-pci', then "
		"'echo vfio-pci > /sys/bus/pci/devices/%s/driver_override' and 'echo %s > "
		"/sys/bus/pci/drivers_probe')",
		p->base.t.name, what, p->function.identity.name, p->function.identity.name);
}

static unsigned wanted_vectors(struct pci_transport *p)
{
	unsigned queues = p->base.t.legacy ? viot_pci_legacy_queues(p) : viot_pci_modern_queues(p);

	return 1u + (p->queues && p->queues < queues ? p->queues : queues);
}

static int start_vectors(struct pci_transport *p, unsigned count, struct vio_error *err)
{
	unsigned offered;

	if (!has_vfio(p)) {
		return no_vfio(p, "MSI-X", err);
	}
	offered = viot_vfio_interrupts(&p->vfio, VFIO_PCI_MSIX_IRQ_INDEX);
	if (offered < count) {
		return vio_fail(err, -ENOTSUP,
				"%s: %u MSI-X vectors are needed and the function has %u",
				p->base.t.name, count, offered);
	}
	return viot_vfio_open_vectors(&p->vfio, &p->base.interrupt, count, err);
}

static int start_msix(struct pci_transport *p, struct vio_error *err)
{
	return start_vectors(p, wanted_vectors(p), err);
}

static int start_msix_shared(struct pci_transport *p, struct vio_error *err)
{
	return start_vectors(p, 1, err);
}

static int start_intx(struct pci_transport *p, struct vio_error *err)
{
	int rc;

	if (!has_vfio(p)) {
		return no_vfio(p, "INTx by VFIO", err);
	}
	if (viot_vfio_interrupts(&p->vfio, VFIO_PCI_INTX_IRQ_INDEX) == 0) {
		return vio_fail(err, -ENOTSUP, "%s: the function has no interrupt line",
				p->base.t.name);
	}
	rc = viot_pci_command(p, 0, PCI_COMMAND_INTX_DISABLE);
	if (rc < 0) {
		return vio_fail(err, rc, "%s: its interrupt line cannot be switched on",
				p->base.t.name);
	}
	rc = viot_vfio_open_line(&p->vfio, &p->base.interrupt, err);
	if (rc < 0) {
		viot_pci_command(p, PCI_COMMAND_INTX_DISABLE, 0);
	}
	return rc;
}

/* uio_pci_generic sets the bit when the line fires. */
static int clear_intx_disable(struct viot_interrupt *interrupt)
{
	return viot_pci_command(interrupt->context, 0, PCI_COMMAND_INTX_DISABLE);
}

static int start_uio(struct pci_transport *p, struct vio_error *err)
{
	struct viot_interrupt *interrupt = &p->base.interrupt;
	struct viot_uio uio;

	if (!viot_uio_find_pci(&uio, p->function.identity.name)) {
		return vio_fail(err, -ENOTSUP,
				"%s: it is no UIO device: bind the function to uio_pci_generic "
				"('modprobe uio_pci_generic', then 'echo uio_pci_generic > "
				"/sys/bus/pci/devices/%s/driver_override' and 'echo %s > "
				"/sys/bus/pci/drivers_probe')",
				p->base.t.name, p->function.identity.name,
				p->function.identity.name);
	}
	interrupt->line = viot_uio_open(&uio, err);
	if (interrupt->line < 0) {
		return interrupt->line;
	}
	if (!viot_uio_has_interrupt(interrupt->line)) {
		return vio_fail(err, -ENOTSUP,
				"%s: /dev/%s has no interrupt: the function has none",
				p->base.t.name, uio.name);
	}
	interrupt->kind = VIOT_LINE;
	interrupt->line_count_size = sizeof(uint32_t);
	interrupt->line_enable = clear_intx_disable;
	interrupt->context = p;
	return 0;
}

static int start_polling(struct pci_transport *p, struct vio_error *err)
{
	(void)p;
	(void)err;
	return 0;
}

static const struct way {
	enum viot_interrupts kind;
	start_way *start;
	const char *name;
	bool interrupts;
} ways[] = {
	{VIOT_INTERRUPTS_MSIX, start_msix, "MSI-X, a vector for each queue", true},
	{VIOT_INTERRUPTS_MSIX_SHARED, start_msix_shared, "MSI-X, one vector", true},
	{VIOT_INTERRUPTS_INTX, start_intx, "INTx by VFIO", true},
	{VIOT_INTERRUPTS_UIO, start_uio, "INTx by UIO", true},
	{VIOT_INTERRUPTS_POLL, start_polling, "polled", false},
};

enum {
	WAYS = sizeof(ways) / sizeof(ways[0])
};

/* Leaves nothing of a way that failed. */
static int try_way(struct pci_transport *p, const struct way *way, struct vio_error *err)
{
	struct viot_interrupt *interrupt = &p->base.interrupt;
	int rc = way->start(p, err);

	if (rc < 0) {
		viot_interrupt_close(interrupt);
		viot_interrupt_init(interrupt);
		return rc;
	}
	p->base.t.wake_up = way->name;
	p->base.t.interrupts = way->interrupts;
	p->base.t.queues_max = way->interrupts && interrupt->vector_count <= 1 ? 1 : 0;
	return 0;
}

/* What is merely not there is no news. */
static void try_all(struct pci_transport *p)
{
	struct vio_error why;

	for (unsigned i = 0; i < WAYS; i++) {
		int rc = try_way(p, &ways[i], &why);

		if (rc == 0) {
			return;
		}
		if (rc != -ENOTSUP || has_vfio(p)) {
			vio_log(rc == -ENOTSUP ? VIO_LOG_DEBUG : VIO_LOG_WARN, "%s", why.text);
		}
	}
}

/* VirtIO 1.2, 4.1.5.1.2: the device may be unable to, and says so by reading back. */
static int set_vector(struct pci_transport *p, bool queue, uint16_t vector,
		      viot_pci_set_vector *set, struct vio_error *err)
{
	uint16_t found = set(p, queue, vector);

	return found == vector
		       ? 0
		       : vio_fail(err, -EPROTO,
				  "%s: the device does not take interrupt vector %u (it reads %u): "
				  "try interrupts=msix-shared or interrupts=intx",
				  p->base.t.name, vector, found);
}

int viot_pci_set_vectors(struct pci_transport *p, uint16_t index, viot_pci_set_vector *set,
			 struct vio_error *err)
{
	const struct viot_interrupt *interrupt = &p->base.interrupt;
	int rc;

	if (!p->base.t.interrupts || interrupt->kind != VIOT_VECTORS) {
		return 0;
	}
	if (!viot_has_vector(interrupt, index)) {
		return vio_fail(err, -ENOTSUP, "%s: there is no interrupt vector for queue %u",
				p->base.t.name, index);
	}
	rc = set_vector(p, false, 0, set, err);
	return rc < 0 ? rc : set_vector(p, true, viot_vector_of(interrupt, index), set, err);
}

static int take_way(struct pci_transport *p, enum viot_interrupts wanted, struct vio_error *err)
{
	for (unsigned i = 0; i < WAYS; i++) {
		if (ways[i].kind == wanted) {
			return try_way(p, &ways[i], err);
		}
	}
	return vio_fail(err, -EINVAL, "%s: there is no kind %d of interrupts", p->base.t.name,
			(int)wanted);
}

int viot_pci_start_interrupts(struct pci_transport *p, enum viot_interrupts wanted,
			      struct vio_error *err)
{
	struct viot_interrupt *interrupt = &p->base.interrupt;
	int rc = 0;

	if (wanted == VIOT_INTERRUPTS_AUTO) {
		try_all(p);
	} else {
		rc = take_way(p, wanted, err);
	}
	if (rc < 0) {
		return rc;
	}
	if (has_vfio(p)) {
		viot_vfio_open_removal(&p->vfio, interrupt);
	}
	return viot_interrupt_start(interrupt, p->base.t.name, err);
}
