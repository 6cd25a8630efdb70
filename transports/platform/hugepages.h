/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA memory without an IOMMU: huge pages, which are never swapped and which we
 * hold in place, and their physical addresses from /proc/self/pagemap.
 *
 *   base                page_size
 *   |  page 0            |  page 1            |  …   contiguous for us
 *   v                    v
 *   physical[0]          physical[1]                 each contiguous for the device
 */
#ifndef VIOT_HUGEPAGES_H
#define VIOT_HUGEPAGES_H

#include <pthread.h>

#include "platform.h"

enum {
	UNIT_SHIFT = 12, /* of allocation: the most that may be asked for as an alignment */
	UNIT = 1 << UNIT_SHIFT,
};

struct hugepages {
	struct vio_dma dma;
	char *base;
	size_t size;
	unsigned page_shift;
	uint64_t *physical; /* of every huge page */
	bool *taken;        /* every unit */
	size_t units;
	pthread_mutex_t mutex; /* taken */
	int file;
	int pins[2]; /* a pipe */
	char path[160];
	struct viot_lock *lock; /* of the device: remembers what we reserved */
};

extern const struct vio_dma_ops viot_hugepages_ops;

#endif
