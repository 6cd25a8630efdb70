/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread that is the device. */
#include "internal.h"

#include <endian.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#define BIT(n) (UINT64_C(1) << (n))

enum {
	IDLE_MS = 1000, /* between two looks at the stop flag, should its wake-up be lost */
	SHUFFLE_ROUNDS = 4,
};

uint64_t sim_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

unsigned sim_random(struct sim *sim, unsigned below)
{
	sim->random = sim->random * 1664525u + 1013904223u;
	return (sim->random >> 16) % below;
}

void sim_complain(struct sim *sim, const char *format, ...)
{
	va_list args;

	if (sim->complaint[0]) {
		return;
	}
	va_start(args, format);
	vsnprintf(sim->complaint, sizeof(sim->complaint), format, args);
	va_end(args);
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0) {
		abort();
	}
}

void sim_interrupt(struct sim *sim, struct sim_queue *queue)
{
	if (sim->options.interrupts && !sim->knobs.mute) {
		sim->counts.interrupts++;
		signal_fd(queue->irq_fd);
	}
}

/* Takes what the driver published; returns whether there was anything. */
static bool take_published(struct sim *sim, struct sim_queue *queue)
{
	struct sim_request **end = &queue->requests;
	bool any = false;

	while (*end) {
		end = &(*end)->next;
	}
	for (;;) {
		struct sim_request *request = malloc(sizeof(*request));

		if (!request) {
			abort();
		}
		memset(request, 0, offsetof(struct sim_request, chain));
		request->queue = queue;
		if (!sim_ring_next(&queue->ring, &request->chain)) {
			free(request);
			return any;
		}
		sim_request_parse(sim, request);
		sim_fault_choose(sim, request);
		if (sim->knobs.shuffle) {
			request->rounds = sim_random(sim, SHUFFLE_ROUNDS);
		}
		*end = request;
		end = &request->next;
		any = true;
	}
}

static bool is_due(struct sim_request *request, uint64_t now)
{
	if (request->dropped || request->due_ms > now) {
		return false;
	}
	if (request->rounds) {
		request->rounds--;
		return false;
	}
	return true;
}

/* Answers what is due; returns whether anything was. */
static bool answer_due(struct sim *sim, struct sim_queue *queue)
{
	struct sim_request **link = &queue->requests;
	uint64_t now = sim_now_ms();
	bool any = false;

	while (*link) {
		struct sim_request *request = *link;

		if (!is_due(request, now)) {
			if (queue->ring.is.in_order) {
				break;
			}
			link = &request->next;
			continue;
		}
		sim->counts.reordered += link != &queue->requests;
		*link = request->next;
		sim_request_finish(sim, request);
		free(request);
		any = true;
	}
	return any;
}

static void serve_once(struct sim *sim, struct sim_queue *queue)
{
	take_published(sim, queue);
	/* set before a request was published, it holds for that one, whenever we looked first */
	if (sim->knobs.hold) {
		return;
	}
	if (answer_due(sim, queue) && sim_ring_wants_interrupt(&queue->ring)) {
		sim_interrupt(sim, queue);
	}
	if (queue->ring.complaint) {
		sim_complain(sim, "ring: %s", queue->ring.complaint);
	}
}

static void serve(struct sim *sim, struct sim_queue *queue)
{
	if (!queue->has_ring || sim->is_cut_off || !(sim->status & VIRTIO_CONFIG_S_DRIVER_OK) ||
	    sim->knobs.hold || sim->knobs.gone || sim->has_left) {
		return;
	}
	if (!sim->options.sleepy && !queue->ring.is.event_index) {
		serve_once(sim, queue);
		return;
	}
	do {
		if (sim->options.sleepy) {
			sim_ring_forbid_notify(&queue->ring);
		}
		serve_once(sim, queue);
	} while (sim_ring_allow_notify(&queue->ring));
}

/* How long nothing needs to be done. */
static int idle_ms(struct sim *sim)
{
	uint64_t now = sim_now_ms();
	int idle = IDLE_MS;

	for (unsigned i = 0; i < sim->queue_count; i++) {
		for (struct sim_request *r = sim->queues[i].requests; r; r = r->next) {
			int wait = r->due_ms > now ? (int)(r->due_ms - now) : 0;

			if (!r->dropped && wait < idle) {
				idle = wait;
			}
		}
	}
	return sim->knobs.hold || sim->knobs.gone ? IDLE_MS : idle;
}

static void *run(void *argument)
{
	struct sim *sim = argument;
	int idle = 0;

	while (!sim->stop) {
		struct pollfd wait = {.fd = sim->notify_fd, .events = POLLIN};
		uint64_t ignored;

		if (poll(&wait, 1, idle) > 0 &&
		    read(sim->notify_fd, &ignored, sizeof(ignored)) < 0) {
			abort();
		}
		pthread_mutex_lock(&sim->lock);
		for (unsigned i = 0; i < sim->queue_count; i++) {
			serve(sim, &sim->queues[i]);
		}
		idle = idle_ms(sim);
		pthread_mutex_unlock(&sim->lock);
	}
	return NULL;
}

void sim_forget_requests(struct sim_queue *queue)
{
	while (queue->requests) {
		struct sim_request *request = queue->requests;

		queue->requests = request->next;
		free(request);
	}
}

struct sim_options sim_defaults(void)
{
	return (struct sim_options){
		.config = {.capacity = htole64(2048),
			   .seg_max = htole32(126),
			   .blk_size = htole32(512),
			   .num_queues = htole16(1)},
		.config_size = sizeof(struct virtio_blk_config),
		.features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_BLK_F_SEG_MAX) |
			    BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_FLUSH),
		.queue_max = 256,
		.pool_size = 2 << 20,
		.pool_page = 64 << 10,
	};
}

static void open_files(struct sim *sim)
{
	sim->notify_fd = eventfd(0, EFD_CLOEXEC);
	sim->events_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sim->notify_fd < 0 || sim->events_fd < 0) {
		abort();
	}
	for (unsigned i = 0; i < sim->queue_count; i++) {
		struct sim_queue *queue = &sim->queues[i];

		queue->index = i;
		queue->by_timer = !sim->options.interrupts;
		queue->irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		queue->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (queue->irq_fd < 0 || queue->timer_fd < 0) {
			abort();
		}
	}
}

/* A device may claim any capacity; the disk behind it stays small. */
static void open_disk(struct sim *sim)
{
	uint64_t sectors = le64toh(sim->options.config.capacity);

	sim->disk_size = (size_t)(sectors < 32768 ? sectors : 32768) * SIM_SECTOR;
	sim->disk = calloc(1, sim->disk_size + 1);
	if (!sim->disk) {
		abort();
	}
}

struct sim *sim_open(const struct sim_options *options)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	if (!sim) {
		abort();
	}
	sim->options = *options;
	sim->queue_count = options->queues ? options->queues : 1;
	if (sim->queue_count > SIM_QUEUES_MAX) {
		abort();
	}
	sim->offered = options->features;
	sim->random = 1;
	memcpy(sim->config, &options->config, sizeof(sim->config));
	sim->pool = sim_pool_open(options->flavour, options->pool_size, options->pool_page);
	pthread_mutex_init(&sim->lock, NULL);
	open_files(sim);
	open_disk(sim);
	sim_transport_fill(sim);
	if (pthread_create(&sim->thread, NULL, run, sim) != 0) {
		abort();
	}
	return sim;
}

static void close_queues(struct sim *sim)
{
	for (unsigned i = 0; i < sim->queue_count; i++) {
		sim_ring_close(&sim->queues[i].ring);
		close(sim->queues[i].irq_fd);
		close(sim->queues[i].timer_fd);
	}
}

void sim_close(struct sim *sim)
{
	sim->stop = true;
	signal_fd(sim->notify_fd);
	pthread_join(sim->thread, NULL);
	for (unsigned i = 0; i < sim->queue_count; i++) {
		sim_forget_requests(&sim->queues[i]);
	}
	close_queues(sim);
	sim_pool_close(sim->pool);
	close(sim->notify_fd);
	close(sim->events_fd);
	pthread_mutex_destroy(&sim->lock);
	free(sim->disk);
	free(sim);
}

struct sim_pool *sim_pool(struct sim *sim)
{
	return sim->pool;
}

struct sim_knobs *sim_knobs(struct sim *sim)
{
	return &sim->knobs;
}

uint8_t *sim_disk(struct sim *sim)
{
	return sim->disk;
}

const char *sim_complaint(struct sim *sim)
{
	const char *of_pool = sim_pool_complaint(sim->pool);
	const char *result;

	pthread_mutex_lock(&sim->lock);
	result = sim->complaint[0] ? sim->complaint : of_pool;
	pthread_mutex_unlock(&sim->lock);
	return result;
}

void sim_leave(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	sim->knobs.gone = true;
	sim->has_left = true;
	for (unsigned i = 0; i < sim->queue_count; i++) {
		sim_forget_ring(sim, &sim->queues[i]);
	}
	sim_announce_locked(sim, VIO_EVENT_GONE);
	pthread_mutex_unlock(&sim->lock);
}

void sim_return(struct sim *sim)
{
	sim->knobs.gone = false;
}

void sim_release(struct sim *sim)
{
	sim->knobs.hold = false;
	signal_fd(sim->notify_fd);
}

void sim_push_used(struct sim *sim, uint32_t id, uint32_t length)
{
	pthread_mutex_lock(&sim->lock);
	sim_ring_push(&sim->queues[0].ring, id, length);
	sim_interrupt(sim, &sim->queues[0]);
	pthread_mutex_unlock(&sim->lock);
}

void sim_jump_used(struct sim *sim, uint16_t by)
{
	pthread_mutex_lock(&sim->lock);
	sim_ring_jump(&sim->queues[0].ring, by);
	sim_interrupt(sim, &sim->queues[0]);
	pthread_mutex_unlock(&sim->lock);
}

void sim_announce_locked(struct sim *sim, unsigned events)
{
	sim->events |= events;
	if (!sim->options.separate_events) {
		sim_interrupt(sim, &sim->queues[0]);
	} else if (!sim->knobs.mute) {
		signal_fd(sim->events_fd);
	}
}

void sim_announce(struct sim *sim, unsigned events)
{
	pthread_mutex_lock(&sim->lock);
	sim_announce_locked(sim, events);
	pthread_mutex_unlock(&sim->lock);
}

void sim_set_config(struct sim *sim, const struct virtio_blk_config *config, bool announce)
{
	pthread_mutex_lock(&sim->lock);
	memcpy(sim->config, config, sizeof(sim->config));
	if (announce) {
		sim->generation++;
		sim_announce_locked(sim, VIO_EVENT_CONFIG);
	}
	pthread_mutex_unlock(&sim->lock);
}

void sim_resize(struct sim *sim, uint64_t sectors)
{
	struct virtio_blk_config config = sim->options.config;

	config.capacity = htole64(sectors);
	sim_set_config(sim, &config, true);
}

void sim_offer(struct sim *sim, uint64_t features)
{
	sim->offered = features;
}

size_t sim_late_dma(struct sim *sim)
{
	size_t written = 0;

	pthread_mutex_lock(&sim->lock);
	for (unsigned i = 0; i < sim->queue_count && !sim->is_cut_off; i++) {
		for (struct sim_request *r = sim->queues[i].requests; r; r = r->next) {
			sim_request_answer(sim, r, sim_request_run(sim, r));
			written += r->written;
		}
	}
	pthread_mutex_unlock(&sim->lock);
	return written;
}

struct sim_counts sim_counts(struct sim *sim)
{
	struct sim_counts counts;

	pthread_mutex_lock(&sim->lock);
	counts = sim->counts;
	counts.notifications = sim->notifications;
	counts.timers = sim->timers;
	pthread_mutex_unlock(&sim->lock);
	return counts;
}

uint64_t sim_accepted_features(struct sim *sim)
{
	uint64_t accepted;

	pthread_mutex_lock(&sim->lock);
	accepted = sim->accepted;
	pthread_mutex_unlock(&sim->lock);
	return accepted;
}

bool sim_is_cut_off(struct sim *sim)
{
	bool result;

	pthread_mutex_lock(&sim->lock);
	result = sim->is_cut_off;
	pthread_mutex_unlock(&sim->lock);
	return result;
}

uint8_t sim_status(struct sim *sim)
{
	return sim->status;
}
