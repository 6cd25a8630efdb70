/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What follows a failure: a reset that is confirmed, late, or never; memory that
 * must not be used again; restarts that work and restarts that do not. Rules 9
 * and 11 of our list.
 */
#include "fixture.h"

#include <linux/virtio_config.h>

enum {
	BOUND_MS = 3000, /* far above every limit set here */
	TIMEOUT_MS = 100,
};

static void open_impatient(const struct sim_options *options)
{
	const struct vio_blk_options wish = {.timeout_ms = TIMEOUT_MS};

	open_disk(options, &wish);
}

/*
 * A3 rules 9 and 11: the device does not confirm its reset, and writes into our
 * memory long after we gave up. It must hit memory that nobody uses again.
 */
START_TEST(test_quarantine)
{
	struct sim_options o = sim_defaults();
	static uint8_t foreign[SECTOR], before[SECTOR];
	struct simple reads[2], hidden;
	uint8_t *buffer, *other;
	unsigned pieces;
	uint64_t start;

	open_impatient(&o);
	fill(before, SECTOR, 60);
	memcpy(foreign, before, SECTOR);
	buffer = vio_blk_alloc(blk, SECTOR);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DROP});
	ck_assert_int_eq(submit(&reads[0], VIO_BLK_READ, 1, buffer, SECTOR), 0);
	ck_assert_int_eq(submit(&reads[1], VIO_BLK_READ, 2, foreign, SECTOR), 0);
	pieces = sim_pool_pieces(sim_pool(sim));
	stop_resetting();
	start = now_ms();
	reap(2);
	ck_assert_uint_lt(now_ms() - start, BOUND_MS);
	ck_assert_int_eq(reads[0].request.result, -ETIMEDOUT);
	ck_assert_int_eq(reads[1].request.result, -ETIMEDOUT);
	ck_assert(sim_transport(sim)->dma->quarantined);
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], 2); /* what happened, and that it is worse */
	assert_failed(VIO_BLK_LOST);
	ck_assert_int_eq(vio_blk_restart(blk, &err), -EINVAL);
	ck_assert_int_eq(submit(&hidden, VIO_BLK_READ, 0, foreign, SECTOR), -EIO);

	vio_blk_free(blk, buffer, SECTOR);
	other = vio_blk_alloc(blk, SECTOR);
	ck_assert_msg(other && other != buffer, "memory in quarantine was given out again");
	ck_assert_uint_ge(sim_late_dma(sim), 2 * SECTOR + 2);
	ck_assert_mem_eq(buffer, sim_disk(sim) + SECTOR, SECTOR); /* it did happen */
	ck_assert_mem_eq(foreign, before, SECTOR);                /* and not here */

	vio_blk_close(blk);
	blk = NULL;
	ck_assert_uint_eq(sim_pool_pieces(sim_pool(sim)), pieces + 1);
	ck_assert_uint_ge(sim_late_dma(sim), 2 * SECTOR + 2);
}
END_TEST

/* Where the machine can keep the device from memory, that is done; and only then. */
START_TEST(test_cut_off)
{
	struct sim_options o = sim_defaults();
	struct simple read;
	uint8_t *buffer;

	o.can_be_cut_off = true;
	open_impatient(&o);
	buffer = vio_blk_alloc(blk, SECTOR);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DROP});
	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 1, buffer, SECTOR), 0);
	ck_assert_int_eq(reap(1)->result, -ETIMEDOUT);
	ck_assert(!sim_is_cut_off(sim)); /* this reset was confirmed */
	ck_assert_int_eq(vio_blk_restart(blk, &err), 0);

	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 1, buffer, SECTOR), 0);
	stop_resetting();
	ck_assert_int_eq(reap(1)->result, -ETIMEDOUT);
	ck_assert(sim_is_cut_off(sim));
	ck_assert(sim_transport(sim)->dma->quarantined);
	ck_assert_uint_eq(sim_late_dma(sim), 0);
	vio_blk_free(blk, buffer, SECTOR);
}
END_TEST

/* Submitted before the failure, kicked after it: the device must not hear of it any more. */
START_TEST(test_late_kick)
{
	struct sim_options o = sim_defaults();
	static uint8_t foreign[SECTOR];
	struct iovec iov = {foreign, SECTOR};
	struct vio_blk_request request = {.op = VIO_BLK_WRITE, .iov = &iov, .iov_count = 1};

	open_disk(&o, NULL);
	ck_assert_int_eq(vio_blk_submit(queue, &request), 0);
	if (_i == 1) {
		stop_resetting();
	}
	sim_knobs(sim)->needs_reset = true;
	vio_blk_check(blk);
	ck_assert_int_eq(reap(1)->result, -EIO);
	vio_blk_kick(queue);
	vio_blk_close(blk);
	blk = NULL;
	ck_assert_uint_eq(sim_counts(sim).notifications, 0);
	ck_assert_uint_eq(sim_counts(sim).requests[VIRTIO_BLK_T_OUT], 0);
}
END_TEST

START_TEST(test_slow_reset)
{
	struct sim_options o = options_of(_i);
	uint8_t sector[SECTOR];

	open_impatient(&o);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DROP, .times = 1});
	sim_knobs(sim)->slow_reset = 20;
	ck_assert_int_eq(run_one(VIO_BLK_READ, 0, sector, SECTOR), -ETIMEDOUT);
	ck_assert_uint_eq(sim_knobs(sim)->slow_reset, 0);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_FAILED);
	assert_restarts();
}
END_TEST

START_TEST(test_close_without_confirmation)
{
	struct sim_options o = sim_defaults();
	unsigned pieces;
	uint64_t start;

	open_disk(&o, NULL);
	pieces = sim_pool_pieces(sim_pool(sim));
	sim_knobs(sim)->gone = _i == 1;
	if (_i == 0) {
		stop_resetting();
	}
	start = now_ms();
	vio_blk_close(blk);
	blk = NULL;
	ck_assert_uint_lt(now_ms() - start, BOUND_MS);
	ck_assert_uint_eq(sim_pool_pieces(sim_pool(sim)), pieces);
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], 1);
}
END_TEST

START_TEST(test_restart_needs_failure)
{
	struct sim_options o = sim_defaults();
	static uint8_t foreign[SECTOR];
	struct simple read;
	struct vio_blk_request *done;

	open_disk(&o, NULL);
	ck_assert_int_eq(vio_blk_restart(blk, &err), -EINVAL);
	sim_knobs(sim)->hold = true;
	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 0, foreign, SECTOR), 0);
	sim_knobs(sim)->needs_reset = true;
	vio_blk_check(blk);
	sim_knobs(sim)->hold = false;
	ck_assert_int_eq(vio_blk_restart(blk, &err), -EAGAIN); /* not reaped */
	ck_assert_uint_eq(vio_blk_reap(queue, &done, 1), 1);
	assert_restarts();
}
END_TEST

static void break_device(void)
{
	sim_knobs(sim)->needs_reset = true;
	ck_assert_uint_eq(vio_blk_check(blk), VIO_EVENT_NEEDS_RESET);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_FAILED);
}

/* Each way in which a restart may fail, and then the restart that does not. */
START_TEST(test_restart_fails)
{
	struct sim_options o = sim_defaults();
	struct virtio_blk_config config = o.config;
	struct sim_knobs *knobs;
	static const int expected[] = {-ENOTSUP, -EPROTO, -EPROTO, -EPROTO, -EPROTO, -ENOTSUP};

	open_disk(&o, NULL);
	knobs = sim_knobs(sim);
	break_device();
	switch (_i) {
	case 0:
		knobs->refuse_features = true;
		break;
	case 1:
		knobs->refuse_start = true;
		break;
	case 2:
		sim_offer(sim, o.features & ~BIT(VIRTIO_BLK_F_FLUSH));
		break;
	case 3:
		config.blk_size = htole32(4096);
		sim_set_config(sim, &config, false);
		break;
	case 4:
		knobs->queue_max = 128;
		break;
	default:
		sim_offer(sim, o.features & ~BIT(VIRTIO_F_VERSION_1));
	}
	ck_assert_int_eq(vio_blk_restart(blk, &err), expected[_i]);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_FAILED);
	ck_assert_uint_eq(sim_status(sim), 0);
	ck_assert_int_eq(vio_blk_restart(blk, &err), expected[_i]);

	knobs->refuse_features = false;
	knobs->refuse_start = false;
	knobs->queue_max = 0;
	sim_offer(sim, o.features);
	sim_set_config(sim, &o.config, false);
	assert_restarts();
}
END_TEST

START_TEST(test_restart_loses)
{
	struct sim_options o = sim_defaults();

	open_disk(&o, NULL);
	break_device();
	if (_i == 0) {
		stop_resetting();
	} else {
		sim_knobs(sim)->gone = true;
	}
	ck_assert_int_lt(vio_blk_restart(blk, &err), 0);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_LOST);
	ck_assert(sim_transport(sim)->dma->quarantined);
}
END_TEST

/* Again and again, in the middle of work, without anything wearing out. */
START_TEST(test_many_restarts)
{
	struct sim_options o = options_of(_i);
	static uint8_t foreign[8][SECTOR];
	struct simple reads[8];
	enum sim_fault_kind other = SIM_JUMP;
	unsigned pieces;

	open_disk(&o, NULL);
	if (sim_accepted_features(sim) & BIT(VIRTIO_F_RING_PACKED)) {
		other = SIM_ID; /* there is no index */
	}
	pieces = sim_pool_pieces(sim_pool(sim));
	for (unsigned round = 0; round < 30; round++) {
		sim_fault(sim, (struct sim_fault){.kind = round % 2 ? SIM_ID_PLUS : other,
						  .value = 4096,
						  .skip = round % 8,
						  .times = 1});
		for (int i = 0; i < 8; i++) {
			must(submit(&reads[i], VIO_BLK_READ, (uint64_t)i, foreign[i], SECTOR) ==
				     0 ||
			     vio_blk_health(blk) != VIO_BLK_GOOD);
		}
		reap(vio_blk_in_flight(queue));
		while (vio_blk_health(blk) == VIO_BLK_GOOD) {
			struct vio_blk_request *done;

			must(vio_blk_wait(queue, BOUND_MS) == 0);
			vio_blk_reap(queue, &done, 1);
		}
		assert_restarts();
	}
	ck_assert_uint_eq(sim_pool_pieces(sim_pool(sim)), pieces);
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], 30);
}
END_TEST

Suite *reset_faults_suite(void)
{
	Suite *suite = suite_create("reset_faults");
	TCase *tcase = tcase_create("reset");

	tcase_set_timeout(tcase, 10);
	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_test(tcase, test_quarantine);
	tcase_add_test(tcase, test_cut_off);
	tcase_add_loop_test(tcase, test_late_kick, 0, 2);
	tcase_add_loop_test(tcase, test_slow_reset, 0, 3);
	tcase_add_loop_test(tcase, test_close_without_confirmation, 0, 2);
	tcase_add_test(tcase, test_restart_needs_failure);
	tcase_add_loop_test(tcase, test_restart_fails, 0, 6);
	tcase_add_loop_test(tcase, test_restart_loses, 0, 2);
	tcase_add_loop_test(tcase, test_many_restarts, 0, KINDS);
	suite_add_tcase(suite, tcase);
	return suite;
}
