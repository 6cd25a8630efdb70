/* SPDX-License-Identifier: BSD-3-Clause */
#include "platform.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/virtio_ids.h>

#include <vio-transport/pci.h>
#include <vio/log.h>

enum {
	PAUSE_FIRST_NS = 20000,
	PAUSE_DOUBLINGS = 5, /* up to 640 µs */
	PATIENCE = 200,      /* fruitless wake-ups before the device counts as slow */
	PAUSE_SLOW_NS = 4000000,
};

void viot_base_init(struct viot_base *base)
{
	base->lock.fd = -1;
	base->timer = -1;
	base->t.wake_up = "polled";
}

int viot_base_claim(struct viot_base *base, struct vio_error *err)
{
	return viot_lock_take(&base->lock, base->t.name, err);
}

static int reset(struct viot_base *base, struct vio_error *err)
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

int viot_base_start(struct viot_base *base, const struct viot_options *options,
		    struct vio_error *err)
{
	size_t size = options->dma_size ? options->dma_size : VIOT_DMA_SIZE_DEFAULT;
	int rc = reset(base, err);

	if (rc < 0) {
		return rc;
	}
	base->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (base->timer < 0) {
		return vio_fail(err, -ENOMEM, "%s: no timer (%s)", base->t.name, strerror(errno));
	}
	return viot_hugepages_open(&base->t.dma, &base->lock, size, err);
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
	if (reset(base, &err) < 0) {
		vio_log(VIO_LOG_ERROR, "%s", err.text);
		dma->quarantined = true;
	}
}

void viot_base_release(struct viot_base *base)
{
	bool quarantined = base->t.dma && base->t.dma->quarantined;

	viot_hugepages_close(base->t.dma);
	if (base->timer >= 0) {
		close(base->timer);
	}
	/* the kernel's drivers wait for a reset without a bound, and we would wait for them */
	if (!base->lost) {
		viot_holder_give_back(&base->holder);
	}
	viot_lock_drop(&base->lock, quarantined || base->lock.reserved_pages > 0);
}

static struct viot_base *base_of(struct vio_transport *t)
{
	return (struct viot_base *)t; /* first member */
}

int viot_base_wait_fd(struct vio_transport *t, uint16_t index)
{
	return index == VIO_WAIT_EVENTS ? -ENOTSUP : base_of(t)->timer;
}

/* Short pauses while an answer is likely, long ones when the device is slow. */
void viot_base_wait_arm(struct vio_transport *t, uint16_t index, unsigned fruitless)
{
	unsigned doublings = fruitless < PAUSE_DOUBLINGS ? fruitless : PAUSE_DOUBLINGS;
	long pause = fruitless < PATIENCE ? (long)PAUSE_FIRST_NS << doublings : PAUSE_SLOW_NS;
	struct itimerspec when = {.it_value = {.tv_nsec = pause}};

	(void)index;
	timerfd_settime(base_of(t)->timer, 0, &when, NULL);
}

unsigned viot_base_wait_ack(struct vio_transport *t, uint16_t index)
{
	uint64_t expirations;

	(void)index;
	if (read(base_of(t)->timer, &expirations, sizeof(expirations)) < 0) {
		return 0; /* not expired: woken by something else */
	}
	return 0;
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
