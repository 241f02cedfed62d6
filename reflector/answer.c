/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/answer.h"

#include <assert.h>

#include "reflector/manifest.h"

static size_t bytes_of(const struct rd *message)
{
	return (size_t)(message->end - message->p);
}

/* Is the token that of this run and address? */
static bool proves(const struct answerer *me, const struct arrival *a,
                   const uint8_t run[WIRE_RUN_BYTES], const struct addr *from,
                   const uint8_t token[WIRE_TOKEN_BYTES])
{
	return token_valid(me->token_key, token_epoch(a->now_ns), run, from,
	                   token);
}

static bool open_session(const struct answerer *me, const struct arrival *a,
                         const uint8_t run[WIRE_RUN_BYTES])
{
	struct arrival counted = *a;

	counted.lost_syns = halfopen_lost_syns(me->halfopen);
	return sessions_hello(me->sessions, run, &counted);
}

static size_t answer_hello(const struct answerer *me, struct counters *counters,
                           const struct arrival *a, struct rd message,
                           uint8_t out[WIRE_MESSAGE_MAX])
{
	struct portset_entry listening[WIRE_PORTS_MAX];
	struct wire_hello hello;
	struct wire_welcome welcome = { .seen = a->from,
		                        .clock_ns = a->real_ns };
	struct wr w = wr_of(out, WIRE_MESSAGE_MAX);
	size_t n_bytes;

	if (!wire_hello_decode(&message, &hello)) {
		count(counters, COUNT_TCP_FOREIGN);
		return 0;
	}
	if (!open_session(me, a, hello.run)) {
		count(counters, COUNT_NO_SESSION);
		return 0;
	}
	memcpy(welcome.nonce, hello.nonce, sizeof(welcome.nonce));
	token_make(me->token_key, token_epoch(a->now_ns), hello.run, &a->from,
	           welcome.token);
	welcome.port_count = portset_listening(me->ports, a->local, listening);
	for (uint16_t i = 0; i < welcome.port_count; i++)
		welcome.port[i] = listening[i].port;
	n_bytes = wire_welcome_encode(&w, &welcome);
	assert(n_bytes > 0);
	count(counters, COUNT_HELLO);
	return n_bytes;
}

/* The ECHO of a PROBE that is to be answered. */
static size_t write_echo(const struct arrival *a, const struct rd *message,
                         const struct wire_probe *probe,
                         uint8_t out[WIRE_MESSAGE_MAX])
{
	struct wire_echo echo = { .seen = a->from, .arrived = a->port };
	struct wr w = wr_of(out, WIRE_MESSAGE_MAX);
	size_t n_bytes;

	memcpy(echo.nonce, probe->nonce, sizeof(echo.nonce));
	token_probe_digest(message->p, bytes_of(message), echo.digest);
	n_bytes = wire_echo_encode(&w, &echo);
	assert(n_bytes > 0 && n_bytes <= bytes_of(message));
	token_echo_tag(probe->token, out, n_bytes - WIRE_TAG_BYTES,
	               out + n_bytes - WIRE_TAG_BYTES);
	return n_bytes;
}

/*
 * The token does not fit the sender's address.  When it fits that of a HELLO
 * of the run, the line's own network sends from several: that is noted for
 * the manifest, and still not answered, since the address proves nothing.
 */
static void note_stranger(const struct answerer *me, struct counters *counters,
                          const struct arrival *a,
                          const struct wire_probe *probe)
{
	struct addr host[SESSION_HOSTS_MAX];
	int hosts = sessions_hosts(me->sessions, probe->run, a, host);

	for (int i = 0; i < hosts; i++)
		if (proves(me, a, probe->run, &host[i], probe->token) &&
		    sessions_other(me->sessions, probe->run, &host[i], a)) {
			count(counters, COUNT_OTHER_ADDRESS);
			return;
		}
	count(counters, COUNT_BAD_TOKEN);
}

static size_t answer_probe(const struct answerer *me, struct counters *counters,
                           const struct arrival *a, struct rd message,
                           uint8_t out[WIRE_MESSAGE_MAX])
{
	bool is_udp = a->transport == TRANSPORT_UDP;
	struct rd whole = message;
	struct wire_probe probe;

	if (!wire_probe_decode(&message, &probe)) {
		count(counters, is_udp ? COUNT_UDP_FOREIGN : COUNT_TCP_FOREIGN);
		return 0;
	}
	if (!proves(me, a, probe.run, &a->from, probe.token)) {
		note_stranger(me, counters, a, &probe);
		return 0;
	}
	switch (sessions_probe(me->sessions, probe.run, a)) {
	case SESSION_NONE:
		count(counters, COUNT_NO_SESSION);
		return 0;
	case SESSION_SPENT:
		count(counters, COUNT_UDP_SPENT);
		return 0;
	case SESSION_REPLY:
		break;
	}
	count(counters, is_udp ? COUNT_UDP_PROBE : COUNT_TCP_PROBE);
	return write_echo(a, &whole, &probe, out);
}

/* Which SYNs of the session's host wait. */
static void look_for_syns(const struct answerer *me, const struct arrival *a,
                          const struct session_view *session,
                          struct halfopen_view *out)
{
	struct sockdiag_query query = { .local = me->local[a->local],
		                        .peer = session->seen };

	halfopen_look(me->halfopen, &query, a->now_ns - session->hello_ns,
	              session->lost_syns, out);
}

static size_t answer_report(const struct answerer *me,
                            struct counters *counters, const struct arrival *a,
                            struct rd message, uint8_t out[WIRE_MESSAGE_MAX])
{
	struct portset_entry listening[WIRE_PORTS_MAX];
	struct session_view session;
	struct halfopen_view halfopen;
	struct wire_report report;

	if (!wire_report_decode(&message, &report)) {
		count(counters, COUNT_TCP_FOREIGN);
		return 0;
	}
	if (!proves(me, a, report.run, &a->from, report.token)) {
		count(counters, COUNT_BAD_TOKEN);
		return 0;
	}
	if (!sessions_view(me->sessions, report.run, a, &session)) {
		count(counters, COUNT_NO_SESSION);
		return 0;
	}

	look_for_syns(me, a, &session, &halfopen);
	if (!halfopen.complete)
		count(counters, COUNT_REPORT_UNSURE);

	struct manifest_source source = {
		.reflector = me->name,
		.receipt_key = me->receipt_key,
		.run = report.run,
		.session = &session,
		.halfopen = &halfopen,
		.listening = listening,
		.listening_count =
			portset_listening(me->ports, a->local, listening),
		.report_real_ns = a->real_ns,
	};

	count(counters, COUNT_REPORT);
	return manifest_write(&source, out);
}

size_t answer_tcp(const struct answerer *me, struct counters *counters,
                  const struct arrival *a, struct rd message,
                  uint8_t out[WIRE_MESSAGE_MAX])
{
	enum wire_type type;
	size_t n_bytes;

	if (wire_peek(message.p, bytes_of(&message), &type, &n_bytes) !=
	    WIRE_MESSAGE)
		type = 0;
	switch ((int)type) {
	case WIRE_HELLO:
		return answer_hello(me, counters, a, message, out);
	case WIRE_PROBE:
		return answer_probe(me, counters, a, message, out);
	case WIRE_REPORT:
		return answer_report(me, counters, a, message, out);
	default:
		count(counters, COUNT_TCP_FOREIGN);
		return 0;
	}
}

size_t answer_udp(const struct answerer *me, struct counters *counters,
                  const struct arrival *a, struct rd datagram,
                  uint8_t out[WIRE_MESSAGE_MAX])
{
	return answer_probe(me, counters, a, datagram, out);
}
