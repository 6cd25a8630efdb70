/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIO_UIO_H
#define VIO_UIO_H

#include <linux/platform_device.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uio_driver.h>

#define NO_NUMBER U32_MAX

struct vio_uio {
	struct uio_info info;
	struct device *dev;
	phys_addr_t start;
	resource_size_t size;
	u32 number;		/* the hypervisor's, or NO_NUMBER */
	int irq;		/* Linux's */
	char version[12];	/* the number in words */

	spinlock_t lock;	/* what follows, against the interrupt */
	bool ready;
	bool masked;
	unsigned int users;
};

/*
 * Each fills v->irq from v->number and says what is wrong with them. What it
 * maps is unmapped when the driver lets go of v->dev.
 */

/* The interrupt that Linux knows of the device; sets v->number, or if it is set, compares. */
int vio_uio_use_declared_interrupt(struct vio_uio *v, struct platform_device *pdev);

/* The interrupt v->number of the device at v->start. */
int vio_uio_use_given_interrupt(struct vio_uio *v);

/* -EBUSY when a driver has requested the interrupt already. */
int vio_uio_check_owner(struct vio_uio *v);

/* -EINVAL when the module's parameter is wrong. */
int vio_uio_check_trigger(void);

static inline void vio_uio_set_number(struct vio_uio *v, u32 number)
{
	v->number = number;
	if (number == NO_NUMBER)
		strscpy(v->version, "unknown", sizeof(v->version));
	else
		snprintf(v->version, sizeof(v->version), "%u", number);
}

#endif
