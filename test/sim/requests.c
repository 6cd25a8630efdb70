/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VirtIO 1.2, 5.2.6, from the device's side. A request looks like this:
 *
 *   segment 0         readable   type 4, reserved 4, sector 8
 *   segments 1..n-2   data
 *   segment n-1       writable   status 1
 */
#include "internal.h"

#include <endian.h>
#include <string.h>

enum {
	HEADER_SIZE = 16,
	ID_SIZE = 20,
	STATUS_LARGEST = 2,
	RANGE_SIZE = 16,
	LIFETIME_SIZE = 6,
	F_LIFETIME = 15, /* the kernel's headers may lack them */
	T_GET_LIFETIME = 10,
	DISCARDED = 0xdd, /* what was discarded is full of this */
};

static const char disk_id[ID_SIZE] = "simulated disk";

static bool has(const struct sim *sim, unsigned bit)
{
	return (sim->accepted & (UINT64_C(1) << bit)) != 0;
}

static void reject(struct sim *sim, struct sim_request *request, const char *why)
{
	sim_complain(sim, "request of type %u: %s", request->type, why);
	request->malformed = true;
}

static void parse_header(struct sim *sim, struct sim_request *request)
{
	const struct sim_segment *segment = &request->chain.segments[0];
	uint32_t words[2];
	const uint8_t *header;

	if (segment->writable || segment->length != HEADER_SIZE) {
		reject(sim, request, "it has no header");
		return;
	}
	header = sim_pool_at(sim->pool, segment->iova, HEADER_SIZE);
	if (!header) {
		reject(sim, request, "its header is out of reach");
		return;
	}
	memcpy(words, header, sizeof(words));
	memcpy(&request->sector, header + 8, 8);
	request->type = le32toh(words[0]);
	request->sector = le64toh(request->sector);
	if (words[1] != 0) {
		reject(sim, request, "the reserved field of its header is not 0");
	}
}

static uint8_t *status_byte(struct sim *sim, const struct sim_request *request)
{
	const struct sim_segment *last = &request->chain.segments[request->chain.count - 1];

	if (!last->writable || last->length != 1) {
		return NULL;
	}
	return sim_pool_at(sim->pool, last->iova, 1);
}

static bool is_range(uint32_t type)
{
	return type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES ||
	       type == VIRTIO_BLK_T_SECURE_ERASE;
}

/* Data segments, all in the direction of the type; returns their bytes. */
static uint64_t check_data(struct sim *sim, struct sim_request *request)
{
	bool writable = request->type != VIRTIO_BLK_T_OUT && !is_range(request->type);
	uint32_t size_max = le32toh(sim->options.config.size_max);
	unsigned count = request->chain.count - 2;
	uint64_t total = 0;

	for (unsigned i = 1; i <= count; i++) {
		const struct sim_segment *segment = &request->chain.segments[i];

		if (segment->writable != writable) {
			reject(sim, request, "data goes in the wrong direction");
		}
		if (has(sim, VIRTIO_BLK_F_SIZE_MAX) && size_max && segment->length > size_max) {
			reject(sim, request, "a segment exceeds size_max");
		}
		total += segment->length;
	}
	if (has(sim, VIRTIO_BLK_F_SEG_MAX) && le32toh(sim->options.config.seg_max) &&
	    count > le32toh(sim->options.config.seg_max)) {
		reject(sim, request, "it has more than seg_max segments");
	}
	if (count > sim->counts.most_segments) {
		sim->counts.most_segments = count;
	}
	return total;
}

static void check_transfer(struct sim *sim, struct sim_request *request, uint64_t bytes)
{
	uint32_t block = has(sim, VIRTIO_BLK_F_BLK_SIZE) ? le32toh(sim->options.config.blk_size)
							 : SIM_SECTOR;

	if (bytes == 0 || bytes % block != 0 || request->sector % (block / SIM_SECTOR) != 0) {
		reject(sim, request, "it is not a whole number of blocks");
	}
	if (request->type == VIRTIO_BLK_T_OUT && has(sim, VIRTIO_BLK_F_RO)) {
		reject(sim, request, "it writes to a read-only device");
	}
}

/* The one segment of a command on ranges: sector 8, sectors 4, flags 4. */
static bool take_range(struct sim *sim, struct sim_request *request)
{
	const struct sim_segment *segment = &request->chain.segments[1];
	const uint8_t *range = request->chain.count == 3
				       ? sim_pool_at(sim->pool, segment->iova, segment->length)
				       : NULL;

	if (!range || segment->length != RANGE_SIZE) {
		return false;
	}
	memcpy(&request->sector, range, 8);
	memcpy(&request->sectors, range + 8, 4);
	memcpy(&request->flags, range + 12, 4);
	request->sector = le64toh(request->sector);
	request->sectors = le32toh(request->sectors);
	request->flags = le32toh(request->flags);
	return true;
}

static void check_range(struct sim *sim, struct sim_request *request, uint64_t bytes)
{
	const struct virtio_blk_config *config = &sim->options.config;
	const struct {
		unsigned feature;
		uint32_t max, alignment;
	} limits[] = {
		[VIRTIO_BLK_T_DISCARD] = {VIRTIO_BLK_F_DISCARD, config->max_discard_sectors,
					  config->discard_sector_alignment},
		[VIRTIO_BLK_T_WRITE_ZEROES] = {VIRTIO_BLK_F_WRITE_ZEROES,
					       config->max_write_zeroes_sectors, 0},
		[VIRTIO_BLK_T_SECURE_ERASE] = {VIRTIO_BLK_F_SECURE_ERASE,
					       config->max_secure_erase_sectors,
					       config->secure_erase_sector_alignment},
	};
	uint32_t alignment = le32toh(limits[request->type].alignment);
	bool may_unmap =
		request->type == VIRTIO_BLK_T_WRITE_ZEROES && config->write_zeroes_may_unmap;

	if (!has(sim, limits[request->type].feature) || request->sector != 0) {
		reject(sim, request, "it was not negotiated, or its header names a sector");
	} else if (bytes != RANGE_SIZE || !take_range(sim, request)) {
		reject(sim, request, "one range of 16 bytes was expected");
	} else if (request->sectors == 0 || request->sectors > le32toh(limits[request->type].max) ||
		   (alignment && (request->sector % alignment || request->sectors % alignment))) {
		reject(sim, request, "its range is too long, or not aligned");
	} else if (request->flags & ~(may_unmap ? 1u : 0u)) {
		reject(sim, request, "its flags are not for this device");
	} else if (has(sim, VIRTIO_BLK_F_RO)) {
		reject(sim, request, "it writes to a read-only device");
	}
}

static void check_by_type(struct sim *sim, struct sim_request *request, uint64_t bytes)
{
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		check_transfer(sim, request, bytes);
		break;
	case VIRTIO_BLK_T_FLUSH:
		if (bytes != 0 || request->sector != 0 || !has(sim, VIRTIO_BLK_F_FLUSH)) {
			reject(sim, request, "this is no flush that this device knows");
		}
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
	case VIRTIO_BLK_T_SECURE_ERASE:
		check_range(sim, request, bytes);
		break;
	case T_GET_LIFETIME:
		if (bytes != LIFETIME_SIZE || !has(sim, F_LIFETIME)) {
			reject(sim, request, "this device tells no lifetime, or in 6 bytes");
		}
		break;
	case VIRTIO_BLK_T_GET_ID:
		if (bytes != ID_SIZE) {
			reject(sim, request, "an id has 20 bytes");
		}
		break;
	default:
		reject(sim, request, "no such type was negotiated");
	}
}

void sim_request_parse(struct sim *sim, struct sim_request *request)
{
	const uint8_t *status;

	sim->counts.tables += request->chain.has_table;
	if (request->chain.count < 2) {
		reject(sim, request, "it is too short");
		return;
	}
	parse_header(sim, request);
	status = status_byte(sim, request);
	if (!status) {
		reject(sim, request, "it has no status byte");
	} else if (*status <= STATUS_LARGEST) {
		reject(sim, request, "its status byte looks answered already");
	}
	if (!request->malformed) {
		check_by_type(sim, request, check_data(sim, request));
	}
	if (request->type < sizeof(sim->counts.requests) / sizeof(sim->counts.requests[0])) {
		sim->counts.requests[request->type]++;
	}
}

/* Between the data segments and @bytes; as much as there is of both. */
static uint8_t move(struct sim *sim, struct sim_request *request, uint8_t *bytes, size_t size)
{
	for (unsigned i = 1; i + 1 < request->chain.count && size; i++) {
		const struct sim_segment *segment = &request->chain.segments[i];
		size_t n = segment->length < size ? segment->length : size;
		uint8_t *memory = sim_pool_at(sim->pool, segment->iova, segment->length);

		if (!memory) {
			return VIRTIO_BLK_S_IOERR;
		}
		if (segment->writable) {
			memcpy(memory, bytes, n);
			request->written += (uint32_t)n;
		} else {
			memcpy(bytes, memory, n);
		}
		bytes += n;
		size -= n;
	}
	return VIRTIO_BLK_S_OK;
}

static uint64_t data_bytes(const struct sim_request *request)
{
	uint64_t total = 0;

	for (unsigned i = 1; i + 1 < request->chain.count; i++) {
		total += request->chain.segments[i].length;
	}
	return total;
}

/* After a shrink the driver may not know yet: an error, not a complaint. */
static bool is_on_disk(struct sim *sim, uint64_t sector, uint64_t sectors)
{
	uint64_t capacity;

	memcpy(&capacity, sim->config, sizeof(capacity));
	capacity = le64toh(capacity);
	if (capacity > sim->disk_size / SIM_SECTOR) {
		capacity = sim->disk_size / SIM_SECTOR;
	}
	return sector <= capacity && sectors <= capacity - sector;
}

static uint8_t run_range(struct sim *sim, struct sim_request *request)
{
	if (!is_on_disk(sim, request->sector, request->sectors)) {
		return VIRTIO_BLK_S_IOERR;
	}
	memset(sim->disk + request->sector * SIM_SECTOR,
	       request->type == VIRTIO_BLK_T_DISCARD ? DISCARDED : 0,
	       (size_t)request->sectors * SIM_SECTOR);
	sim->counts.unmaps += request->flags;
	return VIRTIO_BLK_S_OK;
}

static uint8_t transfer(struct sim *sim, struct sim_request *request)
{
	uint64_t bytes = data_bytes(request);

	if (!is_on_disk(sim, request->sector, bytes / SIM_SECTOR)) {
		return VIRTIO_BLK_S_IOERR;
	}
	return move(sim, request, sim->disk + request->sector * SIM_SECTOR, bytes);
}

uint8_t sim_request_run(struct sim *sim, struct sim_request *request)
{
	static const uint8_t lifetime[LIFETIME_SIZE] = {1, 0, 2, 0, 3, 0};
	uint8_t id[ID_SIZE];

	if (request->malformed) {
		return VIRTIO_BLK_S_UNSUPP;
	}
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		return transfer(sim, request);
	case VIRTIO_BLK_T_GET_ID:
		memcpy(id, disk_id, sizeof(id));
		return move(sim, request, id, sizeof(id));
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
	case VIRTIO_BLK_T_SECURE_ERASE:
		return run_range(sim, request);
	case T_GET_LIFETIME:
		memcpy(id, lifetime, sizeof(lifetime));
		return move(sim, request, id, sizeof(lifetime));
	default:
		return VIRTIO_BLK_S_OK;
	}
}

void sim_request_touch(struct sim *sim, const struct sim_request *request)
{
	for (unsigned i = 0; i < request->chain.count && !request->malformed; i++) {
		const struct sim_segment *segment = &request->chain.segments[i];

		sim_pool_at(sim->pool, segment->iova, segment->length);
	}
}

void sim_request_answer(struct sim *sim, struct sim_request *request, uint8_t status)
{
	uint8_t *byte = request->chain.count ? status_byte(sim, request) : NULL;

	if (byte) {
		*byte = status;
		request->written++;
	}
}
