/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO: a PCI function in the hands of a process, with its registers, its
 * interrupts as eventfds, and where an IOMMU stands before it, memory at I/O
 * addresses of its own (linux/vfio.h).
 *
 *   vfio.c            which of the two there is, and what is the same for both:
 *   vfio_iommufd.c    by the function's own file and iommufd (Linux 6.6)
 *   vfio_group.c      by IOMMU group and container; its memory is in vfio_type1.c
 *   vfio_interrupt.c  MSI-X, INTx, and the wish to have the function back
 *   vfio_dma.c        ordinary memory behind the IOMMU
 */
#ifndef VIOT_VFIO_H
#define VIOT_VFIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <vio/dma.h>
#include <vio/error.h>

#include "interrupt.h"

struct viot_iommu_ops;

struct viot_vfio {
	int container; /* who keeps the mappings: /dev/vfio/vfio or /dev/iommu; -1 while closed */
	int group;     /* -1 by iommufd */
	int device;
	uint32_t space;    /* iommufd's number for the address space */
	bool translates;   /* false: no-IOMMU mode, device addresses are physical, iommu is NULL */
	char function[16]; /* "0000:00:04.0" */
	const struct viot_iommu_ops *iommu;
};

void viot_vfio_init(struct viot_vfio *vfio);
/* The function must be bound to vfio-pci. 0 or a negative errno with a sentence. */
int viot_vfio_open(struct viot_vfio *vfio, const char *function, struct vio_error *err);
void viot_vfio_close(struct viot_vfio *vfio);

/* The two ways. After an error close() takes back what was opened. */
int viot_vfio_open_iommufd(struct viot_vfio *vfio, struct vio_error *err);
int viot_vfio_open_group(struct viot_vfio *vfio, struct vio_error *err);
/* True with a sentence if a kernel driver holds another function of the IOMMU group. */
bool viot_vfio_is_blocked(const struct viot_vfio *vfio, struct vio_error *err);

/* A stretch of the device's file. */
struct viot_vfio_region {
	off_t offset;
	uint64_t size; /* bytes; 0: there is nothing */
	bool can_map;
};

/* @index: VFIO_PCI_…_REGION_INDEX */
int viot_vfio_region(const struct viot_vfio *vfio, unsigned index, struct viot_vfio_region *region,
		     struct vio_error *err);

/* How many of VFIO_PCI_…_IRQ_INDEX the function has. */
unsigned viot_vfio_interrupts(const struct viot_vfio *vfio, unsigned index);
/* @count message-signalled vectors, each an eventfd. */
int viot_vfio_open_vectors(const struct viot_vfio *vfio, struct viot_interrupt *interrupt,
			   unsigned count, struct vio_error *err);
int viot_vfio_open_line(const struct viot_vfio *vfio, struct viot_interrupt *interrupt,
			struct vio_error *err);
/* Kernels that cannot ask for the function back are fine. */
void viot_vfio_open_removal(const struct viot_vfio *vfio, struct viot_interrupt *interrupt);

/* Ordinary, locked memory that only this device reaches. @vfio outlives it. */
int viot_vfio_dma_open(struct vio_dma **dma, const struct viot_vfio *vfio, size_t size,
		       struct vio_error *err);

/* iova.c: first and last address of a range that the IOMMU translates. */
struct viot_iova_range {
	uint64_t first, last;
};

/*
 * The lowest place for @size bytes, > 0, at or above @floor and at a multiple of
 * @align, a power of two; false if there is none.
 */
bool viot_iova_choose(const struct viot_iova_range *ranges, unsigned count, uint64_t floor,
		      uint64_t size, uint64_t align, uint64_t *iova);

enum {
	VIOT_IOVA_RANGES_MAX = 64,
};

struct viot_iommu_ops {
	const char *name;
	/* How many ranges the IOMMU translates; 0 if the kernel does not say. */
	unsigned (*get_ranges)(const struct viot_vfio *vfio, struct viot_iova_range *ranges,
			       unsigned max);
	/* 0 or a negative errno; whole pages. */
	int (*map)(const struct viot_vfio *vfio, void *memory, size_t size, uint64_t iova);
	void (*unmap)(const struct viot_vfio *vfio, size_t size, uint64_t iova);
};

extern const struct viot_iommu_ops viot_type1_ops;

#endif
