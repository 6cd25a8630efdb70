/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads the text of a device address; looks at no hardware.
 *
 *   address  = [ option { "," option } ]
 *   option   = "smem=" number | "irq=" number | "pci=" ( number | function ) | "fdt" [ "=" tree ] |
 *             "vhost-user=" file
 *   tree     = number | file [ ":" number ]                 (a file has no comma in its path)
 *   function = [ domain ":" ] bus ":" device "." function   (hexadecimal, as lspci prints it)
 *   number   = "0x" hexadecimal digits | decimal digits     (a leading 0 does not mean octal)
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vio-transport/address.h>

#define TEXT_MAX         160          /* chosen: more than any address needs */
#define PHYSICAL_MAX     (1ull << 52) /* the largest guest-physical space of x86-64 and Arm */
#define REGISTER_ALIGN   4            /* VirtIO 1.2, 4.2.2: registers are 32 bits wide */
#define PCI_DEVICE_MAX   0x1f
#define PCI_FUNCTION_MAX 7

static const char every[] = ""; /* the value of `fdt` alone; "fdt=" has another empty one */

struct found {
	const char *smem, *irq, *pci, *fdt, *vhost_user; /* values, NULL where absent */
};

static bool read_number(const char *text, uint64_t max, uint64_t *value)
{
	bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	char *end;

	if (!isxdigit((unsigned char)text[is_hex ? 2 : 0]))
		return false; /* strtoull() would take signs and spaces */
	errno = 0;
	*value = strtoull(text, &end, is_hex ? 16 : 10);
	return end != text && !*end && !errno && *value <= max;
}

static bool read_hex(const char **text, size_t digits_max, uint32_t *value)
{
	size_t digits = strspn(*text, "0123456789abcdefABCDEF");

	if (digits == 0 || digits > digits_max)
		return false;
	*value = (uint32_t)strtoul(*text, NULL, 16);
	*text += digits;
	return true;
}

static bool skip(const char **text, char expected)
{
	return *(*text)++ == expected;
}

static bool read_function(const char *text, struct viot_address *address)
{
	bool has_domain = strchr(text, ':') != strrchr(text, ':');
	uint32_t domain = 0, bus, device, function;

	if (has_domain && !(read_hex(&text, 4, &domain) && skip(&text, ':')))
		return false;
	if (!read_hex(&text, 2, &bus) || !skip(&text, ':') || !read_hex(&text, 2, &device) ||
	    !skip(&text, '.') || !read_hex(&text, 1, &function) || *text)
		return false;
	if (device > PCI_DEVICE_MAX || function > PCI_FUNCTION_MAX)
		return false;
	*address = (struct viot_address){
		.kind = VIOT_PCI_FUNCTION,
		.pci_domain = (uint16_t)domain,
		.pci_bus = (uint8_t)bus,
		.pci_device = (uint8_t)device,
		.pci_function = (uint8_t)function,
	};
	return true;
}

int viot_address_parse_pci(const char *text, struct viot_address *address, struct vio_error *err)
{
	uint64_t index;

	if (read_function(text, address))
		return 0;
	if (!read_number(text, UINT32_MAX, &index))
		return vio_fail(err, -EINVAL,
				"pci=%.60s: expected a number, 0 for the first VirtIO block device "
				"on the PCI bus, or a function such as 0000:00:04.0",
				text);
	*address = (struct viot_address){.kind = VIOT_PCI_INDEX, .pci_index = (uint32_t)index};
	return 0;
}

static int read_mmio(const struct found *found, struct viot_address *address, struct vio_error *err)
{
	uint64_t smem, irq;

	if (!read_number(found->smem, PHYSICAL_MAX - 1, &smem) || smem == 0 ||
	    smem % REGISTER_ALIGN != 0)
		return vio_fail(err, -EINVAL,
				"smem=%.60s: expected the guest-physical address of the device's "
				"registers, not 0 and a multiple of 4, for example smem=0x1c0d0000",
				found->smem);
	if (!read_number(found->irq, UINT32_MAX, &irq))
		return vio_fail(err, -EINVAL,
				"irq=%.60s: expected the interrupt number of the device as the "
				"hypervisor counts it, for example irq=41",
				found->irq);
	*address = (struct viot_address){
		.kind = VIOT_MMIO,
		.smem = smem,
		.irq = (uint32_t)irq,
	};
	return 0;
}

/* The slot of an option's value, and where the value starts. */
static const char **find_slot(struct found *found, const char *option, const char **value)
{
	const struct {
		const char *prefix;
		const char **slot;
	} slots[] = {
		{"smem=", &found->smem},
		{"irq=", &found->irq},
		{"pci=", &found->pci},
		{"fdt=", &found->fdt},
		{"vhost-user=", &found->vhost_user},
	};

	if (strcmp(option, "fdt") == 0) {
		*value = every;
		return &found->fdt;
	}
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		size_t size = strlen(slots[i].prefix);

		if (strncmp(option, slots[i].prefix, size) == 0) {
			*value = option + size;
			return slots[i].slot;
		}
	}
	return NULL;
}

static int add_option(struct found *found, const char *option, struct vio_error *err)
{
	const char *value = NULL;
	const char **slot = find_slot(found, option, &value);

	if (!slot)
		return vio_fail(err, -EINVAL,
				"'%.60s': expected the address of a device, "
				"'smem=ADDRESS,irq=NUMBER', 'pci=DEVICE', 'fdt' or "
				"'vhost-user=SOCKET'",
				option);
	if (*slot)
		return vio_fail(err, -EINVAL,
				"'%.60s': expected one address, found two values for the same "
				"option; remove one of them",
				option);
	*slot = value;
	return 0;
}

/* "3", "board.dtb", "board.dtb:3" */
static int read_fdt(const char *text, struct viot_address *address, struct vio_error *err)
{
	const char *colon = strrchr(text, ':');
	size_t size = strlen(text);
	uint64_t index = 0;

	*address = (struct viot_address){.kind = VIOT_FDT_ALL};
	if (read_number(text, UINT32_MAX, &index)) {
		size = 0;
		address->kind = VIOT_FDT_INDEX;
	} else if (colon && read_number(colon + 1, UINT32_MAX, &index)) {
		size = (size_t)(colon - text);
		address->kind = VIOT_FDT_INDEX;
	}
	if (size >= sizeof(address->fdt_file) || text == colon || (!*text && text != every))
		return vio_fail(err, -EINVAL,
				"fdt=%.60s: expected a number, 0 for the first VirtIO block device "
				"of the device tree, or the path of a dtb file of less than %d "
				"characters, for example 'fdt=board.dtb' or 'fdt=board.dtb:0'",
				text, VIOT_FDT_FILE_SIZE);
	memcpy(address->fdt_file, text, size);
	address->fdt_index = address->kind == VIOT_FDT_INDEX ? (uint32_t)index : 0;
	return 0;
}

static int check_fdt(const struct found *found, struct vio_error *err)
{
	const char *other = found->pci ? "pci=" : found->smem ? "smem=" : "irq=";

	if (!found->fdt || (!found->pci && !found->smem && !found->irq))
		return 0;
	return vio_fail(err, -EINVAL,
			"'fdt' finds the address by itself and '%s' gives one: expected one or the "
			"other; remove 'fdt' or '%s'",
			other, other);
}

static int check_vhost_user(const struct found *found, struct vio_error *err)
{
	const char *other = found->pci    ? "pci="
			    : found->smem ? "smem="
			    : found->irq  ? "irq="
			    : found->fdt  ? "fdt"
					  : NULL;

	if (!found->vhost_user || !other)
		return 0;
	return vio_fail(err, -EINVAL,
			"'vhost-user=%.60s' is a device of another process and '%s' is one of this "
			"machine: expected one or the other; remove 'vhost-user=' or '%s'",
			found->vhost_user, other, other);
}

static int read_vhost_user(const char *path, struct viot_address *address, struct vio_error *err)
{
	size_t size = strlen(path);

	if (size == 0 || size >= VIOT_VHOST_USER_SIZE)
		return vio_fail(err, -EINVAL,
				"vhost-user=%.60s: expected the path of a socket, of less than %d "
				"characters, for example 'vhost-user=/run/disk.sock'",
				path, VIOT_VHOST_USER_SIZE);
	*address = (struct viot_address){.kind = VIOT_VHOST_USER};
	memcpy(address->vhost_user, path, size + 1);
	return 0;
}

static int check_partners(const struct found *found, struct vio_error *err)
{
	if (found->pci && (found->smem || found->irq))
		return vio_fail(err, -EINVAL,
				"'pci=%.40s' is on the PCI bus and '%s' is not: expected one or "
				"the other; remove 'pci=' or 'smem=' and 'irq='",
				found->pci, found->smem ? "smem=" : "irq=");
	if (found->smem && !found->irq)
		return vio_fail(err, -EINVAL,
				"'smem=%.40s' without 'irq=': expected both; add the device's "
				"interrupt number, for example 'smem=%.40s,irq=41'",
				found->smem, found->smem);
	if (found->irq && !found->smem)
		return vio_fail(err, -EINVAL,
				"'irq=%.40s' without 'smem=': expected both; add the address of "
				"the device's registers, for example 'smem=0x1c0d0000,irq=%.40s'",
				found->irq, found->irq);
	return 0;
}

int viot_address_parse(const char *text, struct viot_address *address, struct vio_error *err)
{
	char copy[TEXT_MAX];
	char *rest = *text ? copy : NULL;
	struct found found = {0};
	int rc = 0;

	if (strlen(text) >= sizeof(copy))
		return vio_fail(err, -EINVAL,
				"'%.40s...': expected an address of less than %d characters, such "
				"as 'smem=0x1c0d0000,irq=41' or 'pci=0'",
				text, TEXT_MAX);
	memcpy(copy, text, strlen(text) + 1);
	while (!rc && rest)
		rc = add_option(&found, strsep(&rest, ","), err);
	if (!rc)
		rc = check_vhost_user(&found, err);
	if (!rc)
		rc = check_fdt(&found, err);
	if (!rc)
		rc = check_partners(&found, err);
	if (rc)
		return rc;
	if (found.vhost_user)
		return read_vhost_user(found.vhost_user, address, err);
	if (found.fdt)
		return read_fdt(found.fdt, address, err);
	if (found.smem && found.irq)
		return read_mmio(&found, address, err);
	return viot_address_parse_pci(found.pci ? found.pci : "0", address, err);
}
