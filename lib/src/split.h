/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The split virtqueue's ring memory (VirtIO 1.2, 2.7): descriptors, driver area
 * (available ring), device area (used ring). Knows no transport and no device.
 */
#ifndef VIO_SPLIT_H
#define VIO_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include <vio/dma.h>
#include <vio/queue.h>

#include "ring_memory.h"

/* Our own record of one descriptor: the only one we believe. */
struct split_shadow {
	void *cookie;      /* of the chain that starts here, NULL if none does */
	uint16_t next;     /* in the chain, or in the free list */
	uint16_t last;     /* of the chain that starts here */
	uint16_t count;    /* descriptors in the chain that starts here */
	uint32_t position; /* the how-manieth chain this is; see split_ring.added */
};

struct split_ring {
	/* for the device: written by us and never read back, except used */
	struct vring_desc *descriptors;
	struct vring_avail *available;
	const struct vring_used *used;

	/* ours alone */
	struct split_shadow *shadow;
	uint16_t size;
	uint16_t free_head;
	uint16_t free_count;
	/*
	 * Free-running counts of chains. The device sees their low 16 bits; we keep
	 * more, because 65536 others may overtake a chain that the device holds on to.
	 */
	uint32_t added;
	uint32_t published;
	uint16_t used_index; /* next entry to take; free-running */
	uint16_t in_flight;  /* chains, published or not */
	bool interrupts_wanted;
	char fault[96]; /* the first violation; empty while there is none */
};

/* Bytes of ring memory for @size entries, and where its parts begin. */
struct split_layout {
	size_t available_offset, used_offset, total;
};

struct split_layout split_layout(uint16_t size, uint32_t used_align);

/* @memory: zeroed, of split_layout().total bytes. Returns 0 or -ENOMEM. */
int split_init(struct split_ring *ring, void *memory, uint16_t size, uint32_t used_align);
/* Empty again, as after init. */
void split_clear(struct split_ring *ring, void *memory, uint32_t used_align);
void split_free(struct split_ring *ring);

/* See queue.h; published by split_publish(). */
int split_add(struct split_ring *ring, const struct vio_segment *segments, unsigned reads,
	      unsigned writes, void *cookie);
/* True if the device wants to be notified of what was published. */
bool split_publish(struct split_ring *ring);
int split_reap(struct split_ring *ring, struct vio_queue_used *used, unsigned max);
/* Ask for an interrupt; true if completions are there already. */
bool split_arm(struct split_ring *ring, bool interrupts);
/* No more interrupts until the next split_arm(). */
void split_disarm(struct split_ring *ring);
void *split_take(struct split_ring *ring);

/* Something to reap, or a fault to report. */
static inline bool split_has_used(const struct split_ring *ring)
{
	return load16(&ring->used->idx) != ring->used_index || ring->fault[0] != '\0';
}

#endif
