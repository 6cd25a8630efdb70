/* SPDX-License-Identifier: BSD-3-Clause */
#include "suites.h"
Suite *partition_suite(void)
{
	return suite_create("partition");
}
