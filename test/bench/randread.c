/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * randread: 4 KiB random reads at a constant queue depth, closed loop.
 *
 *   randread kernel /dev/vda DEPTH SECONDS
 *           through the kernel's driver, O_DIRECT, Linux AIO
 *   randread vio ADDRESS DEPTH SECONDS INTERRUPTS POLL POLL_US
 *           through libvio; the last three as in "devb-virtio virtio interrupts=,
 *           poll=,poll_us=", where 0 means the default
 *
 * The kernel's side uses io_submit directly, with as little around it as libvio's
 * side has, so that the two compare drivers and not benchmarks. Prints one line:
 *
 *   IOPS, mean latency in µs,
 *   CPU in µs a read: user, system, and what the whole machine was not idle;
 *   CPU of the process in per cent of one core,
 *   and of libvio (0 for the kernel): times slept a read, and how long it spun in
 *   vain, at most, in per cent of the time
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/aio_abi.h>
#include <linux/virtio_ids.h>

#include <vio-transport/open.h>
#include <vio/blk.h>

enum {
	BLOCK = 4096,
	DEPTH_MAX = 256,
	WAIT_MS = 5000,
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* xorshift64*: the same sequence on both sides */
static uint64_t next_random(void)
{
	static uint64_t state = 88172645463325252ULL;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 2685821657736338717ULL;
}

/* What has been used so far; the difference of two counts. */
struct usage {
	double now, user, system, idle; /* s */
};

struct waits {
	uint64_t sleeps;
	double vain; /* s */
};

/* Of all CPUs together; exact while idle CPUs have no tick. */
static double idle_seconds(void)
{
	FILE *file = fopen("/proc/uptime", "re");
	double idle = 0;

	if (!file || fscanf(file, "%*f %lf", &idle) != 1) {
		idle = 0;
	}
	if (file) {
		fclose(file);
	}
	return idle;
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static struct usage usage_now(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (struct usage){(double)now_ns() / 1e9, seconds_of(used.ru_utime),
			      seconds_of(used.ru_stime), idle_seconds()};
}

static void report(uint64_t done, const struct usage *start, unsigned depth, struct waits waits)
{
	struct usage end = usage_now();
	double seconds = end.now - start->now;
	double user = end.user - start->user, system = end.system - start->system;
	double busy = seconds * (double)sysconf(_SC_NPROCESSORS_ONLN) - (end.idle - start->idle);
	double each = 1e6 / (double)done;

	printf("%.0f %.2f %.2f %.2f %.2f %.2f %.3f %.3f\n", (double)done / seconds,
	       seconds * each * depth, user * each, system * each, busy * each,
	       100 * (user + system) / seconds, (double)waits.sleeps / (double)done,
	       100 * waits.vain / seconds);
}

static int die(const char *what)
{
	fprintf(stderr, "randread: %s\n", what);
	return 1;
}

static struct vio_blk_request requests[DEPTH_MAX];
static struct iovec buffers[DEPTH_MAX];

static int submit(struct vio_blk *blk, struct vio_blk_request *request)
{
	uint64_t blocks = vio_blk_info(blk)->capacity_sectors * VIO_BLK_SECTOR_SIZE / BLOCK;

	request->start_sector = next_random() % blocks * (BLOCK / VIO_BLK_SECTOR_SIZE);
	return vio_blk_submit(vio_blk_queue(blk, 0), request);
}

static int start_all(struct vio_blk *blk, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++) {
		buffers[i].iov_base = vio_blk_alloc(blk, BLOCK);
		buffers[i].iov_len = BLOCK;
		requests[i] = (struct vio_blk_request){
			.op = VIO_BLK_READ, .iov = &buffers[i], .iov_count = 1};
		if (!buffers[i].iov_base || submit(blk, &requests[i]) < 0) {
			return -1;
		}
	}
	return 0;
}

/* One turn: whatever is there, or else a wait. Returns how many, or -1. */
static int take_some(struct vio_blk *blk, unsigned depth)
{
	struct vio_blk_queue *queue = vio_blk_queue(blk, 0);
	struct vio_blk_request *done[DEPTH_MAX];
	unsigned n = vio_blk_reap(queue, done, depth);

	if (n == 0) {
		return vio_blk_wait(queue, WAIT_MS) < 0 ? -1 : 0;
	}
	for (unsigned i = 0; i < n; i++) {
		if (done[i]->result < 0 || submit(blk, done[i]) < 0) {
			return -1;
		}
	}
	vio_blk_kick(queue);
	return (int)n;
}

/* A spin is no longer than poll_us; most are shorter. */
static struct waits waits_of(struct vio_blk_queue *queue)
{
	struct vio_blk_stats stats;

	vio_blk_stats(queue, &stats);
	return (struct waits){stats.sleeps, (double)(stats.spins - stats.spins_found) *
						    (double)vio_blk_spin(queue)->max_ns / 1e9};
}

static int run_requests(struct vio_blk *blk, unsigned depth, unsigned seconds)
{
	struct usage start = usage_now();
	uint64_t end = now_ns() + seconds * UINT64_C(1000000000), total = 0;

	if (start_all(blk, depth) < 0) {
		return die("the requests cannot be started");
	}
	vio_blk_kick(vio_blk_queue(blk, 0));
	while (now_ns() < end) {
		int n = take_some(blk, depth);

		if (n < 0) {
			return die("a read failed");
		}
		total += (unsigned)n;
	}
	report(total, &start, depth, waits_of(vio_blk_queue(blk, 0)));
	return 0;
}

/* The place of @name in a list that NULL ends, or -1. */
static int place_of(const char *name, const char *const *names)
{
	for (int i = 0; names[i]; i++) {
		if (strcmp(names[i], name) == 0) {
			return i;
		}
	}
	return -1;
}

/* INTERRUPTS POLL POLL_US */
static int read_ways(char **argv, struct viot_options *options, struct vio_blk_options *blk)
{
	/* in the order of enum viot_interrupts, and of enum vio_poll */
	static const char *const kinds[] = {"auto", "msix", "msix-shared", "intx",
					    "uio",  "poll", NULL};
	static const char *const polls[] = {"auto", "always", "never", NULL};
	int kind = place_of(argv[0], kinds), poll = place_of(argv[1], polls);

	options->interrupts = (enum viot_interrupts)kind;
	blk->poll = (enum vio_poll)poll;
	blk->poll_us = (uint32_t)atoi(argv[2]);
	return kind < 0 || poll < 0 ? -1 : 0;
}

static int run_vio(const char *text, unsigned depth, unsigned seconds, char **ways)
{
	struct viot_options options = {.device_type = VIRTIO_ID_BLOCK};
	struct vio_blk_options blk_options = {0};
	struct viot_address address;
	struct vio_transport *transport = NULL;
	struct vio_blk *blk = NULL;
	struct vio_error err;
	int rc = viot_address_parse(text, &address, &err);

	if (read_ways(ways, &options, &blk_options) < 0) {
		return die("INTERRUPTS or POLL is none of those in devb-virtio(8)");
	}
	if (rc == 0) {
		rc = viot_open(&transport, &address, &options, &err);
	}
	if (rc == 0) {
		rc = vio_blk_open(&blk, transport, &blk_options, &err);
	}
	rc = rc < 0 ? die(err.text) : run_requests(blk, depth, seconds);
	vio_blk_close(blk);
	vio_transport_close(transport);
	return rc;
}

static struct iocb blocks[DEPTH_MAX];

static int kernel_submit(aio_context_t aio, struct iocb **list, unsigned n, uint64_t size)
{
	for (unsigned i = 0; i < n; i++) {
		list[i]->aio_offset = (int64_t)(next_random() % (size / BLOCK) * BLOCK);
	}
	return n == 0 || syscall(SYS_io_submit, aio, (long)n, list) == (long)n ? 0 : -1;
}

static int run_aio(aio_context_t aio, int fd, unsigned depth, unsigned seconds)
{
	struct io_event events[DEPTH_MAX];
	struct iocb *list[DEPTH_MAX];
	uint64_t size = (uint64_t)lseek(fd, 0, SEEK_END);
	struct usage start = usage_now();
	uint64_t end = now_ns() + seconds * UINT64_C(1000000000), total = 0;

	for (unsigned i = 0; i < depth; i++) {
		void *buffer = aligned_alloc(BLOCK, BLOCK);

		blocks[i] = (struct iocb){.aio_lio_opcode = IOCB_CMD_PREAD,
					  .aio_fildes = (uint32_t)fd,
					  .aio_buf = (uint64_t)(uintptr_t)buffer,
					  .aio_nbytes = BLOCK};
		list[i] = &blocks[i];
	}
	if (kernel_submit(aio, list, depth, size) < 0) {
		return die("io_submit failed");
	}
	while (now_ns() < end) {
		long n = syscall(SYS_io_getevents, aio, 1L, (long)depth, events, NULL);

		for (long i = 0; i < n; i++) {
			list[i] = (struct iocb *)(uintptr_t)events[i].obj;
		}
		if (n < 0 || kernel_submit(aio, list, (unsigned)n, size) < 0) {
			return die("a read failed");
		}
		total += (uint64_t)n;
	}
	report(total, &start, depth, (struct waits){0, 0});
	return 0;
}

static int run_kernel(const char *path, unsigned depth, unsigned seconds)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	aio_context_t aio = 0;

	if (fd < 0 || syscall(SYS_io_setup, (long)depth, &aio) < 0) {
		return die(strerror(errno));
	}
	return run_aio(aio, fd, depth, seconds);
}

static bool is_kernel(int argc, char **argv)
{
	return argc == 5 && strcmp(argv[1], "kernel") == 0;
}

int main(int argc, char **argv)
{
	unsigned depth, seconds;

	if (!is_kernel(argc, argv) && !(argc == 8 && strcmp(argv[1], "vio") == 0)) {
		fprintf(stderr,
			"usage: randread kernel DEVICE DEPTH SECONDS\n"
			"       randread vio ADDRESS DEPTH SECONDS INTERRUPTS POLL POLL_US\n");
		return 2;
	}
	depth = (unsigned)atoi(argv[3]);
	seconds = (unsigned)atoi(argv[4]);
	if (depth < 1 || depth > DEPTH_MAX || seconds < 1) {
		return die("DEPTH is 1 to 256, SECONDS at least 1");
	}
	if (is_kernel(argc, argv)) {
		return run_kernel(argv[2], depth, seconds);
	}
	return run_vio(argv[2], depth, seconds, argv + 5);
}
