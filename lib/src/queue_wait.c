/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for a virtqueue: interrupts on and off, those that do not arrive, spinning. */
#include <errno.h>
#include <poll.h>

#include <vio/log.h>
#include <vio/queue.h>

#include "clock.h"
#include "queue_internal.h"

enum {
	SPIN_LOOKS = 64, /* between two looks at the clock */
	MISSED_MAX = 3,  /* chosen: one may be late, three in a row never come */
	LATE_MS = 1,     /* chosen: how late after its completion an interrupt may be */
};

static void disarm(struct vio_queue *queue)
{
	if (queue->ring.is_packed) {
		packed_disarm(&queue->ring);
	} else {
		split_disarm(&queue->ring);
	}
}

static bool arm(struct vio_queue *queue, bool interrupts)
{
	return queue->ring.is_packed ? packed_arm(&queue->ring, interrupts)
				     : split_arm(&queue->ring, interrupts);
}

/* A call of its own: who does not wait pays nothing for it. */
int queue_was_worth_waiting(struct vio_queue *queue, int n)
{
	queue->fruitless = 0;
	disarm(queue);
	return n;
}

int vio_queue_wait_fd(const struct vio_queue *queue)
{
	return queue->transport->ops->wait_fd(queue->transport, queue->index);
}

/*
 * With nothing in flight the ring stays quiet: what may come is news of the device,
 * and a request that is submitted later is not to interrupt who is awake by then.
 */
bool vio_queue_wait_arm(struct vio_queue *queue)
{
	struct vio_transport *t = queue->transport;

	if (arm(queue, queue->has_interrupts && queue->ring.in_flight)) {
		disarm(queue);
		return true;
	}
	queue->stats.sleeps++;
	t->ops->wait_arm(t, queue->index, queue->fruitless++);
	return false;
}

void vio_queue_wait_disarm(struct vio_queue *queue)
{
	disarm(queue);
}

unsigned vio_queue_wait_ack(struct vio_queue *queue)
{
	struct vio_transport *t = queue->transport;
	unsigned events = t->ops->wait_ack(t, queue->index);

	disarm(queue);
	if (queue->has_interrupts) {
		queue->stats.interrupts++;
		if (queue_has_used(queue)) {
			queue->missed = 0;
		}
	}
	return events;
}

/* Others wait for their queue alone. */
int vio_queue_events_fd(const struct vio_queue *queue)
{
	struct vio_transport *t = queue->transport;

	return queue->index == 0 ? t->ops->wait_fd(t, VIO_WAIT_EVENTS) : -ENOTSUP;
}

unsigned vio_queue_events_ack(struct vio_queue *queue)
{
	return queue->transport->ops->wait_ack(queue->transport, VIO_WAIT_EVENTS);
}

static bool is_late(const struct vio_queue *queue)
{
	struct pollfd wait = {.fd = vio_queue_wait_fd(queue), .events = POLLIN};

	return poll(&wait, 1, LATE_MS) > 0;
}

static void give_up_interrupts(struct vio_queue *queue)
{
	struct vio_transport *t = queue->transport;

	vio_log(VIO_LOG_WARN,
		"%s: interrupts do not arrive (%s): polling from now on; check irq= and the "
		"interrupt's line in /proc/interrupts",
		t->name, t->wake_up);
	disarm(queue);
	queue->has_interrupts = false;
	t->ops->wait_by_timer(t, queue->index);
	queue->fruitless = 0;
}

bool vio_queue_has_interrupts(const struct vio_queue *queue)
{
	return queue->has_interrupts;
}

bool vio_queue_wait_expired(struct vio_queue *queue)
{
	if (!queue_has_used(queue)) {
		return false;
	}
	/* in doubt for the interrupt: it may be on its way at this very moment */
	if (!queue->ring.interrupts_wanted || is_late(queue)) {
		return true;
	}
	queue->stats.interrupts_missed++;
	if (++queue->missed == MISSED_MAX) {
		give_up_interrupts(queue);
	}
	return true;
}

struct vio_spin *vio_queue_spin(struct vio_queue *queue)
{
	return &queue->spin;
}

/* Nearly all that a polling program does: as little as it can be, for each kind of ring. */
static bool look_often(const struct vio_queue *queue)
{
	const struct ring *ring = &queue->ring;

	if (ring->is_packed) {
		for (int i = 0; i < SPIN_LOOKS && !packed_has_used(ring); i++) {
			spin_pause();
		}
	} else {
		const __virtio16 *index = &ring->split.used->idx;

		for (int i = 0; i < SPIN_LOOKS && load16(index) == ring->next_used; i++) {
			spin_pause();
		}
	}
	return queue_has_used(queue);
}

static bool spin_for(const struct vio_queue *queue, uint64_t start, uint64_t limit_ns)
{
	do {
		if (look_often(queue)) {
			return true;
		}
	} while (clock_ns() - start < limit_ns);
	return false;
}

static bool spin(struct vio_queue *queue, uint64_t start, uint64_t timeout_ns)
{
	uint64_t allowance = queue->ring.in_flight ? vio_spin_allowance(&queue->spin) : 0;
	bool found;

	if (allowance == 0) {
		return false;
	}
	found = spin_for(queue, start, allowance < timeout_ns ? allowance : timeout_ns);
	vio_spin_ended(&queue->spin, found);
	return found;
}

/* Returns the enum vio_event bits that came with the wake-up. */
static unsigned sleep_once(struct vio_queue *queue, uint64_t left_ms)
{
	struct pollfd wait[2] = {
		{.fd = vio_queue_wait_fd(queue), .events = POLLIN},
		{.fd = vio_queue_events_fd(queue), .events = POLLIN},
	};
	int bound = left_ms < VIO_WAIT_BACKSTOP_MS ? (int)left_ms : VIO_WAIT_BACKSTOP_MS;
	unsigned events = 0;

	if (poll(wait, 2, bound) == 0) {
		vio_queue_wait_expired(queue);
	}
	if (wait[0].revents) {
		events |= vio_queue_wait_ack(queue);
	}
	if (wait[1].revents) {
		events |= vio_queue_events_ack(queue);
	}
	queue->news |= events;
	return events;
}

/* 0, -ETIMEDOUT, or -EINTR when the device itself needs attention. */
static int sleep_until(struct vio_queue *queue, uint64_t start, uint64_t timeout_ns)
{
	bool slept = false;

	while (!vio_queue_wait_arm(queue)) {
		uint64_t waited = clock_ns() - start;

		/* with nothing in flight the device owes nothing: that is no lesson */
		slept = queue->ring.in_flight > 0;
		if (waited >= timeout_ns) {
			if (slept) {
				vio_spin_slept(&queue->spin, UINT64_MAX);
			}
			return -ETIMEDOUT;
		}
		/* rounded up: a wait of less than 1 ms must sleep, too */
		if (sleep_once(queue, (timeout_ns - waited + 999999) / 1000000) &
		    (VIO_EVENT_NEEDS_RESET | VIO_EVENT_GONE)) {
			return -EINTR;
		}
	}
	if (slept) {
		vio_spin_slept(&queue->spin, clock_ns() - start);
	}
	return 0;
}

int vio_queue_wait(struct vio_queue *queue, unsigned timeout_ms)
{
	uint64_t timeout_ns = timeout_ms * UINT64_C(1000000);
	uint64_t start;
	int rc = 0;

	if (queue_has_used(queue)) {
		return 0;
	}
	start = clock_ns();
	if (!spin(queue, start, timeout_ns)) {
		rc = sleep_until(queue, start, timeout_ns);
		disarm(queue);
	}
	return rc;
}

unsigned vio_queue_news(struct vio_queue *queue)
{
	unsigned news = queue->news;

	queue->news = 0;
	return news;
}
