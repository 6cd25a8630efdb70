/* SPDX-License-Identifier: BSD-3-Clause */
#include "function.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int open_file(const struct pci_function *function, const char *file)
{
	char path[80];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", function->identity.name, file);
	return open(path, O_RDWR | O_CLOEXEC);
}

int viot_pci_function_open(struct pci_function *function, struct vio_error *err)
{
	function->config = open_file(function, "config");
	if (function->config >= 0) {
		return 0;
	}
	if (errno == ENOENT) {
		return vio_fail(err, -ENODEV, "%s has just been unplugged",
				function->identity.name);
	}
	return vio_fail(err, -EACCES,
			"%s: its PCI configuration space cannot be opened (%s): run as root, "
			"without kernel lockdown",
			function->identity.name, strerror(errno));
}

void viot_pci_function_close(struct pci_function *function)
{
	for (unsigned i = 0; i < VIOT_PCI_BARS; i++) {
		if (function->bar[i].map) {
			munmap(function->bar[i].map, function->bar[i].map_size);
		}
	}
	if (function->config >= 0) {
		close(function->config);
	}
}

int viot_pci_config_read8(void *context, unsigned offset, uint8_t *value)
{
	const struct pci_function *function = context;

	return pread(function->config, value, 1, (off_t)offset) == 1 ? 0 : -EACCES;
}

int viot_pci_config_read16(const struct pci_function *function, unsigned offset, uint16_t *value)
{
	uint16_t wire;

	if (pread(function->config, &wire, sizeof(wire), (off_t)offset) != sizeof(wire)) {
		return -EACCES;
	}
	*value = le16toh(wire);
	return 0;
}

int viot_pci_config_write16(const struct pci_function *function, unsigned offset, uint16_t value)
{
	uint16_t wire = htole16(value);

	return pwrite(function->config, &wire, sizeof(wire), (off_t)offset) == sizeof(wire)
		       ? 0
		       : -EACCES;
}

/* The kernel maps whole pages; a small BAR need not begin one. */
static size_t offset_in_page(const struct pci_function *function, unsigned bar)
{
	return (size_t)function->identity.bar_start[bar] & ((size_t)sysconf(_SC_PAGESIZE) - 1);
}

static int map_bar(struct pci_function *function, unsigned bar)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = offset_in_page(function, bar) + (size_t)function->identity.bar_size[bar];
	char file[16];
	void *map;
	int fd;

	snprintf(file, sizeof(file), "resource%u", bar);
	fd = open_file(function, file);
	if (fd < 0) {
		return -errno;
	}
	size = (size + page - 1) & ~(page - 1);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	close(fd);
	function->bar[bar].map = map;
	function->bar[bar].map_size = size;
	return 0;
}

int viot_pci_bar(struct pci_function *function, unsigned bar, volatile char **first,
		 struct vio_error *err)
{
	int rc = function->bar[bar].map ? 0 : map_bar(function, bar);

	if (rc < 0) {
		return vio_fail(err, rc == -EACCES || rc == -EPERM ? -EACCES : -EBUSY,
				"%s: BAR %u cannot be mapped (%s): run as root, without kernel "
				"lockdown, and see that no kernel driver holds the device",
				function->identity.name, bar, strerror(-rc));
	}
	*first = (volatile char *)function->bar[bar].map + offset_in_page(function, bar);
	return 0;
}
