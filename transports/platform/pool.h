/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA memory that was mapped in one piece, and what the device calls its pages.
 * Where the pages come from is the platform's: hugepages.c, vfio_dma.c.
 *
 *   base                page size
 *   |  page 0            |  page 1            |  …   contiguous for us
 *   v                    v
 *   device[0]            device[1]                   each contiguous for the device
 */
#ifndef VIOT_POOL_H
#define VIOT_POOL_H

#include <pthread.h>

#include "platform.h"

enum {
	UNIT_SHIFT = 12, /* of allocation: the most that may be asked for as an alignment */
	UNIT = 1 << UNIT_SHIFT,
};

struct viot_pool {
	struct vio_dma dma; /* first */
	char *base;
	size_t size;
	unsigned page_shift;
	uint64_t *device; /* address of every page */
	bool *taken;      /* every unit */
	size_t units;
	pthread_mutex_t mutex; /* taken */
	/* Gives the pages back and frees the pool; pool_destroy() is for its own part. */
	void (*close)(struct viot_pool *pool);
};

/* Where the memory is mapped: from here on it can be shared without a call (dma.h). */
void viot_pool_place(struct viot_pool *pool, void *base);
/* @size: whole pages of 1 << @page_shift bytes. base and device[] are the caller's to fill. */
int viot_pool_init(struct viot_pool *pool, size_t size, unsigned page_shift, struct vio_error *err);
void viot_pool_destroy(struct viot_pool *pool);

#endif
