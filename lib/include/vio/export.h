/* SPDX-License-Identifier: BSD-3-Clause */
/* Marks what the shared library exports; everything else stays hidden. */
#ifndef VIO_EXPORT_H
#define VIO_EXPORT_H

#define VIO_EXPORT __attribute__((visibility("default")))

#endif
