/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ram_volume [shuffled] [plain] [null] [io_max=BYTES] [memory=BYTES] DIRECTORY
 *
 * Serves RAM disks as volumes, to test fs-glue without any device. Commands come
 * on standard input, each answered with one line that starts with "ok" or "error":
 *
 * plain: /dev/fuse alone, whatever the kernel offers. null: no data is moved, to
 * measure what lies above.
 *
 *   add NAME BYTES [ro]    one more volume
 *   resize INDEX BYTES     another size for the volume that was added as INDEX-th, from 0
 *   fail ERRNO COUNT       so many of the next requests fail with this number
 *   refuse ERRNO COUNT     the same, already when submitted
 *   hold, go               nothing completes until go
 *   counts, zero           what has arrived since zero
 *   state                  requests in flight, open files
 *   quit                   as does the end of input
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <liburing.h>

#include "fsg.h"
#include "ram_block.h"

#define BLOCKS_MAX 64

struct server {
	struct ram_queue queue;
	struct fsg_tree *tree;
	struct fsg_channel *channel;
	struct fsg_channel_options options;
	struct ram_block *blocks[BLOCKS_MAX];
	unsigned block_count;
	bool quit;
	bool listening;
	struct io_uring ring;
};

static const char *add(struct server *server, const char *name, size_t size, bool read_only)
{
	if (server->block_count == BLOCKS_MAX)
		return "error too many";

	struct ram_block *ram = ram_block_open(&server->queue, size, read_only);

	if (!ram)
		return "error out of memory";
	if (fsg_tree_add(server->tree, name, ram_block_device(ram)) < 0) {
		ram_block_close(ram);
		return "error refused";
	}
	server->blocks[server->block_count++] = ram;
	return "ok";
}

static const char *resize(struct server *server, unsigned long index, size_t size)
{
	if (index >= server->block_count || !ram_block_resize(server->blocks[index], size))
		return "error no such volume, or no memory";
	return "ok";
}

static const char *print_counts(struct server *server)
{
	static char line[256];
	const struct ram_counts *counts = &server->queue.counts;

	snprintf(line, sizeof(line),
		 "ok reads=%lu writes=%lu flushes=%lu largest_read=%zu largest_write=%zu "
		 "unaligned=%lu foreign=%lu zeroes=%lu",
		 counts->reads, counts->writes, counts->flushes, counts->largest_read,
		 counts->largest_write, counts->unaligned, counts->foreign, counts->zeroes);
	return line;
}

static const char *print_state(const struct server *server)
{
	static char line[64];

	snprintf(line, sizeof(line), "ok in_flight=%u open=%u uring=%d",
		 fsg_channel_in_flight(server->channel), fsg_channel_open_files(server->channel),
		 fsg_channel_uses_uring(server->channel));
	return line;
}

static const char *run_simple(struct server *server, const char *verb)
{
	if (strcmp(verb, "hold") == 0)
		server->queue.held = true;
	else if (strcmp(verb, "go") == 0)
		server->queue.held = false;
	else if (strcmp(verb, "zero") == 0)
		server->queue.counts = (struct ram_counts){0};
	else if (strcmp(verb, "quit") == 0)
		server->quit = true;
	else
		return "error unknown";
	return "ok";
}

static const char *run_command(struct server *server, const char *line)
{
	char verb[16];
	char first[64] = "";
	char second[32] = "";
	char third[8] = "";

	if (sscanf(line, "%15s %63s %31s %7s", verb, first, second, third) < 1)
		return "error empty";

	unsigned long number = strtoul(second, NULL, 0);

	if (strcmp(verb, "add") == 0)
		return add(server, first, number, strcmp(third, "ro") == 0);
	if (strcmp(verb, "resize") == 0)
		return resize(server, strtoul(first, NULL, 0), number);
	if (strcmp(verb, "fail") == 0) {
		server->queue.fail_error = (int)strtol(first, NULL, 0);
		server->queue.fail_count = (unsigned)number;
		return "ok";
	}
	if (strcmp(verb, "refuse") == 0) {
		server->queue.refuse_error = (int)strtol(first, NULL, 0);
		server->queue.refuse_count = (unsigned)number;
		return "ok";
	}
	if (strcmp(verb, "counts") == 0)
		return print_counts(server);
	if (strcmp(verb, "state") == 0)
		return print_state(server);
	return run_simple(server, verb);
}

/* One line at a time by read(2): poll() doesn't know what stdio has buffered. */
static void read_command(struct server *server)
{
	char line[256];
	size_t used = 0;

	while (used < sizeof(line) - 1 && read(STDIN_FILENO, &line[used], 1) == 1 &&
	       line[used] != '\n')
		used++;
	line[used] = '\0';
	puts(used > 0 ? run_command(server, line) : run_command(server, "quit"));
	fflush(stdout);
}

enum {
	DATA_COMMANDS = 1
};

static void handle_completions(struct server *server)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&server->ring, &cqe) == 0) {
		uint64_t data = io_uring_cqe_get_data64(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&server->ring, cqe);
		if (data >= FSG_DATA_MIN) {
			fsg_channel_completed(server->channel, data, result);
		} else {
			server->listening = false;
			read_command(server);
		}
	}
}

static void listen_for_commands(struct server *server)
{
	struct io_uring_sqe *sqe;

	if (server->listening || !(sqe = io_uring_get_sqe(&server->ring)))
		return;
	io_uring_prep_poll_add(sqe, STDIN_FILENO, POLLIN);
	io_uring_sqe_set_data64(sqe, DATA_COMMANDS);
	server->listening = true;
}

/* Submits, waits unless there is something to complete, and handles what is there. */
static void turn(struct server *server)
{
	bool busy = server->queue.used > 0 && !server->queue.held;

	if (busy)
		io_uring_submit_and_get_events(&server->ring);
	else
		io_uring_submit_and_wait(&server->ring, 1);
	handle_completions(server);
	ram_queue_run(&server->queue);
}

static void serve(struct server *server)
{
	fsg_channel_attach(server->channel, &server->ring);
	while (!server->quit && !fsg_channel_ended(server->channel)) {
		listen_for_commands(server);
		fsg_channel_prepare(server->channel);
		turn(server);
	}
	server->queue.held = false;
	while (!fsg_channel_stop(server->channel) || server->queue.used > 0)
		turn(server);
	io_uring_submit(&server->ring);
}

static bool open_ring(struct server *server)
{
	unsigned flags = IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;

	return io_uring_queue_init(FSG_RING_ENTRIES, &server->ring, flags) == 0 ||
	       io_uring_queue_init(FSG_RING_ENTRIES, &server->ring, 0) == 0;
}

static bool parse(struct server *server, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "shuffled") == 0)
			server->queue.shuffled = true;
		else if (strncmp(argv[i], "io_max=", 7) == 0)
			server->options.io_max = strtoul(argv[i] + 7, NULL, 0);
		else if (strncmp(argv[i], "memory=", 7) == 0)
			server->options.memory_size = strtoul(argv[i] + 7, NULL, 0);
		else if (strcmp(argv[i], "plain") == 0)
			server->options.no_uring = true;
		else if (strcmp(argv[i], "null") == 0)
			server->queue.null = true;
		else
			server->options.mount_dir = argv[i];
	}
	return server->options.mount_dir != NULL;
}

static bool open_memory(struct server *server)
{
	struct fsg_channel_options *options = &server->options;

	options->memory = mmap(NULL, options->memory_size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	server->queue.memory = options->memory;
	server->queue.memory_size = options->memory_size;
	return options->memory != MAP_FAILED;
}

static void close_all(struct server *server)
{
	io_uring_queue_exit(&server->ring);
	fsg_channel_close(server->channel);
	fsg_tree_close(server->tree);
	for (unsigned i = 0; i < server->block_count; i++)
		ram_block_close(server->blocks[i]);
	munmap(server->options.memory, server->options.memory_size);
}

int main(int argc, char **argv)
{
	static struct server server = {
		.options = {.source = "ram_volume", .memory_size = 8u << 20},
		.queue = {.seed = 1},
	};
	const struct fsg_access access = {.uid = getuid(), .gid = getgid(), .mode = 0600};
	char why[256];

	if (!parse(&server, argc, argv) || !open_memory(&server)) {
		fputs("usage: ram_volume [shuffled] [plain] [null] [io_max=N] [memory=N] "
		      "DIRECTORY\n",
		      stderr);
		return 2;
	}
	if (!open_ring(&server)) {
		fputs("io_uring cannot be used\n", stderr);
		return 1;
	}
	server.tree = fsg_tree_open(&access);
	if (!server.tree)
		return 1;
	if (fsg_channel_open(&server.channel, server.tree, &server.options, why, sizeof(why)) < 0) {
		fprintf(stderr, "%s\n", why);
		close_all(&server);
		return 1;
	}
	puts("ok mounted");
	fflush(stdout);
	serve(&server);
	close_all(&server);
	return 0;
}
