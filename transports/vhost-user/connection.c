/* SPDX-License-Identifier: BSD-3-Clause */
#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	FDS_MAX = 8, /* that we would notice; more are closed by the kernel */
	CONNECT_PAUSE_MS = 10,
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* False at the end of time. */
static bool wait_for(int fd, short events, uint64_t limit)
{
	struct pollfd wait = {.fd = fd, .events = events};

	for (;;) {
		uint64_t now = now_ms();
		int rc = now < limit ? poll(&wait, 1, (int)(limit - now)) : 0;

		if (rc == 0 || (rc > 0 && wait.revents)) {
			return rc > 0;
		}
		if (rc < 0 && errno != EINTR) {
			return false;
		}
	}
}

static int refuse(const struct vu_connection *c, int error, struct vio_error *err)
{
	if (error == ENOENT) {
		return vio_fail(err, -ENODEV,
				"vhost-user=%s: there is no such file: start the back end first, "
				"or correct the path of its socket",
				c->name);
	}
	if (error == ECONNREFUSED) {
		return vio_fail(err, -ENODEV,
				"vhost-user=%s: it is no socket that somebody listens on: start "
				"the back end first, or correct the path",
				c->name);
	}
	if (error == EAGAIN) {
		return vio_fail(err, -ETIMEDOUT,
				"vhost-user=%s: the back end did not take the connection within %u "
				"ms: does it serve somebody else?",
				c->name, c->timeout_ms);
	}
	return vio_fail(err, error == EACCES || error == EPERM ? -EACCES : -ENODEV,
			"vhost-user=%s: the socket cannot be connected to (%s)", c->name,
			strerror(error));
}

/* EAGAIN: others wait already, as many as the back end lets. */
static int try_to_connect(struct vu_connection *c, const struct sockaddr_un *address)
{
	uint64_t limit = now_ms() + c->timeout_ms;

	while (connect(c->socket, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		if ((errno != EAGAIN && errno != EINTR) || now_ms() >= limit) {
			return errno;
		}
		poll(NULL, 0, CONNECT_PAUSE_MS);
	}
	return 0;
}

int viot_vu_connect(struct vu_connection *c, struct vio_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = strlen(c->name);
	int error;

	if (size >= sizeof(address.sun_path)) {
		return vio_fail(err, -EINVAL,
				"vhost-user=%s: the path of a socket has less than %zu characters",
				c->name, sizeof(address.sun_path));
	}
	memcpy(address.sun_path, c->name, size);
	c->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->socket < 0) {
		return vio_fail(err, -ENOMEM, "vhost-user=%s: no socket (%s)", c->name,
				strerror(errno));
	}
	error = try_to_connect(c, &address);
	if (error) {
		viot_vu_disconnect(c);
		return refuse(c, error, err);
	}
	c->usable = true;
	return 0;
}

static void close_one(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
	*fd = -1;
}

void viot_vu_disconnect(struct vu_connection *c)
{
	close_one(&c->socket);
	close_one(&c->channel);
	c->usable = c->acks = false;
}

/* Both directions closed: that takes the other end. */
bool viot_vu_has_ended(const struct vu_connection *c)
{
	struct pollfd wait = {.fd = c->socket};

	return c->socket < 0 || (poll(&wait, 1, 0) > 0 && (wait.revents & POLLHUP));
}

bool viot_vu_ends_within(const struct vu_connection *c, unsigned wait_ms)
{
	return c->socket < 0 || wait_for(c->socket, 0, now_ms() + wait_ms);
}

bool viot_vu_give_up(struct vu_connection *c, unsigned wait_ms)
{
	c->usable = false;
	if (c->socket >= 0) {
		shutdown(c->socket, SHUT_WR);
	}
	return viot_vu_ends_within(c, wait_ms);
}

static int ended(struct vu_connection *c, const char *what, struct vio_error *err)
{
	c->usable = false;
	return vio_fail(err, -ENODEV, "vhost-user=%s: the back end closed the connection, at %s",
			c->name, what);
}

static int too_late(struct vu_connection *c, const char *what, struct vio_error *err)
{
	c->usable = false;
	return vio_fail(err, -ETIMEDOUT,
			"vhost-user=%s: the back end did not answer %s within %u ms: does it serve "
			"somebody else, or is it stopped?",
			c->name, what, c->timeout_ms);
}

static int nonsense(struct vu_connection *c, const char *what, const struct vu_header *found,
		    struct vio_error *err)
{
	c->usable = false;
	return vio_fail(err, -EPROTO,
			"vhost-user=%s: %s was answered by something else (request %u, flags 0x%x, "
			"%u bytes): is this the socket of a vhost-user back end?",
			c->name, what, found->request, found->flags, found->size);
}

static void attach(struct msghdr *header, void *space, size_t size, int fd)
{
	struct cmsghdr *control = space;

	memset(space, 0, size);
	header->msg_control = space;
	header->msg_controllen = CMSG_SPACE(sizeof(fd));
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(control), &fd, sizeof(fd));
}

/* The descriptor goes with the first byte. */
static int send_all(struct vu_connection *c, const struct vu_message *message, int fd,
		    uint64_t limit, struct vio_error *err)
{
	const char *what = viot_vu_name(message->header.request);
	size_t left = sizeof(message->header) + message->header.size;
	const char *at = (const char *)&message->header;
	_Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int))];

	while (left > 0) {
		struct iovec piece = {.iov_base = (void *)(uintptr_t)at, .iov_len = left};
		struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};
		ssize_t n;

		if (fd >= 0) {
			attach(&header, space, sizeof(space), fd);
		}
		n = sendmsg(c->socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			fd = -1;
			at += n;
			left -= (size_t)n;
		} else if (errno != EAGAIN && errno != EINTR) {
			return ended(c, what, err);
		} else if (!wait_for(c->socket, POLLOUT, limit)) {
			return too_late(c, what, err);
		}
	}
	return 0;
}

/* Nobody asked for any. */
static void close_received(struct msghdr *header)
{
	for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control;
	     control = CMSG_NXTHDR(header, control)) {
		size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; control->cmsg_type == SCM_RIGHTS && i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(control) + i * sizeof(fd), sizeof(fd));
			close(fd);
		}
	}
}

/* 0, -ENODEV at the end of the stream, or -ETIMEDOUT. */
static int receive(int socket, void *buffer, size_t left, uint64_t limit)
{
	_Alignas(struct cmsghdr) char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	char *at = buffer;

	while (left > 0) {
		struct iovec piece = {.iov_base = at, .iov_len = left};
		struct msghdr header = {.msg_iov = &piece,
					.msg_iovlen = 1,
					.msg_control = space,
					.msg_controllen = sizeof(space)};
		ssize_t n = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n > 0) {
			close_received(&header);
			at += n;
			left -= (size_t)n;
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			return -ENODEV;
		} else if (!wait_for(socket, POLLIN, limit)) {
			return -ETIMEDOUT;
		}
	}
	return 0;
}

static int receive_reply(struct vu_connection *c, enum vu_request request, struct vu_message *reply,
			 uint64_t limit, struct vio_error *err)
{
	const char *what = viot_vu_name(request);
	int rc = receive(c->socket, &reply->header, sizeof(reply->header), limit);

	if (rc == 0 && !viot_vu_is_possible(&reply->header)) {
		return nonsense(c, what, &reply->header, err);
	}
	if (rc == 0) {
		rc = receive(c->socket, &reply->payload, reply->header.size, limit);
	}
	if (rc < 0) {
		return rc == -ETIMEDOUT ? too_late(c, what, err) : ended(c, what, err);
	}
	return viot_vu_is_reply(reply, request) ? 0 : nonsense(c, what, &reply->header, err);
}

int viot_vu_call(struct vu_connection *c, struct vu_message *message, int fd,
		 struct vu_message *reply, struct vio_error *err)
{
	enum vu_request request = message->header.request;
	uint64_t limit = now_ms() + c->timeout_ms;
	struct vu_message ack;
	int rc;

	if (!c->usable) {
		return vio_fail(err, -ENODEV, "vhost-user=%s: the back end is not connected",
				c->name);
	}
	if (!reply && c->acks) {
		message->header.flags |= VU_NEED_REPLY;
	}
	rc = send_all(c, message, fd, limit, err);
	if (rc < 0 || (!reply && !c->acks)) {
		return rc;
	}
	rc = receive_reply(c, request, reply ? reply : &ack, limit, err);
	if (rc == 0 && !reply && ack.payload.u64 != 0) {
		return vio_fail(err, -EIO, "vhost-user=%s: the back end refuses %s (it says %llu)",
				c->name, viot_vu_name(request),
				(unsigned long long)ack.payload.u64);
	}
	return rc;
}

/* A message on this channel comes in one piece, or from somebody who is not to be trusted. */
int viot_vu_take_request(struct vu_connection *c)
{
	struct vu_message message;
	struct pollfd wait = {.fd = c->channel, .events = POLLIN};
	uint64_t limit = now_ms() + c->timeout_ms;
	int rc;

	if (c->channel < 0 || poll(&wait, 1, 0) <= 0) {
		return 0;
	}
	rc = receive(c->channel, &message.header, sizeof(message.header), limit);
	if (rc == 0 && !viot_vu_is_possible(&message.header)) {
		rc = -EPROTO;
	}
	if (rc == 0) {
		rc = receive(c->channel, &message.payload, message.header.size, limit);
	}
	if (rc == 0 && (message.header.flags & VU_NEED_REPLY)) {
		message.header.flags = VU_VERSION | VU_REPLY;
		message.header.size = sizeof(message.payload.u64);
		message.payload.u64 = message.header.request != VU_BACKEND_CONFIG_CHANGE;
		rc = send(c->channel, &message.header, sizeof(message.header) + message.header.size,
			  MSG_NOSIGNAL | MSG_DONTWAIT) > 0
			     ? 0
			     : -EPROTO;
	}
	if (rc < 0) {
		close_one(&c->channel);
		return rc;
	}
	return message.header.request <= UINT8_MAX ? (int)message.header.request : UINT8_MAX;
}
