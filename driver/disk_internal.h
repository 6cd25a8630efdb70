/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVB_DISK_INTERNAL_H
#define DEVB_DISK_INTERNAL_H

#include <pthread.h>

/*
 * The disk inside.
 *
 *   disk.c        open, submit, poll
 *   disk_wait.c   sleep and deadlines; recover.c what comes after a failure
 *   rmw.c         unaligned requests; turn.c those of several queues
 */
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
 * Read-modify-write: the unaligned requests of a queue one after the other, each in
 * pieces that fit the buffer. While a write is under way, no other write may touch its
 * blocks, of whatever queue: see struct disk_turn.
 */
struct disk_rmw {
	struct io_list waiting;
	struct devb_io *active; /* NULL: none */
	struct devb_io inner;   /* the aligned request of the current step */
	size_t done_bytes;      /* of the active request */
	size_t piece_bytes;     /* of the active request in the current step */
	bool is_blocked;        /* it is not its turn, or an overlapping write is in flight */
	char *buffer;           /* DISK_RMW_BUFFER bytes that the device reaches */
};

/*
 * Whose unaligned write it is, one at a time of all queues, and its blocks: turn.c.
 * Plain writes read nothing of it but the epoch.
 */
struct disk_turn {
	/* atomic, changed under the mutex: one up at each begin and end, so odd in between */
	_Alignas(DISK_CACHE_LINE) unsigned epoch;

	_Alignas(DISK_CACHE_LINE) pthread_mutex_t mutex;
	struct devb_disk_queue *holder; /* NULL: nobody */
	uint64_t first, end;            /* its blocks, bytes on the disk */
	unsigned unconfirmed;           /* queues that may have older writes to them in flight */
	unsigned holding;               /* queues that keep back younger ones */
	struct devb_disk_queue *next, *last; /* waiting for their turn */
};

/* What one thread owns; in cache lines of its own. */
struct devb_disk_queue {
	_Alignas(DISK_CACHE_LINE) struct devb_disk *disk;
	struct vio_blk_queue *ring;
	unsigned index;
	unsigned in_flight;
	struct disk_request *free_requests;
	struct io_list pending;  /* the queue was full */
	struct io_list held;     /* writes that overlap the unaligned one whose turn it is */
	struct io_list finished; /* done, but done() may not run inside submit */
	unsigned epoch_seen;     /* of the turn: since then it was looked at what is in flight */
	bool is_unconfirmed;     /* and there was an overlapping write */
	unsigned told;           /* times that others were woken because the device failed */
	struct disk_rmw rmw;
	void (*wake)(void *context); /* NULL: nobody sleeps */
	void *wake_context;
	struct disk_request requests[DISK_REQUESTS];

	/* atomic; other threads read it */
	_Alignas(DISK_CACHE_LINE) bool is_parked;
	/* protected by the turn's mutex */
	unsigned epoch_confirmed;
	bool is_holding;
	uint64_t first, end; /* the blocks that it wants it for */
	struct devb_disk_queue *next;
};

/* Of thread 0: see recover.c. */
struct devb_recovery {
	uint64_t next_ms; /* not before; CLOCK_MONOTONIC */
	char told[sizeof(((struct vio_error *)NULL)->text)];
};

struct devb_disk {
	struct devb_block block; /* first */
	struct vio_blk *blk;
	unsigned restarts;  /* atomic; tried since a request last succeeded */
	uint64_t size_told; /* block.size at the last tick */
	struct devb_recovery recovery;
	unsigned queue_count;
	struct devb_disk_queue *queues[DISK_QUEUES_MAX];
	struct disk_turn turn;
};

/* disk.c: hand an aligned request to the device, now or when there is room. */
int disk_start(struct devb_disk_queue *queue, struct devb_io *io);
/* What the device says of itself now. */
void disk_take_info(struct devb_disk *disk);
/* done() at the next poll. */
void disk_finish_later(struct devb_disk_queue *queue, struct devb_io *io, int result);

/* Has the queue a write in flight, or waiting for room, that touches bytes in [first, end)? */
bool disk_writes_to(const struct devb_disk_queue *queue, uint64_t first, uint64_t end);
/* Wakes the thread of @queue, if it sleeps. Any thread. */
void disk_wake(const struct devb_disk_queue *queue);

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
int rmw_open(struct devb_disk_queue *queue, struct vio_error *err);
void rmw_close(struct devb_disk_queue *queue);
void rmw_submit(struct devb_disk_queue *queue, struct devb_io *io);
/* At every poll: begin the next one, or go on with one that was blocked. */
void rmw_poke(struct devb_disk_queue *queue);

/* turn.c; all on the thread of @queue */
void turn_open(struct disk_turn *turn);
void turn_close(struct disk_turn *turn);
/* Is it somebody's turn? What a plain write pays; no earlier than the end of being parked. */
static inline bool turn_is_taken(const struct devb_disk *disk)
{
	return __atomic_load_n(&disk->turn.epoch, __ATOMIC_SEQ_CST) & 1;
}
/* Must @io, an aligned write, wait for the end of this turn? Then release follows. */
bool turn_holds(struct devb_disk_queue *queue, const struct devb_io *io);
/* What was held has been started. */
void turn_released(struct devb_disk_queue *queue);
/* Asks for it, for these blocks. */
void turn_want(struct devb_disk_queue *queue, uint64_t first, uint64_t end);
/* It is the queue's, and no other one has an older write to its blocks in flight. */
bool turn_has_come(struct devb_disk_queue *queue);
void turn_end(struct devb_disk_queue *queue);
/* Somebody's began or ended since the queue's thread looked last. */
static inline bool turn_is_news(const struct devb_disk_queue *queue)
{
	return __atomic_load_n(&queue->disk->turn.epoch, __ATOMIC_ACQUIRE) != queue->epoch_seen ||
	       queue->is_unconfirmed;
}
/* Says so if nothing stands in its way. */
void turn_attend(struct devb_disk_queue *queue);

#endif
