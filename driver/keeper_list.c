/* SPDX-License-Identifier: BSD-3-Clause */
#include "keeper_list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PCI_PREFIX  "pci-"
#define MMIO_PREFIX "mmio-"

/* It becomes part of paths. */
static bool is_name(const char name[DEVB_KEEP_NAME])
{
	size_t size = strnlen(name, DEVB_KEEP_NAME);

	return size > 0 && size < DEVB_KEEP_NAME && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:.-_") ==
		       size;
}

static int accept_disk(struct devb_keep_list *list, const struct devb_keep_message *message)
{
	char *name = list->names[message->disk];

	if (*name || !is_name(message->name)) {
		return -EPROTO;
	}
	snprintf(name, DEVB_KEEP_NAME, "%s", message->name);
	return DEVB_KEEP_DISK;
}

/* While the worker is root. */
static int accept_early(struct devb_keep_list *list, const struct devb_keep_message *message)
{
	bool is_known = list->names[message->disk][0] != '\0';

	switch (message->kind) {
	case DEVB_KEEP_DISK:
		return accept_disk(list, message);
	case DEVB_KEEP_MOUNT:
		return is_known && message->automount < list->automount_count &&
				       message->made_dir <= 1
			       ? DEVB_KEEP_MOUNT
			       : -EPROTO;
	case DEVB_KEEP_FORGET:
		return is_known ? DEVB_KEEP_FORGET : -EPROTO;
	case DEVB_KEEP_DROP:
		list->has_dropped = true;
		return DEVB_KEEP_DROP;
	default:
		return -EPROTO;
	}
}

static int accept_late(const struct devb_keep_list *list, const struct devb_keep_message *message)
{
	if (message->kind == DEVB_KEEP_ENDED && list->names[message->disk][0]) {
		return DEVB_KEEP_ENDED;
	}
	return -EPROTO;
}

int devb_keep_accept(struct devb_keep_list *list, const void *data, size_t size)
{
	struct devb_keep_message message;

	if (size != sizeof(message)) {
		return -EPROTO;
	}
	memcpy(&message, data, sizeof(message));
	if (message.kind == DEVB_KEEP_STOP) {
		return DEVB_KEEP_STOP;
	}
	if (message.kind == DEVB_KEEP_READY && !list->is_ready) {
		list->is_ready = true;
		return DEVB_KEEP_READY;
	}
	if (message.disk >= DEVB_DISKS_MAX) {
		return -EPROTO;
	}
	return list->has_dropped ? accept_late(list, &message) : accept_early(list, &message);
}

/* The interrupt has to be in the text, and does not matter. */
int devb_keep_address(const char *name, struct viot_address *address)
{
	char text[DEVB_KEEP_NAME + 16];

	if (strncmp(name, PCI_PREFIX, sizeof(PCI_PREFIX) - 1) == 0) {
		snprintf(text, sizeof(text), "pci=%s", name + sizeof(PCI_PREFIX) - 1);
	} else if (strncmp(name, MMIO_PREFIX, sizeof(MMIO_PREFIX) - 1) == 0) {
		snprintf(text, sizeof(text), "smem=%s,irq=1", name + sizeof(MMIO_PREFIX) - 1);
	} else {
		return -EINVAL;
	}
	return viot_address_parse(text, address, NULL);
}
