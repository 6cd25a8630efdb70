/* SPDX-License-Identifier: BSD-3-Clause */
/* The initialisation sequence of VirtIO 1.2, 3.1.1, written once for all transports. */
#include <vio/device.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>

#include <vio/log.h>

#include "clock.h"
#include "queue_internal.h"

struct vio_device {
	struct vio_transport *transport;
	struct vio_device_wishes wishes;
	uint64_t features;
	uint32_t generation;
	bool may_hold_memory; /* of ours: negotiated, and no reset confirmed since */
	bool is_running;      /* DRIVER_OK was set, and no reset asked for since */
};

/* 2.2: bits 0 to 23 and 50 to 127 are the class's, those between the ring's and the bus's. */
#define CLASS_FEATURES (~(((UINT64_C(1) << 50) - 1) & ~((UINT64_C(1) << 24) - 1)))

enum {
	CONFIG_TRIES = 100, /* a device that changes its configuration this often never settles */
	CONFIG_PAUSE_US = 100,
};

static void add_status(struct vio_device *device, uint8_t bits)
{
	struct vio_transport *t = device->transport;

	t->ops->set_status(t, t->ops->get_status(t) | bits);
}

static int check_identity(struct vio_transport *t, uint32_t wanted, struct vio_error *err)
{
	if (t->device_type == wanted) {
		return 0;
	}
	return vio_fail(err, -ENODEV,
			"%s: a VirtIO device of class %u was expected, class %u was found there",
			t->name, wanted, t->device_type);
}

/* What somebody may have asked for by name. */
static const struct {
	unsigned bit;
	const char *name;
} feature_names[] = {
	{VIRTIO_RING_F_INDIRECT_DESC, "indirect descriptors (VIRTIO_RING_F_INDIRECT_DESC)"},
	{VIRTIO_RING_F_EVENT_IDX, "event indices (VIRTIO_RING_F_EVENT_IDX)"},
	{VIRTIO_F_RING_PACKED, "packed rings (VIRTIO_F_RING_PACKED)"},
	{VIO_F_IN_ORDER, "completions in order (VIRTIO_F_IN_ORDER)"},
	{VIO_F_NOTIFICATION_DATA, "notifications with data (VIRTIO_F_NOTIFICATION_DATA)"},
	{VIO_F_RING_RESET, "the reset of single queues (VIRTIO_F_RING_RESET)"},
};

static int refuse(const struct vio_transport *t, uint64_t missing, uint64_t offered,
		  struct vio_error *err)
{
	for (size_t i = 0; i < sizeof(feature_names) / sizeof(feature_names[0]); i++) {
		if (missing == VIO_FEATURE(feature_names[i].bit)) {
			return vio_fail(err, -ENOTSUP, "%s: the device does not offer %s", t->name,
					feature_names[i].name);
		}
	}
	return vio_fail(
		err, -ENOTSUP,
		"%s: the device lacks features that are needed (bits 0x%llx; it offers 0x%llx)",
		t->name, (unsigned long long)missing, (unsigned long long)offered);
}

static int choose_features(struct vio_device *device, uint64_t *chosen, struct vio_error *err)
{
	const struct vio_device_wishes *wishes = &device->wishes;
	struct vio_transport *t = device->transport;
	uint64_t offered = t->ops->get_features(t) & ~t->refused_features & ~wishes->refused;
	uint64_t required = wishes->required | t->required_features;
	/* no matter of the class: without it the device would take addresses for physical ones */
	uint64_t wanted = wishes->wanted | VIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM);

	if (t->legacy) {
		offered &= UINT32_MAX;
	} else {
		required |= VIO_FEATURE(VIRTIO_F_VERSION_1);
	}
	*chosen = offered & (wanted | required);
	if ((required & ~offered) == 0) {
		return 0;
	}
	return refuse(t, required & ~offered, offered, err);
}

static int gone(const struct vio_transport *t, struct vio_error *err)
{
	return vio_fail(err, -ENODEV, "%s: no device answers any more", t->name);
}

/* 3.1.1, steps 4 to 6: the device has the last word on our choice. */
static int confirm_features(struct vio_device *device, struct vio_error *err)
{
	struct vio_transport *t = device->transport;
	uint8_t status;

	t->ops->set_features(t, device->features);
	if (t->legacy) {
		return 0;
	}
	add_status(device, VIRTIO_CONFIG_S_FEATURES_OK);
	status = t->ops->get_status(t);
	if (status == 0xff) {
		return gone(t, err);
	}
	if (status & VIRTIO_CONFIG_S_FEATURES_OK) {
		return 0;
	}
	return vio_fail(err, -ENOTSUP,
			"%s: the device refuses the features 0x%llx, a subset of those it offers",
			t->name, (unsigned long long)device->features);
}

/* @limit: the features that may be accepted at all */
static int negotiate(struct vio_device *device, uint64_t limit, struct vio_error *err)
{
	uint64_t chosen;
	int rc;

	add_status(device, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	add_status(device, VIRTIO_CONFIG_S_DRIVER);
	rc = choose_features(device, &chosen, err);
	if (rc < 0) {
		return rc;
	}
	device->features = chosen & limit;
	device->may_hold_memory = true;
	return confirm_features(device, err);
}

static uint32_t generation(struct vio_transport *t)
{
	return t->ops->config_generation ? t->ops->config_generation(t) : 0;
}

static int take(struct vio_device *device, struct vio_error *err)
{
	int rc = vio_device_reset(device, err);

	if (rc == 0) {
		rc = negotiate(device, UINT64_MAX, err);
	}
	if (rc < 0 && rc != -ENODEV && rc != -ETIMEDOUT) {
		add_status(device, VIRTIO_CONFIG_S_FAILED);
	}
	device->generation = generation(device->transport);
	return rc;
}

int vio_device_open(struct vio_device **out, struct vio_transport *t,
		    const struct vio_device_wishes *wishes, struct vio_error *err)
{
	struct vio_device *device;
	int rc = check_identity(t, wishes->device_type, err);

	*out = NULL;
	if (rc < 0) {
		return rc;
	}
	device = calloc(1, sizeof(*device));
	if (!device) {
		return vio_fail(err, -ENOMEM, "%s: out of memory", t->name);
	}
	device->transport = t;
	device->wishes = *wishes;
	rc = take(device, err);
	if (rc < 0) {
		free(device);
		return rc;
	}
	*out = device;
	return 0;
}

void vio_device_close(struct vio_device *device)
{
	struct vio_error err;

	if (!device) {
		return;
	}
	if (device->may_hold_memory && vio_device_reset(device, &err) < 0) {
		vio_log(VIO_LOG_ERROR, "%s", err.text);
	}
	free(device);
}

uint64_t vio_device_features(const struct vio_device *device)
{
	return device->features;
}

struct vio_transport *vio_device_transport(const struct vio_device *device)
{
	return device->transport;
}

struct config_request {
	const struct vio_config_field *fields;
	unsigned count;
	uint8_t *space;
};

static int read_fields(struct vio_transport *t, const struct config_request *request,
		       uint8_t *space)
{
	for (unsigned i = 0; i < request->count; i++) {
		const struct vio_config_field *field = &request->fields[i];
		int rc = t->ops->config_read(t, field->offset, space + field->offset, field->size);

		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

/*
 * Without a generation counter two equal reads in a row are the best evidence
 * of a value that was not changing under our eyes.
 */
static bool read_twice(struct vio_transport *t, const struct config_request *request, int *rc)
{
	uint8_t again[VIO_CONFIG_MAX];

	*rc = read_fields(t, request, request->space);
	if (*rc < 0) {
		return true;
	}
	*rc = read_fields(t, request, again);
	for (unsigned i = 0; *rc == 0 && i < request->count; i++) {
		const struct vio_config_field *field = &request->fields[i];

		if (memcmp(request->space + field->offset, again + field->offset, field->size) !=
		    0) {
			return false;
		}
	}
	return true;
}

static bool read_in_one_generation(struct vio_transport *t, const struct config_request *request,
				   int *rc)
{
	uint32_t before = t->ops->config_generation(t);

	*rc = read_fields(t, request, request->space);
	return *rc < 0 || before == t->ops->config_generation(t);
}

int vio_device_config(struct vio_device *device, const struct vio_config_field *fields,
		      unsigned count, void *space)
{
	struct vio_transport *t = device->transport;
	const struct config_request request = {fields, count, space};
	int rc;

	for (unsigned i = 0; i < count; i++) {
		if (fields[i].offset + fields[i].size > VIO_CONFIG_MAX) {
			return -EINVAL;
		}
	}
	for (int i = 0; i < CONFIG_TRIES; i++) {
		bool settled = t->ops->config_generation ? read_in_one_generation(t, &request, &rc)
							 : read_twice(t, &request, &rc);
		if (settled) {
			return rc;
		}
		clock_pause_us(CONFIG_PAUSE_US);
	}
	return -EPROTO;
}

int vio_device_start(struct vio_device *device, struct vio_error *err)
{
	struct vio_transport *t = device->transport;
	uint8_t status;

	add_status(device, VIRTIO_CONFIG_S_DRIVER_OK);
	status = t->ops->get_status(t);
	if (status == 0xff) {
		return gone(t, err);
	}
	if (!(status & VIRTIO_CONFIG_S_DRIVER_OK) || (status & VIRTIO_CONFIG_S_NEEDS_RESET)) {
		return vio_fail(err, -EPROTO, "%s: the device did not start (status 0x%02x)",
				t->name, status);
	}
	device->is_running = true;
	return 0;
}

unsigned vio_device_events(struct vio_device *device)
{
	struct vio_transport *t = device->transport;
	uint8_t status = t->ops->get_status(t);
	uint32_t now;
	unsigned events = 0;

	if (status == 0xff) {
		return VIO_EVENT_GONE;
	}
	/* a device that reset itself has forgotten its rings, and says nothing of it */
	if ((status & VIRTIO_CONFIG_S_NEEDS_RESET) ||
	    (device->is_running && !(status & VIRTIO_CONFIG_S_DRIVER_OK))) {
		events |= VIO_EVENT_NEEDS_RESET;
	}
	now = generation(t);
	if (now != device->generation) {
		device->generation = now;
		events |= VIO_EVENT_CONFIG;
	}
	return events;
}

int vio_device_reset(struct vio_device *device, struct vio_error *err)
{
	struct vio_transport *t = device->transport;
	int rc;

	device->is_running = false;
	rc = vio_transport_reset(t, err);
	if (rc == 0) {
		device->may_hold_memory = false;
		return 0;
	}
	if (t->ops->cut_off) {
		t->ops->cut_off(t);
	}
	if (device->may_hold_memory) {
		t->dma->quarantined = true;
	}
	return rc;
}

/*
 * What must be the same after a restart: all that was accepted. A device that went and
 * returned may be another one of its class, but our rings stay what they are.
 */
static uint64_t lasting_features(const struct vio_device *device)
{
	return device->transport->may_return ? ~CLASS_FEATURES : UINT64_MAX;
}

int vio_device_restart(struct vio_device *device, struct vio_error *err)
{
	uint64_t before = device->features;
	uint64_t lasting = lasting_features(device);
	int rc = negotiate(device, before | ~lasting, err);

	if (rc == 0 && ((device->features ^ before) & lasting) != 0) {
		rc = vio_fail(
			err, -EPROTO,
			"%s: after a reset the device offers other features (0x%llx, was 0x%llx)",
			device->transport->name, (unsigned long long)device->features,
			(unsigned long long)before);
	}
	if (rc < 0) {
		device->features = before;
		return rc;
	}
	device->generation = generation(device->transport);
	return 0;
}
