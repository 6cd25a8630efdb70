/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A3 rule 13, the two places where driver and device each write a word and then
 * read the other's: what was published against "do not notify", and "interrupt me"
 * against what was used. Without the full fences both may read the old word, and a
 * request or its completion is slept over.
 *
 * Both sides start a round together, with a jitter, because the window is a few
 * nanoseconds wide. On a machine with one processor this proves nothing.
 */
#include "ring_fixture.h"

#include <pthread.h>
#include <sched.h>

enum {
	SIZE = 16,
	ROUNDS = 1000000,
	LIMIT_MS = 300,
};

static struct sim_chain chain;

static struct race {
	const struct race_kind {
		void (*prepare)(void);
		bool (*driver)(void); /* true: the other side's word was seen */
		bool (*device)(void);
		void (*finish)(void);
	} * kind;
	unsigned started, finished; /* rounds */
	bool device_saw, stop;
} race;

static void wait_for(const unsigned *counter, unsigned round)
{
	for (unsigned spins = 1; __atomic_load_n(counter, __ATOMIC_ACQUIRE) != round; spins++) {
		if (spins % 4096 == 0) {
			sched_yield();
		}
	}
}

static void jitter(unsigned loops)
{
	for (unsigned i = 0; i < loops; i++) {
		__asm__ volatile("");
	}
}

static void *run_device(void *argument)
{
	(void)argument;
	for (unsigned round = 1;; round++) {
		wait_for(&race.started, round);
		if (race.stop) {
			return NULL;
		}
		jitter(round % 61);
		race.device_saw = race.kind->device();
		__atomic_store_n(&race.finished, round, __ATOMIC_RELEASE);
	}
}

static void add_one(void)
{
	struct vio_segment segment = {{0x1000}, 1};

	must(queue_add(&ours, &segment, 0, 1) >= 0);
}

static void reap_one(void)
{
	struct vio_queue_used used;

	must(vio_queue_reap(&ours, &used, 1) == 1);
}

static void forbid_and_add(void)
{
	sim_ring_forbid_notify(&device);
	add_one();
}

static bool publish(void)
{
	return ring_publish();
}

static bool allow_notify(void)
{
	return sim_ring_allow_notify(&device);
}

static void answer(void)
{
	must(sim_ring_next(&device, &chain));
	sim_ring_return(&device, &chain, 0);
	reap_one();
}

static void disarm_and_publish(void)
{
	ring_arm(false);
	add_one();
	ring_publish();
	must(sim_ring_next(&device, &chain));
}

static bool arm(void)
{
	return ring_arm(true);
}

static bool answer_and_look(void)
{
	sim_ring_return(&device, &chain, 0);
	return sim_ring_wants_interrupt(&device);
}

static const struct race_kind kinds[] = {
	{forbid_and_add, publish, allow_notify, answer},
	{disarm_and_publish, arm, answer_and_look, reap_one},
};

static const int ring_kinds[] = {0, RING_EVENT_INDEX, RING_PACKED, RING_PACKED | RING_EVENT_INDEX};

START_TEST(test_race)
{
	uint64_t limit = now_ms() + LIMIT_MS;
	pthread_t thread;
	unsigned round = 0;

	open_ring_of(ring_kinds[_i / 2], SIZE, 4);
	race = (struct race){.kind = &kinds[_i % 2]};
	ck_assert_int_eq(pthread_create(&thread, NULL, run_device, NULL), 0);
	while (round < ROUNDS && (round % 256 || now_ms() < limit)) {
		bool driver_saw;

		race.kind->prepare();
		__atomic_store_n(&race.started, ++round, __ATOMIC_RELEASE);
		jitter(round % 197);
		driver_saw = race.kind->driver();
		wait_for(&race.finished, round);
		if (!driver_saw && !race.device_saw) {
			ck_abort_msg("both looked away in round %u", round);
		}
		race.kind->finish();
	}
	race.stop = true;
	__atomic_store_n(&race.started, round + 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	close_ring();
}
END_TEST

Suite *ring_race_suite(void)
{
	Suite *suite = suite_create("ring_race");
	TCase *tcase = tcase_create("fences");

	tcase_add_loop_test(tcase, test_race, 0, 8);
	suite_add_tcase(suite, tcase);
	return suite;
}
