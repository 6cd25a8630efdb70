/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVB_DISK_INTERNAL_H
#define DEVB_DISK_INTERNAL_H

#include "disk.h"

enum {
	DISK_REQUESTS = 256,  /* chosen: more than a default queue takes */
	DISK_QUEUES_MAX = 64, /* blk.h */
	DISK_CACHE_LINE = 64,
	DISK_RMW_BUFFER = 1 << 17, /* bytes; at least two of the largest blocks */
};

/* One request at the device. */
struct disk_request {
	struct vio_blk_request vio; /* user_data leads back here */
	struct iovec iov;
	struct devb_io *io; /* NULL: free */
	struct disk_request *next_free;
};

static inline bool disk_is_write(const struct devb_io *io)
{
	return io->op == DEVB_WRITE || io->op == DEVB_WRITE_ZEROES;
}

/* Requests in order, linked through devb_io.next. */
struct io_list {
	struct devb_io *first, *last;
};

static inline void io_list_append(struct io_list *list, struct devb_io *io)
{
	io->next = NULL;
	if (list->last) {
		list->last->next = io;
	} else {
		list->first = io;
	}
	list->last = io;
}

static inline struct devb_io *io_list_take(struct io_list *list)
{
	struct devb_io *io = list->first;

	if (io) {
		list->first = io->next;
		if (!list->first) {
			list->last = NULL;
		}
	}
	return io;
}

/*
 * Read-modify-write: unaligned requests one after the other, each in pieces that
 * fit the buffer. While a write is active, no other write may touch its blocks:
 * overlapping ones wait in `held`, and it starts only when none is in flight.
 */
struct disk_rmw {
	struct io_list waiting;
	struct devb_io *active; /* NULL: none */
	struct devb_io inner;   /* the aligned request of the current step */
	size_t done_bytes;      /* of the active request */
	size_t piece_bytes;     /* of the active request in the current step */
	bool is_blocked;        /* an overlapping write is still in flight */
	char *buffer;           /* DISK_RMW_BUFFER bytes that the device reaches */
};

/* What one thread owns; in cache lines of its own. */
struct devb_disk_queue {
	_Alignas(DISK_CACHE_LINE) struct devb_disk *disk;
	struct vio_blk_queue *ring;
	unsigned index;
	unsigned in_flight;
	struct disk_request *free_requests;
	struct io_list pending;  /* the queue was full */
	struct io_list held;     /* writes that overlap the active read-modify-write */
	struct io_list finished; /* done, but done() may not run inside submit */
	struct disk_request requests[DISK_REQUESTS];
};

/* Of thread 0: see recover.c. */
struct devb_recovery {
	uint64_t next_ms; /* not before; CLOCK_MONOTONIC */
	char told[sizeof(((struct vio_error *)NULL)->text)];
};

struct devb_disk {
	struct devb_block block; /* first */
	struct vio_blk *blk;
	unsigned restarts;  /* tried since a request last succeeded */
	uint64_t size_told; /* block.size at the last tick */
	struct devb_recovery recovery;
	unsigned queue_count;
	struct devb_disk_queue *queues[DISK_QUEUES_MAX];
	struct disk_rmw rmw; /* of thread 0 */
};

/* disk.c: hand an aligned request to the device, now or when there is room. */
int disk_start(struct devb_disk_queue *queue, struct devb_io *io);
/* done() at the next poll. */
void disk_finish_later(struct devb_disk_queue *queue, struct devb_io *io, int result);

/* What the device says of itself now. */
void disk_take_info(struct devb_disk *disk);

/*
 * The device may go and come back; what is submitted meanwhile waits in the library. In
 * which order does not matter: who writes to a file from two sides at once expects none.
 */
static inline bool disk_waits(const struct devb_disk *disk)
{
	return vio_blk_info(disk->blk)->replays;
}

/* recover.c: of a device that FAILED, on thread 0, as often as one likes. */
void disk_recover(struct devb_disk *disk);

/* rmw.c */
int rmw_open(struct devb_disk *disk, struct vio_error *err);
void rmw_close(struct devb_disk *disk);
void rmw_submit(struct devb_disk *disk, struct devb_io *io);
/* Must @io, an aligned write, wait for the active read-modify-write? */
bool rmw_holds(const struct devb_disk *disk, const struct devb_io *io);
/* At every poll: begin the next one, or go on with what an overlapping write blocked. */
void rmw_poke(struct devb_disk *disk);

#endif
