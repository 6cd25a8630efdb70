/* SPDX-License-Identifier: BSD-3-Clause */
#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_DIR     VIOT_RUN_DIR "/lock"
#define PAGES_SUFFIX ".pages"

enum {
	PAUSE_MS = 10,
	TRIES = 100, /* chosen: so often in a row nobody else starts or stops */
};

static int make_one(const char *path)
{
	if (mkdir(path, 0755) == 0) {
		return chmod(path, 0755) < 0 ? -errno : 0; /* users of volumes pass through */
	}
	return errno == EEXIST ? 0 : -errno;
}

/* @part: receives the directory that was made last, or could not be. */
static int make_parts(const char *path, char *part, size_t size)
{
	size_t length = strlen(path);
	int rc = 0;

	for (size_t i = 1; rc == 0 && i <= length && i < size; i++) {
		if (path[i] == '/' || path[i] == '\0') {
			memcpy(part, path, i);
			part[i] = '\0';
			rc = make_one(part);
		}
	}
	return rc;
}

/* The last process that stops removes these directories, and may do so just now. */
int viot_make_dir(const char *path, struct vio_error *err)
{
	char part[256];
	int rc = -ENOENT;

	for (int i = 0; rc == -ENOENT && i < TRIES; i++) {
		rc = make_parts(path, part, sizeof(part));
	}
	if (rc < 0) {
		return vio_fail(err, -EACCES,
				"the directory %s is needed and cannot be made (%s): run as root, "
				"with a writable /run",
				part, strerror(-rc));
	}
	return 0;
}

/* A file cut short by a crash counts as 0. */
static unsigned long read_number(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return strtoul(text, NULL, 10);
}

/* A note that cannot be written costs a clear message later, or some memory: nothing more. */
static void write_number(int fd, unsigned long number)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%lu\n", number);

	if (pwrite(fd, text, (size_t)n, 0) == n && ftruncate(fd, n) < 0) {
		return;
	}
}

/*
 * How far root shrinks the pool is in a file of its own, open only while it is read
 * or written: the lock's descriptor stays with a process that may have left root.
 */
static int open_pages(const struct viot_lock *lock, int flags)
{
	char path[sizeof(lock->path) + sizeof(PAGES_SUFFIX)];

	snprintf(path, sizeof(path), "%s" PAGES_SUFFIX, lock->path);
	return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static unsigned read_pages(const struct viot_lock *lock)
{
	int fd = open_pages(lock, O_RDONLY);
	unsigned pages = fd >= 0 ? (unsigned)read_number(fd) : 0;

	if (fd >= 0) {
		close(fd);
	}
	return pages;
}

static void forget_pages(const struct viot_lock *lock)
{
	char path[sizeof(lock->path) + sizeof(PAGES_SUFFIX)];

	snprintf(path, sizeof(path), "%s" PAGES_SUFFIX, lock->path);
	unlink(path);
}

static int refuse(const struct viot_lock *lock, struct vio_error *err)
{
	int fd = open(lock->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int pid = 0;

	if (fd >= 0) {
		pid = (int)read_number(fd);
		close(fd);
	}
	return vio_fail(err, -EBUSY,
			"%s is already driven by process %d: a device has one driver; stop that "
			"process first",
			lock->key, pid);
}

/* The holder before us may have removed the file between our open and our lock. */
static bool is_still_there(int fd, const char *path)
{
	struct stat by_fd, by_path;

	return fstat(fd, &by_fd) == 0 && stat(path, &by_path) == 0 &&
	       by_fd.st_ino == by_path.st_ino && by_fd.st_dev == by_path.st_dev;
}

/*
 * Locks of open files: they can be asked after without being taken, and go with
 * the process. 0600, or any user could hold them up.
 */
static int try_file(const char *path)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc;

	if (fd < 0) {
		return -errno;
	}
	if (fcntl(fd, F_OFD_SETLK, &whole) < 0) {
		rc = errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	} else if (!is_still_there(fd, path)) {
		rc = -ESTALE;
	} else {
		return fd;
	}
	close(fd);
	return rc;
}

int viot_lock_file(const char *path, unsigned wait_ms)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
	unsigned waited_ms = 0, stale = 0;

	for (;;) {
		int rc = try_file(path);

		if (rc == -ESTALE && stale++ < TRIES) {
			continue;
		}
		if (rc != -EBUSY || waited_ms >= wait_ms) {
			return rc == -ESTALE ? -EBUSY : rc;
		}
		nanosleep(&pause, NULL);
		waited_ms += PAUSE_MS;
	}
}

/* Again if the directory went between making it and opening a file in it. */
static int open_locked(const struct viot_lock *lock, struct vio_error *err)
{
	int fd = -ENOENT;

	for (int i = 0; fd == -ENOENT && i < TRIES; i++) {
		int rc = viot_make_dir(LOCK_DIR, err);

		if (rc < 0) {
			return rc;
		}
		fd = viot_lock_file(lock->path, 0);
	}
	if (fd == -EBUSY) {
		return refuse(lock, err);
	}
	return fd >= 0 ? fd
		       : vio_fail(err, -EACCES, "the lock %s cannot be opened (%s): run as root",
				  lock->path, strerror(-fd));
}

int viot_lock_take(struct viot_lock *lock, const char *key, struct vio_error *err)
{
	snprintf(lock->key, sizeof(lock->key), "%s", key);
	snprintf(lock->path, sizeof(lock->path), LOCK_DIR "/%s", key);
	lock->reserved_pages = 0;
	lock->fd = open_locked(lock, err);
	if (lock->fd < 0) {
		return lock->fd;
	}
	write_number(lock->fd, (unsigned long)getpid());
	lock->reserved_pages = read_pages(lock);
	return 0;
}

bool viot_is_driven(const char *name)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[128];
	bool driven;
	int fd;

	snprintf(path, sizeof(path), LOCK_DIR "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return errno == EACCES; /* only root may ask; a lock that is there is mostly held */
	}
	driven = fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
	close(fd);
	return driven;
}

void viot_lock_note(struct viot_lock *lock)
{
	int fd;

	if (lock->reserved_pages == 0) {
		forget_pages(lock);
		return;
	}
	fd = open_pages(lock, O_WRONLY | O_CREAT);
	if (fd >= 0) {
		write_number(fd, lock->reserved_pages);
		close(fd);
	}
}

void viot_lock_drop(struct viot_lock *lock, bool keep)
{
	if (lock->fd < 0) {
		return;
	}
	if (!keep) {
		forget_pages(lock);
		unlink(lock->path);
	}
	close(lock->fd);
	lock->fd = -1;
	rmdir(LOCK_DIR); /* only when it is empty */
	rmdir(VIOT_RUN_DIR);
}
