/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's loop between this machine's kernel and a simulated device: what it
 * sleeps on, and what wakes it. Prints a line for each check.
 *
 * Needs root and /dev/fuse. Exit code: 0 all passed, 1 something failed, 77 nothing
 * could be tested.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <vio/blk.h>
#include <vio/log.h>

#include "disk.h"
#include "fsg.h"
#include "loop.h"
#include "sim.h"

enum {
	SECTORS = 16384,
	READ_SIZE = 4096,
	LIMIT_MS = 5000,
	WINDOW_MS = 300, /* to see that nothing happens */
	TICKS_MS = 4000,
	REMOVAL_MS = 2000,
	QUIET_MS = 3600, /* what is left of a tick of a second, and one of 2 s, but none of 4 s */
};

static unsigned passed, failed;
static char dir[64], path[80];

static struct {
	struct sim *sim;
	struct vio_blk *blk;
	struct devb_disk *disk;
	struct fsg_tree *tree;
	void *memory;
	struct fsg_channel *channel;
	struct devb_loop *loop;
	int file;
} all;

static atomic_uint ended, resized, warned;

__attribute__((format(printf, 2, 3))) static void check(bool is_so, const char *format, ...)
{
	va_list args;

	printf("%s - ", is_so ? "ok" : "not ok");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	*(is_so ? &passed : &failed) += 1;
}

static void give_up(const char *what)
{
	printf("not ok - %s (%s)\n", what, strerror(errno));
	exit(1);
}

static unsigned now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* How long until @counter is above @before; LIMIT_MS if never. */
static unsigned wait_for(const atomic_uint *counter, unsigned before)
{
	unsigned start = now_ms();

	while (*counter <= before && now_ms() - start < LIMIT_MS) {
		poll(NULL, 0, 1);
	}
	return now_ms() - start;
}

static void note_line(void *context, enum vio_log_level level, const char *text)
{
	(void)context;
	if (level == VIO_LOG_WARN) {
		warned++;
		printf("# %s\n", text);
	}
}

static void count(void *context)
{
	atomic_fetch_add((atomic_uint *)context, 1);
}

static void loop_ended(void *context)
{
	(void)context;
	count(&ended);
}

static void loop_resized(void *context)
{
	(void)context;
	count(&resized);
}

static void open_all(const struct sim_options *options, enum vio_poll poll)
{
	const struct vio_blk_options wish = {.poll = poll};
	const struct fsg_access access = {.mode = 0600};
	const struct devb_loop_listener listener = {loop_ended, loop_resized, NULL};
	struct fsg_channel_options mount = {
		.mount_dir = dir, .source = "loop_check", .memory_size = FSG_MEMORY_MIN};
	struct vio_error err = {.text = ""};
	char why[256] = "";

	ended = resized = warned = 0;
	all.sim = sim_open(options);
	if (vio_blk_open(&all.blk, sim_transport(all.sim), &wish, &err) < 0 ||
	    devb_disk_open(&all.disk, all.blk, &err) < 0) {
		give_up(err.text);
	}
	all.memory = mount.memory = vio_blk_alloc(all.blk, FSG_MEMORY_MIN);
	all.tree = fsg_tree_open(&access);
	if (!all.memory || !all.tree ||
	    fsg_tree_add(all.tree, "hd0", devb_disk_block(all.disk)) < 0 ||
	    fsg_channel_open(&all.channel, all.tree, &mount, why, sizeof(why)) < 0 ||
	    devb_loop_open(&all.loop, all.disk, all.channel, &listener, &err) < 0 ||
	    devb_loop_start(all.loop, &err) < 0) {
		give_up(why[0] ? why : err.text);
	}
	all.file = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (all.file < 0) {
		give_up(path);
	}
}

static void close_all(void)
{
	const char *complaint;

	close(all.file);
	devb_loop_stop(all.loop);
	devb_loop_close(all.loop);
	fsg_channel_close(all.channel);
	fsg_tree_close(all.tree);
	devb_disk_close(all.disk);
	vio_blk_free(all.blk, all.memory, FSG_MEMORY_MIN);
	vio_blk_close(all.blk);
	vio_transport_close(sim_transport(all.sim));
	complaint = sim_complaint(all.sim);
	check(complaint[0] == '\0', "the device has nothing to complain of (%s)", complaint);
	sim_close(all.sim);
}

static struct sim_options options_for(bool interrupts, bool separate_events)
{
	struct sim_options o = sim_defaults();

	o.config.capacity = htole64(SECTORS);
	o.pool_size = 8 << 20;
	o.interrupts = interrupts;
	o.separate_events = separate_events;
	return o;
}

static _Alignas(4096) char data[READ_SIZE];

/* So many reads; 0 or an errno. */
static int read_many(unsigned reads)
{
	for (unsigned i = 0; i < reads; i++) {
		ssize_t n = pread(all.file, data, READ_SIZE, (off_t)(i % 100) * READ_SIZE);

		if (n != READ_SIZE) {
			return n < 0 ? errno : EPROTO;
		}
	}
	return 0;
}

/* Interrupts while it sleeps, none while it spins, nothing at all while it is idle. */
static void modes(void)
{
	static const char *const names[] = {"auto", "always", "never"};

	for (unsigned i = 0; i < 6; i++) {
		enum vio_poll mode = (enum vio_poll)(i / 2);
		struct sim_options o = options_for(i % 2, false);
		struct sim_counts busy, idle;

		open_all(&o, mode);
		sim_fault(all.sim, (struct sim_fault){.kind = SIM_DELAY, .value = 2});
		check(read_many(50) == 0, "poll=%s, %s: 50 reads", names[mode],
		      o.interrupts ? "interrupts" : "no interrupts");
		busy = sim_counts(all.sim);
		poll(NULL, 0, WINDOW_MS);
		idle = sim_counts(all.sim);
		check(mode == VIO_POLL_ALWAYS ? busy.interrupts + busy.timers == 0
					      : (busy.interrupts >= 40) == o.interrupts &&
							(busy.timers >= 40) != o.interrupts,
		      "poll=%s: %u interrupts and %u timers for 50 slow reads", names[mode],
		      busy.interrupts, busy.timers);
		check(idle.interrupts == busy.interrupts && idle.timers == busy.timers,
		      "poll=%s: none when idle", names[mode]);
		close_all();
	}
}

/* Idle, it looks after the device rarely where an interrupt would tell it all. */
static void quiet(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sim_options o = options_for(i, false);
		unsigned before, looks;

		open_all(&o, VIO_POLL_AUTO);
		check(read_many(1) == 0, "%s: a read", i ? "interrupts" : "no interrupts");
		before = sim_counts(all.sim).status_reads;
		poll(NULL, 0, QUIET_MS);
		looks = sim_counts(all.sim).status_reads - before;
		check(i ? looks <= 1 : looks >= 2, "it looks %u times in %d ms", looks, QUIET_MS);
		close_all();
	}
}

static void missing(void)
{
	struct sim_options o = options_for(true, false);
	unsigned start, took;
	int rc;

	open_all(&o, VIO_POLL_NEVER);
	sim_knobs(all.sim)->mute = true;
	sim_fault(all.sim, (struct sim_fault){.kind = SIM_DELAY, .value = 5});
	start = now_ms();
	rc = read_many(3);
	took = now_ms() - start;
	check(rc == 0, "interrupts that never come: reads succeed");
	check(took >= 3 * VIO_WAIT_BACKSTOP_MS, "found by the backstop: %u ms for 3", took);
	check(!devb_disk_has_interrupts(devb_disk_queue(all.disk, 0)) && warned == 1, "it says so and polls");
	start = now_ms();
	rc = read_many(30);
	took = now_ms() - start;
	check(rc == 0 && took < 10 * VIO_WAIT_BACKSTOP_MS,
	      "from then on it watches the timer: %u ms for 30", took);
	close_all();
}

static off_t size_of_volume(void)
{
	struct stat attr;

	return stat(path, &attr) == 0 ? attr.st_size : -1;
}

/* The tick would find it too: several times in a row it is not the tick. */
static void resizes(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sim_options o = options_for(true, i);
		unsigned total = 0;
		bool is_right = true;

		open_all(&o, VIO_POLL_AUTO);
		for (unsigned n = 1; n <= 5; n++) {
			unsigned before = resized;

			sim_resize(all.sim, SECTORS - n * 8);
			total += wait_for(&resized, before);
			is_right &= size_of_volume() == (off_t)(SECTORS - n * 8) * 512;
		}
		check(total < TICKS_MS && is_right, "%s tells an idle loop of 5 resizes: %u ms",
		      i ? "an interrupt of its own" : "the queue's interrupt", total);
		close_all();
	}
}

static void *read_one(void *argument)
{
	*(int *)argument = read_many(1);
	return NULL;
}

static void removal(void)
{
	struct sim_options o = options_for(true, false);
	int result = 0, rc;
	unsigned start, took;
	pthread_t reader;

	open_all(&o, VIO_POLL_AUTO);
	sim_knobs(all.sim)->hold = true;
	pthread_create(&reader, NULL, read_one, &result);
	start = now_ms();
	while (sim_counts(all.sim).notifications == 0 && now_ms() - start < LIMIT_MS) {
		poll(NULL, 0, 1);
	}
	sim_knobs(all.sim)->gone = true;
	start = now_ms();
	pthread_join(reader, NULL);
	check(result == ENODEV, "a read of a removed device: %s", strerror(result));
	wait_for(&ended, 0);
	took = now_ms() - start;
	check(ended == 1 && took < REMOVAL_MS, "the loop ends by itself: %u ms", took);
	rc = read_many(1);
	check(rc == ENOTCONN || rc == ENODEV, "a later read: %s", strerror(rc));
	check(size_of_volume() == -1, "the name is gone");
	close_all();
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (geteuid() != 0 || access("/dev/fuse", R_OK | W_OK) < 0) {
		printf("loop tests skipped: they need root and /dev/fuse\n");
		return 77;
	}
	snprintf(dir, sizeof(dir), "/tmp/loop_check.XXXXXX");
	if (!mkdtemp(dir)) {
		give_up("mkdtemp");
	}
	snprintf(path, sizeof(path), "%s/hd0", dir);
	vio_log_install(note_line, NULL);
	modes();
	quiet();
	missing();
	resizes();
	removal();
	rmdir(dir);
	printf("%u passed, %u failed\n", passed, failed);
	return failed ? 1 : 0;
}
