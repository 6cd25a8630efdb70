/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's pool of huge pages. It is one number for the whole machine, so
 * every change is made under a lock of our own, and only what we added is ever
 * taken away again.
 */
#include "platform.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include <vio/log.h>

#define HUGE_DIR   VIOT_RUN_DIR "/huge"
#define POOL_LOCK  VIOT_RUN_DIR "/hugepages.lock"
#define POOL_COUNT "/proc/sys/vm/nr_hugepages"

enum {
	POOL_LOCK_MS = 10000, /* chosen: clearing a gigabyte of pages takes a second or two */
	GROW_TRIES = 3,
};

/* A number of /proc/meminfo, -1 if it is not there. */
static long meminfo(const char *field)
{
	FILE *file = fopen("/proc/meminfo", "re");
	size_t length = strlen(field);
	char line[128];
	long value = -1;

	if (!file) {
		return -1;
	}
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, field, length) == 0 && line[length] == ':') {
			value = strtol(line + length + 1, NULL, 10);
			break;
		}
	}
	fclose(file);
	return value;
}

size_t viot_hugepage_size(void)
{
	long kib = meminfo("Hugepagesize");

	return kib > 0 ? (size_t)kib * 1024 : 0;
}

int viot_hugepool_lock(struct vio_error *err)
{
	int fd = viot_lock_file(POOL_LOCK, POOL_LOCK_MS);

	if (fd == -EBUSY) {
		return vio_fail(
			err, -EBUSY,
			"another process has been changing the pool of huge pages for %d s: "
			"see who holds %s",
			POOL_LOCK_MS / 1000, POOL_LOCK);
	}
	return fd >= 0 ? fd
		       : vio_fail(err, -EACCES, "the lock %s cannot be opened (%s): run as root",
				  POOL_LOCK, strerror(-fd));
}

void viot_hugepool_unlock(int lock)
{
	close(lock);
}

/* What may be asked for: pages beyond it are surplus, and go when they are freed. */
static long pool_size(void)
{
	return meminfo("HugePages_Total") - meminfo("HugePages_Surp");
}

static bool set_pool_size(long pages)
{
	int fd = open(POOL_COUNT, O_WRONLY | O_CLOEXEC);
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", pages);
	bool done = fd >= 0 && write(fd, text, (size_t)n) == n;

	if (fd >= 0) {
		close(fd);
	}
	return done;
}

/* How many of @pages are not free, or promised to a mapping that has not touched them yet. */
static long missing_pages(unsigned pages)
{
	return (long)pages - (meminfo("HugePages_Free") - meminfo("HugePages_Rsvd"));
}

static void grow(struct viot_lock *lock, long missing)
{
	long before = pool_size();
	long gained;

	set_pool_size(before + missing);
	gained = pool_size() - before;
	if (gained > 0) {
		lock->reserved_pages += (unsigned)gained;
		viot_lock_note(lock);
	}
}

static int refuse(long missing, long still_missing, struct vio_error *err)
{
	return vio_fail(
		err, -ENOMEM,
		"%ld more huge pages of %ld KiB are needed for DMA memory and the kernel could "
		"spare %ld: free memory, ask for less with dma=, or reserve them at boot "
		"(hugepages=%ld)",
		missing, meminfo("Hugepagesize"), missing - still_missing,
		pool_size() + still_missing);
}

void viot_hugepages_give_back(struct viot_lock *lock)
{
	if (lock->reserved_pages && set_pool_size(pool_size() - (long)lock->reserved_pages)) {
		lock->reserved_pages = 0;
		viot_lock_note(lock);
	}
}

int viot_hugepages_reserve(struct viot_lock *lock, unsigned pages, struct vio_error *err)
{
	long missing = missing_pages(pages), left = missing;
	int rc;

	/* growing turns surplus pages, which are in use, into lasting ones first: hence again */
	for (int i = 0; left > 0 && i < GROW_TRIES; i++) {
		grow(lock, left);
		left = missing_pages(pages);
	}
	if (left > 0) {
		rc = refuse(missing, left, err);
		viot_hugepages_give_back(lock);
		return rc;
	}
	if (missing > 0) {
		vio_log(VIO_LOG_INFO, "%ld huge pages of %ld KiB reserved for DMA memory", missing,
			meminfo("Hugepagesize"));
	}
	return 0;
}

static bool is_hugetlbfs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC;
}

static int mount_hugetlbfs(struct vio_error *err)
{
	if (is_hugetlbfs(HUGE_DIR) || mount("devb-virtio", HUGE_DIR, "hugetlbfs",
					    MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") == 0) {
		return 0;
	}
	return vio_fail(err, errno == EPERM ? -EACCES : -ENOTSUP,
			"a hugetlbfs is needed for DMA memory and cannot be mounted on %s (%s): "
			"run as root, on a kernel with CONFIG_HUGETLBFS",
			HUGE_DIR, strerror(errno));
}

int viot_hugetlbfs_open(const char *key, char *path, size_t path_size, struct vio_error *err)
{
	int rc = viot_make_dir(HUGE_DIR, err);
	int fd;

	if (rc == 0) {
		rc = mount_hugetlbfs(err);
	}
	if (rc < 0) {
		return rc;
	}
	snprintf(path, path_size, HUGE_DIR "/%s", key);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd >= 0 ? fd
		       : vio_fail(err, -EACCES, "%s cannot be opened (%s): run as root", path,
				  strerror(errno));
}

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	int entries = 0;

	if (!dir) {
		return false;
	}
	while (readdir(dir)) {
		entries++;
	}
	closedir(dir);
	return entries <= 2;
}

/*
 * The kernel refuses while files are open. A file that nobody has open is the
 * memory of a killed process, which its device may still write to: it stays.
 */
void viot_hugetlbfs_release(void)
{
	if (is_hugetlbfs(HUGE_DIR) && is_empty(HUGE_DIR) && umount2(HUGE_DIR, 0) == 0) {
		rmdir(HUGE_DIR);
	}
	unlink(POOL_LOCK); /* who waits for it makes another */
}
