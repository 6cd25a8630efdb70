/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_INTERNAL_H
#define SIM_INTERNAL_H

#include <pthread.h>

#include "sim_ring.h"
#include "sim.h"

enum {
	SIM_FAULTS_MAX = 8,
	SIM_SECTOR = 512,
	SIM_QUEUES_MAX = 8,
};

/* A request that the device has taken and not answered. */
struct sim_request {
	struct sim_request *next;
	bool has_fault;
	struct sim_fault fault;
	struct sim_queue *queue;
	uint32_t type;
	uint64_t sector;
	uint32_t sectors, flags; /* of a command on a range */
	uint64_t due_ms;         /* 0 = now */
	unsigned rounds;         /* to sit out, when shuffling */
	bool dropped;
	bool malformed;         /* complained about; answered with an error */
	uint32_t written;       /* bytes, for the used length */
	struct sim_chain chain; /* last: large, and not cleared */
};

/* One virtqueue, and what its driver waits for. */
struct sim_queue {
	unsigned index;
	int irq_fd, timer_fd;
	atomic_bool by_timer;
	/* under the lock of the simulation */
	bool has_ring;
	bool was_reset; /* and no ring was handed over since */
	struct sim_ring ring;
	struct sim_request *requests; /* oldest first */
};

struct sim {
	struct vio_transport transport; /* first */
	struct vio_transport_ops ops;
	struct sim_options options;
	struct sim_pool *pool;
	struct sim_knobs knobs;
	uint8_t *disk;
	size_t disk_size;
	int notify_fd, events_fd;
	unsigned queue_count;
	struct sim_queue queues[SIM_QUEUES_MAX];
	atomic_uint timers;
	pthread_t thread;
	atomic_bool stop;
	atomic_uint notifications;
	atomic_ullong offered;

	pthread_mutex_t lock; /* over everything below */
	uint8_t config[sizeof(struct virtio_blk_config)];
	uint32_t generation;
	atomic_uchar status; /* read without the lock, too */
	uint64_t accepted;
	unsigned events; /* enum vio_event, to go out with the next interrupt */
	bool is_cut_off;
	atomic_bool has_left; /* and nobody has asked for the features of its successor */
	struct sim_fault faults[SIM_FAULTS_MAX];
	unsigned fault_count;
	unsigned random;
	struct sim_counts counts;
	char complaint[200];
};

/* device.c */
__attribute__((format(printf, 2, 3))) void sim_complain(struct sim *sim, const char *format, ...);
void sim_interrupt(struct sim *sim, struct sim_queue *queue);
void sim_forget_requests(struct sim_queue *queue);
/* With the lock held. */
void sim_announce_locked(struct sim *sim, unsigned events);
uint64_t sim_now_ms(void);
unsigned sim_random(struct sim *sim, unsigned below);

/*
 * requests.c: check a chain and make it a request; do it; put an answer into its
 * status byte; complain if its memory was taken from the device already
 */
void sim_request_parse(struct sim *sim, struct sim_request *request);
uint8_t sim_request_run(struct sim *sim, struct sim_request *request);
void sim_request_answer(struct sim *sim, struct sim_request *request, uint8_t status);
void sim_request_touch(struct sim *sim, const struct sim_request *request);

/* faults.c: choose what goes wrong with a request; finish it accordingly */
void sim_fault_choose(struct sim *sim, struct sim_request *request);
void sim_request_finish(struct sim *sim, struct sim_request *request);

/* transport.c; with the lock held, the device lets go of a ring */
void sim_forget_ring(struct sim *sim, struct sim_queue *queue);
void sim_transport_fill(struct sim *sim);

#endif
