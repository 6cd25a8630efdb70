/* SPDX-License-Identifier: BSD-3-Clause */
/* From a PCI function to its VFIO device, and what is the same however it was opened. */
#include "vfio.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <vio/log.h>

void viot_vfio_init(struct viot_vfio *vfio)
{
	memset(vfio, 0, sizeof(*vfio));
	vfio->container = vfio->group = vfio->device = -1;
}

static void close_one(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
	*fd = -1;
}

void viot_vfio_close(struct viot_vfio *vfio)
{
	close_one(&vfio->device);
	close_one(&vfio->group);
	close_one(&vfio->container);
}

/*
 * What iommufd refuses, the group may still grant; and where both refuse, the
 * group tells more of why, unless the kernel has none.
 */
static int open_either(struct viot_vfio *vfio, struct vio_error *err)
{
	struct vio_error why;
	int rc = viot_vfio_open_iommufd(vfio, err);
	int group_rc;

	if (rc == 0) {
		return 0;
	}
	vio_log(VIO_LOG_DEBUG, "%s", err->text);
	viot_vfio_close(vfio);
	group_rc = viot_vfio_open_group(vfio, &why);
	if (group_rc == -ENOTSUP && rc != -ENOTSUP) {
		return rc;
	}
	*err = why;
	return group_rc;
}

int viot_vfio_open(struct viot_vfio *vfio, const char *function, struct vio_error *err)
{
	struct vio_error text;
	int rc;

	snprintf(vfio->function, sizeof(vfio->function), "%s", function);
	rc = open_either(vfio, &text);
	if (rc == 0) {
		vio_log(VIO_LOG_DEBUG, "%s: by VFIO, %s", function,
			vfio->iommu ? vfio->iommu->name : "without an IOMMU");
	} else if (err) {
		*err = text;
	}
	return rc;
}

int viot_vfio_region(const struct viot_vfio *vfio, unsigned index, struct viot_vfio_region *region,
		     struct vio_error *err)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};

	memset(region, 0, sizeof(*region));
	if (ioctl(vfio->device, VFIO_DEVICE_GET_REGION_INFO, &info) < 0) {
		return vio_fail(err, -ENOTSUP, "%s: VFIO does not describe its region %u (%s)",
				vfio->function, index, strerror(errno));
	}
	region->offset = (off_t)info.offset;
	region->size = info.size;
	region->can_map = (info.flags & VFIO_REGION_INFO_FLAG_MMAP) != 0;
	return 0;
}
