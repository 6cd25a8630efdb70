/* SPDX-License-Identifier: BSD-3-Clause */
/* What the keeper believes of the worker, and when. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "keeper_list.h"
#include "suites.h"

static struct devb_keep_list list;

static void empty_list(void)
{
	list = (struct devb_keep_list){.automount_count = 2};
}

static int tell(enum devb_keep_kind kind, unsigned disk)
{
	const struct devb_keep_message message = {.kind = kind, .disk = disk};

	return devb_keep_accept(&list, &message, sizeof(message));
}

static int tell_disk(unsigned disk, const char *name)
{
	struct devb_keep_message message = {.kind = DEVB_KEEP_DISK, .disk = disk};

	/* as many bytes as fit, and a null only if there is room for it */
	memcpy(message.name, name, strnlen(name, sizeof(message.name)));
	return devb_keep_accept(&list, &message, sizeof(message));
}

static int tell_mount(unsigned disk, unsigned automount, unsigned made_dir)
{
	const struct devb_keep_message message = {.kind = DEVB_KEEP_MOUNT,
						  .disk = disk,
						  .automount = automount,
						  .made_dir = made_dir};

	return devb_keep_accept(&list, &message, sizeof(message));
}

START_TEST(test_a_worker_at_its_best)
{
	ck_assert_int_eq(tell_disk(0, "pci-0000:00:04.0"), DEVB_KEEP_DISK);
	ck_assert_int_eq(tell_mount(0, 1, 1), DEVB_KEEP_MOUNT);
	ck_assert_int_eq(tell_disk(15, "mmio-0xfeb00400"), DEVB_KEEP_DISK);
	ck_assert_str_eq(list.names[0], "pci-0000:00:04.0");
	ck_assert_str_eq(list.names[15], "mmio-0xfeb00400");
	ck_assert_int_eq(tell(DEVB_KEEP_FORGET, 15), DEVB_KEEP_FORGET);
	ck_assert_int_eq(tell(DEVB_KEEP_DROP, 0), DEVB_KEEP_DROP);
	ck_assert_int_eq(tell(DEVB_KEEP_READY, 0), DEVB_KEEP_READY);
	ck_assert_int_eq(tell(DEVB_KEEP_ENDED, 0), DEVB_KEEP_ENDED);
	ck_assert_int_eq(tell(DEVB_KEEP_STOP, 0), DEVB_KEEP_STOP);
	ck_assert_int_eq(tell(DEVB_KEEP_STOP, 0), DEVB_KEEP_STOP);
}
END_TEST

/* With pnp the volumes are there before the last disk is. */
START_TEST(test_ready_comes_once_and_at_any_time)
{
	ck_assert_int_eq(tell(DEVB_KEEP_READY, 0), DEVB_KEEP_READY);
	ck_assert_int_eq(tell_disk(1, "pci-0000:00:05.0"), DEVB_KEEP_DISK);
	ck_assert_int_eq(tell(DEVB_KEEP_READY, 0), -EPROTO);
	ck_assert_int_eq(tell(DEVB_KEEP_DROP, 0), DEVB_KEEP_DROP);
	ck_assert_int_eq(tell(DEVB_KEEP_READY, 0), -EPROTO);
}
END_TEST

START_TEST(test_nothing_new_after_the_drop)
{
	ck_assert_int_eq(tell_disk(0, "pci-0000:00:04.0"), DEVB_KEEP_DISK);
	ck_assert_int_eq(tell(DEVB_KEEP_DROP, 0), DEVB_KEEP_DROP);
	ck_assert_int_eq(tell_disk(1, "pci-0000:00:05.0"), -EPROTO);
	ck_assert_str_eq(list.names[1], "");
	ck_assert_int_eq(tell_mount(0, 0, 1), -EPROTO);
	ck_assert_int_eq(tell(DEVB_KEEP_FORGET, 0), -EPROTO);
	ck_assert_str_eq(list.names[0], "pci-0000:00:04.0");
	ck_assert_int_eq(tell(DEVB_KEEP_DROP, 0), -EPROTO);
	ck_assert_int_eq(tell(DEVB_KEEP_ENDED, 1), -EPROTO);
}
END_TEST

START_TEST(test_nothing_about_strangers)
{
	ck_assert_int_eq(tell_mount(0, 0, 0), -EPROTO);
	ck_assert_int_eq(tell(DEVB_KEEP_FORGET, 0), -EPROTO);
	ck_assert_int_eq(tell(DEVB_KEEP_FORGET, DEVB_DISKS_MAX), -EPROTO);
	ck_assert_int_eq(tell(DEVB_KEEP_FORGET, UINT32_MAX), -EPROTO);
	ck_assert_int_eq(tell_disk(DEVB_DISKS_MAX, "pci-0000:00:04.0"), -EPROTO);
	ck_assert_int_eq(tell_disk(0, "pci-0000:00:04.0"), DEVB_KEEP_DISK);
	ck_assert_int_eq(tell_disk(0, "pci-0000:00:05.0"), -EPROTO);
	ck_assert_int_eq(tell_mount(0, 2, 0), -EPROTO);
	ck_assert_int_eq(tell_mount(0, 0, 2), -EPROTO);
	ck_assert_int_eq(tell(DEVB_KEEP_ENDED, 0), -EPROTO); /* not before the drop */
	ck_assert_int_eq(tell((enum devb_keep_kind)0, 0), -EPROTO);
	ck_assert_int_eq(tell((enum devb_keep_kind)99, 0), -EPROTO);
}
END_TEST

START_TEST(test_names_stay_below_their_folder)
{
	char longest[DEVB_KEEP_NAME + 1];

	memset(longest, 'x', sizeof(longest));
	longest[DEVB_KEEP_NAME] = '\0';
	ck_assert_int_eq(tell_disk(0, longest), -EPROTO); /* no null in the message */
	longest[DEVB_KEEP_NAME - 1] = '\0';
	ck_assert_int_eq(tell_disk(1, longest), DEVB_KEEP_DISK);
	ck_assert_int_eq(tell_disk(0, ""), -EPROTO);
	ck_assert_int_eq(tell_disk(0, ".."), -EPROTO);
	ck_assert_int_eq(tell_disk(0, "pci/../../etc"), -EPROTO);
	ck_assert_int_eq(tell_disk(0, "pci 0"), -EPROTO);
	ck_assert_int_eq(tell_disk(0, "pci-\n"), -EPROTO);
	ck_assert_str_eq(list.names[0], "");
}
END_TEST

START_TEST(test_a_message_is_whole)
{
	const struct devb_keep_message message = {.kind = DEVB_KEEP_STOP};
	char twice[2 * sizeof(message)] = {0};

	memcpy(twice, &message, sizeof(message));
	ck_assert_int_eq(devb_keep_accept(&list, twice, sizeof(message)), DEVB_KEEP_STOP);
	ck_assert_int_eq(devb_keep_accept(&list, twice, sizeof(message) - 1), -EPROTO);
	ck_assert_int_eq(devb_keep_accept(&list, twice, sizeof(twice)), -EPROTO);
	ck_assert_int_eq(devb_keep_accept(&list, twice, 0), -EPROTO);
}
END_TEST

START_TEST(test_addresses)
{
	struct viot_address address;

	ck_assert_int_eq(devb_keep_address("pci-0001:02:1f.3", &address), 0);
	ck_assert_int_eq(address.kind, VIOT_PCI_FUNCTION);
	ck_assert_uint_eq(address.pci_domain, 1);
	ck_assert_uint_eq(address.pci_bus, 2);
	ck_assert_uint_eq(address.pci_device, 0x1f);
	ck_assert_uint_eq(address.pci_function, 3);
	ck_assert_int_eq(devb_keep_address("mmio-0x1c0d0000", &address), 0);
	ck_assert_int_eq(address.kind, VIOT_MMIO);
	ck_assert_uint_eq(address.smem, 0x1c0d0000);
	ck_assert_int_eq(devb_keep_address("vhost-user-x", &address), -EINVAL);
	ck_assert_int_eq(devb_keep_address("mmio-there", &address), -EINVAL);
	ck_assert_int_eq(devb_keep_address("", &address), -EINVAL);
}
END_TEST

Suite *keeper_suite(void)
{
	Suite *suite = suite_create("keeper");
	TCase *messages = tcase_create("messages");

	tcase_add_checked_fixture(messages, empty_list, NULL);
	tcase_add_test(messages, test_a_worker_at_its_best);
	tcase_add_test(messages, test_ready_comes_once_and_at_any_time);
	tcase_add_test(messages, test_nothing_new_after_the_drop);
	tcase_add_test(messages, test_nothing_about_strangers);
	tcase_add_test(messages, test_names_stay_below_their_folder);
	tcase_add_test(messages, test_a_message_is_whole);
	tcase_add_test(messages, test_addresses);
	suite_add_tcase(suite, messages);
	return suite;
}
