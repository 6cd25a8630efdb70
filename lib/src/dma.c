/* SPDX-License-Identifier: BSD-3-Clause */
#include <vio/dma.h>

#include <errno.h>
#include <string.h>

#include "dma_internal.h"

int vio_dma_alloc(struct vio_dma *dma, size_t size, size_t align, struct vio_dma_memory *memory,
		  struct vio_error *err)
{
	memset(memory, 0, sizeof(*memory));
	if (size == 0 || align == 0 || (align & (align - 1)) != 0 || align > 4096) {
		return vio_fail(err, -EINVAL,
				"DMA memory of %zu bytes aligned to %zu is not possible", size,
				align);
	}
	if (dma->ops->alloc(dma, size, align, memory) < 0) {
		return vio_fail(err, -ENOMEM,
				"%zu bytes of DMA memory were needed and the pool has no such "
				"piece left: give the device a larger pool",
				size);
	}
	return 0;
}

int dma_alloc_piece(struct vio_dma *dma, size_t size, struct vio_dma_memory *memory,
		    struct vio_error *err)
{
	if (size > dma->contiguous) {
		return vio_fail(
			err, -ENOTSUP,
			"%zu bytes of DMA memory in one piece were needed, the platform has "
			"pieces of %zu: ask for a shorter queue",
			size, dma->contiguous);
	}
	return vio_dma_alloc(dma, size, 4096, memory, err);
}

void vio_dma_free(struct vio_dma *dma, struct vio_dma_memory *memory)
{
	if (memory->addr && !dma->quarantined) {
		dma->ops->free(dma, memory);
	}
	memset(memory, 0, sizeof(*memory));
}
