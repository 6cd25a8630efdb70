/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading what the kernel says of a thread; READY=1 to sockets of all kinds. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "notify.h"
#include "privileges.h"
#include "suites.h"

#define BARE_END                                                                                   \
	"CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"        \
	"CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t0\n"
#define BARE                                                                                       \
	"Name:\tdevb-virtio\nUid:\t20\t20\t20\t20\nGid:\t21\t21\t21\t21\nFDSize:\t64\nGroups:\t "  \
	"\n" BARE_END

static char found[100];

static int check(const char *text)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int rc;

	ck_assert_ptr_nonnull(file);
	found[0] = '\0';
	rc = devb_privileges_check(file, 20, 21, found, sizeof(found));
	fclose(file);
	return rc;
}

/* BARE with @what replaced. */
static const char *but(const char *what, const char *with)
{
	static char text[2048];
	const char *at = strstr(BARE, what);

	ck_assert_ptr_nonnull(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - BARE), BARE, with, at + strlen(what));
	return text;
}

START_TEST(test_a_bare_thread)
{
	ck_assert_int_eq(check(BARE), 0);
	ck_assert_int_eq(check(but("Groups:\t \n", "Groups:\t\n")), 0);
}
END_TEST

START_TEST(test_what_is_left)
{
	ck_assert_int_eq(check(but("Uid:\t20\t20\t20\t20", "Uid:\t20\t20\t0\t20")), -EACCES);
	ck_assert_str_eq(found, "'Uid: 20 20 0 20'");
	ck_assert_int_eq(check(but("Uid:\t20\t20\t20\t20", "Uid:\t20\t20\t20\t0")), -EACCES);
	ck_assert_int_eq(check(but("Gid:\t21\t21\t21\t21", "Gid:\t0\t21\t21\t21")), -EACCES);
	ck_assert_int_eq(check(but("Groups:\t \n", "Groups:\t0 6 \n")), -EACCES);
	ck_assert_str_eq(found, "'Groups: 0 6'");
	ck_assert_int_eq(check(but("CapPrm:\t0000000000000000", "CapPrm:\t0000000000200000")),
			 -EACCES);
	ck_assert_int_eq(check(but("CapBnd:\t0000000000000000", "CapBnd:\t000001ffffffffff")),
			 -EACCES);
	ck_assert_str_eq(found, "'CapBnd: 000001ffffffffff'");
	ck_assert_int_eq(check(but("NoNewPrivs:\t1", "NoNewPrivs:\t0")), -EACCES);
}
END_TEST

START_TEST(test_what_is_not_said)
{
	ck_assert_int_eq(check(but("CapAmb:\t0000000000000000\n", "")), -EACCES);
	ck_assert_str_eq(found, "nothing like 'CapAmb: 0000000000000000'");
	ck_assert_int_eq(check(" "), -EACCES);
}
END_TEST

/* A socket of ours at @name, "@" standing for the abstract namespace. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, name, size);
	if (name[0] == '@') {
		address.sun_path[0] = '\0';
	}
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)),
			 0);
	return fd;
}

static void check_notified(const char *name)
{
	int fd = listen_at(name);
	char text[16] = "";

	setenv("NOTIFY_SOCKET", name, 1);
	devb_notify_ready();
	ck_assert_int_eq(recv(fd, text, sizeof(text) - 1, 0), 7);
	ck_assert_str_eq(text, "READY=1");
	ck_assert_int_lt(recv(fd, text, sizeof(text), 0), 0);
	close(fd);
}

START_TEST(test_ready_is_told)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/devb-notify-%d", (int)getpid());
	check_notified(path);
	unlink(path);
	snprintf(path, sizeof(path), "@devb-notify-%d", (int)getpid());
	check_notified(path);
}
END_TEST

Suite *privileges_suite(void)
{
	Suite *suite = suite_create("privileges");
	TCase *status = tcase_create("status");
	TCase *notify = tcase_create("notify");

	tcase_add_test(status, test_a_bare_thread);
	tcase_add_test(status, test_what_is_left);
	tcase_add_test(status, test_what_is_not_said);
	tcase_add_test(notify, test_ready_is_told);
	suite_add_tcase(suite, status);
	suite_add_tcase(suite, notify);
	return suite;
}
