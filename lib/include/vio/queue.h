/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtqueue, for authors of device classes. Users of disks want blk.h.
 *
 *   vio_queue_open()   memory for the ring, handed over to the device
 *   vio_queue_add()    one chain of buffers; the device does not see it yet
 *   vio_queue_kick()   publish everything added, notify if the device asks for it
 *   vio_queue_reap()   completions, each one checked
 *   vio_queue_wait_…   sleep until there may be some
 *   vio_queue_take()   after a reset: what the device never answered
 *   vio_queue_close()  after a reset: free
 *
 * Chains have numbers, 0 to vio_queue_ids() - 1: the class keeps what it knows of a
 * chain in an array. Each may have a frame, memory of the queue's own that stands
 * around the caller's data in every chain:
 *
 *   header, device reads | data ...                       | footer, device writes
 *   vio_queue_header(id)   the segments given to add()      vio_queue_footer(id)
 *
 * so that what is the same for every chain is written once. What the ring looks
 * like (split or packed, with indirect descriptors, event indices, in order) is
 * what was negotiated, and makes no difference to callers.
 *
 * The device is not trusted. Descriptors are written for it and never read
 * back; everything it writes is loaded once, checked against what is really in
 * flight, and only then used. The first violation breaks the queue: reap returns
 * -EPROTO and add -ENODEV until the device has been reset and the queue reopened.
 *
 * Threads: every call of one queue from one thread. Nothing here allocates
 * after open, takes a lock, or blocks, except vio_queue_wait(), vio_queue_reset(),
 * and bounded vio_queue_wait_expired() (1 ms) and the acknowledgement of a removal
 * (a reset).
 */
#ifndef VIO_QUEUE_H
#define VIO_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vio/device.h>
#include <vio/dma.h>
#include <vio/error.h>
#include <vio/export.h>
#include <vio/spin.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vio_queue;

/* Zero means none everywhere, but for size. */
struct vio_queue_options {
	/*
	 * Entries wanted, 2..32768, a power of two; the device may allow fewer, or have
	 * a fixed size (transport.h), which is then used. A packed ring may get any number.
	 */
	uint16_t size;
	uint16_t header_size; /* bytes in front of every chain that the device reads, 0..48 */
	uint16_t footer_size; /* bytes behind every chain that the device writes, 0..64 */
	/*
	 * Data segments up to which a chain takes a table of its own instead of entries of
	 * the ring, where the device has indirect descriptors (2.7.5.3), 0..1024. Longer
	 * chains still work, and take entries.
	 */
	uint16_t indirect_segments;
};

struct vio_queue_used {
	uint16_t id;     /* as vio_queue_add() returned it */
	uint32_t length; /* bytes written, as the device claims: a hint, never a bound */
};

/**
 * vio_queue_open - set up virtqueue @index of @device
 *
 * Before vio_device_start(). Returns 0, -ENODEV if the device has no such queue,
 * -EPROTO if what it says of it is impossible, -ENOMEM. VirtIO 1.2, 2.7, 2.8.
 */
VIO_EXPORT int vio_queue_open(struct vio_queue **queue, struct vio_device *device, uint16_t index,
			      const struct vio_queue_options *options, struct vio_error *err);

/**
 * vio_queue_reopen - hand an emptied ring over again, after a reset of the device
 *
 * As vio_queue_open(), but of the same size or not at all.
 */
VIO_EXPORT int vio_queue_reopen(struct vio_queue *queue, struct vio_error *err);

/**
 * vio_queue_reset - have the device let go of this queue alone (2.6.1)
 *
 * Returns 0: nothing of it is in use, vio_queue_take() what is left, then
 * vio_queue_reopen(). -ENOTSUP: not negotiated, or the transport cannot.
 * -ETIMEDOUT: offered, and not done: only a reset of the device helps. Blocks,
 * bounded by 1 s.
 */
VIO_EXPORT int vio_queue_reset(struct vio_queue *queue, struct vio_error *err);

/**
 * vio_queue_close - free; the device must have been reset. NULL is allowed
 *
 * In quarantine (dma.h) the ring memory is kept from reuse.
 */
VIO_EXPORT void vio_queue_close(struct vio_queue *queue);

/* Entries of the ring: what was asked for, the device's maximum, or its fixed size. */
VIO_EXPORT uint16_t vio_queue_size(const struct vio_queue *queue);

/* Chains have numbers below this: the size of the class's array. Constant. */
VIO_EXPORT uint16_t vio_queue_ids(const struct vio_queue *queue);

/* Data segments that a chain can have at most, however empty the queue is. Constant. */
VIO_EXPORT unsigned vio_queue_segments_max(const struct vio_queue *queue);

/*
 * The frame of chain @id. The header may be written between vio_queue_next() and
 * vio_queue_add(), the footer set then and read after the chain was reaped (once:
 * it is the device's). NULL where the size is 0.
 */
VIO_EXPORT void *vio_queue_header(const struct vio_queue *queue, uint16_t id);
VIO_EXPORT void *vio_queue_footer(const struct vio_queue *queue, uint16_t id);

/* The number that the next vio_queue_add() will return, or -EAGAIN while all are in flight. */
VIO_EXPORT int vio_queue_next(const struct vio_queue *queue);

/**
 * vio_queue_add - make one chain
 * @segments: data: first @reads that the device reads, then @writes that it writes;
 *            the frame is not among them
 *
 * Returns the chain's number, which comes back exactly once, from reap or from take;
 * -EAGAIN if not enough descriptors are free, -ENODEV if the queue is broken,
 * -EINVAL for a chain that is empty or too long for this ring. The segments
 * themselves may be forgotten after the call, the memory that they name may not.
 * VirtIO 1.2, 2.7.13, 2.8.21.
 */
VIO_EXPORT int vio_queue_add(struct vio_queue *queue, const struct vio_segment *segments,
			     unsigned reads, unsigned writes);

/**
 * vio_queue_kick - publish what was added and notify the device if it wants that
 *
 * One call for a batch. Returns true if the device was notified.
 */
VIO_EXPORT bool vio_queue_kick(struct vio_queue *queue);

/**
 * vio_queue_reap - take completions
 *
 * Returns how many of @used were filled, 0 if there is none now, or -EPROTO when
 * the queue is broken: completions found before the violation are returned first.
 * VirtIO 1.2, 2.7.14, 2.8.22.
 */
VIO_EXPORT int vio_queue_reap(struct vio_queue *queue, struct vio_queue_used *used, unsigned max);

/* Chains that the device has not given back. */
VIO_EXPORT unsigned vio_queue_in_flight(const struct vio_queue *queue);

/* Why the queue is broken; an empty string while it is not. */
VIO_EXPORT const char *vio_queue_fault(const struct vio_queue *queue);

/**
 * vio_queue_take - the number of any chain still in flight, -ENOENT if none is left
 *
 * Only between a reset (of the device, or of the queue) and vio_queue_reopen() or
 * _close().
 */
VIO_EXPORT int vio_queue_take(struct vio_queue *queue);

/*
 * Waiting. Awake, the device is asked for no interrupts; asleep, it is:
 *
 *   if (!vio_queue_wait_arm(q)) {
 *           wait on wait_fd and events_fd, VIO_WAIT_BACKSTOP_MS at most
 *           wait_fd readable:    vio_queue_wait_ack(q)
 *           events_fd readable:  vio_queue_events_ack(q)
 *           neither:             vio_queue_wait_expired(q)
 *           vio_queue_wait_disarm(q)
 *   }
 *   vio_queue_reap(q)
 */

/**
 * vio_queue_wait_fd - the file descriptor to wait on, or a negative errno
 *
 * Watch it (poll, epoll, io_uring), never read it; it belongs to the transport.
 * Ask before each wait: it is another one after vio_queue_wait_expired() found
 * that interrupts do not arrive.
 */
VIO_EXPORT int vio_queue_wait_fd(const struct vio_queue *queue);

/* False: wait_fd is a timer, perhaps since interrupts turned out not to arrive. */
VIO_EXPORT bool vio_queue_has_interrupts(const struct vio_queue *queue);

/**
 * vio_queue_wait_arm - ask for the next wake-up
 *
 * Returns true if completions are there already: reap instead of waiting.
 */
VIO_EXPORT bool vio_queue_wait_arm(struct vio_queue *queue);

/**
 * vio_queue_wait_disarm - awake, whatever the reason: no more interrupts
 *
 * Ack and reap (of something) imply it.
 */
VIO_EXPORT void vio_queue_wait_disarm(struct vio_queue *queue);

/**
 * vio_queue_wait_ack - a wake-up arrived; returns enum vio_event bits it carried
 */
VIO_EXPORT unsigned vio_queue_wait_ack(struct vio_queue *queue);

/**
 * vio_queue_wait_expired - nothing arrived within VIO_WAIT_BACKSTOP_MS
 *
 * Returns true if there is something to reap all the same. The third time in a row
 * it gives up interrupts of this queue, which is polled from then on. Blocks for
 * 1 ms when an interrupt seems to be missing.
 */
VIO_EXPORT bool vio_queue_wait_expired(struct vio_queue *queue);

/*
 * News of the device, for who waits on queue 0: a descriptor beside its own, or
 * -ENOTSUP where news comes with that one; and their enum vio_event bits.
 */
VIO_EXPORT int vio_queue_events_fd(const struct vio_queue *queue);
VIO_EXPORT unsigned vio_queue_events_ack(struct vio_queue *queue);

/**
 * vio_queue_wait - spin, then sleep, until completions may be there
 *
 * Returns 0; -ETIMEDOUT after @timeout_ms; -EINTR when the device gave up or went:
 * see vio_queue_news(). Blocks. How long it spins is the queue's vio_spin.
 */
VIO_EXPORT int vio_queue_wait(struct vio_queue *queue, unsigned timeout_ms);

/* The enum vio_event bits that came during vio_queue_wait(), since the last call. */
VIO_EXPORT unsigned vio_queue_news(struct vio_queue *queue);

/* What vio_queue_wait() goes by; who waits otherwise may use it, too. */
VIO_EXPORT struct vio_spin *vio_queue_spin(struct vio_queue *queue);

struct vio_queue_stats {
	uint64_t chains;            /* published */
	uint64_t kicks;             /* times the device was notified */
	uint64_t sleeps;            /* times armed and found nothing yet */
	uint64_t interrupts;        /* acknowledged */
	uint64_t interrupts_missed; /* completions that no interrupt told of */
};

/* Valid until close; the queue's thread. Call it before 2^32 chains went by. */
VIO_EXPORT const struct vio_queue_stats *vio_queue_stats(struct vio_queue *queue);

#ifdef __cplusplus
}
#endif

#endif
