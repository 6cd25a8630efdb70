/* SPDX-License-Identifier: BSD-3-Clause */
#include "modern.h"

#include <errno.h>

#include <linux/virtio_pci.h>

#include "registers.h"

static struct pci_modern *modern_of(struct vio_transport *t)
{
	return (struct pci_modern *)t; /* first member of its first member */
}

static void write64(volatile char *low, vio_iova value)
{
	register_write32(low, (uint32_t)value.raw);
	register_write32(low + 4, (uint32_t)(value.raw >> 32));
}

static uint64_t modern_get_features(struct vio_transport *t)
{
	volatile char *common = modern_of(t)->common;
	uint64_t features;

	register_write32(common + VIRTIO_PCI_COMMON_DFSELECT, 1);
	features = (uint64_t)register_read32(common + VIRTIO_PCI_COMMON_DF) << 32;
	register_write32(common + VIRTIO_PCI_COMMON_DFSELECT, 0);
	return features | register_read32(common + VIRTIO_PCI_COMMON_DF);
}

static void modern_set_features(struct vio_transport *t, uint64_t features)
{
	volatile char *common = modern_of(t)->common;

	register_write32(common + VIRTIO_PCI_COMMON_GFSELECT, 1);
	register_write32(common + VIRTIO_PCI_COMMON_GF, (uint32_t)(features >> 32));
	register_write32(common + VIRTIO_PCI_COMMON_GFSELECT, 0);
	register_write32(common + VIRTIO_PCI_COMMON_GF, (uint32_t)features);
}

static uint8_t modern_get_status(struct vio_transport *t)
{
	return register_read8(modern_of(t)->common + VIRTIO_PCI_COMMON_STATUS);
}

static void modern_set_status(struct vio_transport *t, uint8_t status)
{
	register_write8(modern_of(t)->common + VIRTIO_PCI_COMMON_STATUS, status);
}

static bool fits(const struct pci_modern *m, size_t offset, size_t size)
{
	size_t length = m->caps.device.present ? m->caps.device.length : 0;

	return size <= length && offset <= length - size;
}

static int modern_config_read(struct vio_transport *t, size_t offset, void *buffer, size_t size)
{
	struct pci_modern *m = modern_of(t);

	return fits(m, offset, size) && registers_copy_in(m->device + offset, buffer, size)
		       ? 0
		       : -EINVAL;
}

static int modern_config_write(struct vio_transport *t, size_t offset, const void *buffer,
			       size_t size)
{
	struct pci_modern *m = modern_of(t);

	return fits(m, offset, size) && registers_copy_out(m->device + offset, buffer, size)
		       ? 0
		       : -EINVAL;
}

static uint32_t modern_config_generation(struct vio_transport *t)
{
	return register_read8(modern_of(t)->common + VIRTIO_PCI_COMMON_CFGGENERATION);
}

static void select_queue(struct pci_modern *m, uint16_t index)
{
	register_write16(m->common + VIRTIO_PCI_COMMON_Q_SELECT, index);
}

static uint16_t modern_queue_max_size(struct vio_transport *t, uint16_t index)
{
	struct pci_modern *m = modern_of(t);

	if (index >= register_read16(m->common + VIRTIO_PCI_COMMON_NUMQ)) {
		return 0;
	}
	select_queue(m, index);
	return register_read16(m->common + VIRTIO_PCI_COMMON_Q_SIZE);
}

/* 4.1.4.4: where this queue's doorbell is, if it is inside the window. */
static int find_doorbell(struct pci_modern *m, uint16_t index, struct vio_error *err)
{
	uint16_t number = register_read16(m->common + VIRTIO_PCI_COMMON_Q_NOFF);
	uint64_t offset = (uint64_t)number * m->caps.notify_multiplier;

	if (index >= VIOT_PCI_QUEUES_MAX) {
		return vio_fail(err, -ENOTSUP, "%s: queue %u is beyond the %d that are supported",
				m->base.t.name, index, VIOT_PCI_QUEUES_MAX);
	}
	if (offset + sizeof(uint16_t) > m->caps.notify.length) {
		return vio_fail(
			err, -EPROTO,
			"%s: the doorbell of queue %u lies outside its registers (offset 0x%llx "
			"of 0x%x)",
			m->base.t.name, index, (unsigned long long)offset, m->caps.notify.length);
	}
	m->doorbell[index] = m->notify + offset;
	return 0;
}

static int modern_queue_setup(struct vio_transport *t, uint16_t index,
			      const struct vio_ring_address *ring, struct vio_error *err)
{
	struct pci_modern *m = modern_of(t);
	volatile char *common = m->common;
	int rc;

	select_queue(m, index);
	if (register_read16(common + VIRTIO_PCI_COMMON_Q_ENABLE) != 0) {
		return vio_fail(err, -EPROTO, "%s: queue %u is in use right after a reset", t->name,
				index);
	}
	rc = find_doorbell(m, index, err);
	if (rc < 0) {
		return rc;
	}
	register_write16(common + VIRTIO_PCI_COMMON_Q_SIZE, ring->size);
	write64(common + VIRTIO_PCI_COMMON_Q_DESCLO, ring->descriptors);
	write64(common + VIRTIO_PCI_COMMON_Q_AVAILLO, ring->driver_area);
	write64(common + VIRTIO_PCI_COMMON_Q_USEDLO, ring->device_area);
	register_write16(common + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
	if (register_read16(common + VIRTIO_PCI_COMMON_Q_ENABLE) != 1) {
		return vio_fail(err, -EPROTO, "%s: the device does not accept queue %u", t->name,
				index);
	}
	return 0;
}

static void modern_notify(struct vio_transport *t, uint16_t index)
{
	register_write16(modern_of(t)->doorbell[index], index);
}

static void modern_cut_off(struct vio_transport *t)
{
	viot_pci_set_master(modern_of(t), false);
}

static void modern_close(struct vio_transport *t)
{
	viot_pci_release(modern_of(t));
}

const struct vio_transport_ops viot_pci_modern_ops = {
	.get_features = modern_get_features,
	.set_features = modern_set_features,
	.get_status = modern_get_status,
	.set_status = modern_set_status,
	.config_read = modern_config_read,
	.config_write = modern_config_write,
	.config_generation = modern_config_generation,
	.queue_max_size = modern_queue_max_size,
	.queue_setup = modern_queue_setup,
	.notify = modern_notify,
	.wait_fd = viot_base_wait_fd,
	.wait_arm = viot_base_wait_arm,
	.wait_ack = viot_base_wait_ack,
	.cut_off = modern_cut_off,
	.close = modern_close,
};
