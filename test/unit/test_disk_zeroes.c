/* SPDX-License-Identifier: BSD-3-Clause */
/* Zeroes that are not transferred. */
#include "disk_fixture.h"

enum {
	BYTES = 2048 * 512, /* of the simulated disk */
};

static struct sim_options with_zeroes(void)
{
	struct sim_options o = sim_defaults();

	o.features |= BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	o.config.max_write_zeroes_sectors = htole32(100);
	o.config.max_write_zeroes_seg = htole32(1);
	o.config.write_zeroes_may_unmap = 1;
	return o;
}

static int start_zeroes(struct job *job, uint64_t offset, size_t size, bool may_unmap)
{
	*job = (struct job){.io = {.op = DEVB_WRITE_ZEROES,
				   .offset = offset,
				   .size = size,
				   .may_unmap = may_unmap,
				   .done = finish_job}};
	return resubmit_job(job);
}

static int write_zeroes(uint64_t offset, size_t size, bool may_unmap)
{
	struct job job;
	int rc = start_zeroes(&job, offset, size, may_unmap);

	if (rc < 0) {
		return rc;
	}
	drain(PATIENCE_MS);
	must(job.times == 1);
	return job.result;
}

/* The whole of the disk in one request; and what is not for it. */
START_TEST(test_zeroes)
{
	static const uint8_t zeroes[BYTES];
	struct sim_options o = with_zeroes();

	open_block(&o, NULL);
	ck_assert_int_eq(write_zeroes(512, 512, false), 0);
	ck_assert_mem_eq(sim_disk(sim) + 512, zeroes, 512);
	ck_assert_int_ne(memcmp(sim_disk(sim), zeroes, 512), 0);
	ck_assert_int_ne(memcmp(sim_disk(sim) + 1024, zeroes, 512), 0);
	ck_assert_uint_eq(sim_counts(sim).unmaps, 0);
	ck_assert_int_eq(write_zeroes(100, 512, false), -EOPNOTSUPP);
	ck_assert_int_eq(write_zeroes(512, 100, false), -EOPNOTSUPP);
	ck_assert_int_eq(write_zeroes(BYTES - 512, 1024, false), -ENOSPC);
	ck_assert_int_eq(write_zeroes(0, BYTES, true), 0);
	ck_assert_mem_eq(sim_disk(sim), zeroes, BYTES);
	ck_assert_uint_eq(sim_counts(sim).unmaps, (BYTES / 512 + 99) / 100);
}
END_TEST

START_TEST(test_zeroes_refused)
{
	struct vio_blk_options options = {.read_only = true};
	struct sim_options o = with_zeroes();

	open_block(&o, &options);
	ck_assert_int_eq(write_zeroes(0, 512, false), -EROFS);
	close_block();
	o = sim_defaults();
	open_block(&o, NULL);
	ck_assert_int_eq(write_zeroes(0, 512, false), -EOPNOTSUPP);
}
END_TEST

/* A part of a block is written while the whole of it becomes zeroes: in the order of submission. */
START_TEST(test_zeroes_and_part)
{
	static const uint8_t zeroes[512];
	static uint8_t part[100];
	struct sim_options o = with_zeroes();
	struct job jobs[2];

	o.features |= BIT(VIRTIO_BLK_F_BLK_SIZE);
	o.config.blk_size = htole32(4096);
	open_block(&o, NULL);
	memset(part, 7, sizeof(part));
	if (_i == 0) { /* the zeroes are on their way when the part comes */
		sim_fault(sim, (struct sim_fault){.kind = SIM_DELAY,
						  .value = 20,
						  .only = VIRTIO_BLK_T_WRITE_ZEROES + 1,
						  .times = 1});
		ck_assert_int_eq(start_zeroes(&jobs[0], 4096, 4096, false), 0);
		devb_disk_poll(disk_queue);
		ck_assert_int_eq(start_job(&jobs[1], DEVB_WRITE, 4796, part, 100), 0);
	} else { /* and they wait for the part whose block was read already */
		sim_fault(sim, (struct sim_fault){.kind = SIM_DELAY,
						  .value = 20,
						  .only = VIRTIO_BLK_T_OUT + 1,
						  .times = 1});
		ck_assert_int_eq(start_job(&jobs[1], DEVB_WRITE, 4796, part, 100), 0);
		devb_disk_poll(disk_queue);
		ck_assert_int_eq(start_zeroes(&jobs[0], 4096, 4096, false), 0);
	}
	drain(PATIENCE_MS);
	ck_assert(jobs[0].result == 0 && jobs[1].result == 0);
	ck_assert_mem_eq(sim_disk(sim) + 4096, zeroes, 512);
	ck_assert_mem_eq(sim_disk(sim) + 4796, _i == 0 ? part : zeroes, sizeof(part));
}
END_TEST

void add_disk_zeroes(Suite *suite)
{
	TCase *tcase = tcase_create("zeroes");

	tcase_add_checked_fixture(tcase, NULL, close_block);
	tcase_add_test(tcase, test_zeroes);
	tcase_add_test(tcase, test_zeroes_refused);
	tcase_add_loop_test(tcase, test_zeroes_and_part, 0, 2);
	suite_add_tcase(suite, tcase);
}
