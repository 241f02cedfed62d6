/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer - one connection to a collector, for tests that send what agents never
 * would.
 *
 * peer ENDPOINT SERVER-KEY|- [ROUTING-ID]
 *
 * Each line of stdin is a message, its frames apart by tabs; replies are
 * printed a line each, as they come.  After the end of stdin it waits until
 * nothing has come for a second; if the environment has PEER_REPLIES, until
 * so many have come, or none for a minute.  With "-" there is no CURVE.  The
 * key of the peer is made anew unless the environment has PEER_PUBLIC and
 * PEER_SECRET.
 */
#include <stdint.h>
#include <zmq.h>

#include "lib/mem.h"
#include "lib/value.h"

enum {
	KEY_BYTES = 41,
	QUIET_MS = 1000,
	PATIENT_QUIET_MS = 60000,
	REPLY_BYTES = 1024,
};

static void set_keys(void *socket, const char *server_key)
{
	char public_key[KEY_BYTES];
	char secret_key[KEY_BYTES];
	const char *given = getenv("PEER_PUBLIC");

	zmq_curve_keypair(public_key, secret_key);
	if (given) {
		snprintf(public_key, sizeof(public_key), "%s", given);
		snprintf(secret_key, sizeof(secret_key), "%s",
		         getenv("PEER_SECRET"));
	}
	zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key,
	               strlen(server_key));
	zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_key, KEY_BYTES - 1);
	zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret_key, KEY_BYTES - 1);
}

static void send_line(void *socket, char *line)
{
	for (;;) {
		size_t n = strcspn(line, "\t");
		int more = line[n] ? ZMQ_SNDMORE : 0;

		if (zmq_send(socket, line, n, more) < 0)
			fprintf(stderr, "peer: %s\n",
			        zmq_strerror(zmq_errno()));
		if (!more)
			return;
		line += n + 1;
	}
}

static void print_replies(void *socket)
{
	zmq_pollitem_t item = { .socket = socket, .events = ZMQ_POLLIN };
	const char *given = getenv("PEER_REPLIES");
	int64_t wanted = INT64_MAX;
	int quiet_ms = QUIET_MS;
	char text[REPLY_BYTES];

	if (given && value_parse_int(given, &wanted))
		quiet_ms = PATIENT_QUIET_MS;
	for (; wanted > 0 && zmq_poll(&item, 1, quiet_ms) > 0; wanted--) {
		int n = zmq_recv(socket, text, sizeof(text) - 1, 0);

		if (n < 0)
			return;
		printf("%.*s\n", n, text);
	}
}

int main(int argc, char **argv)
{
	void *context = zmq_ctx_new();
	void *socket = zmq_socket(context, ZMQ_DEALER);
	int zero = 0;
	int timeout_ms = 5000;
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	if (argc < 3)
		return 2;
	zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof(zero));
	zmq_setsockopt(socket, ZMQ_SNDTIMEO, &timeout_ms, sizeof(timeout_ms));
	if (strcmp(argv[2], "-") != 0)
		set_keys(socket, argv[2]);
	if (argc > 3)
		zmq_setsockopt(socket, ZMQ_ROUTING_ID, argv[3],
		               strlen(argv[3]));
	zmq_connect(socket, argv[1]);
	while ((n = getline(&line, &room, stdin)) > 0) {
		line[strcspn(line, "\n")] = 0;
		send_line(socket, line);
	}
	print_replies(socket);
	free(line);
	zmq_close(socket);
	zmq_ctx_term(context);
	return 0;
}
