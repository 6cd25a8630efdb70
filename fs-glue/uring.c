/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FUSE over io_uring: an answer and the wait for the next message are one command,
 * and one submission carries many of them.
 *
 * The kernel has a queue for each possible CPU and begins when every queue has an
 * entry. An entry's payload holds the largest message, in memory that the device
 * reaches; the kernel takes the entry that was used last, so those beyond the usual
 * depth are never touched. Forgets and interrupts still come from /dev/fuse.
 *
 * The queues are dealt out among the channels of a mount. What a CPU asks for thus stays
 * with one thread.
 *
 * What takes the kernel's offer back is that a channel's memory, or its loop's ring, does not
 * suffice. Afterwards there is no way back: the kernel sends nothing by /dev/fuse until all
 * its queues have entries, so a failure ends the channel.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* For each CPU: more than this in flight wait in the kernel. */
#define ENTRIES_MAX 64u
/* With fewer, /dev/fuse is faster: what it receives takes no more memory than its size. */
#define ENTRIES_MIN 8u
/* Whatever libfuse decodes is a name or less. */
#define SCRATCH_SIZE 8192u
/* The kernel's payloads are not smaller than its smallest read buffer. */
#define PAYLOAD_MIN 8192u

/* 0 when it isn't known. */
static unsigned possible_cpus(void)
{
	FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
	char text[256] = "";
	const char *last;

	if (!file)
		return 0;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	for (last = text + strlen(text); last > text && !strchr("-,", last[-1]); last--)
		continue;
	return *last ? (unsigned)strtoul(last, NULL, 10) + 1 : 0;
}

static size_t payload_size(const struct fsg_channel *channel)
{
	return channel->io_max < PAYLOAD_MIN ? PAYLOAD_MIN : channel->io_max;
}

/*
 * Channel i serves the queues i, i + channels, i + 2 * channels, … With fewer CPUs than
 * channels, some have one in common.
 */
static unsigned first_queue(const struct fsg_channel *channel, unsigned cpus)
{
	return channel->index % cpus;
}

static unsigned queues_of(const struct fsg_channel *channel, unsigned cpus)
{
	unsigned step = channel->connection->channel_count;

	return (cpus - first_queue(channel, cpus) + step - 1) / step;
}

static void init_entry(struct fsg_channel *channel, unsigned index, unsigned cpus)
{
	struct fsg_entry *entry = &channel->entries[index];
	/* one for every queue first: then the kernel may begin */
	unsigned queue = index % queues_of(channel, cpus);

	entry->request.channel = channel;
	entry->request.way = &fsg_uring_way;
	entry->header = &channel->headers[index];
	entry->payload = channel->entry_memory + index * payload_size(channel);
	entry->iov[0] = (struct iovec){entry->header, sizeof(*entry->header)};
	entry->iov[1] = (struct iovec){entry->payload, payload_size(channel)};
	entry->qid =
		(uint16_t)(first_queue(channel, cpus) + queue * channel->connection->channel_count);
}

/* What the arena can spare, the end of its memory, becomes the entries' payloads. */
static unsigned entries_for(const struct fsg_channel *channel, unsigned cpus)
{
	unsigned queues = queues_of(channel, cpus);
	size_t spare = channel->arena.size - FSG_MEMORY_MIN;
	size_t each = spare / payload_size(channel) / queues;

	if (each < ENTRIES_MIN)
		return 0;
	return queues * (unsigned)(each < ENTRIES_MAX ? each : ENTRIES_MAX);
}

static bool open_entries(struct fsg_channel *channel, unsigned cpus)
{
	unsigned count = entries_for(channel, cpus);

	channel->entries = calloc(count, sizeof(*channel->entries));
	channel->headers = calloc(count, sizeof(*channel->headers));
	channel->scratch = malloc(SCRATCH_SIZE);
	if (!channel->entries || !channel->headers || !channel->scratch)
		return false;
	channel->entry_memory =
		channel->arena.memory + channel->arena.size - count * payload_size(channel);
	for (unsigned i = 0; i < count; i++)
		init_entry(channel, i, cpus);
	channel->entry_count = count;
	return true;
}

static bool suffices(const struct fsg_channel *channel, unsigned cpus)
{
	return entries_for(channel, cpus) > 0 && (channel->ring->flags & IORING_SETUP_SQE128);
}

/* The other channels' threads look at theirs when they see that the kernel has greeted. */
bool fsg_uring_open(struct fsg_connection *connection)
{
	unsigned cpus = possible_cpus();
	bool is_well = cpus > 0 && cpus <= UINT16_MAX;

	for (unsigned i = 0; i < connection->channel_count && is_well; i++)
		is_well = suffices(connection->channels[i], cpus);
	for (unsigned i = 0; i < connection->channel_count && is_well; i++)
		is_well = open_entries(connection->channels[i], cpus);
	for (unsigned i = 0; i < connection->channel_count; i++) {
		struct fsg_channel *channel = connection->channels[i];

		if (is_well)
			channel->arena.size -= channel->entry_count * payload_size(channel);
		else
			fsg_uring_close(channel);
	}
	return is_well;
}

void fsg_uring_close(struct fsg_channel *channel)
{
	free(channel->entries);
	free(channel->headers);
	free(channel->scratch);
	channel->entries = NULL;
	channel->headers = NULL;
	channel->scratch = NULL;
	channel->entry_count = 0;
}

static bool command(struct fsg_entry *entry, enum fuse_uring_cmd number)
{
	struct fsg_channel *channel = entry->request.channel;
	struct io_uring_sqe *sqe = fsg_channel_sqe(channel);
	const struct fuse_uring_cmd_req arguments = {
		.commit_id = entry->commit_id,
		.qid = entry->qid,
	};

	if (!sqe)
		return false;
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, channel->fd, entry->iov, 2, 0);
	sqe->cmd_op = number;
	memcpy(sqe->cmd, &arguments, sizeof(arguments));
	io_uring_sqe_set_data64(sqe, (uintptr_t)entry | FSG_TAG_ENTRY);
	return true;
}

void fsg_uring_prepare(struct fsg_channel *channel)
{
	while (channel->registered < channel->entry_count && !channel->stopping &&
	       command(&channel->entries[channel->registered], FUSE_IO_URING_CMD_REGISTER))
		channel->registered++;
}

/* The answer's head is in its place, and so are @size bytes of data. */
static void commit(struct fsg_entry *entry, size_t size)
{
	entry->header->ring_ent_in_out.payload_sz = (uint32_t)size;
	if (!command(entry, FUSE_IO_URING_CMD_COMMIT_AND_FETCH))
		fsg_channel_end(entry->request.channel);
}

static void answer(struct fsg_request *request, const void *data, size_t size)
{
	struct fsg_entry *entry = (struct fsg_entry *)request;

	memcpy(entry->header->in_out, &request->head, sizeof(request->head));
	if (size > 0 && data != entry->payload)
		memcpy(entry->payload, data, size);
	commit(entry, size);
}

/* libfuse answers with a header and at most two pieces, of less than a payload. */
void fsg_uring_answer(struct fsg_entry *entry, const struct iovec *iov, int count)
{
	size_t room = payload_size(entry->request.channel);
	size_t size = 0;

	memcpy(entry->header->in_out, iov[0].iov_base, sizeof(struct fuse_out_header));
	for (int i = 1; i < count && iov[i].iov_len <= room - size; i++) {
		memcpy(entry->payload + size, iov[i].iov_base, iov[i].iov_len);
		size += iov[i].iov_len;
	}
	commit(entry, size);
}

/* What is no message at all is answered, too: the entry must not be lost. */
static void refuse(struct fsg_entry *entry, int error)
{
	entry->request.head = (struct fuse_out_header){
		.len = sizeof(struct fuse_out_header),
		.error = -error,
		.unique = entry->commit_id,
	};
	answer(&entry->request, NULL, 0);
}

/* Whatever isn't data: in one piece, as it would have come from /dev/fuse. */
static void pass_on(struct fsg_entry *entry, const struct fsg_message *message)
{
	struct fsg_channel *channel = entry->request.channel;
	size_t head = sizeof(*message->header);
	size_t size = head + message->body_size + message->data_size;

	if (size > SCRATCH_SIZE) {
		refuse(entry, EOPNOTSUPP);
		return;
	}
	memcpy(channel->scratch, message->header, head);
	memcpy(channel->scratch + head, message->body, message->body_size);
	memcpy(channel->scratch + head + message->body_size, message->data, message->data_size);
	channel->answering = entry;
	fsg_session_decode(channel, channel->scratch, size);
	if (channel->answering) { /* it had nothing to say */
		channel->answering = NULL;
		refuse(entry, ENOSYS);
	}
}

static void decode(struct fsg_entry *entry)
{
	const struct fuse_uring_req_header *in = entry->header;
	const struct fuse_in_header *header = (const struct fuse_in_header *)in->in_out;
	size_t parts = sizeof(*header) + in->ring_ent_in_out.payload_sz;
	const struct fsg_message message = {
		.header = header,
		.body = in->op_in,
		.body_size = header->len - parts,
		.data = entry->payload,
		.data_size = in->ring_ent_in_out.payload_sz,
		.room = entry->payload,
	};

	entry->request.channel->uses_uring = true;
	entry->commit_id = in->ring_ent_in_out.commit_id;
	if (header->len < parts || message.body_size > sizeof(in->op_in) ||
	    message.data_size > payload_size(entry->request.channel))
		refuse(entry, EIO);
	else if (!fsg_request_take(&entry->request, &message))
		pass_on(entry, &message);
}

/* A message that comes after the stop is not looked at, as one that was never read. */
void fsg_uring_fetched(struct fsg_entry *entry, int result)
{
	struct fsg_channel *channel = entry->request.channel;

	if (result < 0)
		fsg_channel_end(channel);
	else if (!channel->ended && !channel->stopping)
		decode(entry);
}

const struct fsg_way fsg_uring_way = {.answer = answer};
