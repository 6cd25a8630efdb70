/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Errors: a number for the program, a sentence for the person.
 *
 * Functions return 0 (or a count) or a negative errno from this closed list:
 *
 *   -EAGAIN     the queue is full; reap, then submit again
 *   -EINVAL     the caller asked for what no device can do (alignment, range, state)
 *   -EROFS      a write to a read-only device
 *   -ENOSPC     a request that reaches beyond the end of the device
 *   -EIO        the device reported that the request failed
 *   -EPROTO     the device broke the VirtIO specification
 *   -ENODEV     no device there, or it is gone
 *   -ENOTSUP    the device, or this machine, does not offer it
 *   -ENOMEM     memory, or memory that the device can reach, ran out
 *   -EACCES     this process may not reach the device
 *   -EBUSY      somebody else drives the device
 *   -ETIMEDOUT  the device did not answer in time
 *
 * Where a person has to act, a `struct vio_error` carries one sentence: what
 * was expected, what was found, where, and what to do.
 */
#ifndef VIO_ERROR_H
#define VIO_ERROR_H

#include <vio/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Owned by the caller; set only when a function fails. */
struct vio_error {
	char text[320];
};

/**
 * vio_fail - write the sentence and return the number
 * @err: may be NULL, then only @code is returned
 * @code: a negative errno of the list above
 *
 * Any thread. A text that does not fit is cut.
 */
VIO_EXPORT int vio_fail(struct vio_error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif

#endif
