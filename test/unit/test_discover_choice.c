/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of the declared devices are meant. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include <linux/virtio_ids.h>

#include "discover.h"
#include "suites.h"

static struct vio_error err;

/* Slots as letters: '-' empty, 'b' block, 'n' network, '?' unknown, 'i' block without interrupt. */
static struct viot_mmio_device slots[8], chosen[8];

static int choose(struct viot_address address, const char *kinds, unsigned max)
{
	struct viot_mmio_search search = {
		.address = &address,
		.wanted = VIRTIO_ID_BLOCK,
		.tree = "the device tree",
		.all = slots,
		.all_count = (unsigned)strlen(kinds),
		.devices = chosen,
		.max = max,
	};

	memset(slots, 0, sizeof(slots));
	for (unsigned i = 0; kinds[i]; i++) {
		slots[i].smem = 0x1000 + i * 0x200;
		slots[i].irq = 10 + i;
		slots[i].has_irq = kinds[i] != 'i';
		slots[i].has_type = kinds[i] != '?';
		slots[i].virtio_type = kinds[i] == 'b' || kinds[i] == 'i' ? VIRTIO_ID_BLOCK
				       : kinds[i] == 'n'                  ? VIRTIO_ID_NET
									  : 0;
		snprintf(slots[i].where, sizeof(slots[i].where), "/slot%u", i);
		snprintf(slots[i].why, sizeof(slots[i].why), "%s",
			 kinds[i] == 'i' || kinds[i] == '?' ? "nobody knows" : "");
	}
	err.text[0] = '\0';
	return viot_mmio_choose(&search, &err);
}

static int choose_all(const char *kinds)
{
	return choose((struct viot_address){.kind = VIOT_FDT_ALL}, kinds, 8);
}

static int choose_one(const char *kinds, uint32_t index)
{
	const struct viot_address address = {.kind = VIOT_FDT_INDEX, .fdt_index = index};

	return choose(address, kinds, 1);
}

static void check_said(const char *said)
{
	ck_assert_msg(strstr(err.text, said) != NULL, "'%s' lacks '%s'", err.text, said);
}

START_TEST(test_choose_all)
{
	ck_assert_int_eq(choose_all("-b-nb"), 2);
	ck_assert(chosen[0].smem == 0x1200 && chosen[1].smem == 0x1800);
	ck_assert_int_eq(choose_all("?bi"), 1);
	ck_assert_uint_eq(chosen[0].smem, 0x1200);
	ck_assert_int_eq(choose((struct viot_address){.kind = VIOT_FDT_ALL}, "bbb", 1), 3);
}
END_TEST

START_TEST(test_choose_one)
{
	ck_assert_int_eq(choose_one("-bnb", 0), 1);
	ck_assert_uint_eq(chosen[0].irq, 11);
	ck_assert_int_eq(choose_one("-bnb", 1), 1);
	ck_assert_uint_eq(chosen[0].irq, 13);
	ck_assert_int_eq(choose_one("b?b", 0), 1); /* what follows does not matter */
	ck_assert_uint_eq(chosen[0].irq, 10);
}
END_TEST

START_TEST(test_choose_nothing)
{
	ck_assert_int_eq(choose_all(""), -ENODEV);
	check_said("the device tree declares no VirtIO device");
	check_said("smem=");
	ck_assert_int_eq(choose_all("-n--"), -ENODEV);
	check_said("declares 4 VirtIO slots and none holds a VirtIO block device: 3 empty, 1 of");
	ck_assert_int_eq(choose_one("-", 0), -ENODEV);
	check_said("declares 1 VirtIO slot and");
	ck_assert_int_eq(choose_one("b-b", 2), -ENODEV);
	check_said("fdt=2 was asked for, and the device tree declares 2 VirtIO block devices");
	ck_assert_int_eq(choose_one("b", 4294967295), -ENODEV);
	check_said("declares 1 VirtIO block device (");
}
END_TEST

START_TEST(test_choose_unknown)
{
	ck_assert_int_eq(choose_all("-?"), -EACCES);
	check_said("/slot1 cannot be used");
	check_said("nobody knows");
	ck_assert_int_eq(choose_all("i"), -EACCES);
	ck_assert_int_eq(choose_one("?b", 0), -EACCES);
	check_said("fdt=0 cannot be counted, because /slot0");
	ck_assert_int_eq(choose_one("b?b", 1), -EACCES);
	ck_assert_int_eq(choose_one("ib", 0), -EACCES);
}
END_TEST

/* From a file that declares nothing, to the end: no register is looked at. */
START_TEST(test_find_in_file)
{
	struct viot_address address;

	ck_assert_int_eq(viot_address_parse("fdt=/nonexistent/a.dtb:1", &address, &err), 0);
	ck_assert_int_eq(viot_mmio_find(&address, VIRTIO_ID_BLOCK, chosen, 8, &err), -ENODEV);
	check_said("/nonexistent/a.dtb cannot be read (No such file");
	ck_assert_int_eq(viot_address_parse("fdt=/dev/null", &address, &err), 0);
	ck_assert_int_eq(viot_mmio_find(&address, VIRTIO_ID_BLOCK, chosen, 8, &err), -EINVAL);
	check_said("/dev/null is no file");
}
END_TEST

Suite *discover_choice_suite(void)
{
	Suite *suite = suite_create("discover_choice");
	TCase *choice = tcase_create("choice");

	tcase_add_test(choice, test_choose_all);
	tcase_add_test(choice, test_choose_one);
	tcase_add_test(choice, test_choose_nothing);
	tcase_add_test(choice, test_choose_unknown);
	tcase_add_test(choice, test_find_in_file);
	suite_add_tcase(suite, choice);
	return suite;
}
