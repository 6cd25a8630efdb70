/* SPDX-License-Identifier: BSD-3-Clause */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <vio/log.h>

#include "automount.h"
#include "discover.h"
#include "keeper.h"
#include "privileges.h"
#include "qnx6_automount.h"
#include "unit.h"

enum {
	RETRY_S = 1
}; /* how often pnp looks for a missing device */

static struct devb_unit *units[DEVB_DISKS_MAX];
static const struct devb_options *the_options;
static bool has_dropped; /* we are no longer root: nothing can be opened any more */

static void stop_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1); /* a unit has news */
}

void devb_server_block_signals(void)
{
	sigset_t set;

	stop_set(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* whatever we inherited: mount(8) is waited for */
}

static void unit_has_news(void *context)
{
	(void)context;
	kill(getpid(), SIGUSR1);
}

/* Returns 0, or a negative errno if something that was written may not be safe. */
static int close_unit(unsigned index)
{
	int rc;

	devb_automount_undo(units[index]);
	devb_qnx6_close(units[index]);
	rc = devb_unit_close(units[index]);
	units[index] = NULL;
	devb_keeper_lost_disk(index);
	if (rc < 0) {
		vio_log(VIO_LOG_ERROR, "the last flush failed: writes may be lost");
	}
	return rc;
}

static void tell_mounts(const struct devb_options *options, unsigned index)
{
	const struct devb_automount *automount;
	unsigned cursor = 0;
	bool made_dir;

	while ((automount = devb_automount_next(units[index], &cursor, &made_dir)) != NULL) {
		devb_keeper_has_mount(index, (unsigned)(automount - options->automounts), made_dir);
	}
}

static int start_unit(const struct devb_options *options, unsigned index, struct vio_error *err)
{
	int rc = devb_unit_open(&units[index], options, index, unit_has_news, NULL, err);

	if (rc < 0) {
		return rc;
	}
	devb_keeper_has_disk(index, devb_unit_name(units[index]));
	if (options->show_partitions) {
		rc = devb_unit_partitions(units[index], err);
	}
	if (rc == 0) {
		rc = devb_automount_all(options, units[index], err);
	}
	if (rc < 0) {
		close_unit(index);
		return rc;
	}
	tell_mounts(options, index);
	if (!options->quiet) {
		devb_unit_print_banner(units[index], stdout);
	}
	return 0;
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

static bool is_missing(void)
{
	for (unsigned i = 0; i < the_options->disk_count; i++) {
		if (!units[i]) {
			return true;
		}
	}
	return false;
}

static int bound_threads(struct vio_error *err)
{
	int rc = devb_privileges_bound_thread(NULL);

	for (unsigned i = 0; rc == 0 && i < the_options->disk_count; i++) {
		rc = devb_unit_settle(units[i], devb_privileges_bound_thread, NULL);
		if (rc < 0 && devb_unit_has_ended(units[i])) {
			rc = 0; /* and its thread with it */
		}
	}
	return rc < 0 ? vio_fail(err, rc, "the privileges of root cannot be given up (%s)",
				 strerror(-rc))
		      : 0;
}

/* With `cam user=`, once every disk is there: opening another one would need root. */
static int drop_root(struct vio_error *err)
{
	int rc;

	if (!devb_options_drop_root(the_options) || has_dropped) {
		return 0;
	}
	if (is_missing()) {
		vio_log(VIO_LOG_WARN, "not every disk is there: we stay root until then (cam pnp "
				      "with cam user=)");
		return 0;
	}
	rc = bound_threads(err);
	if (rc < 0) {
		return rc;
	}
	devb_keeper_drop();
	devb_automount_forget(NULL); /* the keeper's from here on */
	has_dropped = true;
	rc = devb_privileges_drop(the_options->run_uid, the_options->run_gid, err);
	return rc < 0 ? rc : devb_keeper_watch(err);
}

static int start_all(const struct devb_options *options, struct vio_error *err)
{
	for (unsigned i = 0; i < options->disk_count; i++) {
		int rc = start_unit(options, i, err);

		if (may_wait(options, rc)) {
			vio_log(VIO_LOG_WARN, "%s; waiting for it (cam pnp)", err->text);
		} else if (rc < 0) {
			if (rc == -ENODEV) {
				devb_discover_advise(&options->disks[i], err);
			}
			return rc;
		}
	}
	if (!is_missing()) {
		warn_unused(options);
	}
	return drop_root(err);
}

int devb_server_start(const struct devb_options *options, struct vio_error *err)
{
	int rc;

	the_options = options;
	/* we are in the path of writeback: reclaiming memory must not wait for us */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	rc = start_all(options, err);
	if (rc < 0) {
		devb_server_stop();
	}
	return rc;
}

/*
 * pnp: a device that was not there may have come. The same trouble is told once.
 * Returns 0, or a negative errno when it is the last one that came, and we cannot
 * become who we are to be.
 */
static int look_again(void)
{
	static char last[sizeof(((struct vio_error *)NULL)->text)];
	struct vio_error err;

	for (unsigned i = 0; i < the_options->disk_count; i++) {
		int rc = units[i] ? 0 : start_unit(the_options, i, &err);

		if (rc < 0 && rc != -ENODEV && strcmp(last, err.text) != 0) {
			vio_log(VIO_LOG_ERROR, "%s", err.text);
			memcpy(last, err.text, sizeof(last));
		}
	}
	if (!is_missing() && drop_root(&err) < 0) {
		vio_log(VIO_LOG_ERROR, "%s", err.text);
		return -EACCES;
	}
	return 0;
}

/*
 * Disks that ended by themselves go, others may have changed their size. Returns how
 * many are left.
 */
static unsigned take_news(void)
{
	unsigned left = 0;

	for (unsigned i = 0; i < DEVB_DISKS_MAX; i++) {
		if (units[i] && devb_unit_has_ended(units[i])) {
			vio_log(VIO_LOG_ERROR, "a disk ended by itself: its volumes are gone");
			close_unit(i);
		} else if (units[i]) {
			devb_unit_refresh(units[i]);
		}
		left += units[i] != NULL;
	}
	return left;
}

/* pnp waits for what was never there, and for what went. */
static bool wants_more(void)
{
	return !has_dropped && the_options->plug_and_play && is_missing();
}

int devb_server_wait(void)
{
	const struct timespec retry = {.tv_sec = RETRY_S};
	sigset_t set;
	int signal_number;

	stop_set(&set);
	for (;;) {
		signal_number =
			wants_more() ? sigtimedwait(&set, NULL, &retry) : sigwaitinfo(&set, NULL);
		if (signal_number == SIGUSR1) {
			if (take_news() == 0 && !wants_more()) {
				return -EIO;
			}
		} else if (signal_number > 0) {
			return 0;
		} else if (wants_more() && look_again() < 0) {
			return -EACCES;
		}
	}
}

/* First everything that uses the volumes, then the names, then the volumes. */
int devb_server_stop(void)
{
	int result = 0;

	if (devb_keeper_stop()) {
		devb_automount_forget(NULL);
	} else if (has_dropped) {
		devb_automount_sync(); /* the keeper is gone, and only root could unmount them */
	}
	devb_automount_undo(NULL);
	for (unsigned i = 0; i < DEVB_DISKS_MAX; i++) {
		if (units[i]) {
			devb_unit_hide(units[i]);
		}
	}
	for (unsigned i = 0; i < DEVB_DISKS_MAX; i++) {
		int rc = units[i] ? close_unit(i) : 0;

		result = rc < 0 ? rc : result;
	}
	return result;
}
