/* SPDX-License-Identifier: BSD-3-Clause */
/* What the block class holds, what it does when that runs out, and what it gives back. */
#include "fixture.h"

/* The queue is full, says so, and goes on when it is not. */
START_TEST(test_full_queue)
{
	struct vio_blk_options wish = {.queue_size = 16};
	struct sim_options o = options_of(_i);
	struct simple reads[17];
	uint8_t *buffer;
	unsigned n = 0;
	int rc;

	open_disk(&o, &wish);
	buffer = vio_blk_alloc(blk, sizeof(reads) / sizeof(reads[0]) * SECTOR);
	sim_knobs(sim)->hold = true;
	do {
		rc = submit(&reads[n], VIO_BLK_READ, n, buffer + n * SECTOR, SECTOR);
		n += rc == 0;
	} while (rc == 0);
	ck_assert_int_eq(rc, -EAGAIN);
	/* of three descriptors each, or of one table */
	ck_assert_uint_eq(n, o.features & BIT(VIRTIO_RING_F_INDIRECT_DESC) ? 16 : 5);
	ck_assert_uint_eq(vio_blk_in_flight(queue), n);
	sim_release(sim);
	reap(n);
	ck_assert_mem_eq(buffer, sim_disk(sim), n * SECTOR);
	ck_assert_int_eq(run_one(VIO_BLK_READ, 0, buffer, SECTOR), 0);
	vio_blk_free(blk, buffer, sizeof(reads) / sizeof(reads[0]) * SECTOR);
}
END_TEST

/* More than the ring holds at once: it waits its turn, and the others wait for it. */
START_TEST(test_larger_than_the_queue)
{
	struct vio_blk_options wish = {.queue_size = 8, .bounce_size = 64 << 10};
	struct sim_options o = options_of(_i);
	static uint8_t foreign[512 << 10];
	struct simple large, small;
	uint8_t sector[SECTOR];

	o.config.seg_max = htole32(2);
	open_disk(&o, &wish);
	fill(foreign, sizeof(foreign), 30);
	ck_assert_int_eq(submit(&large, VIO_BLK_WRITE, 100, foreign, sizeof(foreign)), 0);
	ck_assert_int_eq(submit(&small, VIO_BLK_READ, 0, sector, SECTOR), -EAGAIN);
	ck_assert_ptr_eq(reap(1), &large.request);
	ck_assert_int_eq(large.request.result, 0);
	ck_assert_mem_eq(sim_disk(sim) + 100 * SECTOR, foreign, sizeof(foreign));
	ck_assert_int_eq(run_one(VIO_BLK_READ, 0, sector, SECTOR), 0);
}
END_TEST

/* Foreign buffers are limited by the memory for copies, not only by the ring. */
START_TEST(test_bounce_runs_out)
{
	struct vio_blk_options wish = {.bounce_size = 64 << 10};
	struct sim_options o = options_of(_i);
	struct simple reads[3];
	static uint8_t foreign[3][SECTOR];
	void *own;

	open_disk(&o, &wish);
	own = vio_blk_alloc(blk, SECTOR);
	sim_knobs(sim)->hold = true;
	ck_assert_int_eq(submit(&reads[0], VIO_BLK_READ, 0, foreign[0], SECTOR), 0);
	ck_assert_int_eq(submit(&reads[1], VIO_BLK_READ, 1, foreign[1], SECTOR), 0);
	ck_assert_int_eq(submit(&reads[2], VIO_BLK_READ, 2, foreign[2], SECTOR), -EAGAIN);
	ck_assert_int_eq(submit(&reads[2], VIO_BLK_READ, 2, own, SECTOR), 0);
	sim_release(sim);
	reap(3);
	ck_assert_mem_eq(foreign, sim_disk(sim), 2 * SECTOR);
	ck_assert_mem_eq(own, sim_disk(sim) + 2 * SECTOR, SECTOR);
	vio_blk_free(blk, own, SECTOR);
}
END_TEST

/* Dropped, not leaked, and the device is reset before the memory goes. */
START_TEST(test_close_in_flight)
{
	struct sim_options o = sim_defaults();
	struct simple reads[2];
	static uint8_t foreign[SECTOR];

	open_disk(&o, NULL);
	sim_knobs(sim)->hold = true;
	ck_assert_int_eq(submit(&reads[0], VIO_BLK_READ, 0, foreign, SECTOR), 0);
	ck_assert_int_eq(submit(&reads[1], VIO_BLK_WRITE, 0, foreign, SECTOR), 0);
	vio_blk_close(blk);
	blk = NULL;
	ck_assert_uint_eq(sim_status(sim), 0);
	ck_assert_uint_eq(sim_pool_pieces(sim_pool(sim)), 0);
}
END_TEST

START_TEST(test_options)
{
	static const struct vio_blk_options bad[] = {
		{.queue_size = 3},        {.queue_size = 1},       {.queue_size = 65535},
		{.timeout_ms = 99},       {.timeout_ms = 3600001}, {.bounce_size = 65535},
		{.bounce_size = 1 << 27},
	};
	struct sim_options o = sim_defaults();

	open_sim(&o);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(vio_blk_open(&blk, sim_transport(sim), &bad[i], &err), -EINVAL);
		ck_assert_ptr_null(blk);
	}
	ck_assert_uint_eq(sim_counts(sim).resets, 0);
}
END_TEST

/* Each allocation in turn fails; nothing may be left over. */
START_TEST(test_no_memory)
{
	struct sim_options o = sim_defaults();
	int rc;
	unsigned n = 0;

	open_sim(&o);
	do {
		sim_pool_starve(sim_pool(sim), n++, 1);
		rc = vio_blk_open(&blk, sim_transport(sim), NULL, &err);
		must(rc == 0 || (rc == -ENOMEM && blk == NULL));
		must(rc == 0 || sim_pool_pieces(sim_pool(sim)) == 0);
	} while (rc < 0);
	ck_assert_uint_gt(n, 3);
	ck_assert_ptr_null(vio_blk_alloc(blk, (size_t)1 << 30));
	assert_works();
}
END_TEST

/* Memory in pieces too small for a ring or a copy is refused, not misused. */
START_TEST(test_small_pieces)
{
	struct sim_options o = sim_defaults();

	o.pool_page = 16384;
	ck_assert_int_eq(try_open_disk(&o), -ENOTSUP);
	ck_assert_uint_eq(sim_pool_pieces(sim_pool(sim)), 0);
}
END_TEST

Suite *blk_resources_suite(void)
{
	Suite *suite = suite_create("blk_resources");
	TCase *tcase = tcase_create("resources");

	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_loop_test(tcase, test_full_queue, 0, KINDS);
	tcase_add_loop_test(tcase, test_larger_than_the_queue, 0, KINDS);
	tcase_add_loop_test(tcase, test_bounce_runs_out, 0, KINDS);
	tcase_add_test(tcase, test_close_in_flight);
	tcase_add_test(tcase, test_options);
	tcase_add_test(tcase, test_no_memory);
	tcase_add_test(tcase, test_small_pieces);
	suite_add_tcase(suite, tcase);
	return suite;
}
