/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ram_volume [shuffled] [io_max=BYTES] [memory=BYTES] DIRECTORY
 *
 * Serves RAM disks as volumes, to test fs-glue without any device. Commands come
 * on standard input, each answered with one line that starts with "ok" or "error":
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
		 "unaligned=%lu foreign=%lu",
		 counts->reads, counts->writes, counts->flushes, counts->largest_read,
		 counts->largest_write, counts->unaligned, counts->foreign);
	return line;
}

static const char *print_state(const struct server *server)
{
	static char line[64];

	snprintf(line, sizeof(line), "ok in_flight=%u open=%u",
		 fsg_channel_in_flight(server->channel), fsg_channel_open_files(server->channel));
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

static void receive(struct server *server)
{
	void *where;
	size_t size;

	for (int i = 0; i < 64 && fsg_channel_receive(server->channel, &where, &size); i++) {
		ssize_t got = read(fsg_channel_fd(server->channel), where, size);

		fsg_channel_received(server->channel, got < 0 ? -errno : got);
		if (got < 0)
			return;
	}
}

static void serve(struct server *server)
{
	while (!server->quit && !fsg_channel_ended(server->channel)) {
		void *where;
		size_t size;
		bool ready = fsg_channel_receive(server->channel, &where, &size);
		bool busy = server->queue.used > 0 && !server->queue.held;
		struct pollfd fds[] = {
			{.fd = STDIN_FILENO, .events = POLLIN},
			{.fd = ready ? fsg_channel_fd(server->channel) : -1, .events = POLLIN},
		};

		poll(fds, 2, busy ? 0 : -1);
		if (fds[0].revents)
			read_command(server);
		if (fds[1].revents)
			receive(server);
		ram_queue_run(&server->queue);
	}
	server->queue.held = false;
	while (server->queue.used > 0)
		ram_queue_run(&server->queue);
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
		fputs("usage: ram_volume [shuffled] [io_max=N] [memory=N] DIRECTORY\n", stderr);
		return 2;
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
