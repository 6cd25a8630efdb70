/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VirtIO block device for tests: registers, a thread that walks the real ring
 * memory (sim_ring.h), a disk in memory, and faults on demand.
 *
 *   struct sim_options o = sim_defaults();
 *   struct sim *sim = sim_open(&o);
 *   vio_blk_open(&blk, sim_transport(sim), NULL, &err);
 *   sim_fault(sim, (struct sim_fault){.kind = SIM_DROP, .skip = 2});
 *   ...
 *   vio_blk_close(blk);
 *   sim_close(sim);
 *
 * It is as strict with the driver as the driver has to be with a device: every
 * breach of the specification by the driver is a complaint, and a test ends with
 * sim_complaint() being empty.
 *
 *   pool.c       memory, its device addresses, who may use what when
 *   sim_ring….c  the device's side of the ring, split and packed
 *   requests.c   chains to requests, and what they do to the disk
 *   faults.c     what goes wrong with a request
 *   device.c     the thread, the knobs
 *   transport.c  registers: struct vio_transport
 *
 * One thread serves all queues. Threads: the transport belongs to the driver's threads,
 * as transport.h says; everything else here may be called by any.
 */
#ifndef SIM_H
#define SIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_blk.h>

#include <vio/transport.h>

#include "pool.h"

struct sim;

struct sim_options {
	struct virtio_blk_config config; /* as on the wire */
	size_t config_size;              /* bytes that the device has */
	uint64_t features;               /* offered */
	uint16_t queue_max;              /* what the device says */
	unsigned queues;                 /* that it has, whatever config says; 0 = 1 */
	bool legacy;
	bool interrupts;
	bool separate_events; /* news of the device has an interrupt of its own */
	bool fixed_queue;     /* queue_max is what a queue must have */
	bool can_be_cut_off;  /* the transport can keep it from memory */
	bool sleepy;          /* forbids notifications while it works */
	bool may_return;      /* another process: see sim_leave() */
	enum sim_flavour flavour;
	size_t pool_size, pool_page;
};

/* Modern, polled, 2048 sectors, the usual features, 256 entries, 2 MiB in pages of 64 KiB. */
struct sim_options sim_defaults(void);

struct sim *sim_open(const struct sim_options *options);
void sim_close(struct sim *sim);
struct vio_transport *sim_transport(struct sim *sim);
struct sim_pool *sim_pool(struct sim *sim);

/* The disk itself; look at it only while nothing is in flight. */
uint8_t *sim_disk(struct sim *sim);

/* The first mistake of the driver in registers, rings, requests or memory; or "". */
const char *sim_complaint(struct sim *sim);

/* What is wrong with the device as a whole; set and cleared at any time. */
struct sim_knobs {
	atomic_bool gone;            /* every register reads all ones */
	atomic_bool stuck_reset;     /* the status never becomes 0: shorten reset_timeout_ms */
	atomic_uint slow_reset;      /* status reads until it does */
	atomic_bool refuse_features; /* FEATURES_OK does not stick */
	atomic_bool refuse_start;    /* DRIVER_OK does not stick */
	atomic_bool refuse_config;   /* what is written to the configuration does not stick */
	atomic_bool mute;            /* interrupts are never sent */
	atomic_uint queue_max;       /* not 0: what it says of its queue from now on */
	atomic_bool needs_reset;     /* shown in the status until the next reset */
	atomic_bool forgetful;       /* it reset itself: status 0 until it is set up again */
	atomic_uint restless;        /* reads of the configuration during which it changes */
	atomic_bool hold;            /* takes and answers nothing until sim_release() */
	atomic_bool shuffle;         /* answers late and out of order */
	atomic_bool stuck_queue;     /* the reset of a queue is never confirmed */
};

struct sim_knobs *sim_knobs(struct sim *sim);

enum sim_fault_kind {
	SIM_STATUS,    /* the status byte is @value; nothing is done */
	SIM_NO_STATUS, /* the request is done, the status byte is left alone */
	SIM_NO_DATA,   /* success, and no data is written */
	SIM_LENGTH,    /* the used length is @value */
	SIM_ID,        /* the used id is @value */
	SIM_ID_PLUS,   /* the used id is @value too large */
	SIM_TWICE,     /* the chain is given back twice */
	SIM_JUMP,      /* the used index goes @value too far */
	SIM_DELAY,     /* answered after @value ms */
	SIM_DROP,      /* never answered */
};

enum {
	SIM_ANY_OP = 0,
	SIM_ANY_QUEUE = 0,
	SIM_FOR_EVER = 0,
};

struct sim_fault {
	enum sim_fault_kind kind;
	uint32_t value;
	uint32_t only;  /* VIRTIO_BLK_T_… + 1, or SIM_ANY_OP */
	unsigned skip;  /* requests that go well before */
	unsigned times; /* or SIM_FOR_EVER */
	unsigned queue; /* of requests of this one + 1, or SIM_ANY_QUEUE */
};

void sim_fault(struct sim *sim, struct sim_fault fault);
void sim_faults_clear(struct sim *sim);

/*
 * With may_return: the process that is the device ends, and forgets all that it was given;
 * another one starts, which answers as soon as its features are asked for.
 */
void sim_leave(struct sim *sim);
void sim_return(struct sim *sim);

/* After the hold: go on. */
void sim_release(struct sim *sim);

/* In queue 0: a used entry out of the blue; an index out of the blue. */
void sim_push_used(struct sim *sim, uint32_t id, uint32_t length);
void sim_jump_used(struct sim *sim, uint16_t by);

/* An interrupt that carries these enum vio_event bits. */
void sim_announce(struct sim *sim, unsigned events);
/* Replaces the configuration; @announce: with a new generation and an event. */
void sim_set_config(struct sim *sim, const struct virtio_blk_config *config, bool announce);
void sim_resize(struct sim *sim, uint64_t sectors);
/* Offers something else from now on. */
void sim_offer(struct sim *sim, uint64_t features);

/* After a refused reset: do the dropped requests now. Returns bytes written to memory. */
size_t sim_late_dma(struct sim *sim);

/* What the device has seen. */
struct sim_counts {
	unsigned requests[16]; /* by type, VIRTIO_BLK_T_… */
	unsigned notifications, resets, config_reads, status_reads;
	unsigned interrupts;    /* for completions and of lines that news shares with them */
	unsigned timers;        /* times that the timer of a polled transport was set */
	unsigned most_segments; /* of data, in one request */
	unsigned unmaps;        /* ranges written with zeroes that may be freed */
	unsigned reordered;     /* answers that overtook another */
	unsigned skipped;       /* answers that went with a later one, in order */
	unsigned tables;        /* requests in a table of indirect descriptors */
	unsigned queue_resets;
};

struct sim_counts sim_counts(struct sim *sim);
uint64_t sim_accepted_features(struct sim *sim);
uint8_t sim_status(struct sim *sim);
bool sim_is_cut_off(struct sim *sim);

#endif
