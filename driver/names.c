/* SPDX-License-Identifier: BSD-3-Clause */
#include "names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <vio-transport/open.h>

enum {
	DISKS_TRIED = 1000,
	LOCK_TRIES = 100, /* chosen: nobody of us holds it for longer than a few links take */
	LOCK_PAUSE_US = 10000,
};

static int paths(const struct devb_names *names, const char *name, char link[PATH_MAX],
		 char target[PATH_MAX])
{
	const char *slash = strcmp(names->devdir, "/") == 0 ? "" : "/";

	if (snprintf(link, PATH_MAX, "%s%s%s", names->devdir, slash, name) >= PATH_MAX ||
	    snprintf(target, PATH_MAX, "%s/%s", names->target_dir, name) >= PATH_MAX) {
		return -ENAMETOOLONG;
	}
	return 0;
}

/* The device that a link of ours leads to; false for anything else. */
static bool read_key(const char *link, char *key, size_t key_size)
{
	static const char ours[] = VIOT_RUN_DIR "/";
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	char *end;

	if (n < 0) {
		return false;
	}
	target[n] = '\0';
	if (strncmp(target, ours, sizeof(ours) - 1) != 0) {
		return false;
	}
	end = strchr(target + sizeof(ours) - 1, '/');
	if (!end) {
		return false;
	}
	*end = '\0';
	return snprintf(key, key_size, "%s", target + sizeof(ours) - 1) < (int)key_size;
}

/* A link that a killed process left: nobody drives its device. */
static bool is_stale(const char *link)
{
	char key[64];

	return read_key(link, key, sizeof(key)) && !viot_is_driven(key);
}

static int make_link(const char *target, const char *link)
{
	return symlink(target, link) < 0 ? -errno : 0;
}

/*
 * For removing links: two processes that find the same stale one must not remove
 * what the other made of it. Returns a descriptor to close, or -1. Whoever can read
 * devdir can hold its lock, so we do not wait for ever, and go on without.
 */
static int lock_devdir(const struct devb_names *names)
{
	int fd = open(names->devdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		usleep(LOCK_PAUSE_US);
	}
	return fd;
}

static void unlock_devdir(int fd)
{
	if (fd >= 0) {
		close(fd);
	}
}

/* 0, or -EEXIST if the link is not stale. */
static int take_over(const struct devb_names *names, const char *target, const char *link)
{
	int lock = lock_devdir(names);
	int rc = -EEXIST;

	if (is_stale(link)) {
		unlink(link);
		rc = make_link(target, link);
	}
	unlock_devdir(lock);
	return rc;
}

/* 0, -EEXIST, or another negative errno. */
static int try_claim(struct devb_names *names, const char *name)
{
	char link[PATH_MAX], target[PATH_MAX];
	int rc = paths(names, name, link, target);

	if (rc < 0) {
		return rc;
	}
	if (names->count == sizeof(names->claimed) / sizeof(names->claimed[0])) {
		return -ENOSPC;
	}
	rc = make_link(target, link);
	if (rc == -EEXIST && is_stale(link)) {
		rc = take_over(names, target, link);
	}
	if (rc < 0) {
		return rc;
	}
	snprintf(names->claimed[names->count++], sizeof(names->claimed[0]), "%s", name);
	return 0;
}

static int refuse(const struct devb_names *names, const char *name, int rc, struct vio_error *err)
{
	if (rc == -EEXIST) {
		return vio_fail(err, -EBUSY, "%s/%s exists already and is not ours", names->devdir,
				name);
	}
	return vio_fail(
		err, -EACCES,
		"the name %s cannot be made in %s (%s): give a directory that exists and can "
		"be written with 'blk devdir='",
		name, names->devdir, strerror(-rc));
}

int devb_names_claim(struct devb_names *names, const char *name, struct vio_error *err)
{
	int rc = try_claim(names, name);

	return rc < 0 ? refuse(names, name, rc, err) : 0;
}

void devb_names_remove_all(const struct devb_names *names)
{
	int lock = lock_devdir(names);
	DIR *dir = opendir(names->devdir);
	char link[PATH_MAX], target[PATH_MAX], key[64];
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		if (paths(names, entry->d_name, link, target) == 0 &&
		    read_key(link, key, sizeof(key)) && strcmp(key, names->key) == 0) {
			unlink(link);
		}
	}
	if (dir) {
		closedir(dir);
	}
	unlock_devdir(lock);
}

int devb_names_claim_disk(struct devb_names *names, const char *prefix, unsigned first,
			  struct vio_error *err)
{
	int rc = -EEXIST;

	devb_names_remove_all(names);
	for (unsigned i = 0; i < DISKS_TRIED && rc == -EEXIST; i++) {
		snprintf(names->disk, sizeof(names->disk), "%s%u", prefix, first + i);
		rc = try_claim(names, names->disk);
	}
	return rc < 0 ? refuse(names, names->disk, rc, err) : 0;
}

void devb_names_release(struct devb_names *names)
{
	char link[PATH_MAX], target[PATH_MAX], key[64];

	for (unsigned i = 0; i < names->count; i++) {
		if (paths(names, names->claimed[i], link, target) == 0 &&
		    read_key(link, key, sizeof(key)) && strcmp(key, names->key) == 0) {
			unlink(link);
		}
	}
	names->count = 0;
}
