/* SPDX-License-Identifier: BSD-3-Clause */
/* The VirtIO capabilities of a PCI function, against a configuration space made up here. */
#include <errno.h>
#include <string.h>

#include <check.h>

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#include "caps.h"

Suite *pci_caps_suite(void);

enum {
	SPACE = 256,
	FIRST = 0x40,
	CAP_SIZE = 16,
	NOTIFY_CAP_SIZE = 20,
	MEMORY_BAR = 4,
	IO_BAR = 0,
};

static uint8_t space[SPACE];
static unsigned end;       /* of the capabilities so far */
static unsigned pointer;   /* the byte that points to the next one */
static unsigned fail_from; /* offset from which on nothing can be read */
static uint64_t bar_size[VIOT_PCI_BARS];
static struct viot_pci_caps caps;
static struct vio_error err;

static int read_byte(void *context, unsigned offset, uint8_t *value)
{
	ck_assert_ptr_eq(context, space);
	ck_assert_uint_lt(offset, SPACE);
	if (offset >= fail_from) {
		return -EACCES;
	}
	*value = space[offset];
	return 0;
}

static int read_caps(void)
{
	memset(&err, 0, sizeof(err));
	return viot_pci_read_caps(read_byte, space, bar_size, "pci-test", &caps, &err);
}

static void refused(int code, const char *why)
{
	ck_assert_int_eq(read_caps(), code);
	ck_assert_msg(strstr(err.text, why) != NULL, "'%s' is not in '%s'", why, err.text);
}

static void put32(unsigned at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++) {
		space[at + i] = (uint8_t)(value >> (8 * i));
	}
}

/* Returns where it is. */
static unsigned add(uint8_t type, uint8_t bar, uint32_t offset, uint32_t length)
{
	unsigned at = end;

	space[pointer] = (uint8_t)at;
	pointer = at + PCI_CAP_LIST_NEXT;
	space[at] = PCI_CAP_ID_VNDR;
	space[at + VIRTIO_PCI_CAP_LEN] = CAP_SIZE;
	space[at + VIRTIO_PCI_CAP_CFG_TYPE] = type;
	space[at + VIRTIO_PCI_CAP_BAR] = bar;
	put32(at + VIRTIO_PCI_CAP_OFFSET, offset);
	put32(at + VIRTIO_PCI_CAP_LENGTH, length);
	end += CAP_SIZE;
	return at;
}

static unsigned add_notify(uint8_t bar, uint32_t offset, uint32_t length, uint32_t multiplier)
{
	unsigned at = add(VIRTIO_PCI_CAP_NOTIFY_CFG, bar, offset, length);

	space[at + VIRTIO_PCI_CAP_LEN] = NOTIFY_CAP_SIZE;
	put32(at + VIRTIO_PCI_NOTIFY_CAP_MULT, multiplier);
	end = at + NOTIFY_CAP_SIZE;
	return at;
}

/* Nothing but the header; BAR 4 is in memory, BAR 0 is not. */
static void set_up(void)
{
	memset(space, 0, sizeof(space));
	memset(bar_size, 0, sizeof(bar_size));
	space[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	pointer = PCI_CAPABILITY_LIST;
	end = FIRST;
	fail_from = SPACE;
	bar_size[MEMORY_BAR] = 0x4000;
}

/* As QEMU has them; the tests add their own in front, or spoil one of these. */
static void add_common(void)
{
	add(VIRTIO_PCI_CAP_COMMON_CFG, MEMORY_BAR, 0, 0x1000);
}

static void add_isr(void)
{
	add(VIRTIO_PCI_CAP_ISR_CFG, MEMORY_BAR, 0x1000, 0x1000);
}

static void add_device(void)
{
	add(VIRTIO_PCI_CAP_DEVICE_CFG, MEMORY_BAR, 0x2000, 0x1000);
}

static void add_good_notify(void)
{
	add_notify(MEMORY_BAR, 0x3000, 0x1000, 4);
}

static void add_all(void)
{
	add_common();
	add_isr();
	add_device();
	add_good_notify();
}

static void window_is(const struct viot_pci_window *window, uint8_t bar, uint32_t offset,
		      uint32_t length)
{
	ck_assert(window->present);
	ck_assert_uint_eq(window->bar, bar);
	ck_assert_uint_eq(window->offset, offset);
	ck_assert_uint_eq(window->length, length);
}

START_TEST(test_normal)
{
	add_all();
	ck_assert_int_eq(read_caps(), 0);
	window_is(&caps.common, MEMORY_BAR, 0, 0x1000);
	window_is(&caps.isr, MEMORY_BAR, 0x1000, 0x1000);
	window_is(&caps.device, MEMORY_BAR, 0x2000, 0x1000);
	window_is(&caps.notify, MEMORY_BAR, 0x3000, 0x1000);
	ck_assert_uint_eq(caps.notify_multiplier, 4);
}
END_TEST

START_TEST(test_device_window_is_optional)
{
	add_common();
	add_isr();
	add_good_notify();
	ck_assert_int_eq(read_caps(), 0);
	ck_assert(!caps.device.present);
}
END_TEST

START_TEST(test_no_list)
{
	add_all();
	space[PCI_STATUS] = 0;
	refused(-ENOTSUP, "no VirtIO 1.0 registers");
}
END_TEST

START_TEST(test_other_capabilities_are_passed_over)
{
	unsigned at = add(0, 0, 0, 0);

	space[at] = PCI_CAP_ID_MSIX;
	add(VIRTIO_PCI_CAP_PCI_CFG, 0xff, 0xffffffff, 0xffffffff);
	add(VIRTIO_PCI_CAP_SHARED_MEMORY_CFG, MEMORY_BAR, 1, 0xffffffff);
	add(0x77, MEMORY_BAR, 3, 0);
	add_all();
	ck_assert_int_eq(read_caps(), 0);
	window_is(&caps.common, MEMORY_BAR, 0, 0x1000);
}
END_TEST

START_TEST(test_list_without_end)
{
	add_all();
	space[pointer] = FIRST;
	refused(-EPROTO, "has no end");
}
END_TEST

/* The two lowest bits of a pointer are reserved, and the header is no capability. */
START_TEST(test_list_ends)
{
	static const uint8_t ends[] = {0, 3, 0x3c, 0x3f};

	add_all();
	space[pointer] = ends[_i];
	space[PCI_CAPABILITY_LIST] |= 2;
	ck_assert_int_eq(read_caps(), 0);
}
END_TEST

static const struct {
	uint32_t offset, length;
} outside[] = {
	{0x4000, 0x38},           {0x3fff & ~3u, 0x38}, {0, 0x4001},
	{0xffffffc8, 0x1000},     {0x1000, 0xffffffff}, /* the sum wraps in 32 bits */
	{0xfffffffc, 0xffffffff},
};

START_TEST(test_outside_its_bar)
{
	add(VIRTIO_PCI_CAP_COMMON_CFG, MEMORY_BAR, outside[_i].offset, outside[_i].length);
	add_isr();
	add_good_notify();
	refused(-EPROTO, "outside BAR 4");
}
END_TEST

static const struct {
	uint8_t type;
	uint32_t offset, length;
} impossible[] = {
	{VIRTIO_PCI_CAP_COMMON_CFG, 0, sizeof(struct virtio_pci_common_cfg) - 1},
	{VIRTIO_PCI_CAP_COMMON_CFG, 2, 0x1000},
	{VIRTIO_PCI_CAP_ISR_CFG, 0x1000, 0},
	{VIRTIO_PCI_CAP_DEVICE_CFG, 0x2000, 3},
	{VIRTIO_PCI_CAP_DEVICE_CFG, 0x2002, 0x100},
	{VIRTIO_PCI_CAP_NOTIFY_CFG, 0x3000, 1},
	{VIRTIO_PCI_CAP_NOTIFY_CFG, 0x3001, 4},
};

START_TEST(test_too_short_or_misaligned)
{
	if (impossible[_i].type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
		add_notify(MEMORY_BAR, impossible[_i].offset, impossible[_i].length, 4);
	} else {
		add(impossible[_i].type, MEMORY_BAR, impossible[_i].offset, impossible[_i].length);
	}
	add_all();
	refused(-EPROTO, "impossible");
}
END_TEST

START_TEST(test_alignment_is_that_of_the_type)
{
	add_common();
	add(VIRTIO_PCI_CAP_ISR_CFG, MEMORY_BAR, 0x1001, 1);
	add_notify(MEMORY_BAR, 0x3002, 2, 0);
	ck_assert_int_eq(read_caps(), 0);
}
END_TEST

START_TEST(test_reserved_bar_is_skipped)
{
	add(VIRTIO_PCI_CAP_COMMON_CFG, (uint8_t)(VIOT_PCI_BARS + _i), 0, 0x1000);
	add_all();
	ck_assert_int_eq(read_caps(), 0);
	window_is(&caps.common, MEMORY_BAR, 0, 0x1000);
}
END_TEST

/* QEMU's modern-pio-notify=on */
START_TEST(test_window_of_io_ports_is_skipped)
{
	add_common();
	add_isr();
	add_device();
	add_notify(IO_BAR, 0, 4, 0);
	add_good_notify();
	ck_assert_int_eq(read_caps(), 0);
	window_is(&caps.notify, MEMORY_BAR, 0x3000, 0x1000);
	ck_assert_uint_eq(caps.notify_multiplier, 4);
}
END_TEST

START_TEST(test_io_ports_alone_are_not_enough)
{
	add_common();
	add_isr();
	add_notify(IO_BAR, 0, 4, 0);
	refused(-ENOTSUP, "no VirtIO 1.0 registers");
}
END_TEST

START_TEST(test_first_of_a_type_counts)
{
	add_all();
	add(VIRTIO_PCI_CAP_COMMON_CFG, MEMORY_BAR, 0x100, 0x100);
	add_notify(MEMORY_BAR, 0xffffffff, 0xffffffff, 1);
	ck_assert_int_eq(read_caps(), 0);
	window_is(&caps.common, MEMORY_BAR, 0, 0x1000);
	window_is(&caps.notify, MEMORY_BAR, 0x3000, 0x1000);
	ck_assert_uint_eq(caps.notify_multiplier, 4);
}
END_TEST

START_TEST(test_good_multipliers)
{
	static const uint32_t good[] = {0, 2, 4, 4096, 0x80000000};

	add_common();
	add_isr();
	add_notify(MEMORY_BAR, 0x3000, 0x1000, good[_i]);
	ck_assert_int_eq(read_caps(), 0);
	ck_assert_uint_eq(caps.notify_multiplier, good[_i]);
}
END_TEST

START_TEST(test_bad_multipliers)
{
	static const uint32_t bad[] = {1, 3, 6, 0xffffffff};

	add_common();
	add_isr();
	add_notify(MEMORY_BAR, 0x3000, 0x1000, bad[_i]);
	refused(-EPROTO, "multiplier");
}
END_TEST

/* A capability that says it is shorter than its type is none. */
START_TEST(test_short_capability_is_skipped)
{
	unsigned common = add(VIRTIO_PCI_CAP_COMMON_CFG, MEMORY_BAR, 0x100, 0x100);
	unsigned notify = add_notify(MEMORY_BAR, 0x3800, 0x800, 8);

	space[common + VIRTIO_PCI_CAP_LEN] = CAP_SIZE - 1;
	space[notify + VIRTIO_PCI_CAP_LEN] = NOTIFY_CAP_SIZE - 1;
	add_all();
	ck_assert_int_eq(read_caps(), 0);
	window_is(&caps.common, MEMORY_BAR, 0, 0x1000);
	window_is(&caps.notify, MEMORY_BAR, 0x3000, 0x1000);
}
END_TEST

/* read_byte() itself sees to it that nothing beyond the space is read. */
START_TEST(test_capability_cut_by_the_end_of_the_space)
{
	add_common();
	add_isr();
	end = SPACE - 4;
	space[pointer] = SPACE - 4;
	space[SPACE - 4] = PCI_CAP_ID_VNDR;
	space[SPACE - 4 + VIRTIO_PCI_CAP_LEN] = NOTIFY_CAP_SIZE;
	space[SPACE - 4 + VIRTIO_PCI_CAP_CFG_TYPE] = VIRTIO_PCI_CAP_NOTIFY_CFG;
	refused(-ENOTSUP, "no VirtIO 1.0 registers");
}
END_TEST

/* What an ordinary user gets, and at any byte. */
START_TEST(test_read_errors)
{
	add_all();
	fail_from = (unsigned)_i;
	refused(-EACCES, "run as root");
}
END_TEST

Suite *pci_caps_suite(void)
{
	Suite *suite = suite_create("pci_caps");
	TCase *tcase = tcase_create("caps");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, test_normal);
	tcase_add_test(tcase, test_device_window_is_optional);
	tcase_add_test(tcase, test_no_list);
	tcase_add_test(tcase, test_other_capabilities_are_passed_over);
	tcase_add_test(tcase, test_list_without_end);
	tcase_add_loop_test(tcase, test_list_ends, 0, 4);
	tcase_add_loop_test(tcase, test_outside_its_bar, 0, 6);
	tcase_add_loop_test(tcase, test_too_short_or_misaligned, 0, 7);
	tcase_add_test(tcase, test_alignment_is_that_of_the_type);
	tcase_add_loop_test(tcase, test_reserved_bar_is_skipped, 0, 3);
	tcase_add_test(tcase, test_window_of_io_ports_is_skipped);
	tcase_add_test(tcase, test_io_ports_alone_are_not_enough);
	tcase_add_test(tcase, test_first_of_a_type_counts);
	tcase_add_loop_test(tcase, test_good_multipliers, 0, 5);
	tcase_add_loop_test(tcase, test_bad_multipliers, 0, 4);
	tcase_add_test(tcase, test_short_capability_is_skipped);
	tcase_add_test(tcase, test_capability_cut_by_the_end_of_the_space);
	tcase_add_loop_test(tcase, test_read_errors, 0, FIRST + 3 * CAP_SIZE + NOTIFY_CAP_SIZE);
	suite_add_tcase(suite, tcase);
	return suite;
}
