/* SPDX-License-Identifier: BSD-3-Clause */
#include "suites.h"
Suite *names_suite(void)
{
	return suite_create("names");
}
