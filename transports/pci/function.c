/* SPDX-License-Identifier: BSD-3-Clause */
#include "function.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "platform.h"

static int open_file(const struct pci_function *function, const char *file)
{
	char path[80];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", function->identity.name, file);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int open_config(struct pci_function *function, struct vio_error *err)
{
	struct viot_vfio_region region;
	int rc;

	if (!function->vfio) {
		function->config.fd = open_file(function, "config");
		return function->config.fd < 0 ? -errno : 0;
	}
	rc = viot_vfio_region(function->vfio, VFIO_PCI_CONFIG_REGION_INDEX, &region, err);
	function->config.fd = function->vfio->device;
	function->config.offset = region.offset;
	return rc;
}

int viot_pci_function_open(struct pci_function *function, struct viot_vfio *vfio,
			   atomic_bool *is_gone, struct vio_error *err)
{
	int rc;

	function->vfio = vfio;
	function->is_gone = is_gone;
	rc = open_config(function, err);
	if (rc == 0 || vfio) {
		return rc;
	}
	if (rc == -ENOENT) {
		return vio_fail(err, -ENODEV, "%s has just been unplugged",
				function->identity.name);
	}
	return vio_fail(err, -EACCES,
			"%s: its PCI configuration space cannot be opened (%s): run as root, "
			"without kernel lockdown",
			function->identity.name, strerror(-rc));
}

/* What VFIO's descriptor stands for is closed with it. */
static void close_region(const struct pci_function *function, struct pci_region *region)
{
	if (region->map) {
		viot_unguard(region->map);
		munmap(region->map, region->map_size);
		region->map = NULL;
	}
	if (region->fd >= 0 && !function->vfio) {
		close(region->fd);
	}
	region->fd = -1;
}

void viot_pci_function_close(struct pci_function *function)
{
	if (function->ports >= 0) {
		close(function->ports);
		function->ports = -1;
	}
	for (unsigned i = 0; i < VIOT_PCI_BARS; i++) {
		close_region(function, &function->bar[i]);
	}
	close_region(function, &function->config);
}

bool viot_pci_function_exists(const struct pci_function *function)
{
	char path[80];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", function->identity.name);
	return access(path, F_OK) == 0 || errno != ENOENT;
}

static bool config_read(const struct pci_function *function, unsigned offset, void *value,
			size_t size)
{
	const struct pci_region *config = &function->config;

	return pread(config->fd, value, size, config->offset + (off_t)offset) == (ssize_t)size;
}

int viot_pci_config_read8(void *context, unsigned offset, uint8_t *value)
{
	return config_read(context, offset, value, sizeof(*value)) ? 0 : -EACCES;
}

int viot_pci_config_read16(const struct pci_function *function, unsigned offset, uint16_t *value)
{
	uint16_t wire;

	if (!config_read(function, offset, &wire, sizeof(wire))) {
		return -EACCES;
	}
	*value = le16toh(wire);
	return 0;
}

int viot_pci_config_write16(const struct pci_function *function, unsigned offset, uint16_t value)
{
	const struct pci_region *config = &function->config;
	uint16_t wire = htole16(value);

	return pwrite(config->fd, &wire, sizeof(wire), config->offset + (off_t)offset) ==
			       sizeof(wire)
		       ? 0
		       : -EACCES;
}

/* The kernel maps whole pages; a small BAR need not begin one. VFIO's always does. */
static size_t offset_in_page(const struct pci_function *function, unsigned bar)
{
	if (function->vfio) {
		return 0;
	}
	return (size_t)function->identity.bar_start[bar] & ((size_t)sysconf(_SC_PAGESIZE) - 1);
}

/* Where a BAR is; @must_map: its registers are memory. */
static int open_bar(struct pci_function *function, unsigned bar, bool must_map)
{
	struct pci_region *region = &function->bar[bar];
	struct viot_vfio_region found;
	char file[16];

	if (region->fd >= 0) {
		return 0;
	}
	if (!function->vfio) {
		snprintf(file, sizeof(file), "resource%u", bar);
		region->fd = open_file(function, file);
		return region->fd < 0 ? -errno : 0;
	}
	if (viot_vfio_region(function->vfio, VFIO_PCI_BAR0_REGION_INDEX + bar, &found, NULL) < 0 ||
	    found.size == 0 || (must_map && !found.can_map)) {
		return -ENOTSUP;
	}
	region->fd = function->vfio->device;
	region->offset = found.offset;
	return 0;
}

static int map_bar(struct pci_function *function, unsigned bar)
{
	struct pci_region *region = &function->bar[bar];
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = offset_in_page(function, bar) + (size_t)function->identity.bar_size[bar];
	int rc = open_bar(function, bar, true);
	void *map;

	if (rc < 0) {
		return rc;
	}
	size = (size + page - 1) & ~(page - 1);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, region->fd, region->offset);
	if (map == MAP_FAILED) {
		return -errno;
	}
	region->map = map;
	region->map_size = size;
	return viot_guard(map, size, function->is_gone) ? 0 : -EMFILE;
}

static int refuse_bar(const struct pci_function *function, unsigned bar, int error,
		      struct vio_error *err)
{
	if (error == -EMFILE) {
		return vio_fail(err, -ENOMEM, "%s: too many devices are open in this process",
				function->identity.name);
	}
	return vio_fail(err, error == -EACCES || error == -EPERM ? -EACCES : -EBUSY,
			"%s: BAR %u cannot be mapped (%s): run as root, without kernel lockdown, "
			"and see that no kernel driver holds the device",
			function->identity.name, bar, strerror(-error));
}

int viot_pci_bar(struct pci_function *function, unsigned bar, volatile char **first,
		 struct vio_error *err)
{
	int rc = function->bar[bar].map ? 0 : map_bar(function, bar);

	if (rc < 0) {
		return refuse_bar(function, bar, rc, err);
	}
	*first = (volatile char *)function->bar[bar].map + offset_in_page(function, bar);
	return 0;
}

int viot_pci_open_ports(struct pci_function *function, unsigned bar, struct vio_error *err)
{
	int rc = open_bar(function, bar, false);

	if (!function->vfio) {
		function->ports = open("/dev/port", O_RDWR | O_CLOEXEC);
	}
	return rc == 0 ? 0
		       : vio_fail(err, -EACCES,
				  "%s: the I/O ports of BAR %u cannot be opened (%s): run as root, "
				  "without kernel lockdown",
				  function->identity.name, bar, strerror(-rc));
}

void viot_pci_port_read(const struct pci_function *function, unsigned bar, unsigned offset,
			void *value, size_t size)
{
	const struct pci_region *region = &function->bar[bar];

	if (pread(region->fd, value, size, region->offset + (off_t)offset) != (ssize_t)size) {
		memset(value, 0xff, size);
		atomic_store(function->is_gone, true);
	}
}

void viot_pci_port_write(const struct pci_function *function, unsigned bar, unsigned offset,
			 const void *value, size_t size)
{
	const struct pci_region *region = &function->bar[bar];

	if (pwrite(region->fd, value, size, region->offset + (off_t)offset) != (ssize_t)size) {
		atomic_store(function->is_gone, true);
	}
}
