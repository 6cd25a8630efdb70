/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * devb-virtio: VirtIO disks as files, without the kernel's driver.
 *
 *   options.c    the command line, as on QNX
 *   server.c     units up, wait, units down
 *   unit.c       one disk, from the device to its names
 *   loop.c       the one place that waits
 *   disk.c       requests to the device; rmw.c those that are not whole blocks
 *   partition.c  a window of a disk; table.c where the windows are
 *   names.c      /dev/hd0 and its like
 *   automount.c  what is mounted from the volumes; qnx6_automount.c what we serve ourselves
 *   privileges.c from root to `cam user=`; keeper.c what only root can do afterwards
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "background.h"
#include "discover.h"
#include "keeper.h"
#include "list.h"
#include "notify.h"
#include "options.h"
#include "server.h"

enum {
	EXIT_GOOD = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

static struct devb_options options;

static int complain(const struct vio_error *err, int status)
{
	fprintf(stderr, "devb-virtio: %s\n", err->text);
	return status;
}

static void print_notes(void)
{
	for (unsigned i = 0; i < options.note_count; i++) {
		const struct devb_note *note = &options.notes[i];

		if (note->is_warning || !options.quiet) {
			fprintf(stderr, "devb-virtio: %s%s\n",
				note->is_warning ? "warning: " : "note: ", note->text);
		}
	}
}

static int check_root(struct vio_error *err)
{
	return geteuid() == 0 ? 0
			      : vio_fail(err, -EACCES,
					 "devb-virtio mounts its volumes: run as root, also where "
					 "you may open the device's own files ('cam user=' leaves "
					 "root as soon as the volumes are there)");
}

static int serve(void)
{
	struct vio_error err;
	int rc = check_root(&err);

	if (rc < 0) {
		return complain(&err, EXIT_FAILED);
	}
	print_notes();
	devb_log_start(options.quiet, options.verbosity);
	if (!options.foreground) {
		rc = devb_background_start(&err);
	}
	devb_server_block_signals();
	if (rc == 0) {
		rc = devb_discover_expand(&options, &err);
	}
	if (rc == 0 && devb_options_drop_root(&options)) {
		rc = devb_keeper_start(&options, &err);
	}
	if (rc == 0) {
		rc = devb_server_start(&options, &err);
	}
	if (rc < 0) {
		return complain(&err, EXIT_FAILED);
	}
	fflush(stdout);
	devb_background_ready();
	if (!devb_keeper_ready()) {
		devb_notify_ready();
	}
	rc = devb_server_wait();
	return devb_server_stop() < 0 || rc < 0 ? EXIT_FAILED : EXIT_GOOD;
}

static int run(void)
{
	struct vio_error err;

	if (options.show_help) {
		devb_options_print_help(stdout);
		return EXIT_GOOD;
	}
	if (options.show_version) {
		printf("devb-virtio %s\n", DEVB_VERSION);
		return EXIT_GOOD;
	}
	if (options.list_devices) {
		return devb_list_print(stdout, &err) < 0 ? complain(&err, EXIT_FAILED) : EXIT_GOOD;
	}
	return serve();
}

int main(int argc, char **argv)
{
	struct vio_error err;
	int rc = devb_options_parse(argc, argv, &options, &err);

	if (rc < 0) {
		return complain(&err, rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED);
	}
	rc = run();
	devb_options_free(&options);
	return rc;
}
