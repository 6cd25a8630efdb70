/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VirtIO over MMIO: registers of VirtIO 1.2, 4.2.2 (version 2) and 4.2.4
 * (version 1, legacy), at a guest-physical address that the user gives.
 *
 * The two versions differ in how a queue is described and in what surrounds it;
 * everything else is one set of functions, and each version has its own table.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "platform.h"
#include "registers.h"

enum {
	MAGIC = 0x74726976, /* "virt" */
	WINDOW = 0x200,     /* what hypervisors give a slot */
	LEGACY_PAGE_SIZE = 4096,
};

struct mmio {
	struct vio_transport t; /* first */
	struct viot_platform platform;
	struct viot_mapping mapping;
	volatile char *registers;
};

static struct mmio *mmio_of(struct vio_transport *t)
{
	return (struct mmio *)t;
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
	return (uint8_t)read32(mmio_of(t), VIRTIO_MMIO_STATUS);
}

static void mmio_set_status(struct vio_transport *t, uint8_t status)
{
	write32(mmio_of(t), VIRTIO_MMIO_STATUS, status);
}

static bool fits(size_t offset, size_t size)
{
	return size <= WINDOW - VIRTIO_MMIO_CONFIG && offset <= WINDOW - VIRTIO_MMIO_CONFIG - size;
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
	uint64_t page = ring->descriptors.raw / LEGACY_PAGE_SIZE;

	if (page > UINT32_MAX) {
		return vio_fail(err, -ENOMEM,
				"%s: a legacy device cannot reach a ring at 0x%" PRIx64
				", above 16 TiB",
				t->name, ring->descriptors.raw);
	}
	write32(m, VIRTIO_MMIO_GUEST_PAGE_SIZE, LEGACY_PAGE_SIZE);
	write32(m, VIRTIO_MMIO_QUEUE_SEL, index);
	if (read32(m, VIRTIO_MMIO_QUEUE_PFN) != 0) {
		return vio_fail(err, -EPROTO, "%s: queue %u is in use right after a reset", t->name,
				index);
	}
	write32(m, VIRTIO_MMIO_QUEUE_NUM, ring->size);
	write32(m, VIRTIO_MMIO_QUEUE_ALIGN, LEGACY_PAGE_SIZE);
	write32(m, VIRTIO_MMIO_QUEUE_PFN, (uint32_t)page);
	if (read32(m, VIRTIO_MMIO_QUEUE_PFN) != (uint32_t)page) {
		return vio_fail(err, -EPROTO, "%s: the device does not accept queue %u", t->name,
				index);
	}
	return 0;
}

static void mmio_notify(struct vio_transport *t, uint16_t index)
{
	write32(mmio_of(t), VIRTIO_MMIO_QUEUE_NOTIFY, index);
}

static int mmio_wait_fd(struct vio_transport *t, uint16_t index)
{
	(void)index;
	return mmio_of(t)->platform.timer;
}

static void mmio_wait_arm(struct vio_transport *t, uint16_t index, unsigned fruitless)
{
	(void)index;
	viot_platform_arm(&mmio_of(t)->platform, fruitless);
}

static unsigned mmio_wait_ack(struct vio_transport *t, uint16_t index)
{
	(void)index;
	viot_platform_ack(&mmio_of(t)->platform);
	return 0;
}

static void mmio_close(struct vio_transport *t)
{
	struct mmio *m = mmio_of(t);

	viot_physical_unmap(&m->mapping);
	viot_platform_release(&m->platform);
	free(m);
}

static const struct vio_transport_ops version2_ops = {
	.get_features = mmio_get_features,
	.set_features = mmio_set_features,
	.get_status = mmio_get_status,
	.set_status = mmio_set_status,
	.config_read = mmio_config_read,
	.config_write = mmio_config_write,
	.config_generation = mmio_config_generation,
	.queue_max_size = mmio_queue_max_size,
	.queue_setup = v2_queue_setup,
	.notify = mmio_notify,
	.wait_fd = mmio_wait_fd,
	.wait_arm = mmio_wait_arm,
	.wait_ack = mmio_wait_ack,
	.close = mmio_close,
};

static const struct vio_transport_ops version1_ops = {
	.get_features = mmio_get_features,
	.set_features = mmio_set_features,
	.get_status = mmio_get_status,
	.set_status = mmio_set_status,
	.config_read = mmio_config_read,
	.config_write = mmio_config_write,
	.queue_max_size = mmio_queue_max_size,
	.queue_setup = v1_queue_setup,
	.notify = mmio_notify,
	.wait_fd = mmio_wait_fd,
	.wait_arm = mmio_wait_arm,
	.wait_ack = mmio_wait_ack,
	.close = mmio_close,
};

/* Other slots of the same page, which a wrong address most often is meant to be. */
static void hint(const struct mmio *m, char *text, size_t size)
{
	volatile char *page = m->mapping.base;
	uintptr_t here = (uintptr_t)m->registers - (uintptr_t)page;

	text[0] = '\0';
	for (uintptr_t offset = here % WINDOW; offset + WINDOW <= m->mapping.size;
	     offset += WINDOW) {
		const volatile char *slot = page + offset;

		if (register_read32(slot + VIRTIO_MMIO_MAGIC_VALUE) == MAGIC &&
		    register_read32(slot + VIRTIO_MMIO_DEVICE_ID) != 0) {
			snprintf(text, size, "; the slot at %+d bytes holds a device of class %u",
				 (int)(offset - here),
				 register_read32(slot + VIRTIO_MMIO_DEVICE_ID));
			return;
		}
	}
}

static int check_slot(struct mmio *m, uint64_t smem, struct vio_error *err)
{
	uint32_t magic = read32(m, VIRTIO_MMIO_MAGIC_VALUE);
	uint32_t version = read32(m, VIRTIO_MMIO_VERSION);
	char elsewhere[80];

	if (magic != MAGIC) {
		return vio_fail(
			err, -ENODEV,
			"smem=0x%" PRIx64 ": no VirtIO device answers there: the first word "
			"reads 0x%08x, 0x%08x (\"virt\") was expected; check it against the "
			"VM's configuration",
			smem, magic, MAGIC);
	}
	if (version != 1 && version != 2) {
		return vio_fail(err, -ENOTSUP,
				"smem=0x%" PRIx64
				": a VirtIO device of register version %u is there; "
				"1 (legacy) or 2 was expected",
				smem, version);
	}
	m->t.device_type = read32(m, VIRTIO_MMIO_DEVICE_ID);
	if (m->t.device_type == 0) {
		hint(m, elsewhere, sizeof(elsewhere));
		return vio_fail(err, -ENODEV,
				"smem=0x%" PRIx64
				": an empty VirtIO slot is there, without a device%s",
				smem, elsewhere);
	}
	m->t.vendor_id = read32(m, VIRTIO_MMIO_VENDOR_ID);
	m->t.legacy = version == 1;
	return 0;
}

static int describe(struct mmio *m, struct vio_error *err)
{
	m->t.ops = m->t.legacy ? &version1_ops : &version2_ops;
	m->t.ring_align = m->t.legacy ? LEGACY_PAGE_SIZE : 4;
	/* legacy fields are in the byte order of the guest, the rings here are little-endian */
	if (m->t.legacy && BYTE_ORDER != LITTLE_ENDIAN) {
		return vio_fail(err, -ENOTSUP,
				"%s: legacy devices are driven on little-endian machines only: "
				"configure the VM for VirtIO 1.0",
				m->t.name);
	}
	return 0;
}

static int open_registers(struct mmio *m, uint64_t smem, const struct viot_options *options,
			  struct vio_error *err)
{
	struct viot_holder holder;
	int rc;

	if (smem % 4 != 0) {
		return vio_fail(err, -EINVAL,
				"smem=0x%" PRIx64 ": registers begin at a multiple of 4", smem);
	}
	rc = viot_holder_at(&holder, smem, err);
	if (rc == 0) {
		rc = viot_holder_check(&holder, options->takeover, err);
	}
	if (rc < 0) {
		return rc;
	}
	m->registers = viot_physical_map(&m->mapping, smem, WINDOW, err);
	if (!m->registers) {
		return -EACCES;
	}
	return check_slot(m, smem, err);
}

static int start(struct mmio *m, const struct viot_address *address,
		 const struct viot_options *options, struct vio_error *err)
{
	int rc = viot_platform_claim(&m->platform, m->t.name, err);

	if (rc == 0) {
		rc = open_registers(m, address->smem, options, err);
	}
	if (rc == 0) {
		rc = describe(m, err);
	}
	if (rc == 0) {
		rc = viot_check_type(m->t.name, m->t.device_type, options, err);
	}
	if (rc == 0) {
		rc = viot_platform_start(&m->platform, &m->t, options, err);
	}
	return rc;
}

int viot_mmio_open(struct vio_transport **out, const struct viot_address *address,
		   const struct viot_options *options, struct vio_error *err)
{
	struct mmio *m = calloc(1, sizeof(*m));
	int rc;

	if (!m) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	snprintf(m->t.name, sizeof(m->t.name), "mmio-0x%" PRIx64, address->smem);
	rc = start(m, address, options, err);
	if (rc < 0) {
		mmio_close(&m->t);
		return rc;
	}
	*out = &m->t;
	return 0;
}
