/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The block class inside. A request of the caller becomes one or more parts;
 * every part owns one slot and is one chain of descriptors:
 *
 *   the frame's header         data, up to segments_max runs       its footer: status
 *   type | priority | sector   the caller's memory, or a bounce    0xff until the
 *   the device reads           chunk when the device cannot        device writes it
 *                              reach that
 *
 *   blk.c          open, close, health, deadlines
 *   blk_config.c   the configuration space, decoded and checked
 *   blk_queue.c    submit and reap
 *   blk_part.c     one part: segments, bounce, status
 *   blk_blocking.c the simple calls on top
 */
#ifndef VIO_BLK_INTERNAL_H
#define VIO_BLK_INTERNAL_H

#include <linux/virtio_blk.h>

#include <vio/blk.h>
#include <vio/device.h>
#include <vio/queue.h>

enum {
	BLK_SEGMENTS_MAX = 128,  /* data segments of one part; chosen: 512 KiB of single pages */
	BLK_TABLE_SEGMENTS = 14, /* chosen: 28 MiB of huge pages; more takes entries of the ring */
	BLK_BOUNCE_CHUNK = 32 * 1024, /* or one block; chosen: most foreign requests fit in one */
	BLK_REQUEST_MAX = 1 << 30,    /* bytes; chosen: far above what pays, far below overflow */
	BLK_STATUS_UNSET = 0xff,      /* no device may answer this (5.2.6) */
	BLK_NO_BOUNCE = -1,
};

/* One part in flight; its number is that of the chain. */
struct blk_slot {
	struct vio_blk_request *request; /* NULL: free */
	uint64_t seen_ms;                /* first vio_blk_check() that saw it; 0 = none yet */
	uint64_t offset;                 /* of this part in the request, bytes */
	uint32_t bytes;
	int bounce;    /* chunk, or BLK_NO_BOUNCE, as in every free slot */
	bool is_plain; /* blk_plain.h: all of its request, and nothing to undo */
};

/* Memory for copies that is contiguous for the device. */
struct blk_bounce {
	struct vio_dma_memory *chunks; /* count of them, chunk_size bytes each */
	uint32_t chunk_size;
	int count;
	int *free; /* stack of free chunks */
	int free_count;
};

/* Requests in order. */
struct blk_list {
	struct vio_blk_request *first, *last;
};

/* What a plain request (blk_plain.h) must keep to, of vio_blk_info. */
struct blk_limits {
	uint64_t capacity_sectors;
	uint32_t size_max; /* bytes less one */
	uint32_t size_mask, sector_mask;
	bool may_write;
};

struct vio_blk_queue {
	struct vio_blk *blk;
	struct vio_queue *ring;
	struct blk_slot *slots;
	uint16_t slot_count;
	unsigned in_flight;                 /* requests accepted and not reaped */
	struct vio_blk_request *continuing; /* accepted, with parts that did not fit yet */
	struct blk_list finished;           /* not through a completion; waiting to be reaped */
	struct blk_bounce bounce;
	struct vio_blk_stats stats; /* without those that the ring counts */
};

struct vio_blk {
	struct blk_limits limits;
	struct vio_device *device;
	struct vio_transport *transport;
	struct vio_dma *dma;
	struct vio_blk_info info;
	struct virtio_blk_config config; /* as read last; fields that it lacks are 0 */
	struct vio_blk_options options;
	struct vio_blk_queue queue;
	enum vio_blk_health health;
	int error;     /* what submit returns: 0 exactly while it is GOOD */
	unsigned news; /* enum vio_event bits of interrupts, for the next check */
	bool bad_status_logged;
	bool bad_config_logged;
};

/* blk_config.c */
void blk_limits_set(struct blk_limits *limits, const struct vio_blk_info *info);
uint64_t blk_wanted_features(void);
int blk_config_read(struct vio_blk *blk, struct vio_blk_info *info, struct vio_error *err);
/* The device says another capacity than blk->info; one field, for who looks often. */
bool blk_config_resized(struct vio_blk *blk);

/* blk_part.c: -EAGAIN when a slot, descriptors or a bounce chunk are missing */
int blk_part_start(struct vio_blk_queue *queue, struct vio_blk_request *request);
/* Frees the slot; returns 0 or a negative errno for this part. */
int blk_part_finish(struct vio_blk_queue *queue, uint16_t id);
/* The device is reset: free the slot without looking at what it left. */
void blk_part_abandon(struct vio_blk_queue *queue, struct blk_slot *slot);
int blk_slots_open(struct vio_blk_queue *queue, struct vio_error *err);
void blk_slots_close(struct vio_blk_queue *queue);

/* blk_queue.c: every request of @queue is finished with @error; the device is reset */
void blk_queue_evacuate(struct vio_blk_queue *queue, int error);
/* 0, -EINVAL or -ENOSPC; @bytes of any size. */
int blk_check_range(const struct vio_blk_info *info, uint64_t start_sector, uint64_t bytes);

/* blk.c: reset the device and finish everything with @error */
void blk_fail(struct vio_blk *blk, int error, const char *why);

static inline bool blk_has_data(const struct vio_blk_request *request)
{
	return request->op != VIO_BLK_FLUSH;
}

static inline enum vio_direction blk_direction(const struct vio_blk_request *request)
{
	return request->op == VIO_BLK_WRITE ? VIO_DEVICE_READS : VIO_DEVICE_WRITES;
}

#endif
