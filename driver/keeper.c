/* SPDX-License-Identifier: BSD-3-Clause */
/* The keeper's own process: one poll() for the worker's messages and for signals. */
#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vio/log.h>

#include "automount.h"
#include "background.h"
#include "notify.h"

struct keeper {
	const struct devb_options *options;
	pid_t worker;
	int socket; /* -1: nothing more is heard from the worker */
	int signals;
	bool is_stopping;
	struct devb_keep_list list;
};

static struct keeper keeper;

static void hide(unsigned disk)
{
	devb_keeper_hide(keeper.options->devdir, keeper.list.names[disk]);
}

/* First everything that uses the volumes, then the names; then the worker may close them. */
static void stop(void)
{
	if (!keeper.is_stopping) {
		keeper.is_stopping = true;
		devb_automount_undo(NULL);
		for (unsigned i = 0; i < DEVB_DISKS_MAX; i++) {
			if (keeper.list.names[i][0]) {
				hide(i);
			}
		}
	}
	/* first the answer: the worker asks for it when the signal comes */
	if (keeper.socket >= 0) {
		send(keeper.socket, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	if (keeper.worker > 0) {
		kill(keeper.worker, SIGTERM);
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
	devb_automount_undo(keeper.list.names[disk]);
	hide(disk);
	if (devb_keeper_clean(keeper.list.names[disk])) {
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
		stop();
		break;
	default: /* only the list has changed */
		break;
	}
}

/* Nobody to talk to: it has ended, or is not what we started. */
static void hang_up(void)
{
	close(keeper.socket);
	keeper.socket = -1;
	stop();
}

static void receive(void)
{
	struct devb_keep_message message;
	ssize_t n = recv(keeper.socket, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
	int kind;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0) {
		hang_up();
		return;
	}
	kind = devb_keep_accept(&keeper.list, &message, (size_t)n);
	if (kind < 0) {
		vio_log(VIO_LOG_ERROR,
			"process %d sends what it should not (%zd bytes): it is stopped",
			(int)keeper.worker, n);
		hang_up();
		return;
	}
	act(kind, &message);
}

/* A child of ours that ended is the worker, or else a mount tool that somebody waits for. */
static void read_signal(void)
{
	struct signalfd_siginfo info;

	if (read(keeper.signals, &info, sizeof(info)) == sizeof(info) &&
	    info.ssi_signo != SIGCHLD) {
		stop();
	}
}

/* The status of its end, as waitpid() has it. Messages that it sent before count. */
static int await_worker(void)
{
	struct pollfd waits[] = {{.fd = keeper.signals, .events = POLLIN},
				 {.fd = keeper.socket, .events = POLLIN}};
	int status = 0;

	for (;;) {
		waits[1].fd = keeper.socket;
		if (poll(waits, 2, -1) < 0) {
			continue; /* a signal that is not ours */
		}
		if (waits[1].revents) {
			receive();
			continue;
		}
		read_signal();
		if (waitpid(keeper.worker, &status, WNOHANG) == keeper.worker) {
			return status;
		}
	}
}

static void clean_all(void)
{
	stop();
	for (unsigned i = 0; i < DEVB_DISKS_MAX; i++) {
		if (keeper.list.names[i][0]) {
			clean(i);
		}
	}
}

static _Noreturn void keep(void)
{
	int status;

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
	return keeper.signals < 0 ? vio_fail(err, -ENOMEM, "no signalfd (%s)", strerror(errno)) : 0;
}

static int become_worker(int fd, pid_t parent, struct vio_error *err)
{
	sigset_t set;

	close(keeper.signals);
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
