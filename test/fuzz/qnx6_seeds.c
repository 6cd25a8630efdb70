/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes what the fuzzer begins with: the sample volume of each kind, and with each damage that
 * the unit tests plant. qnx6_seeds DIR
 */
#include <stdio.h>
#include <stdlib.h>

#include "qnx6_damage.h"

static const char *dir;
static unsigned written;

static int write_image(const struct sample *sample)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/seed-%03u", dir, written);
	file = fopen(path, "wb");
	if (!file || fwrite(sample->bytes, 1, sample->size, file) != sample->size || fclose(file)) {
		perror(path);
		return -1;
	}
	written++;
	return 0;
}

/* As the fuzz target takes it from the last four bytes. Super block 1 is before block 0. */
static void put_fault(const struct sample *sample, uint32_t block)
{
	uint64_t start =
		block > SAMPLE_BLOCKS ? 0 : sample->data_offset + block * sample->block_size;
	uint8_t *manner = sample->bytes + sample->size - 4;

	manner[0] = (uint8_t)(start / 512);
	manner[2] = 1;
}

static int write_damaged(const struct damage *damage, enum qnx6_order order)
{
	struct sample sample;
	int failed;

	sample_make(&sample, order, QNX6_LAYOUT_NO_BOOT, QNX6_BLOCK_MIN);
	if (damage->make)
		damage->make(&sample);
	else
		put_fault(&sample, damage->unreadable(&sample));
	failed = write_image(&sample);
	sample_free(&sample);
	return failed;
}

static int write_each(const struct damage *damage, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (write_damaged(&damage[i], i % 2 ? QNX6_BIG : QNX6_LITTLE))
			return -1;
	return 0;
}

static int write_sound(enum qnx6_order order, enum qnx6_layout layout, uint32_t block_size)
{
	struct sample sample;
	int failed;

	sample_make(&sample, order, layout, block_size);
	failed = write_image(&sample);
	sample_free(&sample);
	return failed;
}

static int write_all_sound(void)
{
	for (uint32_t size = QNX6_BLOCK_MIN; size <= 1024; size *= 2)
		for (int layout = QNX6_LAYOUT_BOOT; layout <= QNX6_LAYOUT_MMI; layout++)
			if (write_sound(QNX6_LITTLE, (enum qnx6_layout)layout, size) ||
			    write_sound(QNX6_BIG, (enum qnx6_layout)layout, size))
				return -1;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: qnx6_seeds DIR\n", stderr);
		return 2;
	}
	dir = argv[1];
	if (write_all_sound() || write_each(damage_of_volume, num_damage_of_volume) ||
	    write_each(damage_of_files, num_damage_of_files))
		return EXIT_FAILURE;
	printf("%u seeds\n", written);
	return EXIT_SUCCESS;
}
