/* SPDX-License-Identifier: BSD-3-Clause */
#include <vio/log.h>

#include <stdarg.h>
#include <stdio.h>

static vio_log_sink *installed_sink;
static void *installed_context;

void vio_log_install(vio_log_sink *sink, void *context)
{
	installed_sink = sink;
	installed_context = context;
}

void vio_log(enum vio_log_level level, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!installed_sink) {
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	installed_sink(installed_context, level, text);
}
