/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIO_DMA_INTERNAL_H
#define VIO_DMA_INTERNAL_H

#include <vio/dma.h>

/*
 * Page-aligned memory in one piece for the device: what is addressed as a base
 * plus an offset (rings, headers, copies) must not be spread over several pieces.
 * As vio_dma_alloc(), or -ENOTSUP if the platform has no pieces of that size.
 */
int dma_alloc_piece(struct vio_dma *dma, size_t size, struct vio_dma_memory *memory,
		    struct vio_error *err);

#endif
