/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket to a back end. Every call is bounded; one thread at a time. What the
 * back end sends is judged before it is used; descriptors that come with it are
 * closed. A connection on which anything went wrong is out of step: it is given up,
 * and only tells whether the other end has closed it.
 */
#ifndef VIOT_VHOST_USER_CONNECTION_H
#define VIOT_VHOST_USER_CONNECTION_H

#include "protocol.h"

struct vu_connection {
	int socket;  /* -1: none */
	int channel; /* what the back end asks us on; -1: none */
	bool usable; /* nothing went wrong so far */
	bool acks;   /* REPLY_ACK: what has no answer of its own is confirmed */
	unsigned timeout_ms;
	const char *name; /* for sentences: the path of the socket */
};

/* -ENODEV: nobody listens there; -ETIMEDOUT, -EACCES, -EINVAL; each with a sentence. */
int viot_vu_connect(struct vu_connection *c, struct vio_error *err);
void viot_vu_disconnect(struct vu_connection *c);
/* The other end has closed it, or there is none. */
bool viot_vu_has_ended(const struct vu_connection *c);
/* Or it does so within @wait_ms. */
bool viot_vu_ends_within(const struct vu_connection *c, unsigned wait_ms);
/* No more is said; true if the other end has closed it within @wait_ms. */
bool viot_vu_give_up(struct vu_connection *c, unsigned wait_ms);

/*
 * Send @message, with descriptor @fd unless it is -1, and wait for the answer if it has
 * one of its own (@reply is not NULL), or is to be confirmed. Returns 0, or with a
 * sentence -ENODEV (closed), -ETIMEDOUT, -EPROTO (something else came), or -EIO (the
 * back end refused it: the connection stays usable).
 */
int viot_vu_call(struct vu_connection *c, struct vu_message *message, int fd,
		 struct vu_message *reply, struct vio_error *err);

/*
 * What the back end asks, if it does, is answered. Returns VU_BACKEND_…, 0 if there is
 * nothing (more), or a negative errno: the channel is of no more use.
 */
int viot_vu_take_request(struct vu_connection *c);

#endif
