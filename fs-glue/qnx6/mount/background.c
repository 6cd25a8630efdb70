/* SPDX-License-Identifier: BSD-3-Clause */
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

static int ready_pipe = -1;
static atomic_bool use_syslog;

/* A byte says that it is ready; without one it has ended, and said why. */
static _Noreturn void wait_for_verdict(int fd, pid_t child)
{
	char verdict;
	ssize_t n;
	int status;

	do {
		n = read(fd, &verdict, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(EXIT_SUCCESS);
	if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
	fprintf(stderr, "qnx6fs: it ended unexpectedly while starting\n");
	_exit(EXIT_FAILURE);
}

int background_start(void)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	child = fork();
	if (child < 0)
		return -errno;
	if (child > 0) {
		close(ends[1]);
		wait_for_verdict(ends[0], child);
	}
	close(ends[0]);
	ready_pipe = ends[1];
	setsid();
	return 0;
}

void background_ready(void)
{
	int null;

	if (ready_pipe < 0)
		return;
	fflush(NULL);
	openlog("qnx6fs", LOG_PID, LOG_DAEMON);
	atomic_store(&use_syslog, true);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	/* no other file system is to be kept busy by us */
	if (chdir("/") < 0 || write(ready_pipe, "", 1) < 0)
		syslog(LOG_WARNING, "the starting process is gone, or '/' cannot be entered");
	close(ready_pipe);
	ready_pipe = -1;
}

void background_say(int priority, const char *text)
{
	if (atomic_load(&use_syslog))
		syslog(priority, "%s", text);
	else
		fprintf(stderr, "qnx6fs: %s%s\n", priority == LOG_WARNING ? "warning: " : "", text);
}
