/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the library has to say while it runs. It never prints: a program that
 * wants to hear installs a sink; without one, messages are dropped.
 */
#ifndef VIO_LOG_H
#define VIO_LOG_H

#include <vio/export.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vio_log_level {
	VIO_LOG_ERROR, /* something stopped working */
	VIO_LOG_WARN,  /* works, but not as asked */
	VIO_LOG_INFO,  /* once per device: what was found and chosen */
	VIO_LOG_DEBUG, /* steps of opening and closing */
};

/* @text is one line without a newline, valid during the call only. */
typedef void vio_log_sink(void *context, enum vio_log_level level, const char *text);

/**
 * vio_log_install - install the sink of this process, or NULL for none
 *
 * Call before any other thread uses the library. The sink may be called from
 * every thread that does.
 */
VIO_EXPORT void vio_log_install(vio_log_sink *sink, void *context);

/**
 * vio_log - hand a line to the sink
 *
 * Any thread. For transports and device classes; never called per request.
 */
VIO_EXPORT void vio_log(enum vio_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif

#endif
