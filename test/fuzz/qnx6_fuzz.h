/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_QNX6_FUZZ_H
#define TEST_QNX6_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's name for it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
