/* SPDX-License-Identifier: BSD-3-Clause */
/* A directly mapped device has one interrupt, which reaches a process through UIO. */
#include "mmio.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool is_by_pci_only(enum viot_interrupts wanted)
{
	return wanted == VIOT_INTERRUPTS_MSIX || wanted == VIOT_INTERRUPTS_MSIX_SHARED ||
	       wanted == VIOT_INTERRUPTS_INTX;
}

static int refuse_missing(const struct mmio *m, uint64_t smem, uint32_t irq, struct vio_error *err)
{
	return vio_fail(err, -ENOTSUP,
			"%s: no UIO device has its registers: load vio_uio with 'modprobe vio_uio "
			"smem=0x%" PRIx64 " irq=%" PRIu32 "'",
			m->base.t.name, smem, irq);
}

/* vio_uio says which interrupt it delivers; from any other driver we take what comes. */
static int check_irq(const struct mmio *m, uint32_t irq, struct vio_error *err)
{
	char *end;
	unsigned long delivered = strtoul(m->uio.version, &end, 10);

	if (strcmp(m->uio.driver, "vio_uio") != 0 || *end || end == m->uio.version ||
	    delivered == irq) {
		return 0;
	}
	return vio_fail(err, -EINVAL,
			"%s: irq=%" PRIu32 " was given, and /dev/%s (vio_uio) delivers interrupt "
			"%lu for these registers: correct the one that is wrong",
			m->base.t.name, irq, m->uio.name, delivered);
}

/*
 * uio_pdrv_genirq shows the registers of a device from a device tree; of one from
 * ACPI, whose resources it takes for something else, it has the interrupt alone.
 */
static bool find_uio(struct mmio *m, uint64_t smem)
{
	struct viot_holder holder;

	return viot_uio_find_memory(&m->uio, smem, VIOT_MMIO_WINDOW) ||
	       (viot_holder_at(&holder, smem, NULL) == 0 && viot_uio_find_held(&m->uio, &holder));
}

int viot_mmio_find_uio(struct mmio *m, uint64_t smem, uint32_t irq, enum viot_interrupts wanted,
		       struct vio_error *err)
{
	int rc;

	if (is_by_pci_only(wanted)) {
		return vio_fail(err, -ENOTSUP,
				"%s: MSI-X and INTx belong to PCI: a directly mapped device has "
				"interrupts=uio or interrupts=poll",
				m->base.t.name);
	}
	if (!find_uio(m, smem)) {
		m->uio.name[0] = '\0';
		return wanted == VIOT_INTERRUPTS_UIO ? refuse_missing(m, smem, irq, err) : 0;
	}
	rc = check_irq(m, irq, err);
	if (rc == 0) {
		m->uio_fd = viot_uio_open(&m->uio, err);
		rc = m->uio_fd < 0 ? m->uio_fd : 0;
	}
	return rc;
}

int viot_mmio_start_interrupts(struct mmio *m, enum viot_interrupts wanted, struct vio_error *err)
{
	struct viot_interrupt *interrupt = &m->base.interrupt;
	struct vio_transport *t = &m->base.t;

	if (wanted == VIOT_INTERRUPTS_POLL || m->uio_fd < 0) {
		return 0;
	}
	if (!viot_uio_has_interrupt(m->uio_fd)) {
		return wanted == VIOT_INTERRUPTS_AUTO
			       ? 0
			       : vio_fail(err, -ENOTSUP, "%s: /dev/%s has no interrupt", t->name,
					  m->uio.name);
	}
	m->base.take_isr = viot_mmio_isr;
	interrupt->kind = VIOT_LINE;
	interrupt->line = m->uio_fd;
	interrupt->line_count_size = sizeof(uint32_t);
	interrupt->line_enable = viot_uio_enable;
	m->uio_fd = -1;
	t->interrupts = true;
	t->queues_max = 1;
	t->wake_up = "interrupt by UIO";
	return 0;
}
