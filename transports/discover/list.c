/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "discover.h"
#include "device_tree.h"

#define DEVICE_TREE "/proc/device-tree"

enum {
	CMDLINE_MAX = 16 << 10, /* chosen: Linux has 2 to 4 KiB */
};

ssize_t viot_read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t used = 0;
	ssize_t n;

	text[0] = '\0';
	if (fd < 0) {
		return -errno;
	}
	do {
		n = read(fd, text + used, size - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && used < size - 1) || (n < 0 && errno == EINTR));
	close(fd);
	text[used] = '\0';
	return n < 0 ? -errno : (ssize_t)used;
}

struct viot_mmio_device *viot_mmio_add(struct viot_mmio_found *found, enum viot_mmio_from from)
{
	unsigned index = found->count++;

	if (index >= found->max) {
		return NULL;
	}
	memset(&found->devices[index], 0, sizeof(found->devices[index]));
	found->devices[index].from = from;
	return &found->devices[index];
}

const char *viot_from_name(enum viot_mmio_from from)
{
	return from == VIOT_FROM_DEVICE_TREE ? "device tree"
	       : from == VIOT_FROM_ACPI      ? "ACPI"
					     : "command line";
}

static int list_tree(const struct viot_mmio_source *source, struct viot_mmio_found *found,
		     struct vio_error *err)
{
	struct viot_tree tree;
	int rc = source->blob ? viot_tree_read_file(&tree, source->blob, err)
			      : viot_tree_read_directory(&tree, DEVICE_TREE, err);

	if (rc < 0) {
		return rc == -ENODEV && !source->blob ? 0 : rc;
	}
	rc = viot_tree_list(&tree, found->devices, found->max, err);
	viot_tree_free(&tree);
	found->count = rc > 0 ? (unsigned)rc : 0;
	return rc;
}

/* What is declared twice, by ACPI and on the command line, is one device. */
static void drop_repeated(struct viot_mmio_found *found)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < found->count; i++) {
		bool is_repeated = false;

		for (unsigned j = 0; j < kept; j++) {
			is_repeated |= found->devices[i].smem != 0 &&
				       found->devices[i].smem == found->devices[j].smem;
		}
		if (!is_repeated) {
			found->devices[kept++] = found->devices[i];
		}
	}
	found->count = kept;
}

/* By address; those without one last, by name. */
static int compare(const void *left, const void *right)
{
	const struct viot_mmio_device *a = left, *b = right;
	uint64_t first = a->smem - 1, second = b->smem - 1; /* unknown, 0, becomes the largest */

	return first != second ? (first > second) - (first < second) : strcmp(a->where, b->where);
}

static int list_all(const struct viot_mmio_source *source, struct viot_mmio_found *found,
		    struct vio_error *err)
{
	char cmdline[CMDLINE_MAX];
	int rc = source->from & VIOT_FROM_DEVICE_TREE ? list_tree(source, found, err) : 0;

	if (rc < 0) {
		return rc;
	}
	if (source->from & VIOT_FROM_ACPI) {
		viot_acpi_list(found);
	}
	if (source->from & VIOT_FROM_COMMAND_LINE) {
		viot_read_text("/proc/cmdline", cmdline, sizeof(cmdline));
		viot_cmdline_list(cmdline, found);
	}
	found->count = found->count < found->max ? found->count : found->max;
	drop_repeated(found);
	qsort(found->devices, found->count, sizeof(found->devices[0]), compare);
	for (unsigned i = 0; i < found->count; i++) {
		viot_slot_identify(&found->devices[i]);
	}
	return 0;
}

int viot_mmio_list(const struct viot_mmio_source *source, struct viot_mmio_device *devices,
		   unsigned max, struct vio_error *err)
{
	struct viot_mmio_found found = {.max = VIOT_MMIO_DEVICES_MAX};
	int rc;

	/* sorted as a whole, whatever the caller has room for */
	found.devices = calloc(found.max, sizeof(*devices));
	if (!found.devices) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	rc = list_all(source, &found, err);
	if (rc == 0) {
		unsigned stored = found.count < max ? found.count : max;

		memcpy(devices, found.devices, stored * sizeof(*devices));
		rc = (int)found.count;
	}
	free(found.devices);
	return rc;
}
