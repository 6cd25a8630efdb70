/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From an address to a transport that is ready for the library:
 *
 *   struct viot_address address;
 *   viot_address_parse("smem=0x1c0d0000,irq=41", &address, &err);
 *   viot_open(&t, &address, NULL, &err);
 *   …                                             vio_blk_open(&blk, t, …)
 *   vio_transport_close(t);
 *
 * Opening takes an exclusive lock on the device, makes sure that no kernel
 * driver holds it, maps its registers, resets it, and makes DMA memory. It
 * needs the rights of root. Any failure undoes all of it; a kernel driver that
 * the device was taken from gets it back, unless the device did not confirm its
 * reset: then the driver would wait for that without end.
 *
 * A takeover needs to be asked for, and is refused for other drivers than
 * virtio-pci and virtio-mmio, for another class of device than was asked for,
 * and for disks that are mounted, or part of something that is. Whether a device
 * that is no disk is in use is not asked.
 *
 * DMA memory is made of huge pages in a hugetlbfs of our own. Too few free ones:
 * more are reserved, and given back on close. Huge pages are never swapped. The
 * kernel may move them (memory that is taken offline, contiguous allocations), so
 * we hold a reference to each, with which it does not: such an operation fails or
 * waits until the device is closed. The reference ends with the process, even a
 * killed one.
 *
 * The pages belong to a file that outlives a killed process, so that a device
 * that was left running does not write into memory that has become something
 * else; the next open of the same device resets it and then takes the file over.
 *
 * Without an IOMMU between device and memory, a device can read and write all
 * of the machine's memory: nothing here can prevent that. A PCI function that is
 * bound to vfio-pci and obeys the IOMMU (VIRTIO_F_ACCESS_PLATFORM) is given ordinary
 * locked memory instead of huge pages, and reaches nothing else; what a killed
 * process leaves behind ends with it.
 *
 * Registers of a device that the kernel removes read all ones from then on: bus
 * errors (SIGBUS) in them are caught from the first open on, others are handed to
 * whoever caught them before.
 */
#ifndef VIO_TRANSPORT_OPEN_H
#define VIO_TRANSPORT_OPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vio-transport/address.h>
#include <vio/error.h>
#include <vio/export.h>
#include <vio/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIOT_DMA_SIZE_DEFAULT ((size_t)8 << 20)

/*
 * Locks, huge pages and mounts of running drivers. Gone when none runs, except
 * for what a killed process left, until its device is opened and closed again, and
 * the memory of a device that did not confirm its reset, until the machine starts anew.
 */
#define VIOT_RUN_DIR "/run/devb-virtio"

/*
 * How the device may wake us. AUTO takes the first one that works, in this order;
 * any other value is taken or refused.
 */
enum viot_interrupts {
	VIOT_INTERRUPTS_AUTO,
	VIOT_INTERRUPTS_MSIX,        /* PCI, by VFIO: a vector for each queue */
	VIOT_INTERRUPTS_MSIX_SHARED, /* PCI, by VFIO: one vector for everything */
	VIOT_INTERRUPTS_INTX,        /* PCI, by VFIO: the line of the function */
	VIOT_INTERRUPTS_UIO,         /* a UIO device: uio_pci_generic, vio_uio, uio_pdrv_genirq */
	VIOT_INTERRUPTS_POLL,        /* none: a timer */
};

/* Zero means the default everywhere. */
struct viot_options {
	size_t dma_size;      /* bytes, rounded up to whole huge pages; default 8 MiB */
	uint32_t device_type; /* VIRTIO_ID_… that must be there; 0 = any */
	bool takeover;        /* free the device from VirtIO's kernel driver, see above */
	enum viot_interrupts interrupts;
	/*
	 * Queues that will be used, so that no more interrupt vectors are asked for;
	 * default all that the device has.
	 */
	uint16_t queues;
};

/**
 * viot_open - reach the device at @address
 * @options: NULL for the defaults
 *
 * Returns 0, or a negative errno with a sentence: -ENODEV (nothing, or something
 * else, is there), -EINVAL (smem is memory, or no multiple of 4), -EBUSY (a kernel
 * driver or another process has it, or others kept the huge pages locked), -EACCES,
 * -ENOMEM (no huge pages), -ENOTSUP, -EPROTO (impossible registers), -ETIMEDOUT.
 * Blocks, bounded: 5 s for a reset, 10 s for other processes that change the pool of
 * huge pages. Not thread safe against itself.
 */
VIO_EXPORT int viot_open(struct vio_transport **t, const struct viot_address *address,
			 const struct viot_options *options, struct vio_error *err);

/**
 * viot_forget - give back what a process left of a PCI function that was unplugged
 * @name: as in struct vio_transport
 *
 * For those who clean up after a process that may not, or was killed: memory, lock,
 * notes. Returns 0, -EBUSY with a sentence while the function is there (opening and
 * closing it does the same, and resets it) or driven, or another negative errno.
 */
VIO_EXPORT int viot_forget(const char *name, struct vio_error *err);

/**
 * viot_is_driven - does a process hold the device of this name?
 * @name: as in struct vio_transport: "pci-0000:00:04.0", "mmio-0x1c0d0000"
 *
 * Takes no lock itself. Without the right to ask: is there a lock of it, which a
 * killed process may have left? Any thread.
 */
VIO_EXPORT bool viot_is_driven(const char *name);

/**
 * viot_in_use - does the kernel use a disk that the device of this name is?
 * @name: as above
 * @disk: receives the name of one that it uses: "vda", "vda1"
 *
 * Mounted, swap, or part of something that is: such a device must not be taken from
 * its driver. Returns 1, or 0 if it is free to be taken; or -EACCES, when that cannot
 * be found out, as by an ordinary user. To find out, each of its disks is opened
 * exclusively for a moment. Any thread.
 */
VIO_EXPORT int viot_in_use(const char *name, char *disk, size_t size);

#ifdef __cplusplus
}
#endif

#endif
