/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts of a VFIO device as eventfds. */
#include "vfio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

unsigned viot_vfio_interrupts(const struct viot_vfio *vfio, unsigned index)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};

	if (ioctl(vfio->device, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0 ||
	    !(info.flags & VFIO_IRQ_INFO_EVENTFD)) {
		return 0;
	}
	return info.count;
}

/* Each interrupt from 0 on fires its eventfd. */
static int set_triggers(const struct viot_vfio *vfio, unsigned index, const int *fds,
			unsigned count)
{
	size_t size = sizeof(struct vfio_irq_set) + count * sizeof(*fds);
	struct vfio_irq_set *set = calloc(1, size);
	int rc;

	if (!set) {
		return -ENOMEM;
	}
	set->argsz = (uint32_t)size;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->count = count;
	memcpy(set->data, fds, count * sizeof(*fds));
	rc = ioctl(vfio->device, VFIO_DEVICE_SET_IRQS, set) < 0 ? -errno : 0;
	free(set);
	return rc;
}

static int no_eventfd(const struct viot_vfio *vfio, struct vio_error *err)
{
	return vio_fail(err, -ENOMEM, "%s: no eventfd (%s)", vfio->function, strerror(errno));
}

int viot_vfio_open_vectors(const struct viot_vfio *vfio, struct viot_interrupt *interrupt,
			   unsigned count, struct vio_error *err)
{
	int rc;

	while (interrupt->vector_count < count) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0) {
			return no_eventfd(vfio, err);
		}
		interrupt->vector[interrupt->vector_count++] = fd;
	}
	rc = set_triggers(vfio, VFIO_PCI_MSIX_IRQ_INDEX, interrupt->vector, count);
	if (rc < 0) {
		return vio_fail(err, -ENOTSUP, "%s: VFIO does not set up %u MSI-X vectors (%s)",
				vfio->function, count, strerror(-rc));
	}
	interrupt->kind = VIOT_VECTORS;
	return 0;
}

/* VFIO masks the line when it fires. */
static int unmask(struct viot_interrupt *interrupt)
{
	const struct viot_vfio *vfio = interrupt->context;
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = VFIO_PCI_INTX_IRQ_INDEX,
		.count = 1,
	};

	return ioctl(vfio->device, VFIO_DEVICE_SET_IRQS, &set) < 0 ? -errno : 0;
}

int viot_vfio_open_line(const struct viot_vfio *vfio, struct viot_interrupt *interrupt,
			struct vio_error *err)
{
	int rc;

	interrupt->line = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (interrupt->line < 0) {
		return no_eventfd(vfio, err);
	}
	rc = set_triggers(vfio, VFIO_PCI_INTX_IRQ_INDEX, &interrupt->line, 1);
	if (rc < 0) {
		return vio_fail(err, -ENOTSUP,
				"%s: VFIO does not set up its interrupt line (%s): does another "
				"device share it?",
				vfio->function, strerror(-rc));
	}
	interrupt->kind = VIOT_LINE;
	interrupt->line_count_size = sizeof(uint64_t);
	interrupt->is_line_on = true;
	interrupt->line_enable = unmask;
	interrupt->context = (void *)(uintptr_t)vfio;
	return 0;
}

void viot_vfio_open_removal(const struct viot_vfio *vfio, struct viot_interrupt *interrupt)
{
	int fd;

	if (viot_vfio_interrupts(vfio, VFIO_PCI_REQ_IRQ_INDEX) == 0) {
		return;
	}
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd >= 0 && set_triggers(vfio, VFIO_PCI_REQ_IRQ_INDEX, &fd, 1) < 0) {
		close(fd);
		fd = -1;
	}
	interrupt->removal = fd;
}
