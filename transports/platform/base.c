/* SPDX-License-Identifier: BSD-3-Clause */
#include "platform.h"

#include <errno.h>

#include <linux/virtio_ids.h>

#include <vio-transport/pci.h>
#include <vio/log.h>

void viot_base_init(struct viot_base *base)
{
	base->lock.fd = -1;
	base->t.wake_up = "polled";
	viot_interrupt_init(&base->interrupt);
}

int viot_base_claim(struct viot_base *base, struct vio_error *err)
{
	return viot_lock_take(&base->lock, base->t.name, err);
}

int viot_base_reset(struct viot_base *base, struct vio_error *err)
{
	int rc = vio_transport_reset(&base->t, err);

	if (rc < 0) {
		base->lost = true;
		if (base->t.ops->cut_off) {
			base->t.ops->cut_off(&base->t);
		}
	}
	return rc;
}

size_t viot_dma_size(const struct viot_options *options)
{
	return options->dma_size ? options->dma_size : VIOT_DMA_SIZE_DEFAULT;
}

int viot_base_hugepages(struct viot_base *base, const struct viot_options *options,
			struct vio_error *err)
{
	return viot_hugepages_open(&base->t.dma, &base->lock, viot_dma_size(options), err);
}

void viot_base_keep(struct viot_base *base)
{
	base->holder.taken = false;
}

/* Rule of the specification, not of the caller: memory is freed after a reset (2.4). */
void viot_base_quiesce(struct viot_base *base)
{
	struct vio_dma *dma = base->t.dma;
	struct vio_error err;

	if (!dma || dma->quarantined || base->t.ops->get_status(&base->t) == 0) {
		return;
	}
	if (viot_base_reset(base, &err) < 0) {
		vio_log(VIO_LOG_ERROR, "%s", err.text);
		dma->quarantined = true;
	}
}

void viot_base_release(struct viot_base *base)
{
	bool quarantined = base->t.dma && base->t.dma->quarantined && !base->is_harmless;

	if (base->t.dma) {
		base->t.dma->quarantined = quarantined;
	}
	viot_dma_close(base->t.dma);
	viot_interrupt_close(&base->interrupt);
	/* the kernel's drivers wait for a reset without a bound, and we would wait for them */
	if (!base->lost) {
		viot_holder_give_back(&base->holder);
	}
	viot_lock_drop(&base->lock, quarantined || base->lock.reserved_pages > 0);
}

const char *viot_type_name(uint32_t type)
{
	static const char *const names[] = {
		[VIRTIO_ID_NET] = "network",     [VIRTIO_ID_BLOCK] = "block",
		[VIRTIO_ID_CONSOLE] = "console", [VIRTIO_ID_RNG] = "entropy",
		[VIRTIO_ID_BALLOON] = "balloon", [VIRTIO_ID_SCSI] = "SCSI",
		[VIRTIO_ID_9P] = "9P",           [VIRTIO_ID_GPU] = "GPU",
		[VIRTIO_ID_INPUT] = "input",     [VIRTIO_ID_VSOCK] = "socket",
		[VIRTIO_ID_CRYPTO] = "crypto",   [VIRTIO_ID_IOMMU] = "IOMMU",
		[VIRTIO_ID_MEM] = "memory",      [VIRTIO_ID_SOUND] = "sound",
		[VIRTIO_ID_FS] = "file system",  [VIRTIO_ID_PMEM] = "persistent memory",
	};

	return type < sizeof(names) / sizeof(names[0]) && names[type] ? names[type] : "unknown";
}

int viot_check_type(const char *name, uint32_t found, const struct viot_options *options,
		    struct vio_error *err)
{
	uint32_t wanted = options->device_type;

	if (wanted == 0 || found == wanted) {
		return 0;
	}
	return vio_fail(err, -ENODEV,
			"%s is a VirtIO %s device (class %u), not a %s device (class %u): give the "
			"address of another one",
			name, viot_type_name(found), found, viot_type_name(wanted), wanted);
}
