/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO by IOMMU group: container, group, IOMMU, device. */
#include "vfio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "platform.h"

static int open_container(struct viot_vfio *vfio, struct vio_error *err)
{
	vfio->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (vfio->container < 0) {
		return vio_fail(
			err, errno == ENOENT || errno == ENODEV ? -ENOTSUP : -EACCES,
			"%s: /dev/vfio/vfio cannot be opened (%s): load VFIO with 'modprobe "
			"-a vfio_iommu_type1 vfio-pci', and run with the right to open it",
			vfio->function, strerror(errno));
	}
	if (ioctl(vfio->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION) {
		return vio_fail(err, -ENOTSUP, "this kernel's VFIO is of another version than %d",
				VFIO_API_VERSION);
	}
	return 0;
}

/* "7", from the link to the function's IOMMU group. */
static int find_group(const struct viot_vfio *vfio, char *number, size_t size,
		      struct vio_error *err)
{
	char link[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t n;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", vfio->function);
	n = readlink(link, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	slash = strrchr(target, '/');
	if (!slash || snprintf(number, size, "%s", slash + 1) >= (int)size) {
		return vio_fail(
			err, -ENOTSUP,
			"%s: it is bound to vfio-pci and stands in no IOMMU group: switch the "
			"IOMMU on (intel_iommu=on), allow VFIO without one (echo 1 > /sys/module/"
			"vfio/parameters/enable_unsafe_noiommu_mode) and bind it again, or use "
			"uio_pci_generic",
			vfio->function);
	}
	return 0;
}

static int refuse_file(const struct viot_vfio *vfio, const char *path, struct vio_error *err)
{
	if (errno == EBUSY) {
		return vio_fail(
			err, -EBUSY,
			"%s: its IOMMU group %s is in use, by this or another process (a virtual "
			"machine, or a driver such as this one)",
			vfio->function, path);
	}
	return vio_fail(err, -EACCES, "%s: its IOMMU group %s cannot be opened (%s): run as root%s",
			vfio->function, path, strerror(errno),
			vfio->translates ? " or as the owner of that file" : "");
}

static int open_group(struct viot_vfio *vfio, const char *number, struct vio_error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%s", number);
	vfio->translates = access(path, F_OK) < 0;
	if (vfio->translates) {
		snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	}
	vfio->group = open(path, O_RDWR | O_CLOEXEC);
	return vfio->group < 0 ? refuse_file(vfio, path, err) : 0;
}

/* "0000:00:04.1, held by the kernel driver virtio-pci,"; false if no driver stands in the way. */
static bool find_culprit(const char *number, char *text, size_t size)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/devices", number);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)) != NULL) {
		struct viot_holder holder;

		viot_holder_of(&holder, "pci", entry->d_name);
		found = holder.driver[0] && strcmp(holder.driver, "vfio-pci") != 0 &&
			strcmp(holder.driver, "pcieport") != 0;
		if (found) {
			snprintf(text, size, "%.40s, held by the kernel driver %s,", entry->d_name,
				 holder.driver);
		}
	}
	if (dir) {
		closedir(dir);
	}
	return found;
}

static int refuse_group(const struct viot_vfio *vfio, const char *number, const char *culprit,
			struct vio_error *err)
{
	return vio_fail(err, -EBUSY,
			"%s: its IOMMU group %s is not viable: %s is in it, too: bind every "
			"function of the group to vfio-pci, or to no driver at all",
			vfio->function, number, culprit);
}

static int check_viable(const struct viot_vfio *vfio, const char *number, struct vio_error *err)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char culprit[120];

	if (ioctl(vfio->group, VFIO_GROUP_GET_STATUS, &status) == 0 &&
	    (status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		return 0;
	}
	if (!find_culprit(number, culprit, sizeof(culprit))) {
		snprintf(culprit, sizeof(culprit), "another function");
	}
	return refuse_group(vfio, number, culprit, err);
}

bool viot_vfio_is_blocked(const struct viot_vfio *vfio, struct vio_error *err)
{
	char number[16], culprit[120];

	if (find_group(vfio, number, sizeof(number), NULL) < 0 ||
	    !find_culprit(number, culprit, sizeof(culprit))) {
		return false;
	}
	refuse_group(vfio, number, culprit, err);
	return true;
}

static int set_iommu(const struct viot_vfio *vfio, const char *number, struct vio_error *err)
{
	unsigned long kind = !vfio->translates ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU;

	if (ioctl(vfio->group, VFIO_GROUP_SET_CONTAINER, &vfio->container) < 0) {
		return vio_fail(err, -EBUSY, "%s: IOMMU group %s does not take a container (%s)",
				vfio->function, number, strerror(errno));
	}
	if (ioctl(vfio->container, VFIO_SET_IOMMU, kind) == 0) {
		return 0;
	}
	if (errno == EPERM && vfio->translates) {
		return vio_fail(err, -EACCES,
				"%s: this machine cannot keep a device from raising foreign "
				"interrupts, and VFIO refuses it for that: if its devices are "
				"trusted, load "
				"vfio_iommu_type1 with allow_unsafe_interrupts=1",
				vfio->function);
	}
	return vio_fail(
		err, -ENOTSUP, "%s: VFIO offers no IOMMU of %s (%s): modprobe vfio_iommu_type1",
		vfio->function, vfio->translates ? "type 1" : "the no-IOMMU kind", strerror(errno));
}

static int open_device(struct viot_vfio *vfio, struct vio_error *err)
{
	vfio->device = ioctl(vfio->group, VFIO_GROUP_GET_DEVICE_FD, vfio->function);
	return vfio->device >= 0 ? 0
				 : vio_fail(err, errno == EBUSY ? -EBUSY : -ENODEV,
					    "%s: VFIO does not hand it out (%s): is it bound to "
					    "vfio-pci?",
					    vfio->function, strerror(errno));
}

int viot_vfio_open_group(struct viot_vfio *vfio, struct vio_error *err)
{
	char number[16];
	int rc;

	if ((rc = open_container(vfio, err)) < 0 ||
	    (rc = find_group(vfio, number, sizeof(number), err)) < 0 ||
	    (rc = open_group(vfio, number, err)) < 0 ||
	    (rc = check_viable(vfio, number, err)) < 0 || (rc = set_iommu(vfio, number, err)) < 0 ||
	    (rc = open_device(vfio, err)) < 0) {
		return rc;
	}
	vfio->iommu = vfio->translates ? &viot_type1_ops : NULL;
	return 0;
}
