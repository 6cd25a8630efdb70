/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs the fuzz target over files, where there is no clang: qnx6_replay FILE... */
#include <stdio.h>
#include <stdlib.h>

#include "qnx6_fuzz.h"

#define SIZE_MAX_INPUT ((size_t)16 << 20)

static int replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = malloc(SIZE_MAX_INPUT);
	size_t size;
	int failed;

	if (!file || !bytes) {
		perror(path);
		return -1;
	}
	size = fread(bytes, 1, SIZE_MAX_INPUT, file);
	failed = ferror(file);
	fclose(file);
	if (!failed)
		LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
	return failed ? -1 : 0;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs("usage: qnx6_replay FILE...\n", stderr);
		return 2;
	}
	for (int i = 1; i < argc; i++)
		if (replay(argv[i]))
			return EXIT_FAILURE;
	printf("%d inputs\n", argc - 1);
	return EXIT_SUCCESS;
}
