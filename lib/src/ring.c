/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a ring is rare, and the same in both kinds. */
#include "ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packed.h"
#include "split.h"

struct ring_layout ring_layout(const struct ring_options *options)
{
	return options->is_packed ? packed_layout(options->size)
				  : split_layout(options->size, options->align);
}

void ring_clear(struct ring *ring, void *memory, const struct ring_options *options)
{
	memset(memory, 0, ring_layout(options).total);
	memset(ring->chains, 0, sizeof(*ring->chains) * ring->size);
	for (unsigned i = 0; i < ring->size; i++) {
		ring->chains[i].next = (uint16_t)((i + 1) % ring->size);
		ring->chains[i].last = (uint16_t)i;
		if (ring->frames->of) {
			ring->chains[i].frame = ring->frames->of[i].memory;
			ring->chains[i].table =
				ring->frames->of[i].iova.raw + ring->frames->table_offset;
		}
	}
	ring->data_offset = (uint16_t)(ring->frames->table_offset +
				       (ring->frames->header_size ? sizeof(struct vring_desc) : 0));
	ring->free_head = 0;
	ring->free_count = ring->size;
	ring->in_flight = 0;
	ring->added = 0;
	ring->published = 0;
	ring->next_used = 0;
	ring->batch = 0;
	ring->oldest = 0;
	ring->fault[0] = '\0';
	ring->interrupts_wanted = true; /* as the zeroed memory says */
	if (ring->is_packed) {
		packed_clear(ring);
	} else {
		split_disarm(ring);
	}
}

int ring_init(struct ring *ring, void *memory, const struct ring_options *options,
	      const struct frames *frames)
{
	struct ring_layout layout = ring_layout(options);
	char *base = memory;
	void *driver_area = base + layout.driver_offset;
	const void *device_area = base + layout.device_offset;

	ring->chains = calloc(options->size, sizeof(*ring->chains));
	if (!ring->chains) {
		return -ENOMEM;
	}
	ring->size = options->size;
	ring->frames = frames;
	ring->is_packed = options->is_packed;
	ring->is_in_order = options->is_in_order;
	ring->has_event_index = options->has_event_index;
	if (ring->is_packed) {
		ring->packed = (struct packed_memory){memory, driver_area, device_area};
	} else {
		ring->split = (struct split_memory){memory, driver_area, device_area};
	}
	ring_clear(ring, memory, options);
	return 0;
}

void ring_free(struct ring *ring)
{
	free(ring->chains);
	ring->chains = NULL;
}

int ring_take(struct ring *ring)
{
	/* a late kick must not publish chains whose buffers went back to their owners */
	ring->added = ring->published;
	for (uint16_t i = 0; i < ring->size && ring->in_flight > 0; i++) {
		if (ring->chains[i].count) {
			ring_release(ring, i);
			return i;
		}
	}
	return -ENOENT;
}

__attribute__((cold)) int ring_violated(struct ring *ring, const char *what, uint32_t found)
{
	if (!ring->fault[0]) {
		snprintf(ring->fault, sizeof(ring->fault), "%s (%u, in flight %u of %u)", what,
			 found, ring->in_flight, ring->size);
		ring->free_count = 0; /* so that adding goes the slow way, which asks */
	}
	return -EPROTO;
}

__attribute__((cold)) int ring_refuse_id(struct ring *ring, uint32_t id)
{
	if (id >= ring->size) {
		return ring_violated(ring, "the device returned an id outside the ring", id);
	}
	if (!ring->chains[id].count) {
		return ring_violated(ring, "the device returned an id that is not in flight", id);
	}
	return ring_violated(ring, "the device returned an id it was not given yet", id);
}

int ring_begin_batch(struct ring *ring, uint16_t id, uint32_t length, unsigned most)
{
	uint32_t oldest = ring->added - ring->in_flight;
	uint32_t batch = ring->chains[id].position - oldest + 1;

	if (batch > most) {
		return ring_violated(ring, "the device returned more than it says", batch);
	}
	ring->batch = (uint16_t)batch;
	ring->batch_length = length;
	return 0;
}
