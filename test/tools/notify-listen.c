/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notify-listen: starts a program as systemd starts a "Type=notify" service.
 *
 *   notify-listen SOCKET SECONDS PROGRAM [ARGUMENT...]
 *
 * SOCKET is a path, or "@NAME" in the abstract namespace. Waits for one message
 * and prints it, and whether the program itself sent it, which is all that systemd
 * accepts by default. Then leaves the program to itself. Status 1 if none came in
 * time, or the program ended before.
 */
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static int open_socket(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	if (size >= sizeof(address.sun_path)) {
		exit(2);
	}
	memcpy(address.sun_path, name, size);
	if (name[0] == '@') {
		address.sun_path[0] = '\0';
	} else {
		unlink(name);
	}
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) < 0) {
		fail(name);
	}
	return fd;
}

static int child_signal(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0) {
		fail("signalfd");
	}
	return fd;
}

static pid_t start(const char *socket_name, char **argv)
{
	sigset_t none;
	pid_t pid = fork();

	if (pid < 0) {
		fail("fork");
	}
	if (pid > 0) {
		return pid;
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setenv("NOTIFY_SOCKET", socket_name, 1);
	execvp(argv[0], argv);
	fail(argv[0]);
	return -1;
}

static int print_message(int fd, pid_t program)
{
	char text[256];
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec data = {text, sizeof(text) - 1};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &message, 0);
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	struct ucred sender = {0};

	if (n < 0 || !header) {
		fail("recvmsg");
	}
	memcpy(&sender, CMSG_DATA(header), sizeof(sender));
	text[n] = '\0';
	printf("%s from %s\n", text,
	       sender.pid == program ? "the program" : "another process than the program");
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct pollfd waits[2] = {{.events = POLLIN}, {.events = POLLIN}};
	pid_t program;

	if (argc < 4) {
		return 2;
	}
	waits[0].fd = open_socket(argv[1]);
	waits[1].fd = child_signal();
	program = start(argv[1], argv + 3);
	if (poll(waits, 2, atoi(argv[2]) * 1000) <= 0) {
		fprintf(stderr, "no message within %s s\n", argv[2]);
		return EXIT_FAILURE;
	}
	if (!waits[0].revents) {
		fprintf(stderr, "the program ended without a message\n");
		return EXIT_FAILURE;
	}
	return print_message(waits[0].fd, program);
}
