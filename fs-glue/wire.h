/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Debian 12's <linux/fuse.h> lacks: FUSE over io_uring, version 7.42 of the
 * protocol, as the kernel's own header lays it out.
 *
 * An entry is a place for one message at a time: a header and a payload in the
 * program's memory. REGISTER lends it to the kernel, which completes that command
 * when it has put a message there; COMMIT_AND_FETCH gives the answer and lends it
 * again.
 */
#ifndef FSG_WIRE_H
#define FSG_WIRE_H

#include <linux/fuse.h>
#include <stdint.h>

#ifndef FUSE_OVER_IO_URING
#define FUSE_OVER_IO_URING (1ULL << 41)

enum fuse_uring_cmd {
	FUSE_IO_URING_CMD_REGISTER = 1,
	FUSE_IO_URING_CMD_COMMIT_AND_FETCH = 2,
};

struct fuse_uring_ent_in_out {
	uint64_t flags;
	uint64_t commit_id;  /* names the message when it is answered */
	uint32_t payload_sz; /* how much of the payload is used */
	uint32_t padding;
	uint64_t reserved;
};

struct fuse_uring_req_header {
	unsigned char in_out[128]; /* fuse_in_header, then fuse_out_header */
	unsigned char op_in[128];  /* what follows it, of a fixed size for each opcode */
	struct fuse_uring_ent_in_out ring_ent_in_out;
};

/* In the 80 bytes of a submission that are the command's own. */
struct fuse_uring_cmd_req {
	uint64_t flags;
	uint64_t commit_id;
	uint16_t qid; /* the queue: one for each possible CPU */
	uint8_t padding[6];
};
#endif

#endif
