/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - what is remembered of each run, for five minutes.
 *
 * A HELLO opens a session; probes leave marks in it, by port slot; the
 * manifest is written from a copy of it.  The table has a fixed size.  Who
 * loses a session when there are too many is decided by the roster: first the
 * oldest of the same source prefix, then the oldest of all.
 *
 * A run has one session, bound to the address that its latest HELLO came
 * from.  Times are monotonic unless a name says real.  Shared by all threads;
 * locks by itself; never reads a clock.
 */
#ifndef REFLECTOR_SESSION_H
#define REFLECTOR_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/wire.h"
#include "reflector/roster.h"

/* How long a session lives after the latest HELLO. */
#define SESSION_LIFE_NS (300 * INT64_C(1000000000))

enum {
	/* Datagrams answered on each port in a run. */
	SESSION_UDP_ANSWERS = 8,
	/* Other addresses that are remembered of one run. */
	SESSION_OTHERS_MAX = 8,
};

struct session_limits {
	uint32_t sessions;
	uint32_t per_prefix;
	uint16_t slots; /* of the portset */
};

/* What a run left behind on one port. */
struct session_mark {
	uint16_t source_port; /* of the latest probe from the own host */
	uint16_t other_port;  /* of the latest probe from another host */
	uint8_t flags;        /* enum manifest_flag */
	uint8_t udp_answers;
	uint8_t other; /* index of that other host, when flagged */
};

/* A copy of a session. */
struct session_view {
	struct addr seen; /* where its HELLO came from, port included */
	uint8_t local;    /* which local address it reached */
	int64_t hello_real_ns;
	struct addr other[SESSION_OTHERS_MAX];    /* without ports */
	struct session_mark mark[WIRE_PORTS_MAX]; /* by slot */
};

/* Where a message came from and where it arrived. */
struct arrival {
	struct addr from;
	uint8_t transport;
	uint8_t local; /* index of the local address */
	uint16_t port; /* it arrived on, which may not be the intended one */
	uint16_t slot; /* of that port */
	int64_t now_ns;
	int64_t real_ns;
};

enum session_answer {
	SESSION_NONE,  /* no such session for this address */
	SESSION_SPENT, /* the datagrams of this port are used up */
	SESSION_REPLY, /* noted; answer it */
};

struct sessions;

/* Create the table; the key is random and guards its hashes. */
struct sessions *sessions_new(const struct session_limits *limits,
                              const uint8_t key[ROSTER_KEY_BYTES]);

/* NULL is allowed. */
void sessions_free(struct sessions *s);

/*
 * Open a session.  A HELLO that is repeated from the same host keeps what was
 * noted and makes the session live on; from another host it starts afresh.
 */
void sessions_hello(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                    const struct arrival *a);

/* The address that a run's session is bound to; false: no such session. */
bool sessions_find(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                   int64_t now_ns, struct addr *seen);

/* Note a probe that came from the session's own host. */
enum session_answer sessions_probe(struct sessions *s,
                                   const uint8_t run[WIRE_RUN_BYTES],
                                   const struct arrival *a);

/*
 * Note a probe with the run's token that came from another host.  False when
 * the session is gone or has no room for one more other address.
 */
bool sessions_other(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                    const struct arrival *a);

/* Copy the session that a run has from this host; false: no such session. */
bool sessions_view(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                   const struct addr *from, int64_t now_ns,
                   struct session_view *out);

struct session_counts {
	uint32_t held;    /* sessions now */
	uint64_t evicted; /* sessions that had to go before their time */
};

struct session_counts sessions_count(struct sessions *s);

#endif
