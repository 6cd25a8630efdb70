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
 *   blk.c          open, close
 *   blk_config.c   the configuration space, decoded and checked
 *   blk_queue.c    submit and reap
 *   blk_wait.c     waiting
 *   blk_fail.c     deadlines, failure, recovery
 *   blk_replay.c   what waits for a device that is to work again
 *   blk_part.c     one part: segments, bounce, status
 *   blk_range.c    the part of a command on ranges
 *   blk_blocking.c the simple calls on top
 */
#ifndef VIO_BLK_INTERNAL_H
#define VIO_BLK_INTERNAL_H

#include <linux/virtio_blk.h>

#include <vio/blk.h>
#include <vio/device.h>
#include <vio/queue.h>

/* Debian 12's <linux/virtio_blk.h> lacks them (5.2.3, 5.2.6). */
#ifdef VIRTIO_BLK_F_LIFETIME
#define VIO_BLK_F_LIFETIME VIRTIO_BLK_F_LIFETIME
#else
#define VIO_BLK_F_LIFETIME 15
#endif
#ifdef VIRTIO_BLK_T_GET_LIFETIME
#define VIO_BLK_T_GET_LIFETIME VIRTIO_BLK_T_GET_LIFETIME
#else
#define VIO_BLK_T_GET_LIFETIME 10
#endif

enum {
	BLK_SEGMENTS_MAX = 128,  /* data segments of one part; chosen: 512 KiB of single pages */
	BLK_TABLE_SEGMENTS = 14, /* chosen: 28 MiB of huge pages; more takes entries of the ring */
	BLK_BOUNCE_CHUNK = 32 * 1024, /* or one block; chosen: most foreign requests fit in one */
	BLK_REQUEST_MAX = 1 << 30,    /* bytes; chosen: far above what pays, far below overflow */
	BLK_STATUS_UNSET = 0xff,      /* no device may answer this (5.2.6) */
	BLK_LIFETIME_SIZE = 6,        /* three fields of 16 bits */
	BLK_NO_BOUNCE = -1,
	BLK_QUEUES_MAX = 64,
	BLK_AWAY_MAX = 1024, /* chosen: requests of a queue, while the device is away */
	BLK_CACHE_LINE = 64,
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
	uint32_t op_last; /* VIO_BLK_WRITE, or READ where it is read-only */
};

/* Of one thread, in cache lines of its own. */
struct vio_blk_queue {
	_Alignas(BLK_CACHE_LINE) struct vio_blk *blk;
	struct vio_queue *ring;
	struct blk_slot *slots;
	uint16_t slot_count;
	uint16_t index;
	unsigned in_flight; /* requests accepted and not reaped */
	/*
	 * Accepted, and not all at the device: the first perhaps in part, the others not at
	 * all, because they were kept through a reset (blk_replay.c).
	 */
	struct blk_list waiting;
	struct blk_list finished; /* not through a completion; waiting to be reaped */
	struct blk_bounce bounce;
	struct vio_blk_stats stats; /* without those that the ring counts */
	struct vio_blk_stats last;  /* all of them, when what a reset left was taken back */
	unsigned resets_seen;       /* of blk->resets: what they left in flight was taken back */
	bool is_unsettled;          /* since then not everything has been reaped: blk->unsettled */
	bool refusal_logged;        /* of what was kept, since then */
};

/*
 * Failure and recovery without a lock. Any thread may find that the device failed, and
 * marks it (blk_mark); thread 0 alone resets it (blk_attend) and then counts `resets` up;
 * at that every thread takes back what was in flight in its own ring, reaps it, and counts
 * `unsettled` down. At 0 all rings are thread 0's, which hands them over again, and
 * whoever then reads that `error` is 0 has its ring back.
 */
struct vio_blk {
	/* the first line is what submitting reads */
	_Alignas(BLK_CACHE_LINE) struct blk_limits limits;
	int error; /* atomic; what submit returns: 0 exactly while it is GOOD */
	struct vio_device *device;
	struct vio_transport *transport;
	struct vio_dma *dma;
	struct vio_blk_info info;
	struct virtio_blk_config config; /* as read last; fields that it lacks are 0 */
	struct vio_blk_options options;
	struct vio_blk_queue *queues[BLK_QUEUES_MAX]; /* info.queues of them */
	bool bad_config_logged;
	enum {
		BLK_CACHE_AS_FOUND,
		BLK_CACHE_OFF,
		BLK_CACHE_ON
	} cache;          /* as it was set last */
	bool is_attended; /* the device was reset since it was marked */
	bool keeps;       /* at that reset: what was in flight; read after `resets` */

	/* atomic, in another line than what is read for each request */
	_Alignas(BLK_CACHE_LINE) enum vio_blk_health health;
	int cause;          /* with which its requests fail; 0: none, nobody marked it */
	unsigned resets;    /* because of failures */
	unsigned recovered; /* what `resets` was at the last restart */
	unsigned unsettled; /* queues */
	unsigned news;      /* enum vio_event bits of interrupts, for the next check */
	bool bad_status_logged;
};

/* blk_config.c */
void blk_limits_set(struct blk_limits *limits, const struct vio_blk_info *info);
uint64_t blk_wanted_features(void);
int blk_config_read(struct vio_blk *blk, struct vio_blk_info *info, struct vio_error *err);
/* The device says another capacity than blk->info; one field, for who looks often. */
bool blk_config_resized(struct vio_blk *blk);
/* After a restart: the cache as it was set. */
void blk_config_restore_cache(struct vio_blk *blk);

/* blk_part.c: -EAGAIN when a slot, descriptors or a bounce chunk are missing */
int blk_part_start(struct vio_blk_queue *queue, struct vio_blk_request *request);
/* Frees the slot; returns 0 or a negative errno for this part. */
int blk_part_finish(struct vio_blk_queue *queue, uint16_t id);
/* The device is reset: free the slot without looking at what it left. */
void blk_part_abandon(struct vio_blk_queue *queue, struct blk_slot *slot);
int blk_slots_open(struct vio_blk_queue *queue, struct vio_error *err);
void blk_slots_close(struct vio_blk_queue *queue);

/* blk_queue.c: after a reset that it has not seen yet, no request of @queue is at the device */
void blk_queue_evacuate(struct vio_blk_queue *queue);

/* blk_replay.c: it failed, but requests wait for it rather than fail */
bool blk_may_replay(const struct vio_blk *blk);
/* blk_replay.c: accept a request while the device is away; 0 or -EAGAIN */
int blk_replay_later(struct vio_blk_queue *queue, struct vio_blk_request *request);
/* blk_replay.c: take back all that is at the device, to be given to it again */
void blk_replay_keep(struct vio_blk_queue *queue);
/* blk_replay.c: what has waited for too long, or for a device that is lost, is finished */
void blk_replay_expire(struct vio_blk_queue *queue);
/* blk_range.c: 0, with the bytes that are to be done in @request, or a negative errno */
int blk_range_check(const struct vio_blk_info *info, struct vio_blk_request *request);
/* blk_range.c: the next part of @request as the device wants it; returns its bytes on the disk */
uint64_t blk_range_describe(const struct vio_blk_info *info, const struct vio_blk_request *request,
			    struct virtio_blk_discard_write_zeroes *range);
/* blk_wait.c: while the ring is the queue's */
void blk_queue_stats(const struct vio_blk_queue *queue, struct vio_blk_stats *stats);
/* 0, -EINVAL or -ENOSPC; @bytes of any size. */
int blk_check_range(const struct vio_blk_info *info, uint64_t start_sector, uint64_t bytes);

/* blk_fail.c: the device failed, requests will fail with @error; any thread */
void blk_mark(struct vio_blk *blk, int error, const char *why);
/* blk_fail.c: reset a device that was marked; thread 0 */
void blk_attend(struct vio_blk *blk);

/* blk.c: what the device says of itself now; checked, taken if it is possible */
int blk_read_info(struct vio_blk *blk, struct vio_error *err);

static inline bool blk_is_good(const struct vio_blk *blk)
{
	return __atomic_load_n(&blk->error, __ATOMIC_ACQUIRE) == 0;
}

/* Between taking back what a reset left and the restart, the ring is thread 0's. */
static inline bool blk_queue_has_given_ring(const struct vio_blk_queue *queue)
{
	const struct vio_blk *blk = queue->blk;

	return !blk_is_good(blk) &&
	       queue->resets_seen == __atomic_load_n(&blk->resets, __ATOMIC_ACQUIRE) &&
	       queue->resets_seen != __atomic_load_n(&blk->recovered, __ATOMIC_RELAXED);
}

static inline void blk_list_append(struct blk_list *list, struct vio_blk_request *request)
{
	request->next = NULL;
	if (list->last) {
		list->last->next = request;
	} else {
		list->first = request;
	}
	list->last = request;
}

static inline void blk_list_drop_first(struct blk_list *list)
{
	list->first = list->first->next;
	if (!list->first) {
		list->last = NULL;
	}
}

static inline bool blk_is_range(const struct vio_blk_request *request)
{
	return request->op >= VIO_BLK_DISCARD && request->op <= VIO_BLK_SECURE_ERASE;
}

static inline bool blk_has_data(const struct vio_blk_request *request)
{
	return request->iov_count != 0;
}

static inline enum vio_direction blk_direction(const struct vio_blk_request *request)
{
	return request->op == VIO_BLK_WRITE || blk_is_range(request) ? VIO_DEVICE_READS
								     : VIO_DEVICE_WRITES;
}

#endif
