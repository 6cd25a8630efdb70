/* SPDX-License-Identifier: BSD-3-Clause */
/* One part of a request: from the caller's memory to a chain of descriptors, and back. */
#include "blk_internal.h"

#include <errno.h>
#include <string.h>

#include <vio/log.h>

#include "blk_plain.h"
#include "ring_memory.h"

enum {
	RUNS_MAX = 4, /* pieces of the caller's memory shared at a time */
};

/* The chain being built. */
struct part {
	struct vio_segment segments[BLK_SEGMENTS_MAX];
	unsigned count;       /* data segments */
	unsigned count_limit; /* of them */
	uint32_t size_limit;  /* of each */
	uint32_t unit;        /* the part must be a multiple of this many bytes */
	uint32_t bytes;
	uint64_t covered; /* bytes of the disk */
	uint64_t shared;  /* bytes of the caller's memory, >= bytes; 0 for a bounce */
};

/* Where in the caller's list we are. */
struct cursor {
	const struct iovec *iov;
	unsigned left;
	size_t skip;
};

static struct cursor cursor_at(const struct vio_blk_request *request, uint64_t offset)
{
	struct cursor c = {request->iov, request->iov_count, 0};

	while (c.left && offset >= c.iov->iov_len) {
		offset -= c.iov->iov_len;
		c.iov++;
		c.left--;
	}
	c.skip = (size_t)offset;
	return c;
}

static void *cursor_addr(const struct cursor *c)
{
	return (char *)c->iov->iov_base + c->skip;
}

static size_t cursor_size(const struct cursor *c)
{
	return c->iov->iov_len - c->skip;
}

static void cursor_advance(struct cursor *c, size_t bytes)
{
	c->skip += bytes;
	while (c->left && c->skip == c->iov->iov_len) {
		c->iov++;
		c->left--;
		c->skip = 0;
	}
}

/* Appends as much of a run as the limits allow; returns how much. */
static uint32_t push(struct part *part, vio_iova iova, uint32_t length)
{
	uint32_t pushed = 0;

	while (pushed < length && part->count < part->count_limit) {
		uint32_t left = length - pushed;
		uint32_t piece = left < part->size_limit ? left : part->size_limit;

		part->segments[part->count++] = (struct vio_segment){{iova.raw + pushed}, piece};
		pushed += piece;
	}
	part->bytes += pushed;
	return pushed;
}

/*
 * Appends memory of the caller; returns how much, 0 if the device cannot reach it.
 * part->shared counts what was shared on the way, used or not.
 */
static size_t push_shared(struct part *part, struct vio_dma *dma, const void *addr, size_t size,
			  enum vio_direction direction)
{
	struct vio_segment runs[RUNS_MAX];
	int n = vio_dma_share(dma, addr, size, direction, runs, RUNS_MAX);
	size_t pushed = 0;
	bool fits = true;

	for (int i = 0; i < n; i++) {
		uint32_t taken = fits ? push(part, runs[i].iova, runs[i].length) : 0;

		pushed += taken;
		part->shared += runs[i].length;
		fits = taken == runs[i].length;
	}
	return pushed;
}

/* A part may only end between two blocks: give back what is over. */
static void trim(struct part *part)
{
	uint32_t over = part->bytes % part->unit;

	part->bytes -= over;
	while (over && part->count) {
		struct vio_segment *last = &part->segments[part->count - 1];
		uint32_t cut = last->length < over ? last->length : over;

		last->length -= cut;
		over -= cut;
		if (last->length == 0) {
			part->count--;
		}
	}
}

/* The device is done with a range of the caller's memory. */
static void unshare(struct vio_blk_queue *queue, const struct vio_blk_request *request,
		    uint64_t offset, uint64_t size)
{
	struct cursor c;

	if (!queue->blk->dma->ops->unshare) {
		return;
	}
	c = cursor_at(request, offset);
	while (size) {
		size_t n = cursor_size(&c) < size ? cursor_size(&c) : (size_t)size;

		vio_dma_unshare(queue->blk->dma, cursor_addr(&c), n, blk_direction(request));
		size -= n;
		cursor_advance(&c, n);
	}
}

/* The caller's own memory, as far as the device reaches it and the limits go. */
static void gather(struct vio_blk_queue *queue, const struct vio_blk_request *request,
		   struct part *part)
{
	struct cursor c = cursor_at(request, request->bytes_started);
	enum vio_direction direction = blk_direction(request);

	while (c.left && part->count < part->count_limit) {
		/* no more than could be used in the best case */
		uint64_t room = (uint64_t)(part->count_limit - part->count) * part->size_limit;
		size_t size = cursor_size(&c) < room ? cursor_size(&c) : (size_t)room;
		size_t pushed =
			push_shared(part, queue->blk->dma, cursor_addr(&c), size, direction);

		if (pushed == 0) {
			break;
		}
		cursor_advance(&c, pushed);
	}
	trim(part);
	unshare(queue, request, request->bytes_started + part->bytes, part->shared - part->bytes);
	part->shared = part->bytes;
}

/* Between the caller's memory, @offset into the request, and a bounce chunk. */
static void copy(const struct vio_blk_request *request, uint64_t offset, char *chunk, size_t size,
		 enum vio_direction direction)
{
	struct cursor c = cursor_at(request, offset);

	while (size) {
		size_t n = cursor_size(&c) < size ? cursor_size(&c) : size;

		if (direction == VIO_DEVICE_READS) {
			memcpy(chunk, cursor_addr(&c), n);
		} else {
			memcpy(cursor_addr(&c), chunk, n);
		}
		chunk += n;
		size -= n;
		cursor_advance(&c, n);
	}
}

/* NULL: none is free. */
static const struct vio_dma_memory *take_chunk(struct blk_bounce *bounce, struct blk_slot *slot)
{
	if (bounce->free_count == 0) {
		return NULL;
	}
	slot->bounce = bounce->free[--bounce->free_count];
	return &bounce->chunks[slot->bounce];
}

/* Through a chunk of our own, because the device cannot reach the caller's memory. */
static int bounce(struct vio_blk_queue *queue, const struct vio_blk_request *request,
		  struct part *part, struct blk_slot *slot)
{
	struct blk_bounce *bounce = &queue->bounce;
	uint64_t left = request->bytes_total - request->bytes_started;
	const struct vio_dma_memory *chunk = take_chunk(bounce, slot);

	if (!chunk) {
		return -EAGAIN;
	}
	push(part, chunk->iova, left < bounce->chunk_size ? (uint32_t)left : bounce->chunk_size);
	trim(part);
	if (request->op == VIO_BLK_WRITE) {
		copy(request, request->bytes_started, chunk->addr, part->bytes, VIO_DEVICE_READS);
	} else {
		/* a device that claims success and writes nothing must not show old data */
		memset(chunk->addr, 0, part->bytes);
	}
	return 0;
}

static uint32_t wire_type(enum vio_blk_op op)
{
	static const uint32_t types[] = {
		[VIO_BLK_READ] = VIRTIO_BLK_T_IN,
		[VIO_BLK_WRITE] = VIRTIO_BLK_T_OUT,
		[VIO_BLK_FLUSH] = VIRTIO_BLK_T_FLUSH,
		[VIO_BLK_GET_ID] = VIRTIO_BLK_T_GET_ID,
		[VIO_BLK_DISCARD] = VIRTIO_BLK_T_DISCARD,
		[VIO_BLK_WRITE_ZEROES] = VIRTIO_BLK_T_WRITE_ZEROES,
		[VIO_BLK_SECURE_ERASE] = VIRTIO_BLK_T_SECURE_ERASE,
		[VIO_BLK_GET_LIFETIME] = VIO_BLK_T_GET_LIFETIME,
	};

	return types[op];
}

static void write_frame(struct vio_blk_queue *queue, uint16_t id, const struct blk_slot *slot,
			const struct vio_blk_request *request)
{
	struct virtio_blk_outhdr *header = vio_queue_header(queue->ring, id);
	uint8_t *status = vio_queue_footer(queue->ring, id);
	uint64_t sector = 0; /* 5.2.6.1: of a flush it must be 0; of others it is reserved */

	if (request->op == VIO_BLK_READ || request->op == VIO_BLK_WRITE) {
		sector = request->start_sector + slot->offset / VIO_BLK_SECTOR_SIZE;
	}
	header->type = wire32(wire_type(request->op));
	header->ioprio = wire32(0);
	header->sector = wire64(sector);
	*status = BLK_STATUS_UNSET;
}

static int enqueue(struct vio_blk_queue *queue, const struct vio_blk_request *request,
		   const struct part *part)
{
	if (blk_direction(request) == VIO_DEVICE_READS) {
		return queue_add(queue->ring, part->segments, part->count, 0);
	}
	return queue_add(queue->ring, part->segments, 0, part->count);
}

static void give_slot(struct vio_blk_queue *queue, struct blk_slot *slot)
{
	if (slot->bounce != BLK_NO_BOUNCE) {
		queue->bounce.free[queue->bounce.free_count++] = slot->bounce;
		slot->bounce = BLK_NO_BOUNCE;
	}
	slot->request = NULL;
}

/* What it is about stands in memory that the device reads: the beginning of a bounce chunk. */
static int fill_range(struct vio_blk_queue *queue, const struct vio_blk_request *request,
		      struct part *part, struct blk_slot *slot)
{
	const struct vio_dma_memory *chunk = take_chunk(&queue->bounce, slot);

	if (!chunk) {
		return -EAGAIN;
	}
	part->covered = blk_range_describe(&queue->blk->info, request, chunk->addr);
	push(part, chunk->iova, sizeof(struct virtio_blk_discard_write_zeroes));
	return 0;
}

static int fill(struct vio_blk_queue *queue, const struct vio_blk_request *request,
		struct part *part, struct blk_slot *slot)
{
	int rc = 0;

	if (blk_is_range(request)) {
		return fill_range(queue, request, part, slot);
	}
	if (blk_has_data(request)) {
		gather(queue, request, part);
		rc = part->bytes ? 0 : bounce(queue, request, part, slot);
	}
	part->covered = part->bytes;
	return rc;
}

static uint32_t unit_of(const struct vio_blk_info *info, enum vio_blk_op op)
{
	switch (op) {
	case VIO_BLK_GET_ID:
		return VIO_BLK_ID_SIZE;
	case VIO_BLK_GET_LIFETIME:
		return BLK_LIFETIME_SIZE;
	default:
		return info->block_size;
	}
}

int blk_part_start(struct vio_blk_queue *queue, struct vio_blk_request *request)
{
	const struct vio_blk_info *info = &queue->blk->info;
	int id = queue_next(queue->ring);
	struct blk_slot *slot;
	struct part part;
	int rc;

	if (id < 0) {
		return id;
	}
	slot = &queue->slots[id];
	slot->seen_ms = request->seen_ms;
	slot->is_plain = false;
	part.count = 0;
	part.bytes = 0;
	part.shared = 0;
	part.count_limit = info->segments_max;
	part.size_limit = info->segment_max_size;
	part.unit = unit_of(info, request->op);
	slot->offset = request->bytes_started;
	rc = fill(queue, request, &part, slot);
	if (rc == 0) {
		write_frame(queue, (uint16_t)id, slot, request);
		rc = enqueue(queue, request, &part);
	}
	if (rc < 0) {
		unshare(queue, request, slot->offset, part.shared);
		give_slot(queue, slot);
		return rc;
	}
	slot->request = request;
	slot->bytes = part.bytes;
	request->bytes_started += part.covered;
	request->parts_in_flight++;
	return 0;
}

static int status_error(struct vio_blk_queue *queue, uint8_t status)
{
	switch (status) {
	case VIRTIO_BLK_S_OK:
		return 0;
	case VIRTIO_BLK_S_IOERR:
		return -EIO;
	case VIRTIO_BLK_S_UNSUPP:
		return -ENOTSUP;
	default:
		queue->stats.violations++;
		if (!__atomic_exchange_n(&queue->blk->bad_status_logged, true, __ATOMIC_RELAXED)) {
			vio_log(VIO_LOG_ERROR,
				"%s: the device completed a request with status 0x%02x; 0, 1 or 2 "
				"was expected (said once)",
				queue->blk->transport->name, status);
		}
		return -EIO;
	}
}

static void release_data(struct vio_blk_queue *queue, const struct blk_slot *slot, bool good)
{
	const struct vio_blk_request *request = slot->request;

	if (slot->bounce == BLK_NO_BOUNCE) {
		unshare(queue, request, slot->offset, slot->bytes);
	} else if (good && blk_direction(request) == VIO_DEVICE_WRITES) {
		copy(request, slot->offset, queue->bounce.chunks[slot->bounce].addr, slot->bytes,
		     VIO_DEVICE_WRITES);
	}
}

int blk_part_finish(struct vio_blk_queue *queue, uint16_t id)
{
	struct blk_slot *slot = &queue->slots[id];
	const uint8_t *footer = vio_queue_footer(queue->ring, id);
	uint8_t status = __atomic_load_n(footer, __ATOMIC_RELAXED);
	int result = status_error(queue, status);

	if (slot->is_plain) {
		plain_end(slot);
	}
	release_data(queue, slot, result == 0);
	slot->request->parts_in_flight--;
	give_slot(queue, slot);
	return result;
}

void blk_part_abandon(struct vio_blk_queue *queue, struct blk_slot *slot)
{
	if (slot->is_plain) {
		plain_end(slot);
	}
	release_data(queue, slot, false);
	slot->request->parts_in_flight--;
	give_slot(queue, slot);
}
