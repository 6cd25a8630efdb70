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
#include <sched.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <vio/blk.h>
#include <vio/log.h>

#include "disk.h"
#include "fsg.h"
#include "loop.h"
#include "sim.h"

#define MEMORY_SHARE FSG_MEMORY_MIN

enum {
	SECTORS = 16384,
	READ_SIZE = 4096,
	QUEUES_MAX = 3,
	LIMIT_MS = 5000,
	TIMEOUT_MS = 3000,
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
	struct fsg_channel *channels[QUEUES_MAX];
	unsigned queues;
	size_t memory_size;
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
	const struct vio_blk_options wish = {
		.poll = poll, .queues = (uint16_t)options->queues, .timeout_ms = TIMEOUT_MS};
	const struct fsg_access access = {.mode = 0600};
	const struct devb_loop_listener listener = {loop_ended, loop_resized, NULL};
	struct fsg_channel_options mount = {
		.mount_dir = dir, .source = "loop_check", .memory_size = MEMORY_SHARE};
	struct vio_error err = {.text = ""};
	char why[256] = "";

	ended = resized = warned = 0;
	all.sim = sim_open(options);
	if (vio_blk_open(&all.blk, sim_transport(all.sim), &wish, &err) < 0 ||
	    devb_disk_open(&all.disk, all.blk, &err) < 0) {
		give_up(err.text);
	}
	all.queues = devb_disk_queues(all.disk);
	all.memory_size = all.queues * MEMORY_SHARE;
	all.memory = mount.memory = vio_blk_alloc(all.blk, all.memory_size);
	all.tree = fsg_tree_open(&access);
	if (!all.memory || !all.tree ||
	    fsg_tree_add(all.tree, "hd0", devb_disk_block(all.disk)) < 0 ||
	    fsg_channel_open(&all.channels[0], all.tree, &mount, why, sizeof(why)) < 0) {
		give_up(why[0] ? why : "memory");
	}
	for (unsigned i = 1; i < all.queues; i++) {
		if (fsg_channel_clone(&all.channels[i], all.channels[0],
				      (char *)all.memory + i * MEMORY_SHARE, MEMORY_SHARE, why,
				      sizeof(why)) < 0) {
			give_up(why);
		}
	}
	if (devb_loop_open(&all.loop, all.disk, all.channels, &listener, &err) < 0 ||
	    devb_loop_start(all.loop, &err) < 0) {
		give_up(err.text);
	}
	all.file = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (all.file < 0) {
		give_up(path);
	}
}

/* Somebody has to answer that: not after the loop has been stopped, while there is a mount. */
static void close_file(void)
{
	if (all.file >= 0) {
		close(all.file);
	}
	all.file = -1;
}

static void close_all(void)
{
	const char *complaint;

	close_file();
	devb_loop_stop(all.loop);
	devb_loop_close(all.loop);
	while (all.queues > 0) {
		fsg_channel_close(all.channels[--all.queues]);
	}
	fsg_tree_close(all.tree);
	devb_disk_close(all.disk);
	vio_blk_free(all.blk, all.memory, all.memory_size);
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

/* On the loop's thread. */
static int has_interrupts(void *unused)
{
	(void)unused;
	return devb_disk_has_interrupts(devb_disk_queue(all.disk, 0));
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
	check(devb_loop_call(all.loop, has_interrupts, NULL) == 0 && warned == 1,
	      "it says so and polls");
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

static struct sim_options options_of_queues(unsigned queues, bool interrupts)
{
	struct sim_options o = options_for(interrupts, false);

	o.features |= UINT64_C(1) << VIRTIO_BLK_F_MQ;
	o.config.num_queues = htole16((uint16_t)queues);
	o.queues = queues;
	o.pool_size = (size_t)queues * (4 << 20);
	return o;
}

/* One of several that use the volume, each a part of its own. */
struct user {
	pthread_t id;
	unsigned index, rounds, errors, wrong;
	size_t known; /* bytes of what is expected that were acknowledged */
	unsigned char *expected, *found;
};

/* Of any alignment: neighbours share blocks. */
enum {
	USERS = 6,
	USER_BYTES = 25000,
	ROUNDS = 60,
	FOR_EVER = 1 << 30,
};

static struct user users[USERS];
static atomic_bool users_end;

/* After an error nobody knows what is there: all of it anew. */
static void *use(void *argument)
{
	struct user *user = argument;
	off_t start = (off_t)user->index * USER_BYTES;
	bool is_known = true;

	for (unsigned i = 0; i < user->rounds && !users_end; i++) {
		size_t at = is_known ? i * 4099 % USER_BYTES : 0, size = USER_BYTES - at;

		user->known = at;
		memset(user->expected + at, (int)(1 + i % 250), size);
		is_known = pwrite(all.file, user->expected + at, size, start + (off_t)at) ==
				   (ssize_t)size &&
			   pread(all.file, user->found, USER_BYTES, start) == USER_BYTES;
		if (is_known) {
			user->known = USER_BYTES;
			user->wrong += memcmp(user->found, user->expected, USER_BYTES) != 0;
		} else {
			user->errors++;
		}
	}
	return NULL;
}

static void start_users(unsigned rounds)
{
	users_end = false;
	for (unsigned i = 0; i < USERS; i++) {
		users[i] = (struct user){.index = i,
					 .rounds = rounds,
					 .expected = calloc(1, USER_BYTES),
					 .found = calloc(1, USER_BYTES)};
		if (pthread_create(&users[i].id, NULL, use, &users[i])) {
			give_up("threads");
		}
	}
}

/* Returns how many requests failed; data that was wrong is the end. */
static unsigned end_users(void)
{
	unsigned errors = 0, wrong = 0, lost = 0;

	for (unsigned i = 0; i < USERS; i++) {
		pthread_join(users[i].id, NULL);
		/* a look through its lock: the answer came by the kernel, where no sanitizer sees
		 */
		(void)sim_counts(all.sim);
		lost += memcmp(sim_disk(all.sim) + (size_t)i * USER_BYTES, users[i].expected,
			       users[i].known) != 0;
		errors += users[i].errors;
		wrong += users[i].wrong;
		free(users[i].expected);
		free(users[i].found);
	}
	check(wrong == 0, "what was read is what was written (%u were not)", wrong);
	check(lost == 0, "what was acknowledged is at the device (of %u it is not)", lost);
	return errors;
}

/* For slow answers: several threads must have something to do. */
static void slow_down(unsigned ms)
{
	sim_fault(all.sim, (struct sim_fault){.kind = SIM_DELAY, .value = ms});
}

static void all_queues_were_used(void)
{
	for (unsigned i = 0; i < all.queues; i++) {
		struct vio_blk_stats stats;

		vio_blk_stats(vio_blk_queue(all.blk, i), &stats);
		check(stats.requests > 0, "queue %u has had %llu requests", i,
		      (unsigned long long)stats.requests);
	}
}

static void several(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sim_options o = options_of_queues(QUEUES_MAX, i);

		open_all(&o, VIO_POLL_AUTO);
		slow_down(1);
		start_users(ROUNDS);
		check(end_users() == 0, "%u queues, %s: no errors", all.queues,
		      i ? "interrupts" : "no interrupts");
		close_file();
		check(devb_loop_stop(all.loop) == 0, "and a good end");
		all_queues_were_used();
		close_all();
	}
}

/* One queue has an answer too few: all requests fail, then all goes on. */
static void failure(void)
{
	struct sim_options o = options_of_queues(QUEUES_MAX, true);
	unsigned start, errors;

	open_all(&o, VIO_POLL_AUTO);
	sim_fault(all.sim,
		  (struct sim_fault){.kind = SIM_DROP, .skip = 30, .times = 1, .queue = 2});
	slow_down(1);
	start_users(FOR_EVER);
	start = now_ms();
	while (sim_counts(all.sim).resets < 3 && now_ms() - start < 2 * LIMIT_MS) {
		poll(NULL, 0, 1);
	}
	users_end = true;
	errors = end_users();
	check(errors > 0, "a lost answer: %u errors", errors);
	start = now_ms();
	while (read_many(1) != 0 && now_ms() - start < LIMIT_MS) {
		poll(NULL, 0, 1);
	}
	check(read_many(50) == 0 && ended == 0, "after a reset it serves on");
	close_all();
}

static void unmounted(void)
{
	struct sim_options o = options_of_queues(QUEUES_MAX, true);
	unsigned took;

	open_all(&o, VIO_POLL_AUTO);
	check(read_many(10) == 0, "reads before the unmount");
	close_file();
	check(umount2(dir, MNT_DETACH) == 0, "unmounted by somebody");
	took = wait_for(&ended, 0);
	check(ended == 1 && took < REMOVAL_MS, "all threads end: %u ms", took);
	close_all();
}

/* What was acknowledged is at the device, and flushed, whoever had it in hand. */
static void stopped_under_load(void)
{
	struct sim_options o = options_of_queues(QUEUES_MAX, true);
	unsigned start, took;
	int rc;

	open_all(&o, VIO_POLL_AUTO);
	slow_down(2);
	start_users(FOR_EVER);
	while (sim_counts(all.sim).requests[VIRTIO_BLK_T_OUT] < 100) {
		poll(NULL, 0, 1);
	}
	start = now_ms();
	rc = devb_loop_stop(all.loop);
	took = now_ms() - start;
	check(rc == 0 && took < LIMIT_MS, "stopped under load: %u ms", took);
	check(sim_counts(all.sim).requests[VIRTIO_BLK_T_FLUSH] == 1, "one flush for all queues");
	users_end = true;
	fsg_channel_abort(all.channels[0]); /* those whose messages nobody took */
	end_users();
	close_all();
}

static void *read_one(void *argument)
{
	*(int *)argument = read_many(1);
	return NULL;
}

static void removal(unsigned queues)
{
	struct sim_options o = options_of_queues(queues, true);
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
	check(ended == 1 && took < REMOVAL_MS, "the loop of %u ends by itself: %u ms", queues,
	      took);
	rc = read_many(1);
	check(rc == ENOTCONN || rc == ENODEV, "a later read: %s", strerror(rc));
	check(size_of_volume() == -1, "the name is gone");
	close_all();
}

/* Tasks of several threads, posted until the loop refuses them. */
struct poster {
	pthread_t thread;
	unsigned index; /* of the loop's thread */
	unsigned accepted;
	atomic_uint ran, refused;
};

struct posted {
	struct devb_loop_task task; /* first */
	struct poster *poster;
};

static void run_posted(struct devb_loop_task *task, int result)
{
	struct posted *posted = (struct posted *)task;

	atomic_fetch_add(result < 0 ? &posted->poster->refused : &posted->poster->ran, 1);
	free(posted);
}

/* Faster than they are run, but not without a bound. */
static void wait_for_room(const struct poster *poster)
{
	while (poster->accepted - poster->ran - poster->refused > 1000) {
		sched_yield();
	}
}

static void *post(void *argument)
{
	struct poster *poster = argument;

	for (;;) {
		struct posted *posted = calloc(1, sizeof(*posted));

		posted->task.run = run_posted;
		posted->poster = poster;
		if (devb_loop_post(all.loop, poster->index, &posted->task) < 0) {
			free(posted);
			return NULL;
		}
		poster->accepted++;
		wait_for_room(poster);
	}
}

/* Each that is accepted runs once, however the loop ends meanwhile. */
static void posts(bool by_itself)
{
	struct sim_options o = options_of_queues(QUEUES_MAX, true);
	struct poster posters[2 * QUEUES_MAX] = {{0}};
	unsigned lost = 0, ran = 0;

	open_all(&o, VIO_POLL_AUTO);
	for (unsigned i = 0; i < 2 * QUEUES_MAX; i++) {
		posters[i].index = i % devb_loop_threads(all.loop);
		pthread_create(&posters[i].thread, NULL, post, &posters[i]);
	}
	for (unsigned start = now_ms(); posters[0].ran < 1000 && now_ms() - start < LIMIT_MS;) {
		poll(NULL, 0, 1);
	}
	close_file();
	if (by_itself) {
		umount2(dir, MNT_DETACH);
		wait_for(&ended, 0);
	}
	check(devb_loop_stop(all.loop) == 0 && ended == by_itself, "ends while tasks are posted");
	for (unsigned i = 0; i < 2 * QUEUES_MAX; i++) {
		pthread_join(posters[i].thread, NULL);
		ran += posters[i].ran;
		lost += posters[i].accepted - posters[i].ran - posters[i].refused;
	}
	check(lost == 0 && ran >= 1000, "of %u tasks that ran, and those refused, none is lost",
	      ran);
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
	removal(1);
	removal(QUEUES_MAX);
	several();
	failure();
	unmounted();
	stopped_under_load();
	posts(false);
	posts(true);
	rmdir(dir);
	printf("%u passed, %u failed\n", passed, failed);
	return failed ? 1 : 0;
}
