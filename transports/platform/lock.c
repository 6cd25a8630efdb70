/* SPDX-License-Identifier: BSD-3-Clause */
#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_DIR VIOT_RUN_DIR "/lock"

int viot_make_dir(const char *path, struct vio_error *err)
{
	char part[256];
	size_t length = strlen(path);

	for (size_t i = 1; i <= length && i < sizeof(part); i++) {
		if (path[i] != '/' && path[i] != '\0') {
			continue;
		}
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST) {
			return vio_fail(
				err, -EACCES,
				"the directory %s is needed and cannot be made (%s): run as "
				"root, with a writable /run",
				part, strerror(errno));
		}
	}
	return 0;
}

/* The content is "PID HUGEPAGES"; a file cut short by a crash counts as 0 0. */
static void read_note(int fd, int *pid, unsigned *pages)
{
	char text[64];
	char *end;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	*pid = (int)strtol(text, &end, 10);
	*pages = (unsigned)strtoul(end, NULL, 10);
}

static int refuse(int fd, const char *key, struct vio_error *err)
{
	unsigned pages;
	int pid;

	read_note(fd, &pid, &pages);
	return vio_fail(err, -EBUSY,
			"%s is already driven by process %d: a device has one driver; stop that "
			"process first",
			key, pid);
}

/* The holder before us may have removed the file between our open and our lock. */
static bool is_still_there(int fd, const char *path)
{
	struct stat by_fd, by_path;

	return fstat(fd, &by_fd) == 0 && stat(path, &by_path) == 0 &&
	       by_fd.st_ino == by_path.st_ino && by_fd.st_dev == by_path.st_dev;
}

int viot_lock_file(const char *path, bool wait, int *holder)
{
	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

		if (fd < 0) {
			return -errno;
		}
		if (flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB) < 0) {
			*holder = fd;
			return -EBUSY;
		}
		if (is_still_there(fd, path)) {
			return fd;
		}
		close(fd);
	}
}

static int open_locked(struct viot_lock *lock, struct vio_error *err)
{
	int holder = -1;
	int fd = viot_lock_file(lock->path, false, &holder);

	if (fd == -EBUSY) {
		refuse(holder, lock->key, err);
		close(holder);
	} else if (fd < 0) {
		return vio_fail(err, -EACCES, "the lock %s cannot be opened (%s): run as root",
				lock->path, strerror(-fd));
	}
	return fd;
}

int viot_lock_take(struct viot_lock *lock, const char *key, struct vio_error *err)
{
	int rc = viot_make_dir(LOCK_DIR, err);
	int old_pid;

	lock->fd = -1;
	if (rc < 0) {
		return rc;
	}
	snprintf(lock->key, sizeof(lock->key), "%s", key);
	snprintf(lock->path, sizeof(lock->path), LOCK_DIR "/%s", key);
	rc = open_locked(lock, err);
	if (rc < 0) {
		return rc;
	}
	lock->fd = rc;
	read_note(lock->fd, &old_pid, &lock->reserved_pages);
	viot_lock_note(lock);
	return 0;
}

bool viot_is_driven(const char *name)
{
	char path[128];
	bool driven;
	int fd;

	snprintf(path, sizeof(path), LOCK_DIR "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return false;
	}
	driven = flock(fd, LOCK_SH | LOCK_NB) < 0;
	close(fd);
	return driven;
}

void viot_lock_note(struct viot_lock *lock)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%d %u\n", (int)getpid(), lock->reserved_pages);

	/* a note that cannot be written costs a clear message later, nothing more */
	if (pwrite(lock->fd, text, (size_t)n, 0) == n && ftruncate(lock->fd, n) < 0) {
		return;
	}
}

void viot_lock_drop(struct viot_lock *lock, bool keep)
{
	if (lock->fd < 0) {
		return;
	}
	if (!keep) {
		unlink(lock->path);
	}
	close(lock->fd);
	lock->fd = -1;
	rmdir(LOCK_DIR); /* only when it is empty */
	rmdir(VIOT_RUN_DIR);
}
