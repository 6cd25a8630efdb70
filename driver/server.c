/* SPDX-License-Identifier: BSD-3-Clause */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <time.h>

#include <vio/log.h>

#include "automount.h"
#include "unit.h"

enum {
	RETRY_S = 1
}; /* how often pnp looks for a missing device */

static struct devb_unit *units[DEVB_DISKS_MAX];
static const struct devb_options *the_options;

static void stop_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1); /* a unit ended by itself */
}

void devb_server_block_signals(void)
{
	sigset_t set;

	stop_set(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void unit_ended(void *context)
{
	(void)context;
	kill(getpid(), SIGUSR1);
}

static int start_unit(const struct devb_options *options, unsigned index, struct vio_error *err)
{
	int rc = devb_unit_open(&units[index], options, index, unit_ended, NULL, err);

	if (rc == 0 && options->show_partitions) {
		rc = devb_unit_partitions(units[index], err);
	}
	if (rc == 0) {
		rc = devb_automount_all(options, units[index], err);
	}
	if (rc >= 0 && !options->quiet) {
		devb_unit_print_banner(units[index], stdout);
	}
	return rc < 0 ? rc : 0;
}

static bool may_wait(const struct devb_options *options, int rc)
{
	return options->plug_and_play && rc == -ENODEV;
}

static void warn_unused(const struct devb_options *options)
{
	const struct devb_automount *unused = devb_automount_unused(options);

	if (unused) {
		vio_log(VIO_LOG_WARN, "automount: there is no volume %s%s%s to mount on %s",
			unused->device, unused->partition_type ? "@" : "",
			unused->partition_type ? unused->partition_type : "", unused->mountpoint);
	}
}

int devb_server_start(const struct devb_options *options, struct vio_error *err)
{
	the_options = options;
	/* we are in the path of writeback: reclaiming memory must not wait for us */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	for (unsigned i = 0; i < options->disk_count; i++) {
		int rc = start_unit(options, i, err);

		if (may_wait(options, rc)) {
			vio_log(VIO_LOG_WARN, "%s; waiting for it (cam pnp)", err->text);
		} else if (rc < 0) {
			devb_server_stop();
			return rc;
		}
	}
	warn_unused(options);
	return 0;
}

static bool is_missing(void)
{
	for (unsigned i = 0; i < the_options->disk_count; i++) {
		if (!units[i]) {
			return true;
		}
	}
	return false;
}

/* pnp: a device that was not there may have come. */
static void look_again(void)
{
	struct vio_error err;

	for (unsigned i = 0; i < the_options->disk_count; i++) {
		int rc = units[i] ? 0 : start_unit(the_options, i, &err);

		if (rc < 0 && rc != -ENODEV) {
			vio_log(VIO_LOG_ERROR, "%s", err.text);
		}
	}
}

int devb_server_wait(void)
{
	const struct timespec retry = {.tv_sec = RETRY_S};
	sigset_t set;
	int signal_number;

	stop_set(&set);
	for (;;) {
		signal_number =
			is_missing() ? sigtimedwait(&set, NULL, &retry) : sigwaitinfo(&set, NULL);
		if (signal_number == SIGUSR1) {
			vio_log(VIO_LOG_ERROR, "a disk ended by itself: stopping");
			return -EIO;
		}
		if (signal_number > 0) {
			return 0;
		}
		look_again();
	}
}

/* First everything that uses the volumes, then the names, then the volumes. */
int devb_server_stop(void)
{
	int result = 0;

	devb_automount_undo();
	for (unsigned i = 0; i < DEVB_DISKS_MAX; i++) {
		if (units[i]) {
			devb_unit_hide(units[i]);
		}
	}
	for (unsigned i = 0; i < DEVB_DISKS_MAX; i++) {
		int rc = devb_unit_close(units[i]);

		units[i] = NULL;
		if (rc < 0) {
			vio_log(VIO_LOG_ERROR, "the last flush failed: writes may be lost");
			result = rc;
		}
	}
	return result;
}
