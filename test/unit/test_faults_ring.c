/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a broken or hostile device may do with its half of the ring and with the
 * status byte: rules 1 to 6 and 14 of our list, through the whole block class.
 * Ring entries one by one are in test_ring.c.
 */
#include "ring_fixture.h"

#include <pthread.h>

enum {
	BOUND_MS = 2000,
};

static const enum vio_blk_op ops[] = {VIO_BLK_READ, VIO_BLK_WRITE, VIO_BLK_FLUSH, VIO_BLK_GET_ID};

enum {
	OPS = sizeof(ops) / sizeof(ops[0])
};

static size_t size_of(enum vio_blk_op op)
{
	return op == VIO_BLK_FLUSH ? 0 : op == VIO_BLK_GET_ID ? VIO_BLK_ID_SIZE : SECTOR;
}

static void open_patient(int kind, unsigned timeout_ms)
{
	struct sim_options o = options_of(kind);
	struct vio_blk_options wish = {.timeout_ms = timeout_ms};

	open_disk(&o, &wish);
}

static void open_some(int kind)
{
	open_patient(kind, 0);
}

/* Broken means reset, refused, said once, and alive again after a restart. */
static void assert_broken_then_restart(void)
{
	ck_assert_uint_eq(sim_status(sim), 0);
	ck_assert_msg(logged[VIO_LOG_ERROR] == 1, "%u lines, the last: %s", logged[VIO_LOG_ERROR],
		      last_line);
	assert_failed(VIO_BLK_FAILED);
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], 1);
	assert_restarts();
}

/* What says something in every ring; what a packed one, or one with tables, has no word for. */
enum {
	ANY_RING,
	SPLIT_RING,
	SPLIT_WITHOUT_TABLES,
};

static const struct {
	const char *what;
	struct sim_fault fault;
	int where;
} ring_faults[] = {
	{"an id of the size of the ring", {.kind = SIM_ID, .value = 256}, ANY_RING},
	{"an id of all ones", {.kind = SIM_ID, .value = UINT32_MAX}, ANY_RING},
	{"an id that nobody uses", {.kind = SIM_ID, .value = 200}, ANY_RING},
	{"an id twice", {.kind = SIM_TWICE}, ANY_RING},
	{"an id that is right in its low 16 bits",
	 {.kind = SIM_ID_PLUS, .value = 0x10000},
	 SPLIT_RING},
	{"an id that is right in its low 31 bits",
	 {.kind = SIM_ID_PLUS, .value = 0x80000000},
	 SPLIT_RING},
	{"an index one too far", {.kind = SIM_JUMP, .value = 3}, SPLIT_RING},
	{"an index that jumps", {.kind = SIM_JUMP, .value = 1000}, SPLIT_RING},
	{"an index that goes back", {.kind = SIM_JUMP, .value = UINT16_MAX - 1}, SPLIT_RING},
	{"an id in the middle of a chain", {.kind = SIM_ID_PLUS, .value = 1}, SPLIT_WITHOUT_TABLES},
};

enum {
	RING_FAULTS = sizeof(ring_faults) / sizeof(ring_faults[0]),
	RING_FAULT_TESTS = RING_FAULTS * OPS * RING_CHOICES,
};

/* The fault decides which rings can have it. */
static uint64_t features_of_fault(int choice, int where)
{
	uint64_t features = ring_features(choice);

	if (where >= SPLIT_RING) {
		features &= ~BIT(VIRTIO_F_RING_PACKED);
	}
	if (where == SPLIT_WITHOUT_TABLES) {
		features &= ~BIT(VIRTIO_RING_F_INDIRECT_DESC);
	}
	return features;
}

/* Three requests at once, the second one meets the fault. */
START_TEST(test_ring_faults)
{
	enum vio_blk_op op = ops[_i % OPS];
	int number = _i / OPS % RING_FAULTS;
	struct sim_fault fault = ring_faults[number].fault;
	struct sim_options o = options_of(_i);
	struct vio_blk_options wish = {.timeout_ms = 200};
	static uint8_t buffers[3][SECTOR];
	struct simple requests[3];
	unsigned failed = 0;

	o.features &= ~RING_FEATURES;
	o.features |= features_of_fault(_i / (OPS * RING_FAULTS), ring_faults[number].where) &
		      (o.legacy ? UINT32_MAX : UINT64_MAX);
	open_disk(&o, &wish);
	fault.skip = 1;
	fault.times = 1;
	sim_fault(sim, fault);
	sim_knobs(sim)->hold = true;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(submit(&requests[i], op, op == VIO_BLK_FLUSH ? 0 : 3, buffers[i],
					size_of(op)),
				 0);
	}
	sim_release(sim);
	reap(3);
	/* a repeated id is seen only after the requests were answered, and is seen next time */
	if (vio_blk_health(blk) == VIO_BLK_GOOD) {
		struct vio_blk_request *done;

		ck_assert_int_eq(vio_blk_wait(queue, BOUND_MS), 0);
		ck_assert_uint_eq(vio_blk_reap(queue, &done, 1), 0);
	}
	for (int i = 0; i < 3; i++) {
		int result = requests[i].request.result;

		/* an index that goes back hides answers, which are then missed in time */
		ck_assert(result == 0 || result == -EPROTO || result == -ETIMEDOUT);
		failed += result != 0;
	}
	ck_assert_msg(failed > 0 || fault.kind == SIM_TWICE || fault.kind == SIM_JUMP,
		      "%s was believed", ring_faults[number].what);
	assert_broken_then_restart();
}
END_TEST

/* A completion of nothing, on an idle queue. */
START_TEST(test_out_of_the_blue)
{
	struct vio_blk_request *done;

	open_some(_i);
	if (_i % 2) {
		sim_push_used(sim, 0, 0);
	} else {
		sim_jump_used(sim, 32768);
	}
	ck_assert_int_eq(vio_blk_wait(queue, BOUND_MS), 0);
	ck_assert_uint_eq(vio_blk_reap(queue, &done, 1), 0);
	assert_broken_then_restart();
}
END_TEST

/* A request that was submitted and not kicked comes back from a device that cannot know it. */
START_TEST(test_not_published)
{
	static uint8_t sectors[2][SECTOR];
	struct iovec iov = {sectors[1], SECTOR};
	struct vio_blk_request hidden = {.op = VIO_BLK_READ, .iov = &iov, .iov_count = 1};
	struct simple shown;
	uint64_t features;
	bool is_one;

	open_some(_i);
	sim_knobs(sim)->hold = true;
	ck_assert_int_eq(submit(&shown, VIO_BLK_READ, 0, sectors[0], SECTOR), 0);
	ck_assert_int_eq(vio_blk_submit(queue, &hidden), 0);
	/* its number: the first one took descriptor 0, or 0 to 2 */
	features = sim_accepted_features(sim);
	is_one = features & (BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_RING_F_INDIRECT_DESC));
	sim_push_used(sim, is_one ? 1 : 3, 0);
	reap(2);
	ck_assert_int_eq(shown.request.result, -EPROTO);
	ck_assert_int_eq(hidden.result, -EPROTO);
	sim_knobs(sim)->hold = false;
	vio_blk_kick(queue); /* too late: nothing may be published or notified */
	assert_broken_then_restart();
}
END_TEST

/* What came back in good order before the violation was good. */
START_TEST(test_good_before_bad)
{
	static uint8_t sectors[4][SECTOR];
	struct simple reads[4];

	open_some(_i);
	sim_fault(sim, (struct sim_fault){.kind = SIM_ID, .value = 999, .skip = 2, .times = 1});
	sim_knobs(sim)->hold = true;
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(submit(&reads[i], VIO_BLK_READ, (uint64_t)i, sectors[i], SECTOR),
				 0);
	}
	sim_release(sim);
	reap(4);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(reads[i].request.result, i < 2 ? 0 : -EPROTO);
	}
	ck_assert_mem_eq(sectors, sim_disk(sim), 2 * SECTOR);
	assert_broken_then_restart();
}
END_TEST

/* A large request in many parts, of which some wait for room, ends as one. */
START_TEST(test_large_request_breaks)
{
	struct sim_options o = sim_defaults();
	struct vio_blk_options wish = {.queue_size = 8};
	static uint8_t foreign[200 * SECTOR];
	struct simple large;

	o.flavour = SIM_TRACKED;
	o.features |= ring_features(_i);
	o.config.seg_max = htole32(1);
	o.config.size_max = htole32(512);
	o.features |= BIT(VIRTIO_BLK_F_SIZE_MAX);
	open_disk(&o, &wish);
	sim_fault(sim, (struct sim_fault){
			       .kind = SIM_ID_PLUS, .value = 8, .skip = (unsigned)_i, .times = 1});
	ck_assert_int_eq(
		submit(&large, _i % 2 ? VIO_BLK_WRITE : VIO_BLK_READ, 0, foreign, sizeof(foreign)),
		0);
	ck_assert_ptr_eq(reap(1), &large.request);
	ck_assert_int_eq(large.request.result, -EPROTO);
	ck_assert_uint_eq(large.request.parts_in_flight, 0);
	assert_broken_then_restart();
}
END_TEST

static const struct {
	struct sim_fault fault;
	int result;
	bool is_worth_a_line;
} status_faults[] = {
	{{.kind = SIM_STATUS, .value = VIRTIO_BLK_S_IOERR}, -EIO, false},
	{{.kind = SIM_STATUS, .value = VIRTIO_BLK_S_UNSUPP}, -ENOTSUP, false},
	{{.kind = SIM_STATUS, .value = 3}, -EIO, true},
	{{.kind = SIM_STATUS, .value = 0x80}, -EIO, true},
	{{.kind = SIM_STATUS, .value = 0xfe}, -EIO, true},
	{{.kind = SIM_STATUS, .value = 0xff}, -EIO, true},
	{{.kind = SIM_NO_STATUS}, -EIO, true},
};

enum {
	STATUS_FAULTS = sizeof(status_faults) / sizeof(status_faults[0])
};

/* A3 rule 6: 0, 1 or 2; the rest is an error of this request, and said once. */
START_TEST(test_status)
{
	enum vio_blk_op op = ops[_i % OPS];
	uint8_t buffer[SECTOR];

	open_some(_i);
	sim_fault(sim, status_faults[_i / OPS].fault);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(run_one(op, 0, buffer, size_of(op)),
				 status_faults[_i / OPS].result);
	}
	sim_faults_clear(sim);
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], status_faults[_i / OPS].is_worth_a_line);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_GOOD);
	assert_works();
}
END_TEST

/* The blocking calls pass it on. */
START_TEST(test_status_blocking)
{
	uint8_t buffer[SECTOR];
	char id[VIO_BLK_ID_SIZE + 1];

	open_some(_i);
	sim_fault(sim, (struct sim_fault){.kind = SIM_STATUS, .value = VIRTIO_BLK_S_IOERR});
	ck_assert_int_eq(vio_blk_read(blk, 0, buffer, SECTOR), -EIO);
	ck_assert_int_eq(vio_blk_write(blk, 0, buffer, SECTOR), -EIO);
	ck_assert_int_eq(vio_blk_flush(blk), -EIO);
	ck_assert_int_eq(vio_blk_get_id(blk, id), -EIO);
	ck_assert_str_eq(id, "");
}
END_TEST

/* Known devices get the used length wrong: it is not believed and not minded. */
START_TEST(test_lengths)
{
	static const uint32_t lengths[] = {0, 1, SECTOR, SECTOR + 2, 1 << 30, UINT32_MAX};
	uint8_t buffer[SECTOR];

	open_some(_i);
	sim_fault(sim, (struct sim_fault){.kind = SIM_LENGTH, .value = lengths[_i]});
	ck_assert_int_eq(run_one(VIO_BLK_READ, 9, buffer, SECTOR), 0);
	ck_assert_mem_eq(buffer, sim_disk(sim) + 9 * SECTOR, SECTOR);
	ck_assert_int_eq(run_one(VIO_BLK_WRITE, 10, buffer, SECTOR), 0);
	ck_assert_mem_eq(buffer, sim_disk(sim) + 10 * SECTOR, SECTOR);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_GOOD);
}
END_TEST

/* A3 rule 14: a device that says "done" and wrote nothing shows zeros, not other people's data. */
START_TEST(test_no_old_data)
{
	static const uint8_t zeros[4096];
	uint8_t secret[4096], buffer[4096];

	open_some(_i);
	memset(secret, 0x5e, sizeof(secret));
	for (int i = 0; i < 40; i++) {
		must(vio_blk_write(blk, 0, secret, sizeof(secret)) == 0);
	}
	sim_fault(sim, (struct sim_fault){.kind = SIM_NO_DATA});
	memset(buffer, 0x11, sizeof(buffer));
	ck_assert_int_eq(run_one(VIO_BLK_READ, 0, buffer, sizeof(buffer)), 0);
	ck_assert_mem_eq(buffer, zeros, sizeof(buffer));
	ck_assert_int_eq(run_one(VIO_BLK_GET_ID, 0, buffer, VIO_BLK_ID_SIZE), 0);
	ck_assert_mem_eq(buffer, zeros, VIO_BLK_ID_SIZE);
}
END_TEST

/* A failed read leaves the caller's memory alone if it was copied. */
START_TEST(test_failed_read_copies_nothing)
{
	uint8_t before[SECTOR], buffer[SECTOR];

	open_some(_i);
	fill(before, sizeof(before), 50);
	memcpy(buffer, before, sizeof(before));
	sim_fault(sim, (struct sim_fault){.kind = SIM_STATUS, .value = VIRTIO_BLK_S_IOERR});
	ck_assert_int_eq(run_one(VIO_BLK_READ, 0, buffer, SECTOR), -EIO);
	ck_assert_mem_eq(buffer, before, SECTOR);
}
END_TEST

/* A3 rule 5: the id is looked at once, so that it cannot change between check and use. */
struct flipper {
	uint32_t *id;
	bool stop;
};

static void *flip(void *argument)
{
	struct flipper *flipper = argument;

	while (!__atomic_load_n(&flipper->stop, __ATOMIC_RELAXED)) {
		__atomic_store_n(flipper->id, htole32(0), __ATOMIC_RELAXED);
		__atomic_store_n(flipper->id, htole32(0x7fffffff), __ATOMIC_RELAXED);
	}
	return NULL;
}

START_TEST(test_read_once)
{
	enum {
		SIZE = 4
	};
	struct vio_segment segment = {{0x1000}, 1};
	struct flipper flipper = {.stop = false};
	uint8_t *used;
	struct vio_queue_used out = {0};
	unsigned good = 0, bad = 0;
	pthread_t thread;

	open_ring_of(0, SIZE, 4);
	used = device.device_area;
	flipper.id = (uint32_t *)(void *)(used + 4);
	ck_assert_int_eq(pthread_create(&thread, NULL, flip, &flipper), 0);
	for (int i = 0; i < 2000000 && (good < 20000 || bad < 20000); i++) {
		int id = queue_add(&ours, &segment, 0, 1);

		must(id >= 0);
		ring_publish();
		__atomic_store_n((uint16_t *)(void *)(used + 2), htole16(1), __ATOMIC_RELEASE);
		if (vio_queue_reap(&ours, &out, 1) == 1) {
			must(out.id == id);
			good++;
		} else {
			must(ours.ring.fault[0] != '\0');
			bad++;
		}
		/* all but the flipping field: as ring_clear() */
		while (ring_take(&ours.ring) >= 0) {
		}
		ours.ring.next_used = 0;
		ours.ring.free_count = SIZE;
		ours.ring.fault[0] = '\0';
	}
	__atomic_store_n(&flipper.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	close_ring();
}
END_TEST

Suite *ring_faults_suite(void)
{
	Suite *suite = suite_create("ring_faults");
	TCase *tcase = tcase_create("ring");

	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_loop_test(tcase, test_ring_faults, 0, RING_FAULT_TESTS);
	tcase_add_loop_test(tcase, test_out_of_the_blue, 0, 48);
	tcase_add_loop_test(tcase, test_not_published, 0, 48);
	tcase_add_loop_test(tcase, test_good_before_bad, 0, 48);
	tcase_add_loop_test(tcase, test_large_request_breaks, 0, 16);
	tcase_add_test(tcase, test_read_once);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("status and data");
	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_loop_test(tcase, test_status, 0, STATUS_FAULTS * OPS);
	tcase_add_loop_test(tcase, test_status_blocking, 0, 3);
	tcase_add_loop_test(tcase, test_lengths, 0, 6);
	tcase_add_loop_test(tcase, test_no_old_data, 0, 3);
	tcase_add_loop_test(tcase, test_failed_read_copies_nothing, 0, 3);
	suite_add_tcase(suite, tcase);
	return suite;
}
