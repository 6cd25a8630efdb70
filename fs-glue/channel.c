/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

void fsg_channel_end(struct fsg_channel *channel)
{
	channel->ended = true;
}

struct io_uring_sqe *fsg_channel_sqe(struct fsg_channel *channel)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(channel->ring);

	if (sqe || io_uring_submit(channel->ring) < 0)
		return sqe;
	return io_uring_get_sqe(channel->ring);
}

void fsg_channel_attach(struct fsg_channel *channel, struct io_uring *ring)
{
	channel->ring = ring;
}

/* What the first channel has agreed upon holds for all. False until then. */
static bool is_introduced(struct fsg_channel *channel)
{
	if (!channel->has_learned && fsg_channel_is_greeted(channel)) {
		channel->has_learned = true;
		fsg_session_learn(channel);
	}
	return channel->has_learned;
}

void fsg_channel_prepare(struct fsg_channel *channel)
{
	if (channel->ended || (channel->index > 0 && !is_introduced(channel)))
		return;
	if (channel->entries)
		fsg_uring_prepare(channel);
	fsg_device_prepare(channel);
}

void fsg_channel_completed(struct fsg_channel *channel, uint64_t data, int result)
{
	void *owner = (void *)(uintptr_t)(data & ~(uint64_t)FSG_TAG_MASK);

	switch ((enum fsg_tag)(data & FSG_TAG_MASK)) {
	case FSG_TAG_ANSWER:
		fsg_device_answered(owner);
		break;
	case FSG_TAG_READ:
		fsg_device_received(channel, result);
		break;
	case FSG_TAG_ENTRY:
		fsg_uring_fetched(owner, result);
		break;
	case FSG_TAG_CANCEL:
	case FSG_TAG_MASK:
		break;
	}
}

bool fsg_channel_stop(struct fsg_channel *channel)
{
	channel->stopping = true;
	fsg_device_cancel(channel);
	return !channel->reading && channel->answers == 0;
}

bool fsg_channel_is_greeted(const struct fsg_channel *channel)
{
	return atomic_load_explicit(&channel->connection->greeted, memory_order_acquire);
}

bool fsg_channel_ended(const struct fsg_channel *channel)
{
	return channel->ended;
}

unsigned fsg_channel_in_flight(const struct fsg_channel *channel)
{
	return channel->in_flight;
}

bool fsg_channel_uses_uring(const struct fsg_channel *channel)
{
	return channel->uses_uring;
}

unsigned fsg_channel_open_files(const struct fsg_channel *channel)
{
	/* After the end nothing is heard of them. */
	return channel->ended ? 0 : atomic_load(&channel->connection->open_files);
}
