/* SPDX-License-Identifier: BSD-3-Clause */
#include "mount_internal.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	GREETING_LIMIT_MS = 5000, /* chosen: the kernel has it ready when the mount is made */
	/* chosen: what keeps a few threads busy for one program that reads in order */
	READ_AHEAD = 4 * QNX6_MOUNT_BUFFER,
};

/* What libfuse says of a failure, of which it returns no more than that there is one. */
static _Thread_local char said[200];

static void listen_to_libfuse(enum fuse_log_level level, const char *format, va_list args)
{
	char text[sizeof(said)];
	char *from = text;

	(void)level;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	from += strncmp(text, "fuse: ", 6) == 0 ? 6 : 0;
	if (said[0] == '\0') /* the first is the cause, the others follow from it */
		memcpy(said, from, strlen(from) + 1);
}

static int out_of_memory(char *why, size_t why_size)
{
	snprintf(why, why_size, "out of memory");
	return -ENOMEM;
}

/* What libfuse and the kernel are told, but for the options of the caller. */
static int add_own_options(struct fuse_args *args, const char *name)
{
	char fixed[64], fsname[PATH_MAX + 8], *escaped = NULL;
	int rc;

	snprintf(fixed, sizeof(fixed), "ro,subtype=qnx6fs,max_read=%u", QNX6_MOUNT_BUFFER);
	snprintf(fsname, sizeof(fsname), "fsname=%s", name);
	rc = fuse_opt_add_opt_escaped(&escaped, fsname) || fuse_opt_add_arg(args, "-o") ||
	     fuse_opt_add_arg(args, fixed) || fuse_opt_add_arg(args, "-o") ||
	     fuse_opt_add_arg(args, escaped);
	free(escaped);
	return rc ? -ENOMEM : 0;
}

static int open_session(struct qnx6_mount *mount, const struct qnx6_mount_options *options,
			char *why, size_t why_size)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int rc = fuse_opt_add_arg(&args, "qnx6fs") < 0 ? -ENOMEM : 0;

	if (rc == 0)
		rc = add_own_options(&args, options->name);
	if (rc < 0)
		out_of_memory(why, why_size);
	else
		rc = mount_parse_options(options->options, options->is_sloppy, &mount->settings,
					 &args, why, why_size);
	if (rc == 0) {
		said[0] = '\0';
		mount->session =
			fuse_session_new(&args, &mount_operations, sizeof(mount_operations), mount);
		if (!mount->session) {
			snprintf(why, why_size, "FUSE cannot be set up: %s", said);
			rc = -EINVAL;
		}
	}
	fuse_opt_free_args(&args);
	return rc;
}

static int find_dir(struct qnx6_mount *mount, const char *dir, char *why, size_t why_size)
{
	struct stat attr;
	int rc = 0;

	fsg_mount_point_clear(dir);
	mount->dir = realpath(dir, NULL);
	if (!mount->dir || stat(mount->dir, &attr) < 0)
		rc = -errno;
	else if (!S_ISDIR(attr.st_mode))
		rc = -ENOTDIR;
	if (rc == -ENOTCONN)
		snprintf(why, why_size,
			 "%s: the mount of a killed process is there: remove it with 'fusermount3 "
			 "-u %s'",
			 dir, dir);
	else if (rc == -ENOENT || rc == -ENOTDIR)
		snprintf(why, why_size, "%s: no such directory to mount the volume on", dir);
	else if (rc < 0)
		snprintf(why, why_size, "%s: cannot mount a volume there: %s", dir, strerror(-rc));
	return rc;
}

static int mount_session(struct qnx6_mount *mount, char *why, size_t why_size)
{
	int error;

	said[0] = '\0';
	errno = 0;
	if (fuse_session_mount(mount->session, mount->dir) == 0) {
		mount->is_mounted = true;
		fsg_mount_point_device(mount->dir, &mount->device);
		return 0;
	}
	error = errno ? errno : EPERM;
	if (access("/dev/fuse", F_OK) < 0)
		snprintf(why, why_size,
			 "this kernel has no FUSE (/dev/fuse is missing): load it with 'modprobe "
			 "fuse'");
	else
		snprintf(why, why_size, "%s: cannot mount a volume there: %s", mount->dir,
			 said[0] ? said : strerror(error));
	return -error;
}

/* Before there are threads: from here on the mount can be used, and is as it will be. */
static int greet(struct qnx6_mount *mount, char *why, size_t why_size)
{
	struct pollfd wait = {.fd = fuse_session_fd(mount->session), .events = POLLIN};
	struct fuse_buf message = {0};
	int size = 0;

	said[0] = '\0';
	if (poll(&wait, 1, GREETING_LIMIT_MS) == 1)
		size = fuse_session_receive_buf(mount->session, &message);
	if (size > 0)
		fuse_session_process_buf(mount->session, &message);
	free(message.mem);
	if (!mount->is_greeted) {
		snprintf(why, why_size, "%s: the kernel does not take our FUSE%s%s", mount->dir,
			 said[0] ? ": " : "", said);
		return -EPROTO;
	}
	fsg_mount_point_set_read_ahead(&mount->device, READ_AHEAD);
	return 0;
}

static int open_all(struct qnx6_mount *mount, const struct qnx6_mount_options *options, char *why,
		    size_t why_size)
{
	int rc = open_session(mount, options, why, why_size);

	if (rc < 0 || (rc = find_dir(mount, options->dir, why, why_size)) < 0 ||
	    (rc = mount_session(mount, why, why_size)) < 0 ||
	    (rc = greet(mount, why, why_size)) < 0)
		return rc;
	return mount_start_workers(mount, why, why_size);
}

int qnx6_mount_open(struct qnx6_mount **out, struct qnx6_volume *volume, struct qnx6_source *source,
		    const struct qnx6_mount_options *options, char *why, size_t why_size)
{
	struct qnx6_mount *mount = calloc(1, sizeof(*mount));
	int rc;

	*out = NULL;
	if (!mount)
		return out_of_memory(why, why_size);
	pthread_mutex_init(&mount->leader, NULL);
	sem_init(&mount->has_started, 0, 0);
	mount->volume = volume;
	mount->source = source;
	mount->started = options->started;
	mount->ended = options->ended;
	mount->warn = options->warn;
	mount->context = options->context;
	fuse_set_log_func(listen_to_libfuse);
	rc = open_all(mount, options, why, why_size);
	if (rc < 0) {
		qnx6_mount_close(mount, true);
		return rc;
	}
	*out = mount;
	return 0;
}

static bool is_there(const struct qnx6_mount *mount)
{
	struct fsg_mount_device now;

	return mount->is_mounted && fsg_mount_point_device(mount->dir, &now) &&
	       now.major == mount->device.major && now.minor == mount->device.minor;
}

/* The kernel has ended it: unmounted, and nothing is in use any more. */
static bool is_over(const struct qnx6_mount *mount)
{
	struct pollfd device = {.fd = fuse_session_fd(mount->session)};

	return poll(&device, 1, 0) == 1 && (device.revents & POLLERR);
}

int qnx6_mount_close(struct qnx6_mount *mount, bool unmount)
{
	int rc = 0;

	if (!mount)
		return 0;
	atomic_store(&mount->is_closing, true);
	/* while the threads still answer, so that nobody hears of it who is not in there */
	if (unmount && is_there(mount) && umount2(mount->dir, UMOUNT_NOFOLLOW) < 0 &&
	    errno == EBUSY)
		rc = -EBUSY;
	mount_end_workers(mount);
	/*
	 * Ends the connection, and detaches, without the right to by fusermount3; where there is
	 * nothing to detach, it only frees what libfuse remembers of the mount.
	 */
	if (mount->is_mounted && (is_over(mount) || (unmount && is_there(mount))))
		fuse_session_unmount(mount->session);
	if (mount->session)
		fuse_session_destroy(mount->session);
	sem_destroy(&mount->has_started);
	pthread_mutex_destroy(&mount->leader);
	free(mount->dir);
	free(mount);
	return rc;
}
