/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * randread: 4 KiB random reads at a constant queue depth, closed loop.
 *
 *   randread vio ADDRESS DEPTH SECONDS     through libvio, polled
 *   randread kernel /dev/vda DEPTH SECONDS through the kernel's driver, O_DIRECT
 *
 * The kernel's side uses io_submit directly, with as little around it as libvio's
 * side has, so that the two compare drivers and not benchmarks. Prints
 * "IOPS mean-latency-in-µs".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void report(uint64_t done, uint64_t ns, unsigned depth)
{
	double seconds = (double)ns / 1e9;

	printf("%.0f %.2f\n", (double)done / seconds, seconds * 1e6 * depth / (double)done);
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

static int run_polled(struct vio_blk *blk, unsigned depth, unsigned seconds)
{
	struct vio_blk_queue *queue = vio_blk_queue(blk, 0);
	struct vio_blk_request *done[DEPTH_MAX];
	uint64_t start, end, total = 0;

	if (start_all(blk, depth) < 0) {
		return die("the requests cannot be started");
	}
	start = now_ns();
	end = start + seconds * UINT64_C(1000000000);
	vio_blk_kick(queue);
	for (unsigned turn = 1; turn % 1024 || now_ns() < end; turn++) {
		unsigned n = vio_blk_reap(queue, done, depth);

		for (unsigned i = 0; i < n; i++) {
			if (done[i]->result < 0 || submit(blk, done[i]) < 0) {
				return die("a read failed");
			}
		}
		vio_blk_kick(queue);
		total += n;
	}
	report(total, now_ns() - start, depth);
	return 0;
}

static int run_vio(const char *text, unsigned depth, unsigned seconds)
{
	const struct viot_options options = {.device_type = VIRTIO_ID_BLOCK};
	struct viot_address address;
	struct vio_transport *transport = NULL;
	struct vio_blk *blk = NULL;
	struct vio_error err;
	int rc = viot_address_parse(text, &address, &err);

	if (rc == 0) {
		rc = viot_open(&transport, &address, &options, &err);
	}
	if (rc == 0) {
		rc = vio_blk_open(&blk, transport, NULL, &err);
	}
	rc = rc < 0 ? die(err.text) : run_polled(blk, depth, seconds);
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
	uint64_t start = now_ns(), end = start + seconds * UINT64_C(1000000000), total = 0;

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
	report(total, now_ns() - start, depth);
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

int main(int argc, char **argv)
{
	unsigned depth, seconds;

	if (argc != 5) {
		fprintf(stderr, "usage: randread vio|kernel DEVICE DEPTH SECONDS\n");
		return 2;
	}
	depth = (unsigned)atoi(argv[3]);
	seconds = (unsigned)atoi(argv[4]);
	if (depth < 1 || depth > DEPTH_MAX || seconds < 1) {
		return die("DEPTH is 1 to 256, SECONDS at least 1");
	}
	if (strcmp(argv[1], "vio") == 0) {
		return run_vio(argv[2], depth, seconds);
	}
	return run_kernel(argv[2], depth, seconds);
}
