/* SPDX-License-Identifier: BSD-3-Clause */
#include "list.h"

#include <errno.h>
#include <stdlib.h>

#include <linux/virtio_ids.h>

#include <vio-transport/open.h>
#include <vio-transport/pci.h>

enum {
	FUNCTIONS_MAX = 1024
};

#define ROW "%-14s %-10s %-10s %-18s %s\n"

static const char *holder(const struct viot_pci_function *f, const char *key)
{
	if (viot_is_driven(key)) {
		return "devb-virtio";
	}
	return f->driver[0] ? f->driver : "-";
}

static void print_row(FILE *out, const struct viot_pci_function *f, unsigned block_index)
{
	char address[16], ids[12], key[32], start[64] = "-";

	snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", f->domain, f->bus, f->device,
		 f->function & 0xfu);
	snprintf(ids, sizeof(ids), "%04x:%04x", f->vendor_id, f->device_id);
	snprintf(key, sizeof(key), "pci-%s", address);
	if (f->virtio_type == VIRTIO_ID_BLOCK) {
		snprintf(start, sizeof(start), "devb-virtio virtio pci=%u%s", block_index,
			 f->driver[0] ? ",takeover" : "");
	}
	fprintf(out, ROW, address, viot_type_name(f->virtio_type), ids, holder(f, key), start);
}

static int print_all(FILE *out, const struct viot_pci_function *functions, int count)
{
	unsigned blocks = 0;
	int shown = 0;

	for (int i = 0; i < count && i < FUNCTIONS_MAX; i++) {
		const struct viot_pci_function *f = &functions[i];

		if (f->virtio_type == 0) {
			continue;
		}
		if (shown++ == 0) {
			fprintf(out, ROW, "PCI FUNCTION", "CLASS", "IDS", "HELD BY", "START WITH");
		}
		print_row(out, f, blocks);
		blocks += f->virtio_type == VIRTIO_ID_BLOCK;
	}
	return shown;
}

int devb_list_print(FILE *out, struct vio_error *err)
{
	struct viot_pci_function *functions = calloc(FUNCTIONS_MAX, sizeof(*functions));
	int count;

	if (!functions) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	count = viot_pci_list(functions, FUNCTIONS_MAX, err);
	if (count >= 0 && print_all(out, functions, count) == 0) {
		fprintf(out,
			"No VirtIO device on the PCI bus. Directly mapped ones are not found by "
			"themselves:\nstart them with 'devb-virtio virtio "
			"smem=ADDRESS,irq=NUMBER'.\n");
	}
	free(functions);
	return count < 0 ? count : 0;
}
