/* SPDX-License-Identifier: BSD-3-Clause */
/*
 *    shadow (ours)            ring memory (the device's)
 *   +--------------+   add    +-------------+
 *   | cookie, next | -------> | descriptors |   addr | len | flags | next
 *   | last, count  |          +-------------+
 *   +--------------+ publish  +-------------+
 *    added, published ------> |  available  |   flags | idx | ring[size]
 *                             +-------------+
 *    used_index   <---------- |    used     |   flags | idx | ring[size]{id, len}
 *                      reap   +-------------+
 *
 * Free descriptors form a list through shadow[].next. A chain takes its
 * descriptors from the head of that list in order, and goes back to it in one
 * piece, because last tells where the chain ends.
 */
#include "split.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Chosen: keeps what the device writes off the cache lines that we write. */
#define CACHE_LINE 64u

static size_t align_up(size_t value, size_t align)
{
	return (value + align - 1) & ~(align - 1);
}

struct split_layout split_layout(uint16_t size, uint32_t used_align)
{
	struct split_layout layout;
	size_t align = used_align > CACHE_LINE ? used_align : CACHE_LINE;

	/* 2.7: the extra two bytes of either ring are the event index fields */
	layout.available_offset = sizeof(struct vring_desc) * size;
	layout.used_offset = align_up(layout.available_offset + sizeof(struct vring_avail) +
					      sizeof(__virtio16) * (size + 1u),
				      align);
	layout.total = layout.used_offset + sizeof(struct vring_used) +
		       sizeof(struct vring_used_elem) * size + sizeof(__virtio16);
	return layout;
}

void split_clear(struct split_ring *ring, void *memory, uint32_t used_align)
{
	struct split_layout layout = split_layout(ring->size, used_align);

	memset(memory, 0, layout.total);
	memset(ring->shadow, 0, sizeof(*ring->shadow) * ring->size);
	for (uint16_t i = 0; i < ring->size; i++) {
		ring->shadow[i].next = (uint16_t)(i + 1);
	}
	ring->free_head = 0;
	ring->free_count = ring->size;
	ring->added = 0;
	ring->published = 0;
	ring->used_index = 0;
	ring->in_flight = 0;
	ring->interrupts_wanted = false;
	ring->fault[0] = '\0';
	store16(&ring->available->flags, VRING_AVAIL_F_NO_INTERRUPT);
}

int split_init(struct split_ring *ring, void *memory, uint16_t size, uint32_t used_align)
{
	struct split_layout layout = split_layout(size, used_align);
	char *base = memory;

	ring->shadow = calloc(size, sizeof(*ring->shadow));
	if (!ring->shadow) {
		return -ENOMEM;
	}
	ring->size = size;
	ring->descriptors = memory;
	ring->available = (struct vring_avail *)(void *)(base + layout.available_offset);
	ring->used = (const struct vring_used *)(void *)(base + layout.used_offset);
	split_clear(ring, memory, used_align);
	return 0;
}

void split_free(struct split_ring *ring)
{
	free(ring->shadow);
	ring->shadow = NULL;
}

/* Fills descriptors along the free list; returns the last one used. */
static uint16_t write_chain(struct split_ring *ring, const struct vio_segment *segments,
			    unsigned reads, unsigned total)
{
	uint16_t i = ring->free_head;
	uint16_t last = i;

	for (unsigned n = 0; n < total; n++) {
		struct vring_desc *d = &ring->descriptors[i];
		unsigned flags = n < reads ? 0 : VRING_DESC_F_WRITE;

		if (n + 1 < total) {
			flags |= VRING_DESC_F_NEXT;
		}
		d->addr = wire64(segments[n].iova.raw);
		d->len = wire32(segments[n].length);
		d->flags = wire16((uint16_t)flags);
		d->next = wire16(ring->shadow[i].next);
		last = i;
		i = ring->shadow[i].next;
	}
	ring->free_head = i;
	return last;
}

int split_add(struct split_ring *ring, const struct vio_segment *segments, unsigned reads,
	      unsigned writes, void *cookie)
{
	unsigned total = reads + writes;
	uint16_t head = ring->free_head;
	struct split_shadow *shadow;

	if (ring->fault[0]) {
		return -ENODEV;
	}
	if (total == 0 || total > ring->size) {
		return -EINVAL;
	}
	if (total > ring->free_count) {
		return -EAGAIN;
	}
	shadow = &ring->shadow[head];
	shadow->last = write_chain(ring, segments, reads, total);
	shadow->count = (uint16_t)total;
	shadow->cookie = cookie;
	shadow->position = ring->added;
	ring->available->ring[ring->added & (ring->size - 1u)] = wire16(head);
	ring->free_count = (uint16_t)(ring->free_count - total);
	ring->added++;
	ring->in_flight++;
	return 0;
}

bool split_publish(struct split_ring *ring)
{
	if (ring->published == ring->added) {
		return false;
	}
	ring->published = ring->added;
	/* descriptors and ring entries must be seen before the index that names them */
	store16_release(&ring->available->idx, (uint16_t)ring->published);
	/*
	 * the index must be seen before we look whether the device sleeps; without
	 * this both may miss each other and the request waits for ever
	 */
	full_fence();
	return !(load16(&ring->used->flags) & VRING_USED_F_NO_NOTIFY);
}

/* Chains published and not given back: the most that the device may return. */
static uint16_t returnable(const struct split_ring *ring)
{
	return (uint16_t)(ring->in_flight - (ring->added - ring->published));
}

__attribute__((cold)) static int violated(struct split_ring *ring, const char *what, uint32_t found)
{
	if (!ring->fault[0]) {
		snprintf(ring->fault, sizeof(ring->fault), "%s (%u, in flight %u of %u)", what,
			 found, ring->in_flight, ring->size);
	}
	return -EPROTO;
}

static bool was_published(const struct split_ring *ring, const struct split_shadow *shadow)
{
	return ring->added - shadow->position > ring->added - ring->published;
}

static void release_chain(struct split_ring *ring, uint16_t head)
{
	struct split_shadow *shadow = &ring->shadow[head];

	shadow->cookie = NULL;
	ring->shadow[shadow->last].next = ring->free_head;
	ring->free_head = head;
	ring->free_count = (uint16_t)(ring->free_count + shadow->count);
	ring->in_flight--;
}

/* One entry of the used ring: loaded once, checked, then believed. */
static int take_used(struct split_ring *ring, struct vio_queue_used *out)
{
	const struct vring_used_elem *element =
		&ring->used->ring[ring->used_index & (uint16_t)(ring->size - 1)];
	uint32_t id = load32(&element->id);
	struct split_shadow *shadow;

	out->length = load32(&element->len);
	if (id >= ring->size) {
		return violated(ring, "the device returned an id outside the ring", id);
	}
	shadow = &ring->shadow[id];
	if (!shadow->cookie) {
		return violated(ring, "the device returned an id that is not in flight", id);
	}
	if (!was_published(ring, shadow)) {
		return violated(ring, "the device returned an id it was not given yet", id);
	}
	out->cookie = shadow->cookie;
	release_chain(ring, (uint16_t)id);
	ring->used_index++;
	return 0;
}

int split_reap(struct split_ring *ring, struct vio_queue_used *used, unsigned max)
{
	/* the entries and the data must be seen no earlier than the index that names them */
	uint16_t index = load16_acquire(&ring->used->idx);
	uint16_t ready = (uint16_t)(index - ring->used_index);
	unsigned n = 0;

	if (ring->fault[0]) {
		return -EPROTO;
	}
	if (ready > returnable(ring)) {
		return violated(ring, "the device's used index jumped", index);
	}
	while (n < max && n < ready) {
		if (take_used(ring, &used[n]) < 0) {
			return n ? (int)n : -EPROTO;
		}
		n++;
	}
	return (int)n;
}

/* Stored only when it changes: the device reads this line with every completion. */
static void want_interrupts(struct split_ring *ring, bool wanted)
{
	if (wanted != ring->interrupts_wanted) {
		ring->interrupts_wanted = wanted;
		store16(&ring->available->flags, wanted ? 0 : VRING_AVAIL_F_NO_INTERRUPT);
	}
}

void split_disarm(struct split_ring *ring)
{
	/* no fence: an interrupt that is on its way already is stale, not wrong */
	want_interrupts(ring, false);
}

bool split_arm(struct split_ring *ring, bool interrupts)
{
	want_interrupts(ring, interrupts);
	/*
	 * our wish must be seen before we look a last time; a completion in between
	 * would otherwise come without an interrupt and without being noticed
	 */
	full_fence();
	return split_has_used(ring);
}

void *split_take(struct split_ring *ring)
{
	/* a late kick must not publish chains whose buffers went back to their owners */
	ring->added = ring->published;
	for (uint16_t i = 0; i < ring->size && ring->in_flight > 0; i++) {
		void *cookie = ring->shadow[i].cookie;

		if (cookie) {
			release_chain(ring, i);
			return cookie;
		}
	}
	return NULL;
}
