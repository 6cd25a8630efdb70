/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk with several queues, a thread for each that sleeps as a loop does: unaligned
 * writes against those of other threads, and what all of them make of a failure.
 *
 * Every block has one thread that writes it as a whole, and parts that the other threads
 * write. What lies between the parts must always be what the first one wrote last: an
 * unaligned write that reads before that and writes afterwards undoes it.
 */
#include "disk_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	THREADS_MAX = 4,
	BLOCK_SIZE = 4096,
	BLOCKS = 6,
	PART = 300, /* bytes that a thread writes of a block of another */
	DEPTH = 3,
	WRITES = 150,   /* of each thread */
	SLEEP_MS = 900, /* nobody needs it: whoever is not woken takes this long */
	LIMIT_MS = 20000,
};

struct task {
	struct job job; /* first */
	uint8_t *buffer;
	uint8_t expected[BLOCK_SIZE];
	unsigned block;
	bool is_busy, is_whole, is_reading;
};

struct thread {
	pthread_t id;
	struct devb_disk_queue *queue;
	unsigned index, writes, failures, random, sleeps;
	uint64_t tick_ms;
	int wake;
	struct task tasks[DEPTH];
	bool owns_busy[BLOCKS]; /* one write of a whole block at a time */
};

static struct thread threads[THREADS_MAX];
static unsigned thread_count;
static atomic_uint done_count;

static void wake_thread(void *context)
{
	uint64_t one = 1;

	must(write(((struct thread *)context)->wake, &one, sizeof(one)) == sizeof(one));
}

static unsigned pick_of(struct thread *thread, unsigned below)
{
	return (unsigned)rand_r(&thread->random) % below;
}

/* Where thread @index has its part of each block. */
static uint64_t part_of(unsigned index)
{
	return 100 + (uint64_t)index * 700;
}

static bool is_owner(const struct thread *thread, unsigned block)
{
	return block % thread_count == thread->index;
}

/* All but the parts. */
static void assert_between(const uint8_t *found, const uint8_t *expected)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < THREADS_MAX; i++) {
		must(memcmp(found + at, expected + at, part_of(i) - at) == 0);
		at = part_of(i) + PART;
	}
	must(memcmp(found + at, expected + at, BLOCK_SIZE - at) == 0);
}

static void task_done(struct devb_io *io, int result);

static void start_task(struct thread *thread, struct task *task, enum devb_op op)
{
	uint64_t offset = task->is_whole ? 0 : part_of(thread->index);

	task->job = (struct job){.io = {.op = op,
					.offset = task->block * BLOCK_SIZE + offset,
					.size = task->is_whole ? BLOCK_SIZE : PART,
					.buffer = task->buffer,
					.queue = thread->index,
					.private_data = NULL,
					.done = task_done}};
	task->is_busy = devb_block_submit(devb_disk_block(disk), &task->job.io) == 0;
	if (!task->is_busy && task->is_whole) {
		thread->owns_busy[task->block] = false;
	}
}

static void task_done(struct devb_io *io, int result)
{
	struct task *task = (struct task *)io;
	struct thread *thread = &threads[io->queue];

	must(task->is_busy && ++task->job.times == 1);
	task->is_busy = false;
	thread->failures += result < 0;
	if (result == 0 && task->is_whole && !task->is_reading) {
		memset(task->buffer, 0, BLOCK_SIZE);
		task->is_reading = true;
		start_task(thread, task, DEVB_READ);
		return;
	}
	if (result == 0 && task->is_whole) {
		assert_between(task->buffer, task->expected);
	}
	if (task->is_whole) {
		thread->owns_busy[task->block] = false;
	}
	thread->writes += result == 0;
}

/* A whole block of one's own, if it is not being written, or one's part of any block. */
static void choose_task(struct thread *thread, struct task *task)
{
	task->block = pick_of(thread, BLOCKS);
	task->is_whole = is_owner(thread, task->block) && pick_of(thread, 4) != 0;
	task->is_reading = false;
	if (task->is_whole && thread->owns_busy[task->block]) {
		task->is_whole = false;
	}
	thread->owns_busy[task->block] |= task->is_whole;
	fill(task->expected, BLOCK_SIZE, pick_of(thread, 1 << 20));
	memcpy(task->buffer, task->expected, BLOCK_SIZE);
	start_task(thread, task, DEVB_WRITE);
}

static void start_tasks(struct thread *thread)
{
	for (unsigned i = 0; i < DEPTH && thread->writes < WRITES; i++) {
		bool is_idle = devb_disk_in_flight(thread->queue) == 0;

		if (!thread->tasks[i].is_busy && (is_idle || pick_of(thread, 3))) {
			choose_task(thread, &thread->tasks[i]);
		}
	}
}

static void tick(struct thread *thread)
{
	if (thread->tick_ms + TICK_MS > now_ms()) {
		return;
	}
	thread->tick_ms = now_ms();
	if (thread->index == 0) {
		devb_disk_tick(disk);
	} else {
		devb_disk_queue_tick(thread->queue);
	}
}

/* Thread 0 does not sleep long while there is something to restart: the loop's tick. */
static void sleep_for_news(struct thread *thread, int patience_ms)
{
	struct pollfd wait[2] = {{.fd = devb_disk_wait_fd(thread->queue), .events = POLLIN},
				 {.fd = thread->wake, .events = POLLIN}};
	uint64_t count;

	if (devb_disk_wait_arm(thread->queue) || devb_disk_park(thread->queue)) {
		return;
	}
	thread->sleeps++;
	poll(wait, 2, patience_ms);
	devb_disk_unpark(thread->queue);
	if (wait[1].revents) {
		must(read(thread->wake, &count, sizeof(count)) == sizeof(count));
	}
	if (wait[0].revents) {
		devb_disk_wait_ack(thread->queue);
	}
	devb_disk_wait_disarm(thread->queue);
}

static bool is_over(struct thread *thread, bool *is_done)
{
	bool has_ended = thread->writes >= WRITES || devb_disk_is_lost(disk);

	if (!*is_done && has_ended && devb_disk_in_flight(thread->queue) == 0) {
		*is_done = true;
		done_count++;
	}
	/* whoever ends earlier parks for good; but thread 0 looks after the device */
	return *is_done && (thread->index > 0 || done_count == thread_count);
}

static void *run(void *argument)
{
	struct thread *thread = argument;
	uint64_t limit = now_ms() + LIMIT_MS;
	bool is_done = false;

	devb_disk_unpark(thread->queue);
	while (!is_over(thread, &is_done)) {
		bool is_good = vio_blk_health(blk) == VIO_BLK_GOOD;

		must(now_ms() < limit);
		start_tasks(thread);
		if (devb_disk_poll(thread->queue) == 0) {
			sleep_for_news(thread, is_good && !is_done ? SLEEP_MS : TICK_MS);
		}
		tick(thread);
	}
	while (devb_disk_park(thread->queue)) {
		devb_disk_poll(thread->queue);
	}
	return NULL;
}

static void open_threads(unsigned count, bool interrupts, const struct vio_blk_options *more)
{
	struct vio_blk_options options = more ? *more : (struct vio_blk_options){0};
	struct sim_options o = sim_defaults();

	options.queues = (uint16_t)count;
	o.features |= BIT(VIRTIO_BLK_F_MQ);
	o.config.blk_size = htole32(BLOCK_SIZE);
	o.config.num_queues = htole16(THREADS_MAX);
	o.queues = THREADS_MAX;
	o.interrupts = interrupts;
	o.flavour = SIM_TRACKED;
	o.pool_size = 8 << 20;
	open_block(&o, &options);
	ck_assert_uint_eq(devb_disk_queues(disk), count);
	memset(threads, 0, sizeof(threads));
	thread_count = count;
	done_count = 0;
	for (unsigned i = 0; i < count; i++) {
		threads[i].index = i;
		threads[i].random = i + 1;
		threads[i].queue = devb_disk_queue(disk, i);
		threads[i].wake = eventfd(0, EFD_CLOEXEC);
		devb_disk_set_wake(threads[i].queue, wake_thread, &threads[i]);
		for (unsigned j = 0; j < DEPTH; j++) {
			threads[i].tasks[j].buffer = vio_blk_alloc(blk, BLOCK_SIZE);
			must(threads[i].tasks[j].buffer != NULL);
		}
	}
}

static void close_threads(void)
{
	for (unsigned i = 0; i < thread_count; i++) {
		close(threads[i].wake);
		for (unsigned j = 0; j < DEPTH; j++) {
			vio_blk_free(blk, threads[i].tasks[j].buffer, BLOCK_SIZE);
		}
	}
	thread_count = 0;
	close_block();
}

/* Returns how many requests failed. */
static unsigned run_threads(void)
{
	unsigned failures = 0;

	for (unsigned i = 1; i < thread_count; i++) {
		must(pthread_create(&threads[i].id, NULL, run, &threads[i]) == 0);
	}
	run(&threads[0]);
	failures = threads[0].failures;
	for (unsigned i = 1; i < thread_count; i++) {
		pthread_join(threads[i].id, NULL);
		failures += threads[i].failures;
	}
	return failures;
}

/* With interrupts and without, answers in order and out of it, at once and late. */
START_TEST(test_whole_and_parts)
{
	uint64_t start;

	open_threads(2 + (unsigned)_i % 3, _i % 2, NULL);
	sim_knobs(sim)->shuffle = _i % 4 < 2;
	if (_i >= 6) {
		sim_fault(sim, (struct sim_fault){.kind = SIM_DELAY,
						  .value = 1,
						  .only = VIRTIO_BLK_T_OUT + 1});
	}
	start = now_ms();
	ck_assert_uint_eq(run_threads(), 0);
	for (unsigned i = 0; i < thread_count; i++) {
		ck_assert_uint_ge(threads[i].writes, WRITES);
	}
	/* each wake-up that is missing costs SLEEP_MS */
	ck_assert_uint_lt(now_ms() - start, LIMIT_MS / 2);
}
END_TEST

/* Threads that do not run, or sleep with nothing to do, are not waited for. */
START_TEST(test_parked)
{
	uint8_t *part;
	uint64_t start;

	open_threads(3, true, NULL);
	part = threads[0].tasks[0].buffer;
	fill(part, PART, 5);
	devb_disk_unpark(disk_queue);
	devb_disk_unpark(threads[1].queue);
	ck_assert(!devb_disk_park(threads[1].queue));
	start = now_ms();
	ck_assert_int_eq(run_job(DEVB_WRITE, 700, part, PART), 0);
	ck_assert_uint_lt(now_ms() - start, PATIENCE_MS / 2);
	ck_assert_mem_eq(sim_disk(sim) + 700, part, PART);
	/* what happened meanwhile is no reason to sleep on */
	ck_assert(devb_disk_park(threads[1].queue));
	devb_disk_poll(threads[1].queue);
	ck_assert(!devb_disk_park(threads[1].queue));
}
END_TEST

/* The one that does not sleep is waited for; its younger writes go afterwards. */
START_TEST(test_order)
{
	struct devb_disk_queue *other;
	uint8_t *part, *whole;
	struct job job, held = {.io = {.op = DEVB_WRITE, .size = BLOCK_SIZE, .queue = 1}};

	open_threads(2, false, NULL);
	other = threads[1].queue;
	part = threads[0].tasks[0].buffer;
	whole = held.io.buffer = threads[1].tasks[0].buffer;
	held.io.done = finish_job;
	fill(part, PART, 5);
	fill(whole, BLOCK_SIZE, 6);
	devb_disk_unpark(disk_queue);
	devb_disk_unpark(other);
	ck_assert_int_eq(start_job(&job, DEVB_WRITE, 700, part, PART), 0);
	for (unsigned i = 0; i < 50; i++) {
		devb_disk_poll(disk_queue);
	}
	ck_assert_uint_eq(sim_counts(sim).requests[VIRTIO_BLK_T_IN], 0);
	devb_disk_poll(other);
	ck_assert_int_eq(resubmit_job(&held), 0);
	drain(PATIENCE_MS);
	ck_assert_uint_eq(sim_counts(sim).requests[VIRTIO_BLK_T_OUT], 1);
	ck_assert_mem_eq(sim_disk(sim) + 700, part, PART);
	ck_assert_uint_eq(held.times, 0);
	while (devb_disk_in_flight(other)) {
		devb_disk_poll(other);
	}
	ck_assert_int_eq(held.result, 0);
	ck_assert_mem_eq(sim_disk(sim), whole, BLOCK_SIZE);
}
END_TEST

/* A flush on one queue is one command, of the device and so of all queues. */
START_TEST(test_flush_of_all)
{
	struct job jobs[THREADS_MAX];

	open_threads(THREADS_MAX, false, NULL);
	for (unsigned i = 0; i < THREADS_MAX; i++) {
		jobs[i] = (struct job){.io = {.op = DEVB_FLUSH, .queue = i, .done = finish_job}};
		ck_assert_int_eq(resubmit_job(&jobs[i]), 0);
		while (devb_disk_in_flight(threads[i].queue)) {
			devb_disk_poll(threads[i].queue);
		}
		ck_assert_int_eq(jobs[i].result, 0);
		ck_assert_uint_eq(sim_counts(sim).requests[VIRTIO_BLK_T_FLUSH], i + 1);
	}
}
END_TEST

static const struct sim_fault faults[] = {
	{.kind = SIM_DROP, .skip = 40, .times = 1, .queue = 2},
	{.kind = SIM_ID, .value = 9999, .skip = 60, .times = 2, .queue = 2},
	{.kind = SIM_TWICE, .skip = 30, .times = 1, .queue = 1},
	{.kind = SIM_DROP, .skip = 20, .times = 1, .queue = 3},
};

/* Found by any thread, it ends for all of them, and then the device serves on. */
START_TEST(test_failure)
{
	const struct vio_blk_options options = {.timeout_ms = 150};

	open_threads(3, _i % 2, &options);
	sim_fault(sim, faults[_i % 4]);
	ck_assert_uint_gt(run_threads(), 0);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_GOOD);
	for (unsigned i = 0; i < thread_count; i++) {
		ck_assert_uint_ge(threads[i].writes, WRITES);
	}
}
END_TEST

START_TEST(test_all_gone)
{
	open_threads(3, _i % 2, NULL);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DELAY, .value = 5});
	sim_knobs(sim)->gone = true;
	ck_assert_uint_gt(run_threads() + 1, 0);
	ck_assert(devb_disk_is_lost(disk));
}
END_TEST

Suite *disk_queues_suite(void)
{
	Suite *suite = suite_create("disk_queues");
	TCase *tcase = tcase_create("threads");

	tcase_set_timeout(tcase, 40);
	tcase_add_checked_fixture(tcase, NULL, close_threads);
	tcase_add_loop_test(tcase, test_whole_and_parts, 0, 12);
	tcase_add_test(tcase, test_parked);
	tcase_add_test(tcase, test_order);
	tcase_add_test(tcase, test_flush_of_all);
	tcase_add_loop_test(tcase, test_failure, 0, 8);
	tcase_add_loop_test(tcase, test_all_gone, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}
