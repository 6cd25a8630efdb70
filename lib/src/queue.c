/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtqueue: ring memory plus the transport that carries its notifications. */
#include <vio/queue.h>

#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "dma_internal.h"
#include "queue_internal.h"

enum {
	QUEUE_SIZE_MAX = 32768, /* 2.6 */
	RESET_MS = 1000,        /* queue.h */
	RESET_PAUSE_US = 100,
};

/* 2.7: a split ring has a power of two; 2.8.10.1: a packed one any number. */
static int check_size(struct vio_transport *t, uint16_t index, uint16_t max, bool is_packed,
		      struct vio_error *err)
{
	if (max == 0) {
		return vio_fail(err, -ENODEV, "%s: the device has no queue %u", t->name, index);
	}
	if (max > QUEUE_SIZE_MAX || (!is_packed && (max & (max - 1)) != 0)) {
		return vio_fail(err, -EPROTO,
				"%s: queue %u has an impossible maximum size of %u entries",
				t->name, index, max);
	}
	return 0;
}

static vio_iova offset_iova(vio_iova base, size_t offset)
{
	return (vio_iova){base.raw + offset};
}

static bool has_feature(const struct vio_queue *queue, unsigned bit)
{
	return (queue->features & VIO_FEATURE(bit)) != 0;
}

static struct ring_options ring_options(const struct vio_queue *queue, uint16_t size)
{
	return (struct ring_options){
		.size = size,
		.align = queue->transport->ring_align,
		.is_packed = has_feature(queue, VIRTIO_F_RING_PACKED),
		.is_in_order = has_feature(queue, VIO_F_IN_ORDER),
		.has_event_index = has_feature(queue, VIRTIO_RING_F_EVENT_IDX),
	};
}

static int hand_over(struct vio_queue *queue, struct vio_error *err)
{
	struct vio_transport *t = queue->transport;
	struct ring_options options = ring_options(queue, queue->ring.size);
	struct ring_layout layout = ring_layout(&options);
	struct vio_ring_address address = {
		.size = queue->ring.size,
		.descriptors = queue->memory.iova,
		.driver_area = offset_iova(queue->memory.iova, layout.driver_offset),
		.device_area = offset_iova(queue->memory.iova, layout.device_offset),
	};

	return t->ops->queue_setup(t, queue->index, &address, err);
}

/* 4.1.5.1.3.1: with the legacy interface there is no way to agree on another size. */
static uint16_t choose_size(const struct vio_transport *t, uint16_t wanted, uint16_t max)
{
	return t->fixed_queue_size || wanted > max ? max : wanted;
}

static int build(struct vio_queue *queue, const struct vio_queue_options *options, uint16_t size,
		 struct vio_error *err)
{
	struct vio_transport *t = queue->transport;
	struct ring_options ring = ring_options(queue, size);
	int rc = dma_alloc_piece(t->dma, ring_layout(&ring).total, &queue->memory, err);

	if (rc < 0) {
		return rc;
	}
	rc = frames_open(&queue->frames, t->dma, size, options,
			 has_feature(queue, VIRTIO_RING_F_INDIRECT_DESC), err);
	if (rc < 0) {
		return rc;
	}
	if (ring_init(&queue->ring, queue->memory.addr, &ring, &queue->frames) < 0) {
		return vio_fail(err, -ENOMEM, "%s: out of memory", t->name);
	}
	return hand_over(queue, err);
}

int vio_queue_open(struct vio_queue **out, struct vio_device *device, uint16_t index,
		   const struct vio_queue_options *options, struct vio_error *err)
{
	struct vio_transport *t = vio_device_transport(device);
	uint16_t max = t->ops->queue_max_size(t, index);
	uint64_t features = vio_device_features(device);
	int rc =
		check_size(t, index, max, (features & VIO_FEATURE(VIRTIO_F_RING_PACKED)) != 0, err);
	struct vio_queue *queue;

	*out = NULL;
	if (rc < 0) {
		return rc;
	}
	queue = calloc(1, sizeof(*queue));
	if (!queue) {
		return vio_fail(err, -ENOMEM, "%s: out of memory", t->name);
	}
	queue->transport = t;
	queue->index = index;
	queue->features = features;
	queue->has_notification_data = has_feature(queue, VIO_F_NOTIFICATION_DATA);
	queue->has_interrupts = t->interrupts;
	vio_spin_init(&queue->spin, VIO_POLL_AUTO, VIO_POLL_US_DEFAULT);
	rc = build(queue, options, choose_size(t, options->size, max), err);
	if (rc < 0) {
		vio_queue_close(queue);
		return rc;
	}
	*out = queue;
	return 0;
}

/* So that adding and reaping need not count. */
static void count_chains(struct vio_queue *queue)
{
	queue->stats.chains += queue->ring.published - queue->counted;
	queue->counted = queue->ring.published;
}

int vio_queue_reopen(struct vio_queue *queue, struct vio_error *err)
{
	struct vio_transport *t = queue->transport;
	uint16_t max = t->ops->queue_max_size(t, queue->index);
	struct ring_options ring = ring_options(queue, queue->ring.size);
	int rc = check_size(t, queue->index, max, ring.is_packed, err);

	if (rc < 0) {
		return rc;
	}
	if (choose_size(t, queue->ring.size, max) != queue->ring.size) {
		return vio_fail(err, -EPROTO,
				"%s: after a reset queue %u takes %u entries, it had %u", t->name,
				queue->index, max, queue->ring.size);
	}
	count_chains(queue);
	ring_clear(&queue->ring, queue->memory.addr, &ring);
	queue->counted = 0;
	return hand_over(queue, err);
}

void vio_queue_close(struct vio_queue *queue)
{
	if (!queue) {
		return;
	}
	frames_close(&queue->frames, queue->transport->dma);
	vio_dma_free(queue->transport->dma, &queue->memory);
	ring_free(&queue->ring);
	free(queue);
}

uint16_t vio_queue_size(const struct vio_queue *queue)
{
	return queue->ring.size;
}

uint16_t vio_queue_ids(const struct vio_queue *queue)
{
	return queue->ring.size;
}

unsigned vio_queue_segments_max(const struct vio_queue *queue)
{
	unsigned direct = queue->ring.size - (unsigned)queue->frames.edges;
	int table = queue->frames.table_segments;

	return table > (int)direct ? (unsigned)table : direct;
}

void *vio_queue_header(const struct vio_queue *queue, uint16_t id)
{
	return queue->frames.header_size ? frame_header(&queue->frames, id) : NULL;
}

void *vio_queue_footer(const struct vio_queue *queue, uint16_t id)
{
	return queue->frames.footer_size ? frame_footer(&queue->frames, id) : NULL;
}

int vio_queue_next(const struct vio_queue *queue)
{
	return queue_next(queue);
}

int vio_queue_add(struct vio_queue *queue, const struct vio_segment *segments, unsigned reads,
		  unsigned writes)
{
	return queue_add(queue, segments, reads, writes);
}

bool vio_queue_kick(struct vio_queue *queue)
{
	return queue_kick(queue);
}

int queue_reap_in_order(struct vio_queue *queue, unsigned max, ring_taker *take, void *context)
{
	int n = queue->ring.is_packed ? packed_reap_in_order(&queue->ring, max, take, context)
				      : split_reap_in_order(&queue->ring, max, take, context);

	return n > 0 && queue->fruitless ? queue_was_worth_waiting(queue, n) : n;
}

static void take_down(void *context, const struct ring_chain *chain, uint32_t id, uint32_t length)
{
	struct vio_queue_used **used = context;

	(void)chain;
	*(*used)++ = (struct vio_queue_used){.id = (uint16_t)id, .length = length};
}

int vio_queue_reap(struct vio_queue *queue, struct vio_queue_used *used, unsigned max)
{
	return queue_is_in_order(queue) ? queue_reap_in_order(queue, max, take_down, &used)
					: queue_reap(queue, max, take_down, &used);
}

/* The transport's part of vio_queue_reset() is asked until it is done. */
static int wait_until_reset(struct vio_queue *queue)
{
	struct vio_transport *t = queue->transport;
	uint64_t start = clock_ms();
	int rc;

	while ((rc = t->ops->queue_is_reset(t, queue->index)) == 0) {
		if (clock_ms() - start >= RESET_MS) {
			return -ETIMEDOUT;
		}
		clock_pause_us(RESET_PAUSE_US);
	}
	return rc < 0 ? rc : 0;
}

int vio_queue_reset(struct vio_queue *queue, struct vio_error *err)
{
	struct vio_transport *t = queue->transport;

	if (!has_feature(queue, VIO_F_RING_RESET) || !t->ops->queue_reset) {
		return vio_fail(err, -ENOTSUP, "%s: queues cannot be reset on their own", t->name);
	}
	t->ops->queue_reset(t, queue->index);
	if (wait_until_reset(queue) < 0) {
		return vio_fail(err, -ETIMEDOUT,
				"%s: the device did not confirm the reset of queue %u", t->name,
				queue->index);
	}
	return 0;
}

unsigned vio_queue_in_flight(const struct vio_queue *queue)
{
	return queue->ring.in_flight;
}

const char *vio_queue_fault(const struct vio_queue *queue)
{
	return queue->ring.fault;
}

int vio_queue_take(struct vio_queue *queue)
{
	return ring_take(&queue->ring);
}

const struct vio_queue_stats *vio_queue_stats(struct vio_queue *queue)
{
	count_chains(queue);
	return &queue->stats;
}
