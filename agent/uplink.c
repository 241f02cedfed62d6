/* SPDX-License-Identifier: Apache-2.0 */
/*
 *            uplink_start
 *   IDLE ------------------> TALKING --ACK, spool empty--> IDLE
 *     ^                      |  |  ^
 *     |          no answer,  |  |  | next collector
 *     |          all tried   |  +--+
 *     |                      v
 *     +---- (suspended) --- PAUSED --timer--> TALKING
 */
#include "agent/uplink.h"

#include <errno.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/record.h"

#define PAUSE_FIRST_NS (60 * CLOCK_S)
#define PAUSE_MAX_NS   (3600 * CLOCK_S)

enum {
	REPLY_MAX = 1024,
	WAIT_MAX_S = 3600,
	REASON_BYTES = 256,
	/* A collector that refuses so many in a row has a fault of its own:
	 * it must not empty the spool. */
	REFUSALS_MAX = 5,
	/* So many replies about nothing that was sent end a connection. */
	USELESS_MAX = 32,
	MS_A_SECOND = 1000,
};

struct reply {
	enum { REPLY_ACK, REPLY_NAK, REPLY_WAIT } kind;
	bool names_run; /* else it is about whatever is in flight */
	uint8_t run[WIRE_RUN_BYTES];
	int64_t wait_s;
	char text[REASON_BYTES]; /* escaped */
};

struct uplink {
	struct uplink_options o;
	int collector_count;
	struct plan_collector collector[PLAN_COLLECTORS_MAX]; /* by rank */
	int current;        /* the collector that is talked to */
	int failed_passes;  /* over all collectors, since an answer */
	int tried;          /* collectors without an answer in this pass */
	bool asked_to_wait; /* the pause is a collector's wish */
	void *zmq_context;  /* NULL unless talking */
	void *socket;
	struct watch readable;
	struct timer patience;
	struct timer pause;
	int refusals; /* in a row */
	int useless;  /* replies on this connection */
	bool in_flight;
	uint8_t run[WIRE_RUN_BYTES]; /* in flight */
};

/* ---- replies ------------------------------------------------------------ */

/* Cut the next word off; "" at the end. */
static char *next_word(char **p)
{
	char *word = *p;
	size_t n = strcspn(word, " ");

	*p = word + n + (word[n] == ' ');
	word[n] = '\0';
	return word;
}

static bool read_wait(const char *text, int64_t *seconds)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 0)
		return false;
	*seconds = n < WAIT_MAX_S ? n : WAIT_MAX_S;
	return true;
}

/* "ACK run stored|duplicate", "NAK run reason", "WAIT run seconds". */
static bool reply_parse(const char *bytes, size_t n, struct reply *out)
{
	char text[REPLY_MAX + 1];
	char *p = text;
	const char *verb;
	const char *run;

	*out = (struct reply){ 0 };
	if (n > REPLY_MAX || memchr(bytes, '\0', n))
		return false;
	memcpy(text, bytes, n);
	text[n] = '\0';
	verb = next_word(&p);
	run = next_word(&p);
	out->names_run = strcmp(run, "-") != 0;
	if (out->names_run && !record_run_id_parse(run, out->run))
		return false;
	log_escape(out->text, sizeof(out->text), p, strlen(p));
	if (strcmp(verb, "ACK") == 0) {
		out->kind = REPLY_ACK;
		return out->names_run && (strcmp(p, "stored") == 0 ||
		                          strcmp(p, "duplicate") == 0);
	}
	if (strcmp(verb, "NAK") == 0) {
		out->kind = REPLY_NAK;
		return true;
	}
	out->kind = REPLY_WAIT;
	return strcmp(verb, "WAIT") == 0 && read_wait(p, &out->wait_s);
}

/* ---- order of collectors ------------------------------------------------ */

/* Rendezvous hashing: each pair of agent and collector has its own score. */
static uint64_t score(const struct key *k, const struct plan_collector *c)
{
	uint64_t n;

	crypto_generichash((uint8_t *)&n, sizeof(n),
	                   (const uint8_t *)c->endpoint, strlen(c->endpoint),
	                   k->public_bytes, sizeof(k->public_bytes));
	return n;
}

static void rank_collectors(struct uplink *u)
{
	uint64_t placed[PLAN_COLLECTORS_MAX];

	for (int i = 0; i < u->o.plan->collector_count; i++) {
		const struct plan_collector *c = &u->o.plan->collector[i];
		uint64_t mine = score(u->o.key, c);
		int at = u->collector_count++;

		for (; at > 0 && placed[at - 1] < mine; at--) {
			placed[at] = placed[at - 1];
			u->collector[at] = u->collector[at - 1];
		}
		placed[at] = mine;
		u->collector[at] = *c;
	}
}

/* ---- the socket --------------------------------------------------------- */

static void tell(struct uplink *u, enum uplink_event_kind kind,
                 const char *text, int64_t pause_ns)
{
	const struct uplink_event event = {
		.kind = kind,
		.endpoint = u->collector_count
		                    ? u->collector[u->current].endpoint
		                    : NULL,
		.text = text,
		.pause_ns = pause_ns,
	};

	u->o.on_event(u->o.ctx, &event);
}

static void hang_up(struct uplink *u)
{
	loop_disarm(u->o.loop, &u->patience);
	loop_unwatch(u->o.loop, &u->readable);
	if (u->socket)
		zmq_close(u->socket);
	if (u->zmq_context)
		zmq_ctx_term(u->zmq_context);
	u->socket = NULL;
	u->zmq_context = NULL;
	u->in_flight = false;
}

static bool set_numbers(void *socket)
{
	static const struct {
		int option;
		int value;
	} numbers[] = {
		{ ZMQ_LINGER, 0 },
		{ ZMQ_IMMEDIATE, 1 },
		{ ZMQ_IPV6, 1 },
		{ ZMQ_SNDHWM, 2 },
		{ ZMQ_RCVHWM, 8 },
		{ ZMQ_RECONNECT_IVL, 10 * MS_A_SECOND },
		{ ZMQ_RECONNECT_IVL_MAX, 300 * MS_A_SECOND },
		{ ZMQ_HANDSHAKE_IVL, 5 * MS_A_SECOND },
		{ ZMQ_HEARTBEAT_IVL, 30 * MS_A_SECOND },
		{ ZMQ_HEARTBEAT_TIMEOUT, 60 * MS_A_SECOND },
		{ ZMQ_HEARTBEAT_TTL, 60 * MS_A_SECOND },
	};
	const int64_t longest = 2 * REPLY_MAX;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (zmq_setsockopt(socket, numbers[i].option, &numbers[i].value,
		                   sizeof(int)) != 0)
			return false;
	}
	return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &longest,
	                      sizeof(longest)) == 0;
}

static bool set_curve(void *socket, const struct key *k, const char *server_key)
{
	return zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key,
	                      strlen(server_key)) == 0 &&
	       zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, k->public_text,
	                      KEY_TEXT_BYTES - 1) == 0 &&
	       zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, k->secret_text,
	                      KEY_TEXT_BYTES - 1) == 0;
}

static bool dial(struct uplink *u, struct err *e)
{
	const struct plan_collector *c = &u->collector[u->current];
	int fd;
	size_t fd_bytes = sizeof(fd);

	u->useless = 0;
	u->zmq_context = zmq_ctx_new();
	if (!u->zmq_context)
		return err_set(e, 0, "%s", zmq_strerror(errno));
	u->socket = zmq_socket(u->zmq_context, ZMQ_DEALER);
	if (!u->socket || !set_numbers(u->socket) ||
	    !set_curve(u->socket, u->o.key, c->key) ||
	    zmq_connect(u->socket, c->endpoint) != 0 ||
	    zmq_getsockopt(u->socket, ZMQ_FD, &fd, &fd_bytes) != 0)
		return err_set(e, 0, "%s", zmq_strerror(errno));
	return loop_watch(u->o.loop, &u->readable, fd, EPOLLIN, e);
}

/* ---- talking ------------------------------------------------------------ */

static void begin_pause(struct uplink *u, int64_t pause_ns)
{
	hang_up(u);
	loop_arm(u->o.loop, &u->pause, loop_now(u->o.loop) + pause_ns);
}

/* From half to one and a half: agents must not come back in step. */
static int64_t jitter(int64_t ns)
{
	return ns / 2 + (int64_t)randombytes_uniform(1000) * (ns / 1000);
}

static int64_t pause_after(int failed_passes)
{
	int64_t ns = PAUSE_FIRST_NS;

	for (int i = 1; i < failed_passes && ns < PAUSE_MAX_NS; i++)
		ns *= 2;
	return jitter(ns < PAUSE_MAX_NS ? ns : PAUSE_MAX_NS);
}

static void try_collector(struct uplink *u);

/* This collector does not answer: the next one, or a pause after the last. */
static void give_up_on(struct uplink *u, const char *why)
{
	int64_t pause_ns;

	hang_up(u);
	u->tried++;
	tell(u, UPLINK_NO_ANSWER, why, 0);
	u->current = (u->current + 1) % u->collector_count;
	if (u->tried < u->collector_count) {
		try_collector(u);
		return;
	}
	u->tried = 0;
	u->current = 0;
	u->failed_passes++;
	pause_ns = pause_after(u->failed_passes);
	begin_pause(u, pause_ns);
	tell(u, UPLINK_GAVE_UP, why, pause_ns);
}

static void expect_answer(struct uplink *u)
{
	loop_arm(u->o.loop, &u->patience,
	         loop_now(u->o.loop) + u->o.patience_ns);
}

static void try_collector(struct uplink *u)
{
	struct err e;

	if (dial(u, &e))
		expect_answer(u);
	else /* counted like silence: a wrong endpoint must not stop the rest */
		give_up_on(u, e.text);
}

static void finish(struct uplink *u)
{
	hang_up(u);
	tell(u, UPLINK_DRAINED, "", 0);
}

/* False when nothing can be sent now. */
static bool send_next(struct uplink *u)
{
	static const char verb[] = "RUN";
	size_t n;
	char *json = spool_newest(u->o.spool, u->run, &n);
	bool ok;

	if (!json) {
		finish(u);
		return false;
	}
	ok = zmq_send(u->socket, verb, sizeof(verb) - 1,
	              ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0 &&
	     zmq_send(u->socket, json, n, ZMQ_DONTWAIT) >= 0;
	free(json);
	if (!ok)
		return false;
	u->in_flight = true;
	expect_answer(u);
	return true;
}

static void on_wait(struct uplink *u, const struct reply *r)
{
	int64_t pause_ns = jitter((r->wait_s > 0 ? r->wait_s : 1) * CLOCK_S);

	if (pause_ns < r->wait_s * CLOCK_S) /* never sooner than asked */
		pause_ns = 2 * r->wait_s * CLOCK_S - pause_ns;
	u->asked_to_wait = true;
	begin_pause(u, pause_ns);
	tell(u, UPLINK_ASKED_TO_WAIT, "", pause_ns);
}

static void note_service(struct uplink *u)
{
	u->tried = 0;
	u->failed_passes = 0;
	u->refusals = 0;
}

static void on_refusal(struct uplink *u, const struct reply *r)
{
	spool_reject(u->o.spool, u->run, r->text);
	tell(u, UPLINK_REJECTED, r->text, 0);
	if (++u->refusals < REFUSALS_MAX)
		return;
	u->refusals = 0;
	give_up_on(u, "it refuses one run after the other");
}

/* False when it is about nothing that we know. */
static bool handle(struct uplink *u, const struct reply *r)
{
	if (!u->in_flight ||
	    (r->names_run && memcmp(r->run, u->run, WIRE_RUN_BYTES) != 0))
		return false;
	u->in_flight = false;
	switch (r->kind) {
	case REPLY_ACK:
		note_service(u);
		spool_remove(u->o.spool, u->run);
		tell(u, UPLINK_STORED, r->text, 0);
		break;
	case REPLY_NAK:
		on_refusal(u, r);
		break;
	case REPLY_WAIT:
		note_service(u);
		on_wait(u, r);
		break;
	}
	return true;
}

/* A reply is one frame.  False when this is none, or not to what we sent. */
static bool receive(struct uplink *u)
{
	char bytes[REPLY_MAX];
	struct reply r;
	int more;
	size_t more_bytes = sizeof(more);
	int n = zmq_recv(u->socket, bytes, sizeof(bytes), ZMQ_DONTWAIT);

	if (n < 0 || (size_t)n > sizeof(bytes))
		return false; /* a longer one was cut: no reply of ours */
	if (zmq_getsockopt(u->socket, ZMQ_RCVMORE, &more, &more_bytes) != 0 ||
	    more)
		return false;
	return reply_parse(bytes, (size_t)n, &r) && handle(u, &r);
}

/*
 * The descriptor of libzmq only says that something may have changed, and
 * says so once: look again after each step until nothing is left to do.
 */
static void pump(struct uplink *u)
{
	while (u->socket) {
		int events;
		size_t n = sizeof(events);

		if (zmq_getsockopt(u->socket, ZMQ_EVENTS, &events, &n) != 0) {
			give_up_on(u, zmq_strerror(errno));
			return;
		}
		if (events & ZMQ_POLLIN) {
			if (!receive(u) && ++u->useless == USELESS_MAX)
				give_up_on(u, "it sends what nobody asked for");
		} else if (!(events & ZMQ_POLLOUT) || u->in_flight ||
		           !send_next(u)) {
			return;
		}
	}
}

static void on_readable(struct watch *w, uint32_t events, int64_t now_ns)
{
	(void)events;
	(void)now_ns;
	pump(LOOP_CONTAINER(w, struct uplink, readable));
}

static void on_patience(struct timer *t, int64_t now_ns)
{
	struct uplink *u = LOOP_CONTAINER(t, struct uplink, patience);

	(void)now_ns;
	give_up_on(u, u->in_flight ? "it took a run and did not answer"
	                           : "it could not be reached");
}

static void on_pause_over(struct timer *t, int64_t now_ns)
{
	struct uplink *u = LOOP_CONTAINER(t, struct uplink, pause);

	(void)now_ns;
	u->asked_to_wait = false;
	uplink_start(u);
}

/* ---- from outside ------------------------------------------------------- */

struct uplink *uplink_new(const struct uplink_options *o)
{
	struct uplink *u = mem_alloc(sizeof(*u));

	u->o = *o;
	u->readable.fd = -1;
	u->readable.ready = on_readable;
	u->patience.fire = on_patience;
	u->pause.fire = on_pause_over;
	rank_collectors(u);
	u->o.plan = NULL;
	return u;
}

void uplink_free(struct uplink *u)
{
	if (!u)
		return;
	uplink_stop(u);
	free(u);
}

void uplink_start(struct uplink *u)
{
	if (u->socket || u->asked_to_wait || u->collector_count == 0)
		return;
	loop_disarm(u->o.loop, &u->pause);
	if (spool_stats(u->o.spool).runs == 0) {
		finish(u);
		return;
	}
	try_collector(u);
}

void uplink_stop(struct uplink *u)
{
	hang_up(u);
	loop_disarm(u->o.loop, &u->pause);
	u->asked_to_wait = false;
	u->tried = 0;
}
