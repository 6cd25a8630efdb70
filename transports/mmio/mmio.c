/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VirtIO over MMIO: registers of VirtIO 1.2, 4.2.2 (version 2) and 4.2.4
 * (version 1, legacy), at a guest-physical address that the user gives.
 *
 * The two versions differ in how a queue is described and in what surrounds it;
 * everything else is one set of functions, and each version has its own table.
 */
#include "mmio.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/virtio_mmio.h>

#include "registers.h"
#include "virtio_uapi.h"

enum {
	ISR_TRIES = 4 /* news keep coming only from a device that is busy, and then more come */
};

static struct mmio *mmio_of(struct vio_transport *t)
{
	return (struct mmio *)t; /* first member of its first member */
}

static uint32_t read32(const struct mmio *m, unsigned offset)
{
	return register_read32(m->registers + offset);
}

static void write32(struct mmio *m, unsigned offset, uint32_t value)
{
	register_write32(m->registers + offset, value);
}

static void write_address(struct mmio *m, unsigned low, unsigned high, vio_iova address)
{
	write32(m, low, (uint32_t)address.raw);
	write32(m, high, (uint32_t)(address.raw >> 32));
}

static uint64_t mmio_get_features(struct vio_transport *t)
{
	struct mmio *m = mmio_of(t);
	uint64_t features;

	write32(m, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	features = (uint64_t)read32(m, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	write32(m, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	return features | read32(m, VIRTIO_MMIO_DEVICE_FEATURES);
}

static void mmio_set_features(struct vio_transport *t, uint64_t features)
{
	struct mmio *m = mmio_of(t);

	write32(m, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	write32(m, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
	write32(m, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	write32(m, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
}

static uint8_t mmio_get_status(struct vio_transport *t)
{
	struct mmio *m = mmio_of(t);

	return viot_base_status(&m->base, (uint8_t)read32(m, VIRTIO_MMIO_STATUS));
}

static void mmio_set_status(struct vio_transport *t, uint8_t status)
{
	write32(mmio_of(t), VIRTIO_MMIO_STATUS, status);
}

static bool fits(size_t offset, size_t size)
{
	return size <= VIOT_MMIO_WINDOW - VIRTIO_MMIO_CONFIG &&
	       offset <= VIOT_MMIO_WINDOW - VIRTIO_MMIO_CONFIG - size;
}

static int mmio_config_read(struct vio_transport *t, size_t offset, void *buffer, size_t size)
{
	volatile char *config = mmio_of(t)->registers + VIRTIO_MMIO_CONFIG;

	return fits(offset, size) && registers_copy_in(config + offset, buffer, size) ? 0 : -EINVAL;
}

static int mmio_config_write(struct vio_transport *t, size_t offset, const void *buffer,
			     size_t size)
{
	volatile char *config = mmio_of(t)->registers + VIRTIO_MMIO_CONFIG;

	return fits(offset, size) && registers_copy_out(config + offset, buffer, size) ? 0
										       : -EINVAL;
}

static uint32_t mmio_config_generation(struct vio_transport *t)
{
	return read32(mmio_of(t), VIRTIO_MMIO_CONFIG_GENERATION);
}

static uint16_t mmio_queue_max_size(struct vio_transport *t, uint16_t index)
{
	struct mmio *m = mmio_of(t);
	uint32_t max;

	write32(m, VIRTIO_MMIO_QUEUE_SEL, index);
	max = read32(m, VIRTIO_MMIO_QUEUE_NUM_MAX);
	return max > UINT16_MAX ? UINT16_MAX : (uint16_t)max;
}

/* 4.2.3.2: the queue must be idle before, and says when it is ready. */
static int v2_queue_setup(struct vio_transport *t, uint16_t index,
			  const struct vio_ring_address *ring, struct vio_error *err)
{
	struct mmio *m = mmio_of(t);
	int rc = viot_interrupt_open_timer(&m->base.interrupt, index, t->name, err);

	if (rc < 0) {
		return rc;
	}
	write32(m, VIRTIO_MMIO_QUEUE_SEL, index);
	if (read32(m, VIRTIO_MMIO_QUEUE_READY) != 0) {
		return vio_fail(err, -EPROTO, "%s: queue %u is in use right after a reset", t->name,
				index);
	}
	write32(m, VIRTIO_MMIO_QUEUE_NUM, ring->size);
	write_address(m, VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH,
		      ring->descriptors);
	write_address(m, VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
		      ring->driver_area);
	write_address(m, VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_MMIO_QUEUE_USED_HIGH,
		      ring->device_area);
	write32(m, VIRTIO_MMIO_QUEUE_READY, 1);
	if (read32(m, VIRTIO_MMIO_QUEUE_READY) != 1) {
		return vio_fail(err, -EPROTO, "%s: the device does not accept queue %u", t->name,
				index);
	}
	return 0;
}

/* 4.2.4: one page number says it all, because the parts follow from it. */
static int v1_queue_setup(struct vio_transport *t, uint16_t index,
			  const struct vio_ring_address *ring, struct vio_error *err)
{
	struct mmio *m = mmio_of(t);
	uint64_t page = ring->descriptors.raw / VIOT_MMIO_LEGACY_PAGE_SIZE;
	int rc = viot_interrupt_open_timer(&m->base.interrupt, index, t->name, err);

	if (rc < 0) {
		return rc;
	}
	if (page > UINT32_MAX) {
		return vio_fail(err, -ENOMEM,
				"%s: a legacy device cannot reach a ring at 0x%" PRIx64
				", above 16 TiB",
				t->name, ring->descriptors.raw);
	}
	write32(m, VIRTIO_MMIO_GUEST_PAGE_SIZE, VIOT_MMIO_LEGACY_PAGE_SIZE);
	write32(m, VIRTIO_MMIO_QUEUE_SEL, index);
	if (read32(m, VIRTIO_MMIO_QUEUE_PFN) != 0) {
		return vio_fail(err, -EPROTO, "%s: queue %u is in use right after a reset", t->name,
				index);
	}
	write32(m, VIRTIO_MMIO_QUEUE_NUM, ring->size);
	write32(m, VIRTIO_MMIO_QUEUE_ALIGN, VIOT_MMIO_LEGACY_PAGE_SIZE);
	write32(m, VIRTIO_MMIO_QUEUE_PFN, (uint32_t)page);
	if (read32(m, VIRTIO_MMIO_QUEUE_PFN) != (uint32_t)page) {
		return vio_fail(err, -EPROTO, "%s: the device does not accept queue %u", t->name,
				index);
	}
	return 0;
}

static void v2_queue_reset(struct vio_transport *t, uint16_t index)
{
	struct mmio *m = mmio_of(t);

	write32(m, VIRTIO_MMIO_QUEUE_SEL, index);
	write32(m, VIRTIO_MMIO_QUEUE_RESET, 1);
}

/* Both: a device that offers it and does nothing reads 0 in the one, and 1 in the other. */
static int v2_queue_is_reset(struct vio_transport *t, uint16_t index)
{
	struct mmio *m = mmio_of(t);

	write32(m, VIRTIO_MMIO_QUEUE_SEL, index);
	return read32(m, VIRTIO_MMIO_QUEUE_RESET) == 0 && read32(m, VIRTIO_MMIO_QUEUE_READY) == 0;
}

/* 32 bits in any case; with NOTIFICATION_DATA they say more (4.2.3.3). */
static void mmio_notify(struct vio_transport *t, uint16_t index, uint32_t value)
{
	(void)index;
	write32(mmio_of(t), VIRTIO_MMIO_QUEUE_NOTIFY, value);
}

uint8_t viot_mmio_isr(struct viot_base *base)
{
	struct mmio *m = mmio_of(&base->t);
	uint32_t status, all = 0;

	/* an edge comes only after the line has fallen: all that is there must be taken back */
	for (int i = 0; i < ISR_TRIES; i++) {
		status = read32(m, VIRTIO_MMIO_INTERRUPT_STATUS);
		if (status == 0) {
			break;
		}
		write32(m, VIRTIO_MMIO_INTERRUPT_ACK, status);
		all |= status;
	}
	return (uint8_t)all;
}

static void mmio_close(struct vio_transport *t)
{
	struct mmio *m = mmio_of(t);

	viot_base_quiesce(&m->base);
	viot_unguard(m->mapping.base);
	viot_physical_unmap(&m->mapping);
	if (m->uio_fd >= 0) {
		close(m->uio_fd);
	}
	viot_base_release(&m->base);
	free(m);
}

const struct vio_transport_ops viot_mmio_version2_ops = {
	.get_features = mmio_get_features,
	.set_features = mmio_set_features,
	.get_status = mmio_get_status,
	.set_status = mmio_set_status,
	.config_read = mmio_config_read,
	.config_write = mmio_config_write,
	.config_generation = mmio_config_generation,
	.queue_max_size = mmio_queue_max_size,
	.queue_setup = v2_queue_setup,
	.queue_reset = v2_queue_reset,
	.queue_is_reset = v2_queue_is_reset,
	.notify = mmio_notify,
	.wait_fd = viot_base_wait_fd,
	.wait_arm = viot_base_wait_arm,
	.wait_ack = viot_base_wait_ack,
	.wait_by_timer = viot_base_wait_by_timer,
	.close = mmio_close,
};

const struct vio_transport_ops viot_mmio_version1_ops = {
	.get_features = mmio_get_features,
	.set_features = mmio_set_features,
	.get_status = mmio_get_status,
	.set_status = mmio_set_status,
	.config_read = mmio_config_read,
	.config_write = mmio_config_write,
	.queue_max_size = mmio_queue_max_size,
	.queue_setup = v1_queue_setup,
	.notify = mmio_notify,
	.wait_fd = viot_base_wait_fd,
	.wait_arm = viot_base_wait_arm,
	.wait_ack = viot_base_wait_ack,
	.wait_by_timer = viot_base_wait_by_timer,
	.close = mmio_close,
};
