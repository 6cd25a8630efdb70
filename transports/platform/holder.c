/* SPDX-License-Identifier: BSD-3-Clause */
/* Two drivers on one device destroy data: find the kernel's, and refuse or free it. */
#include "platform.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vio/log.h>

static void device_path(const struct viot_holder *holder, char *path, size_t size)
{
	snprintf(path, size, "/sys/bus/%s/devices/%s", holder->bus, holder->device);
}

void viot_holder_of(struct viot_holder *holder, const char *bus, const char *device)
{
	char path[PATH_MAX], link[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	memset(holder, 0, sizeof(*holder));
	snprintf(holder->bus, sizeof(holder->bus), "%s", bus);
	snprintf(holder->device, sizeof(holder->device), "%s", device);
	device_path(holder, path, sizeof(path));
	if (snprintf(link, sizeof(link), "%s/driver", path) >= (int)sizeof(link)) {
		return;
	}
	n = readlink(link, target, sizeof(target) - 1);
	if (n > 0) {
		const char *name;

		target[n] = '\0';
		name = strrchr(target, '/');
		snprintf(holder->driver, sizeof(holder->driver), "%.39s", name ? name + 1 : target);
	}
}

/* "  feb00400-feb005ff : LNRO0005:00 virtio-mmio" */
static bool parse_range(char *line, uint64_t *start, uint64_t *end, char **name)
{
	char *cursor = line;

	*start = strtoull(cursor, &cursor, 16);
	if (*cursor != '-') {
		return false;
	}
	*end = strtoull(cursor + 1, &cursor, 16);
	*name = strstr(cursor, " : ");
	if (!*name) {
		return false;
	}
	*name += 3;
	(*name)[strcspn(*name, " \n")] = '\0';
	return true;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* Remembers the innermost region whose name is a platform device. */
static void note_region(struct viot_holder *holder, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/platform/devices/%s", name);
	if (name[0] && !strchr(name, '/') && exists(path)) {
		viot_holder_of(holder, "platform", name);
	}
}

int viot_holder_at(struct viot_holder *holder, uint64_t address, struct vio_error *err)
{
	FILE *file = fopen("/proc/iomem", "re");
	char line[256];
	int rc = 0;

	memset(holder, 0, sizeof(*holder));
	while (file && rc == 0 && fgets(line, sizeof(line), file)) {
		uint64_t start, end;
		bool is_ram = strstr(line, " : System RAM") != NULL;
		char *name;

		if (!parse_range(line, &start, &end, &name) || address < start || address > end) {
			continue;
		}
		if (is_ram && end) {
			rc = vio_fail(
				err, -EINVAL,
				"smem=0x%llx is ordinary memory, not a device: give the address "
				"of the VM's configuration",
				(unsigned long long)address);
		}
		note_region(holder, name);
	}
	if (file) {
		fclose(file);
	}
	return rc;
}

/* A disk that is mounted, or part of something that is, cannot be opened exclusively. */
static bool is_disk_in_use(const char *disk)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", disk);
	fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
	}
	return fd < 0 && errno == EBUSY;
}

/* Names of entries in a directory, one after the other, that satisfy a filter. */
static bool any_disk_in_use(const char *block_dir)
{
	DIR *dir = opendir(block_dir);
	struct dirent *entry;
	bool used = false;

	while (dir && !used && (entry = readdir(dir)) != NULL) {
		used = entry->d_name[0] != '.' && is_disk_in_use(entry->d_name);
	}
	if (dir) {
		closedir(dir);
	}
	return used;
}

/* The device's children are virtioN; a disk stands below block/. */
static bool is_in_use(const struct viot_holder *holder)
{
	char path[PATH_MAX], block[PATH_MAX];
	struct dirent *entry;
	bool used = false;
	DIR *dir;

	device_path(holder, path, sizeof(path));
	dir = opendir(path);
	while (dir && !used && (entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, "virtio", 6) == 0 && isdigit(entry->d_name[6]) &&
		    snprintf(block, sizeof(block), "%s/%s/block", path, entry->d_name) <
			    (int)sizeof(block)) {
			used = any_disk_in_use(block);
		}
	}
	if (dir) {
		closedir(dir);
	}
	return used;
}

static int unbind(const struct viot_holder *holder, struct vio_error *err)
{
	char path[PATH_MAX];
	size_t length = strlen(holder->device);
	int fd;
	bool done;

	snprintf(path, sizeof(path), "/sys/bus/%s/drivers/%s/unbind", holder->bus, holder->driver);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	done = fd >= 0 && write(fd, holder->device, length) == (ssize_t)length;
	if (fd >= 0) {
		close(fd);
	}
	if (!done) {
		return vio_fail(err, -EBUSY, "%s cannot be taken from the kernel driver %s (%s)",
				holder->device, holder->driver, strerror(errno));
	}
	vio_log(VIO_LOG_INFO, "%s taken from the kernel driver %s", holder->device, holder->driver);
	return 0;
}

int viot_holder_check(const struct viot_holder *holder, bool takeover, struct vio_error *err)
{
	if (holder->driver[0] == '\0') {
		return 0;
	}
	if (!takeover) {
		return vio_fail(err, -EBUSY,
				"%s is held by the kernel driver %s: free it with 'echo %s > "
				"/sys/bus/%s/drivers/%s/unbind', or add 'virtio takeover'",
				holder->device, holder->driver, holder->device, holder->bus,
				holder->driver);
	}
	if (is_in_use(holder)) {
		return vio_fail(
			err, -EBUSY,
			"%s is in use as a disk of the kernel (mounted, or part of something "
			"that is): unmount it before 'virtio takeover'",
			holder->device);
	}
	return unbind(holder, err);
}
