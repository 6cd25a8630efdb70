/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of the vhost-user protocol, as a front end sees them. Pure: makes and
 * judges bytes, moves none. The names and numbers are those of the protocol's
 * specification ("Vhost-user Protocol", QEMU's documentation); no kernel header has
 * them. Everything is in the byte order of the machine.
 */
#ifndef VIOT_VHOST_USER_PROTOCOL_H
#define VIOT_VHOST_USER_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vio/error.h>
#include <vio/transport.h>

enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_SET_MEM_TABLE = 5,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_RESET_DEVICE = 34,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_SET_STATUS = 39,
	VU_GET_STATUS = 40,
};

/* What a back end asks for, on the channel that was made for it. */
enum vu_backend_request {
	VU_BACKEND_CONFIG_CHANGE = 2,
};

enum vu_protocol_feature {
	VU_F_MQ = 0,
	VU_F_REPLY_ACK = 3,
	VU_F_BACKEND_REQ = 5,
	VU_F_CONFIG = 9,
	VU_F_RESET_DEVICE = 13,
	VU_F_CONFIGURE_MEM_SLOTS = 15,
	VU_F_STATUS = 16,
};

/* Feature bits of a device that are the protocol's own. */
#define VU_F_PROTOCOL_FEATURES 30
#define VU_F_LOG_ALL           26

enum {
	VU_VERSION = 1,
	VU_VERSION_MASK = 3,
	VU_REPLY = 1 << 2,
	VU_NEED_REPLY = 1 << 3,
	VU_CONFIG_MAX = 256,
	VU_NO_FD = 1 << 8, /* of what goes with KICK and CALL: no descriptor comes with it */
};

struct vu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload, bytes */
};

struct vu_vring_state {
	uint32_t index;
	uint32_t num;
};

struct vu_vring_address {
	uint32_t index;
	uint32_t flags;
	uint64_t descriptors, used, available; /* in the address space of the front end */
	uint64_t log;
};

struct vu_region {
	uint64_t guest_address;
	uint64_t size;
	uint64_t user_address; /* in the address space of the front end */
	uint64_t mmap_offset;
};

struct vu_memory_table {
	uint32_t count;
	uint32_t padding;
	struct vu_region region;
};

struct vu_memory_slot {
	uint64_t padding;
	struct vu_region region;
};

struct vu_config {
	uint32_t offset, size, flags;
	uint8_t data[VU_CONFIG_MAX];
};

#define VU_CONFIG_HEADER offsetof(struct vu_config, data)

/* From header on as on the wire, where 12 bytes come before what wants to be aligned to 8. */
struct vu_message {
	uint32_t not_sent;
	struct vu_header header;
	union {
		uint64_t u64;
		struct vu_vring_state state;
		struct vu_vring_address address;
		struct vu_memory_table table;
		struct vu_memory_slot slot;
		struct vu_config config;
		uint8_t bytes[sizeof(struct vu_config)];
	} payload;
};

/* A request without payload, or with @value or @state as one. */
void viot_vu_make(struct vu_message *message, enum vu_request request);
void viot_vu_make_u64(struct vu_message *message, enum vu_request request, uint64_t value);
void viot_vu_make_state(struct vu_message *message, enum vu_request request, uint32_t index,
			uint32_t num);
/* SET_VRING_ADDR; our addresses and the device's are the same numbers. */
void viot_vu_make_address(struct vu_message *message, uint32_t index,
			  const struct vio_ring_address *ring);
/* One piece of memory, by ADD_MEM_REG if @by_slot, else by SET_MEM_TABLE. */
void viot_vu_make_memory(struct vu_message *message, bool by_slot, uint64_t address, uint64_t size);
/* GET_CONFIG, or SET_CONFIG with @data; -EINVAL beyond VU_CONFIG_MAX. */
int viot_vu_make_config(struct vu_message *message, size_t offset, const void *data, size_t size);

/* Whether a payload follows that can be received at all: before it is. */
bool viot_vu_is_possible(const struct vu_header *header);
/* Whether this is the answer to @request, and the size of its payload is right for that. */
bool viot_vu_is_reply(const struct vu_message *reply, enum vu_request request);
/*
 * What GET_CONFIG brought for @size bytes from 0 on, into @config; -ENOTSUP: it was
 * refused; -EPROTO: it is not what was asked for.
 */
int viot_vu_take_config(const struct vu_message *reply, void *config, size_t size);

/* "GET_FEATURES", for people. */
const char *viot_vu_name(enum vu_request request);

#endif
