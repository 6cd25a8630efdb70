/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one contract between the library and the ways to reach a device.
 *
 * A transport knows which register means what. It holds no policy: the order of
 * initialisation, feature negotiation, time-outs and the checking of what a
 * device says are written once, above it (see device.h). A transport is opened
 * by its own function (<vio-transport/open.h>), is handed to the library, and
 * outlives every device that uses it.
 *
 * Threads: one at a time, the one that opened the device or is its control thread
 * (device.h), except notify() and the wait_ calls: they belong to the thread that
 * owns the queue named, and run at the same time as everything else. News
 * (VIO_WAIT_EVENTS) belong to the control thread.
 */
#ifndef VIO_TRANSPORT_H
#define VIO_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vio/dma.h>
#include <vio/error.h>
#include <vio/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where the three parts of a virtqueue lie (VirtIO 1.2, 2.6). */
struct vio_ring_address {
	uint16_t size; /* entries */
	vio_iova descriptors;
	vio_iova driver_area;
	vio_iova device_area;
};

/* What happened to the device as a whole; a bit mask. */
enum vio_event {
	VIO_EVENT_CONFIG = 1 << 0,      /* the configuration space changed */
	VIO_EVENT_NEEDS_RESET = 1 << 1, /* the device gave up until it is reset */
	VIO_EVENT_GONE = 1 << 2,        /* the device no longer answers */
};

struct vio_transport;

/* For the wait_ calls, in the place of a queue: news of the device as a whole. */
#define VIO_WAIT_EVENTS UINT16_MAX

struct vio_transport_ops {
	/* Feature bits offered by the device, and those the driver accepts (2.2). */
	uint64_t (*get_features)(struct vio_transport *t);
	void (*set_features)(struct vio_transport *t, uint64_t features);

	/* Device status (2.1). All ones means that nothing answers. */
	uint8_t (*get_status)(struct vio_transport *t);
	void (*set_status)(struct vio_transport *t, uint8_t status);

	/*
	 * Configuration space (2.5): one field of 1, 2, 4 or 8 bytes, as it is on
	 * the wire; no consistency, which device.h adds. Returns 0, or -EINVAL
	 * beyond the end of what the device has.
	 * config_generation: NULL where there is none (legacy).
	 */
	int (*config_read)(struct vio_transport *t, size_t offset, void *buffer, size_t size);
	int (*config_write)(struct vio_transport *t, size_t offset, const void *buffer,
			    size_t size);
	uint32_t (*config_generation)(struct vio_transport *t);

	/*
	 * Queues (2.6): the largest size the device takes, 0 if there is no such
	 * queue; hand over a ring. A queue ends with the reset of the device.
	 */
	uint16_t (*queue_max_size)(struct vio_transport *t, uint16_t index);
	int (*queue_setup)(struct vio_transport *t, uint16_t index,
			   const struct vio_ring_address *ring, struct vio_error *err);
	/*
	 * One register write, or one eventfd write. @value is what stands on the wire:
	 * @index, or with VIRTIO_F_NOTIFICATION_DATA accepted (set_features) also where
	 * the driver is in the ring (2.9, 4.1.5.2, 4.2.3.3), and then 32 bits wide.
	 */
	void (*notify)(struct vio_transport *t, uint16_t index, uint32_t value);
	/*
	 * Optional, with VIRTIO_F_RING_RESET (2.6.1): ask the device to let go of one
	 * queue; and has it? A negative errno if it never will. Both NULL where queues
	 * end with the device only. Afterwards queue_setup() may hand over a ring again.
	 */
	void (*queue_reset)(struct vio_transport *t, uint16_t index);
	int (*queue_is_reset)(struct vio_transport *t, uint16_t index);

	/*
	 * Waiting for completions of queue @index. wait_fd: readable when the queue
	 * may have some; watched but not read by the caller, valid until the transport
	 * closes or wait_by_timer() is called; or a negative errno. wait_arm: ask for the
	 * next wake-up; @fruitless is the number of wake-ups in a row that found
	 * nothing, from which a polling transport makes its pause. wait_ack: take back
	 * the readiness after a wake-up; returns the enum vio_event bits that the
	 * interrupt carried. An interrupt may be stale or shared: only the ring tells
	 * what is finished.
	 *
	 * With VIO_WAIT_EVENTS as @index: the descriptor of news about the device
	 * itself, where they do not arrive together with those of queue 0; else
	 * wait_fd returns -ENOTSUP. It needs no arming.
	 */
	int (*wait_fd)(struct vio_transport *t, uint16_t index);
	void (*wait_arm)(struct vio_transport *t, uint16_t index, unsigned fruitless);
	unsigned (*wait_ack)(struct vio_transport *t, uint16_t index);
	/*
	 * Interrupts of this queue do not arrive: from here on its wait_fd is a timer,
	 * and the others' is what it was. Never fails: each queue that was set up has
	 * its timer already.
	 */
	void (*wait_by_timer)(struct vio_transport *t, uint16_t index);

	/*
	 * Optional: NULL where nothing can be done. A reset was not confirmed: from
	 * here on the device must not reach memory.
	 */
	void (*cut_off)(struct vio_transport *t);

	/*
	 * Frees @t. A device that was not reset is; if it does not confirm that, or
	 * is in quarantine already, DMA memory stays.
	 */
	void (*close)(struct vio_transport *t);
};

struct vio_transport {
	const struct vio_transport_ops *ops;
	struct vio_dma *dma;  /* owned by the transport */
	uint32_t device_type; /* VIRTIO_ID_… of <linux/virtio_ids.h> */
	uint32_t vendor_id;
	/*
	 * Legacy interface (2.2.3): 32 feature bits, no FEATURES_OK, no generation,
	 * and a ring in one piece whose device area starts on a page of ring_align.
	 */
	bool legacy;
	/*
	 * Of the features: what its memory takes to be usable, and what must not be
	 * accepted for the same reason. VIRTIO_F_ACCESS_PLATFORM decides whose addresses
	 * the device uses.
	 */
	uint64_t required_features, refused_features;
	uint32_t ring_align; /* of the device area: 4 in modern devices, the page size in legacy */
	/*
	 * wait_fd follows real interrupts; false: it is a timer. Constant once open; a
	 * queue whose interrupts do not arrive is waited for by wait_by_timer().
	 */
	bool interrupts;
	/*
	 * A device that is gone may come back: another process that starts again. Until
	 * then its status is all ones. The library then asks for it again instead of
	 * giving up, and nothing of ours is in anybody's reach meanwhile.
	 */
	bool may_return;
	/*
	 * Queues that can be waited for, each by a thread of its own; 0 = as many as the
	 * device has. 1 where one interrupt serves all of them: it would wake one thread
	 * for the others' completions.
	 */
	uint16_t queues_max;
	const char *wake_up;   /* for people: "MSI-X, one vector for each queue"; never NULL */
	bool fixed_queue_size; /* a queue is used with the size the device says, or not at all */
	uint32_t reset_timeout_ms; /* how long a reset may take; 0 = 5000 */
	char name[64]; /* unique on this machine: "pci-0000:00:04.0", "mmio-0x1c0d0000" */
};

/**
 * vio_transport_reset - write status 0 and wait until the device confirms it
 *
 * After 0 the device uses no memory of ours any more. -ETIMEDOUT: it did not
 * confirm in time; -ENODEV: it is gone. Blocks for reset_timeout_ms at most.
 * VirtIO 1.2, 2.4 and 4.1.4.3.1.
 */
VIO_EXPORT int vio_transport_reset(struct vio_transport *t, struct vio_error *err);

/**
 * vio_transport_close - unmap, unlock, free; NULL is allowed
 */
VIO_EXPORT void vio_transport_close(struct vio_transport *t);

#ifdef __cplusplus
}
#endif

#endif
