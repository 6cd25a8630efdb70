/* SPDX-License-Identifier: BSD-3-Clause */
/* What the options of a `virtio` group do; their rows are in options_table.c. */
#include <stdio.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "options_internal.h"

/* Debian 12's <linux/virtio_config.h> lacks it. */
#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA 38
#endif

#define QUEUES_MAX     64           /* as the library */
#define QUEUE_SIZE_MIN 4            /* header, data, status, and a power of two */
#define QUEUE_SIZE_MAX 32768        /* VirtIO 1.2, 2.7 */
#define DMA_SIZE_MIN   (4ull << 20) /* chosen: four of the largest requests */
#define DMA_SIZE_MAX   (1ull << 30) /* chosen */

static struct devb_disk_options *last_disk(struct devb_parse *parse)
{
	return &parse->options->disks[parse->options->disk_count - 1];
}

/* smem, irq, pci, fdt and vhost-user are judged together, at the end of the line. */
int devb_virtio_add_address(struct devb_parse *parse, const char *value)
{
	char *address = parse->addresses[parse->options->disk_count - 1];
	size_t used = strlen(address);
	size_t left = sizeof(parse->addresses[0]) - used;
	int size = snprintf(address + used, left, "%s%s%s%s", used ? "," : "", parse->option->name,
			    value ? "=" : "", value ? value : "");

	return (size_t)size < left ? 0 : devb_parse_bad_value(parse, value);
}

int devb_virtio_set_queue_size(struct devb_parse *parse, const char *value)
{
	uint64_t size;

	if (!devb_number_parse(value, QUEUE_SIZE_MIN, QUEUE_SIZE_MAX, &size) ||
	    (size & (size - 1)) != 0)
		return devb_parse_bad_value(parse, value);
	last_disk(parse)->queue_size = (uint16_t)size;
	return 0;
}

int devb_virtio_set_queues(struct devb_parse *parse, const char *value)
{
	uint64_t queues;

	if (!devb_number_parse(value, 1, QUEUES_MAX, &queues))
		return devb_parse_bad_value(parse, value);
	last_disk(parse)->queues = (uint16_t)queues;
	return 0;
}

static uint64_t feature_of(const char *option)
{
	static const struct {
		const char *option;
		unsigned bit;
	} features[] = {
		{"packed", VIRTIO_F_RING_PACKED},
		{"indirect", VIRTIO_RING_F_INDIRECT_DESC},
		{"event_idx", VIRTIO_RING_F_EVENT_IDX},
		{"in_order", VIRTIO_F_IN_ORDER},
		{"notification_data", VIRTIO_F_NOTIFICATION_DATA},
		{"ring_reset", VIRTIO_F_RING_RESET},
	};

	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (strcmp(option, features[i].option) == 0)
			return UINT64_C(1) << features[i].bit;
	}
	return 0;
}

/* on: not without it; off: do without it; auto: as the device offers it */
int devb_virtio_set_feature(struct devb_parse *parse, const char *value)
{
	uint64_t feature = feature_of(parse->option->name);
	struct devb_disk_options *disk = last_disk(parse);
	bool on = strcmp(value, "on") == 0, off = strcmp(value, "off") == 0;

	if (!on && !off && strcmp(value, "auto") != 0)
		return devb_parse_bad_value(parse, value);
	disk->required_features = (disk->required_features & ~feature) | (on ? feature : 0);
	disk->refused_features = (disk->refused_features & ~feature) | (off ? feature : 0);
	return 0;
}

int devb_virtio_set_dma_size(struct devb_parse *parse, const char *value)
{
	if (!devb_size_parse(value, DMA_SIZE_MIN, DMA_SIZE_MAX, &last_disk(parse)->dma_size))
		return devb_parse_bad_value(parse, value);
	return 0;
}

int devb_virtio_set_interrupts(struct devb_parse *parse, const char *value)
{
	static const char *const names[] = {
		[VIOT_INTERRUPTS_AUTO] = "auto",
		[VIOT_INTERRUPTS_MSIX] = "msix",
		[VIOT_INTERRUPTS_MSIX_SHARED] = "msix-shared",
		[VIOT_INTERRUPTS_INTX] = "intx",
		[VIOT_INTERRUPTS_UIO] = "uio",
		[VIOT_INTERRUPTS_POLL] = "poll",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			last_disk(parse)->interrupts = (enum viot_interrupts)i;
			return 0;
		}
	}
	return devb_parse_bad_value(parse, value);
}

int devb_virtio_set_poll(struct devb_parse *parse, const char *value)
{
	static const char *const names[] = {
		[VIO_POLL_AUTO] = "auto",
		[VIO_POLL_ALWAYS] = "always",
		[VIO_POLL_NEVER] = "never",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			last_disk(parse)->poll = (enum vio_poll)i;
			return 0;
		}
	}
	return devb_parse_bad_value(parse, value);
}

int devb_virtio_set_poll_us(struct devb_parse *parse, const char *value)
{
	uint64_t poll_us;

	if (!devb_number_parse(value, 0, VIO_POLL_US_MAX, &poll_us))
		return devb_parse_bad_value(parse, value);
	last_disk(parse)->poll_us = (unsigned)poll_us;
	return 0;
}

int devb_virtio_set_takeover(struct devb_parse *parse, const char *value)
{
	(void)value;
	last_disk(parse)->takeover = true;
	return 0;
}
