/* SPDX-License-Identifier: BSD-3-Clause */
/* UIO: an interrupt, and perhaps registers, as a file (drivers/uio in the kernel). */
#include "platform.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define UIO_CLASS "/sys/class/uio"

enum {
	MAPS_MAX = 5, /* MAX_UIO_MAPS of the kernel */
	OPEN_TRIES = 100,
	OPEN_PAUSE_US = 10000,
};

/* A line of a file in sysfs; false if there is none. */
static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool done = file && fgets(line, (int)size, file);

	if (file) {
		fclose(file);
	}
	if (done) {
		line[strcspn(line, "\n")] = '\0';
	}
	return done;
}

static bool read_number(const char *name, unsigned map, const char *what, uint64_t *value)
{
	char path[PATH_MAX], line[40];

	snprintf(path, sizeof(path), UIO_CLASS "/%s/maps/map%u/%s", name, map, what);
	if (!read_line(path, line, sizeof(line))) {
		return false;
	}
	*value = strtoull(line, NULL, 0);
	return true;
}

static bool describe(struct viot_uio *uio, const char *name)
{
	char path[PATH_MAX];

	memset(uio, 0, sizeof(*uio));
	if (snprintf(uio->name, sizeof(uio->name), "%s", name) >= (int)sizeof(uio->name)) {
		return false;
	}
	snprintf(path, sizeof(path), UIO_CLASS "/%s/version", name);
	if (!read_line(path, uio->version, sizeof(uio->version))) {
		uio->version[0] = '\0';
	}
	snprintf(path, sizeof(path), UIO_CLASS "/%s/name", name);
	return read_line(path, uio->driver, sizeof(uio->driver));
}

/* The first entry of a directory that @matches; false if none does. */
static bool search(const char *path, bool (*matches)(const char *name, void *context),
		   void *context)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir)) != NULL) {
		found = strncmp(entry->d_name, "uio", 3) == 0 && matches(entry->d_name, context);
	}
	if (dir) {
		closedir(dir);
	}
	return found;
}

static bool take_any(const char *name, void *context)
{
	return describe(context, name);
}

static bool find_device(struct viot_uio *uio, const char *bus, const char *device)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s/uio", bus, device);
	return search(path, take_any, uio);
}

bool viot_uio_find_pci(struct viot_uio *uio, const char *function)
{
	return find_device(uio, "pci", function);
}

bool viot_uio_find_held(struct viot_uio *uio, const struct viot_holder *holder)
{
	return holder->driver[0] && find_device(uio, holder->bus, holder->device);
}

struct place {
	struct viot_uio *uio;
	uint64_t address, size;
};

/*
 * Drivers give the page as the address and where in it the registers are as the
 * offset; one page may be in the hands of several.
 */
static bool has_registers(const char *name, void *context)
{
	const struct place *place = context;
	uint64_t address, offset, size;

	for (unsigned map = 0; map < MAPS_MAX; map++) {
		if (read_number(name, map, "addr", &address) &&
		    read_number(name, map, "offset", &offset) &&
		    read_number(name, map, "size", &size) && address + offset == place->address &&
		    offset + place->size <= size && describe(place->uio, name)) {
			place->uio->map = map;
			place->uio->offset = offset;
			place->uio->size = size;
			return true;
		}
	}
	return false;
}

bool viot_uio_find_memory(struct viot_uio *uio, uint64_t address, size_t size)
{
	struct place place = {uio, address, size};

	return search(UIO_CLASS, has_registers, &place);
}

struct page {
	struct viot_uio *uio;
	uint64_t start;
	size_t size;
};

static bool has_page(const char *name, void *context)
{
	const struct page *page = context;
	uint64_t address, size;

	for (unsigned map = 0; map < MAPS_MAX; map++) {
		if (read_number(name, map, "addr", &address) &&
		    read_number(name, map, "size", &size) && address == page->start &&
		    size >= page->size && describe(page->uio, name) &&
		    (strcmp(page->uio->driver, "vio_uio") == 0 ||
		     strcmp(page->uio->driver, "uio_pdrv_genirq") == 0)) {
			page->uio->map = map;
			page->uio->size = size;
			return true;
		}
	}
	return false;
}

void *viot_uio_map_page(uint64_t start, size_t size, int protection)
{
	struct viot_uio uio;
	struct page page = {&uio, start, size};
	void *base = MAP_FAILED;
	int fd = search(UIO_CLASS, has_page, &page) ? viot_uio_open(&uio, NULL) : -1;

	if (fd >= 0) {
		base = mmap(NULL, size, protection, MAP_SHARED, fd,
			    (off_t)uio.map * sysconf(_SC_PAGESIZE));
		close(fd);
	}
	return base;
}

int viot_uio_open(const struct viot_uio *uio, struct vio_error *err)
{
	char path[64];
	int fd = -1;

	snprintf(path, sizeof(path), "/dev/%s", uio->name);
	/* while it is being registered, it says to try again */
	for (int i = 0; i < OPEN_TRIES; i++) {
		fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0 || errno != EAGAIN) {
			break;
		}
		usleep(OPEN_PAUSE_US);
	}
	return fd >= 0 ? fd
		       : vio_fail(err, errno == EBUSY ? -EBUSY : -EACCES,
				  "/dev/%s, which brings the device's interrupts, cannot be opened "
				  "(%s): run as root, with devtmpfs on /dev",
				  uio->name, strerror(errno));
}

/* Mapping n of a UIO device is told by an offset of n pages. */
volatile void *viot_uio_map(const struct viot_uio *uio, int fd, struct viot_mapping *mapping,
			    struct vio_error *err)
{
	off_t offset = (off_t)uio->map * sysconf(_SC_PAGESIZE);
	void *base = mmap(NULL, uio->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (base == MAP_FAILED) {
		vio_fail(err, -EACCES, "/dev/%s does not map the device's registers (%s)",
			 uio->name, strerror(errno));
		return NULL;
	}
	mapping->base = base;
	mapping->size = uio->size;
	return (volatile char *)base + uio->offset;
}

/* Some devices have registers alone, and say so with every read. */
bool viot_uio_has_interrupt(int fd)
{
	uint32_t count;

	return read(fd, &count, sizeof(count)) >= 0 || errno != EIO;
}

int viot_uio_enable(struct viot_interrupt *interrupt)
{
	const uint32_t on = 1;

	return write(interrupt->line, &on, sizeof(on)) == sizeof(on) ? 0 : -errno;
}
