/* SPDX-License-Identifier: BSD-3-Clause */
/* The registers of a modern VirtIO PCI function (VirtIO 1.2, 4.1.4.3). */
#include "transport.h"

#include <errno.h>

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#include "registers.h"
#include "virtio_uapi.h"

static void write64(volatile char *low, vio_iova value)
{
	register_write32(low, (uint32_t)value.raw);
	register_write32(low + 4, (uint32_t)(value.raw >> 32));
}

static uint64_t modern_get_features(struct vio_transport *t)
{
	volatile char *common = viot_pci_of(t)->common;
	uint64_t features;

	register_write32(common + VIRTIO_PCI_COMMON_DFSELECT, 1);
	features = (uint64_t)register_read32(common + VIRTIO_PCI_COMMON_DF) << 32;
	register_write32(common + VIRTIO_PCI_COMMON_DFSELECT, 0);
	return features | register_read32(common + VIRTIO_PCI_COMMON_DF);
}

static void modern_set_features(struct vio_transport *t, uint64_t features)
{
	volatile char *common = viot_pci_of(t)->common;

	register_write32(common + VIRTIO_PCI_COMMON_GFSELECT, 1);
	register_write32(common + VIRTIO_PCI_COMMON_GF, (uint32_t)(features >> 32));
	register_write32(common + VIRTIO_PCI_COMMON_GFSELECT, 0);
	register_write32(common + VIRTIO_PCI_COMMON_GF, (uint32_t)features);
	viot_pci_of(t)->has_notification_data = (features >> VIRTIO_F_NOTIFICATION_DATA & 1) != 0;
}

uint8_t viot_pci_modern_raw_status(const struct pci_transport *p)
{
	return register_read8(p->common + VIRTIO_PCI_COMMON_STATUS);
}

static uint8_t modern_get_status(struct vio_transport *t)
{
	struct pci_transport *p = viot_pci_of(t);

	return viot_pci_status(p, viot_pci_modern_raw_status(p));
}

static void modern_set_status(struct vio_transport *t, uint8_t status)
{
	register_write8(viot_pci_of(t)->common + VIRTIO_PCI_COMMON_STATUS, status);
}

static bool fits(const struct pci_transport *p, size_t offset, size_t size)
{
	size_t length = p->caps.device.present ? p->caps.device.length : 0;

	return size <= length && offset <= length - size;
}

static int modern_config_read(struct vio_transport *t, size_t offset, void *buffer, size_t size)
{
	struct pci_transport *p = viot_pci_of(t);

	return fits(p, offset, size) && registers_copy_in(p->device + offset, buffer, size)
		       ? 0
		       : -EINVAL;
}

static int modern_config_write(struct vio_transport *t, size_t offset, const void *buffer,
			       size_t size)
{
	struct pci_transport *p = viot_pci_of(t);

	return fits(p, offset, size) && registers_copy_out(p->device + offset, buffer, size)
		       ? 0
		       : -EINVAL;
}

static uint32_t modern_config_generation(struct vio_transport *t)
{
	return register_read8(viot_pci_of(t)->common + VIRTIO_PCI_COMMON_CFGGENERATION);
}

static void select_queue(struct pci_transport *p, uint16_t index)
{
	register_write16(p->common + VIRTIO_PCI_COMMON_Q_SELECT, index);
}

uint16_t viot_pci_modern_queues(const struct pci_transport *p)
{
	uint16_t queues = register_read16(p->common + VIRTIO_PCI_COMMON_NUMQ);

	return queues < VIOT_QUEUES_MAX ? queues : VIOT_QUEUES_MAX;
}

static uint16_t modern_queue_max_size(struct vio_transport *t, uint16_t index)
{
	struct pci_transport *p = viot_pci_of(t);

	if (index >= register_read16(p->common + VIRTIO_PCI_COMMON_NUMQ)) {
		return 0;
	}
	select_queue(p, index);
	return register_read16(p->common + VIRTIO_PCI_COMMON_Q_SIZE);
}

/* 4.1.4.4: where this queue's doorbell is, if it is inside the window. */
static int find_doorbell(struct pci_transport *p, uint16_t index, struct vio_error *err)
{
	uint16_t number = register_read16(p->common + VIRTIO_PCI_COMMON_Q_NOFF);
	uint64_t offset = (uint64_t)number * p->caps.notify_multiplier;
	uint64_t width = p->has_notification_data ? sizeof(uint32_t) : sizeof(uint16_t);

	if (offset + width > p->caps.notify.length || (p->caps.notify.offset + offset) % width) {
		return vio_fail(
			err, -EPROTO,
			"%s: the doorbell of queue %u lies outside its registers, or not on a "
			"multiple of its width (offset 0x%llx of 0x%x)",
			p->base.t.name, index, (unsigned long long)offset, p->caps.notify.length);
	}
	p->doorbell[index] = p->notify + offset;
	return 0;
}

static uint16_t modern_set_vector(struct pci_transport *p, bool queue, uint16_t vector)
{
	volatile char *where =
		p->common + (queue ? VIRTIO_PCI_COMMON_Q_MSIX : VIRTIO_PCI_COMMON_MSIX);

	register_write16(where, vector);
	return register_read16(where);
}

uint8_t viot_pci_modern_isr(struct viot_base *base)
{
	return register_read8(viot_pci_of(&base->t)->isr);
}

static int modern_queue_setup(struct vio_transport *t, uint16_t index,
			      const struct vio_ring_address *ring, struct vio_error *err)
{
	struct pci_transport *p = viot_pci_of(t);
	volatile char *common = p->common;
	int rc = viot_interrupt_open_timer(&p->base.interrupt, index, t->name, err);

	if (rc < 0) {
		return rc;
	}
	select_queue(p, index);
	if (register_read16(common + VIRTIO_PCI_COMMON_Q_ENABLE) != 0) {
		return vio_fail(err, -EPROTO, "%s: queue %u is in use right after a reset", t->name,
				index);
	}
	rc = find_doorbell(p, index, err);
	if (rc == 0) {
		rc = viot_pci_set_vectors(p, index, modern_set_vector, err);
	}
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

/* 4.1.4.3, 2.6.1; devices older than VirtIO 1.2 end before this register. */
static bool has_queue_reset(const struct pci_transport *p)
{
	return p->caps.common.length >= VIRTIO_PCI_COMMON_Q_RESET + sizeof(uint16_t);
}

static void modern_queue_reset(struct vio_transport *t, uint16_t index)
{
	struct pci_transport *p = viot_pci_of(t);

	if (has_queue_reset(p)) {
		select_queue(p, index);
		register_write16(p->common + VIRTIO_PCI_COMMON_Q_RESET, 1);
	}
}

static int modern_queue_is_reset(struct vio_transport *t, uint16_t index)
{
	struct pci_transport *p = viot_pci_of(t);

	if (!has_queue_reset(p)) {
		return -ENOTSUP;
	}
	select_queue(p, index);
	return register_read16(p->common + VIRTIO_PCI_COMMON_Q_RESET) == 0 &&
	       register_read16(p->common + VIRTIO_PCI_COMMON_Q_ENABLE) == 0;
}

/* 4.1.5.2 */
static void modern_notify(struct vio_transport *t, uint16_t index, uint32_t value)
{
	struct pci_transport *p = viot_pci_of(t);

	if (p->has_notification_data) {
		register_write32(p->doorbell[index], value);
	} else {
		register_write16(p->doorbell[index], index);
	}
}

static void modern_cut_off(struct vio_transport *t)
{
	viot_pci_command(viot_pci_of(t), 0, PCI_COMMAND_MASTER);
}

static void modern_close(struct vio_transport *t)
{
	viot_pci_release(viot_pci_of(t));
}

static int map_window(struct pci_transport *p, const struct viot_pci_window *window,
		      volatile char **registers, struct vio_error *err)
{
	int rc = window->present ? viot_pci_bar(&p->function, window->bar, registers, err) : 0;

	if (rc == 0 && window->present) {
		*registers += window->offset;
	}
	return rc;
}

int viot_pci_modern_start(struct pci_transport *p, struct vio_error *err)
{
	int rc = map_window(p, &p->caps.common, &p->common, err);

	if (rc == 0) {
		rc = map_window(p, &p->caps.notify, &p->notify, err);
	}
	if (rc == 0) {
		rc = map_window(p, &p->caps.isr, &p->isr, err);
	}
	if (rc == 0) {
		rc = map_window(p, &p->caps.device, &p->device, err);
	}
	p->base.t.ring_align = 4;
	p->base.take_isr = viot_pci_modern_isr;
	return rc;
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
	.queue_reset = modern_queue_reset,
	.queue_is_reset = modern_queue_is_reset,
	.notify = modern_notify,
	.wait_fd = viot_base_wait_fd,
	.wait_arm = viot_base_wait_arm,
	.wait_ack = viot_base_wait_ack,
	.wait_by_timer = viot_base_wait_by_timer,
	.cut_off = modern_cut_off,
	.close = modern_close,
};
