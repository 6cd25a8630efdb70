/* SPDX-License-Identifier: BSD-3-Clause */
/* mount -o: ours, the kernel's, and those that make no difference. */
#include "mount_internal.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By default; chosen: each has memory, that may be locked. */
#define WORKERS_LEAST 2u
#define WORKERS_MOST  8u

/* libfuse knows these and hands them on. */
static const char *const passed[] = {"suid", "nosuid", "dev",     "nodev",
				     "exec", "noexec", "noatime", "nodiratime"};

/*
 * Of mount(8) and fstab(5), of Linux's qnx6 driver and of QNX's: nothing is written, no times
 * change, and the layout is recognised. A name with '=' stands for all of its values.
 */
static const char *const ignored[] = {
	"ro",       "rw",      "defaults", "auto",       "noauto",      "user",     "nouser",
	"users",    "owner",   "group",    "nofail",     "_netdev",     "loop",     "relatime",
	"atime",    "sync",    "async",    "norelatime", "strictatime", "lazytime", "nolazytime",
	"diratime", "dirsync", "mmi_fs",   "subtype=",   "comment=",    "fsname=",  "sync=",
	"hold=",    "alignio", "nosparse", "snapshot=",
};

static bool is_in(const char *const *list, size_t count, const char *option)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(list[i]);
		bool has_value = list[i][length - 1] == '=';

		if (has_value ? strncmp(list[i], option, length) == 0
			      : strcmp(list[i], option) == 0)
			return true;
	}
	return false;
}

static const char *value_of(const char *option, const char *name)
{
	size_t length = strlen(name);

	return strncmp(option, name, length) == 0 && option[length] == '=' ? option + length + 1
									   : NULL;
}

static bool read_number(const char *text, int base, unsigned long least, unsigned long most,
			unsigned long *number)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*number = strtoul(text, &end, base);
	return errno == 0 && *end == '\0' && *number >= least && *number <= most;
}

/* What is wrong with one that takes a number. */
static int refuse(const char *option, const char *expected, char *why, size_t why_size)
{
	snprintf(why, why_size, "option '%.60s': expected %s", option, expected);
	return -EINVAL;
}

/* 1: it is not ours. */
static int take_ours(const char *option, struct mount_settings *settings, char *why,
		     size_t why_size)
{
	const char *value;
	unsigned long number;

	if ((value = value_of(option, "uid")) != NULL) {
		if (!read_number(value, 10, 0, UINT_MAX - 1, &number))
			return refuse(option, "the number of a user", why, why_size);
		settings->uid = (uid_t)number;
		settings->has_uid = true;
	} else if ((value = value_of(option, "gid")) != NULL) {
		if (!read_number(value, 10, 0, UINT_MAX - 1, &number))
			return refuse(option, "the number of a group", why, why_size);
		settings->gid = (gid_t)number;
		settings->has_gid = true;
	} else if ((value = value_of(option, "umask")) != NULL) {
		if (!read_number(value, 8, 0, 0777, &number))
			return refuse(option, "octal permissions to take away, such as umask=022",
				      why, why_size);
		settings->umask = (mode_t)number;
	} else if ((value = value_of(option, "workers")) != NULL) {
		if (!read_number(value, 10, 1, QNX6_MOUNT_WORKERS_MAX, &number))
			return refuse(option, "1 to 64 threads", why, why_size);
		settings->workers = (unsigned)number;
	} else {
		return 1;
	}
	return 0;
}

static int pass(struct fuse_args *args, const char *option)
{
	return !args || (fuse_opt_add_arg(args, "-o") == 0 && fuse_opt_add_arg(args, option) == 0)
		       ? 0
		       : -ENOMEM;
}

static int take(const char *option, bool is_sloppy, struct mount_settings *settings,
		struct fuse_args *args, char *why, size_t why_size)
{
	int rc = take_ours(option, settings, why, why_size);

	if (rc <= 0)
		return rc;
	if (strcmp(option, "allow_other") == 0) {
		settings->allow_other = true;
	} else if (strcmp(option, "default_permissions") == 0) {
		settings->default_permissions = true;
	} else if (strcmp(option, "private") == 0) {
		settings->is_private = true;
	} else if (is_in(passed, sizeof(passed) / sizeof(passed[0]), option)) {
		return pass(args, option);
	} else if (!is_in(ignored, sizeof(ignored) / sizeof(ignored[0]), option) &&
		   strncmp(option, "x-", 2) != 0 && option[0] && !is_sloppy) {
		return refuse(option,
			      "one of uid=, gid=, umask=, workers=, allow_other, private, "
			      "default_permissions or an option of mount(8)",
			      why, why_size);
	}
	return 0;
}

/*
 * As many as there are CPUs: more get in the way of who reads where the source is quick, and where
 * it is slow, two keep it busy as long as they read ahead.
 */
static unsigned default_workers(void)
{
	cpu_set_t set;
	unsigned cpus =
		sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;

	return cpus < WORKERS_LEAST ? WORKERS_LEAST : cpus > WORKERS_MOST ? WORKERS_MOST : cpus;
}

int mount_parse_options(const char *text, bool is_sloppy, struct mount_settings *settings,
			struct fuse_args *args, char *why, size_t why_size)
{
	char *copy = strdup(text ? text : ""), *rest = copy, *option;
	int rc = copy ? 0 : -ENOMEM;

	*settings = (struct mount_settings){.workers = default_workers()};
	while (rc == 0 && (option = strsep(&rest, ",")) != NULL)
		rc = take(option, is_sloppy, settings, args, why, why_size);
	free(copy);
	settings->allow_other &= !settings->is_private;
	/* others than who mounts it get what the files' modes say, and no more */
	settings->default_permissions |= settings->allow_other;
	if (rc == 0 && settings->allow_other)
		rc = pass(args, "allow_other");
	if (rc == 0 && settings->default_permissions)
		rc = pass(args, "default_permissions");
	if (rc == -ENOMEM)
		snprintf(why, why_size, "out of memory");
	return rc;
}

int qnx6_mount_check(const char *options, char *why, size_t why_size)
{
	struct mount_settings settings;
	int rc = mount_parse_options(options, false, &settings, NULL, why, why_size);

	return rc < 0 ? rc : (int)settings.workers;
}
