/* SPDX-License-Identifier: BSD-3-Clause */
#include <vio/transport.h>

#include <errno.h>

#include "clock.h"

enum {
	RESET_LIMIT_MS = 5000, /* chosen: a busy host may stop a guest's CPU for a second or two */
	RESET_POLL_US = 500,
};

int vio_transport_reset(struct vio_transport *t, struct vio_error *err)
{
	unsigned limit_ms = t->reset_timeout_ms ? t->reset_timeout_ms : RESET_LIMIT_MS;
	uint64_t limit = clock_ms() + limit_ms;
	uint8_t status;

	t->ops->set_status(t, 0);
	while ((status = t->ops->get_status(t)) != 0) {
		if (status == 0xff) {
			return vio_fail(err, -ENODEV, "%s: no device answers any more", t->name);
		}
		if (clock_ms() > limit) {
			return vio_fail(err, -ETIMEDOUT,
					"%s: the device did not confirm its reset within %u ms "
					"(status still 0x%02x)",
					t->name, limit_ms, status);
		}
		clock_pause_us(RESET_POLL_US);
	}
	return 0;
}

void vio_transport_close(struct vio_transport *t)
{
	if (t) {
		t->ops->close(t);
	}
}
