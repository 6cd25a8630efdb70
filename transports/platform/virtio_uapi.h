/* SPDX-License-Identifier: BSD-3-Clause */
/* VirtIO 1.2 constants that <linux/virtio_config.h> and <linux/virtio_mmio.h> of Debian 12 lack. */
#ifndef VIOT_VIRTIO_UAPI_H
#define VIOT_VIRTIO_UAPI_H

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA 38 /* 6 */
#endif

#ifndef VIRTIO_MMIO_QUEUE_RESET
#define VIRTIO_MMIO_QUEUE_RESET 0x0c0 /* 4.2.2 */
#endif

#endif
