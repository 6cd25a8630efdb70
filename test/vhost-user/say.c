/* SPDX-License-Identifier: BSD-3-Clause */
/* say SOCKET: standard input to it, line by line, each after an answer's line; prints the answers.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char line[4096];
	FILE *peer;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argc > 1 ? argv[1] : "");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror("say");
		return 1;
	}
	peer = fdopen(fd, "r+");
	/* the monitor speaks first */
	while (peer && fgets(line, sizeof(line), peer)) {
		fputs(line, stdout);
		if (!fgets(line, sizeof(line), stdin)) {
			return 0;
		}
		fseek(peer, 0, SEEK_CUR);
		fputs(line, peer);
		fflush(peer);
	}
	return 1;
}
