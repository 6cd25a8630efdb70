/* SPDX-License-Identifier: BSD-3-Clause */
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <vio/log.h>

static int ready_pipe = -1;
static bool is_background;
static bool use_syslog;
static enum vio_log_level level_max;

/* Ends when the child says it is ready, or is gone. */
static _Noreturn void wait_for_verdict(int fd, pid_t child)
{
	char verdict;
	ssize_t n;
	int status;

	do {
		n = read(fd, &verdict, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1) {
		_exit(0);
	}
	if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status)) {
		_exit(WEXITSTATUS(status));
	}
	fprintf(stderr, "devb-virtio: it ended unexpectedly while starting\n");
	_exit(1);
}

int devb_background_start(struct vio_error *err)
{
	int ends[2];
	pid_t parent, child;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		return vio_fail(err, -ENOMEM, "no pipe (%s)", strerror(errno));
	}
	fflush(NULL);
	parent = getpid();
	child = fork();
	if (child < 0) {
		return vio_fail(err, -ENOMEM, "no process for the background (%s)",
				strerror(errno));
	}
	if (child > 0) {
		close(ends[1]);
		wait_for_verdict(ends[0], child);
	}
	close(ends[0]);
	ready_pipe = ends[1];
	is_background = true;
	/* until the volumes are there, stopping the starting process stops it all */
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (getppid() != parent) {
		_exit(1); /* it went before we asked */
	}
	setsid();
	return 0;
}

static void leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	openlog("devb-virtio", LOG_PID, LOG_DAEMON);
	use_syslog = true;
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	if (chdir("/") < 0) {
		vio_log(VIO_LOG_WARN, "the working directory stays as it is (%s)", strerror(errno));
	}
}

void devb_background_leave_to_parent(void)
{
	if (ready_pipe >= 0) {
		close(ready_pipe);
		ready_pipe = -1;
	}
}

void devb_background_ready(void)
{
	if (!is_background) {
		return;
	}
	fflush(NULL);
	leave_terminal();
	if (ready_pipe < 0) {
		return;
	}
	prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	if (write(ready_pipe, "", 1) < 0) {
		vio_log(VIO_LOG_WARN, "the starting process is gone (%s)", strerror(errno));
	}
	close(ready_pipe);
	ready_pipe = -1;
}

static void sink(void *context, enum vio_log_level level, const char *text)
{
	static const int priorities[] = {
		[VIO_LOG_ERROR] = LOG_ERR,
		[VIO_LOG_WARN] = LOG_WARNING,
		[VIO_LOG_INFO] = LOG_INFO,
		[VIO_LOG_DEBUG] = LOG_DEBUG,
	};

	(void)context;
	if (level > level_max) {
		return;
	}
	if (use_syslog) {
		syslog(priorities[level], "%s", text);
	} else {
		fprintf(stderr, "devb-virtio: %s\n", text);
	}
}

void devb_log_start(bool quiet, unsigned verbosity)
{
	level_max = verbosity ? VIO_LOG_DEBUG : quiet ? VIO_LOG_WARN : VIO_LOG_INFO;
	vio_log_install(sink, NULL);
}
