/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process has of the machine: registers that go away, and what wakes it. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "interrupt.h"
#include "platform.h"
#include "suites.h"

enum {
	ROUNDS = 300,
	READERS = 3,
};

static char *window;
static size_t window_size;
static int window_file;
static atomic_bool is_gone;

/* Pages of a file: without their file, reading them is a bus error. */
static void open_window(void)
{
	window_size = 16 * (size_t)sysconf(_SC_PAGESIZE);
	window_file = memfd_create("registers", MFD_CLOEXEC);
	ck_assert_int_ge(window_file, 0);
	ck_assert_int_eq(ftruncate(window_file, (off_t)window_size), 0);
	window = mmap(NULL, window_size, PROT_READ | PROT_WRITE, MAP_SHARED, window_file, 0);
	ck_assert_ptr_ne(window, MAP_FAILED);
	memset(window, 0x5a, window_size);
	atomic_store(&is_gone, false);
	ck_assert(viot_guard(window, window_size, &is_gone));
}

static void close_window(void)
{
	viot_unguard(window);
	munmap(window, window_size);
	close(window_file);
}

static unsigned char read_at(size_t offset)
{
	return *(volatile unsigned char *)(window + offset);
}

START_TEST(test_registers_go_away)
{
	open_window();
	ck_assert_uint_eq(read_at(0), 0x5a);
	ck_assert(!is_gone);
	ck_assert_int_eq(ftruncate(window_file, 0), 0);
	ck_assert_uint_eq(read_at(window_size - 1), 0xff);
	ck_assert(is_gone);
	ck_assert_uint_eq(read_at(0), 0xff);
	*(volatile char *)window = 0; /* and nobody minds a write */
	close_window();
}
END_TEST

static atomic_uint bad;
static atomic_bool go;

static void *read_all(void *argument)
{
	(void)argument;
	while (!atomic_load(&go)) {
	}
	for (size_t offset = 0; offset < window_size; offset += 509) {
		if (read_at(offset) != 0xff) {
			atomic_fetch_add(&bad, 1);
		}
	}
	return NULL;
}

/* Whoever faults first, nobody sees anything but ones. */
START_TEST(test_all_threads_see_ones)
{
	pthread_t readers[READERS];

	for (int round = 0; round < ROUNDS; round++) {
		open_window();
		atomic_store(&go, false);
		for (int i = 0; i < READERS; i++) {
			must(pthread_create(&readers[i], NULL, read_all, NULL) == 0);
		}
		must(ftruncate(window_file, 0) == 0);
		atomic_store(&go, true);
		for (int i = 0; i < READERS; i++) {
			pthread_join(readers[i], NULL);
		}
		must(atomic_load(&is_gone));
		close_window();
	}
	ck_assert_uint_eq(atomic_load(&bad), 0);
}
END_TEST

/* As a program has it that knows nothing of SIGBUS; sanitizers come with a handler of their own. */
static void have_default_action(void)
{
	signal(SIGBUS, SIG_DFL);
}

START_TEST(test_foreign_fault)
{
	have_default_action();
	open_window();
	ck_assert_int_eq(ftruncate(window_file, 0), 0);
	viot_unguard(window);
	read_at(0); /* ends the process, as it should */
}
END_TEST

START_TEST(test_sent_signal)
{
	have_default_action();
	open_window();
	raise(SIGBUS);
}
END_TEST

START_TEST(test_too_many_windows)
{
	char *base = (char *)(uintptr_t)0x1000;
	int n = 0;

	while (n < 1000 && viot_guard(base + n * 0x1000, 0x1000, &is_gone)) {
		n++;
	}
	ck_assert_int_gt(n, 16);
	ck_assert_int_lt(n, 1000);
	viot_unguard(base);
	ck_assert(viot_guard(base, 0x1000, &is_gone));
}
END_TEST

/* ---- waiting ---- */

static struct viot_base base;
static unsigned isr, isr_reads, enables;
static int enable_result;
static uint8_t status;

static uint8_t take_isr(struct viot_base *b)
{
	uint8_t now = (uint8_t)isr;

	ck_assert_ptr_eq(b, &base);
	isr_reads++;
	isr = 0;
	return now;
}

static int enable(struct viot_interrupt *interrupt)
{
	ck_assert_ptr_eq(interrupt, &base.interrupt);
	enables++;
	return enable_result;
}

static uint8_t get_status(struct vio_transport *t)
{
	(void)t;
	return viot_base_status(&base, status);
}

static void set_status(struct vio_transport *t, uint8_t value)
{
	(void)t;
	status = value;
}

static const struct vio_transport_ops ops = {
	.get_status = get_status,
	.set_status = set_status,
	.wait_fd = viot_base_wait_fd,
	.wait_arm = viot_base_wait_arm,
	.wait_ack = viot_base_wait_ack,
};

static struct vio_transport *transport(void)
{
	memset(&base, 0, sizeof(base));
	viot_base_init(&base);
	base.t.ops = &ops;
	base.take_isr = take_isr;
	isr = isr_reads = enables = 0;
	enable_result = 0;
	status = 0xf;
	ck_assert_int_eq(viot_interrupt_open_timer(&base.interrupt, 0, "test", NULL), 0);
	return &base.t;
}

static void fire(int fd)
{
	const uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, sizeof(one)), sizeof(one));
}

static struct vio_transport *with_vectors(unsigned count)
{
	struct vio_transport *t = transport();

	for (unsigned i = 0; i < count; i++) {
		base.interrupt.vector[i] = eventfd(0, EFD_NONBLOCK);
	}
	base.interrupt.vector_count = count;
	base.interrupt.kind = VIOT_VECTORS;
	t->interrupts = true;
	ck_assert_int_eq(viot_interrupt_start(&base.interrupt, "test", NULL), 0);
	return t;
}

START_TEST(test_a_vector_for_each_queue)
{
	struct vio_transport *t = with_vectors(3);

	ck_assert_int_eq(viot_base_wait_fd(t, 0), base.interrupt.vector[1]);
	ck_assert_int_eq(viot_base_wait_fd(t, 1), base.interrupt.vector[2]);
	ck_assert_int_eq(viot_base_wait_fd(t, 2), -ENOTSUP);
	ck_assert_int_eq(viot_base_wait_fd(t, VIOT_QUEUES_MAX), -ENOTSUP);
	ck_assert_uint_eq(viot_base_wait_ack(t, 2), 0);
	fire(base.interrupt.vector[0]);
	fire(base.interrupt.vector[1]);
	ck_assert_uint_eq(viot_base_wait_ack(t, 0), 0);
	ck_assert_uint_eq(viot_base_wait_ack(t, VIO_WAIT_EVENTS), VIO_EVENT_CONFIG);
	ck_assert_uint_eq(viot_base_wait_ack(t, VIO_WAIT_EVENTS), 0);
	viot_interrupt_close(&base.interrupt);
}
END_TEST

START_TEST(test_one_vector)
{
	struct vio_transport *t = with_vectors(1);

	ck_assert_int_eq(viot_base_wait_fd(t, 0), base.interrupt.vector[0]);
	ck_assert_int_eq(viot_base_wait_fd(t, 7), base.interrupt.vector[0]);
	ck_assert_int_eq(viot_base_wait_fd(t, VIO_WAIT_EVENTS), -ENOTSUP);
	ck_assert_uint_eq(viot_base_wait_ack(t, 0), 0);
	fire(base.interrupt.vector[0]);
	ck_assert_uint_eq(viot_base_wait_ack(t, 0), VIO_EVENT_CONFIG);
	viot_interrupt_close(&base.interrupt);
}
END_TEST

static struct vio_transport *with_line(void)
{
	struct vio_transport *t = transport();

	base.interrupt.line = eventfd(0, EFD_NONBLOCK);
	base.interrupt.line_count_size = sizeof(uint64_t);
	base.interrupt.line_enable = enable;
	base.interrupt.kind = VIOT_LINE;
	t->interrupts = true;
	return t;
}

/* Switched on once until it fires, asked why only then. */
START_TEST(test_line)
{
	struct vio_transport *t = with_line();

	viot_base_wait_arm(t, 0, 0);
	viot_base_wait_arm(t, 0, 1);
	ck_assert_uint_eq(enables, 1);
	ck_assert_uint_eq(viot_base_wait_ack(t, 0), 0);
	ck_assert_uint_eq(isr_reads, 0);
	isr = 3;
	fire(base.interrupt.line);
	ck_assert_uint_eq(viot_base_wait_ack(t, 0), VIO_EVENT_CONFIG);
	ck_assert_uint_eq(isr_reads, 1);
	viot_base_wait_arm(t, 0, 0);
	ck_assert_uint_eq(enables, 2);
	isr = 1;
	fire(base.interrupt.line);
	ck_assert_uint_eq(viot_base_wait_ack(t, 0), 0);
	viot_interrupt_close(&base.interrupt);
}
END_TEST

START_TEST(test_line_fails)
{
	struct vio_transport *t = with_line();

	enable_result = -ENOSYS;
	viot_base_wait_arm(t, 0, 0);
	ck_assert_int_eq(viot_base_wait_fd(t, 0), base.interrupt.line);
	ck_assert_int_eq(viot_base_wait_fd(t, 1), -ENOTSUP);
	viot_base_wait_by_timer(t, 0);
	ck_assert_int_eq(viot_base_wait_fd(t, 0), base.interrupt.timer[0]);
	viot_base_wait_arm(t, 0, 0);
	ck_assert_int_eq(poll(&(struct pollfd){viot_base_wait_fd(t, 0), POLLIN, 0}, 1, 5000), 1);
	ck_assert_uint_eq(viot_base_wait_ack(t, 0), 0);
	ck_assert(!atomic_load(&base.is_gone));
	viot_interrupt_close(&base.interrupt);
}
END_TEST

/* Stopped while it still answers, then all ones. */
START_TEST(test_line_of_a_removed_device)
{
	struct vio_transport *t = with_line();

	enable_result = -EIO;
	viot_base_wait_arm(t, 0, 0);
	ck_assert_uint_eq(status, 0);
	ck_assert(base.is_harmless);
	ck_assert_uint_eq(get_status(t), 0xff);
	ck_assert_uint_eq(viot_base_wait_ack(t, 0) & VIO_EVENT_GONE, VIO_EVENT_GONE);
	viot_interrupt_close(&base.interrupt);
}
END_TEST

START_TEST(test_asked_for_back)
{
	struct vio_transport *t = with_line();

	base.interrupt.removal = eventfd(0, EFD_NONBLOCK);
	ck_assert_int_eq(viot_interrupt_start(&base.interrupt, "test", NULL), 0);
	ck_assert_int_ge(viot_base_wait_fd(t, VIO_WAIT_EVENTS), 0);
	ck_assert_uint_eq(viot_base_wait_ack(t, VIO_WAIT_EVENTS), 0);
	fire(base.interrupt.removal);
	ck_assert_uint_eq(viot_base_wait_ack(t, VIO_WAIT_EVENTS), VIO_EVENT_GONE);
	ck_assert_uint_eq(status, 0);
	ck_assert(base.is_harmless);
	viot_interrupt_close(&base.interrupt);
}
END_TEST

Suite *platform_suite(void)
{
	Suite *suite = suite_create("platform");
	TCase *guard = tcase_create("guard"), *wait = tcase_create("wait");

	tcase_set_timeout(guard, 60);
	tcase_add_test(guard, test_registers_go_away);
	tcase_add_test(guard, test_all_threads_see_ones);
	tcase_add_test_raise_signal(guard, test_foreign_fault, SIGBUS);
	tcase_add_test_raise_signal(guard, test_sent_signal, SIGBUS);
	tcase_add_test(guard, test_too_many_windows);
	suite_add_tcase(suite, guard);
	tcase_add_test(wait, test_a_vector_for_each_queue);
	tcase_add_test(wait, test_one_vector);
	tcase_add_test(wait, test_line);
	tcase_add_test(wait, test_line_fails);
	tcase_add_test(wait, test_line_of_a_removed_device);
	tcase_add_test(wait, test_asked_for_back);
	suite_add_tcase(suite, wait);
	return suite;
}
