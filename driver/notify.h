/* SPDX-License-Identifier: BSD-3-Clause */
/* Telling the service manager, as sd_notify(3) does. */
#ifndef DEVB_NOTIFY_H
#define DEVB_NOTIFY_H

/*
 * The volumes can be opened: "READY=1" to the socket that $NOTIFY_SOCKET names, if
 * there is one. A socket that does not take it costs a warning.
 */
void devb_notify_ready(void);

#endif
