/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Freeing a device from the kernel driver that holds it. A wrong address must
 * not cost the machine its network or its root disk, so everything is asked
 * before anything is done, and what cannot be answered is a refusal.
 */
#include "platform.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <vio/log.h>

#define BLOCK_CLASS "/sys/class/block"
#define PCI_PREFIX  "pci-"
#define MMIO_PREFIX "mmio-"

/* The beginning of a file; false if there is none. */
static bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0) {
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* "virtio3": what the driver made of the device. */
static bool find_virtio(const struct viot_holder *holder, char *name, size_t size)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s", holder->bus, holder->device);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)) != NULL) {
		found = strncmp(entry->d_name, "virtio", 6) == 0 &&
			isdigit((unsigned char)entry->d_name[6]) &&
			snprintf(name, size, "%s", entry->d_name) < (int)size;
	}
	if (dir) {
		closedir(dir);
	}
	return found;
}

static int check_driver(const struct viot_holder *holder, struct vio_error *err)
{
	const char *virtio = strcmp(holder->bus, "pci") == 0 ? "virtio-pci" : "virtio-mmio";

	if (strcmp(holder->driver, virtio) == 0) {
		return 0;
	}
	return vio_fail(err, -EBUSY,
			"%s is held by the kernel driver %s, which is not the %s that holds VirtIO "
			"devices: check the address, or free it from that driver by hand",
			holder->device, holder->driver, virtio);
}

static int check_class(const struct viot_holder *holder, const char *virtio,
		       const struct viot_options *options, struct vio_error *err)
{
	char path[PATH_MAX], text[32];

	if (options->device_type == 0) {
		return 0;
	}
	snprintf(path, sizeof(path), "/sys/bus/virtio/devices/%s/device", virtio);
	if (!read_text(path, text, sizeof(text))) {
		return vio_fail(
			err, -EBUSY,
			"%s is held by the kernel driver %s, and %s does not tell its class: "
			"free it by hand",
			holder->device, holder->driver, path);
	}
	return viot_check_type(holder->device, (uint32_t)strtoul(text, NULL, 16), options, err);
}

/*
 * A disk that is mounted, or swap, or part of something that is, cannot be
 * opened exclusively. Through a node of our own: /dev need not have one of that
 * name, and those in /run cannot be opened where it is mounted "nodev".
 */
static int open_exclusively(const char *disk)
{
	char path[PATH_MAX], text[32];
	unsigned long major, minor;
	char *end;
	int fd, rc;

	snprintf(path, sizeof(path), BLOCK_CLASS "/%s/dev", disk);
	if (!read_text(path, text, sizeof(text))) {
		return -ENOENT;
	}
	major = strtoul(text, &end, 10);
	minor = *end == ':' ? strtoul(end + 1, NULL, 10) : 0;
	snprintf(path, sizeof(path), "/dev/.viot-%lu-%lu-%d", major, minor, (int)getpid());
	if (mknod(path, S_IFBLK | 0600, makedev((unsigned)major, (unsigned)minor)) < 0) {
		return -errno;
	}
	fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	rc = fd < 0 ? -errno : 0;
	unlink(path);
	if (fd >= 0) {
		close(fd);
	}
	return rc;
}

static int check_disk(const char *disk, struct vio_error *err)
{
	int rc = open_exclusively(disk);

	if (rc == -EBUSY) {
		return vio_fail(
			err, -EBUSY,
			"it is in use as the kernel's disk %s (mounted, or part of something "
			"that is): unmount it first",
			disk);
	}
	return rc == 0 ? 0
		       : vio_fail(
				 err, -EACCES,
				 "whether the kernel's disk %s is in use cannot be found out (%s): "
				 "it is left alone",
				 disk, strerror(-rc));
}

/* Whether a disk or partition stands below the device, however deep: SCSI has more than one. */
static bool is_part_of(const char *disk, const char *virtio)
{
	char path[PATH_MAX], target[PATH_MAX], part[80];
	ssize_t n;

	snprintf(path, sizeof(path), BLOCK_CLASS "/%s", disk);
	snprintf(part, sizeof(part), "/%s/", virtio);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	return strstr(target, part) != NULL;
}

/*
 * 0, -EBUSY if one is in use, or -EACCES if that cannot be found out. @disk: receives
 * the name of that one.
 */
static int check_disks(const char *virtio, char *disk, size_t size, struct vio_error *err)
{
	DIR *dir = opendir(BLOCK_CLASS);
	struct dirent *entry;
	int rc = 0;

	if (!dir) {
		return vio_fail(err, -EACCES,
				"its disks are not known, because " BLOCK_CLASS
				" cannot be read: it is left alone");
	}
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		rc = is_part_of(entry->d_name, virtio) ? check_disk(entry->d_name, err) : 0;
		snprintf(disk, size, "%.*s", rc < 0 ? (int)size - 1 : 0, entry->d_name);
	}
	closedir(dir);
	return rc;
}

/* The disk first: who asked for no takeover must not be told how to free one that is in use. */
static int check_takeover(const struct viot_holder *holder, const char *virtio, bool takeover,
			  struct vio_error *err)
{
	struct vio_error why;
	char disk[40];

	if (check_disks(virtio, disk, sizeof(disk), &why) < 0) {
		return vio_fail(err, -EBUSY, "%s is held by the kernel driver %s: %s",
				holder->device, holder->driver, why.text);
	}
	if (!takeover) {
		return vio_fail(err, -EBUSY,
				"%s is held by the kernel driver %s: free it with 'echo %s > "
				"/sys/bus/%s/drivers/%s/unbind', or add 'takeover'",
				holder->device, holder->driver, holder->device, holder->bus,
				holder->driver);
	}
	return 0;
}

/* @action: "bind" or "unbind" */
static int tell_driver(const struct viot_holder *holder, const char *action)
{
	char path[PATH_MAX];
	size_t length = strlen(holder->device);
	int fd, rc;

	snprintf(path, sizeof(path), "/sys/bus/%s/drivers/%s/%s", holder->bus, holder->driver,
		 action);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	rc = write(fd, holder->device, length) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int take(struct viot_holder *holder, struct vio_error *err)
{
	int rc = tell_driver(holder, "unbind");

	if (rc < 0) {
		return vio_fail(err, -EBUSY, "%s cannot be taken from the kernel driver %s (%s)",
				holder->device, holder->driver, strerror(-rc));
	}
	holder->taken = true;
	vio_log(VIO_LOG_INFO, "%s taken from the kernel driver %s", holder->device, holder->driver);
	return 0;
}

int viot_holder_free(struct viot_holder *holder, const struct viot_options *options,
		     struct vio_error *err)
{
	char virtio[40] = "";
	int rc;

	if (holder->driver[0] == '\0') {
		return 0;
	}
	find_virtio(holder, virtio, sizeof(virtio));
	rc = check_driver(holder, err);
	if (rc == 0) {
		rc = check_class(holder, virtio, options, err);
	}
	if (rc == 0) {
		rc = check_takeover(holder, virtio, options->takeover, err);
	}
	return rc < 0 ? rc : take(holder, err);
}

static bool find_holder(struct viot_holder *holder, const char *name)
{
	if (strncmp(name, PCI_PREFIX, sizeof(PCI_PREFIX) - 1) == 0) {
		viot_holder_of(holder, "pci", name + sizeof(PCI_PREFIX) - 1);
	} else if (strncmp(name, MMIO_PREFIX, sizeof(MMIO_PREFIX) - 1) != 0 ||
		   viot_holder_at(holder, strtoull(name + sizeof(MMIO_PREFIX) - 1, NULL, 16),
				  NULL) < 0) {
		return false;
	}
	return holder->driver[0] != '\0';
}

int viot_in_use(const char *name, char *disk, size_t size)
{
	struct viot_holder holder;
	char virtio[40];
	int rc;

	if (!find_holder(&holder, name) || !find_virtio(&holder, virtio, sizeof(virtio))) {
		return 0;
	}
	rc = check_disks(virtio, disk, size, NULL);
	return rc == -EBUSY ? 1 : rc;
}

void viot_holder_give_back(struct viot_holder *holder)
{
	int rc;

	if (!holder->taken) {
		return;
	}
	holder->taken = false;
	rc = tell_driver(holder, "bind");
	if (rc < 0) {
		vio_log(VIO_LOG_WARN, "%s could not be given back to the kernel driver %s (%s)",
			holder->device, holder->driver, strerror(-rc));
	} else {
		vio_log(VIO_LOG_INFO, "%s given back to the kernel driver %s", holder->device,
			holder->driver);
	}
}
