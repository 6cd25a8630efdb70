/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO without groups: the function's own file, and an address space that
 * iommufd keeps. Linux has it since 6.6, and not every distribution's.
 */
#include "vfio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "iommufd_uapi.h"

/* "/dev/vfio/devices/vfio0"; false if VFIO does not name the function's device. */
static bool find_file(const struct viot_vfio *vfio, char *file, size_t size)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", vfio->function);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)) != NULL) {
		found = strncmp(entry->d_name, "vfio", 4) == 0 &&
			snprintf(file, size, "/dev/vfio/devices/%s", entry->d_name) < (int)size;
	}
	if (dir) {
		closedir(dir);
	}
	return found;
}

static int open_file(const struct viot_vfio *vfio, const char *path, struct vio_error *err)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd >= 0 ? fd
		       : vio_fail(err, errno == ENOENT || errno == ENODEV ? -ENOTSUP : -EACCES,
				  "%s: %s cannot be opened (%s): iommufd is not used",
				  vfio->function, path, strerror(errno));
}

static int open_files(struct viot_vfio *vfio, struct vio_error *err)
{
	char file[64];

	if (!find_file(vfio, file, sizeof(file))) {
		return vio_fail(err, -ENOTSUP, "%s: VFIO has no device of its own for it",
				vfio->function);
	}
	vfio->device = open_file(vfio, file, err);
	if (vfio->device < 0) {
		return vfio->device;
	}
	vfio->container = open_file(vfio, "/dev/iommu", err);
	return vfio->container < 0 ? vfio->container : 0;
}

/* EINVAL is what the second opener of a function is told, EPERM that of its group. */
static int refuse_binding(const struct viot_vfio *vfio, int error, struct vio_error *err)
{
	if (viot_vfio_is_blocked(vfio, err)) {
		return -EBUSY;
	}
	if (error == EPERM) {
		return vio_fail(err, -EACCES,
				"%s: iommufd refuses it: either another process uses a function of "
				"its IOMMU group, or this machine cannot keep a device from "
				"raising foreign interrupts; then, if its devices are trusted, "
				"load iommufd with allow_unsafe_interrupts=1",
				vfio->function);
	}
	return vio_fail(err, error == EBUSY || error == EINVAL ? -EBUSY : -ENODEV,
			"%s: VFIO does not hand it out by iommufd (%s): does another process use "
			"it (a virtual machine, or a driver such as this one)?",
			vfio->function, strerror(error));
}

static int bind_device(struct viot_vfio *vfio, struct vio_error *err)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = vfio->container,
	};

	return ioctl(vfio->device, VFIO_DEVICE_BIND_IOMMUFD, &bind) == 0
		       ? 0
		       : refuse_binding(vfio, errno, err);
}

/* The address space comes first, for its ranges are narrowed by the device that joins it. */
static int attach(struct viot_vfio *vfio, struct vio_error *err)
{
	struct iommu_ioas_alloc space = {.size = sizeof(space)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};

	if (ioctl(vfio->container, IOMMU_IOAS_ALLOC, &space) < 0) {
		return vio_fail(err, -ENOMEM, "%s: iommufd makes no address space (%s)",
				vfio->function, strerror(errno));
	}
	vfio->space = attach.pt_id = space.out_ioas_id;
	if (ioctl(vfio->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) < 0) {
		return vio_fail(err, errno == EBUSY ? -EBUSY : -ENODEV,
				"%s: its IOMMU does not take an address space of iommufd (%s)",
				vfio->function, strerror(errno));
	}
	return 0;
}

/* EMSGSIZE: there are more, and as many as we asked for have been told. */
static unsigned get_ranges(const struct viot_vfio *vfio, struct viot_iova_range *ranges,
			   unsigned max)
{
	struct iommu_iova_range told[VIOT_IOVA_RANGES_MAX];
	struct iommu_ioas_iova_ranges query = {
		.size = sizeof(query),
		.ioas_id = vfio->space,
		.num_iovas = max < VIOT_IOVA_RANGES_MAX ? max : VIOT_IOVA_RANGES_MAX,
		.allowed_iovas = (uintptr_t)told,
	};
	unsigned count = query.num_iovas;

	if (ioctl(vfio->container, IOMMU_IOAS_IOVA_RANGES, &query) == 0) {
		count = query.num_iovas < count ? query.num_iovas : count;
	} else if (errno != EMSGSIZE) {
		return 0;
	}
	for (unsigned i = 0; i < count; i++) {
		ranges[i].first = told[i].start;
		ranges[i].last = told[i].last;
	}
	return count;
}

static int map(const struct viot_vfio *vfio, void *memory, size_t size, uint64_t iova)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = vfio->space,
		.user_va = (uintptr_t)memory,
		.length = size,
		.iova = iova,
	};

	return ioctl(vfio->container, IOMMU_IOAS_MAP, &map) < 0 ? -errno : 0;
}

static void unmap(const struct viot_vfio *vfio, size_t size, uint64_t iova)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = vfio->space,
		.iova = iova,
		.length = size,
	};

	ioctl(vfio->container, IOMMU_IOAS_UNMAP, &unmap);
}

static const struct viot_iommu_ops iommufd_ops = {
	.name = "iommufd",
	.get_ranges = get_ranges,
	.map = map,
	.unmap = unmap,
};

int viot_vfio_open_iommufd(struct viot_vfio *vfio, struct vio_error *err)
{
	int rc;

	if ((rc = open_files(vfio, err)) < 0 || (rc = bind_device(vfio, err)) < 0 ||
	    (rc = attach(vfio, err)) < 0) {
		return rc;
	}
	vfio->translates = true;
	vfio->iommu = &iommufd_ops;
	return 0;
}
