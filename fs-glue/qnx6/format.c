/* SPDX-License-Identifier: BSD-3-Clause */
#include "format.h"

uint32_t qnx6_checksum(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t crc = 0;

	while (size--) {
		crc ^= (uint32_t)*bytes++ << 24;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc << 1) ^ (crc & 0x80000000u ? 0x04c11db7u : 0);
	}
	return crc;
}

uint32_t qnx6_super_checksum(const void *super)
{
	size_t begin = offsetof(struct qnx6_super, serial);

	return qnx6_checksum((const uint8_t *)super + begin, sizeof(struct qnx6_super) - begin);
}

uint32_t qnx6_name_checksum(const char *name, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum = ((sum >> 1) + (unsigned char)name[i]) ^ (sum & 1 ? 0x80000000u : 0);
	return sum;
}
