/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of nearly every request: a read or write of one piece of memory that is one
 * run for the device and within all of its limits. It does what blk_part.c does in
 * general, and leaves whatever is not so plain to it, errors included.
 */
#ifndef VIO_BLK_PLAIN_H
#define VIO_BLK_PLAIN_H

#include "blk_internal.h"
#include "queue_internal.h"

/* One comparison for each thing that may not be so; false: go the general way. */
static inline bool plain_is(const struct vio_blk_queue *queue,
			    const struct vio_blk_request *request)
{
	const struct vio_blk *blk = queue->blk;
	const struct blk_limits *limits = &blk->limits;
	uint64_t capacity;
	size_t size;

	/* first: while it is not, thread 0 may be writing the limits */
	if (!LIKELY(blk_is_good(blk)) || request->op > limits->op_last || request->iov_count != 1 ||
	    queue->waiting.first) {
		return false;
	}
	size = request->iov->iov_len;
	capacity = __atomic_load_n(&limits->capacity_sectors, __ATOMIC_RELAXED);
	return size - 1 <= limits->size_max && (size & limits->size_mask) == 0 &&
	       (request->start_sector & limits->sector_mask) == 0 &&
	       request->start_sector < capacity &&
	       size / VIO_BLK_SECTOR_SIZE <= capacity - request->start_sector;
}

static inline void plain_write_frame(const struct vio_queue *ring, char *frame,
				     const struct vio_blk_request *request)
{
	struct virtio_blk_outhdr *header = (void *)frame;

	header->type = wire32(request->op); /* VIRTIO_BLK_T_IN and OUT are 0 and 1, too */
	header->ioprio = wire32(0);
	header->sector = wire64(request->start_sector);
	frame[ring->frames.footer_offset] = (char)BLK_STATUS_UNSET;
}

/* Of one segment that the device reads, or writes. */
static inline uint32_t plain_shape(enum vio_blk_op op)
{
	return op == VIO_BLK_WRITE ? ring_shape(1, 0) : ring_shape(0, 1);
}

/* False: nothing was done. */
static inline bool plain_submit(struct vio_blk_queue *queue, struct vio_blk_request *request)
{
	struct vio_queue *ring = queue->ring;
	struct vio_segment segment;
	struct ring_chain *chain;
	struct blk_slot *slot;

	if (!LIKELY(plain_is(queue, request)) ||
	    !LIKELY(vio_dma_lookup(queue->blk->dma, request->iov->iov_base, request->iov->iov_len,
				   &segment))) {
		return false;
	}
	chain = ring_prepared(&ring->ring, plain_shape(request->op));
	if (!LIKELY(chain != NULL)) {
		return false;
	}
	slot = &queue->slots[ring->ring.free_head];
	plain_write_frame(ring, chain->frame, request);
	queue_add_prepared(ring, chain, segment);
	slot->request = request;
	slot->seen_ms = 0;
	slot->is_plain = true;
	request->result = 0;
	queue->in_flight++;
	return true;
}

/* It did not go well: from here on it is a request like any other, in one part. */
static inline void plain_end(struct blk_slot *slot)
{
	struct vio_blk_request *request = slot->request;

	slot->is_plain = false;
	slot->offset = 0;
	slot->bytes = 0; /* nothing to unshare */
	request->parts_in_flight = 1;
	request->bytes_total = request->iov->iov_len;
	request->bytes_started = request->bytes_total;
}

/* Chain @id was a plain request, and all is well with it: it takes nothing to finish it. */
static inline bool plain_went_well(const struct vio_blk_queue *queue, const struct blk_slot *slot,
				   const char *frame)
{
	const uint8_t *status = (const uint8_t *)frame + queue->ring->frames.footer_offset;

	return LIKELY(slot->is_plain) &&
	       LIKELY(__atomic_load_n(status, __ATOMIC_RELAXED) == VIRTIO_BLK_S_OK);
}

#endif
