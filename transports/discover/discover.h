/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding directly mapped devices, private to transports/. What reads bytes and
 * text here is apart from what opens files, so that anything can be fed to it.
 *
 *   aml.c      bytes of an ACPI table -> the interrupt of a device
 *   acpi.c     the ACPI devices LNRO0005
 *   cmdline.c  virtio_mmio.device= on the kernel's command line
 *   slot.c     who holds a slot, and what is in it
 *   list.c     all sources together
 *   find.c     what an address of kind VIOT_FDT_… means
 */
#ifndef VIOT_DISCOVER_H
#define VIOT_DISCOVER_H

#include <stddef.h>
#include <sys/types.h>

#include <vio-transport/mmio.h>

/* A list that is being filled; what does not fit is counted only. */
struct viot_mmio_found {
	struct viot_mmio_device *devices;
	unsigned max, count;
};

/* The next free place, NULL when there is none left. */
struct viot_mmio_device *viot_mmio_add(struct viot_mmio_found *found, enum viot_mmio_from from);

/* aml.c */
enum {
	VIOT_AML_SIZE_MAX = 4 << 20, /* chosen: of one table; large servers have 0.5 MiB */
};

/*
 * Looks through an ACPI table for the resource template that holds a memory range
 * beginning at @base, and takes the interrupt from it (ACPI 6.5, 6.4). Any bytes
 * are fine.
 */
bool viot_aml_find_interrupt(const uint8_t *table, size_t size, uint64_t base, uint32_t *irq,
			     uint32_t *trigger);

/* acpi.c */
/* "feb00400-feb005ff : LNRO0005:00" in the text of /proc/iomem; false if it is not there. */
bool viot_iomem_find(const char *text, const char *name, uint64_t *start, uint64_t *size);
void viot_acpi_list(struct viot_mmio_found *found);

/* cmdline.c */
/* The text of /proc/cmdline; words that the kernel would refuse are left out, as there. */
void viot_cmdline_list(const char *text, struct viot_mmio_found *found);

/* slot.c */
/* Fills in driver, type, version; or `why`, unless that says something already. */
void viot_slot_identify(struct viot_mmio_device *device);

/* find.c */
struct viot_mmio_search {
	const struct viot_address *address; /* of kind VIOT_FDT_… */
	uint32_t wanted;                    /* VIRTIO_ID_…, 0 = any */
	const char *tree;                   /* for sentences: who declares them all */
	const struct viot_mmio_device *all; /* in the order of addresses */
	unsigned all_count;
	struct viot_mmio_device *devices; /* receives those that are meant */
	unsigned max;
	/* found out on the way */
	unsigned count, empty, others, unusable_count;
	const struct viot_mmio_device *unusable; /* the first one left out */
};

/* As viot_mmio_find(), from a list that is there. */
int viot_mmio_choose(struct viot_mmio_search *search, struct vio_error *err);

/* list.c */
/* At most @size - 1 bytes of a file as a text; how many, or a negative errno. */
ssize_t viot_read_text(const char *path, char *text, size_t size);

#endif
