/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a VirtIO device, for authors of device classes (blk.h is one).
 *
 *   vio_device_open()      reset, ACKNOWLEDGE, DRIVER, negotiate, FEATURES_OK
 *   vio_device_config()    read the configuration space, consistently
 *   vio_queue_open()       one per virtqueue, see queue.h
 *   vio_device_start()     DRIVER_OK: from here on the device works
 *   vio_device_events()    now and then: has something happened to it?
 *   vio_device_reset()     when it misbehaves; negotiate again with vio_device_restart()
 *   vio_device_close()     reset, wait for it, free
 *
 * The order is that of VirtIO 1.2, 3.1.1. Every step is bounded in time.
 * Threads: one at a time; the queues of a running device belong to their own.
 */
#ifndef VIO_DEVICE_H
#define VIO_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include <vio/error.h>
#include <vio/export.h>
#include <vio/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vio_device;

/* A feature bit number of the kernel's headers as a mask. */
#define VIO_FEATURE(bit) (UINT64_C(1) << (bit))

/* What a device class asks for (VirtIO 1.2, 2.2). */
struct vio_device_wishes {
	uint32_t device_type; /* VIRTIO_ID_… */
	/* accepted where offered; ACCESS_PLATFORM is the transport's matter and always is */
	uint64_t wanted;
	uint64_t required; /* fails without, even if it is not in wanted */
	uint64_t refused;  /* done without, even if it is in wanted */
};

/**
 * vio_device_open - take the device as far as FEATURES_OK
 * @t: not owned; must stay open until vio_device_close()
 *
 * Returns 0, or -ENODEV (another class, or nothing there), -ENOTSUP (a required
 * feature is missing, or the device refuses our choice), -ETIMEDOUT (the reset
 * was not confirmed), -ENOMEM. A device that was reset and then found unfit is
 * left with FAILED set.
 */
VIO_EXPORT int vio_device_open(struct vio_device **device, struct vio_transport *t,
			       const struct vio_device_wishes *wishes, struct vio_error *err);

/**
 * vio_device_close - reset the device, wait for its confirmation, free
 *
 * Close its queues afterwards: their memory may be freed only after the reset.
 * NULL is allowed.
 * Without confirmation the DMA memory goes into quarantine. Blocks, bounded.
 */
VIO_EXPORT void vio_device_close(struct vio_device *device);

/* The accepted feature bits. */
VIO_EXPORT uint64_t vio_device_features(const struct vio_device *device);

/* The transport given to vio_device_open(). */
VIO_EXPORT struct vio_transport *vio_device_transport(const struct vio_device *device);

/* A field of the configuration space: read with exactly this width (4.2.2.2). */
struct vio_config_field {
	uint16_t offset; /* bytes; offset + size <= VIO_CONFIG_MAX */
	uint16_t size;   /* 1, 2, 4 or 8 */
};

#define VIO_CONFIG_MAX 256

/**
 * vio_device_config - a consistent copy of some fields of the configuration space
 * @space: VIO_CONFIG_MAX bytes at most; every field lands at its own offset
 * @count: fields
 *
 * Little-endian fields stay as they are on the wire. Reads everything again
 * while the generation changes, a bounded number of times. Returns 0, -EPROTO if
 * it never settles, -EINVAL for a field that the device does not have.
 * VirtIO 1.2, 2.5.
 */
VIO_EXPORT int vio_device_config(struct vio_device *device, const struct vio_config_field *fields,
				 unsigned count, void *space);

/**
 * vio_device_start - set DRIVER_OK; the queues must be set up
 */
VIO_EXPORT int vio_device_start(struct vio_device *device, struct vio_error *err);

/**
 * vio_device_events - what happened since the last call, as enum vio_event bits
 *
 * Two register reads: not for the I/O path, once a second is plenty. A device that
 * reset itself counts as one that needs it. VIO_EVENT_CONFIG is missing where the
 * transport has no config_generation: there, read the configuration and compare.
 */
VIO_EXPORT unsigned vio_device_events(struct vio_device *device);

/**
 * vio_device_reset - reset and wait, bounded
 *
 * After 0 no memory of ours is in use. Otherwise the DMA memory is quarantined,
 * if the device was given any, and -ETIMEDOUT or -ENODEV is returned.
 */
VIO_EXPORT int vio_device_reset(struct vio_device *device, struct vio_error *err);

/**
 * vio_device_restart - after vio_device_reset(): negotiate the same features again
 *
 * The caller then hands the rings over again and calls vio_device_start(). Of a device
 * that may return (transport.h) the features of its class are negotiated anew, and only
 * those of the rings must be what they were.
 * Returns 0, or -EPROTO if the device now offers something else, -ENOTSUP if it
 * refuses what it took before, -ENODEV if it is not there.
 */
VIO_EXPORT int vio_device_restart(struct vio_device *device, struct vio_error *err);

#ifdef __cplusplus
}
#endif

#endif
