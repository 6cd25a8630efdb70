/* SPDX-License-Identifier: BSD-3-Clause */
/* Two drivers on one device destroy data: find the kernel's. */
#include "platform.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A line of /proc/iomem. */
struct region {
	uint64_t start, end; /* inclusive; both 0 for those who may not know */
	char name[80];
};

void viot_holder_of(struct viot_holder *holder, const char *bus, const char *device)
{
	char link[PATH_MAX], target[PATH_MAX];
	const char *name;
	ssize_t n;

	memset(holder, 0, sizeof(*holder));
	snprintf(holder->bus, sizeof(holder->bus), "%s", bus);
	snprintf(holder->device, sizeof(holder->device), "%s", device);
	snprintf(link, sizeof(link), "/sys/bus/%s/devices/%s/driver", bus, device);
	n = readlink(link, target, sizeof(target) - 1);
	if (n > 0) {
		target[n] = '\0';
		name = strrchr(target, '/');
		snprintf(holder->driver, sizeof(holder->driver), "%.39s", name ? name + 1 : target);
	}
}

/* "  feb00400-feb005ff : LNRO0005:00 virtio-mmio" */
static bool parse_region(const char *line, struct region *region)
{
	char *cursor;

	region->start = strtoull(line, &cursor, 16);
	if (*cursor != '-') {
		return false;
	}
	region->end = strtoull(cursor + 1, &cursor, 16);
	if (strncmp(cursor, " : ", 3) != 0) {
		return false;
	}
	snprintf(region->name, sizeof(region->name), "%s", cursor + 3);
	region->name[strcspn(region->name, "\n")] = '\0';
	return true;
}

static bool next_region(FILE *file, struct region *region)
{
	char line[256];

	while (fgets(line, sizeof(line), file)) {
		if (parse_region(line, region)) {
			return true;
		}
	}
	return false;
}

/* Whether the region's name begins with that of a platform device. */
static bool find_device(const struct region *region, struct viot_holder *holder)
{
	char name[sizeof(region->name)], path[PATH_MAX];

	snprintf(name, sizeof(name), "%s", region->name);
	name[strcspn(name, " ")] = '\0';
	snprintf(path, sizeof(path), "/sys/bus/platform/devices/%s", name);
	if (name[0] == '\0' || strchr(name, '/') || access(path, F_OK) != 0) {
		return false;
	}
	viot_holder_of(holder, "platform", name);
	return true;
}

/* The innermost region at @address counts: it stands last. */
static int search(FILE *file, struct viot_holder *holder, uint64_t address, struct vio_error *err)
{
	struct region region;
	bool is_visible = false;

	while (next_region(file, &region)) {
		is_visible |= region.end != 0;
		if (address < region.start || address > region.end) {
			continue;
		}
		if (strncmp(region.name, "System RAM", strlen("System RAM")) == 0) {
			return vio_fail(
				err, -EINVAL,
				"smem=0x%llx is ordinary memory, not a device: give the address "
				"of the VM's configuration",
				(unsigned long long)address);
		}
		find_device(&region, holder);
	}
	return is_visible
		       ? 0
		       : vio_fail(err, -EACCES,
				  "/proc/iomem hides from this process who owns smem=0x%llx: run "
				  "as root (CAP_SYS_ADMIN)",
				  (unsigned long long)address);
}

int viot_holder_at(struct viot_holder *holder, uint64_t address, struct vio_error *err)
{
	FILE *file = fopen("/proc/iomem", "re");
	int rc;

	memset(holder, 0, sizeof(*holder));
	if (!file) {
		return vio_fail(
			err, -EACCES,
			"/proc/iomem, which tells who owns smem=0x%llx, cannot be read (%s): "
			"run as root, with /proc mounted",
			(unsigned long long)address, strerror(errno));
	}
	rc = search(file, holder, address, err);
	fclose(file);
	return rc;
}

bool viot_holder_near(struct viot_holder *holder, uint64_t start, size_t size)
{
	FILE *file = fopen("/proc/iomem", "re");
	struct region region;
	bool found = false;

	while (file && !found && next_region(file, &region)) {
		found = region.start < start + size && region.end >= start &&
			find_device(&region, holder) && holder->driver[0];
	}
	if (file) {
		fclose(file);
	}
	return found;
}
