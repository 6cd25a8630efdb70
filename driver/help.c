/* SPDX-License-Identifier: BSD-3-Clause */
/* The help text: the table of options, wrapped and grouped. */
#include <string.h>

#include "options_internal.h"

#define COLUMNS     79
#define NAME_COLUMN 2
#define HELP_COLUMN 24

static const char usage[] =
	"Usage: devb-virtio [-f] [GROUP OPTION[,OPTION]...]...\n"
	"       devb-virtio --list | --help | --version\n"
	"\n"
	"Drives VirtIO disks from user space and shows them and their partitions as\n"
	"files: /dev/hd0, /dev/hd0t179, ... GROUP is virtio, blk, disk or cam, in any\n"
	"order. The options of a group are one word, separated by commas. Each virtio\n"
	"group is a disk; without one, the first VirtIO block device on the PCI bus.\n"
	"Numbers are decimal or 0x and hexadecimal; sizes may end in b, k, m or g.\n";

static const char examples[] =
	"\n"
	"Examples:\n"
	"  devb-virtio                                     the first device on PCI\n"
	"  devb-virtio virtio smem=0x1c0d0000,irq=41       a device at an address\n"
	"  devb-virtio virtio fdt                          all that the machine declares\n"
	"  devb-virtio virtio vhost-user=/run/disk.sock    what another process serves\n"
	"  devb-virtio virtio pci=0 virtio pci=1 blk ro    two disks, nobody writes\n"
	"  devb-virtio blk automount=hd0t131:/mnt:ext4     mount a partition\n"
	"  devb-virtio blk automount=hd0t179:/mydisk:qnx6  mount one of QNX's\n"
	"\n"
	"Options of QNX that have no meaning here, and the options of its file systems\n"
	"(qnx6, dos, ...), are accepted with a note each. See devb-virtio(8).\n";

static const char *const headings[DEVB_GROUPS + 1] = {
	[DEVB_GROUP_VIRTIO] = "virtio: where the device is",
	[DEVB_GROUP_BLK] = "blk: the volumes",
	[DEVB_GROUP_DISK] = "disk: names and deadlines",
	[DEVB_GROUP_CAM] = "cam: the driver itself",
	[DEVB_GROUP_SWITCH] = "Switches",
};

/* Spaces, at least one, or a new line where there is no room for them. */
static size_t move_to(FILE *out, size_t column, size_t target)
{
	if (column >= target) {
		fputc('\n', out);
		column = 0;
	}
	fprintf(out, "%*s", (int)(target - column), "");
	return target;
}

/* Words from @column on, further lines from @indent on; ends the last line. */
static void print_wrapped(FILE *out, const char *text, size_t column, size_t indent)
{
	bool is_first = true;

	while (*text) {
		size_t size = strcspn(text, " ");

		if (!is_first && column + 1 + size > COLUMNS) {
			column = move_to(out, COLUMNS, indent);
			is_first = true;
		}
		column += (size_t)fprintf(out, "%s%.*s", is_first ? "" : " ", (int)size, text);
		is_first = false;
		text += size;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void print_option(FILE *out, const struct devb_option *option)
{
	bool may_lack_value = option->kind == DEVB_OPTION_MAYBE_VALUE;
	size_t column = move_to(out, 0, NAME_COLUMN);

	column += (size_t)fprintf(out, "%s", option->name);
	if (option->value_name)
		column += (size_t)fprintf(out, "%s=%s%s", may_lack_value ? "[" : "",
					  option->value_name, may_lack_value ? "]" : "");
	move_to(out, column, HELP_COLUMN);
	print_wrapped(out, option->help, HELP_COLUMN, HELP_COLUMN);
}

static void print_group(FILE *out, enum devb_group group)
{
	fprintf(out, "\n%s\n", headings[group]);
	for (const struct devb_option *option = devb_option_table; option->name; option++)
		if (option->group == group && option->kind != DEVB_OPTION_NO_EFFECT)
			print_option(out, option);
}

void devb_options_print_help(FILE *out)
{
	fputs(usage, out);
	print_group(out, DEVB_GROUP_SWITCH);
	for (unsigned group = 0; group < DEVB_GROUPS; group++)
		print_group(out, (enum devb_group)group);
	fputs(examples, out);
}
