/* SPDX-License-Identifier: BSD-3-Clause */
#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
		vio_fail(err, -EACCES,
			 "the kernel does not let /dev/mem map 0x%llx (%s): no device registers "
			 "there, "
			 "or a kernel driver claims them",
			 (unsigned long long)address, strerror(errno));
		return NULL;
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
