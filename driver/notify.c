/* SPDX-License-Identifier: BSD-3-Clause */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <vio/log.h>

/* "@name" is in the abstract namespace. Returns the length, 0 if there can be no such socket. */
static socklen_t address_of(const char *name, struct sockaddr_un *address)
{
	size_t size = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || size < 2 || size >= sizeof(address->sun_path)) {
		return 0;
	}
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, name, size);
	if (name[0] == '@') {
		address->sun_path[0] = '\0';
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	}
	return sizeof(*address);
}

static int send_to(const char *name, const char *text)
{
	struct sockaddr_un address;
	socklen_t size = address_of(name, &address);
	int fd, rc = 0;

	if (size == 0) {
		return -EINVAL;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -errno;
	}
	/* it blocks no longer than the manager, which waits for this, takes to read */
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, size) <
	    0) {
		rc = -errno;
	}
	close(fd);
	return rc;
}

void devb_notify_ready(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int rc = name && *name ? send_to(name, "READY=1") : 0;

	if (rc < 0) {
		vio_log(VIO_LOG_WARN, "the service manager at NOTIFY_SOCKET=%s was not told (%s)",
			name, strerror(-rc));
	}
}
