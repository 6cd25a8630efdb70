/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A back end that cannot be trusted: listens on SOCKET, and answers the first message of
 * each connection in the way named, or not at all.
 *
 *   fake_backend SOCKET silent|garbage|half|huge|other|closes
 *
 * Prints "ready" when it listens, and runs until it is killed.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct header {
	uint32_t request, flags, size;
};

static const struct answer {
	const char *name;
	size_t sent;
	uint8_t filler;
	struct header header; /* in front of the filler */
} answers[] = {
	{"silent", 0, 0, {0, 0, 0}},
	{"closes", 0, 0, {0, 0, 0}},
	{"garbage", 300, 0xff, {UINT32_MAX, UINT32_MAX, UINT32_MAX}},
	{"half", 7, 0, {1, 5, 8}},
	{"huge", 12, 0, {1, 5, 1 << 30}},
	{"other", 20, 0, {24, 5, 8}},
};

static void serve(int client, const struct answer *answer)
{
	uint8_t bytes[300];

	if (recv(client, bytes, sizeof(bytes), 0) <= 0) {
		return;
	}
	memset(bytes, answer->filler, sizeof(bytes));
	memcpy(bytes, &answer->header, sizeof(answer->header));
	if (send(client, bytes, answer->sent, MSG_NOSIGNAL) < 0) {
		return;
	}
	/* what is cut off in the middle is never ended; "closes" ends at once */
	while (strcmp(answer->name, "closes") != 0 && recv(client, bytes, sizeof(bytes), 0) > 0) {
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct answer *answer = NULL;
	int server = socket(AF_UNIX, SOCK_STREAM, 0);

	for (size_t i = 0; argc == 3 && i < sizeof(answers) / sizeof(answers[0]); i++) {
		answer = strcmp(argv[2], answers[i].name) == 0 ? &answers[i] : answer;
	}
	if (!answer) {
		fprintf(stderr,
			"usage: fake_backend SOCKET silent|garbage|half|huge|other|closes\n");
		return 2;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
	unlink(address.sun_path);
	if (bind(server, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(server, 4) < 0) {
		fprintf(stderr, "fake_backend: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		int client = accept(server, NULL, NULL);

		serve(client, answer);
		close(client);
	}
}
