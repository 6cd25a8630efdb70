/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What wakes us, whatever the device is: the wait_ operations of all transports.
 *
 *   timer     nothing does: a pause that grows while nothing comes (wait.c)
 *   vectors   message-signalled: an eventfd for each, and nothing to be done
 *             about it but reading it (VFIO, MSI-X)
 *   line      the interrupt stays off from when it fires until it is asked for
 *             again, and the device says why it fired (UIO; VFIO, INTx)
 */
#ifndef VIOT_INTERRUPT_H
#define VIOT_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vio/transport.h>

enum {
	VIOT_QUEUES_MAX = 64,
	VIOT_VECTORS_MAX = VIOT_QUEUES_MAX + 1,
};

enum viot_interrupt_kind {
	VIOT_TIMER,
	VIOT_VECTORS,
	VIOT_LINE,
};

struct viot_interrupt;

/* A line; 0 or a negative errno. */
typedef int viot_line_enable(struct viot_interrupt *interrupt);

struct viot_interrupt {
	enum viot_interrupt_kind kind;
	int timer[VIOT_QUEUES_MAX];     /* of each queue that was set up; -1 of the others */
	bool by_timer[VIOT_QUEUES_MAX]; /* its interrupts do not arrive; the queue's thread only */

	/* VECTORS: 0 is for the device, 1 + n for queue n; a single one is for all */
	unsigned vector_count;
	int vector[VIOT_VECTORS_MAX];

	/* LINE */
	int line;
	size_t line_count_size;        /* bytes that reading it takes: 4 with UIO, 8 with eventfd */
	bool is_line_on;               /* it has not fired since it was enabled */
	viot_line_enable *line_enable; /* @context is for it */
	void *context;

	int removal; /* an eventfd: somebody wants the device back; -1 where nobody can say so */
	int events;  /* an epoll of what is news of the device alone; -1 if nothing is */
};

/* Everything closed; the descriptors given to it later are its own. */
void viot_interrupt_init(struct viot_interrupt *interrupt);
/*
 * Before queue @index is used: what it is waited for by, if not by an interrupt. Every
 * queue has its own, because other threads wait for other queues.
 */
int viot_interrupt_open_timer(struct viot_interrupt *interrupt, uint16_t index, const char *name,
			      struct vio_error *err);
/* After the descriptors are set: makes `events` of them. */
int viot_interrupt_start(struct viot_interrupt *interrupt, const char *name, struct vio_error *err);
void viot_interrupt_close(struct viot_interrupt *interrupt);

static inline bool viot_has_vector(const struct viot_interrupt *interrupt, uint16_t index)
{
	return interrupt->vector_count == 1 || index + 1u < interrupt->vector_count;
}

/* The vector of queue @index, which has one. */
static inline uint16_t viot_vector_of(const struct viot_interrupt *interrupt, uint16_t index)
{
	return interrupt->vector_count > 1 ? (uint16_t)(index + 1) : 0;
}

#endif
