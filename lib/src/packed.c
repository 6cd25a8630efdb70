/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a packed ring is rare; see the picture in packed.h. */
#include "packed.h"

static size_t align_up(size_t value)
{
	return (value + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

/* chosen: what the device writes beside the ring is on no cache line that we write */
struct ring_layout packed_layout(uint16_t size)
{
	struct ring_layout layout;

	layout.driver_offset = align_up(sizeof(struct vring_packed_desc) * size);
	layout.device_offset = layout.driver_offset + CACHE_LINE;
	layout.total = layout.device_offset + sizeof(struct vring_packed_desc_event);
	return layout;
}

/* Both words at once: the device may look at any time. */
static void tell(struct ring *ring, uint16_t flags, uint16_t where)
{
	store32((__virtio32 *)(void *)ring->packed.driver, (uint32_t)flags << 16 | where);
}

static void forbid_interrupts(struct ring *ring)
{
	ring->interrupts_wanted = false;
	tell(ring, VRING_PACKED_EVENT_FLAG_DISABLE, 0);
}

/* With the event index one interrupt, for the next completion, and no more (2.8.10). */
static void allow_interrupts(struct ring *ring)
{
	uint16_t lap = ring->used_flags ? 1u << VRING_PACKED_EVENT_F_WRAP_CTR : 0;

	ring->interrupts_wanted = true;
	if (ring->has_event_index) {
		tell(ring, VRING_PACKED_EVENT_FLAG_DESC, ring->next_used | lap);
	} else {
		tell(ring, VRING_PACKED_EVENT_FLAG_ENABLE, 0);
	}
}

/* 2.8.1: either side's counter starts at 1. */
void packed_clear(struct ring *ring)
{
	ring->next_available = 0;
	ring->first = 0;
	ring->available_flags = PACKED_AVAILABLE;
	ring->used_flags = PACKED_BOTH;
	forbid_interrupts(ring);
}

static void write_entry(struct vring_packed_desc *entry, struct vio_segment segment, unsigned flags)
{
	entry->addr = (VIO_FORCE __le64)wire64(segment.iova.raw);
	entry->len = (VIO_FORCE __le32)wire32(segment.length);
	entry->id = (VIO_FORCE __le16)wire16(0);
	entry->flags = (VIO_FORCE __le16)wire16((uint16_t)flags);
}

/* All but where the data is. Its order is that of the table (2.8.7). */
void packed_write_table(struct ring *ring, uint16_t id, unsigned reads, unsigned writes)
{
	const struct frames *frames = ring->frames;
	struct vring_packed_desc *entry = frame_table(frames, id);

	if (frames->header_size) {
		write_entry(entry++, frame_segment(frames, id, 0, frames->header_size), 0);
	}
	for (unsigned i = 0; i < reads + writes; i++) {
		write_entry(entry++, (struct vio_segment){{0}, 0},
			    i < reads ? 0 : VRING_DESC_F_WRITE);
	}
	if (frames->footer_size) {
		write_entry(entry,
			    frame_segment(frames, id, frames->footer_offset, frames->footer_size),
			    VRING_DESC_F_WRITE);
	}
	ring->chains[id].shape = ring_shape(reads, writes);
}

/* @left: how many come behind this one. */
static void push(struct ring *ring, uint16_t id, struct vio_segment segment, unsigned flags,
		 unsigned *left)
{
	--*left;
	packed_write(ring, segment, id, flags | (*left ? VRING_DESC_F_NEXT : 0));
}

static void write_chain(struct ring *ring, uint16_t id, const struct vio_segment *segments,
			unsigned reads, unsigned total)
{
	const struct frames *frames = ring->frames;
	unsigned left = total + frames->edges;

	if (frames->header_size) {
		push(ring, id, frame_segment(frames, id, 0, frames->header_size), 0, &left);
	}
	for (unsigned i = 0; i < total; i++) {
		push(ring, id, segments[i], i < reads ? 0 : VRING_DESC_F_WRITE, &left);
	}
	if (frames->footer_size) {
		push(ring, id,
		     frame_segment(frames, id, frames->footer_offset, frames->footer_size),
		     VRING_DESC_F_WRITE, &left);
	}
}

int packed_add_slowly(struct ring *ring, const struct vio_segment *segments, unsigned reads,
		      unsigned writes)
{
	unsigned total = reads + writes + ring->frames->edges;
	uint16_t id = ring->free_head;

	if (ring->fault[0]) {
		return -ENODEV;
	}
	if (total == 0 || total > ring->size) {
		return -EINVAL;
	}
	if (total > ring->free_count) {
		return -EAGAIN;
	}
	write_chain(ring, id, segments, reads, reads + writes);
	ring->free_head = ring->chains[id].next;
	ring_count_in(ring, &ring->chains[id], total);
	return id;
}

/* 2.8.10: was the descriptor passed that the device named, on the way from @first? */
bool packed_wants_notice(const struct ring *ring, uint16_t named, unsigned first)
{
	bool lap = ring->available_flags & PACKED_AVAILABLE;
	uint16_t now = ring->next_available;
	uint16_t event = named & ((1u << VRING_PACKED_EVENT_F_WRAP_CTR) - 1);
	uint16_t old = (uint16_t)first;

	if (!ring->has_event_index) {
		return true;
	}
	if (named >> VRING_PACKED_EVENT_F_WRAP_CTR != lap) {
		event = (uint16_t)(event - ring->size);
	}
	/* as many behind us as were published: up to all of them */
	if (old >= now) {
		old = (uint16_t)(old - ring->size);
	}
	return ring_passed(event, now, old);
}

void packed_disarm(struct ring *ring)
{
	/* stored only when it changes, and without a fence: see split_disarm() */
	if (ring->interrupts_wanted) {
		forbid_interrupts(ring);
	}
}

bool packed_arm(struct ring *ring, bool interrupts)
{
	if (interrupts) {
		allow_interrupts(ring);
	} else {
		packed_disarm(ring);
	}
	/*
	 * our wish must be seen before we look a last time; a completion in between
	 * would otherwise come without an interrupt and without being noticed
	 */
	full_fence();
	return packed_has_used(ring);
}

int packed_reap_in_order(struct ring *ring, unsigned max, ring_taker *take, void *context)
{
	const struct vring_packed_desc *descriptor = NULL;
	unsigned n = 0;

	if (ring->fault[0]) {
		return -EPROTO;
	}
	while (n < max && (ring->batch || (descriptor = packed_used(ring, ring->next_used)))) {
		if (ring->batch == 0) {
			uint16_t id = packed_id(descriptor);

			if (ring_check_id(ring, id) < 0 ||
			    ring_begin_batch(ring, id, packed_length(descriptor), ring->size) < 0) {
				return n ? (int)n : -EPROTO;
			}
		}
		packed_skip(ring, &ring->next_used, ring_pass_on(ring, take, context));
		n++;
	}
	return (int)n;
}
