/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - what is remembered of each run, for five minutes.
 *
 * A HELLO opens a session; probes leave marks in it, by port slot; the
 * manifest is written from a copy of it.  The table has a fixed size.  Who
 * loses a session when there are too many is decided by the roster: first the
 * oldest of the same source prefix, then the oldest of all.
 *
 * A session belongs to one run, one host that said HELLO and the local address
 * that it said it to: who has learnt a run's id and says HELLO with it gets a
 * session beside the other and cannot touch it.  Times are monotonic unless a name says real.  Shared by all threads;
 * locks by itself; never reads a clock.
 */
#ifndef REFLECTOR_SESSION_H
#define REFLECTOR_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/wire.h"
#include "reflector/roster.h"

/* How long a session lives after the latest HELLO. */
#define SESSION_LIFE_NS (300 * INT64_C(1000000000))

enum {
	/* Datagrams answered on each port in a run. */
	SESSION_UDP_ANSWERS = 8,
	/* Other addresses that are remembered of one run. */
	SESSION_OTHERS_MAX = 8,
	/* Hosts that may have a session in one run: a line has few. */
	SESSION_HOSTS_MAX = 8,
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
	int64_t hello_real_ns;
	int64_t hello_ns;
	uint64_t lost_syns;                       /* when it said HELLO */
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
	uint64_t lost_syns; /* with a HELLO: halfopen_lost_syns() then */
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
 * Open a session.  A HELLO that is repeated keeps what was noted and makes the
 * session live on.  False: too many other hosts have sessions in this run.
 */
MUSTCHECK bool sessions_hello(struct sessions *s,
                              const uint8_t run[WIRE_RUN_BYTES],
                              const struct arrival *a);

/* The hosts that have a session in a run; returns how many. */
int sessions_hosts(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                   const struct arrival *a, struct addr out[SESSION_HOSTS_MAX]);

/* Note a probe that came from the session's own host. */
enum session_answer sessions_probe(struct sessions *s,
                                   const uint8_t run[WIRE_RUN_BYTES],
                                   const struct arrival *a);

/*
 * Note a probe that came from elsewhere with the token of this host's session.
 * False when the session is gone or has no room for one more other address.
 */
bool sessions_other(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                    const struct addr *host, const struct arrival *a);

/* Copy the session of the host that asks; false: it has none. */
bool sessions_view(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                   const struct arrival *a, struct session_view *out);

struct session_counts {
	uint32_t held;    /* sessions alive now */
	uint64_t evicted; /* sessions that had to go before their time */
};

struct session_counts sessions_count(struct sessions *s, int64_t now_ns);

#endif
