/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SUITES_H
#define TEST_SUITES_H

#include <check.h>

/* As ck_assert, for loops: that one writes to a file each time it holds. */
#define must(expression)                                                                           \
	do {                                                                                       \
		if (!(expression)) {                                                               \
			ck_abort_msg("not so: %s", #expression);                                   \
		}                                                                                  \
	} while (0)

/* lib/ */
Suite *ring_suite(void);
Suite *ring_race_suite(void);
Suite *spin_suite(void);
Suite *device_suite(void);
Suite *wait_suite(void);
Suite *blk_suite(void);
Suite *blk_queues_suite(void);
Suite *blk_replay_suite(void);
Suite *blk_range_suite(void);
Suite *blk_split_suite(void);
Suite *blk_rings_suite(void);
Suite *blk_resources_suite(void);
Suite *config_suite(void);
Suite *ring_faults_suite(void);
Suite *device_faults_suite(void);
Suite *reset_faults_suite(void);
Suite *load_suite(void);

/* transports/, driver/, fs-glue/ */
Suite *address_suite(void);
Suite *iova_suite(void);
Suite *platform_suite(void);
Suite *pci_caps_suite(void);
Suite *vhost_user_suite(void);
Suite *fdt_suite(void);
Suite *fdt_files_suite(void);
Suite *discover_suite(void);
Suite *discover_choice_suite(void);
Suite *options_suite(void);
Suite *fsg_arena_suite(void);
Suite *fsg_tree_suite(void);
Suite *disk_suite(void);
Suite *disk_queues_suite(void);
Suite *partition_suite(void);
Suite *names_suite(void);
Suite *keeper_suite(void);
Suite *privileges_suite(void);
Suite *qnx6_super_suite(void);
Suite *qnx6_tree_suite(void);
Suite *qnx6_node_suite(void);
Suite *qnx6_read_suite(void);
Suite *qnx6_directory_suite(void);
Suite *qnx6_cache_suite(void);
Suite *qnx6_volume_suite(void);

#endif
