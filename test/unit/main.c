/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs every suite. Check's own variables work: CK_FORK=no to debug, CK_RUN_SUITE
 * and CK_RUN_CASE to choose, CK_VERBOSITY, CK_TIMEOUT_MULTIPLIER for slow machines.
 */
#include <stdio.h>
#include <stdlib.h>

#include "suites.h"

typedef Suite *suite_maker(void);

/* The device is a thread of its own, or there are more. */
static suite_maker *const with_threads[] = {
	/* lib/ */
	ring_race_suite,
	device_suite,
	wait_suite,
	blk_suite,
	blk_queues_suite,
	blk_replay_suite,
	blk_range_suite,
	blk_split_suite,
	blk_rings_suite,
	blk_resources_suite,
	config_suite,
	ring_faults_suite,
	device_faults_suite,
	reset_faults_suite,
	load_suite,
	/* fs-glue/qnx6/ */
	qnx6_cache_suite,
#ifdef WITH_DRIVER
	/* transports/, driver/ */
	platform_suite,
	vhost_user_suite,
	disk_suite,
	disk_queues_suite,
#endif
};

static suite_maker *const of_one_thread[] = {
	ring_suite,      spin_suite,       qnx6_super_suite,      qnx6_tree_suite,
	qnx6_node_suite, qnx6_read_suite,  qnx6_directory_suite,  qnx6_volume_suite,
#ifdef WITH_DRIVER
	address_suite,   iova_suite,       pci_caps_suite,        fdt_suite,
	fdt_files_suite, discover_suite,   discover_choice_suite, options_suite,
	fsg_arena_suite, fsg_tree_suite,   partition_suite,       names_suite,
	keeper_suite,    privileges_suite,
#endif
};

static void add(SRunner *runner, suite_maker *const *makers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		srunner_add_suite(runner, makers[i]());
	}
}

int main(void)
{
	SRunner *runner;
	int failed;

	/* Check's own 4 s are not enough for some on a busy machine; read when suites are made */
	setenv("CK_DEFAULT_TIMEOUT", "60", 0);
	runner = srunner_create(NULL);
	add(runner, with_threads, sizeof(with_threads) / sizeof(with_threads[0]));
#ifdef __SANITIZE_THREAD__
	printf("left out under ThreadSanitizer: %zu suites that have one thread only\n",
	       sizeof(of_one_thread) / sizeof(of_one_thread[0]));
#else
	add(runner, of_one_thread, sizeof(of_one_thread) / sizeof(of_one_thread[0]));
#endif
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
