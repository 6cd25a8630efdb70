/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct vu_header) == 12, "as on the wire");
_Static_assert(offsetof(struct vu_message, payload) ==
		       offsetof(struct vu_message, header) + sizeof(struct vu_header),
	       "as on the wire");
_Static_assert(sizeof(struct vu_vring_address) == 40, "as on the wire");
_Static_assert(sizeof(struct vu_memory_table) == 40, "as on the wire");
_Static_assert(sizeof(struct vu_memory_slot) == 40, "as on the wire");
_Static_assert(VU_CONFIG_HEADER == 12, "as on the wire");

static void make(struct vu_message *message, enum vu_request request, size_t size)
{
	memset(message, 0, sizeof(*message));
	message->header.request = request;
	message->header.flags = VU_VERSION;
	message->header.size = (uint32_t)size;
}

void viot_vu_make(struct vu_message *message, enum vu_request request)
{
	make(message, request, 0);
}

void viot_vu_make_u64(struct vu_message *message, enum vu_request request, uint64_t value)
{
	make(message, request, sizeof(message->payload.u64));
	message->payload.u64 = value;
}

void viot_vu_make_state(struct vu_message *message, enum vu_request request, uint32_t index,
			uint32_t num)
{
	make(message, request, sizeof(message->payload.state));
	message->payload.state.index = index;
	message->payload.state.num = num;
}

void viot_vu_make_address(struct vu_message *message, uint32_t index,
			  const struct vio_ring_address *ring)
{
	make(message, VU_SET_VRING_ADDR, sizeof(message->payload.address));
	message->payload.address.index = index;
	message->payload.address.descriptors = ring->descriptors.raw;
	message->payload.address.available = ring->driver_area.raw;
	message->payload.address.used = ring->device_area.raw;
}

void viot_vu_make_memory(struct vu_message *message, bool by_slot, uint64_t address, uint64_t size)
{
	struct vu_region region = {
		.guest_address = address,
		.user_address = address,
		.size = size,
	};

	if (by_slot) {
		make(message, VU_ADD_MEM_REG, sizeof(message->payload.slot));
		message->payload.slot.region = region;
	} else {
		make(message, VU_SET_MEM_TABLE, sizeof(message->payload.table));
		message->payload.table.count = 1;
		message->payload.table.region = region;
	}
}

int viot_vu_make_config(struct vu_message *message, size_t offset, const void *data, size_t size)
{
	if (size == 0 || size > VU_CONFIG_MAX || offset > VU_CONFIG_MAX - size) {
		return -EINVAL;
	}
	make(message, data ? VU_SET_CONFIG : VU_GET_CONFIG, VU_CONFIG_HEADER + size);
	message->payload.config.offset = (uint32_t)offset;
	message->payload.config.size = (uint32_t)size;
	if (data) {
		memcpy(message->payload.config.data, data, size);
	}
	return 0;
}

bool viot_vu_is_possible(const struct vu_header *header)
{
	return (header->flags & VU_VERSION_MASK) == VU_VERSION &&
	       header->size <= sizeof(((struct vu_message *)NULL)->payload);
}

bool viot_vu_is_reply(const struct vu_message *reply, enum vu_request request)
{
	size_t size = reply->header.size;

	if (reply->header.request != (uint32_t)request || !(reply->header.flags & VU_REPLY)) {
		return false;
	}
	if (request == VU_GET_CONFIG) {
		return size == 0 || size > VU_CONFIG_HEADER;
	}
	return size == (request == VU_GET_VRING_BASE ? sizeof(reply->payload.state)
						     : sizeof(reply->payload.u64));
}

int viot_vu_take_config(const struct vu_message *reply, void *config, size_t size)
{
	const struct vu_config *found = &reply->payload.config;

	if (reply->header.size == 0) {
		return -ENOTSUP;
	}
	if (reply->header.size != VU_CONFIG_HEADER + size || found->offset != 0 ||
	    found->size != size) {
		return -EPROTO;
	}
	memcpy(config, found->data, size);
	return 0;
}

const char *viot_vu_name(enum vu_request request)
{
	static const char *const names[] = {
		[VU_GET_FEATURES] = "GET_FEATURES",
		[VU_SET_FEATURES] = "SET_FEATURES",
		[VU_SET_OWNER] = "SET_OWNER",
		[VU_SET_MEM_TABLE] = "SET_MEM_TABLE",
		[VU_SET_VRING_NUM] = "SET_VRING_NUM",
		[VU_SET_VRING_ADDR] = "SET_VRING_ADDR",
		[VU_SET_VRING_BASE] = "SET_VRING_BASE",
		[VU_GET_VRING_BASE] = "GET_VRING_BASE",
		[VU_SET_VRING_KICK] = "SET_VRING_KICK",
		[VU_SET_VRING_CALL] = "SET_VRING_CALL",
		[VU_GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES",
		[VU_SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES",
		[VU_GET_QUEUE_NUM] = "GET_QUEUE_NUM",
		[VU_SET_VRING_ENABLE] = "SET_VRING_ENABLE",
		[VU_SET_BACKEND_REQ_FD] = "SET_BACKEND_REQ_FD",
		[VU_GET_CONFIG] = "GET_CONFIG",
		[VU_SET_CONFIG] = "SET_CONFIG",
		[VU_RESET_DEVICE] = "RESET_DEVICE",
		[VU_GET_MAX_MEM_SLOTS] = "GET_MAX_MEM_SLOTS",
		[VU_ADD_MEM_REG] = "ADD_MEM_REG",
		[VU_SET_STATUS] = "SET_STATUS",
		[VU_GET_STATUS] = "GET_STATUS",
	};

	return request < sizeof(names) / sizeof(names[0]) && names[request] ? names[request]
									    : "a message";
}
