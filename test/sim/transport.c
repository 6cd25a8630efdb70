/* SPDX-License-Identifier: BSD-3-Clause */
/* The registers, and a sharp eye on the order in which the driver uses them (3.1.1). */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

enum {
	ALL_ONES = 0xff,
	LEGACY_PAGE = 4096,
	PAUSE_MIN_US = 20,
	SIM_F_NOTIFICATION_DATA = 38, /* Debian 12's headers lack it */
	PAUSE_STEPS = 8,              /* the longest pause is 2^8 times the shortest: 5 ms */
};

static struct sim *sim_of(struct vio_transport *t)
{
	return (struct sim *)(void *)t;
}

/* As a new connection: to whoever is there now. */
static void look_for_return(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	if (sim->knobs.gone) {
		sim->status = ALL_ONES;
	} else {
		sim->has_left = false;
		sim->status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	}
	pthread_mutex_unlock(&sim->lock);
}

static uint64_t get_features(struct vio_transport *t)
{
	struct sim *sim = sim_of(t);

	if (sim->has_left) {
		look_for_return(sim);
	}
	return sim->knobs.gone ? UINT64_MAX : sim->offered;
}

static void set_features(struct vio_transport *t, uint64_t features)
{
	struct sim *sim = sim_of(t);

	if (sim->knobs.gone || sim->has_left || sim->knobs.stuck_reset) {
		return;
	}
	pthread_mutex_lock(&sim->lock);
	if (features & ~sim->offered) {
		sim_complain(sim, "features 0x%llx are accepted and were not offered",
			     (unsigned long long)(features & ~sim->offered));
	}
	if (!(sim->status & VIRTIO_CONFIG_S_DRIVER) ||
	    (sim->status & (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK))) {
		sim_complain(sim, "features are accepted in status 0x%02x", sim->status);
	}
	sim->accepted = features;
	pthread_mutex_unlock(&sim->lock);
}

static uint8_t shown_status(struct sim *sim)
{
	/* one that left has let go of everything */
	if (sim->has_left) {
		return sim->status == 0 ? 0 : ALL_ONES;
	}
	if (sim->knobs.gone) {
		return ALL_ONES;
	}
	if (sim->knobs.slow_reset && sim->status == 0) {
		sim->knobs.slow_reset--;
		return VIRTIO_CONFIG_S_DRIVER_OK;
	}
	if (sim->knobs.forgetful) {
		return 0;
	}
	if (sim->knobs.stuck_reset && sim->status == 0) {
		return VIRTIO_CONFIG_S_DRIVER_OK; /* of whoever was here before */
	}
	return sim->status | (sim->knobs.needs_reset ? VIRTIO_CONFIG_S_NEEDS_RESET : 0);
}

static uint8_t get_status(struct vio_transport *t)
{
	struct sim *sim = sim_of(t);
	uint8_t status;

	pthread_mutex_lock(&sim->lock);
	sim->counts.status_reads++;
	status = shown_status(sim);
	pthread_mutex_unlock(&sim->lock);
	return status;
}

void sim_forget_ring(struct sim *sim, struct sim_queue *queue)
{
	/* up to here all of it was ours to use */
	for (struct sim_request *r = queue->requests; r; r = r->next) {
		sim_request_touch(sim, r);
	}
	sim_forget_requests(queue);
	sim_ring_close(&queue->ring);
	queue->has_ring = false;
}

/* The lock keeps the thread away: when this returns, nothing of the driver is in use. */
static void reset(struct sim *sim)
{
	sim->counts.resets++;
	if (sim->knobs.stuck_reset) {
		return;
	}
	for (unsigned i = 0; i < sim->queue_count; i++) {
		sim_forget_ring(sim, &sim->queues[i]);
		sim->queues[i].was_reset = false;
	}
	sim->accepted = 0;
	sim->events = 0;
	sim->status = 0;
	sim->knobs.needs_reset = false;
	sim->knobs.forgetful = false;
}

static void check_status(struct sim *sim, uint8_t added)
{
	if ((added & VIRTIO_CONFIG_S_DRIVER_OK) && !sim->queues[0].has_ring) {
		sim_complain(sim, "DRIVER_OK comes before the queue");
	}
	if ((added & VIRTIO_CONFIG_S_DRIVER_OK) && !sim->options.legacy &&
	    !(sim->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		sim_complain(sim, "DRIVER_OK comes before FEATURES_OK");
	}
	if ((added & VIRTIO_CONFIG_S_FEATURES_OK) && sim->options.legacy) {
		sim_complain(sim, "FEATURES_OK is set in a legacy device");
	}
}

static void advance(struct sim *sim, uint8_t status)
{
	uint8_t refused = VIRTIO_CONFIG_S_NEEDS_RESET;

	if (sim->status & ~status) {
		sim_complain(sim, "status 0x%02x takes bits away from 0x%02x", status, sim->status);
	}
	check_status(sim, status & (uint8_t)~sim->status);
	if (sim->knobs.refuse_features) {
		refused |= VIRTIO_CONFIG_S_FEATURES_OK;
	}
	if (sim->knobs.refuse_start) {
		refused |= VIRTIO_CONFIG_S_DRIVER_OK;
	}
	sim->status = status & (uint8_t)~refused;
}

static void set_status(struct vio_transport *t, uint8_t status)
{
	struct sim *sim = sim_of(t);

	if (sim->knobs.gone && !sim->has_left) {
		return;
	}
	pthread_mutex_lock(&sim->lock);
	if (status == 0) {
		reset(sim);
	} else if (!sim->has_left && !sim->knobs.stuck_reset) {
		advance(sim, status);
	}
	pthread_mutex_unlock(&sim->lock);
}

/* A restless configuration is another one at every look. */
static void stir(struct sim *sim)
{
	if (sim->knobs.restless == 0) {
		return;
	}
	if (sim->knobs.restless != UINT32_MAX) {
		sim->knobs.restless--;
	}
	sim->generation++;
	sim->config[0] ^= 1;
}

static int config_read(struct vio_transport *t, size_t offset, void *buffer, size_t size)
{
	struct sim *sim = sim_of(t);

	if (size > sim->options.config_size || offset > sim->options.config_size - size) {
		return -EINVAL;
	}
	if (sim->knobs.gone) {
		memset(buffer, ALL_ONES, size);
		return 0;
	}
	pthread_mutex_lock(&sim->lock);
	if ((size != 1 && size != 2 && size != 4 && size != 8) || offset % (size > 4 ? 4 : size)) {
		sim_complain(sim, "the configuration is read at %zu with a width of %zu", offset,
			     size);
	}
	stir(sim);
	memcpy(buffer, sim->config + offset, size);
	sim->counts.config_reads++;
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

static int config_write(struct vio_transport *t, size_t offset, const void *buffer, size_t size)
{
	struct sim *sim = sim_of(t);

	if (size > sim->options.config_size || offset > sim->options.config_size - size) {
		return -EINVAL;
	}
	pthread_mutex_lock(&sim->lock);
	if (!sim->knobs.refuse_config) {
		memcpy(sim->config + offset, buffer, size);
	}
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

static uint32_t config_generation(struct vio_transport *t)
{
	struct sim *sim = sim_of(t);
	uint32_t generation;

	pthread_mutex_lock(&sim->lock);
	generation = sim->knobs.gone ? UINT32_MAX : sim->generation;
	pthread_mutex_unlock(&sim->lock);
	return generation;
}

static uint16_t queue_max_size(struct vio_transport *t, uint16_t index)
{
	struct sim *sim = sim_of(t);

	if (sim->knobs.gone) {
		return UINT16_MAX;
	}
	if (index >= sim->queue_count) {
		return 0;
	}
	return sim->knobs.queue_max ? (uint16_t)sim->knobs.queue_max : sim->options.queue_max;
}

/* 2.7.2 for legacy devices: they compute where the areas are. */
static void check_legacy_layout(struct sim *sim, const struct vio_ring_address *ring)
{
	uint64_t driver = ring->descriptors.raw + UINT64_C(16) * ring->size;
	uint64_t end = driver + 6 + UINT64_C(2) * ring->size;
	uint64_t device = (end + LEGACY_PAGE - 1) / LEGACY_PAGE * LEGACY_PAGE;

	if (ring->driver_area.raw != driver || ring->device_area.raw != device) {
		sim_complain(sim, "the ring is not laid out as a legacy device expects it");
	}
}

static bool accepted(const struct sim *sim, unsigned bit)
{
	return (sim->accepted & (UINT64_C(1) << bit)) != 0;
}

static void check_setup(struct sim *sim, uint16_t index, const struct vio_ring_address *ring)
{
	uint8_t before = sim->options.legacy ? VIRTIO_CONFIG_S_DRIVER : VIRTIO_CONFIG_S_FEATURES_OK;
	unsigned max = sim->knobs.queue_max ? sim->knobs.queue_max : sim->options.queue_max;

	if (!(sim->status & before) ||
	    ((sim->status & VIRTIO_CONFIG_S_DRIVER_OK) && index < sim->queue_count &&
	     !sim->queues[index].was_reset)) {
		sim_complain(sim, "a queue is set up in status 0x%02x", sim->status);
	}
	if (ring->size == 0 ||
	    (!accepted(sim, VIRTIO_F_RING_PACKED) && (ring->size & (ring->size - 1))) ||
	    ring->size > max || (sim->options.fixed_queue && ring->size != max)) {
		sim_complain(sim, "a queue of %u entries is set up", ring->size);
	}
	if (ring->descriptors.raw % 16 ||
	    ring->driver_area.raw % (accepted(sim, VIRTIO_F_RING_PACKED) ? 4 : 2) ||
	    ring->device_area.raw % 4) {
		sim_complain(sim, "a part of the ring is not aligned");
	}
	if (sim->options.legacy) {
		check_legacy_layout(sim, ring);
	}
}

static void *table_at(void *pool, uint64_t iova, size_t size)
{
	return sim_pool_at(pool, iova, size);
}

/* 2.7, 2.8: what the areas are depends on the kind of ring. */
static bool open_ring(struct sim *sim, struct sim_queue *queue, const struct vio_ring_address *ring)
{
	size_t n = ring->size;
	bool packed = accepted(sim, VIRTIO_F_RING_PACKED);
	struct sim_ring_options is = {
		.size = ring->size,
		.packed = packed,
		.indirect = accepted(sim, VIRTIO_RING_F_INDIRECT_DESC),
		.event_index = accepted(sim, VIRTIO_RING_F_EVENT_IDX),
		.in_order = accepted(sim, VIRTIO_F_IN_ORDER),
		.descriptors = sim_pool_at(sim->pool, ring->descriptors.raw, 16 * n),
		.driver_area =
			sim_pool_at(sim->pool, ring->driver_area.raw, packed ? 4 : 6 + 2 * n),
		.device_area =
			sim_pool_at(sim->pool, ring->device_area.raw, packed ? 4 : 6 + 8 * n),
		.at = table_at,
		.context = sim->pool,
	};

	if (!is.descriptors || !is.driver_area || !is.device_area) {
		return false;
	}
	sim_ring_close(&queue->ring);
	sim_ring_open(&queue->ring, &is);
	queue->has_ring = true;
	queue->was_reset = false;
	return true;
}

static int queue_setup(struct vio_transport *t, uint16_t index, const struct vio_ring_address *ring,
		       struct vio_error *err)
{
	struct sim *sim = sim_of(t);
	bool is_open;

	if (sim->has_left) {
		return vio_fail(err, -ENODEV, "%s: nobody is there", t->name);
	}
	pthread_mutex_lock(&sim->lock);
	check_setup(sim, index, ring);
	is_open = index < sim->queue_count && open_ring(sim, &sim->queues[index], ring);
	pthread_mutex_unlock(&sim->lock);
	return is_open ? 0
		       : vio_fail(err, -EINVAL, "%s: no such queue, or no such memory", t->name);
}

/* 2.6.1.1: from here on nothing of the driver is in use. */
static void queue_reset(struct vio_transport *t, uint16_t index)
{
	struct sim *sim = sim_of(t);

	pthread_mutex_lock(&sim->lock);
	sim->counts.queue_resets++;
	if (index >= sim->queue_count || !accepted(sim, VIRTIO_F_RING_RESET)) {
		sim_complain(sim, "a queue is reset that cannot be");
	}
	if (!sim->knobs.stuck_queue) {
		sim_forget_ring(sim, &sim->queues[index]);
		sim->queues[index].was_reset = true;
	}
	pthread_mutex_unlock(&sim->lock);
}

static int queue_is_reset(struct vio_transport *t, uint16_t index)
{
	struct sim *sim = sim_of(t);
	bool is_reset;

	pthread_mutex_lock(&sim->lock);
	is_reset = sim->queues[index].was_reset;
	pthread_mutex_unlock(&sim->lock);
	return is_reset;
}

/* 2.9: the queue, and where the driver is in its ring. */
static void check_notice(struct sim *sim, struct sim_queue *queue, uint32_t value)
{
	pthread_mutex_lock(&sim->lock);
	if (!accepted(sim, SIM_F_NOTIFICATION_DATA)) {
		if (value >> 16) {
			sim_complain(sim, "a notification carries data: 0x%x", value);
		}
	} else if (!queue->has_ring ||
		   !sim_ring_goes_on_at(&queue->ring, (uint16_t)(value >> 16))) {
		sim_complain(sim, "a notification says 0x%x, and the driver is elsewhere", value);
	}
	pthread_mutex_unlock(&sim->lock);
}

static void notify(struct vio_transport *t, uint16_t index, uint32_t value)
{
	struct sim *sim = sim_of(t);
	uint64_t one = 1;

	if (sim->knobs.gone) {
		return;
	}
	if ((uint16_t)value != index) {
		pthread_mutex_lock(&sim->lock);
		sim_complain(sim, "queue %u is notified with 0x%08x", index, value);
		pthread_mutex_unlock(&sim->lock);
	}
	sim->notifications++;
	/* to look at the ring takes the lock: not where it would hide a race */
	if (value >> 16) {
		check_notice(sim, &sim->queues[index], value);
	}
	/*
	 * Without the lock: a notification does not wait for the device. With several
	 * queues one may come while another thread resets it.
	 */
	if (!(sim->status & VIRTIO_CONFIG_S_DRIVER_OK) && sim->queue_count == 1) {
		pthread_mutex_lock(&sim->lock);
		sim_complain(sim, "a notification comes while the device does not run");
		pthread_mutex_unlock(&sim->lock);
	}
	if (write(sim->notify_fd, &one, sizeof(one)) < 0) {
		abort();
	}
}

static int wait_fd(struct vio_transport *t, uint16_t index)
{
	struct sim *sim = sim_of(t);

	if (index == VIO_WAIT_EVENTS) {
		return sim->options.separate_events ? sim->events_fd : -ENOTSUP;
	}
	return sim->queues[index].by_timer ? sim->queues[index].timer_fd
					   : sim->queues[index].irq_fd;
}

static void wait_arm(struct vio_transport *t, uint16_t index, unsigned fruitless)
{
	struct sim *sim = sim_of(t);
	unsigned steps = fruitless < PAUSE_STEPS ? fruitless : PAUSE_STEPS;
	struct itimerspec pause = {.it_value.tv_nsec = (long)(PAUSE_MIN_US << steps) * 1000};

	if (!sim->queues[index].by_timer) {
		return;
	}
	sim->timers++;
	if (timerfd_settime(sim->queues[index].timer_fd, 0, &pause, NULL) < 0) {
		abort();
	}
}

static void wait_by_timer(struct vio_transport *t, uint16_t index)
{
	sim_of(t)->queues[index].by_timer = true;
}

static unsigned wait_ack(struct vio_transport *t, uint16_t index)
{
	struct sim *sim = sim_of(t);
	uint64_t ignored;
	unsigned events;

	/* nothing to read is fine: the wake-up was taken back before */
	if (read(wait_fd(t, index), &ignored, sizeof(ignored)) < 0 && errno != EAGAIN) {
		abort();
	}
	if (index != (sim->options.separate_events ? VIO_WAIT_EVENTS : 0)) {
		return 0;
	}
	pthread_mutex_lock(&sim->lock);
	events = sim->events;
	sim->events = 0;
	pthread_mutex_unlock(&sim->lock);
	return events;
}

static void cut_off(struct vio_transport *t)
{
	struct sim *sim = sim_of(t);

	pthread_mutex_lock(&sim->lock);
	sim->is_cut_off = true;
	pthread_mutex_unlock(&sim->lock);
}

/* The test closes the whole simulation; here, the device must know nothing of us any more. */
static void close_transport(struct vio_transport *t)
{
	struct sim *sim = sim_of(t);

	pthread_mutex_lock(&sim->lock);
	if (sim->queues[0].has_ring && !t->dma->quarantined) {
		sim_complain(sim, "the transport is closed while the device has a ring");
	}
	pthread_mutex_unlock(&sim->lock);
}

static const struct vio_transport_ops all_ops = {
	.get_features = get_features,
	.set_features = set_features,
	.get_status = get_status,
	.set_status = set_status,
	.config_read = config_read,
	.config_write = config_write,
	.config_generation = config_generation,
	.queue_max_size = queue_max_size,
	.queue_setup = queue_setup,
	.queue_reset = queue_reset,
	.queue_is_reset = queue_is_reset,
	.notify = notify,
	.wait_fd = wait_fd,
	.wait_arm = wait_arm,
	.wait_ack = wait_ack,
	.wait_by_timer = wait_by_timer,
	.cut_off = cut_off,
	.close = close_transport,
};

void sim_transport_fill(struct sim *sim)
{
	struct vio_transport *t = &sim->transport;

	sim->ops = all_ops;
	if (sim->options.legacy) {
		sim->ops.config_generation = NULL;
	}
	if (!sim->options.can_be_cut_off) {
		sim->ops.cut_off = NULL;
	}
	t->ops = &sim->ops;
	t->dma = sim_pool_dma(sim->pool);
	t->device_type = VIRTIO_ID_BLOCK;
	t->vendor_id = 0x1af4;
	t->legacy = sim->options.legacy;
	t->ring_align = sim->options.legacy ? LEGACY_PAGE : 4;
	t->interrupts = sim->options.interrupts;
	t->may_return = sim->options.may_return;
	t->fixed_queue_size = sim->options.fixed_queue;
	t->wake_up = sim->options.interrupts ? "eventfd" : "polled";
	snprintf(t->name, sizeof(t->name), "simulation");
}

struct vio_transport *sim_transport(struct sim *sim)
{
	return &sim->transport;
}
