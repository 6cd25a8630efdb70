/* SPDX-License-Identifier: BSD-3-Clause */
/* Several queues, a thread for each: they share nothing but the failure of the device. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum {
	WORKERS_MAX = 4,
	DEPTH = 8,
	ROUNDS = 60, /* writes and reads of each of DEPTH, that must go well */
	BLOCK = 8 * SECTOR,
	AREA = 256, /* sectors of each thread */
	WAIT_MS = 10,
	LIMIT_MS = 30000,
};

/* One place of the disk: written, read, compared, again. */
struct place {
	struct vio_blk_request request;
	struct iovec iov;
	uint8_t buffer[BLOCK], expected[BLOCK];
	unsigned rounds;
	bool is_busy;
};

struct worker {
	struct vio_blk_queue *queue;
	unsigned index;
	struct place places[DEPTH];
	unsigned failures;
	bool is_done;
	uint64_t checked_ms;
	pthread_t thread;
};

static struct worker workers[WORKERS_MAX];
static unsigned worker_count;
static atomic_uint workers_done, restarts;

static bool replay; /* of the next that are opened */

static void open_workers(unsigned count, bool interrupts, unsigned timeout_ms)
{
	struct vio_blk_options options = {
		.queues = (uint16_t)count, .timeout_ms = timeout_ms, .replay = replay};
	struct sim_options o = sim_defaults();

	o.features |= BIT(VIRTIO_BLK_F_MQ);
	o.config.num_queues = htole16(WORKERS_MAX);
	o.queues = WORKERS_MAX;
	o.interrupts = interrupts;
	o.may_return = replay;
	o.flavour = SIM_TRACKED;
	o.pool_size = 8 << 20;
	open_disk(&o, &options);
	ck_assert_uint_eq(vio_blk_info(blk)->queues, count);
	memset(workers, 0, sizeof(workers));
	replay = false;
	worker_count = count;
	workers_done = 0;
	restarts = 0;
	for (unsigned i = 0; i < count; i++) {
		workers[i].index = i;
		workers[i].queue = vio_blk_queue(blk, i);
	}
}

static void start_place(struct worker *worker, struct place *place)
{
	unsigned number = (unsigned)(place - worker->places);
	bool writes = place->rounds % 2 == 0;

	place->request = (struct vio_blk_request){
		.op = writes ? VIO_BLK_WRITE : VIO_BLK_READ,
		.start_sector = worker->index * AREA + number * (BLOCK / SECTOR),
		.iov = &place->iov,
		.iov_count = 1,
		.user_data = place,
	};
	place->iov = (struct iovec){place->buffer, BLOCK};
	if (writes) {
		fill(place->expected, BLOCK, worker->index * 1000 + number * 100 + place->rounds);
		memcpy(place->buffer, place->expected, BLOCK);
	} else {
		memset(place->buffer, 0, BLOCK);
	}
	place->is_busy = vio_blk_submit(worker->queue, &place->request) == 0;
}

static void end_place(struct worker *worker, struct place *place)
{
	must(place->is_busy);
	place->is_busy = false;
	if (place->request.result < 0) {
		worker->failures++;
		return;
	}
	must(place->request.op == VIO_BLK_WRITE ||
	     memcmp(place->buffer, place->expected, BLOCK) == 0);
	place->rounds++;
}

static unsigned reap_places(struct worker *worker)
{
	struct vio_blk_request *done[DEPTH];
	unsigned n = vio_blk_reap(worker->queue, done, DEPTH);

	for (unsigned i = 0; i < n; i++) {
		end_place(worker, done[i]->user_data);
	}
	return n;
}

static void check_device(struct worker *worker)
{
	if (worker->checked_ms + WAIT_MS > now_ms()) {
		return;
	}
	worker->checked_ms = now_ms();
	if (worker->index > 0) {
		vio_blk_queue_check(worker->queue);
		return;
	}
	vio_blk_check(blk);
	if (vio_blk_health(blk) == VIO_BLK_FAILED && vio_blk_restart(blk, NULL) == 0) {
		restarts++;
	}
}

static bool start_places(struct worker *worker)
{
	bool all_done = true;

	for (unsigned i = 0; i < DEPTH; i++) {
		struct place *place = &worker->places[i];

		if (place->rounds < ROUNDS) {
			all_done = false;
			if (!place->is_busy) {
				start_place(worker, place);
			}
		}
	}
	vio_blk_kick(worker->queue);
	return all_done;
}

static void pause_ms(unsigned ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

static bool is_over(struct worker *worker)
{
	bool lost = vio_blk_health(blk) == VIO_BLK_LOST;

	/* whoever is done goes on reaping: the others may need a restart */
	if (!worker->is_done && (start_places(worker) || lost)) {
		worker->is_done = true;
		workers_done++;
	}
	return workers_done == worker_count && vio_blk_in_flight(worker->queue) == 0;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	uint64_t limit = now_ms() + LIMIT_MS;

	while (!is_over(worker)) {
		must(now_ms() < limit);
		if (reap_places(worker) == 0 && (vio_blk_in_flight(worker->queue) == 0 ||
						 vio_blk_wait(worker->queue, WAIT_MS) == -EIO)) {
			pause_ms(1);
		}
		check_device(worker);
	}
	return NULL;
}

static unsigned run_workers(void)
{
	unsigned failures = 0;

	for (unsigned i = 1; i < worker_count; i++) {
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	work(&workers[0]);
	failures = workers[0].failures;
	for (unsigned i = 1; i < worker_count; i++) {
		pthread_join(workers[i].thread, NULL);
		failures += workers[i].failures;
	}
	return failures;
}

static void assert_all_done(void)
{
	for (unsigned i = 0; i < worker_count; i++) {
		for (unsigned j = 0; j < DEPTH; j++) {
			ck_assert_uint_eq(workers[i].places[j].rounds, ROUNDS);
		}
	}
}

static const struct {
	uint16_t asked, offered;
	bool has_feature;
	uint16_t queues;
} counts[] = {
	{0, 4, true, 1}, {1, 4, true, 1}, {3, 4, true, 3},  {4, 4, true, 4},
	{9, 4, true, 4}, {2, 1, true, 1}, {4, 4, false, 1},
};

START_TEST(test_count)
{
	struct vio_blk_options options = {.queues = counts[_i].asked};
	struct sim_options o = sim_defaults();

	o.features |= counts[_i].has_feature ? BIT(VIRTIO_BLK_F_MQ) : 0;
	o.config.num_queues = htole16(counts[_i].offered);
	o.queues = counts[_i].offered;
	o.pool_size = 8 << 20;
	open_disk(&o, &options);
	ck_assert_uint_eq(vio_blk_info(blk)->queues, counts[_i].queues);
	ck_assert_uint_eq(vio_blk_info(blk)->queues_offered,
			  counts[_i].has_feature ? counts[_i].offered : 1);
	ck_assert_ptr_nonnull(vio_blk_queue(blk, counts[_i].queues - 1u));
	ck_assert_ptr_null(vio_blk_queue(blk, counts[_i].queues));
	assert_works();
}
END_TEST

/* One interrupt for all of them: other threads could not wait for theirs. */
START_TEST(test_count_of_transport)
{
	struct vio_blk_options options = {.queues = 4};
	struct sim_options o = sim_defaults();

	o.features |= BIT(VIRTIO_BLK_F_MQ);
	o.config.num_queues = htole16(4);
	o.queues = 4;
	o.pool_size = 8 << 20;
	open_sim(&o);
	sim_transport(sim)->queues_max = (uint16_t)(_i + 1);
	ck_assert_int_eq(vio_blk_open(&blk, sim_transport(sim), &options, &err), 0);
	queue = vio_blk_queue(blk, 0);
	ck_assert_uint_eq(vio_blk_info(blk)->queues, _i < 4 ? (unsigned)_i + 1 : 4);
	ck_assert_uint_eq(vio_blk_info(blk)->queues_offered, 4);
	assert_works();
}
END_TEST

START_TEST(test_too_many_asked)
{
	struct vio_blk_options options = {.queues = 65};
	struct sim_options o = sim_defaults();

	open_sim(&o);
	ck_assert_int_eq(vio_blk_open(&blk, sim_transport(sim), &options, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "65 queues"));
}
END_TEST

/* A device that says it has more than it has is refused, with all that was opened undone. */
START_TEST(test_fewer_than_said)
{
	struct vio_blk_options options = {.queues = 4};
	struct sim_options o = sim_defaults();

	o.features |= BIT(VIRTIO_BLK_F_MQ);
	o.config.num_queues = htole16(4);
	o.queues = 2;
	o.pool_size = 8 << 20;
	open_sim(&o);
	ck_assert_int_eq(vio_blk_open(&blk, sim_transport(sim), &options, &err), -ENODEV);
	ck_assert_ptr_nonnull(strstr(err.text, "no queue 2"));
}
END_TEST

START_TEST(test_threads)
{
	open_workers(2 + (unsigned)_i % 3, _i < 3, 0);
	ck_assert_uint_eq(run_workers(), 0);
	assert_all_done();
	ck_assert_uint_eq(restarts, 0);
}
END_TEST

/* Whichever queue breaks: all are reset together, and all work afterwards. */
START_TEST(test_violation)
{
	struct sim_fault fault = {.kind = SIM_ID,
				  .value = 60000,
				  .skip = 20,
				  .times = 1,
				  .queue = (unsigned)_i % 4 + 1};
	struct vio_blk_stats stats;

	open_workers(WORKERS_MAX, _i < 4, 0);
	sim_fault(sim, fault);
	ck_assert_uint_gt(run_workers(), 0);
	assert_all_done();
	ck_assert_uint_eq(restarts, 1);
	vio_blk_stats(workers[_i % 4].queue, &stats);
	ck_assert_uint_eq(stats.violations, 1);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_GOOD);
}
END_TEST

/* Two break at once, again and again. */
START_TEST(test_violations)
{
	struct sim_fault fault = {.kind = SIM_TWICE, .skip = 10, .times = 1};

	open_workers(WORKERS_MAX, true, 0);
	for (fault.queue = 1; fault.queue <= WORKERS_MAX; fault.queue++) {
		sim_fault(sim, fault);
		fault.skip += 40 * (fault.queue % 2);
		sim_fault(sim, fault);
	}
	run_workers();
	assert_all_done();
	ck_assert_uint_ge(restarts, 1);
}
END_TEST

START_TEST(test_reset_not_confirmed)
{
	struct sim_fault fault = {
		.kind = SIM_ID, .value = 60000, .skip = 20, .times = 1, .queue = (unsigned)_i + 1};

	open_workers(WORKERS_MAX, true, 0);
	stop_resetting();
	sim_fault(sim, fault);
	ck_assert_uint_gt(run_workers(), 0);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_LOST);
	for (unsigned i = 0; i < worker_count; i++) {
		ck_assert_uint_eq(vio_blk_in_flight(workers[i].queue), 0);
	}
	sim_knobs(sim)->stuck_reset = false;
}
END_TEST

/* Each thread looks after the deadlines of its own queue. */
START_TEST(test_deadline)
{
	struct sim_fault fault = {
		.kind = SIM_DROP, .skip = 20, .times = 1, .queue = (unsigned)_i + 1};

	open_workers(2, true, 400);
	sim_fault(sim, fault);
	ck_assert_uint_gt(run_workers(), 0);
	assert_all_done();
	ck_assert_uint_ge(restarts, 1);
}
END_TEST

/* One thread plays both: a restart waits for what the other has not taken back. */
START_TEST(test_restart_waits)
{
	struct vio_blk_request *done;
	struct worker *other = &workers[1];

	open_workers(2, false, 0);
	sim_knobs(sim)->hold = true;
	start_place(other, &other->places[0]);
	vio_blk_kick(other->queue);
	sim_knobs(sim)->needs_reset = true;
	ck_assert(vio_blk_queue_check(other->queue));
	vio_blk_check(blk);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_FAILED);
	ck_assert_int_eq(vio_blk_restart(blk, &err), -EAGAIN);
	ck_assert_int_eq(vio_blk_submit(other->queue, &other->places[1].request), -EIO);
	ck_assert_uint_eq(vio_blk_in_flight(other->queue), 1);
	ck_assert(vio_blk_wait_arm(other->queue));
	ck_assert_int_eq(vio_blk_wait(other->queue, 0), 0);
	ck_assert_uint_eq(vio_blk_reap(other->queue, &done, 1), 1);
	ck_assert_int_eq(done->result, -EIO);
	ck_assert(!vio_blk_wait_arm(other->queue));
	sim_release(sim);
	assert_restarts();
	ck_assert(vio_blk_queue_check(other->queue));
}
END_TEST

/* Found by a thread that may not reset: nothing is given back before thread 0 did. */
START_TEST(test_marked_before_reset)
{
	struct vio_blk_request *done;
	struct worker *other = &workers[1];

	open_workers(2, false, 0);
	sim_fault(sim, (struct sim_fault){.kind = SIM_ID, .value = 60000, .queue = 2});
	start_place(other, &other->places[0]);
	vio_blk_kick(other->queue);
	while (vio_blk_health(blk) == VIO_BLK_GOOD) {
		ck_assert_uint_eq(vio_blk_reap(other->queue, &done, 1), 0);
	}
	ck_assert_uint_eq(sim_counts(sim).resets, 1);
	ck_assert(!vio_blk_queue_check(other->queue));
	ck_assert_uint_eq(vio_blk_reap(other->queue, &done, 1), 0);
	ck_assert(!vio_blk_wait_arm(other->queue));
	ck_assert_int_eq(vio_blk_wait(other->queue, 5), -ETIMEDOUT);
	ck_assert_uint_eq(vio_blk_in_flight(other->queue), 1);
	vio_blk_check(blk);
	ck_assert_uint_eq(sim_counts(sim).resets, 2);
	ck_assert_uint_eq(vio_blk_reap(other->queue, &done, 1), 1);
	ck_assert_int_eq(done->result, -EPROTO);
	ck_assert_uint_eq(vio_blk_reap(queue, &done, 1), 0);
	assert_restarts();
}
END_TEST

/* It has gone; and does so again as often as there is somebody to see it. */
static void *return_and_go(void *argument)
{
	for (unsigned i = 0;; i++) {
		pause_ms(1 + i % 3);
		sim_return(sim);
		pause_ms(5);
		if (workers_done == worker_count) {
			return argument;
		}
		sim_leave(sim);
	}
}

/* In the midst of it all it goes again and again: nobody sees an error, and nothing is lost. */
START_TEST(test_goes)
{
	pthread_t thread;

	replay = true;
	open_workers(1 + (unsigned)_i % WORKERS_MAX, _i < WORKERS_MAX, 20000);
	sim_leave(sim);
	ck_assert_int_eq(pthread_create(&thread, NULL, return_and_go, NULL), 0);
	ck_assert_uint_eq(run_workers(), 0);
	pthread_join(thread, NULL);
	assert_all_done();
	ck_assert_uint_ge(restarts, 1);
}
END_TEST

Suite *blk_queues_suite(void)
{
	Suite *suite = suite_create("blk_queues");
	TCase *tcase = tcase_create("queues");

	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_loop_test(tcase, test_count, 0, sizeof(counts) / sizeof(counts[0]));
	tcase_add_loop_test(tcase, test_count_of_transport, 0, 5);
	tcase_add_test(tcase, test_too_many_asked);
	tcase_add_test(tcase, test_fewer_than_said);
	tcase_add_loop_test(tcase, test_threads, 0, 6);
	tcase_add_loop_test(tcase, test_violation, 0, 8);
	tcase_add_test(tcase, test_violations);
	tcase_add_loop_test(tcase, test_reset_not_confirmed, 0, WORKERS_MAX);
	tcase_add_loop_test(tcase, test_deadline, 0, 2);
	tcase_add_test(tcase, test_restart_waits);
	tcase_add_test(tcase, test_marked_before_reset);
	tcase_add_loop_test(tcase, test_goes, 0, 2 * WORKERS_MAX);
	suite_add_tcase(suite, tcase);
	return suite;
}
