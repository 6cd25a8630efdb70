/* SPDX-License-Identifier: BSD-3-Clause */
/* Device addresses as text. Their many wrong forms are in options_lines.h. */
#include <errno.h>
#include <string.h>

#include <check.h>

#include <vio/error.h>
#include <vio-transport/address.h>

Suite *address_suite(void);

START_TEST(test_default_is_the_first_pci_function)
{
	struct viot_address address = {.kind = VIOT_MMIO, .pci_index = 7};

	ck_assert_int_eq(viot_address_parse("", &address, NULL), 0);
	ck_assert_int_eq(address.kind, VIOT_PCI_INDEX);
	ck_assert_uint_eq(address.pci_index, 0);
}
END_TEST

START_TEST(test_mmio_in_either_order)
{
	static const char *const texts[] = {"smem=0x1c0d0000,irq=41", "irq=0x29,smem=470614016"};
	struct viot_address address;

	ck_assert_int_eq(viot_address_parse(texts[_i], &address, NULL), 0);
	ck_assert_int_eq(address.kind, VIOT_MMIO);
	ck_assert_uint_eq(address.smem, 0x1c0d0000);
	ck_assert_uint_eq(address.irq, 41);
}
END_TEST

START_TEST(test_limits)
{
	struct viot_address address;

	ck_assert_int_eq(viot_address_parse("smem=0xffffffffffffc,irq=4294967295", &address, NULL),
			 0);
	ck_assert_uint_eq(address.smem, (1ull << 52) - 4);
	ck_assert_uint_eq(address.irq, UINT32_MAX);
	ck_assert_int_eq(viot_address_parse("pci=4294967295", &address, NULL), 0);
	ck_assert_uint_eq(address.pci_index, UINT32_MAX);
}
END_TEST

START_TEST(test_pci_function)
{
	struct viot_address address;

	ck_assert_int_eq(viot_address_parse_pci("ABCD:fe:1f.7", &address, NULL), 0);
	ck_assert_int_eq(address.kind, VIOT_PCI_FUNCTION);
	ck_assert_uint_eq(address.pci_domain, 0xabcd);
	ck_assert_uint_eq(address.pci_bus, 0xfe);
	ck_assert_uint_eq(address.pci_device, 0x1f);
	ck_assert_uint_eq(address.pci_function, 7);
}
END_TEST

START_TEST(test_fdt)
{
	struct viot_address address;
	char text[VIOT_FDT_FILE_SIZE + 8];

	ck_assert_int_eq(viot_address_parse("fdt", &address, NULL), 0);
	ck_assert_int_eq(address.kind, VIOT_FDT_ALL);
	ck_assert_str_eq(address.fdt_file, "");
	ck_assert_int_eq(viot_address_parse("fdt=4294967295", &address, NULL), 0);
	ck_assert_int_eq(address.kind, VIOT_FDT_INDEX);
	ck_assert_uint_eq(address.fdt_index, UINT32_MAX);
	ck_assert_int_eq(viot_address_parse("fdt=./7:0x7", &address, NULL), 0);
	ck_assert_str_eq(address.fdt_file, "./7");
	ck_assert_uint_eq(address.fdt_index, 7);
	memset(text, 'x', sizeof(text));
	memcpy(text, "fdt=", 4);
	text[4 + VIOT_FDT_FILE_SIZE - 1] = '\0'; /* the longest */
	ck_assert_int_eq(viot_address_parse(text, &address, NULL), 0);
	ck_assert_str_eq(address.fdt_file, text + 4);
	text[4 + VIOT_FDT_FILE_SIZE - 1] = 'x';
	text[4 + VIOT_FDT_FILE_SIZE] = '\0';
	ck_assert_int_eq(viot_address_parse(text, &address, NULL), -EINVAL);
}
END_TEST

static const char *const wrong[] = {
	",",
	"pci=",
	"smem",
	"smem=,irq=",
	"vid=1",
	"pci=0,",
	" pci=0",
	"pci= 0",
	"pci=0 ",
	"pci=-1",
	"pci=00:04.0x",
	"pci=00:04.",
	"pci=0:0:0:0.0",
	"pci=100:04.0",
	"smem=0x1000,irq=",
	"fdt=",
	"fdt=:1",
	"fdt,fdt",
	"fdt,pci=0",
	"fdt=0,smem=0x1000,irq=1",
	"fdtx",
};

START_TEST(test_wrong)
{
	struct viot_address address;
	struct vio_error err = {""};

	ck_assert_int_eq(viot_address_parse(wrong[_i], &address, &err), -EINVAL);
	ck_assert_msg(strstr(err.text, "expected") != NULL, "'%s'", err.text);
}
END_TEST

START_TEST(test_too_long)
{
	char text[1024];
	struct viot_address address;
	struct vio_error err;

	memset(text, '0', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "pci=", 4);
	ck_assert_int_eq(viot_address_parse(text, &address, &err), -EINVAL);
	ck_assert_msg(strstr(err.text, "less than") != NULL, "'%s'", err.text);
}
END_TEST

START_TEST(test_fail_returns_its_code)
{
	struct vio_error err;

	ck_assert_int_eq(vio_fail(NULL, -EIO, "bar %d", 4), -EIO);
	ck_assert_int_eq(vio_fail(&err, -EPROTO, "bar %d", 4), -EPROTO);
	ck_assert_str_eq(err.text, "bar 4");
}
END_TEST

START_TEST(test_fail_cuts)
{
	char text[sizeof(struct vio_error) + 100];
	struct vio_error err;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	vio_fail(&err, -EIO, "%s", text);
	ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
}
END_TEST

Suite *address_suite(void)
{
	Suite *suite = suite_create("address");
	TCase *text = tcase_create("text");

	tcase_add_test(text, test_default_is_the_first_pci_function);
	tcase_add_loop_test(text, test_mmio_in_either_order, 0, 2);
	tcase_add_test(text, test_limits);
	tcase_add_test(text, test_pci_function);
	tcase_add_test(text, test_fdt);
	tcase_add_loop_test(text, test_wrong, 0, (int)(sizeof(wrong) / sizeof(wrong[0])));
	tcase_add_test(text, test_too_long);
	tcase_add_test(text, test_fail_returns_its_code);
	tcase_add_test(text, test_fail_cuts);
	suite_add_tcase(suite, text);
	return suite;
}
