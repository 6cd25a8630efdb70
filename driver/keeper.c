/* SPDX-License-Identifier: BSD-3-Clause */
/* The keeper's own process: one poll() for the worker's messages, for signals and a deadline. */
#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vio/log.h>

#include "automount.h"
#include "background.h"
#include "notify.h"

enum {
	/* chosen: a reset, the pool of huge pages, and the disk's first answers */
	DISK_LIMIT_S = 30,
};

struct keeper {
	const struct devb_options *options;
	pid_t worker; /* 0: it has ended */
	int socket;   /* -1: nothing more is heard from the worker */
	int signals, timer;
	bool is_told, is_answered; /* the worker to stop, its wish to stop */
	struct devb_keep_list list;
};

static struct keeper keeper;

static void signal_worker(int signal_number)
{
	if (keeper.worker > 0) {
		kill(keeper.worker, signal_number);
	}
}

static void kill_worker(void)
{
	signal_worker(SIGKILL);
}

/* Longer than an honest worker takes to finish starting, or to finish its requests and flush. */
static time_t stop_limit_s(void)
{
	const struct devb_options *options = keeper.options;

	return (time_t)options->disk_count * (DISK_LIMIT_S + 2 * (time_t)options->timeout_s) +
	       (time_t)options->automount_count * DEVB_AUTOMOUNT_LIMIT_S;
}

static void set_deadline(void)
{
	const struct itimerspec limit = {.it_value.tv_sec = stop_limit_s()};

	timerfd_settime(keeper.timer, 0, &limit, NULL);
}

/* It blocks the signal until it has started, and is not to be stopped before: it asks us then. */
static void tell_to_stop(void)
{
	if (!keeper.is_told) {
		keeper.is_told = true;
		set_deadline();
	}
	signal_worker(SIGTERM);
}

/* First everything that uses the volumes, then the names; then the worker may close them. */
static void prepare_stop(void)
{
	devb_automount_undo(NULL);
	for (unsigned i = 0; i < DEVB_DISKS_MAX; i++) {
		if (keeper.list.names[i][0]) {
			devb_keeper_hide(keeper.options->devdir, keeper.list.names[i]);
		}
	}
	if (!keeper.is_answered) { /* once: who asks again and again has no more time for it */
		keeper.is_answered = true;
		set_deadline();
	}
	if (keeper.socket >= 0) {
		send(keeper.socket, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}

static void forget(unsigned disk)
{
	devb_automount_forget(keeper.list.names[disk]);
	keeper.list.names[disk][0] = '\0';
}

/* One that the worker still holds is cleaned up when it ends. */
static void clean(unsigned disk)
{
	if (devb_keeper_clean(keeper.options->devdir, keeper.list.names[disk])) {
		forget(disk);
	}
}

static void ready(void)
{
	devb_background_ready();
	devb_notify_ready();
}

static void act(int kind, const struct devb_keep_message *message)
{
	switch (kind) {
	case DEVB_KEEP_MOUNT:
		devb_automount_adopt(&keeper.options->automounts[message->automount],
				     keeper.list.names[message->disk], message->made_dir);
		break;
	case DEVB_KEEP_FORGET:
		forget(message->disk);
		break;
	case DEVB_KEEP_ENDED:
		clean(message->disk);
		break;
	case DEVB_KEEP_READY:
		ready();
		break;
	case DEVB_KEEP_STOP:
		prepare_stop();
		break;
	default: /* only the list has changed */
		break;
	}
}

/* Nobody to talk to: it has ended, or is not what we started and need not obey. */
static void hang_up(void)
{
	close(keeper.socket);
	keeper.socket = -1;
	kill_worker();
}

/* False when there was no message. */
static bool receive(void)
{
	struct devb_keep_message message;
	ssize_t n = recv(keeper.socket, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
	int kind;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return false;
	}
	if (n <= 0) {
		hang_up();
		return false;
	}
	kind = devb_keep_accept(&keeper.list, &message, (size_t)n);
	if (kind < 0) {
		vio_log(VIO_LOG_ERROR,
			"process %d sends what it should not (%zd bytes): it is ended by SIGKILL",
			(int)keeper.worker, n);
		hang_up();
		return false;
	}
	act(kind, &message);
	return true;
}

/*
 * True when the worker has ended, with its status as waitpid() has it. Another child
 * of ours that ended is a tool that somebody waits for.
 */
static bool take_signal(int *status)
{
	struct signalfd_siginfo info;

	if (read(keeper.signals, &info, sizeof(info)) == sizeof(info) &&
	    info.ssi_signo != SIGCHLD) {
		tell_to_stop();
	}
	return waitpid(keeper.worker, status, WNOHANG) == keeper.worker;
}

static void enforce(void)
{
	uint64_t count;

	if (read(keeper.timer, &count, sizeof(count)) == sizeof(count)) {
		vio_log(VIO_LOG_ERROR,
			"process %d has not stopped within %ld s: it is ended by SIGKILL",
			(int)keeper.worker, (long)stop_limit_s());
		kill_worker();
	}
}

/* The status of its end. No flood of messages keeps us from signals and the clock. */
static int await_worker(void)
{
	struct pollfd waits[] = {{.fd = keeper.signals, .events = POLLIN},
				 {.fd = keeper.timer, .events = POLLIN},
				 {.events = POLLIN}};
	int status = 0;

	for (;;) {
		waits[2].fd = keeper.socket;
		if (poll(waits, 3, -1) < 0) {
			continue; /* a signal that is not ours */
		}
		if (waits[0].revents && take_signal(&status)) {
			return status;
		}
		if (waits[1].revents) {
			enforce();
		}
		if (waits[2].revents) {
			receive();
		}
	}
}

/* Messages that it sent before its end count. Last opened, first closed. */
static void clean_all(void)
{
	while (keeper.socket >= 0 && receive()) {
	}
	for (unsigned i = DEVB_DISKS_MAX; i-- > 0;) {
		if (keeper.list.names[i][0]) {
			clean(i);
		}
	}
}

static _Noreturn void keep(void)
{
	int status;

	devb_automount_when_stuck(kill_worker);
	status = await_worker();
	keeper.worker = 0; /* the number may become somebody else's */
	if (WIFSIGNALED(status)) {
		vio_log(VIO_LOG_ERROR,
			"the process that served the disks was ended by signal %d (%s): they are "
			"cleaned up",
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	}
	clean_all();
	fflush(NULL);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

static int watch_signals(struct vio_error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	keeper.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	keeper.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return keeper.signals < 0 || keeper.timer < 0
		       ? vio_fail(err, -ENOMEM, "no signalfd or timerfd (%s)", strerror(errno))
		       : 0;
}

static int become_worker(int fd, pid_t parent, struct vio_error *err)
{
	sigset_t set;

	close(keeper.signals);
	close(keeper.timer);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	devb_background_leave_to_parent();
	devb_keeper_join(fd, parent);
	return devb_keeper_watch(err);
}

int devb_keeper_start(const struct devb_options *options, struct vio_error *err)
{
	pid_t parent = getpid();
	int ends[2];
	int rc = watch_signals(err);

	if (rc < 0) {
		return rc;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		return vio_fail(err, -ENOMEM, "no socket (%s)", strerror(errno));
	}
	fflush(NULL);
	keeper.options = options;
	keeper.list.automount_count = options->automount_count;
	keeper.worker = fork();
	if (keeper.worker < 0) {
		return vio_fail(err, -ENOMEM, "no process to serve the disks (%s)",
				strerror(errno));
	}
	if (keeper.worker == 0) {
		close(ends[0]);
		return become_worker(ends[1], parent, err);
	}
	close(ends[1]);
	keeper.socket = ends[0];
	keep();
}
