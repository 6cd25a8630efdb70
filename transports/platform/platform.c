/* SPDX-License-Identifier: BSD-3-Clause */
#include "platform.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/virtio_ids.h>

#include <vio-transport/pci.h>

enum {
	PAUSE_FIRST_NS = 20000,
	PAUSE_DOUBLINGS = 5, /* up to 640 µs */
	PATIENCE = 200,      /* fruitless wake-ups before the device counts as slow */
	PAUSE_SLOW_NS = 4000000,
};

int viot_platform_claim(struct viot_platform *platform, const char *key, struct vio_error *err)
{
	memset(platform, 0, sizeof(*platform));
	platform->lock.fd = -1;
	platform->timer = -1;
	return viot_lock_take(&platform->lock, key, err);
}

int viot_platform_start(struct viot_platform *platform, struct vio_transport *t,
			const struct viot_options *options, struct vio_error *err)
{
	size_t size = options->dma_size ? options->dma_size : VIOT_DMA_SIZE_DEFAULT;
	int rc = vio_transport_reset(t, err);

	if (rc < 0) {
		return rc;
	}
	platform->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (platform->timer < 0) {
		return vio_fail(err, -ENOMEM, "%s: no timer (%s)", t->name, strerror(errno));
	}
	rc = viot_hugepages_open(&platform->dma, &platform->lock, size, err);
	t->dma = platform->dma;
	return rc;
}

void viot_platform_release(struct viot_platform *platform)
{
	bool keep = platform->dma && platform->dma->quarantined;

	viot_hugepages_close(platform->dma);
	if (platform->timer >= 0) {
		close(platform->timer);
	}
	viot_lock_drop(&platform->lock, keep);
}

/* Short pauses while an answer is likely, long ones when the device is slow. */
void viot_platform_arm(const struct viot_platform *platform, unsigned fruitless)
{
	unsigned doublings = fruitless < PAUSE_DOUBLINGS ? fruitless : PAUSE_DOUBLINGS;
	long pause = fruitless < PATIENCE ? (long)PAUSE_FIRST_NS << doublings : PAUSE_SLOW_NS;
	struct itimerspec when = {.it_value = {.tv_nsec = pause}};

	timerfd_settime(platform->timer, 0, &when, NULL);
}

void viot_platform_ack(const struct viot_platform *platform)
{
	uint64_t expirations;

	if (read(platform->timer, &expirations, sizeof(expirations)) < 0) {
		return; /* not expired: woken by something else */
	}
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
