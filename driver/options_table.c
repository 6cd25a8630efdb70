/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every option of devb-virtio: one function that reads its value, and one row in
 * the table at the end of this file. Nothing else knows an option by name.
 */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "options_internal.h"

#define SECTOR_SIZE    512u /* the unit of maxio, as on QNX */
#define IO_MIN_SECTORS 8    /* one page */
#define NAME_FIRST_MAX 999  /* chosen */
#define TIMEOUT_S_MAX  3600 /* chosen */
#define VERBOSITY_MAX  9    /* chosen */
#define MODE_MAX       0777
#define ID_MAX         (UINT32_MAX - 1) /* the largest number means "unchanged" to chown(2) */

/* ---- switches ---- */

static int set_foreground(struct devb_parse *parse, const char *value)
{
	(void)value;
	parse->options->foreground = true;
	return 0;
}

static int set_list(struct devb_parse *parse, const char *value)
{
	(void)value;
	parse->options->list_devices = true;
	return 0;
}

static int set_help(struct devb_parse *parse, const char *value)
{
	(void)value;
	parse->options->show_help = true;
	return 0;
}

static int set_version(struct devb_parse *parse, const char *value)
{
	(void)value;
	parse->options->show_version = true;
	return 0;
}

/* ---- blk ---- */

static int set_auto(struct devb_parse *parse, const char *value)
{
	bool none = strcmp(value, "none") == 0;

	if (!none && strcmp(value, "partition") != 0)
		return devb_parse_bad_value(parse, value);
	parse->options->show_partitions = !none;
	return 0;
}

static int set_devdir(struct devb_parse *parse, const char *value)
{
	char *devdir = parse->options->devdir;
	size_t size = strlen(value);

	if (value[0] != '/' || size >= sizeof(parse->options->devdir))
		return devb_parse_bad_value(parse, value);
	while (size > 1 && value[size - 1] == '/')
		size--;
	memcpy(devdir, value, size);
	devdir[size] = '\0';
	return 0;
}

static int set_read_only(struct devb_parse *parse, const char *value)
{
	(void)value;
	parse->options->read_only = true;
	return 0;
}

/* As QNX calls the levels; between the lower ones a cache in the device knows no difference. */
static int set_commit(struct devb_parse *parse, const char *value)
{
	static const char *const names[] = {"none", "low", "medium", "high"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			parse->options->commit =
				strcmp(value, "high") == 0 ? DEVB_COMMIT_THROUGH : DEVB_COMMIT_BACK;
			return 0;
		}
	}
	return devb_parse_bad_value(parse, value);
}

static int set_io_max(struct devb_parse *parse, const char *value)
{
	const uint64_t most = DEVB_IO_MAX / SECTOR_SIZE;
	uint64_t sectors;

	if (!devb_number_parse(value, IO_MIN_SECTORS, UINT64_MAX, &sectors))
		return devb_parse_bad_value(parse, value);
	if (sectors > most) {
		devb_parse_note(parse, true, "blk maxio=%llu: lowered to %llu, which is 1 MiB",
				(unsigned long long)sectors, (unsigned long long)most);
		sectors = most;
	}
	parse->options->io_max = (uint32_t)sectors * SECTOR_SIZE;
	return 0;
}

static int set_owner(struct devb_parse *parse, const char *value)
{
	uint64_t id;

	if (!devb_number_parse(value, 0, ID_MAX, &id))
		return devb_parse_bad_value(parse, value);
	parse->options->owner = (uid_t)id;
	parse->options->has_owner = true;
	return 0;
}

static int set_group(struct devb_parse *parse, const char *value)
{
	uint64_t id;

	if (!devb_number_parse(value, 0, ID_MAX, &id))
		return devb_parse_bad_value(parse, value);
	parse->options->group = (gid_t)id;
	parse->options->has_group = true;
	return 0;
}

/* Octal, as chmod(1) takes it. */
static int set_mode(struct devb_parse *parse, const char *value)
{
	size_t digits = strspn(value, "01234567");
	unsigned long mode = strtoul(value, NULL, 8);

	if (digits == 0 || value[digits] || mode > MODE_MAX)
		return devb_parse_bad_value(parse, value);
	parse->options->mode = (mode_t)mode;
	parse->options->has_mode = true;
	return 0;
}

/* ---- disk ---- */

static bool is_prefix(const char *text, size_t size)
{
	if (size == 0 || size >= DEVB_PREFIX_SIZE || !isalpha((unsigned char)text[0]))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("-_", text[i]))
			return false;
	return !isdigit((unsigned char)text[size - 1]); /* hd1 + 0 would look like hd + 10 */
}

/* prefix[@number] */
static int set_name(struct devb_parse *parse, const char *value)
{
	struct devb_options *options = parse->options;
	size_t size = strcspn(value, "@");
	uint64_t first = 0;

	if (!is_prefix(value, size) ||
	    (value[size] && !devb_number_parse(value + size + 1, 0, NAME_FIRST_MAX, &first)))
		return devb_parse_bad_value(parse, value);
	memcpy(options->name_prefix, value, size);
	options->name_prefix[size] = '\0';
	options->name_first = (unsigned)first;
	return 0;
}

/* Cuts "60:90:10:30" into its numbers; returns how many, 0 when one of them is none. */
static unsigned read_timeouts(char *text, uint64_t numbers[4])
{
	unsigned count = 0;
	char *number;

	while ((number = strsep(&text, ":"))) {
		if (count == 4 || !devb_number_parse(number, 0, UINT32_MAX, &numbers[count]))
			return 0;
		count++;
	}
	return count;
}

/* rw, or QNX's g1:g2:g3:rw[@path:target:lun] */
static int set_timeout(struct devb_parse *parse, const char *value)
{
	char text[64];
	size_t size = strcspn(value, "@");
	uint64_t numbers[4], rw;
	unsigned count;

	if (size >= sizeof(text))
		return devb_parse_bad_value(parse, value);
	memcpy(text, value, size);
	text[size] = '\0';
	count = read_timeouts(text, numbers);
	if (count != 1 && count != 4)
		return devb_parse_bad_value(parse, value);
	rw = numbers[count - 1];
	if (rw < 1 || rw > TIMEOUT_S_MAX)
		return devb_parse_bad_value(parse, value);
	parse->options->timeout_s = (unsigned)rw;
	if (count == 4 || value[size])
		devb_parse_note(parse, false,
				"disk timeout: only the seconds for reads and writes have an "
				"effect, and they apply to every disk of this process");
	return 0;
}

/* ---- cam ---- */

static int set_quiet(struct devb_parse *parse, const char *value)
{
	(void)value;
	parse->options->quiet = true;
	return 0;
}

static int set_verbosity(struct devb_parse *parse, const char *value)
{
	uint64_t level = 1;

	if (value && !devb_number_parse(value, 0, VERBOSITY_MAX, &level))
		return devb_parse_bad_value(parse, value);
	parse->options->verbosity = (unsigned)level;
	return 0;
}

static int set_plug_and_play(struct devb_parse *parse, const char *value)
{
	(void)value;
	parse->options->plug_and_play = true;
	return 0;
}

static bool find_user(const char *text, uid_t *uid)
{
	const struct passwd *entry;
	uint64_t number;

	if (devb_number_parse(text, 0, ID_MAX, &number)) {
		*uid = (uid_t)number;
		return true;
	}
	entry = *text && !isdigit((unsigned char)*text) ? getpwnam(text) : NULL;
	*uid = entry ? entry->pw_uid : 0;
	return entry != NULL;
}

static bool find_group(const char *text, gid_t *gid)
{
	const struct group *entry;
	uint64_t number;

	if (devb_number_parse(text, 0, ID_MAX, &number)) {
		*gid = (gid_t)number;
		return true;
	}
	entry = *text && !isdigit((unsigned char)*text) ? getgrnam(text) : NULL;
	*gid = entry ? entry->gr_gid : 0;
	return entry != NULL;
}

static bool is_name(const char *text)
{
	return *text && !isdigit((unsigned char)*text);
}

static int no_such(struct devb_parse *parse, const char *value, const char *kind, const char *name)
{
	return vio_fail(parse->err, -EINVAL,
			"cam user=%.60s: this machine has no %s '%.40s': expected two numbers, or "
			"names that exist, such as user=20:20 (systemd-sysusers makes the user of "
			"the systemd unit)",
			value, kind, name);
}

/* user:group; root with another group would be neither, and is refused */
static int set_user(struct devb_parse *parse, const char *value)
{
	struct devb_options *options = parse->options;
	char text[128];
	char *group;

	if (strlen(value) >= sizeof(text))
		return devb_parse_bad_value(parse, value);
	memcpy(text, value, strlen(value) + 1);
	group = strchr(text, ':');
	if (!group)
		return devb_parse_bad_value(parse, value);
	*group++ = '\0';
	if (!find_user(text, &options->run_uid)) {
		return is_name(text) ? no_such(parse, value, "user", text)
				     : devb_parse_bad_value(parse, value);
	}
	if (!find_group(group, &options->run_gid)) {
		return is_name(group) ? no_such(parse, value, "group", group)
				      : devb_parse_bad_value(parse, value);
	}
	if (options->run_uid == 0 && options->run_gid != 0)
		return devb_parse_bad_value(parse, value);
	options->has_user = true;
	return 0;
}

/* clang-format off */
#define SWITCH(name, set, help) \
	{ DEVB_GROUP_SWITCH, DEVB_OPTION_FLAG, name, set, NULL, NULL, help }
#define FLAG(group, name, set, help) \
	{ DEVB_GROUP_##group, DEVB_OPTION_FLAG, name, set, NULL, NULL, help }
#define VALUE(group, name, value, set, expected, help) \
	{ DEVB_GROUP_##group, DEVB_OPTION_VALUE, name, set, value, expected, help }
#define MAYBE(group, name, value, set, expected, help) \
	{ DEVB_GROUP_##group, DEVB_OPTION_MAYBE_VALUE, name, set, value, expected, help }
#define NO_EFFECT(group, name, why) \
	{ DEVB_GROUP_##group, DEVB_OPTION_NO_EFFECT, name, NULL, NULL, NULL, why }

const struct devb_option devb_option_table[] = {
	SWITCH("-f", set_foreground,
	       "stay in the foreground"),
	SWITCH("--list", set_list,
	       "print every VirtIO device (PCI, device tree, ACPI, kernel command line), who holds it "
	       "and how to start on it"),
	SWITCH("--help", set_help,
	       "print this text"),
	SWITCH("--version", set_version,
	       "print the version"),

	VALUE(VIRTIO, "smem", "ADDRESS", devb_virtio_add_address,
	      "the guest-physical address of the device's registers, for example 'smem=0x1c0d0000'",
	      "guest-physical address of the device's registers; needs irq"),
	VALUE(VIRTIO, "irq", "NUMBER", devb_virtio_add_address,
	      "the interrupt number of the device as the hypervisor counts it, for example 'irq=41'",
	      "interrupt of the device at smem, as the hypervisor counts it (Arm: GIC INTID, "
	      "x86: GSI)"),
	VALUE(VIRTIO, "pci", "DEVICE", devb_virtio_add_address,
	      "the number of a VirtIO block device on the PCI bus from 0, or a function such as "
	      "'pci=0000:00:04.0'",
	      "block device on the PCI bus: 0 for the first (default), 1 for the second, or a "
	      "function such as 0000:00:04.0; excludes smem and irq"),
	MAYBE(VIRTIO, "fdt", "NUMBER|FILE[:NUMBER]", devb_virtio_add_address,
	      "the number of a VirtIO block device of the device tree from 0, or a dtb file and "
	      "perhaps a number in it, for example 'fdt=0' or 'fdt=/boot/board.dtb:0'",
	      "every block device that the device tree declares, each a disk of its own, or the "
	      "one with this number in the order of addresses; of a dtb file instead of this "
	      "machine's tree; where the tree has none, those of ACPI and the kernel's command "
	      "line; excludes smem, irq and pci"),
	VALUE(VIRTIO, "vhost-user", "SOCKET", devb_virtio_add_address,
	      "the path of a back end's socket, for example 'vhost-user=/run/disk.sock'",
	      "block device that another process serves on this socket, as qemu-storage-daemon "
	      "does; excludes smem, irq, pci and fdt"),
	VALUE(VIRTIO, "queues", "NUMBER", devb_virtio_set_queues,
	      "a number from 1 to 64, for example 'queues=2'",
	      "queues of the device to use, 1 to 64, a thread for each (default: the smaller of the "
	      "device's queues and the CPUs, 16 at most); more than the device has are lowered to "
	      "that, with a warning"),
	VALUE(VIRTIO, "qsize", "ENTRIES", devb_virtio_set_queue_size,
	      "a power of two from 4 to 32768, for example 'qsize=256'",
	      "entries of the queue, a power of two from 4 to 32768 (default 256); more than the "
	      "device's maximum is lowered to it, with a warning"),
	VALUE(VIRTIO, "dma", "SIZE", devb_virtio_set_dma_size,
	      "a size from 4M to 1G, for example 'dma=8M'",
	      "memory for transfers, 4M to 1G, in locked huge pages (default 8M, or 4M for each "
	      "queue or CPU, whichever is more)"),
	VALUE(VIRTIO, "interrupts", "KIND", devb_virtio_set_interrupts,
	      "one of auto, msix, msix-shared, intx, uio and poll, for example 'interrupts=msix'",
	      "how the device wakes the driver: msix, msix-shared and intx through vfio-pci, uio "
	      "through a UIO device, poll not at all; default auto, the first of these that works"),
	VALUE(VIRTIO, "poll", "auto|always|never", devb_virtio_set_poll,
	      "'auto', 'always' or 'never', for example 'poll=never'",
	      "wait for the device by spinning as long as it pays and then sleeping (default auto), "
	      "by spinning while anything is in flight, or by sleeping at once"),
	VALUE(VIRTIO, "poll_us", "MICROSECONDS", devb_virtio_set_poll_us,
	      "microseconds from 0 to 10000, for example 'poll_us=50'",
	      "longest spin of poll=auto, 0 to 10000 (default 100)"),
	VALUE(VIRTIO, "packed", "on|off|auto", devb_virtio_set_feature,
	      "'on', 'off' or 'auto', for example 'packed=off'",
	      "packed virtqueues: on, or do not start; off; or as the device offers them (default "
	      "auto); for tests and measurements, as are the following"),
	VALUE(VIRTIO, "indirect", "on|off|auto", devb_virtio_set_feature,
	      "'on', 'off' or 'auto', for example 'indirect=off'",
	      "tables of indirect descriptors"),
	VALUE(VIRTIO, "event_idx", "on|off|auto", devb_virtio_set_feature,
	      "'on', 'off' or 'auto', for example 'event_idx=off'",
	      "notifications and interrupts by event index"),
	VALUE(VIRTIO, "in_order", "on|off|auto", devb_virtio_set_feature,
	      "'on', 'off' or 'auto', for example 'in_order=off'",
	      "descriptors used in the order in which they were made available"),
	VALUE(VIRTIO, "notification_data", "on|off|auto", devb_virtio_set_feature,
	      "'on', 'off' or 'auto', for example 'notification_data=off'",
	      "notifications that say how far the ring is filled"),
	VALUE(VIRTIO, "ring_reset", "on|off|auto", devb_virtio_set_feature,
	      "'on', 'off' or 'auto', for example 'ring_reset=off'",
	      "the reset of single queues"),
	FLAG(VIRTIO, "takeover", devb_virtio_set_takeover,
	     "take the device away from the kernel's driver first"),

	VALUE(BLK, "auto", "none|partition", set_auto,
	      "'none' or 'partition'",
	      "show the disk alone or its partitions too (default partition)"),
	VALUE(BLK, "automount", "DEVICE:DIRECTORY[:FSTYPE[:OPTIONS]]", devb_automount_add,
	      "'DEVICE:DIRECTORY[:FSTYPE[:OPTIONS]]' or '@FILE', for example "
	      "'automount=hd0t131:/mnt:ext4'",
	      "mount a volume as soon as it is there, QNX6 without a loop device; DEVICE is a name in devdir, a path, or "
	      "DISK@TYPE for a partition of that type; write \\, for a comma and \\: for a colon; "
	      "may be repeated; automount=@FILE reads such values from a file, one a line"),
	VALUE(BLK, "devdir", "DIRECTORY", set_devdir,
	      "an absolute path, for example 'devdir=/dev'",
	      "where the volumes appear (default /dev)"),
	VALUE(BLK, "commit", "LEVEL", set_commit,
	      "'none', 'low', 'medium' or 'high', for example 'commit=high'",
	      "high: what is written is safe at once, with the device's write cache off; none, low "
	      "and medium: once it is synced, with the cache on (default: as the device has it)"),
	VALUE(BLK, "maxio", "BLOCKS", set_io_max,
	      "a number of 512-byte blocks, 8 or more, for example 'maxio=2048'",
	      "largest request in blocks of 512 bytes, 8 to 2048 (default 2048, which is 1 MiB)"),
	VALUE(BLK, "mntuid", "UID", set_owner,
	      "a number, for example 'mntuid=1000'",
	      "user who owns the volumes (default: that of 'cam user=', or who started the driver)"),
	VALUE(BLK, "mntgid", "GID", set_group,
	      "a number, for example 'mntgid=6'",
	      "group of the volumes (default: that of 'cam user=', or of who started the driver)"),
	VALUE(BLK, "mntperms", "MODE", set_mode,
	      "octal permissions up to 777, for example 'mntperms=660'",
	      "octal permissions of the volumes (default 600)"),
	FLAG(BLK, "ro", set_read_only,
	     "let nobody write"),
	NO_EFFECT(BLK, "alloc", "this driver has no cache of its own"),
	NO_EFFECT(BLK, "cache", "the kernel's page cache takes this part"),
	NO_EFFECT(BLK, "delwri", "the kernel writes back as in /proc/sys/vm/dirty_*"),
	NO_EFFECT(BLK, "fdinfo", "the kernel keeps track of open files"),
	NO_EFFECT(BLK, "lock", "memory for transfers is always locked"),
	NO_EFFECT(BLK, "map", "file systems keep their own maps"),
	NO_EFFECT(BLK, "marking", "file systems keep their own marks"),
	NO_EFFECT(BLK, "memory", "'virtio dma=' sets the memory for transfers"),
	NO_EFFECT(BLK, "naio", "'virtio qsize=' sets how many requests are in flight"),
	NO_EFFECT(BLK, "ncache", "the kernel keeps names"),
	NO_EFFECT(BLK, "noatime", "it belongs to a mount, for example to 'blk automount='"),
	NO_EFFECT(BLK, "normv", "a VirtIO disk is not removable"),
	NO_EFFECT(BLK, "priority", "start the driver under chrt(1) or nice(1)"),
	NO_EFFECT(BLK, "ra", "the kernel reads ahead"),
	NO_EFFECT(BLK, "ramdisk", "Linux has RAM disks of its own"),
	NO_EFFECT(BLK, "rmvto", "a VirtIO disk is not removable"),
	NO_EFFECT(BLK, "verbose", "'cam verbose' prints more"),
	NO_EFFECT(BLK, "vnode", "the kernel keeps inodes"),
	NO_EFFECT(BLK, "wipe", "the kernel keeps the cache"),

	VALUE(DISK, "name", "PREFIX[@NUMBER]", set_name,
	      "up to 15 letters, digits, '-' or '_', a letter first and no digit last, then perhaps "
	      "'@' and a number up to 999, for example 'name=hd' or 'name=usb@2'",
	      "names of the disks, and the number to try first (default hd, from 0)"),
	VALUE(DISK, "timeout", "SECONDS", set_timeout,
	      "seconds from 1 to 3600, for example 'timeout=30'",
	      "deadline of a request, 1 to 3600 (default 30); of QNX's g1:g2:g3:rw the last counts"),
	NO_EFFECT(DISK, "maxio", "'blk maxio=' sets the largest request"),
	NO_EFFECT(DISK, "nobios", "the geometry of a VirtIO disk is not used"),
	NO_EFFECT(DISK, "noptab", "the geometry of a VirtIO disk is not used"),
	NO_EFFECT(DISK, "retries", "the device repeats by itself what can be repeated"),
	NO_EFFECT(DISK, "rmb", "a VirtIO disk is not removable"),
	NO_EFFECT(DISK, "translation", "the geometry of a VirtIO disk is not used"),
	NO_EFFECT(DISK, "verbose", "'cam verbose' prints more"),

	FLAG(CAM, "pnp", set_plug_and_play,
	     "stay although no device is found"),
	FLAG(CAM, "quiet", set_quiet,
	     "print neither banner nor notes, only warnings and errors"),
	VALUE(CAM, "user", "UID:GID", set_user,
	      "two numbers or names that exist, for example 'user=20:20'; with user 0, group 0",
	      "serve the disks as this user and group, without any privilege; volumes belong to "
	      "them unless mntuid and mntgid say otherwise (default 0:0)"),
	MAYBE(CAM, "verbose", "LEVEL", set_verbosity,
	      "a number from 0 to 9, for example 'verbose=2'",
	      "print more, 0 to 9 (default 0; verbose alone is 1)"),
	NO_EFFECT(CAM, "async", "there is no cache to invalidate"),
	NO_EFFECT(CAM, "bounce", "'virtio dma=' sets the memory for transfers"),
	NO_EFFECT(CAM, "cache", "the memory for transfers is coherent"),
	NO_EFFECT(CAM, "lun", "a VirtIO disk has one unit"),
	NO_EFFECT(CAM, "maxio", "'blk maxio=' sets the largest request"),
	NO_EFFECT(CAM, "noio", "Linux has no such call"),
	NO_EFFECT(CAM, "nopriv", "Linux has no such call"),
	NO_EFFECT(CAM, "priority", "start the driver under chrt(1) or nice(1)"),
	NO_EFFECT(CAM, "resmgr", "there is no pass-through interface"),

	{ .name = NULL },
};
/* clang-format on */
