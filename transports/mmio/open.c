/* SPDX-License-Identifier: BSD-3-Clause */
/* From a physical address to a device that answers there. */
#include "mmio.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/virtio_mmio.h>

#include "registers.h"

enum {
	MAGIC = 0x74726976, /* "virt" */
	NO_SLOT = 0x7fffffff,
	HINT_AREA = 4096,
};

/* The class of the device in a slot, 0 of an empty one. */
static uint32_t class_in(const volatile char *slot)
{
	return register_read32(slot + VIRTIO_MMIO_MAGIC_VALUE) == MAGIC
		       ? register_read32(slot + VIRTIO_MMIO_DEVICE_ID)
		       : NO_SLOT;
}

/* Other slots of the same page, which a wrong address most often is meant to be. */
static void hint(const struct mmio *m, char *text, size_t size)
{
	volatile char *page = m->mapping.base;
	uintptr_t here = (uintptr_t)m->registers - (uintptr_t)page;

	text[0] = '\0';
	/* not all of a large page: what it has beside slots is not to be touched */
	for (uintptr_t offset = here - here % HINT_AREA + here % VIOT_MMIO_WINDOW;
	     offset < here - here % HINT_AREA + HINT_AREA &&
	     offset + VIOT_MMIO_WINDOW <= m->mapping.size;
	     offset += VIOT_MMIO_WINDOW) {
		uint32_t found = class_in(page + offset);

		if (found != NO_SLOT && found != 0) {
			snprintf(text, size, "; the slot at %+d bytes holds a device of class %u",
				 (int)(offset - here), found);
			return;
		}
	}
}

static int check_magic(const struct mmio *m, uint64_t smem, struct vio_error *err)
{
	uint32_t magic = register_read32(m->registers + VIRTIO_MMIO_MAGIC_VALUE);

	if (atomic_load(&m->base.is_gone)) {
		return vio_fail(err, -ENODEV,
				"smem=0x%" PRIx64 ": nothing is there: reading it raises a bus "
				"error; check it against the VM's configuration",
				smem);
	}
	if (magic != MAGIC) {
		return vio_fail(
			err, -ENODEV,
			"smem=0x%" PRIx64 ": no VirtIO device answers there: the first word "
			"reads 0x%08x, 0x%08x (\"virt\") was expected; check it against the "
			"VM's configuration",
			smem, magic, MAGIC);
	}
	return 0;
}

static int check_slot(struct mmio *m, uint64_t smem, struct vio_error *err)
{
	struct vio_transport *t = &m->base.t;
	uint32_t version = register_read32(m->registers + VIRTIO_MMIO_VERSION);
	char elsewhere[80];

	if (version != 1 && version != 2) {
		return vio_fail(err, -ENOTSUP,
				"smem=0x%" PRIx64 ": a VirtIO device of register version %u is "
				"there; 1 (legacy) or 2 was expected",
				smem, version);
	}
	t->device_type = register_read32(m->registers + VIRTIO_MMIO_DEVICE_ID);
	if (t->device_type == 0) {
		hint(m, elsewhere, sizeof(elsewhere));
		return vio_fail(err, -ENODEV,
				"smem=0x%" PRIx64
				": an empty VirtIO slot is there, without a device%s",
				smem, elsewhere);
	}
	t->vendor_id = register_read32(m->registers + VIRTIO_MMIO_VENDOR_ID);
	t->legacy = version == 1;
	return 0;
}

static int describe(struct vio_transport *t, struct vio_error *err)
{
	t->ops = t->legacy ? &viot_mmio_version1_ops : &viot_mmio_version2_ops;
	t->ring_align = t->legacy ? VIOT_MMIO_LEGACY_PAGE_SIZE : 4;
	/* legacy fields are in the byte order of the guest, the rings here are little-endian */
	if (t->legacy && BYTE_ORDER != LITTLE_ENDIAN) {
		return vio_fail(err, -ENOTSUP,
				"%s: legacy devices are driven on little-endian machines only: "
				"configure the VM for VirtIO 1.0",
				t->name);
	}
	return 0;
}

/* While a kernel driver holds the device, sysfs tells what it is; afterwards its registers do. */
static int free_from_kernel(struct mmio *m, uint64_t smem, const struct viot_options *options,
			    struct vio_error *err)
{
	int rc;

	if (smem % 4 != 0) {
		return vio_fail(err, -EINVAL,
				"smem=0x%" PRIx64 ": registers begin at a multiple of 4", smem);
	}
	rc = viot_holder_at(&m->base.holder, smem, err);
	/* a driver that hands it out as a UIO device does what we want of it */
	if (rc < 0 || m->uio.name[0]) {
		return rc;
	}
	return viot_holder_free(&m->base.holder, options, err);
}

/* By UIO no right to all of memory is needed, and no page is refused for its neighbours. */
static int map_registers(struct mmio *m, uint64_t smem, struct vio_error *err)
{
	if (m->uio.size) {
		m->registers = viot_uio_map(&m->uio, m->uio_fd, &m->mapping, err);
	} else {
		m->registers = viot_physical_map(&m->mapping, smem, VIOT_MMIO_WINDOW, err);
	}
	return m->registers ? 0 : -EACCES;
}

static int identify(struct mmio *m, uint64_t smem, struct vio_error *err)
{
	int rc = map_registers(m, smem, err);

	if (rc < 0) {
		return rc;
	}
	if (!viot_guard(m->mapping.base, m->mapping.size, &m->base.is_gone)) {
		return vio_fail(err, -ENOMEM, "%s: too many devices are open in this process",
				m->base.t.name);
	}
	rc = check_magic(m, smem, err);
	if (rc == 0) {
		rc = check_slot(m, smem, err);
	}
	return rc < 0 ? rc : describe(&m->base.t, err);
}

static int start(struct mmio *m, const struct viot_address *address,
		 const struct viot_options *options, struct vio_error *err)
{
	uint64_t smem = address->smem;
	int rc = viot_base_claim(&m->base, err);

	if (rc < 0 ||
	    (rc = viot_mmio_find_uio(m, smem, address->irq, options->interrupts, err)) < 0 ||
	    (rc = free_from_kernel(m, smem, options, err)) < 0 ||
	    (rc = identify(m, smem, err)) < 0 ||
	    (rc = viot_check_type(m->base.t.name, m->base.t.device_type, options, err)) < 0 ||
	    (rc = viot_base_reset(&m->base, err)) < 0 ||
	    (rc = viot_base_hugepages(&m->base, options, err)) < 0) {
		return rc;
	}
	return viot_mmio_start_interrupts(m, options->interrupts, err);
}

int viot_mmio_open(struct vio_transport **out, const struct viot_address *address,
		   const struct viot_options *options, struct vio_error *err)
{
	struct mmio *m = calloc(1, sizeof(*m));
	struct vio_transport *t;
	int rc;

	if (!m) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	t = &m->base.t;
	viot_base_init(&m->base);
	m->uio_fd = -1;
	snprintf(t->name, sizeof(t->name), "mmio-0x%" PRIx64, address->smem);
	t->ops = &viot_mmio_version2_ops; /* until we know */
	rc = start(m, address, options, err);
	if (rc < 0) {
		t->ops->close(t);
		return rc;
	}
	viot_base_keep(&m->base);
	*out = t;
	return 0;
}
