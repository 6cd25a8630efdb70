/* SPDX-License-Identifier: BSD-3-Clause */
#include "automount.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <vio-transport/open.h>
#include <vio/log.h>

#include "mount_point.h"
#include "qnx6_automount.h"

enum {
	MOUNTS_MAX = 64,
	TOOL_LIMIT_MS = 90000, /* chosen: a journal may have to be replayed */
	TOOL_KILL_MS = 3000,
	TOOL_POLL_MS = 10,
	TOOL_ARGS_MAX = 12,
};

struct mounted {
	const struct devb_automount *automount;
	const void *owner; /* of the volume: a unit, or what stands for it in the keeper */
	bool made_dir;
};

static struct mounted mounts[MOUNTS_MAX];
static unsigned mount_count;
static void (*when_stuck)(void);

/* QNX's names for file systems that Linux calls otherwise. */
static const char *linux_type(const char *type)
{
	static const struct {
		const char *qnx, *linux_name;
	} names[] = {
		{"dos", "vfat"}, {"ext2", "ext4"},   {"cd", "iso9660"},
		{"nt", "ntfs3"}, {"mac", "hfsplus"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(type, names[i].qnx) == 0) {
			return names[i].linux_name;
		}
	}
	return type;
}

static void pause_ms(long ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

/* False if it has not ended in time. */
static bool has_ended(pid_t pid, int *status, long limit_ms)
{
	for (long waited = 0; waited < limit_ms; waited += TOOL_POLL_MS) {
		if (waitpid(pid, status, WNOHANG) == pid) {
			return true;
		}
		pause_ms(TOOL_POLL_MS);
	}
	return false;
}

/* Its exit status, or -1 when it did not end in time; one that ignores SIGKILL is left alone. */
static int await(pid_t pid)
{
	int status = 0;

	if (has_ended(pid, &status, TOOL_LIMIT_MS)) {
		return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	}
	kill(pid, SIGKILL);
	has_ended(pid, &status, TOOL_KILL_MS);
	return -1;
}

/* What the tool says of a failure, in one line. */
static void read_output(int fd, char *text, size_t size)
{
	ssize_t n = read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	for (char *c = text; *c; c++) {
		if (*c == '\n') {
			*c = c[1] ? ' ' : '\0';
		}
	}
}

static int spawn(char *const args[], int output, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int rc;

	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none); /* ours are blocked */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
	rc = posix_spawnp(pid, args[0], &actions, &attributes, args, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return rc;
}

/* Says why for a tool that did not. */
static void explain(const char *tool, int status, char *text, size_t size)
{
	if (status < 0) {
		snprintf(text, size, "%s did not end within %d s", tool, TOOL_LIMIT_MS / 1000);
	} else if (status && text[0] == '\0') {
		snprintf(text, size, "%s ended with status %d", tool, status);
	}
}

/* 0; or positive with what the tool said in @text, negative if it did not end. */
static int run(char *const args[], char *text, size_t size)
{
	int ends[2];
	pid_t pid;
	int rc;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		snprintf(text, size, "%s", strerror(errno));
		return 1;
	}
	rc = spawn(args, ends[1], &pid);
	if (rc) {
		snprintf(text, size, "%s: %s", args[0], strerror(rc));
	} else {
		rc = await(pid);
		read_output(ends[0], text, size);
		explain(args[0], rc, text, size);
	}
	close(ends[0]);
	close(ends[1]);
	return rc;
}

static int mount_volume(const struct devb_automount *automount, const struct devb_volume *volume,
			char *text, size_t size)
{
	char options[512];
	char *args[TOOL_ARGS_MAX];
	unsigned n = 0;

	snprintf(options, sizeof(options), "loop%s%s%s", volume->read_only ? ",ro" : "",
		 automount->options ? "," : "", automount->options ? automount->options : "");
	args[n++] = (char[]){"mount"};
	args[n++] = (char[]){"-o"};
	args[n++] = options;
	if (automount->fstype) {
		args[n++] = (char[]){"-t"};
		args[n++] = (char *)(uintptr_t)linux_type(automount->fstype);
	}
	args[n++] = (char *)(uintptr_t)volume->path;
	args[n++] = (char *)(uintptr_t)automount->mountpoint;
	args[n] = NULL;
	return run(args, text, size);
}

/* A mount as the kernel lists it. */
struct listed {
	unsigned major_number, minor_number; /* of the device */
	char type[32];
};

/* The topmost one at @path, false if nothing is mounted there. */
static bool find_mount(const char *path, struct listed *listed)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[PATH_MAX + 512], point[PATH_MAX];
	struct listed found;
	bool is_there = false;

	while (file && fgets(line, sizeof(line), file)) {
		const char *type = strstr(line, " - ");

		if (type && sscanf(type, " - %31s", found.type) == 1 &&
		    sscanf(line, "%*d %*d %u:%u %*s %4095s", &found.major_number,
			   &found.minor_number, point) == 3 &&
		    strcmp(point, path) == 0) {
			*listed = found;
			is_there = true;
		}
	}
	if (file) {
		fclose(file);
	}
	return is_there;
}

/*
 * A file of one of our mounts; or of one that the start before us has detached, whose
 * files the kernel names from its root on, where nobody has them.
 */
static bool is_volume_of_ours(char *backing)
{
	size_t length;

	backing[strcspn(backing, "\n")] = '\0';
	length = strlen(backing);
	if (strncmp(backing, VIOT_RUN_DIR "/", sizeof(VIOT_RUN_DIR)) == 0) {
		return true;
	}
	return backing[0] == '/' && strchr(backing + 1, '/') == NULL &&
	       backing[length - 1] != ')' && /* "(deleted)" */
	       access(backing, F_OK) < 0 && errno == ENOENT;
}

/* What a killed process had mounted here: itself, or a loop device on one of its volumes. */
static void detach_dead(const char *path)
{
	char sysfs[96], backing[PATH_MAX] = "";
	struct listed listed;
	FILE *file;

	fsg_mount_point_clear(path);
	if (!find_mount(path, &listed)) {
		return;
	}
	snprintf(sysfs, sizeof(sysfs), "/sys/dev/block/%u:%u/loop/backing_file",
		 listed.major_number, listed.minor_number);
	file = fopen(sysfs, "re");
	if (file && fgets(backing, sizeof(backing), file) && is_volume_of_ours(backing)) {
		vio_log(VIO_LOG_INFO, "the mount of a killed process was removed from %s", path);
		umount2(path, MNT_DETACH);
	}
	if (file) {
		fclose(file);
	}
}

/* By ourselves where it holds QNX6, else by mount(8). */
static int mount_somehow(const struct devb_automount *automount, const struct devb_options *options,
			 struct devb_unit *unit, const struct devb_volume *volume,
			 struct vio_error *err)
{
	char text[200];
	int rc = devb_qnx6_mount(unit, volume, automount, options, err);

	if (rc > 0 && mount_volume(automount, volume, text, sizeof(text))) {
		return vio_fail(err, -EIO, "automount: %s cannot be mounted on %s: %s",
				volume->path, automount->mountpoint, text);
	}
	return rc < 0 ? rc : 0;
}

static int mount_one(const struct devb_automount *automount, const struct devb_options *options,
		     struct devb_unit *unit, const struct devb_volume *volume,
		     struct vio_error *err)
{
	bool made_dir;
	int rc;

	if (mount_count == MOUNTS_MAX) {
		return vio_fail(err, -EINVAL, "automount: more than %d mounts", MOUNTS_MAX);
	}
	detach_dead(automount->mountpoint);
	made_dir = mkdir(automount->mountpoint, 0755) == 0;
	rc = mount_somehow(automount, options, unit, volume, err);
	if (rc < 0) {
		if (made_dir) {
			rmdir(automount->mountpoint);
		}
		return rc;
	}
	mounts[mount_count++] = (struct mounted){automount, unit, made_dir};
	vio_log(VIO_LOG_INFO, "%s mounted on %s", volume->path, automount->mountpoint);
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "hd0t179" names a volume; "hd0@179" the first partition of hd0 of that type. */
static bool is_meant(const struct devb_automount *automount, const struct devb_volume *volume)
{
	if (automount->device[0] == '/' && !automount->partition_type) {
		return strcmp(automount->device, volume->path) == 0;
	}
	if (!automount->partition_type) {
		return strcmp(automount->device, volume->name) == 0;
	}
	return volume->mbr_type && strcmp(base_name(automount->device), volume->disk) == 0 &&
	       devb_automount_takes_type(automount, volume->mbr_type);
}

static bool is_mounted(const struct devb_automount *automount)
{
	for (unsigned i = 0; i < mount_count; i++) {
		if (mounts[i].automount == automount) {
			return true;
		}
	}
	return false;
}

static int mount_from(const struct devb_automount *automount, const struct devb_options *options,
		      struct devb_unit *unit, struct vio_error *err)
{
	for (unsigned i = 0; i < devb_unit_volume_count(unit); i++) {
		struct devb_volume volume;

		devb_unit_volume(unit, i, &volume);
		if (is_meant(automount, &volume)) {
			return mount_one(automount, options, unit, &volume, err);
		}
	}
	return 0;
}

int devb_automount_all(const struct devb_options *options, struct devb_unit *unit,
		       struct vio_error *err)
{
	unsigned before = mount_count;

	for (unsigned i = 0; i < options->automount_count; i++) {
		const struct devb_automount *automount = &options->automounts[i];
		int rc = is_mounted(automount) ? 0 : mount_from(automount, options, unit, err);

		if (rc < 0) {
			return rc;
		}
	}
	return (int)(mount_count - before);
}

const struct devb_automount *devb_automount_unused(const struct devb_options *options)
{
	for (unsigned i = 0; i < options->automount_count; i++) {
		if (!is_mounted(&options->automounts[i])) {
			return &options->automounts[i];
		}
	}
	return NULL;
}

/* In a process of its own: the kernel waits for a volume that nobody serves without a limit. */
static int sync_bounded(char *args[])
{
	char text[200];
	int rc = run(args, text, sizeof(text));

	if (rc) {
		vio_log(VIO_LOG_WARN, "not all that was written is safe: %s", text);
	}
	return rc;
}

static void sync_mount(const char *path)
{
	char *args[] = {(char[]){"sync"}, (char[]){"-f"}, (char *)(uintptr_t)path, NULL};

	if (sync_bounded(args) < 0 && when_stuck) {
		when_stuck();
	}
}

void devb_automount_sync(void)
{
	char *args[] = {(char[]){"sync"}, NULL};

	sync_bounded(args);
}

void devb_automount_when_stuck(void (*function)(void))
{
	when_stuck = function;
}

/* By umount(8), because there may be a loop device behind it. */
static void unmount_volume(const char *path)
{
	char *args[] = {(char[]){"umount"}, (char *)(uintptr_t)path, NULL};
	char text[200];

	if (run(args, text, sizeof(text))) {
		vio_log(VIO_LOG_WARN, "%s is still in use: it is synced and detached (%s)", path,
			text);
		sync_mount(path);
		umount2(path, MNT_DETACH);
	}
}

/* Nothing of it can be unsaved, and who serves it may be dead. */
static void unmount_qnx6(const char *path)
{
	if (umount2(path, UMOUNT_NOFOLLOW) < 0 && errno == EBUSY) {
		vio_log(VIO_LOG_WARN, "%s is still in use: it is detached", path);
		umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	}
}

static void unmount_one(const struct mounted *mounted)
{
	const char *path = mounted->automount->mountpoint;
	struct listed listed;

	if (find_mount(path, &listed) && strcmp(listed.type, DEVB_QNX6_TYPE) == 0) {
		unmount_qnx6(path);
	} else {
		unmount_volume(path);
	}
	if (mounted->made_dir) {
		rmdir(path);
	}
}

static void forget_one(unsigned index)
{
	mount_count--;
	memmove(&mounts[index], &mounts[index + 1], (mount_count - index) * sizeof(mounts[0]));
}

void devb_automount_undo(const void *owner)
{
	for (unsigned i = mount_count; i-- > 0;) {
		if (!owner || mounts[i].owner == owner) {
			unmount_one(&mounts[i]);
			forget_one(i);
		}
	}
}

void devb_automount_forget(const void *owner)
{
	for (unsigned i = mount_count; i-- > 0;) {
		if (!owner || mounts[i].owner == owner) {
			forget_one(i);
		}
	}
}

void devb_automount_adopt(const struct devb_automount *automount, const void *owner, bool made_dir)
{
	if (mount_count < MOUNTS_MAX && !is_mounted(automount)) {
		mounts[mount_count++] = (struct mounted){automount, owner, made_dir};
	}
}

const struct devb_automount *devb_automount_next(const void *owner, unsigned *cursor,
						 bool *made_dir)
{
	while (*cursor < mount_count) {
		const struct mounted *mounted = &mounts[(*cursor)++];

		if (mounted->owner == owner) {
			*made_dir = mounted->made_dir;
			return mounted->automount;
		}
	}
	return NULL;
}
