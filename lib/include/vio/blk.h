/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VirtIO block devices (VirtIO 1.2, 5.2).
 *
 * Open:
 *
 *   struct vio_transport *t;
 *   struct vio_blk *blk;
 *   viot_open(&t, &address, NULL, &err);          <vio-transport/open.h>
 *   vio_blk_open(&blk, t, NULL, &err);
 *
 * The simple way, one request at a time; any memory will do:
 *
 *   vio_blk_read(blk, 0, buffer, 4096);           sectors are always 512 bytes
 *   vio_blk_flush(blk);
 *
 * The fast way: many requests, submitted in batches, reaped in batches, on the
 * thread that owns the queue. A request belongs to the caller, who keeps it and
 * its buffers untouched until it is reaped:
 *
 *   struct vio_blk_queue *q = vio_blk_queue(blk, 0);
 *   struct vio_blk_request r = {.op = VIO_BLK_READ, .start_sector = 8,
 *                               .iov = &iov, .iov_count = 1};
 *   vio_blk_submit(q, &r);                        0, or it was not accepted
 *   vio_blk_kick(q);                              once per batch
 *   n = vio_blk_reap(q, done, 32);                done[i]->result
 *
 * Contract: submit returns 0 and the request comes back from reap exactly once,
 * with its result; or it returns a negative errno and the request stays with
 * the caller. A request with a buffer outside the device's DMA memory is copied
 * through a bounce buffer; with vio_blk_alloc() nothing is copied.
 *
 * Requests larger than the device takes are split. Several requests in flight
 * may finish in any order; a flush covers the writes reaped before it was
 * submitted.
 *
 * Every request has a deadline. When the device misses one, breaks the
 * specification, or asks for a reset, it is reset and every request in flight
 * is reaped with an error; see vio_blk_health(). A device that may come back, or
 * that asks for a reset, can instead be given what was in flight once more:
 * vio_blk_options.replay.
 *
 * Several queues, one thread each:
 *
 *   options.queues = n                            vio_blk_info(blk)->queues says how many it is
 *   vio_blk_queue(blk, i)                         everything that takes this, on thread i
 *   vio_blk_check(blk), _restart, _events_…       on thread 0, the control thread
 *   vio_blk_queue_check(queue)                    on thread i, about once a second
 *
 * Threads share nothing on the I/O path. When one of them finds that the device
 * failed, vio_blk_health() says so to all: thread 0 then calls vio_blk_check(), which
 * resets it, and every thread reaps what was in flight in its own queue.
 *
 * Close: vio_blk_close(blk), then vio_transport_close(t).
 */
#ifndef VIO_BLK_H
#define VIO_BLK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <vio/error.h>
#include <vio/export.h>
#include <vio/spin.h>
#include <vio/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIO_BLK_SECTOR_SIZE 512u
#define VIO_BLK_ID_SIZE     20 /* VIRTIO_BLK_ID_BYTES; not terminated on the wire */

struct vio_blk;
struct vio_blk_queue;

/* Zero or NULL means the default everywhere. */
struct vio_blk_options {
	uint16_t queue_size; /* entries, a power of two, 4..32768; default 256 */
	uint16_t queues;     /* 1..64; default 1; device or transport may have fewer */
	uint32_t timeout_ms; /* deadline of a request, 100..3600000; default 30000 */
	size_t bounce_size;  /* bytes for copies, 64 KiB..64 MiB; default 1 MiB */
	bool read_only;      /* refuse writes even if the device would take them */
	enum vio_poll poll;  /* how vio_blk_wait() waits (spin.h) */
	uint32_t poll_us;    /* longest spin of VIO_POLL_AUTO, 1..10000; default 100 */
	/*
	 * Keep what is in flight when the device goes and may come back
	 * (vio_transport.may_return), or asks for a reset: after a restart each thread's
	 * next reap gives it to the device again, from its beginning and in any order. What
	 * is submitted meanwhile waits, too. Past its deadline, which began when it was
	 * submitted, a request is reaped with -ETIMEDOUT; one that the device no longer takes, with
	 * what submit would have said. Only for callers that never have overlapping requests of
	 * which one is a write in flight at a time, or do not mind their order. What the
	 * device had answered and then forgot, because nothing had flushed it, is not noticed.
	 */
	bool replay;
	/*
	 * Feature bits (VIO_FEATURE) to do without, and to do with or fail with -ENOTSUP;
	 * for tests and measurements. VIRTIO_F_RING_PACKED, VIRTIO_RING_F_INDIRECT_DESC,
	 * VIRTIO_RING_F_EVENT_IDX, VIRTIO_F_IN_ORDER, VIRTIO_F_NOTIFICATION_DATA,
	 * VIRTIO_F_RING_RESET and the features of block devices. By default everything
	 * that is offered is used.
	 */
	uint64_t refused_features, required_features;
};

/* Limits of a command on ranges; all 0 where the device lacks the command. */
struct vio_blk_range_limits {
	uint32_t sectors_max;       /* of 512 bytes, per segment */
	uint32_t segments_max;      /* per request */
	uint32_t alignment_sectors; /* of 512 bytes */
};

/* What the device is; decoded, checked, in native byte order (5.2.4). */
struct vio_blk_info {
	uint64_t capacity_sectors;    /* of 512 bytes */
	uint64_t features;            /* accepted bits */
	uint32_t block_size;          /* bytes: 512..65536, the unit of every request */
	uint32_t physical_block_size; /* bytes, >= block_size */
	uint32_t alignment_offset;    /* bytes to the first physically aligned block */
	uint32_t io_min;              /* bytes, 0 = not said */
	uint32_t io_optimal;          /* bytes, 0 = not said */
	uint32_t segment_max_size;    /* bytes, never 0; UINT32_MAX = no limit */
	uint32_t segments_max;        /* per request, >= 1 */
	uint16_t queue_size;          /* entries in use */
	uint16_t queues;              /* in use: asked for, or all that can be used */
	uint16_t queues_offered;      /* >= 1 */
	uint16_t cylinders;           /* legacy geometry; all three 0 = not said */
	uint8_t heads, sectors_per_track;
	struct vio_blk_range_limits discard, write_zeroes, secure_erase;
	bool write_zeroes_may_unmap;
	bool has_lifetime;       /* VIO_BLK_GET_LIFETIME */
	bool can_set_writeback;  /* vio_blk_set_writeback() */
	bool read_only;          /* by the device, or by vio_blk_options */
	bool can_flush;          /* VIRTIO_BLK_F_FLUSH: a volatile write cache may exist */
	bool writeback;          /* the cache is on: written data is safe after a flush */
	bool queue_size_clamped; /* the device takes less than was asked for */
	bool replays;            /* it may go and come back, and requests wait: `replay` */
};

enum vio_blk_op {
	VIO_BLK_READ,
	VIO_BLK_WRITE,
	VIO_BLK_FLUSH,  /* no buffer; -ENOTSUP without can_flush: there is nothing to flush */
	VIO_BLK_GET_ID, /* one buffer of VIO_BLK_ID_SIZE bytes */
	/*
	 * On sector_count sectors from start_sector, without a buffer. What the device does
	 * not take in one command is split at its limits (vio_blk_range_limits); what is not
	 * a multiple of their alignment is left out of a discard, and -EINVAL for the others.
	 * -ENOTSUP where the device lacks the command (5.2.6).
	 */
	VIO_BLK_DISCARD,      /* a hint: what is read there afterwards may be anything */
	VIO_BLK_WRITE_ZEROES, /* reads zeroes afterwards; see `unmap` */
	VIO_BLK_SECURE_ERASE,
	VIO_BLK_GET_LIFETIME, /* one buffer of sizeof(struct virtio_blk_lifetime), as on the wire */
};

struct vio_blk_request {
	/* set by the caller before submit, untouched by the library */
	enum vio_blk_op op;
	unsigned iov_count;
	uint64_t start_sector;   /* multiple of block_size / 512 */
	const struct iovec *iov; /* total: a multiple of block_size, at most 1 GiB */
	uint64_t sector_count; /* DISCARD, WRITE_ZEROES, SECURE_ERASE: multiple of block_size / 512
				*/
	bool unmap;            /* WRITE_ZEROES: the device may free the space, where it can */
	void *user_data;

	/* set by the library, valid once reaped: 0 or a negative errno (error.h) */
	int result;

	/* of the library, from submit to reap */
	unsigned parts_in_flight;
	uint64_t bytes_total, bytes_started;
	uint64_t seen_ms;
	struct vio_blk_request *next;
};

/* Whether the device can be trusted with more requests. */
enum vio_blk_health {
	VIO_BLK_GOOD,
	VIO_BLK_FAILED, /* it was reset; vio_blk_restart() may bring it back */
	/*
	 * It did not confirm its reset and may still write to its memory, which is in
	 * quarantine. The buffers of failed reads must never be used for anything
	 * else: close, and let the process end.
	 */
	VIO_BLK_LOST,
};

/**
 * vio_blk_open - bring up the block device behind @t
 * @t: not owned; must stay open until vio_blk_close()
 * @options: NULL for the defaults
 *
 * Returns 0, or a negative errno with a sentence: -ENODEV (not a block device),
 * -EPROTO (its configuration is impossible), -ENOTSUP, -ENOMEM, -ETIMEDOUT.
 * Blocks, bounded.
 */
VIO_EXPORT int vio_blk_open(struct vio_blk **blk, struct vio_transport *t,
			    const struct vio_blk_options *options, struct vio_error *err);

/**
 * vio_blk_close - reset the device and free; NULL is allowed
 *
 * Requests still in flight are dropped: reap them first. Does not flush.
 */
VIO_EXPORT void vio_blk_close(struct vio_blk *blk);

/* Valid until close; changes only inside vio_blk_check() and vio_blk_restart(). */
VIO_EXPORT const struct vio_blk_info *vio_blk_info(const struct vio_blk *blk);

/* Queue @index, or NULL if it is not below vio_blk_info(blk)->queues. */
VIO_EXPORT struct vio_blk_queue *vio_blk_queue(struct vio_blk *blk, unsigned index);

/**
 * vio_blk_alloc - buffer memory that is never copied
 * @size: up to what is left of the transport's DMA memory
 *
 * Aligned to 4096 bytes, zeroed; NULL when there is not enough. Any thread.
 */
VIO_EXPORT void *vio_blk_alloc(struct vio_blk *blk, size_t size);

/* Not while a request uses it. @buffer NULL is allowed. */
VIO_EXPORT void vio_blk_free(struct vio_blk *blk, void *buffer, size_t size);

/**
 * vio_blk_submit - accept a request; the device sees it after the next kick
 *
 * Returns 0; -EAGAIN when the queue is full (reap, then try again); -EINVAL for
 * a start or a length that is not a multiple of block_size or an op that does
 * not fit; -ENOSPC beyond the end; -EROFS; -ENOTSUP; while the device is not GOOD
 * what vio_blk_error() says, or 0 where the request waits until it is back (`replay`).
 * Does not block, does not allocate, calls nothing back.
 */
VIO_EXPORT int vio_blk_submit(struct vio_blk_queue *queue, struct vio_blk_request *request);

/* Publish everything submitted; one notification at most. */
VIO_EXPORT void vio_blk_kick(struct vio_blk_queue *queue);

/**
 * vio_blk_reap - requests that are finished, at most @max
 *
 * Returns how many. Never an error: what failed comes back as a result. Resets
 * the device (bounded, rarely) when it broke the specification.
 */
VIO_EXPORT unsigned vio_blk_reap(struct vio_blk_queue *queue, struct vio_blk_request **done,
				 unsigned max);

/* Requests accepted and not reaped. */
VIO_EXPORT unsigned vio_blk_in_flight(const struct vio_blk_queue *queue);

/*
 * Waiting, as in queue.h: arm; if that returned false, wait on the descriptor and
 * on that of events, together with whatever else the program waits for, at most
 * VIO_WAIT_BACKSTOP_MS while something is in flight; ack what is readable, or
 * expired if nothing was; disarm; reap. The acks return enum vio_event bits: when
 * there are any, call vio_blk_check() soon.
 *
 * With interrupts a program that wants such news at once waits in this way also
 * while nothing is in flight; without them it does not, because the descriptor is
 * a timer then.
 */
VIO_EXPORT int vio_blk_wait_fd(const struct vio_blk_queue *queue);
VIO_EXPORT bool vio_blk_wait_arm(struct vio_blk_queue *queue);
VIO_EXPORT void vio_blk_wait_disarm(struct vio_blk_queue *queue);
VIO_EXPORT unsigned vio_blk_wait_ack(struct vio_blk_queue *queue);
VIO_EXPORT bool vio_blk_wait_expired(struct vio_blk_queue *queue);
/* False: wait_fd is a timer, perhaps since interrupts turned out not to arrive. */
VIO_EXPORT bool vio_blk_has_interrupts(const struct vio_blk_queue *queue);

/* For the thread of queue 0. The descriptor, or -ENOTSUP where news comes with queue 0's. */
VIO_EXPORT int vio_blk_events_fd(const struct vio_blk *blk);
VIO_EXPORT unsigned vio_blk_events_ack(struct vio_blk *blk);

/* How long vio_blk_wait() spins; who waits otherwise may use it, too. */
VIO_EXPORT struct vio_spin *vio_blk_spin(struct vio_blk_queue *queue);

/**
 * vio_blk_wait - block until something may be reaped, at most @timeout_ms
 *
 * Returns 0; -ETIMEDOUT; -EINTR when the device gave up or went, which
 * vio_blk_check() then sees, and while requests wait for vio_blk_restart(); or at once
 * vio_blk_error() when the device is not GOOD and all is reaped. For programs that wait for nothing
 * else.
 */
VIO_EXPORT int vio_blk_wait(struct vio_blk_queue *queue, unsigned timeout_ms);

/* What a queue has seen since it was opened. */
struct vio_blk_stats {
	uint64_t requests;           /* given to the device; each part of a large one counts */
	uint64_t spins, spins_found; /* waits that spun; and found something by that */
	uint64_t sleeps;             /* waits that slept */
	uint64_t interrupts;         /* acknowledged, whatever they told of */
	uint64_t interrupts_missed;  /* completions that no interrupt told of */
	uint64_t violations;         /* of the specification, by the device */
	uint64_t resets;             /* because of a failure */
};

/* The queue's thread. */
VIO_EXPORT void vio_blk_stats(const struct vio_blk_queue *queue, struct vio_blk_stats *stats);

/**
 * vio_blk_queue_check - deadlines of one queue; call it about once a second
 *
 * On the queue's thread, for every queue but 0, which vio_blk_check() looks after.
 * Returns false if the device is not GOOD: thread 0 should call vio_blk_check() soon.
 */
VIO_EXPORT bool vio_blk_queue_check(struct vio_blk_queue *queue);

/**
 * vio_blk_check - deadlines and device events; call it about once a second
 *
 * Fails overdue requests (by a reset), notices DEVICE_NEEDS_RESET, a device that
 * reset itself, and removal, and reads the configuration again when it changed.
 * Returns the enum vio_event bits seen. The queue's thread; what failed is reaped
 * afterwards.
 */
VIO_EXPORT unsigned vio_blk_check(struct vio_blk *blk);

/* GOOD, or what to expect. */
VIO_EXPORT enum vio_blk_health vio_blk_health(const struct vio_blk *blk);

/*
 * What submit says of it: 0 while GOOD, -ENODEV for a device that went for good, otherwise
 * -EIO, also of one that may come back.
 */
VIO_EXPORT int vio_blk_error(const struct vio_blk *blk);

/**
 * vio_blk_restart - bring a FAILED device back
 *
 * All queues must have been reaped to the end, except for what is kept to be
 * replayed: -EAGAIN while a thread has not done so yet. Returns 0 and the device is
 * GOOD; or a negative errno, and it stays FAILED or becomes LOST; -ENODEV for a
 * device that went, or has not come back yet (then it stays FAILED: try again). One that
 * comes back may have another capacity, other commands, or be read-only: vio_blk_info().
 * Blocks, bounded. Thread 0.
 */
VIO_EXPORT int vio_blk_restart(struct vio_blk *blk, struct vio_error *err);

/**
 * vio_blk_set_writeback - switch the device's volatile write cache on or off (5.2.5)
 *
 * Off: what is written is safe when it is reaped. Returns 0, -ENOTSUP where the
 * device cannot, -EIO if it did not do it. Nothing may be in flight. Thread 0.
 */
VIO_EXPORT int vio_blk_set_writeback(struct vio_blk *blk, bool on);

/*
 * Blocking calls on queue 0, for its thread, while nothing else is in flight. With
 * `replay` they restart the device themselves.
 * Any memory, any length that is a multiple of block_size. They return 0 or a
 * negative errno, within the deadline of each request. A flush of a device that
 * has no volatile cache returns 0, of one that has but cannot flush -ENOTSUP.
 */
VIO_EXPORT int vio_blk_read(struct vio_blk *blk, uint64_t start_sector, void *buffer, size_t size);
VIO_EXPORT int vio_blk_write(struct vio_blk *blk, uint64_t start_sector, const void *buffer,
			     size_t size);
/* The commands of the same names, on any number of sectors; see enum vio_blk_op. */
VIO_EXPORT int vio_blk_write_zeroes(struct vio_blk *blk, uint64_t start_sector,
				    uint64_t sector_count, bool unmap);
VIO_EXPORT int vio_blk_discard(struct vio_blk *blk, uint64_t start_sector, uint64_t sector_count);
VIO_EXPORT int vio_blk_flush(struct vio_blk *blk);
/* @id is terminated; an empty string from a device that has none. -ENOTSUP if it cannot say. */
VIO_EXPORT int vio_blk_get_id(struct vio_blk *blk, char id[VIO_BLK_ID_SIZE + 1]);

#ifdef __cplusplus
}
#endif

#endif
