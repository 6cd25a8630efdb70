/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk over a simulated device: what is special about single requests. The rest is in
 * test_disk_load.c. */
#include "disk_fixture.h"

#include "partition.h"

enum {
	TIMEOUT_MS = 150,
	BYTES = 2048 * 512, /* of the simulated disk */
	JOBS = 400,
};

static struct job jobs[JOBS];
static uint8_t buffers[JOBS][SECTOR];

static void open_small(uint16_t queue_size, uint32_t timeout_ms)
{
	const struct vio_blk_options wish = {.queue_size = queue_size, .timeout_ms = timeout_ms};
	struct sim_options o = sim_defaults();

	open_block(&o, &wish);
}

START_TEST(test_any_alignment)
{
	static const struct {
		uint64_t offset;
		size_t size;
	} ranges[] = {
		{0, 4096},    {8192, 65536}, {0, 1},           {511, 2},       {4095, 4098},
		{5000, 3000}, {100, 300000}, {131072, 131073}, {BYTES - 1, 1}, {0, DEVB_IO_MAX},
	};
	static uint8_t model[BYTES], buffer[BYTES];
	struct sim_options o = options_of(_i);

	o.config.blk_size = htole32(_i < KINDS ? 512 : 4096);
	open_block(&o, NULL);
	memcpy(model, sim_disk(sim), BYTES);
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		uint8_t *at = model + ranges[i].offset;

		fill(at, ranges[i].size, 100 + i);
		ck_assert_int_eq(run_job(DEVB_WRITE, ranges[i].offset, at, ranges[i].size), 0);
		ck_assert_mem_eq(sim_disk(sim), model, BYTES);
		memset(buffer, 0, sizeof(buffer));
		ck_assert_int_eq(run_job(DEVB_READ, ranges[i].offset, buffer, ranges[i].size), 0);
		ck_assert_mem_eq(buffer, at, ranges[i].size);
	}
}
END_TEST

static void refuse(enum devb_op op, uint64_t offset, size_t size, int rc)
{
	struct job job;

	ck_assert_int_eq(start_job(&job, op, offset, buffers, size), rc);
	ck_assert_uint_eq(devb_disk_in_flight(disk_queue), 0);
	devb_disk_poll(disk_queue);
	ck_assert_uint_eq(job.times, 0);
}

START_TEST(test_refused)
{
	open_small(0, 0);
	refuse(DEVB_READ, BYTES, 1, -ENOSPC);
	refuse(DEVB_READ, BYTES - 1, 2, -ENOSPC);
	refuse(DEVB_WRITE, BYTES - 512, 1024, -ENOSPC);
	refuse(DEVB_READ, UINT64_MAX, 1, -ENOSPC);
	refuse(DEVB_READ, UINT64_MAX - 511, 512, -ENOSPC);
	refuse(DEVB_WRITE, UINT64_MAX - 511, 1024, -ENOSPC);
	refuse(DEVB_READ, 0, 0, -EINVAL);
	refuse(DEVB_READ, 0, DEVB_IO_MAX + 1, -EINVAL);
	refuse(DEVB_READ, 0, SIZE_MAX, -EINVAL);
}
END_TEST

START_TEST(test_read_only)
{
	const struct vio_blk_options wish = {.read_only = true};
	struct sim_options o = sim_defaults();

	open_block(&o, &wish);
	ck_assert(devb_disk_block(disk)->read_only);
	refuse(DEVB_WRITE, 0, 512, -EROFS);
	refuse(DEVB_WRITE, 3, 5, -EROFS);
	ck_assert_int_eq(run_job(DEVB_READ, 3, buffers, 5), 0);
	ck_assert_mem_eq(buffers, sim_disk(sim) + 3, 5);
}
END_TEST

/* With FLUSH; without a cache; with a cache that cannot be flushed. */
START_TEST(test_flush)
{
	static const int expected[] = {0, 0, -ENOTSUP};
	struct sim_options o = sim_defaults();

	if (_i > 0) {
		o.features &= ~BIT(VIRTIO_BLK_F_FLUSH);
	}
	if (_i == 2) {
		o.features |= BIT(VIRTIO_BLK_F_CONFIG_WCE);
		o.config.wce = 1;
	}
	open_block(&o, NULL);
	ck_assert_int_eq(run_job(DEVB_FLUSH, 0, NULL, 0), expected[_i]);
	ck_assert_uint_eq(sim_counts(sim).requests[VIRTIO_BLK_T_FLUSH], _i == 0);
}
END_TEST

/* Every fifth one unaligned: those wait for each other. */
static void start_many_reads(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		size_t size = i % 5 ? SECTOR : 100 + i;

		size = size > SECTOR ? SECTOR : size;
		must(start_job(&jobs[i], DEVB_READ, i * SECTOR, buffers[i], size) == 0);
	}
}

/* More than the queue takes, and more than the disk has requests for. */
START_TEST(test_queue_full)
{
	open_small(_i == 0 ? 4 : 256, 0);
	sim_knobs(sim)->hold = true;
	start_many_reads(JOBS);
	ck_assert_uint_eq(devb_disk_in_flight(disk_queue), JOBS);
	ck_assert_uint_eq(devb_disk_poll(disk_queue), 0);
	sim_knobs(sim)->shuffle = true;
	sim_release(sim);
	drain(PATIENCE_MS);
	for (unsigned i = 0; i < JOBS; i++) {
		must(jobs[i].times == 1 && jobs[i].result == 0);
		must(memcmp(buffers[i], sim_disk(sim) + i * SECTOR, jobs[i].io.size) == 0);
	}
}
END_TEST

/* What only the next poll can begin or end: a loop may not sleep on it. */
START_TEST(test_arm)
{
	struct sim_options o = sim_defaults();

	o.interrupts = true;
	o.features &= ~BIT(VIRTIO_BLK_F_FLUSH);
	open_block(&o, NULL);
	ck_assert(!devb_disk_wait_arm(disk_queue));
	ck_assert_int_eq(start_job(&jobs[0], DEVB_FLUSH, 0, NULL, 0), 0);
	ck_assert(devb_disk_wait_arm(disk_queue));
	drain(PATIENCE_MS);
	ck_assert(!devb_disk_wait_arm(disk_queue));
	ck_assert_int_eq(start_job(&jobs[0], DEVB_WRITE, 1, buffers, 1), 0);
	ck_assert(devb_disk_wait_arm(disk_queue));
	drain(PATIENCE_MS);
	ck_assert(!devb_disk_wait_arm(disk_queue));
}
END_TEST

/* The contract lets done() submit the next one. */
static void next_of_chain(struct devb_io *io, int result)
{
	struct job *job = (struct job *)io;

	finish_job(io, result);
	must(result == 0);
	if (job->io.offset < 100 * 300) {
		io->offset += 300;
		must(resubmit_job(job) == 0);
	}
}

START_TEST(test_submit_from_done)
{
	struct job job = {.io = {.op = _i ? DEVB_READ : DEVB_WRITE,
				 .size = 300,
				 .buffer = buffers,
				 .done = next_of_chain}};

	open_small(0, 0);
	fill(buffers, 300, 7);
	ck_assert_int_eq(resubmit_job(&job), 0);
	drain(PATIENCE_MS);
	ck_assert_uint_eq(job.times, 101);
	ck_assert_mem_eq(sim_disk(sim) + 100 * 300, buffers, 300);
}
END_TEST

/* Which request of the device fails, and how much of the write happened before. */
static const struct failure {
	enum devb_op op;
	uint64_t offset;
	size_t size;
	uint32_t only; /* as in struct sim_fault */
	unsigned skip;
	unsigned reads, writes; /* that the device sees */
} failures[] = {
	{DEVB_READ, 0, 512, VIRTIO_BLK_T_IN + 1, 0, 1, 0},
	{DEVB_WRITE, 0, 512, VIRTIO_BLK_T_OUT + 1, 0, 0, 1},
	{DEVB_FLUSH, 0, 0, VIRTIO_BLK_T_FLUSH + 1, 0, 0, 0},
	{DEVB_READ, 5, 600, VIRTIO_BLK_T_IN + 1, 0, 1, 0},
	{DEVB_WRITE, 5, 600, VIRTIO_BLK_T_IN + 1, 0, 1, 0},
	{DEVB_WRITE, 5, 600, VIRTIO_BLK_T_OUT + 1, 0, 1, 1},
	{DEVB_READ, 5, 300000, VIRTIO_BLK_T_IN + 1, 1, 2, 0},
	{DEVB_WRITE, 5, 300000, VIRTIO_BLK_T_IN + 1, 2, 3, 2},
	{DEVB_WRITE, 5, 300000, VIRTIO_BLK_T_OUT + 1, 1, 2, 2},
};

enum {
	FAILURES = sizeof(failures) / sizeof(failures[0])
};

START_TEST(test_error)
{
	const struct failure *f = &failures[_i];
	static uint8_t buffer[300000];
	struct sim_counts counts;

	open_small(0, 0);
	sim_fault(sim, (struct sim_fault){.kind = SIM_STATUS,
					  .value = VIRTIO_BLK_S_IOERR,
					  .only = f->only,
					  .skip = f->skip,
					  .times = 1});
	ck_assert_int_eq(run_job(f->op, f->offset, buffer, f->size), -EIO);
	counts = sim_counts(sim);
	ck_assert_uint_eq(counts.requests[VIRTIO_BLK_T_IN], f->reads);
	ck_assert_uint_eq(counts.requests[VIRTIO_BLK_T_OUT], f->writes);
	ck_assert_int_eq(run_job(f->op, f->offset, buffer, f->size), 0);
}
END_TEST

/* A read-modify-write that fails takes nobody with it: who waits for it goes on. */
START_TEST(test_error_of_neighbour)
{
	static const uint64_t offsets[] = {10, 512, 600, 1000};
	static const size_t sizes[] = {600, 512, 20, 20};

	open_small(0, 0);
	sim_fault(sim,
		  (struct sim_fault){.kind = SIM_STATUS, .value = VIRTIO_BLK_S_IOERR, .times = 1});
	fill(buffers, sizeof(buffers), 3);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(
			start_job(&jobs[i], DEVB_WRITE, offsets[i], buffers[4 * i], sizes[i]), 0);
		devb_disk_poll(disk_queue);
	}
	drain(PATIENCE_MS);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_eq(jobs[i].times, 1);
		ck_assert_int_eq(jobs[i].result, i == 0 ? -EIO : 0);
	}
	ck_assert_mem_eq(sim_disk(sim) + 1000, buffers[12], 20);
}
END_TEST

/* Aligned and not, at the device, waiting for room, and waiting for each other. */
static void start_mixture(void)
{
	for (unsigned i = 0; i < 48; i++) {
		must(start_job(&jobs[i], i % 2 ? DEVB_WRITE : DEVB_READ, (i / 3) * 512 + i % 3 * 7,
			       buffers[i], i % 3 ? 300 : 512) == 0);
		if (i % 4 == 0) {
			devb_disk_poll(disk_queue);
		}
	}
}

static void assert_all_failed(void)
{
	for (unsigned i = 0; i < 48; i++) {
		must(jobs[i].times == 1);
		must(jobs[i].result == -ETIMEDOUT || jobs[i].result == -EIO);
	}
}

START_TEST(test_deadline)
{
	open_small(_i == 0 ? 0 : 4, TIMEOUT_MS);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DROP});
	start_mixture();
	drain(TICK_MS);
	assert_all_failed();
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_FAILED);
	ck_assert(!devb_disk_is_lost(disk));
	refuse(DEVB_READ, 0, 512, -EIO);
	refuse(DEVB_FLUSH, 0, 0, -EIO);
	sim_faults_clear(sim);
	devb_disk_tick(disk);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_GOOD);
	fill(buffers, 700, 9);
	ck_assert_int_eq(run_job(DEVB_WRITE, 1, buffers, 700), 0);
	ck_assert_mem_eq(sim_disk(sim) + 1, buffers, 700);
	ck_assert_int_eq(run_job(DEVB_FLUSH, 0, NULL, 0), 0);
}
END_TEST

START_TEST(test_lost)
{
	open_small(_i == 0 ? 0 : 4, TIMEOUT_MS);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DROP});
	start_mixture();
	stop_resetting();
	drain(TICK_MS);
	assert_all_failed();
	ck_assert(devb_disk_is_lost(disk));
	devb_disk_tick(disk);
	ck_assert(devb_disk_is_lost(disk));
	refuse(DEVB_READ, 0, 512, -EIO);
	ck_assert(!devb_disk_wait_arm(disk_queue));
}
END_TEST

/* A device that fails again and again is left alone, one that works is forgiven. */
START_TEST(test_restarts)
{
	open_small(0, 0);
	for (unsigned i = 0; i < 12; i++) {
		sim_knobs(sim)->needs_reset = true;
		devb_disk_tick(disk);
		ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_FAILED);
		devb_disk_tick(disk);
		ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_GOOD);
		ck_assert_int_eq(run_job(DEVB_READ, 0, buffers, 512), 0);
	}
	sim_knobs(sim)->needs_reset = true;
	devb_disk_tick(disk);
	sim_knobs(sim)->refuse_start = true;
	for (unsigned i = 0; i < 12; i++) {
		devb_disk_tick(disk);
	}
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], 13 + 5);
	refuse(DEVB_READ, 0, 512, -EIO);
}
END_TEST

static struct devb_partition partition;

static int run_in_partition(uint64_t offset)
{
	struct job job = {.io = {.op = DEVB_READ,
				 .offset = offset,
				 .size = 512,
				 .buffer = buffers,
				 .done = finish_job}};
	int rc = devb_block_submit(&partition.block, &job.io);

	if (rc < 0) {
		return rc;
	}
	drain(PATIENCE_MS);
	return job.result;
}

START_TEST(test_resize)
{
	open_small(0, 0);
	devb_partition_init(&partition, devb_disk_block(disk), BYTES / 4, BYTES / 2);
	sim_resize(sim, 1024);
	ck_assert(devb_disk_tick(disk));
	ck_assert_uint_eq(devb_disk_block(disk)->size, BYTES / 2);
	refuse(DEVB_READ, BYTES / 2, 1, -ENOSPC);
	ck_assert_int_eq(run_job(DEVB_READ, BYTES / 2 - 1, buffers, 1), 0);
	ck_assert(!devb_disk_tick(disk));
	/* a partition keeps its size, and nothing of it lies behind the end of the disk */
	ck_assert_uint_eq(partition.block.size, BYTES / 2);
	ck_assert_int_eq(run_in_partition(BYTES / 4 - 512), 0);
	ck_assert_int_eq(run_in_partition(BYTES / 4 - 511), -ENOSPC);
	ck_assert_int_eq(run_in_partition(BYTES / 2 - 512), -ENOSPC);
	sim_resize(sim, 2048);
	ck_assert(devb_disk_tick(disk));
	ck_assert_int_eq(run_job(DEVB_WRITE, BYTES - 5, buffers, 5), 0);
	ck_assert_int_eq(run_in_partition(BYTES / 2 - 512), 0);
}
END_TEST

/* Read, write and flush in flight, then anything new: the reason reaches everybody. */
START_TEST(test_gone)
{
	struct sim_options o = options_of(_i);

	open_block(&o, NULL);
	sim_knobs(sim)->hold = true;
	start_mixture();
	ck_assert_int_eq(start_job(&jobs[48], DEVB_FLUSH, 0, NULL, 0), 0);
	sim_knobs(sim)->gone = true;
	drain(TICK_MS);
	for (unsigned i = 0; i <= 48; i++) {
		must(jobs[i].times == 1 && jobs[i].result == -ENODEV);
	}
	ck_assert(devb_disk_is_lost(disk));
	refuse(DEVB_READ, 0, 512, -ENODEV);
	refuse(DEVB_WRITE, 3, 5, -ENODEV);
	refuse(DEVB_FLUSH, 0, 0, -ENODEV);
	ck_assert(!devb_disk_tick(disk));
}
END_TEST

/* Told so while it still answers: it is not brought back. */
START_TEST(test_going)
{
	struct sim_options o = sim_defaults();

	o.interrupts = true;
	o.separate_events = true;
	open_block(&o, NULL);
	sim_announce(sim, VIO_EVENT_GONE);
	ck_assert(devb_disk_events_ack(disk));
	for (unsigned i = 0; i < 3; i++) {
		devb_disk_tick(disk);
		ck_assert(devb_disk_is_lost(disk));
		refuse(DEVB_READ, 0, 512, -ENODEV);
	}
}
END_TEST

static void open_returning(uint32_t timeout_ms)
{
	const struct vio_blk_options wish = {.timeout_ms = timeout_ms, .replay = true};
	struct sim_options o = sim_defaults();

	o.may_return = true;
	open_block(&o, &wish);
	sim_knobs(sim)->hold = true;
}

static void poll_for(uint64_t ms)
{
	uint64_t start = now_ms();

	while (now_ms() - start < ms) {
		devb_disk_poll(disk_queue);
		devb_disk_wait_arm(disk_queue);
	}
}

/* Whole blocks and others, before and after it went: all of them wait, and go on. */
START_TEST(test_away)
{
	unsigned before;

	open_returning(0);
	fill(buffers, sizeof(buffers), 12);
	for (unsigned i = 0; i < 40; i++) {
		if (i == 20) {
			devb_disk_poll(disk_queue);
			sim_leave(sim);
			devb_disk_tick(disk);
		}
		must(start_job(&jobs[i], DEVB_WRITE, i * 1024 + i % 3, buffers[i], SECTOR) == 0);
	}
	must(start_job(&jobs[40], DEVB_FLUSH, 0, NULL, 0) == 0);
	ck_assert_uint_eq(devb_disk_in_flight(disk_queue), 41);
	before = sim_counts(sim).resets;
	poll_for(500);
	/* after 10, 20, 40, 80, 160, 320 ms; each one ends with a reset */
	ck_assert_uint_ge(sim_counts(sim).resets - before, 3);
	ck_assert_uint_le(sim_counts(sim).resets - before, 8);
	ck_assert_uint_eq(devb_disk_in_flight(disk_queue), 41);
	ck_assert(!devb_disk_is_lost(disk));
	sim_set_config(sim,
		       &(struct virtio_blk_config){.capacity = htole64(1536),
						   .seg_max = htole32(126),
						   .blk_size = htole32(512)},
		       false);
	sim_return(sim);
	sim_release(sim);
	while (devb_disk_in_flight(disk_queue)) {
		poll_for(1);
	}
	for (unsigned i = 0; i <= 40; i++) {
		must(jobs[i].times == 1 && jobs[i].result == 0);
	}
	for (unsigned i = 0; i < 40; i++) {
		must(memcmp(sim_disk(sim) + i * 1024 + i % 3, buffers[i], SECTOR) == 0);
	}
	ck_assert_uint_eq(logged[VIO_LOG_WARN], 2); /* it went, it is back */
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], 0);
	ck_assert(devb_disk_tick(disk));
	ck_assert_uint_eq(devb_disk_block(disk)->size, 1536 * 512);
	ck_assert(!devb_disk_tick(disk));
}
END_TEST

START_TEST(test_away_for_too_long)
{
	uint64_t start = now_ms();

	open_returning(TIMEOUT_MS);
	start_mixture();
	sim_leave(sim);
	devb_disk_tick(disk);
	must(start_job(&jobs[48], DEVB_FLUSH, 0, NULL, 0) == 0);
	drain(TICK_MS);
	for (unsigned i = 0; i <= 48; i++) {
		must(jobs[i].times == 1 && jobs[i].result == -ETIMEDOUT);
	}
	ck_assert_uint_lt(now_ms() - start, 10 * TIMEOUT_MS); /* together, not one by one */
	ck_assert(!devb_disk_is_lost(disk));
	sim_return(sim);
	sim_release(sim);
	while (vio_blk_health(blk) != VIO_BLK_GOOD) {
		must(now_ms() - start < PATIENCE_MS);
		poll_for(1);
	}
	assert_works();
}
END_TEST

/* It comes back as something else: told once, and looked for again and again all the same. */
START_TEST(test_returns_as_another)
{
	open_returning(0);
	must(start_job(&jobs[0], DEVB_READ, 0, buffers, 4096) == 0);
	devb_disk_poll(disk_queue);
	sim_leave(sim);
	sim_offer(sim, BIT(VIRTIO_BLK_F_FLUSH));
	sim_return(sim);
	devb_disk_tick(disk);
	poll_for(300);
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], 1);
	ck_assert_ptr_nonnull(strstr(last_line, "tried again"));
	sim_offer(sim, sim_defaults().features);
	sim_release(sim);
	drain(TICK_MS);
	ck_assert_int_eq(jobs[0].result, 0);
}
END_TEST

static void add_failures(Suite *suite)
{
	TCase *tcase = tcase_create("failures");

	tcase_set_timeout(tcase, 10);
	tcase_add_checked_fixture(tcase, NULL, close_block);
	tcase_add_loop_test(tcase, test_error, 0, FAILURES);
	tcase_add_test(tcase, test_error_of_neighbour);
	tcase_add_loop_test(tcase, test_deadline, 0, 2);
	tcase_add_loop_test(tcase, test_lost, 0, 2);
	tcase_add_test(tcase, test_restarts);
	tcase_add_loop_test(tcase, test_gone, 0, KINDS);
	tcase_add_test(tcase, test_going);
	tcase_add_test(tcase, test_away);
	tcase_add_test(tcase, test_away_for_too_long);
	tcase_add_test(tcase, test_returns_as_another);
	suite_add_tcase(suite, tcase);
}

Suite *disk_suite(void)
{
	Suite *suite = suite_create("disk");
	TCase *tcase = tcase_create("requests");

	tcase_add_checked_fixture(tcase, NULL, close_block);
	tcase_add_loop_test(tcase, test_any_alignment, 0, 2 * KINDS);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_read_only);
	tcase_add_loop_test(tcase, test_flush, 0, 3);
	tcase_add_test(tcase, test_arm);
	tcase_add_loop_test(tcase, test_queue_full, 0, 2);
	tcase_add_loop_test(tcase, test_submit_from_done, 0, 2);
	tcase_add_test(tcase, test_resize);
	suite_add_tcase(suite, tcase);
	add_failures(suite);
	add_disk_load(suite);
	add_disk_zeroes(suite);
	return suite;
}
