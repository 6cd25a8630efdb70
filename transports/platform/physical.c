/* SPDX-License-Identifier: BSD-3-Clause */
#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "registers.h"

static int refuse_open(struct vio_error *err)
{
	if (errno == ENOENT || errno == ENXIO) {
		return vio_fail(
			err, -ENOTSUP,
			"/dev/mem is needed to reach the registers and this kernel has none "
			"(CONFIG_DEVMEM)");
	}
	return vio_fail(
		err, -EACCES,
		"/dev/mem is needed to reach the registers and cannot be opened (%s): run as "
		"root, without kernel lockdown",
		strerror(errno));
}

/*
 * With CONFIG_IO_STRICT_DEVMEM a page is refused as a whole while a kernel driver
 * claims anything in it, and a page holds several slots.
 */
static void refuse_map(uint64_t start, size_t length, int error, struct vio_error *err)
{
	struct viot_holder near;

	if (viot_holder_near(&near, start, length)) {
		vio_fail(err, -EACCES,
			 "/dev/mem does not map 0x%llx (%s): the kernel keeps that page while its "
			 "driver %s holds %s in it: unbind that one too, or boot with "
			 "iomem=relaxed",
			 (unsigned long long)start, strerror(error), near.driver, near.device);
	} else {
		vio_fail(err, -EACCES,
			 "/dev/mem does not map 0x%llx (%s): there are no device registers, or a "
			 "kernel driver claims something in that page (see /proc/iomem): unbind "
			 "it, or boot with iomem=relaxed",
			 (unsigned long long)start, strerror(error));
	}
}

volatile void *viot_physical_map(struct viot_mapping *mapping, uint64_t address, size_t size,
				 struct vio_error *err)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t start = address & ~(page - 1);
	size_t length = (size_t)((address - start + size + page - 1) & ~(page - 1));
	int fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	void *base;

	memset(mapping, 0, sizeof(*mapping));
	if (fd < 0) {
		refuse_open(err);
		return NULL;
	}
	base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)start);
	close(fd);
	if (base == MAP_FAILED) {
		int error = errno;

		base = viot_uio_map_page(start, length, PROT_READ | PROT_WRITE);
		if (base == MAP_FAILED) {
			refuse_map(start, length, error, err);
			return NULL;
		}
	}
	mapping->base = base;
	mapping->size = length;
	return (volatile char *)base + (address - start);
}

void viot_physical_unmap(struct viot_mapping *mapping)
{
	if (mapping->base) {
		munmap(mapping->base, mapping->size);
		mapping->base = NULL;
	}
}

/* On Arm, reading where no device decodes the address is an abort, not all ones. */
bool viot_physical_read32(const struct viot_mapping *mapping, const volatile void *address,
			  uint32_t *value)
{
	atomic_bool is_gone = false;

	if (!viot_guard(mapping->base, mapping->size, &is_gone)) {
		return false;
	}
	*value = register_read32(address);
	viot_unguard(mapping->base);
	return !is_gone;
}
