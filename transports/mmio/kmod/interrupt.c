// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the number that the hypervisor gives an interrupt to the one that Linux
 * gives it: as ACPI or the device tree declares the device, and where they do
 * not know it, as a line of the machine's interrupt controller.
 */
#include "vio_uio.h"

#include <linux/acpi.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/irqdomain.h>
#include <linux/module.h>
#include <linux/of.h>

static char *trigger;
module_param(trigger, charp, 0444);
MODULE_PARM_DESC(trigger, "edge or level, for devices that neither ACPI nor a device tree declares (default edge)");

/* Asked before requesting it, because the kernel's own answer does not say whose it is. */
int vio_uio_check_owner(struct vio_uio *v)
{
	struct irq_data *data = irq_get_irq_data(v->irq);
	struct irq_desc *desc = data ? irq_data_to_desc(data) : NULL;
	char owner[32] = "";
	unsigned long flags;

	if (!desc) {
		dev_err(v->dev, "smem=0x%llx: irq=%s: Linux has no interrupt %d\n", (u64)v->start,
			v->version, v->irq);
		return -EINVAL;
	}
	raw_spin_lock_irqsave(&desc->lock, flags);
	if (desc->action)
		strscpy(owner, desc->action->name ?: "without a name", sizeof(owner));
	raw_spin_unlock_irqrestore(&desc->lock, flags);
	if (!owner[0])
		return 0;
	dev_err(v->dev, "smem=0x%llx: irq=%s belongs to another device (%s, interrupt %d in /proc/interrupts)\n",
		(u64)v->start, v->version, owner, v->irq);
	return -EBUSY;
}

static bool wants(const char *mode)
{
	return trigger && sysfs_streq(trigger, mode);
}

int vio_uio_check_trigger(void)
{
	if (!trigger || wants("edge") || wants("level"))
		return 0;
	pr_err(KBUILD_MODNAME ": trigger=%s: edge or level was expected\n", trigger);
	return -EINVAL;
}

#ifdef CONFIG_ACPI
static acpi_status find_gsi(struct acpi_resource *resource, void *number)
{
	if (resource->type == ACPI_RESOURCE_TYPE_EXTENDED_IRQ)
		*(u32 *)number = resource->data.extended_irq.interrupts[0];
	else if (resource->type == ACPI_RESOURCE_TYPE_IRQ)
		*(u32 *)number = resource->data.irq.interrupts[0];
	else
		return AE_OK;
	return AE_CTRL_TERMINATE;
}

static u32 acpi_number(struct platform_device *pdev)
{
	u32 number = NO_NUMBER;

	acpi_walk_resources(ACPI_HANDLE(&pdev->dev), METHOD_NAME__CRS, find_gsi, &number);
	return number;
}
#else
static u32 acpi_number(struct platform_device *pdev)
{
	return NO_NUMBER;
}
#endif

/*
 * How the hypervisor counts an interrupt of Linux: ACPI tells; the outermost
 * controller of Arm does; on x86 the first 16 are the same and for others
 * Linux does not say.
 */
static u32 declared_number(struct platform_device *pdev, int linux_irq)
{
	struct irq_data *data = irq_get_irq_data(linux_irq);

	if (has_acpi_companion(&pdev->dev))
		return acpi_number(pdev);
	if (IS_ENABLED(CONFIG_X86))
		return linux_irq < 16 ? linux_irq : NO_NUMBER;
	while (data && data->parent_data)
		data = data->parent_data;
	return data ? data->hwirq : NO_NUMBER;
}

int vio_uio_use_declared_interrupt(struct vio_uio *v, struct platform_device *pdev)
{
	u32 number;

	v->irq = platform_get_irq(pdev, 0);
	if (v->irq < 0) {
		dev_err(v->dev, "smem=0x%llx: %s has no interrupt that Linux could use\n",
			(u64)v->start, dev_name(&pdev->dev));
		return v->irq;
	}
	number = declared_number(pdev, v->irq);
	if (v->number != NO_NUMBER && number != NO_NUMBER && v->number != number) {
		dev_err(v->dev, "smem=0x%llx: irq=%u is not the interrupt of this device: %s is declared with irq=%u\n",
			(u64)v->start, v->number, dev_name(&pdev->dev), number);
		return -EINVAL;
	}
	if (v->number == NO_NUMBER)
		vio_uio_set_number(v, number);
	return 0;
}

#if defined(CONFIG_X86) || defined(CONFIG_ACPI)
/*
 * Arm: to undo a mapping there is to undo it for everybody who found it, and
 * who that is cannot be known; it stays, at the cost of an interrupt descriptor.
 */
static void release_gsi(void *data)
{
	struct vio_uio *v = data;

	if (IS_ENABLED(CONFIG_X86))
		acpi_unregister_gsi(v->number);
}

/*
 * Edge first: it suits a device that holds the line until it is acknowledged as
 * well as one that pulses it; level would lose pulses. But who mapped the GSI
 * before has decided, and then the kernel accepts level alone.
 */
static int register_gsi(struct vio_uio *v)
{
	int rc = -EBUSY;

	if (!wants("level"))
		rc = acpi_register_gsi(NULL, v->number, ACPI_EDGE_SENSITIVE, ACPI_ACTIVE_HIGH);
	if (rc < 0 && !wants("edge"))
		rc = acpi_register_gsi(NULL, v->number, ACPI_LEVEL_SENSITIVE, ACPI_ACTIVE_HIGH);
	if (rc == -EBUSY)
		dev_err(v->dev, "smem=0x%llx: irq=%u belongs to another device, which uses it with another trigger or polarity\n",
			(u64)v->start, v->number);
	else if (rc < 0)
		dev_err(v->dev, "smem=0x%llx: irq=%u: no interrupt controller has this GSI (error %d)\n",
			(u64)v->start, v->number, rc);
	return rc;
}

/* On x86, to register one of the first 16 changes its trigger under a driver that has it. */
static int use_gsi(struct vio_uio *v)
{
	int rc = 0;

	v->irq = v->number == 2 ? 0 : v->number;	/* the timer's line */
	if (IS_ENABLED(CONFIG_X86) && v->number < 16 && irq_has_action(v->irq))
		rc = vio_uio_check_owner(v);
	if (rc == 0)
		rc = register_gsi(v);
	if (rc < 0)
		return rc == -EBUSY ? rc : -EINVAL;
	v->irq = rc;
	return devm_add_action_or_reset(v->dev, release_gsi, v);
}
#else
static int use_gsi(struct vio_uio *v)
{
	return -ENODEV;
}
#endif

static int use_isa_irq(struct vio_uio *v)
{
	if (v->number >= 16) {
		dev_err(v->dev, "smem=0x%llx: irq=%u: without ACPI there are the interrupts 0 to 15\n",
			(u64)v->start, v->number);
		return -EINVAL;
	}
	v->irq = v->number;
	return 0;
}

static const struct of_device_id gics[] = {
	{ .compatible = "arm,gic-v3" },
	{ .compatible = "arm,gic-400" },
	{ .compatible = "arm,cortex-a15-gic" },
	{ .compatible = "arm,cortex-a9-gic" },
	{ .compatible = "arm,cortex-a7-gic" },
	{ }
};

static void release_spi(void *data)
{
	struct vio_uio *v = data;

	if (!irq_has_action(v->irq))
		irq_dispose_mapping(v->irq);
}

/* The three cells of a GIC in a device tree: an SPI, its number, its trigger. */
static int map_spi(struct vio_uio *v, struct device_node *gic)
{
	struct irq_fwspec fwspec = {
		.fwnode = of_fwnode_handle(gic),
		.param_count = 3,
		.param = { 0, v->number - 32,
			   wants("level") ? IRQ_TYPE_LEVEL_HIGH : IRQ_TYPE_EDGE_RISING },
	};
	struct irq_domain *domain = irq_find_matching_fwspec(&fwspec, DOMAIN_BUS_WIRED);

	if (!domain)
		domain = irq_find_matching_fwspec(&fwspec, DOMAIN_BUS_ANY);
	v->irq = domain ? irq_find_mapping(domain, v->number) : 0;
	if (v->irq)
		return 0;
	v->irq = domain ? irq_create_fwspec_mapping(&fwspec) : 0;
	if (v->irq)
		return devm_add_action_or_reset(v->dev, release_spi, v);
	dev_err(v->dev, "smem=0x%llx: irq=%u: the interrupt controller %pOF does not have it\n",
		(u64)v->start, v->number, gic);
	return -EINVAL;
}

static int use_spi(struct vio_uio *v)
{
	struct device_node *gic;
	int rc;

	gic = of_find_matching_node(NULL, gics);
	if (!gic) {
		dev_err(v->dev, "smem=0x%llx: irq=%u: the device tree has no GIC that this module knows\n",
			(u64)v->start, v->number);
		return -ENODEV;
	}
	rc = map_spi(v, gic);
	of_node_put(gic);
	return rc;
}

static int use_undeclared_interrupt(struct vio_uio *v)
{
	if (!IS_ENABLED(CONFIG_X86) && (v->number < 32 || v->number > 1019)) {
		dev_err(v->dev, "smem=0x%llx: irq=%u: the INTID of a device's interrupt is 32 to 1019 (SPI n is n + 32)\n",
			(u64)v->start, v->number);
		return -EINVAL;
	}
	if (!acpi_disabled)
		return use_gsi(v);
	return IS_ENABLED(CONFIG_X86) ? use_isa_irq(v) : use_spi(v);
}

static int begins_at(struct device *dev, const void *start)
{
	struct resource *r = platform_get_resource(to_platform_device(dev), IORESOURCE_MEM, 0);

	return r && r->start == *(const phys_addr_t *)start;
}

int vio_uio_use_given_interrupt(struct vio_uio *v)
{
	struct device *declared = bus_find_device(&platform_bus_type, NULL, &v->start, begins_at);
	int rc;

	if (!declared)
		return use_undeclared_interrupt(v);
	rc = vio_uio_use_declared_interrupt(v, to_platform_device(declared));
	put_device(declared);
	return rc;
}
