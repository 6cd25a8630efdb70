/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVB_LIST_H
#define DEVB_LIST_H

#include <stdio.h>

#include <vio/error.h>

/* devb-virtio --list: every VirtIO device found, who has it, and how to start on it. */
int devb_list_print(FILE *out, struct vio_error *err);

#endif
