/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that a device can reach.
 *
 * A platform (huge pages with physical addresses, an IOMMU, memory shared with
 * another process) offers one `struct vio_dma`. Rings, request headers and, if
 * the caller wants no copies, the data buffers are allocated from it:
 *
 *   struct vio_dma_memory memory;
 *   vio_dma_alloc(dma, 65536, 4096, &memory, &err);
 *   ... memory.addr is for us, vio_dma_share() tells what the device calls it ...
 *   vio_dma_free(dma, &memory);
 *
 * Device addresses are a type of their own, so that a pointer or a plain
 * number cannot be handed to a device by mistake.
 *
 * Threads: alloc and free take a lock of the platform; share and unshare are
 * for the I/O path and may be called from any thread at any time.
 */
#ifndef VIO_DMA_H
#define VIO_DMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vio/error.h>
#include <vio/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An address as the device sees it: physical, or translated by an IOMMU. */
typedef struct {
	uint64_t raw;
} vio_iova;

/* Told from the device's side: a disk write is VIO_DEVICE_READS. */
enum vio_direction {
	VIO_DEVICE_READS,
	VIO_DEVICE_WRITES,
};

/* A run of bytes that is contiguous for the device. */
struct vio_segment {
	vio_iova iova;
	uint32_t length;
};

struct vio_dma_memory {
	void *addr;
	size_t size;
	vio_iova iova; /* of the first byte */
};

struct vio_dma;

struct vio_dma_ops {
	/* Zeroed memory; see vio_dma_alloc(). */
	int (*alloc)(struct vio_dma *dma, size_t size, size_t align, struct vio_dma_memory *memory);
	/* By addr and size as allocated; iova need not be set. */
	void (*free)(struct vio_dma *dma, struct vio_dma_memory *memory);
	/* See vio_dma_share(). */
	int (*share)(struct vio_dma *dma, const void *addr, size_t size,
		     enum vio_direction direction, struct vio_segment *segments, unsigned max);
	/* Optional: NULL where sharing holds nothing. */
	void (*unshare)(struct vio_dma *dma, const void *addr, size_t size,
			enum vio_direction direction);
};

struct vio_dma {
	const struct vio_dma_ops *ops;
	/*
	 * Allocations up to this size are contiguous for the device; larger ones
	 * are contiguous for us and share() returns them in several segments.
	 */
	size_t contiguous;
	/*
	 * The memory as one table, so that sharing on the I/O path takes no call: pages of
	 * 1 << page_shift == page_mask + 1 bytes from base on, and what the device calls
	 * each. Constant once open. size: of whole pages; 0: there is no such table, or
	 * sharing is more than looking it up.
	 */
	uintptr_t base;
	size_t size;
	size_t page_mask;
	unsigned page_shift;
	const uint64_t *pages;
	/*
	 * Set by the library, never cleared: a device did not confirm its reset
	 * and may still write to this memory. The platform then keeps the pages
	 * from ever being used for something else (VirtIO 1.2, 2.4).
	 */
	bool quarantined;
};

/**
 * vio_dma_alloc - memory for a device, zeroed
 * @size: bytes, > 0; up to dma->contiguous it is contiguous for the device
 * @align: a power of two, at most 4096
 *
 * The caller owns @memory and returns it with vio_dma_free(). Returns 0, -ENOMEM,
 * or -EINVAL for a size or an alignment that cannot be, with a sentence in @err.
 * Any thread; not for the I/O path.
 */
VIO_EXPORT int vio_dma_alloc(struct vio_dma *dma, size_t size, size_t align,
			     struct vio_dma_memory *memory, struct vio_error *err);

/**
 * vio_dma_free - give memory back; @memory->addr NULL is allowed
 *
 * Only after the device confirmed that it no longer uses it: a completion, or a
 * reset. In quarantine the call does nothing, on purpose.
 */
VIO_EXPORT void vio_dma_free(struct vio_dma *dma, struct vio_dma_memory *memory);

/**
 * vio_dma_lookup - vio_dma_share() for what is one run by the table alone
 *
 * False: ask vio_dma_share(). What it finds takes no vio_dma_unshare().
 */
static inline bool vio_dma_lookup(const struct vio_dma *dma, const void *addr, size_t size,
				  struct vio_segment *segment)
{
	uintptr_t offset = (uintptr_t)addr - dma->base;
	size_t in_page = offset & dma->page_mask;

	if (offset >= dma->size || size - 1 > dma->page_mask - in_page) {
		return false;
	}
	segment->iova.raw = dma->pages[offset >> dma->page_shift] + in_page;
	segment->length = (uint32_t)size;
	return true;
}

/**
 * vio_dma_share - what the device calls [@addr, @addr + @size)
 * @segments: receives at most @max runs, in order, from @addr on
 *
 * Returns the number of segments, > 0; when @max is too few they cover only the
 * beginning. -EFAULT if not all of it is memory of this platform: the caller then
 * copies through memory that is. Does not allocate.
 */
static inline int vio_dma_share(struct vio_dma *dma, const void *addr, size_t size,
				enum vio_direction direction, struct vio_segment *segments,
				unsigned max)
{
	if (max != 0 && vio_dma_lookup(dma, addr, size, segments)) {
		return 1;
	}
	return dma->ops->share(dma, addr, size, direction, segments, max);
}

/**
 * vio_dma_unshare - the device is done with what vio_dma_share() told it
 *
 * Every byte covered by the segments of a share is unshared once, though not
 * necessarily in the same pieces.
 */
static inline void vio_dma_unshare(struct vio_dma *dma, const void *addr, size_t size,
				   enum vio_direction direction)
{
	if (dma->ops->unshare) {
		dma->ops->unshare(dma, addr, size, direction);
	}
}

#ifdef __cplusplus
}
#endif

#endif
