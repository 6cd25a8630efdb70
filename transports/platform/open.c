/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform.h"

int viot_open(struct vio_transport **t, const struct viot_address *address,
	      const struct viot_options *options, struct vio_error *err)
{
	static const struct viot_options defaults;

	*t = NULL;
	if (!options) {
		options = &defaults;
	}
	if (address->kind == VIOT_MMIO) {
		return viot_mmio_open(t, address, options, err);
	}
	if (address->kind == VIOT_VHOST_USER) {
		return viot_vhost_user_open(t, address, options, err);
	}
	if (address->kind == VIOT_FDT_ALL || address->kind == VIOT_FDT_INDEX) {
		return viot_fdt_open(t, address, options, err);
	}
	return viot_pci_open(t, address, options, err);
}

/* An unplugged function reaches nothing; what has no file in sysfs is never gone for us. */
static bool has_vanished(const char *name)
{
	char path[96];

	if (strncmp(name, "pci-", 4) != 0 || strchr(name, '/')) {
		return false;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", name + 4);
	return access("/sys/bus/pci/devices", F_OK) == 0 && access(path, F_OK) < 0 &&
	       errno == ENOENT;
}

int viot_forget(const char *name, struct vio_error *err)
{
	struct viot_lock lock = {.fd = -1};
	int rc;

	if (!has_vanished(name)) {
		return vio_fail(err, -EBUSY, "%s is still there: opening and closing it cleans up",
				name);
	}
	rc = viot_lock_take(&lock, name, err);
	if (rc < 0) {
		return rc;
	}
	rc = viot_hugepages_forget(&lock, err);
	viot_lock_drop(&lock, rc < 0);
	return rc;
}
