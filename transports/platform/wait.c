/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting: the same for all transports, by the kind of interrupt that they have. */
#include "interrupt.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include <vio/log.h>

#include "platform.h"

enum {
	PAUSE_FIRST_NS = 20000,
	PAUSE_DOUBLINGS = 5, /* up to 640 µs */
	PATIENCE = 200,      /* fruitless wake-ups before the device counts as slow */
	PAUSE_SLOW_NS = 4000000,
	ISR_CONFIG = 2, /* VirtIO 1.2, 4.1.4.5, 4.2.2: bit 1 of the interrupt status */
};

void viot_interrupt_init(struct viot_interrupt *interrupt)
{
	memset(interrupt, 0, sizeof(*interrupt));
	interrupt->line = interrupt->removal = interrupt->events = -1;
	for (unsigned i = 0; i < VIOT_QUEUES_MAX; i++) {
		interrupt->timer[i] = -1;
	}
	for (unsigned i = 0; i < VIOT_VECTORS_MAX; i++) {
		interrupt->vector[i] = -1;
	}
}

int viot_interrupt_open_timer(struct viot_interrupt *interrupt, uint16_t index, const char *name,
			      struct vio_error *err)
{
	if (index >= VIOT_QUEUES_MAX) {
		return vio_fail(err, -ENOTSUP, "%s: queue %u is beyond the %d that are supported",
				name, index, VIOT_QUEUES_MAX);
	}
	if (interrupt->timer[index] < 0) {
		interrupt->timer[index] =
			timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	}
	return interrupt->timer[index] < 0
		       ? vio_fail(err, -ENOMEM, "%s: no timer (%s)", name, strerror(errno))
		       : 0;
}

static int watch(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return fd < 0 ? 0 : epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int viot_interrupt_start(struct viot_interrupt *interrupt, const char *name, struct vio_error *err)
{
	int config = interrupt->vector_count > 1 ? interrupt->vector[0] : -1;

	if (config < 0 && interrupt->removal < 0) {
		return 0;
	}
	interrupt->events = epoll_create1(EPOLL_CLOEXEC);
	if (interrupt->events < 0 || watch(interrupt->events, config) < 0 ||
	    watch(interrupt->events, interrupt->removal) < 0) {
		return vio_fail(err, -ENOMEM, "%s: no epoll (%s)", name, strerror(errno));
	}
	return 0;
}

static void close_one(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
	*fd = -1;
}

void viot_interrupt_close(struct viot_interrupt *interrupt)
{
	close_one(&interrupt->events);
	close_one(&interrupt->removal);
	close_one(&interrupt->line);
	for (unsigned i = 0; i < VIOT_QUEUES_MAX; i++) {
		close_one(&interrupt->timer[i]);
	}
	for (unsigned i = 0; i < interrupt->vector_count; i++) {
		close_one(&interrupt->vector[i]);
	}
	interrupt->vector_count = 0;
}

static struct viot_base *base_of(struct vio_transport *t)
{
	return (struct viot_base *)t; /* first member */
}

static bool is_timed(const struct vio_transport *t, const struct viot_interrupt *interrupt,
		     uint16_t index)
{
	return !t->interrupts || interrupt->by_timer[index];
}

int viot_base_wait_fd(struct vio_transport *t, uint16_t index)
{
	const struct viot_interrupt *interrupt = &base_of(t)->interrupt;

	if (index == VIO_WAIT_EVENTS) {
		return interrupt->events < 0 ? -ENOTSUP : interrupt->events;
	}
	if (index >= VIOT_QUEUES_MAX) {
		return -ENOTSUP;
	}
	if (is_timed(t, interrupt, index)) {
		return interrupt->timer[index] < 0 ? -ENOTSUP : interrupt->timer[index];
	}
	if (interrupt->kind == VIOT_LINE) {
		return index == 0 ? interrupt->line : -ENOTSUP;
	}
	return viot_has_vector(interrupt, index)
		       ? interrupt->vector[viot_vector_of(interrupt, index)]
		       : -ENOTSUP;
}

/* Short pauses while an answer is likely, long ones when the device is slow. */
static void arm_timer(const struct viot_interrupt *interrupt, uint16_t index, unsigned fruitless)
{
	unsigned doublings = fruitless < PAUSE_DOUBLINGS ? fruitless : PAUSE_DOUBLINGS;
	long pause = fruitless < PATIENCE ? (long)PAUSE_FIRST_NS << doublings : PAUSE_SLOW_NS;
	struct itimerspec when = {.it_value = {.tv_nsec = pause}};

	timerfd_settime(interrupt->timer[index], 0, &when, NULL);
}

/*
 * Asked for by whoever unplugs it: while the device still answers, it is stopped,
 * so that nothing needs to be feared of it afterwards.
 */
static unsigned give_way(struct viot_base *base)
{
	struct vio_transport *t = &base->t;

	if (!atomic_load(&base->is_gone)) {
		base->is_harmless |= vio_transport_reset(t, NULL) == 0;
		atomic_store(&base->is_gone, true);
	}
	return VIO_EVENT_GONE;
}

/* One that cannot be had again does not arrive: the library finds that out, and polls. */
static void arm_line(struct viot_base *base)
{
	struct viot_interrupt *interrupt = &base->interrupt;
	int rc;

	if (interrupt->is_line_on) {
		return;
	}
	interrupt->is_line_on = true;
	rc = interrupt->line_enable(interrupt);
	if (rc == -EIO || rc == -ENODEV) {
		give_way(base);
	} else if (rc < 0) {
		vio_log(VIO_LOG_WARN, "%s: its interrupt cannot be switched on again (%s)",
			base->t.name, strerror(-rc));
	}
}

void viot_base_wait_arm(struct vio_transport *t, uint16_t index, unsigned fruitless)
{
	struct viot_base *base = base_of(t);

	if (is_timed(t, &base->interrupt, index)) {
		arm_timer(&base->interrupt, index, fruitless);
	} else if (base->interrupt.kind == VIOT_LINE) {
		arm_line(base);
	}
}

/* Whether there was something to read. @size: 4 or 8 bytes. */
static bool drain(int fd, size_t size)
{
	uint64_t count;

	return fd >= 0 && read(fd, &count, size) > 0;
}

/* The device says why, and by that takes its request back. */
static unsigned ack_line(struct viot_base *base)
{
	struct viot_interrupt *interrupt = &base->interrupt;

	if (!drain(interrupt->line, interrupt->line_count_size)) {
		/* so a UIO device says that the kernel takes away what is behind it */
		return errno == EIO ? give_way(base) : 0;
	}
	interrupt->is_line_on = false;
	return base->take_isr(base) & ISR_CONFIG ? VIO_EVENT_CONFIG : 0;
}

static unsigned ack_events(struct viot_base *base)
{
	struct viot_interrupt *interrupt = &base->interrupt;
	unsigned events = 0;

	if (interrupt->vector_count > 1 && drain(interrupt->vector[0], sizeof(uint64_t))) {
		events |= VIO_EVENT_CONFIG;
	}
	if (drain(interrupt->removal, sizeof(uint64_t))) {
		events |= give_way(base);
	}
	return events;
}

static unsigned ack_queue(struct viot_base *base, uint16_t index)
{
	struct viot_interrupt *interrupt = &base->interrupt;
	bool fired;

	if (interrupt->kind == VIOT_LINE) {
		return ack_line(base);
	}
	fired = viot_has_vector(interrupt, index) &&
		drain(interrupt->vector[viot_vector_of(interrupt, index)], sizeof(uint64_t));
	/* a single vector does not say what it is for */
	return fired && interrupt->vector_count == 1 ? VIO_EVENT_CONFIG : 0;
}

unsigned viot_base_wait_ack(struct vio_transport *t, uint16_t index)
{
	struct viot_base *base = base_of(t);
	unsigned events;

	if (index == VIO_WAIT_EVENTS) {
		return ack_events(base);
	}
	if (is_timed(t, &base->interrupt, index)) {
		drain(base->interrupt.timer[index], sizeof(uint64_t));
		events = 0;
	} else {
		events = ack_queue(base, index);
	}
	return atomic_load(&base->is_gone) ? events | VIO_EVENT_GONE : events;
}

void viot_base_wait_by_timer(struct vio_transport *t, uint16_t index)
{
	base_of(t)->interrupt.by_timer[index] = true;
}
