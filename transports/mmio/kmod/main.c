// SPDX-License-Identifier: GPL-2.0-only
/*
 * A UIO device for a virtio-mmio device, so that a driver in user space gets
 * its interrupt. Nothing is taken unasked: there is no match table, a device is
 * named by the parameters smem= and irq= or by driver_override.
 *
 * What user space sees of it is what uio_pdrv_genirq shows: each interrupt masks
 * itself, is counted, and is unmasked by writing a 1. Registers are page-aligned
 * in map 0 (addr + offset is the device's address). "version" is the interrupt
 * as the hypervisor counts it: the GSI on x86, the INTID on Arm.
 *
 * The registers are claimed, although /dev/mem then refuses their page to
 * everybody (CONFIG_IO_STRICT_DEVMEM): nothing else keeps virtio_mmio, loaded
 * later, from resetting the device under its user. Map 0 takes the place of
 * /dev/mem, also for neighbours in the same page.
 *
 * The module reads the device's magic number and version and touches no other
 * register. On Arm it is an oops to read where nothing at all is; the kernel
 * offers no way around it, while a process gets a signal.
 */
#include "vio_uio.h"

#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/virtio_mmio.h>

#define DRIVER		KBUILD_MODNAME
#define MAX_DEVICES	32
#define WINDOW		0x200	/* what a slot has where only its address is known */
#define MAGIC		('v' | 'i' << 8 | 'r' << 16 | 't' << 24)

static unsigned long long smem[MAX_DEVICES];
static unsigned int smem_count;
module_param_array(smem, ullong, &smem_count, 0444);
MODULE_PARM_DESC(smem, "Physical addresses of the devices' registers");

static unsigned int irq[MAX_DEVICES];
static unsigned int irq_count;
module_param_array(irq, uint, &irq_count, 0444);
MODULE_PARM_DESC(irq, "Their interrupts: on x86 the GSI, on Arm the GIC's INTID (SPI n is n + 32)");

/* How probing the device of each pair of parameters ended. */
static int results[MAX_DEVICES];

/* Masking nests in the kernel; here it does not. */
static void set_masked(struct vio_uio *v, bool masked)
{
	lockdep_assert_held(&v->lock);
	if (masked == v->masked)
		return;
	v->masked = masked;
	if (masked)
		disable_irq_nosync(v->irq);
	else
		enable_irq(v->irq);
}

static irqreturn_t vio_uio_interrupt(int linux_irq, struct uio_info *info)
{
	struct vio_uio *v = info->priv;

	spin_lock(&v->lock);
	set_masked(v, true);
	spin_unlock(&v->lock);
	return IRQ_HANDLED;
}

static int vio_uio_irqcontrol(struct uio_info *info, s32 on)
{
	struct vio_uio *v = info->priv;
	unsigned long flags;

	spin_lock_irqsave(&v->lock, flags);
	set_masked(v, !on);
	spin_unlock_irqrestore(&v->lock, flags);
	return 0;
}

/* UIO shows the device a moment before it has requested the interrupt. */
static int vio_uio_open(struct uio_info *info, struct inode *inode)
{
	struct vio_uio *v = info->priv;
	unsigned long flags;
	int rc = -EAGAIN;

	spin_lock_irqsave(&v->lock, flags);
	if (v->ready) {
		if (v->users++ == 0)
			set_masked(v, false);
		rc = 0;
	}
	spin_unlock_irqrestore(&v->lock, flags);
	return rc;
}

static int vio_uio_release(struct uio_info *info, struct inode *inode)
{
	struct vio_uio *v = info->priv;
	unsigned long flags;

	spin_lock_irqsave(&v->lock, flags);
	if (--v->users == 0)
		set_masked(v, true);
	spin_unlock_irqrestore(&v->lock, flags);
	return 0;
}

static int claim_registers(struct vio_uio *v)
{
	if (v->start % 4 || v->size < VIRTIO_MMIO_CONFIG || v->start + v->size < v->start) {
		dev_err(v->dev, "smem=0x%llx: no registers of a VirtIO device can begin there\n",
			(u64)v->start);
		return -EINVAL;
	}
	if (!devm_request_mem_region(v->dev, v->start, v->size, DRIVER)) {
		dev_err(v->dev, "smem=0x%llx: a driver of the kernel holds this address, or it is no device's: see /proc/iomem, and unbind the driver\n",
			(u64)v->start);
		return -EBUSY;
	}
	return 0;
}

static int check_registers(struct vio_uio *v)
{
	void __iomem *registers = ioremap(v->start, v->size);
	u32 magic, version = 0;

	if (!registers) {
		dev_err(v->dev, "smem=0x%llx: the registers cannot be mapped\n", (u64)v->start);
		return -ENOMEM;
	}
	magic = readl(registers + VIRTIO_MMIO_MAGIC_VALUE);
	if (magic == MAGIC)	/* elsewhere, more reads are more risk */
		version = readl(registers + VIRTIO_MMIO_VERSION);
	iounmap(registers);

	if (magic != MAGIC) {
		dev_err(v->dev, "smem=0x%llx: no VirtIO device answers there: the first word reads 0x%08x, 0x%08x (\"virt\") was expected\n",
			(u64)v->start, magic, MAGIC);
		return -ENODEV;
	}
	if (version != 1 && version != 2) {
		dev_err(v->dev, "smem=0x%llx: a VirtIO device of register version %u is there; 1 or 2 was expected\n",
			(u64)v->start, version);
		return -ENODEV;
	}
	return 0;
}

static void describe(struct vio_uio *v)
{
	struct uio_info *info = &v->info;

	spin_lock_init(&v->lock);
	v->masked = true;
	info->name = DRIVER;
	info->version = v->version;
	info->irq = v->irq;
	info->irq_flags = IRQF_NO_AUTOEN;
	info->priv = v;
	info->handler = vio_uio_interrupt;
	info->irqcontrol = vio_uio_irqcontrol;
	info->open = vio_uio_open;
	info->release = vio_uio_release;
	info->mem[0].name = "registers";
	info->mem[0].memtype = UIO_MEM_PHYS;
	info->mem[0].addr = v->start & PAGE_MASK;
	info->mem[0].offs = v->start & ~PAGE_MASK;
	info->mem[0].size = PAGE_ALIGN(info->mem[0].offs + v->size);
}

static int register_uio(struct vio_uio *v)
{
	int rc;

	describe(v);
	rc = devm_uio_register_device(v->dev, &v->info);
	if (rc) {
		dev_err(v->dev, "smem=0x%llx: irq=%s: no UIO device can be made of it (error %d)\n",
			(u64)v->start, v->version, rc);
		return rc;
	}
	spin_lock_irq(&v->lock);
	v->ready = true;
	spin_unlock_irq(&v->lock);
	dev_info(v->dev, "smem=0x%llx,irq=%s is /dev/uio%d\n", (u64)v->start, v->version,
		 v->info.uio_dev->minor);
	return 0;
}

static int bring_up(struct vio_uio *v, struct platform_device *declared)
{
	int rc = claim_registers(v);

	if (!rc)
		rc = check_registers(v);
	if (!rc)
		rc = declared ? vio_uio_use_declared_interrupt(v, declared) :
				vio_uio_use_given_interrupt(v);
	if (!rc)
		rc = vio_uio_check_owner(v);
	return rc ? rc : register_uio(v);
}

static int probe_overridden(struct vio_uio *v, struct platform_device *pdev)
{
	struct resource *r = platform_get_resource(pdev, IORESOURCE_MEM, 0);

	if (!r) {
		dev_err(v->dev, "this device has no registers in memory: it is not a virtio-mmio device\n");
		return -ENODEV;
	}
	v->start = r->start;
	v->size = resource_size(r);
	vio_uio_set_number(v, NO_NUMBER);
	return bring_up(v, pdev);
}

static int probe_given(struct vio_uio *v, int i)
{
	v->start = smem[i];
	v->size = WINDOW;
	vio_uio_set_number(v, irq[i]);
	results[i] = bring_up(v, NULL);
	return results[i];
}

static int vio_uio_probe(struct platform_device *pdev)
{
	struct vio_uio *v = devm_kzalloc(&pdev->dev, sizeof(*v), GFP_KERNEL);

	if (!v)
		return -ENOMEM;
	v->dev = &pdev->dev;
	/* By this name, only add_given makes devices. */
	return strcmp(pdev->name, DRIVER) ? probe_overridden(v, pdev) : probe_given(v, pdev->id);
}

static struct platform_driver vio_uio_driver = {
	.probe = vio_uio_probe,
	.driver = {
		.name = DRIVER,
		.probe_type = PROBE_FORCE_SYNCHRONOUS,	/* insmod tells how it went */
	},
};

static struct platform_device *given[MAX_DEVICES];

static void remove_given(void)
{
	unsigned int i;

	for (i = 0; i < MAX_DEVICES; i++)
		platform_device_unregister(given[i]);
}

static int __init add_given(int i)
{
	struct platform_device *pdev;

	results[i] = -ENOMEM;
	pdev = platform_device_register_simple(DRIVER, i, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	given[i] = pdev;
	return results[i];
}

static int __init check_parameters(void)
{
	unsigned int i;

	if (smem_count != irq_count) {
		pr_err(DRIVER ": smem= has %u values and irq= has %u: each device needs one of both\n",
		       smem_count, irq_count);
		return -EINVAL;
	}
	for (i = 0; i < smem_count; i++) {
		if (smem[i] == (phys_addr_t)smem[i])
			continue;
		pr_err(DRIVER ": smem=0x%llx: this machine has no address so high\n", smem[i]);
		return -EINVAL;
	}
	return vio_uio_check_trigger();
}

static int __init vio_uio_init(void)
{
	int rc = check_parameters();
	unsigned int i;

	if (rc)
		return rc;
	rc = platform_driver_register(&vio_uio_driver);
	if (rc)
		return rc;
	for (i = 0; i < smem_count && !rc; i++)
		rc = add_given(i);
	if (rc) {
		remove_given();
		platform_driver_unregister(&vio_uio_driver);
	}
	return rc;
}
module_init(vio_uio_init);

static void __exit vio_uio_exit(void)
{
	remove_given();
	platform_driver_unregister(&vio_uio_driver);
}
module_exit(vio_uio_exit);

MODULE_DESCRIPTION("Interrupts of virtio-mmio devices for drivers in user space");
MODULE_AUTHOR("The devb-virtio authors");
MODULE_LICENSE("GPL");
