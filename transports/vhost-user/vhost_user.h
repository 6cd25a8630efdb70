/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that another process of this machine serves (vhost-user), as a
 * transport; private to this folder.
 *
 *   protocol.c     messages, without moving any
 *   connection.c   the socket, bounded
 *   memory.c       what both processes map
 *   session.c      from a connection to a device that can be negotiated with
 *   queues.c       rings: eventfds, handing over, stopping
 *   device.c       struct vio_transport: registers that are not there
 *
 * The status register is ours alone, unless the back end has one. A connection that
 * ended is a device that is gone, and may return: see vhost-user in open.h.
 */
#ifndef VIOT_VHOST_USER_PRIVATE_H
#define VIOT_VHOST_USER_PRIVATE_H

#include "connection.h"
#include "platform.h"

/* Chosen: where our memory is for the back end; not 0, and nobody's real address. */
#define VU_MEMORY_BASE UINT64_C(0x100000000)

enum {
	VU_QUEUE_SIZE_MAX = 1024, /* the protocol does not say; what back ends allocate for */
};

struct vhost_user {
	struct viot_base base; /* first */
	struct vu_connection connection;
	char path[VIOT_VHOST_USER_SIZE];

	/* of the connection */
	uint64_t features; /* the device's and the protocol's */
	uint64_t protocol_features;
	uint16_t queues;
	bool knows_memory;
	bool is_started[VIOT_QUEUES_MAX]; /* the back end has the ring */

	uint8_t status;
	bool are_features_refused;
	uint32_t generation; /* counts the changes that the back end told */
	uint64_t accepted;   /* features */
	size_t config_size;  /* of what is in config; 0: to be asked for */
	uint8_t config[VU_CONFIG_MAX];

	int kick[VIOT_QUEUES_MAX]; /* eventfds; those of completions are in base.interrupt */
};

static inline struct vhost_user *viot_vu_of(struct vio_transport *t)
{
	return (struct vhost_user *)t; /* first member of its first member */
}

static inline bool viot_vu_has(const struct vhost_user *vu, enum vu_protocol_feature bit)
{
	return (vu->protocol_features >> bit & 1) != 0;
}

extern const struct vio_transport_ops viot_vu_ops;

/* memory.c */
int viot_vu_memory_open(struct vio_dma **dma, size_t size, struct vio_error *err);
int viot_vu_memory_file(const struct vio_dma *dma);

/* session.c: connect and shake hands; on failure nothing is left of it */
int viot_vu_session_open(struct vhost_user *vu, struct vio_error *err);
/* After something failed on the connection: the device counts as gone. */
void viot_vu_lose(struct vhost_user *vu);
/* The configuration, if it is not known already. */
int viot_vu_session_config(struct vhost_user *vu, struct vio_error *err);
/* News that the back end has for us; VIO_EVENT_… bits. */
unsigned viot_vu_session_news(struct vhost_user *vu);

/* queues.c */
int viot_vu_queue_setup(struct vio_transport *t, uint16_t index,
			const struct vio_ring_address *ring, struct vio_error *err);
int viot_vu_queues_enable(struct vhost_user *vu, struct vio_error *err);
/* 0: the back end has let go of all rings, by its own word or by its end. */
int viot_vu_queues_stop(struct vhost_user *vu);
void viot_vu_queues_close(struct vhost_user *vu);

#endif
