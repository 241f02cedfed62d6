/* SPDX-License-Identifier: Apache-2.0 */
/*
 * router_peer - stand in for a collector, for uplink.t.
 *
 *   router_peer ENDPOINT BEHAVIOUR...
 *
 * A ROUTER with CURVE and ZAP, as the real one.  Prints "key <z85>", then for
 * each message "RUN <agent key> <run id> <bytes>".  Each message is treated
 * by the next BEHAVIOUR, and the last one is for all that follow:
 *
 *   stored, duplicate      ACK
 *   nak                    NAK <run> with a reason that has odd bytes
 *   nak-nobody             NAK -
 *   wait=SECONDS           WAIT
 *   mute                   no answer
 *   garbage                an answer that means nothing
 *   flood                  thousands of them
 *   stranger               ACK of a run that was never sent
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { PART_MAX = 200000, RUN_TEXT_BYTES = 37, FLOOD = 5000 };

struct peer {
	void *context;
	void *socket;
	char **behaviour;
	int behaviour_count;
	int message_count;
};

static void die(const char *what)
{
	fprintf(stderr, "router_peer: %s: %s\n", what, zmq_strerror(errno));
	exit(1);
}

/* ---- ZAP: everybody who holds a key may come in (RFC 27) ---------------- */

struct request {
	char id[64];
	char mechanism[32];
	unsigned char key[32];
};

static bool read_request(void *zap, struct request *r)
{
	char part[256];
	int more = 1;
	size_t n = sizeof(more);

	memset(r, 0, sizeof(*r));
	for (int i = 0; more; i++) {
		int got = zmq_recv(zap, part, sizeof(part), 0);

		if (got < 0)
			return false;
		if (i == 1 && got < (int)sizeof(r->id))
			memcpy(r->id, part, (size_t)got);
		if (i == 5 && got < (int)sizeof(r->mechanism))
			memcpy(r->mechanism, part, (size_t)got);
		if (i == 6 && got == (int)sizeof(r->key))
			memcpy(r->key, part, sizeof(r->key));
		if (zmq_getsockopt(zap, ZMQ_RCVMORE, &more, &n) != 0)
			return false;
	}
	return true;
}

static void send_text(void *socket, const char *text, int flags)
{
	zmq_send(socket, text, strlen(text), flags);
}

static void *serve_zap(void *zap)
{
	struct request r;

	while (read_request(zap, &r)) {
		bool ok = strcmp(r.mechanism, "CURVE") == 0;
		char user[41] = "";

		zmq_z85_encode(user, r.key, sizeof(r.key));
		send_text(zap, "1.0", ZMQ_SNDMORE);
		send_text(zap, r.id, ZMQ_SNDMORE);
		send_text(zap, ok ? "200" : "400", ZMQ_SNDMORE);
		send_text(zap, "", ZMQ_SNDMORE);
		send_text(zap, user, ZMQ_SNDMORE);
		send_text(zap, "", 0);
	}
	zmq_close(zap);
	return NULL;
}

/* ---- the ROUTER --------------------------------------------------------- */

static void open_socket(struct peer *p, const char *endpoint)
{
	char public_key[41];
	char secret_key[41];
	int yes = 1;
	pthread_t thread;
	void *zap = zmq_socket(p->context, ZMQ_REP);

	if (zmq_bind(zap, "inproc://zeromq.zap.01") != 0)
		die("zap");
	if (pthread_create(&thread, NULL, serve_zap, zap) != 0)
		die("thread");
	pthread_detach(thread);
	p->socket = zmq_socket(p->context, ZMQ_ROUTER);
	if (zmq_curve_keypair(public_key, secret_key) != 0 ||
	    zmq_setsockopt(p->socket, ZMQ_CURVE_SERVER, &yes, sizeof(yes)) ||
	    zmq_setsockopt(p->socket, ZMQ_CURVE_SECRETKEY, secret_key, 40) ||
	    zmq_setsockopt(p->socket, ZMQ_ZAP_DOMAIN, "test", 4))
		die("curve");
	if (zmq_bind(p->socket, endpoint) != 0)
		die(endpoint);
	printf("key %s\n", public_key);
}

static const char *next_behaviour(struct peer *p)
{
	int i = p->message_count++;

	return p->behaviour[i < p->behaviour_count ? i
	                                           : p->behaviour_count - 1];
}

static void reply(struct peer *p, const void *id, size_t id_bytes,
                  const char *run)
{
	const char *b = next_behaviour(p);
	char text[256];

	if (strcmp(b, "mute") == 0)
		return;
	if (strcmp(b, "stored") == 0 || strcmp(b, "duplicate") == 0)
		snprintf(text, sizeof(text), "ACK %s %s", run, b);
	else if (strcmp(b, "nak") == 0)
		snprintf(text, sizeof(text), "NAK %s range probe[3]\x1b[31m",
		         run);
	else if (strcmp(b, "nak-nobody") == 0)
		snprintf(text, sizeof(text), "NAK - not-json");
	else if (strncmp(b, "wait=", 5) == 0)
		snprintf(text, sizeof(text), "WAIT %s %s", run, b + 5);
	else if (strcmp(b, "stranger") == 0)
		snprintf(text, sizeof(text), "ACK %s stored",
		         "00000000-0000-7000-8000-000000000000");
	else
		snprintf(text, sizeof(text), "HELO there");
	for (int i = 0; strcmp(b, "flood") == 0 && i < FLOOD; i++) {
		zmq_send(p->socket, id, id_bytes, ZMQ_SNDMORE);
		zmq_send(p->socket, text, strlen(text), 0);
	}
	zmq_send(p->socket, id, id_bytes, ZMQ_SNDMORE);
	zmq_send(p->socket, text, strlen(text), 0);
}

/* The id stands in the record as "run":"<36 characters>". */
static void find_run(const char *json, char run[RUN_TEXT_BYTES])
{
	const char *at = strstr(json, "\"run\":\"");

	snprintf(run, RUN_TEXT_BYTES, "%s", at ? at + 7 : "-");
}

static void serve_one(struct peer *p)
{
	static char json[PART_MAX + 1];
	char id[256];
	char verb[8] = "";
	char run[RUN_TEXT_BYTES];
	zmq_msg_t message;
	int id_bytes = zmq_recv(p->socket, id, sizeof(id), 0);
	size_t n;

	if (id_bytes < 0 || zmq_recv(p->socket, verb, sizeof(verb) - 1, 0) < 0)
		die("receive");
	zmq_msg_init(&message);
	if (zmq_msg_recv(&message, p->socket, 0) < 0)
		die("receive");
	n = zmq_msg_size(&message);
	if (n > PART_MAX || strcmp(verb, "RUN") != 0 || zmq_msg_more(&message))
		die("not a run");
	memcpy(json, zmq_msg_data(&message), n);
	json[n] = '\0';
	find_run(json, run);
	printf("RUN %s %s %zu\n", zmq_msg_gets(&message, "User-Id"), run, n);
	zmq_msg_close(&message);
	reply(p, id, (size_t)id_bytes, run);
}

int main(int argc, char **argv)
{
	struct peer p = {
		.behaviour = argv + 2,
		.behaviour_count = argc - 2,
	};

	if (argc < 3) {
		fputs("usage: router_peer ENDPOINT BEHAVIOUR...\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	p.context = zmq_ctx_new();
	open_socket(&p, argv[1]);
	for (;;)
		serve_one(&p);
}
