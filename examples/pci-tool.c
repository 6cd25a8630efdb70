/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pci-tool: what is on the PCI bus, in the shape that QNX's tool of that name
 * prints it.
 *
 *   pci-tool -v               every function
 *   pci-tool -v -V 1af4       those of one vendor
 *   pci-tool -v -d B0:D4:F0   one function
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vio-transport/pci.h>

enum {
	FUNCTIONS_MAX = 1024
};

static struct viot_pci_function functions[FUNCTIONS_MAX];

struct filter {
	long vendor, device; /* -1 = any */
	int bus, slot, function;
};

/* Class and subclass as the PCI Code and ID Assignment Specification numbers them. */
static const struct {
	uint16_t code;
	const char *name;
} class_names[] = {
	{0x0100, "SCSI Controller"},
	{0x0101, "IDE Controller"},
	{0x0106, "SATA Controller"},
	{0x0108, "Non-Volatile Memory Controller"},
	{0x0180, "Other Mass Storage Controller"},
	{0x0200, "Ethernet Controller"},
	{0x0280, "Other Network Controller"},
	{0x0300, "VGA Controller"},
	{0x0380, "Other Display Controller"},
	{0x0401, "Audio Device"},
	{0x0403, "High Definition Audio Device"},
	{0x0500, "RAM Memory Controller"},
	{0x0580, "Other Memory Controller"},
	{0x0600, "Host Bridge"},
	{0x0601, "ISA Bridge"},
	{0x0604, "PCI to PCI Bridge"},
	{0x0680, "Other Bridge Device"},
	{0x0700, "Serial Controller"},
	{0x0780, "Other Communications Device"},
	{0x0805, "SD Host Controller"},
	{0x0880, "Other System Peripheral"},
	{0x0c03, "USB Controller"},
	{0x0c05, "SMBus Controller"},
	{0x1000, "Network and Computing Encryption Device"},
	{0xff00, "Unassigned Class"},
};

static const char *class_name(uint32_t device_class)
{
	for (size_t i = 0; i < sizeof(class_names) / sizeof(class_names[0]); i++) {
		if (class_names[i].code == device_class >> 8) {
			return class_names[i].name;
		}
	}
	return "<class - unknown>";
}

static void print_details(const struct viot_pci_function *f)
{
	printf("        vid/did: %04x/%04x\n", f->vendor_id, f->device_id);
	printf("                %s, %s\n",
	       f->vendor_name[0] ? f->vendor_name : "<vendor id - unknown>",
	       f->device_name[0] ? f->device_name : "<device id - unknown>");
	printf("        class/subclass/reg: %02x/%02x/%02x\n", f->device_class >> 16 & 0xff,
	       f->device_class >> 8 & 0xff, f->device_class & 0xff);
	printf("                %s\n\n", class_name(f->device_class));
}

static void print_function(const struct viot_pci_function *f, unsigned index, bool verbose)
{
	printf("B%03u:D%02u:F%02u @ idx %u\n", f->bus, f->device, f->function, index);
	if (verbose) {
		print_details(f);
	}
}

static bool matches(const struct filter *filter, const struct viot_pci_function *f)
{
	return (filter->vendor < 0 || filter->vendor == f->vendor_id) &&
	       (filter->device < 0 || filter->device == f->device_id) &&
	       (filter->bus < 0 || (filter->bus == f->bus && filter->slot == f->device &&
				    filter->function == f->function));
}

static int usage(void)
{
	fprintf(stderr, "usage: pci-tool [-v] [-V vendor] [-D device] [-d Bx:Dy:Fz]\n"
			"       vendor and device are hexadecimal, x, y and z decimal\n");
	return 2;
}

static bool parse_id(const char *text, long *id)
{
	char *end;

	*id = strtol(text, &end, 16);
	return end != text && *end == '\0' && *id >= 0 && *id <= 0xffff;
}

static bool parse_options(int argc, char **argv, struct filter *filter, bool *verbose)
{
	bool good = true;
	int option;

	while (good && (option = getopt(argc, argv, "vV:D:d:")) != -1) {
		switch (option) {
		case 'v':
			*verbose = true;
			break;
		case 'V':
			good = parse_id(optarg, &filter->vendor);
			break;
		case 'D':
			good = parse_id(optarg, &filter->device);
			break;
		case 'd':
			good = sscanf(optarg, "B%d:D%d:F%d", &filter->bus, &filter->slot,
				      &filter->function) == 3;
			break;
		default:
			good = false;
		}
	}
	return good && optind == argc;
}

int main(int argc, char **argv)
{
	struct filter filter = {-1, -1, -1, -1, -1};
	struct vio_error err;
	bool verbose = false;
	int count, shown = 0;

	if (!parse_options(argc, argv, &filter, &verbose)) {
		return usage();
	}
	count = viot_pci_list(functions, FUNCTIONS_MAX, &err);
	if (count < 0) {
		fprintf(stderr, "pci-tool: %s\n", err.text);
		return 1;
	}
	for (int i = 0; i < count && i < FUNCTIONS_MAX; i++) {
		if (matches(&filter, &functions[i])) {
			print_function(&functions[i], (unsigned)i, verbose);
			shown++;
		}
	}
	if (shown == 0) {
		fprintf(stderr, "pci-tool: no such PCI function on this machine\n");
	}
	return shown == 0;
}
