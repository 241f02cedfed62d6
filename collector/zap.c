/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/zap.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <zmq.h>

#include "lib/mem.h"

#define ENDPOINT         "inproc://zeromq.zap.01"
#define MONITOR_ENDPOINT "inproc://zap-monitor"

enum {
	/* version, request, domain, address, identity, mechanism, key */
	FRAMES = 7,
	FRAME_BYTES = 256,
	KEY_BYTES = 32,
	KEY_TEXT_BYTES = 41,
};

enum frame {
	FRAME_VERSION,
	FRAME_REQUEST,
	FRAME_DOMAIN,
	FRAME_ADDRESS,
	FRAME_IDENTITY,
	FRAME_MECHANISM,
	FRAME_KEY,
};

struct request {
	int count; /* of frames that came, also when more than fit */
	size_t n[FRAMES];
	char frame[FRAMES][FRAME_BYTES];
};

struct zap {
	pthread_t thread;
	void *handler;
	void *monitor;
	int64_t max_connections;
	/* Written by the thread, read by others. */
	atomic_llong connected;
	atomic_ullong let_in;
	atomic_ullong turned_away;
};

/* False when the context ends. */
static bool receive(struct zap *z, struct request *r)
{
	int more = 1;
	size_t more_bytes = sizeof(more);

	memset(r, 0, sizeof(*r));
	while (more) {
		char spill[FRAME_BYTES];
		bool fits = r->count < FRAMES;
		int n = zmq_recv(z->handler, fits ? r->frame[r->count] : spill,
		                 FRAME_BYTES, 0);

		if (n < 0)
			return false;
		if (fits)
			r->n[r->count] = (size_t)n;
		r->count++;
		if (zmq_getsockopt(z->handler, ZMQ_RCVMORE, &more,
		                   &more_bytes) != 0)
			return false;
	}
	return true;
}

static bool is(const struct request *r, enum frame f, const char *text)
{
	return r->n[f] == strlen(text) &&
	       memcmp(r->frame[f], text, r->n[f]) == 0;
}

static const char *judge(struct zap *z, const struct request *r)
{
	if (r->count != FRAMES || r->n[FRAME_REQUEST] > FRAME_BYTES ||
	    !is(r, FRAME_VERSION, "1.0") || !is(r, FRAME_DOMAIN, ZAP_DOMAIN) ||
	    !is(r, FRAME_MECHANISM, "CURVE") || r->n[FRAME_KEY] != KEY_BYTES)
		return "400";
	if (atomic_load(&z->connected) > z->max_connections)
		return "300";
	return "200";
}

static bool reply(struct zap *z, const struct request *r, const char *status,
                  const char *user)
{
	size_t n = r->n[FRAME_REQUEST];

	if (n > FRAME_BYTES)
		n = FRAME_BYTES;
	return zmq_send(z->handler, "1.0", 3, ZMQ_SNDMORE) >= 0 &&
	       zmq_send(z->handler, r->frame[FRAME_REQUEST], n, ZMQ_SNDMORE) >=
	               0 &&
	       zmq_send(z->handler, status, strlen(status), ZMQ_SNDMORE) >= 0 &&
	       zmq_send(z->handler, "", 0, ZMQ_SNDMORE) >= 0 &&
	       zmq_send(z->handler, user, strlen(user), ZMQ_SNDMORE) >= 0 &&
	       zmq_send(z->handler, "", 0, 0) >= 0;
}

static bool answer_request(struct zap *z)
{
	char user[KEY_TEXT_BYTES] = "";
	struct request r;
	const char *status;

	if (!receive(z, &r))
		return false;
	status = judge(z, &r);
	if (strcmp(status, "200") == 0) {
		zmq_z85_encode(user, (const uint8_t *)r.frame[FRAME_KEY],
		               KEY_BYTES);
		atomic_fetch_add(&z->let_in, 1);
	} else {
		atomic_fetch_add(&z->turned_away, 1);
	}
	return reply(z, &r, status, user);
}

/* An event is two frames: number (16 bits) and value, then the endpoint. */
static bool count_event(struct zap *z)
{
	char endpoint[FRAME_BYTES];
	uint8_t event[6];
	uint16_t number;
	int n = zmq_recv(z->monitor, event, sizeof(event), 0);

	if (n < 0 || zmq_recv(z->monitor, endpoint, sizeof(endpoint), 0) < 0)
		return false;
	memcpy(&number, event, sizeof(number));
	if (number == ZMQ_EVENT_ACCEPTED)
		atomic_fetch_add(&z->connected, 1);
	else if (number == ZMQ_EVENT_DISCONNECTED)
		atomic_fetch_sub(&z->connected, 1);
	return true;
}

static void *run(void *arg)
{
	struct zap *z = arg;
	bool more = true;

	while (more) {
		zmq_pollitem_t items[] = {
			{ .socket = z->handler, .events = ZMQ_POLLIN },
			{ .socket = z->monitor, .events = ZMQ_POLLIN },
		};

		if (zmq_poll(items, 2, -1) < 0) {
			more = zmq_errno() == EINTR;
			continue;
		}
		if (items[1].revents)
			more = count_event(z);
		if (more && items[0].revents)
			more = answer_request(z);
	}
	zmq_close(z->handler);
	zmq_close(z->monitor);
	return NULL;
}

static bool open_sockets(struct zap *z, void *context, void *router,
                         struct err *e)
{
	z->handler = zmq_socket(context, ZMQ_REP);
	z->monitor = zmq_socket(context, ZMQ_PAIR);
	if (z->handler && z->monitor && zmq_bind(z->handler, ENDPOINT) == 0 &&
	    zmq_socket_monitor(router, MONITOR_ENDPOINT,
	                       ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED) ==
	            0 &&
	    zmq_connect(z->monitor, MONITOR_ENDPOINT) == 0)
		return true;
	return err_set(e, zmq_errno(), "cannot open %s", ENDPOINT);
}

struct zap *zap_start(void *context, void *router, int64_t max_connections,
                      struct err *e)
{
	struct zap *z = mem_alloc(sizeof(*z));
	int rc;

	z->max_connections = max_connections;
	if (!open_sockets(z, context, router, e))
		goto fail;
	rc = pthread_create(&z->thread, NULL, run, z);
	if (rc == 0)
		return z;
	err_set(e, rc, "cannot start the thread that lets agents in");
fail:
	if (z->handler)
		zmq_close(z->handler);
	if (z->monitor)
		zmq_close(z->monitor);
	free(z);
	return NULL;
}

struct zap_counts zap_counts(struct zap *z)
{
	return (struct zap_counts){
		.connected = atomic_load(&z->connected),
		.let_in = atomic_load(&z->let_in),
		.turned_away = atomic_load(&z->turned_away),
	};
}

void zap_stop(struct zap *z)
{
	if (!z)
		return;
	pthread_join(z->thread, NULL);
	free(z);
}
