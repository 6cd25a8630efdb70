/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is in a slot: sysfs tells it where a kernel driver holds the device, the
 * registers where none does. Only looks: the mapping cannot be written to.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_mmio.h>

#include "discover.h"
#include "platform.h"

#define PLATFORM_DEVICES "/sys/bus/platform/devices"

enum {
	MAGIC = 0x74726976, /* "virt" */
	IDENTITY_SIZE = VIRTIO_MMIO_DEVICE_ID + 4,
};

static void explain(struct viot_mmio_device *device, const char *why)
{
	if (device->why[0] == '\0') {
		snprintf(device->why, sizeof(device->why), "%.199s", why);
	}
}

/* ---- the kernel's name for the device ---- */

/* Whether the platform device was made from this node of the tree. */
static bool is_of_node(const char *name, const char *node)
{
	char link[PATH_MAX], target[PATH_MAX];
	const char *base;
	ssize_t n;

	snprintf(link, sizeof(link), PLATFORM_DEVICES "/%s/of_node", name);
	n = readlink(link, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	base = strstr(target, "/devicetree/base/");
	return base && strcmp(base + strlen("/devicetree/base"), node) == 0;
}

static bool find_node(const char *node, char *name, size_t size)
{
	DIR *dir = opendir(PLATFORM_DEVICES);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir)) != NULL) {
		found = is_of_node(entry->d_name, node) &&
			snprintf(name, size, "%s", entry->d_name) < (int)size;
	}
	if (dir) {
		closedir(dir);
	}
	return found;
}

/* By name, which everybody may do, else by address; false: `why` is set. */
static bool find_holder(struct viot_mmio_device *device, struct viot_holder *holder)
{
	char name[80];
	struct vio_error err;

	if (device->from == VIOT_FROM_ACPI) {
		snprintf(name, sizeof(name), "%.79s", device->where);
		viot_holder_of(holder, "platform", name);
		return true;
	}
	if (device->from == VIOT_FROM_DEVICE_TREE && find_node(device->where, name, sizeof(name))) {
		viot_holder_of(holder, "platform", name);
		return true;
	}
	memset(holder, 0, sizeof(*holder));
	if (device->smem && viot_holder_at(holder, device->smem, &err) < 0) {
		explain(device, err.text);
		return false;
	}
	return true;
}

/* ---- what a kernel driver says ---- */

/* "virtio3", the child that the driver made of the device. */
static bool find_virtio(const char *name, char *virtio, size_t size)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), PLATFORM_DEVICES "/%s", name);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)) != NULL) {
		found = strncmp(entry->d_name, "virtio", 6) == 0 &&
			isdigit((unsigned char)entry->d_name[6]) &&
			snprintf(virtio, size, "%s", entry->d_name) < (int)size;
	}
	if (dir) {
		closedir(dir);
	}
	return found;
}

static bool ask_driver(struct viot_mmio_device *device, const struct viot_holder *holder)
{
	char virtio[32], path[PATH_MAX], text[32];

	if (!find_virtio(holder->device, virtio, sizeof(virtio))) {
		return false;
	}
	snprintf(path, sizeof(path), "/sys/bus/virtio/devices/%s/device", virtio);
	if (viot_read_text(path, text, sizeof(text)) <= 0) {
		return false;
	}
	device->virtio_type = (uint32_t)strtoul(text, NULL, 16);
	device->has_type = true;
	return true;
}

/* ---- what the registers say ---- */

static void explain_mapping(struct viot_mmio_device *device, int error)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct viot_holder near;

	if (error == EPERM && viot_holder_near(&near, device->smem & ~(page - 1), page)) {
		snprintf(device->why, sizeof(device->why),
			 "the kernel keeps that page while its driver %.20s holds %.40s in it: "
			 "unbind "
			 "that one, or boot with iomem=relaxed",
			 near.driver, near.device);
		return;
	}
	snprintf(device->why, sizeof(device->why), "/dev/mem does not map it (%s)",
		 strerror(error));
}

/* A page or two of /dev/mem to look at; NULL: `why` is set. */
static const char *map(struct viot_mmio_device *device, struct viot_mapping *mapping)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t start = device->smem & ~(page - 1);
	int fd = open("/dev/mem", O_RDONLY | O_SYNC | O_CLOEXEC);
	void *base;

	mapping->size = (size_t)((device->smem - start + IDENTITY_SIZE + page - 1) & ~(page - 1));
	if (fd < 0) {
		explain(device, errno == EACCES || errno == EPERM
					? "its registers are in /dev/mem, for root only"
					: "this kernel has no /dev/mem to read its registers "
					  "through (CONFIG_DEVMEM)");
		return NULL;
	}
	base = mmap(NULL, mapping->size, PROT_READ, MAP_SHARED, fd, (off_t)start);
	close(fd);
	if (base == MAP_FAILED) {
		int error = errno;

		base = viot_uio_map_page(start, mapping->size, PROT_READ);
		if (base == MAP_FAILED) {
			explain_mapping(device, error);
			return NULL;
		}
	}
	mapping->base = base;
	return (const char *)base + (device->smem - start);
}

static void read_registers(struct viot_mmio_device *device, const struct viot_mapping *mapping,
			   const volatile char *registers)
{
	uint32_t magic, version, type;

	if (!viot_physical_read32(mapping, registers + VIRTIO_MMIO_MAGIC_VALUE, &magic)) {
		explain(device, "nothing answers there: reading it raises a bus error");
	} else if (magic != MAGIC) {
		snprintf(device->why, sizeof(device->why),
			 "no VirtIO device answers there: the first word reads 0x%08x, 0x%08x "
			 "was expected",
			 magic, MAGIC);
	} else if (viot_physical_read32(mapping, registers + VIRTIO_MMIO_VERSION, &version) &&
		   viot_physical_read32(mapping, registers + VIRTIO_MMIO_DEVICE_ID, &type)) {
		device->version = version;
		device->virtio_type = type;
		device->has_type = true;
	}
}

static void ask_registers(struct viot_mmio_device *device)
{
	struct viot_mapping mapping = {0};
	const char *registers = map(device, &mapping);

	if (registers) {
		read_registers(device, &mapping, registers);
		viot_physical_unmap(&mapping);
	}
}

void viot_slot_identify(struct viot_mmio_device *device)
{
	struct viot_holder holder;

	if (!find_holder(device, &holder)) {
		return;
	}
	snprintf(device->driver, sizeof(device->driver), "%.31s", holder.driver);
	if (holder.driver[0] && ask_driver(device, &holder)) {
		return;
	}
	if (device->smem) {
		ask_registers(device);
	}
}
