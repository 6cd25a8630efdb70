/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registers of a legacy VirtIO PCI function: I/O ports of BAR 0 (VirtIO 1.2,
 * 4.1.4.10). A ring is one piece, told by one page number, and of the size that
 * the device says (4.1.5.1.3.1). Its registers are little-endian, its device
 * configuration and its rings in the byte order of the guest (2.4.4).
 */
#include "transport.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

enum {
	BAR = 0,
};

static uint8_t read8(const struct pci_transport *p, unsigned offset)
{
	uint8_t value;

	viot_pci_port_read(&p->function, BAR, offset, &value, sizeof(value));
	return value;
}

static uint16_t read16(const struct pci_transport *p, unsigned offset)
{
	uint16_t wire;

	viot_pci_port_read(&p->function, BAR, offset, &wire, sizeof(wire));
	return le16toh(wire);
}

static uint32_t read32(const struct pci_transport *p, unsigned offset)
{
	uint32_t wire;

	viot_pci_port_read(&p->function, BAR, offset, &wire, sizeof(wire));
	return le32toh(wire);
}

static void write8(struct pci_transport *p, unsigned offset, uint8_t value)
{
	viot_pci_port_write(&p->function, BAR, offset, &value, sizeof(value));
}

static void write16(struct pci_transport *p, unsigned offset, uint16_t value)
{
	uint16_t wire = htole16(value);

	viot_pci_port_write(&p->function, BAR, offset, &wire, sizeof(wire));
}

static void write32(struct pci_transport *p, unsigned offset, uint32_t value)
{
	uint32_t wire = htole32(value);

	viot_pci_port_write(&p->function, BAR, offset, &wire, sizeof(wire));
}

static bool has_vectors(const struct pci_transport *p)
{
	return p->base.interrupt.kind == VIOT_VECTORS;
}

static uint64_t legacy_get_features(struct vio_transport *t)
{
	return read32(viot_pci_of(t), VIRTIO_PCI_HOST_FEATURES);
}

static void legacy_set_features(struct vio_transport *t, uint64_t features)
{
	write32(viot_pci_of(t), VIRTIO_PCI_GUEST_FEATURES, (uint32_t)features);
}

static uint8_t legacy_get_status(struct vio_transport *t)
{
	struct pci_transport *p = viot_pci_of(t);

	return viot_pci_status(p, read8(p, VIRTIO_PCI_STATUS));
}

/* All that is left then are the ports themselves. */
bool viot_pci_legacy_stop(const struct pci_transport *p)
{
	off_t port = (off_t)p->function.identity.bar_start[BAR] + VIRTIO_PCI_STATUS;
	uint8_t status = 0;

	return p->function.ports >= 0 && pwrite(p->function.ports, &status, 1, port) == 1 &&
	       pread(p->function.ports, &status, 1, port) == 1 && (status == 0 || status == 0xff);
}

static void legacy_set_status(struct vio_transport *t, uint8_t status)
{
	write8(viot_pci_of(t), VIRTIO_PCI_STATUS, status);
}

/* Where the field is among the ports; false if it is not all there. */
static bool find_config(const struct pci_transport *p, size_t offset, size_t size, unsigned *port)
{
	unsigned start = VIRTIO_PCI_CONFIG_OFF(has_vectors(p));
	uint64_t length = p->function.identity.port_size[BAR];

	if (length < start || offset > length - start || size > length - start - offset) {
		return false;
	}
	*port = start + (unsigned)offset;
	return true;
}

/* Ports are four bytes wide at most. */
static int legacy_config_read(struct vio_transport *t, size_t offset, void *buffer, size_t size)
{
	struct pci_transport *p = viot_pci_of(t);
	unsigned port;

	if (!find_config(p, offset, size, &port)) {
		return -EINVAL;
	}
	for (size_t done = 0; done < size; done += 4) {
		viot_pci_port_read(&p->function, BAR, port + (unsigned)done, (char *)buffer + done,
				   size - done < 4 ? size - done : 4);
	}
	return 0;
}

static int legacy_config_write(struct vio_transport *t, size_t offset, const void *buffer,
			       size_t size)
{
	struct pci_transport *p = viot_pci_of(t);
	unsigned port;

	if (!find_config(p, offset, size, &port)) {
		return -EINVAL;
	}
	for (size_t done = 0; done < size; done += 4) {
		viot_pci_port_write(&p->function, BAR, port + (unsigned)done,
				    (const char *)buffer + done, size - done < 4 ? size - done : 4);
	}
	return 0;
}

static uint16_t legacy_queue_max_size(struct vio_transport *t, uint16_t index)
{
	struct pci_transport *p = viot_pci_of(t);

	write16(p, VIRTIO_PCI_QUEUE_SEL, index);
	return read16(p, VIRTIO_PCI_QUEUE_NUM);
}

uint16_t viot_pci_legacy_queues(struct pci_transport *p)
{
	uint16_t queues = 0;

	while (queues < VIOT_QUEUES_MAX && legacy_queue_max_size(&p->base.t, queues) != 0) {
		queues++;
	}
	return queues;
}

static uint16_t legacy_set_vector(struct pci_transport *p, bool queue, uint16_t vector)
{
	unsigned port = queue ? VIRTIO_MSI_QUEUE_VECTOR : VIRTIO_MSI_CONFIG_VECTOR;

	write16(p, port, vector);
	return read16(p, port);
}

static int legacy_queue_setup(struct vio_transport *t, uint16_t index,
			      const struct vio_ring_address *ring, struct vio_error *err)
{
	struct pci_transport *p = viot_pci_of(t);
	uint64_t page = ring->descriptors.raw >> VIRTIO_PCI_QUEUE_ADDR_SHIFT;
	int rc;

	if (page > UINT32_MAX) {
		return vio_fail(err, -ENOMEM,
				"%s: a legacy device cannot reach a ring at 0x%" PRIx64
				", above 16 TiB",
				t->name, ring->descriptors.raw);
	}
	rc = viot_interrupt_open_timer(&p->base.interrupt, index, t->name, err);
	if (rc < 0) {
		return rc;
	}
	write16(p, VIRTIO_PCI_QUEUE_SEL, index);
	if (read32(p, VIRTIO_PCI_QUEUE_PFN) != 0) {
		return vio_fail(err, -EPROTO, "%s: queue %u is in use right after a reset", t->name,
				index);
	}
	rc = viot_pci_set_vectors(p, index, legacy_set_vector, err);
	if (rc < 0) {
		return rc;
	}
	write32(p, VIRTIO_PCI_QUEUE_PFN, (uint32_t)page);
	if (read32(p, VIRTIO_PCI_QUEUE_PFN) != (uint32_t)page) {
		return vio_fail(err, -EPROTO, "%s: the device does not accept queue %u", t->name,
				index);
	}
	return 0;
}

static void legacy_notify(struct vio_transport *t, uint16_t index, uint32_t value)
{
	(void)value;
	write16(viot_pci_of(t), VIRTIO_PCI_QUEUE_NOTIFY, index);
}

uint8_t viot_pci_legacy_isr(struct viot_base *base)
{
	return read8(viot_pci_of(&base->t), VIRTIO_PCI_ISR);
}

static void legacy_cut_off(struct vio_transport *t)
{
	viot_pci_command(viot_pci_of(t), 0, PCI_COMMAND_MASTER);
}

static void legacy_close(struct vio_transport *t)
{
	viot_pci_release(viot_pci_of(t));
}

int viot_pci_legacy_start(struct pci_transport *p, struct vio_error *err)
{
	struct vio_transport *t = &p->base.t;
	uint64_t length = p->function.identity.port_size[BAR];

	if (BYTE_ORDER != LITTLE_ENDIAN) {
		return vio_fail(err, -ENOTSUP,
				"%s: legacy devices are driven on little-endian machines only: "
				"configure the VM for VirtIO 1.0",
				t->name);
	}
	if (length < VIRTIO_PCI_CONFIG_OFF(1)) {
		return vio_fail(err, -EPROTO,
				"%s: it has neither VirtIO 1.0 registers nor the I/O ports of a "
				"legacy device (BAR 0 has %" PRIu64 " of them)",
				t->name, length);
	}
	t->ops = &viot_pci_legacy_ops;
	t->legacy = true;
	t->fixed_queue_size = true;
	t->ring_align = VIRTIO_PCI_VRING_ALIGN;
	p->base.take_isr = viot_pci_legacy_isr;
	return viot_pci_open_ports(&p->function, BAR, err);
}

const struct vio_transport_ops viot_pci_legacy_ops = {
	.get_features = legacy_get_features,
	.set_features = legacy_set_features,
	.get_status = legacy_get_status,
	.set_status = legacy_set_status,
	.config_read = legacy_config_read,
	.config_write = legacy_config_write,
	.queue_max_size = legacy_queue_max_size,
	.queue_setup = legacy_queue_setup,
	.notify = legacy_notify,
	.wait_fd = viot_base_wait_fd,
	.wait_arm = viot_base_wait_arm,
	.wait_ack = viot_base_wait_ack,
	.wait_by_timer = viot_base_wait_by_timer,
	.cut_off = legacy_cut_off,
	.close = legacy_close,
};
