/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a split ring is rare; see the picture in split.h. */
#include "split.h"

static size_t align_up(size_t value, size_t align)
{
	return (value + align - 1) & ~(align - 1);
}

struct ring_layout split_layout(uint16_t size, uint32_t used_align)
{
	struct ring_layout layout;
	/* chosen: keeps what the device writes off the cache lines that we write */
	size_t align = used_align > CACHE_LINE ? used_align : CACHE_LINE;

	/* 2.7: the extra two bytes of either ring are the event index fields */
	layout.driver_offset = sizeof(struct vring_desc) * size;
	layout.device_offset = align_up(layout.driver_offset + sizeof(struct vring_avail) +
						sizeof(__virtio16) * (size + 1u),
					align);
	layout.total = layout.device_offset + sizeof(struct vring_used) +
		       sizeof(struct vring_used_elem) * size + sizeof(__virtio16);
	return layout;
}

static __virtio16 *used_event(const struct ring *ring)
{
	return &ring->split.available->ring[ring->size];
}

/*
 * No interrupts. With the event index the flag is not to be used (2.7.7.1): an index
 * that has just been passed will not be again for 65535 completions, and one interrupt
 * too many then does no harm.
 */
static void forbid_interrupts(struct ring *ring)
{
	ring->interrupts_wanted = false;
	if (ring->has_event_index) {
		store16(used_event(ring), (uint16_t)(ring->next_used - 1));
	} else {
		store16(&ring->split.available->flags, VRING_AVAIL_F_NO_INTERRUPT);
	}
}

static void allow_interrupts(struct ring *ring)
{
	ring->interrupts_wanted = true;
	if (ring->has_event_index) {
		store16(used_event(ring), ring->next_used);
	} else {
		store16(&ring->split.available->flags, 0);
	}
}

static void write_descriptor(struct vring_desc *descriptor, struct vio_segment segment,
			     unsigned flags, uint16_t next)
{
	descriptor->addr = wire64(segment.iova.raw);
	descriptor->len = wire32(segment.length);
	descriptor->flags = wire16((uint16_t)flags);
	descriptor->next = wire16(next);
}

/* All but where the data is. */
void split_write_table(struct ring *ring, uint16_t id, unsigned reads, unsigned writes)
{
	const struct frames *frames = ring->frames;
	struct vring_desc *table = frame_table(frames, id);
	unsigned header = frames->header_size != 0;
	unsigned total = reads + writes + frames->edges;

	for (unsigned i = 0; i < total; i++) {
		struct vio_segment segment = {{0}, 0};
		bool is_footer = frames->footer_size != 0 && i == total - 1;

		if (header && i == 0) {
			segment = frame_segment(frames, id, 0, frames->header_size);
		} else if (is_footer) {
			segment = frame_segment(frames, id, frames->footer_offset,
						frames->footer_size);
		}
		write_descriptor(&table[i], segment,
				 (i < header + reads ? 0 : VRING_DESC_F_WRITE) |
					 (i + 1 < total ? VRING_DESC_F_NEXT : 0),
				 (uint16_t)(i + 1));
	}
	write_descriptor(&ring->split.descriptors[id],
			 frame_segment(frames, id, frames->table_offset, total * sizeof(*table)),
			 VRING_DESC_F_INDIRECT, 0);
	ring->chains[id].shape = ring_shape(reads, writes);
}

/* The next descriptor of the free list. */
static void push(struct ring *ring, uint16_t *last, struct vio_segment segment, unsigned flags)
{
	uint16_t i = ring->free_head;

	ring->chains[i].shape = 0;
	write_descriptor(&ring->split.descriptors[i], segment, flags | VRING_DESC_F_NEXT,
			 ring->chains[i].next);
	*last = i;
	ring->free_head = ring->chains[i].next;
}

static uint16_t write_chain(struct ring *ring, const struct vio_segment *segments, unsigned reads,
			    unsigned total)
{
	const struct frames *frames = ring->frames;
	uint16_t id = ring->free_head;
	uint16_t last = id;

	if (frames->header_size) {
		push(ring, &last, frame_segment(frames, id, 0, frames->header_size), 0);
	}
	for (unsigned i = 0; i < total; i++) {
		push(ring, &last, segments[i], i < reads ? 0 : VRING_DESC_F_WRITE);
	}
	if (frames->footer_size) {
		push(ring, &last,
		     frame_segment(frames, id, frames->footer_offset, frames->footer_size),
		     VRING_DESC_F_WRITE);
	}
	return last;
}

/* The last one does not go on. */
static void end_chain(struct ring *ring, uint16_t last, bool is_written)
{
	ring->split.descriptors[last].flags = wire16(is_written ? VRING_DESC_F_WRITE : 0);
}

int split_add_slowly(struct ring *ring, const struct vio_segment *segments, unsigned reads,
		     unsigned writes)
{
	const struct frames *frames = ring->frames;
	unsigned total = reads + writes + frames->edges;
	uint16_t id = ring->free_head;
	uint16_t last;

	if (ring->fault[0]) {
		return -ENODEV;
	}
	if (total == 0 || total > ring->size) {
		return -EINVAL;
	}
	if (ring->free_count == 0 || total > ring->free_count) {
		return -EAGAIN;
	}
	last = write_chain(ring, segments, reads, reads + writes);
	end_chain(ring, last, writes || frames->footer_size);
	ring->chains[id].last = last;
	return split_enlist(ring, &ring->chains[id], id, total);
}

void split_disarm(struct ring *ring)
{
	/*
	 * stored only when it changes: the device reads this line with every completion;
	 * no fence: an interrupt that is on its way already is stale, not wrong
	 */
	if (ring->interrupts_wanted) {
		forbid_interrupts(ring);
	}
}

bool split_arm(struct ring *ring, bool interrupts)
{
	if (interrupts) {
		/* with the event index also when it is wanted already: for the next completion */
		allow_interrupts(ring);
	} else {
		split_disarm(ring);
	}
	/*
	 * our wish must be seen before we look a last time; a completion in between
	 * would otherwise come without an interrupt and without being noticed
	 */
	full_fence();
	return split_has_used(ring);
}

int split_reap_in_order(struct ring *ring, unsigned max, ring_taker *take, void *context)
{
	int ready = split_ready(ring);
	int left = ready;
	unsigned n = 0;

	while (n < max && left > 0) {
		if (ring->batch == 0) {
			const struct vring_used_elem *element = split_used_entry(ring);
			uint32_t id = load32(&element->id);

			if (ring_check_id(ring, id) < 0 ||
			    ring_begin_batch(ring, (uint16_t)id, load32(&element->len),
					     (unsigned)left) < 0) {
				return n ? (int)n : -EPROTO;
			}
		}
		ring_pass_on(ring, take, context);
		ring->next_used++;
		n++;
		left--;
	}
	return ready < 0 ? ready : (int)n;
}
