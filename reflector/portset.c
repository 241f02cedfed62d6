/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/portset.h"

#include <assert.h>
#include <pthread.h>

#include "lib/mem.h"

/* Two a day, of three days. */
enum { CONTROL_PORTS = 6 };

static_assert((int)PORTSET_CONTROL_SLOTS >= 2 * (int)CONTROL_PORTS,
              "a day would use the slots that it empties");

struct slot {
	struct wire_port want; /* port 0: empty */
	uint64_t emptied;      /* in which turn a control port left it */
	uint16_t open[PORTSET_LOCALS_MAX]; /* sockets, over all threads */
};

struct portset {
	pthread_mutex_t lock;
	uint8_t seed[CONTROL_SEED_BYTES];
	struct port_list without;
	int64_t day;
	uint64_t turn; /* how often the day changed: it may go back */
	uint16_t fixed_count;
	uint16_t slot_count;
	struct slot slot[WIRE_PORTS_MAX];
};

/* The control ports of three days; port 0 where one is not wanted. */
struct wanted {
	int count;
	struct wire_port port[CONTROL_PORTS];
};

bool port_list_has(const struct port_list *list, uint8_t transport,
                   uint16_t port)
{
	for (uint16_t i = 0; i < list->count; i++)
		if (list->port[i].transport == transport &&
		    list->port[i].port == port)
			return true;
	return false;
}

static struct slot *find(struct portset *s, struct wire_port port)
{
	for (uint16_t i = 0; i < s->slot_count; i++)
		if (wire_port_same(s->slot[i].want, port))
			return &s->slot[i];
	return NULL;
}

static void want(const struct portset *s, struct wanted *w, uint8_t transport,
                 uint16_t port)
{
	if (!port_list_has(&s->without, transport, port))
		w->port[w->count++] = (struct wire_port){ transport, port };
}

static struct wanted wanted_around(const struct portset *s, int64_t day)
{
	struct wanted w = { 0 };

	for (int64_t d = day - 1; d <= day + 1; d++) {
		struct control_ports c = control_draw(s->seed, d);

		want(s, &w, TRANSPORT_TCP, c.tcp);
		want(s, &w, TRANSPORT_UDP, c.udp);
	}
	return w;
}

static bool is_wanted(const struct wanted *w, struct wire_port port)
{
	for (int i = 0; i < w->count; i++)
		if (wire_port_same(w->port[i], port))
			return true;
	return false;
}

/* The empty control slot that has been empty longest. */
static struct slot *emptiest(struct portset *s)
{
	struct slot *best = NULL;

	for (uint16_t i = s->fixed_count; i < s->slot_count; i++) {
		struct slot *at = &s->slot[i];

		if (at->want.port == 0 &&
		    (!best || at->emptied < best->emptied))
			best = at;
	}
	assert(best); /* there are more slots than ports */
	return best;
}

struct portset *portset_new(const struct port_list *fixed,
                            const struct port_list *without,
                            const uint8_t seed[CONTROL_SEED_BYTES])
{
	struct portset *s = mem_alloc(sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	memcpy(s->seed, seed, sizeof(s->seed));
	s->without = *without;
	s->day = INT64_MIN;
	for (uint16_t i = 0; i < fixed->count; i++)
		if (!port_list_has(without, fixed->port[i].transport,
		                   fixed->port[i].port))
			s->slot[s->fixed_count++].want = fixed->port[i];
	s->slot_count = (uint16_t)(s->fixed_count + PORTSET_CONTROL_SLOTS);
	return s;
}

void portset_free(struct portset *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void portset_set_day(struct portset *s, int64_t day)
{
	struct wanted w = wanted_around(s, day);

	pthread_mutex_lock(&s->lock);
	if (s->day != day) {
		s->day = day;
		s->turn++;
		for (uint16_t i = s->fixed_count; i < s->slot_count; i++) {
			struct slot *at = &s->slot[i];

			if (at->want.port != 0 && !is_wanted(&w, at->want))
				*at = (struct slot){ .emptied = s->turn };
		}
		for (int i = 0; i < w.count; i++)
			if (!find(s, w.port[i]))
				emptiest(s)->want = w.port[i];
	}
	pthread_mutex_unlock(&s->lock);
}

uint16_t portset_slots(const struct portset *s)
{
	return s->slot_count;
}

struct wire_port portset_wanted(struct portset *s, uint16_t slot)
{
	struct wire_port port;

	pthread_mutex_lock(&s->lock);
	port = s->slot[slot].want;
	pthread_mutex_unlock(&s->lock);
	return port;
}

void portset_opened(struct portset *s, uint16_t slot, uint16_t port,
                    uint8_t local)
{
	pthread_mutex_lock(&s->lock);
	if (s->slot[slot].want.port == port)
		s->slot[slot].open[local]++;
	pthread_mutex_unlock(&s->lock);
}

void portset_closed(struct portset *s, uint16_t slot, uint16_t port,
                    uint8_t local)
{
	pthread_mutex_lock(&s->lock);
	if (s->slot[slot].want.port == port && s->slot[slot].open[local] > 0)
		s->slot[slot].open[local]--;
	pthread_mutex_unlock(&s->lock);
}

bool portset_is_open(struct portset *s, uint16_t slot, uint8_t local)
{
	bool is_open;

	pthread_mutex_lock(&s->lock);
	is_open = s->slot[slot].want.port != 0 && s->slot[slot].open[local] > 0;
	pthread_mutex_unlock(&s->lock);
	return is_open;
}

uint16_t portset_listening(struct portset *s, uint8_t local,
                           struct portset_entry out[WIRE_PORTS_MAX])
{
	uint16_t n = 0;

	pthread_mutex_lock(&s->lock);
	for (uint16_t i = 0; i < s->slot_count; i++)
		if (s->slot[i].want.port != 0 && s->slot[i].open[local] > 0)
			out[n++] = (struct portset_entry){ s->slot[i].want, i };
	pthread_mutex_unlock(&s->lock);
	return n;
}
