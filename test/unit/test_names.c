/* SPDX-License-Identifier: BSD-3-Clause */
/* Names in a devdir of our own, in the company of others that hold some. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vio-transport/open.h>

#include "names.h"
#include "suites.h"

#define NOBODY "test-nobody" /* a device that no process drives */
#define OTHER  "test-other"

enum {
	RACERS = 8,
	ROUNDS = 20,
};

static char devdir[] = "/tmp/devb-names-XXXXXX";
static struct vio_error err;

static void make_devdir(void)
{
	memcpy(devdir + sizeof(devdir) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(devdir));
	err.text[0] = '\0';
}

static void remove_devdir(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", devdir);
	ck_assert_int_eq(system(command), 0);
}

static struct devb_names names_of(const char *key)
{
	struct devb_names names = {.count = 0};

	snprintf(names.devdir, sizeof(names.devdir), "%s", devdir);
	snprintf(names.key, sizeof(names.key), "%s", key);
	snprintf(names.target_dir, sizeof(names.target_dir), VIOT_RUN_DIR "/%s", key);
	return names;
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", devdir, name);
	return path;
}

static void make_link(const char *name, const char *target)
{
	ck_assert_int_eq(symlink(target, path_of(name)), 0);
}

/* @target NULL: there is no such link. */
static void assert_link(const char *name, const char *target)
{
	char buffer[256];
	ssize_t n = readlink(path_of(name), buffer, sizeof(buffer) - 1);

	if (!target) {
		ck_assert_int_lt(n, 0);
		return;
	}
	ck_assert_msg(n > 0, "%s is gone", name);
	buffer[n] = '\0';
	ck_assert_str_eq(buffer, target);
}

static void make_file(const char *name)
{
	int fd = open(path_of(name), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void claim_disk(struct devb_names *names, unsigned first, const char *expected)
{
	int rc = devb_names_claim_disk(names, "hd", first, &err);

	ck_assert_msg(rc == 0, "%s", err.text);
	ck_assert_str_eq(names->disk, expected);
}

START_TEST(test_first_free)
{
	struct devb_names names = names_of("test-us");

	claim_disk(&names, 0, "hd0");
	assert_link("hd0", VIOT_RUN_DIR "/test-us/hd0");
	ck_assert_int_eq(devb_names_claim(&names, "hd0t131", &err), 0);
	assert_link("hd0t131", VIOT_RUN_DIR "/test-us/hd0t131");
	devb_names_release(&names);
	assert_link("hd0", NULL);
	assert_link("hd0t131", NULL);
	claim_disk(&names, 7, "hd7");
	devb_names_release(&names);
	assert_link("hd7", NULL);
}
END_TEST

static const char *const foreign[] = {
	"sda",
	"../elsewhere/test-nobody/hd2",
	VIOT_RUN_DIR,
	VIOT_RUN_DIR "/" NOBODY,
	VIOT_RUN_DIR "-2/" NOBODY "/hd5",
};

enum {
	FOREIGN = sizeof(foreign) / sizeof(foreign[0])
};

/* Files, directories, and links that do not have the form of ours stay. */
START_TEST(test_foreign)
{
	struct devb_names names = names_of("test-us");
	char name[16];

	for (unsigned i = 0; i < FOREIGN; i++) {
		snprintf(name, sizeof(name), "hd%u", i);
		make_link(name, foreign[i]);
	}
	make_file("hd5");
	ck_assert_int_eq(mkdir(path_of("hd6"), 0700), 0);
	claim_disk(&names, 0, "hd7");
	ck_assert_int_eq(devb_names_claim(&names, "hd5", &err), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err.text, path_of("hd5")));
	ck_assert_ptr_nonnull(strstr(err.text, "exists already"));
	devb_names_release(&names);
	for (unsigned i = 0; i < FOREIGN; i++) {
		snprintf(name, sizeof(name), "hd%u", i);
		assert_link(name, foreign[i]);
	}
	ck_assert_int_eq(access(path_of("hd5"), F_OK), 0);
	ck_assert_int_eq(access(path_of("hd6"), F_OK), 0);
}
END_TEST

START_TEST(test_stale)
{
	struct devb_names names = names_of("test-us");

	make_link("hd0", VIOT_RUN_DIR "/" NOBODY "/hd0");
	make_link("hd0t131", VIOT_RUN_DIR "/" NOBODY "/hd0t131");
	make_link("hd1", VIOT_RUN_DIR "/" NOBODY "/hd1");
	claim_disk(&names, 0, "hd0");
	assert_link("hd0", VIOT_RUN_DIR "/test-us/hd0");
	ck_assert_int_eq(devb_names_claim(&names, "hd0t131", &err), 0);
	assert_link("hd0t131", VIOT_RUN_DIR "/test-us/hd0t131");
	assert_link("hd1", VIOT_RUN_DIR "/" NOBODY "/hd1"); /* nobody needs it */
	devb_names_release(&names);
	assert_link("hd1", VIOT_RUN_DIR "/" NOBODY "/hd1");
}
END_TEST

/* Whatever it was called; but a key that only begins like ours is another's. */
START_TEST(test_leftovers)
{
	struct devb_names names = names_of("test-us");

	make_link("hd9", VIOT_RUN_DIR "/test-us/hd9");
	make_link("old.name", VIOT_RUN_DIR "/test-us/old.name");
	make_link("hd8", VIOT_RUN_DIR "/test-us2/hd8");
	make_link("hd7", VIOT_RUN_DIR "/test-u/hd7");
	claim_disk(&names, 0, "hd0");
	assert_link("hd9", NULL);
	assert_link("old.name", NULL);
	assert_link("hd8", VIOT_RUN_DIR "/test-us2/hd8");
	assert_link("hd7", VIOT_RUN_DIR "/test-u/hd7");
}
END_TEST

/* A name that somebody took from us is not ours any more. */
START_TEST(test_release_only_ours)
{
	struct devb_names names = names_of("test-us");

	claim_disk(&names, 0, "hd0");
	ck_assert_int_eq(devb_names_claim(&names, "a", &err), 0);
	ck_assert_int_eq(devb_names_claim(&names, "b", &err), 0);
	ck_assert_int_eq(devb_names_claim(&names, "c", &err), 0);
	unlink(path_of("hd0"));
	make_link("hd0", VIOT_RUN_DIR "/" OTHER "/hd0");
	unlink(path_of("a"));
	make_file("a");
	unlink(path_of("b"));
	devb_names_release(&names);
	assert_link("hd0", VIOT_RUN_DIR "/" OTHER "/hd0");
	ck_assert_int_eq(access(path_of("a"), F_OK), 0);
	assert_link("c", NULL);
	devb_names_release(&names); /* nothing is left to do */
}
END_TEST

static void assert_refused(struct devb_names *names, const char *why)
{
	err.text[0] = '\0';
	ck_assert_int_eq(devb_names_claim_disk(names, "hd", 0, &err), -EACCES);
	ck_assert_ptr_nonnull(strstr(err.text, "hd0"));
	ck_assert_ptr_nonnull(strstr(err.text, "blk devdir="));
	ck_assert_msg(strstr(err.text, why) != NULL, "%s", err.text);
	ck_assert_uint_eq(names->count, 0);
}

START_TEST(test_bad_devdir)
{
	struct devb_names names = names_of("test-us");

	snprintf(names.devdir, sizeof(names.devdir), "%s/missing", devdir);
	assert_refused(&names, strerror(ENOENT));
	make_file("file");
	snprintf(names.devdir, sizeof(names.devdir), "%s/file", devdir);
	assert_refused(&names, strerror(ENOTDIR));
	memset(names.devdir, 'x', sizeof(names.devdir) - 1);
	names.devdir[0] = '/';
	ck_assert_int_eq(devb_names_claim_disk(&names, "hd", 0, &err), -EACCES);
}
END_TEST

START_TEST(test_unwritable)
{
	struct devb_names names = names_of("test-us");
	bool is_root = geteuid() == 0;

	ck_assert_int_eq(chmod(devdir, 0555), 0);
	ck_assert(!is_root || seteuid(65534) == 0);
	assert_refused(&names, strerror(EACCES));
	ck_assert(!is_root || seteuid(0) == 0);
	ck_assert_int_eq(chmod(devdir, 0700), 0);
}
END_TEST

START_TEST(test_too_many)
{
	struct devb_names names = names_of("test-us");
	char name[16];

	claim_disk(&names, 0, "hd0");
	for (int i = 0; i < DEVB_PARTITIONS_MAX; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		ck_assert_int_eq(devb_names_claim(&names, name, &err), 0);
	}
	ck_assert_int_eq(devb_names_claim(&names, "one more", &err), -EACCES);
	assert_link("one more", NULL);
	devb_names_release(&names);
	assert_link("p0", NULL);
	assert_link("p127", NULL);
}
END_TEST

/* A /run for this test alone, so that devices of the test may be driven. */
static bool make_run_dir(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("test", "/run", "tmpfs", 0, NULL) < 0) {
		printf("names: what is driven was not tested (%s)\n", strerror(errno));
		return false;
	}
	return mkdir(VIOT_RUN_DIR, 0755) == 0 && mkdir(VIOT_RUN_DIR "/lock", 0755) == 0;
}

/* As viot_open() does it; until the descriptor is closed. */
static int drive(const char *key)
{
	struct flock whole = {.l_type = F_WRLCK};
	char path[128];
	int fd;

	snprintf(path, sizeof(path), VIOT_RUN_DIR "/lock/%s", key);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0 && fcntl(fd, F_OFD_SETLK, &whole) == 0);
	return fd;
}

START_TEST(test_driven)
{
	struct devb_names names = names_of("test-us");
	int fd;

	if (!make_run_dir()) {
		return;
	}
	fd = drive(OTHER);
	make_link("hd0", VIOT_RUN_DIR "/" OTHER "/hd0");
	claim_disk(&names, 0, "hd1");
	assert_link("hd0", VIOT_RUN_DIR "/" OTHER "/hd0");
	ck_assert_int_eq(devb_names_claim(&names, "hd0", &err), -EBUSY);
	close(fd); /* as a killed process does; the file of its lock stays */
	ck_assert_int_eq(devb_names_claim(&names, "hd0", &err), 0);
	assert_link("hd0", VIOT_RUN_DIR "/test-us/hd0");
}
END_TEST

/* Another process in the middle of taking a stale name over: we wait, and see that it is gone. */
static void take_slowly(int ready)
{
	int fd = open(devdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (flock(fd, LOCK_EX) < 0 || write(ready, "", 1) != 1) {
		_exit(1);
	}
	usleep(60000);
	unlink(path_of("hd0"));
	_exit(symlink(VIOT_RUN_DIR "/" OTHER "/hd0", path_of("hd0")) < 0);
}

START_TEST(test_one_at_a_time)
{
	struct devb_names names = names_of("test-us");
	int ready[2], status;
	char byte;

	if (!make_run_dir()) {
		return;
	}
	drive(OTHER);
	claim_disk(&names, 5, "hd5");
	make_link("hd0", VIOT_RUN_DIR "/" NOBODY "/hd0");
	must(pipe(ready) == 0);
	if (fork() == 0) {
		take_slowly(ready[1]);
	}
	must(read(ready[0], &byte, 1) == 1);
	ck_assert_int_eq(devb_names_claim(&names, "hd0", &err), -EBUSY);
	must(wait(&status) > 0 && status == 0);
	assert_link("hd0", VIOT_RUN_DIR "/" OTHER "/hd0");
}
END_TEST

/* Of each pipe: [0] to read, [1] to write. */
struct pipes {
	int start[2], done[2], end[2];
};

/* One of many that start at once: claims, says so, and drives its device until the end. */
static void race(unsigned index, const struct pipes *pipes)
{
	struct devb_names names;
	char key[32], byte = 0;
	bool ok;

	snprintf(key, sizeof(key), "test-racer%u", index);
	names = names_of(key);
	drive(key);
	ok = read(pipes->start[0], &byte, 1) == 1 &&
	     devb_names_claim_disk(&names, "hd", 0, &err) == 0;
	ok = write(pipes->done[1], &byte, 1) == 1 && read(pipes->end[0], &byte, 1) == 1 && ok;
	_exit(ok ? 0 : 1);
}

static unsigned count_links(void)
{
	unsigned seen = 0;
	char name[16], target[128], key[32];

	for (unsigned i = 0; i < RACERS; i++) {
		ssize_t n;

		snprintf(name, sizeof(name), "hd%u", i);
		n = readlink(path_of(name), target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		for (unsigned k = 0; k < RACERS; k++) {
			snprintf(key, sizeof(key), "/test-racer%u/", k);
			seen |= strstr(target, key) ? 1u << k : 0;
		}
		unlink(path_of(name));
	}
	return (unsigned)__builtin_popcount(seen);
}

static void say(int fd)
{
	const char bytes[RACERS] = {0};

	must(write(fd, bytes, RACERS) == RACERS);
}

static void run_race(void)
{
	struct pipes pipes;
	char byte;
	int status;

	must(pipe(pipes.start) == 0 && pipe(pipes.done) == 0 && pipe(pipes.end) == 0);
	make_link("hd0", VIOT_RUN_DIR "/" NOBODY "/hd0");
	make_link("hd1", VIOT_RUN_DIR "/" NOBODY "/hd1");
	for (unsigned i = 0; i < RACERS; i++) {
		if (fork() == 0) {
			race(i, &pipes);
		}
	}
	say(pipes.start[1]);
	for (unsigned i = 0; i < RACERS; i++) {
		must(read(pipes.done[0], &byte, 1) == 1);
	}
	ck_assert_uint_eq(count_links(), RACERS);
	say(pipes.end[1]);
	for (unsigned i = 0; i < RACERS; i++) {
		must(wait(&status) > 0 && status == 0);
	}
	for (int i = 0; i < 2; i++) {
		close(pipes.start[i]);
		close(pipes.done[i]);
		close(pipes.end[i]);
	}
}

/* After a crash of all of them: each gets a name of its own. */
START_TEST(test_race)
{
	if (!make_run_dir()) {
		return;
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		run_race();
	}
}
END_TEST

Suite *names_suite(void)
{
	Suite *suite = suite_create("names");
	TCase *tcase = tcase_create("names");

	tcase_add_checked_fixture(tcase, make_devdir, remove_devdir);
	tcase_add_test(tcase, test_first_free);
	tcase_add_test(tcase, test_foreign);
	tcase_add_test(tcase, test_stale);
	tcase_add_test(tcase, test_leftovers);
	tcase_add_test(tcase, test_release_only_ours);
	tcase_add_test(tcase, test_bad_devdir);
	tcase_add_test(tcase, test_unwritable);
	tcase_add_test(tcase, test_too_many);
	tcase_add_test(tcase, test_driven);
	tcase_add_test(tcase, test_one_at_a_time);
	tcase_add_test(tcase, test_race);
	suite_add_tcase(suite, tcase);
	return suite;
}
