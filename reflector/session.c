/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions sit in places of a roster and in a chained hash table by run id.
 * The roster's order is the order of the latest HELLOs, so that the expired
 * ones are at its old end and need no timers: each HELLO sweeps a few more
 * than it can add, and none is used between its end and its sweeping.
 */
#include "reflector/session.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>

#include "lib/mem.h"

/* Few, since all threads wait meanwhile. */
enum { SWEPT_AT_ONCE = 16 };

struct session {
	uint8_t run[WIRE_RUN_BYTES];
	struct addr seen;
	uint8_t local;
	uint8_t other_count;
	uint32_t next; /* in the hash chain */
	int64_t hello_real_ns;
	int64_t hello_ns; /* the first: it may be repeated */
	int64_t expires_ns;
	uint64_t lost_syns;
	struct addr other[SESSION_OTHERS_MAX];
};

struct sessions {
	pthread_mutex_t lock;
	uint8_t key[ROSTER_KEY_BYTES];
	uint16_t slots;
	uint32_t bucket_mask;
	uint64_t evicted;
	struct roster *roster;
	struct session *session;   /* by place */
	struct session_mark *mark; /* slots of each place in a row */
	uint32_t *bucket;
};

static uint32_t *bucket_of(const struct sessions *s,
                           const uint8_t run[WIRE_RUN_BYTES])
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint32_t h;

	crypto_shorthash(hash, run, WIRE_RUN_BYTES, s->key);
	memcpy(&h, hash, sizeof(h));
	return &s->bucket[h & s->bucket_mask];
}

static void unlink_session(struct sessions *s, uint32_t place)
{
	uint32_t *at = bucket_of(s, s->session[place].run);

	while (*at != place)
		at = &s->session[*at].next;
	*at = s->session[place].next;
}

static void drop(struct sessions *s, uint32_t place)
{
	unlink_session(s, place);
	roster_leave(s->roster, place);
}

static bool is_alive(const struct session *at, int64_t now_ns)
{
	return at->expires_ns > now_ns;
}

/* False when there may be more. */
static bool sweep(struct sessions *s, int64_t now_ns)
{
	for (int i = 0; i < SWEPT_AT_ONCE; i++) {
		uint32_t oldest = roster_oldest(s->roster);

		if (oldest == ROSTER_NONE ||
		    is_alive(&s->session[oldest], now_ns))
			return true;
		drop(s, oldest);
	}
	return false;
}

static struct session_mark *marks_of(const struct sessions *s, uint32_t place)
{
	return &s->mark[(size_t)place * s->slots];
}

/* The place after this one in the chain that a run has at a local address. */
static uint32_t next_of_run(const struct sessions *s, uint32_t i,
                            const uint8_t run[WIRE_RUN_BYTES], uint8_t local)
{
	while (i != ROSTER_NONE &&
	       (s->session[i].local != local ||
	        memcmp(s->session[i].run, run, WIRE_RUN_BYTES) != 0))
		i = s->session[i].next;
	return i;
}

/* The place of the session that a host has in a run, or ROSTER_NONE. */
static uint32_t find(const struct sessions *s,
                     const uint8_t run[WIRE_RUN_BYTES], const struct addr *host,
                     uint8_t local)
{
	uint32_t i = next_of_run(s, *bucket_of(s, run), run, local);

	while (i != ROSTER_NONE && !addr_same_host(&s->session[i].seen, host))
		i = next_of_run(s, s->session[i].next, run, local);
	return i;
}

/* That session while it is alive; NULL: none. */
static struct session *alive(const struct sessions *s,
                             const uint8_t run[WIRE_RUN_BYTES],
                             const struct addr *host, const struct arrival *a)
{
	uint32_t i = find(s, run, host, a->local);

	if (i == ROSTER_NONE || !is_alive(&s->session[i], a->now_ns))
		return NULL;
	return &s->session[i];
}

/* The hosts that have a session alive in a run; a bounded number. */
static int hosts_of(const struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                    const struct arrival *a, struct addr out[SESSION_HOSTS_MAX])
{
	uint32_t i = next_of_run(s, *bucket_of(s, run), run, a->local);
	int n = 0;

	while (i != ROSTER_NONE && n < SESSION_HOSTS_MAX) {
		if (is_alive(&s->session[i], a->now_ns))
			out[n++] = s->session[i].seen;
		i = next_of_run(s, s->session[i].next, run, a->local);
	}
	return n;
}

static struct session_mark *mark_at(const struct sessions *s,
                                    const struct session *at, uint16_t slot)
{
	assert(slot < s->slots);
	return &marks_of(s, (uint32_t)(at - s->session))[slot];
}

static void admit(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                  const struct arrival *a)
{
	struct roster_seat seat = roster_admit(s->roster, &a->from);
	struct session *at = &s->session[seat.place];
	uint32_t *bucket = bucket_of(s, run);

	if (seat.evicted) {
		unlink_session(s, seat.place);
		s->evicted += is_alive(at, a->now_ns);
	}
	*at = (struct session){
		.seen = a->from,
		.local = a->local,
		.hello_real_ns = a->real_ns,
		.hello_ns = a->now_ns,
		.lost_syns = a->lost_syns,
		.expires_ns = a->now_ns + SESSION_LIFE_NS,
		.next = *bucket,
	};
	memcpy(at->run, run, sizeof(at->run));
	*bucket = seat.place;
	memset(marks_of(s, seat.place), 0, s->slots * sizeof(*s->mark));
}

struct sessions *sessions_new(const struct session_limits *limits,
                              const uint8_t key[ROSTER_KEY_BYTES])
{
	struct sessions *s = mem_alloc(sizeof(*s));
	uint32_t buckets = 1;

	assert(limits->slots <= WIRE_PORTS_MAX);
	while (buckets < limits->sessions)
		buckets *= 2;
	pthread_mutex_init(&s->lock, NULL);
	memcpy(s->key, key, sizeof(s->key));
	s->slots = limits->slots;
	s->bucket_mask = buckets - 1;
	s->roster = roster_new(limits->sessions, limits->per_prefix, key);
	s->session = mem_array(limits->sessions, sizeof(*s->session));
	s->mark = mem_array(limits->sessions, limits->slots * sizeof(*s->mark));
	s->bucket = mem_array(buckets, sizeof(*s->bucket));
	for (uint32_t i = 0; i < buckets; i++)
		s->bucket[i] = ROSTER_NONE;
	return s;
}

void sessions_free(struct sessions *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	roster_free(s->roster);
	free(s->bucket);
	free(s->mark);
	free(s->session);
	free(s);
}

static bool note_hello(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                       const struct arrival *a)
{
	struct addr hosts[SESSION_HOSTS_MAX];
	struct session *at;
	uint32_t i;

	sweep(s, a->now_ns);
	at = alive(s, run, &a->from, a);
	if (at) {
		at->expires_ns = a->now_ns + SESSION_LIFE_NS;
		roster_renew(s->roster, (uint32_t)(at - s->session));
		return true;
	}
	if (hosts_of(s, run, a, hosts) == SESSION_HOSTS_MAX)
		return false;
	i = find(s, run, &a->from, a->local);
	if (i != ROSTER_NONE) /* expired and not swept yet */
		drop(s, i);
	admit(s, run, a);
	return true;
}

bool sessions_hello(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                    const struct arrival *a)
{
	bool opened;

	pthread_mutex_lock(&s->lock);
	opened = note_hello(s, run, a);
	pthread_mutex_unlock(&s->lock);
	return opened;
}

int sessions_hosts(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                   const struct arrival *a, struct addr out[SESSION_HOSTS_MAX])
{
	int n;

	pthread_mutex_lock(&s->lock);
	n = hosts_of(s, run, a, out);
	pthread_mutex_unlock(&s->lock);
	return n;
}

static enum session_answer note_probe(struct sessions *s,
                                      const uint8_t run[WIRE_RUN_BYTES],
                                      const struct arrival *a)
{
	struct session *at = alive(s, run, &a->from, a);
	struct session_mark *mark;

	if (!at)
		return SESSION_NONE;
	mark = mark_at(s, at, a->slot);
	mark->flags |= MANIFEST_SEEN;
	mark->source_port = a->from.port;
	if (a->transport != TRANSPORT_UDP)
		return SESSION_REPLY;
	if (mark->udp_answers >= SESSION_UDP_ANSWERS)
		return SESSION_SPENT;
	mark->udp_answers++;
	return SESSION_REPLY;
}

enum session_answer sessions_probe(struct sessions *s,
                                   const uint8_t run[WIRE_RUN_BYTES],
                                   const struct arrival *a)
{
	enum session_answer answer;

	pthread_mutex_lock(&s->lock);
	answer = note_probe(s, run, a);
	pthread_mutex_unlock(&s->lock);
	return answer;
}

/* The index of an other address, added when new; -1: no room. */
static int other_index(struct session *at, const struct addr *from)
{
	for (int i = 0; i < at->other_count; i++)
		if (addr_same_host(&at->other[i], from))
			return i;
	if (at->other_count == SESSION_OTHERS_MAX)
		return -1;
	at->other[at->other_count] = *from;
	at->other[at->other_count].port = 0;
	return at->other_count++;
}

static bool note_other(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                       const struct addr *host, const struct arrival *a)
{
	struct session *at = alive(s, run, host, a);
	struct session_mark *mark;
	int other;

	if (!at)
		return false;
	other = other_index(at, &a->from);
	if (other < 0)
		return false;
	mark = mark_at(s, at, a->slot);
	mark->flags |= MANIFEST_OTHER_ADDRESS;
	mark->other = (uint8_t)other;
	mark->other_port = a->from.port;
	return true;
}

bool sessions_other(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                    const struct addr *host, const struct arrival *a)
{
	bool noted;

	pthread_mutex_lock(&s->lock);
	noted = note_other(s, run, host, a);
	pthread_mutex_unlock(&s->lock);
	return noted;
}

bool sessions_view(struct sessions *s, const uint8_t run[WIRE_RUN_BYTES],
                   const struct arrival *a, struct session_view *out)
{
	const struct session *at;

	pthread_mutex_lock(&s->lock);
	at = alive(s, run, &a->from, a);
	if (at) {
		out->seen = at->seen;
		out->hello_real_ns = at->hello_real_ns;
		out->hello_ns = at->hello_ns;
		out->lost_syns = at->lost_syns;
		memcpy(out->other, at->other, sizeof(out->other));
		memcpy(out->mark, marks_of(s, (uint32_t)(at - s->session)),
		       s->slots * sizeof(*s->mark));
	}
	pthread_mutex_unlock(&s->lock);
	return at != NULL;
}

struct session_counts sessions_count(struct sessions *s, int64_t now_ns)
{
	struct session_counts c;
	bool swept;

	do {
		pthread_mutex_lock(&s->lock);
		swept = sweep(s, now_ns);
		c.held = roster_count(s->roster);
		c.evicted = s->evicted;
		pthread_mutex_unlock(&s->lock);
	} while (!swept);
	return c;
}
