/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci.h"

#include <errno.h>
#include <pciaccess.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <vio-transport/pci.h>

#include "platform.h"

enum {
	VENDOR_REDHAT = 0x1af4, /* 4.1.2: every VirtIO device */
	VENDOR_BLACKBERRY =
		0x1c05,        /* seen with QNX hypervisors, device ids as 0x1af4's less 0x1000 */
	MODERN_FIRST = 0x1040, /* 4.1.2: 0x1040 plus the class */
	MODERN_LAST = 0x107f,
	TRANSITIONAL_FIRST = 0x1000, /* the class is the subsystem's id */
	TRANSITIONAL_LAST = 0x103f,
	BLACKBERRY_FIRST = 0x40,
	BLACKBERRY_LAST = 0x7f,
};

/* libpciaccess keeps one state for the whole process, and looks at the bus only when it starts. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int scan_locked(viot_pci_visitor *visit, void *context)
{
	struct pci_device_iterator *iterator;
	struct pci_device *pci;
	int rc = pci_system_init();

	if (rc) {
		return rc;
	}
	iterator = pci_slot_match_iterator_create(NULL);
	while (iterator && (pci = pci_device_next(iterator)) != NULL) {
		if (visit(context, pci)) {
			break;
		}
	}
	pci_iterator_destroy(iterator);
	pci_system_cleanup();
	return 0;
}

int viot_pci_scan(viot_pci_visitor *visit, void *context, struct vio_error *err)
{
	int rc;

	pthread_mutex_lock(&mutex);
	rc = scan_locked(visit, context);
	pthread_mutex_unlock(&mutex);
	if (rc == ENOENT) {
		return vio_fail(
			err, -ENODEV,
			"this machine has no PCI bus (no /sys/bus/pci): give a directly mapped "
			"device with 'smem=…,irq=…'");
	}
	return rc ? vio_fail(err, -EACCES, "the PCI bus cannot be scanned (%s)", strerror(rc)) : 0;
}

uint32_t viot_pci_virtio_type(const struct pci_device *pci)
{
	uint32_t id = pci->device_id;

	if (pci->vendor_id == VENDOR_BLACKBERRY && id >= BLACKBERRY_FIRST &&
	    id <= BLACKBERRY_LAST) {
		return id - BLACKBERRY_FIRST;
	}
	if (pci->vendor_id != VENDOR_REDHAT) {
		return 0;
	}
	if (id >= MODERN_FIRST && id <= MODERN_LAST) {
		return id - MODERN_FIRST;
	}
	return id >= TRANSITIONAL_FIRST && id <= TRANSITIONAL_LAST ? pci->subdevice_id : 0;
}

void viot_pci_name(const struct pci_device *pci, char name[VIOT_PCI_NAME_SIZE])
{
	snprintf(name, VIOT_PCI_NAME_SIZE, "%04x:%02x:%02x.%x", pci->domain & 0xffffu,
		 pci->bus & 0xffu, pci->dev & 0xffu, pci->func & 0xfu);
}

static void copy_name(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

static void describe(struct pci_device *pci, struct viot_pci_function *function)
{
	char name[VIOT_PCI_NAME_SIZE];
	struct viot_holder holder;

	pci_device_probe(pci); /* without rights it fills in less, and that is fine */
	memset(function, 0, sizeof(*function));
	function->domain = (uint16_t)pci->domain;
	function->bus = (uint8_t)pci->bus;
	function->device = (uint8_t)pci->dev;
	function->function = (uint8_t)pci->func;
	function->vendor_id = (uint16_t)pci->vendor_id;
	function->device_id = (uint16_t)pci->device_id;
	function->subvendor_id = (uint16_t)pci->subvendor_id;
	function->subdevice_id = (uint16_t)pci->subdevice_id;
	function->device_class = pci->device_class;
	function->revision = pci->revision;
	function->virtio_type = viot_pci_virtio_type(pci);
	copy_name(function->vendor_name, sizeof(function->vendor_name),
		  pci_device_get_vendor_name(pci));
	copy_name(function->device_name, sizeof(function->device_name),
		  pci_device_get_device_name(pci));
	viot_pci_name(pci, name);
	viot_holder_of(&holder, "pci", name);
	memcpy(function->driver, holder.driver, sizeof(function->driver) - 1);
}

struct list {
	struct viot_pci_function *functions;
	unsigned max, count;
};

static bool append(void *context, struct pci_device *pci)
{
	struct list *list = context;

	if (list->count < list->max) {
		describe(pci, &list->functions[list->count]);
	}
	list->count++;
	return false;
}

int viot_pci_list(struct viot_pci_function *functions, unsigned max, struct vio_error *err)
{
	struct list list = {.functions = functions, .max = max};
	int rc = viot_pci_scan(append, &list, err);

	return rc == -ENODEV || rc == 0 ? (int)list.count : rc;
}
