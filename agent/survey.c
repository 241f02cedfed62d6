/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/survey.h"

#include <stddef.h>

#include "lib/mem.h"

/* What concerns most people comes first; others follow in catalogue order. */
static const char *const categories[] = {
	"mail",
	"DNS/time",
	"web",
	"VPN",
	"remote access",
	"messaging",
	"VoIP",
	"gaming",
	"streaming",
	"file sharing",
	"P2P",
	"Tor",
	"database",
	"Windows/SMB",
	"IoT",
	"infrastructure",
	"amplification",
	"other",
	"malware-abused",
};

enum { CATEGORIES = sizeof(categories) / sizeof(categories[0]) };

static int category_rank(const struct catalogue_entry *entry)
{
	int i = 0;

	if (!entry)
		return CATEGORIES + 1;
	while (i < CATEGORIES && strcmp(categories[i], entry->category) != 0)
		i++;
	return i;
}

static int compare_ports(const void *x, const void *y)
{
	const struct survey_port *a = x;
	const struct survey_port *b = y;
	int rank_a = category_rank(a->entry);
	int rank_b = category_rank(b->entry);

	if (rank_a != rank_b)
		return rank_a - rank_b;
	if (a->port != b->port)
		return (int)a->port - (int)b->port;
	if (a->transport != b->transport)
		return (int)a->transport - (int)b->transport;
	if (a->direction != b->direction)
		return (int)a->direction - (int)b->direction;
	return (int)a->family - (int)b->family;
}

enum void_reason survey_void(const struct record *r, int transport)
{
	return transport == TRANSPORT_TCP ? r->void_tcp : r->void_udp;
}

static enum seen seen_of(const struct wire_manifest *m,
                         const struct record_probe *p)
{
	const struct manifest_entry *entry =
		wire_manifest_find(m, p->transport, p->port);

	if (!entry)
		return SEEN_UNKNOWN;
	if (entry->flags & (MANIFEST_SEEN | MANIFEST_HALF_OPEN))
		return SEEN_YES;
	/* It cannot be told, or something came, though not as it should. */
	return entry->flags == 0 ? SEEN_NO : SEEN_UNKNOWN;
}

static bool is_tested(uint8_t outcome)
{
	return outcome != OUTCOME_UNTESTED && outcome != OUTCOME_UNTESTABLE;
}

static struct survey_port *port_of(struct survey *s, const struct record *r,
                                   const struct record_probe *p)
{
	const struct survey_port *known =
		survey_find(s, p->direction, p->transport, p->port, r->family);
	struct survey_port *port;

	if (known)
		return &s->port[known - s->port];
	port = &s->port[s->port_count];
	*port = (struct survey_port){
		.direction = p->direction,
		.transport = p->transport,
		.port = p->port,
		.family = r->family,
		.entry = catalogue_find(p->transport, p->port),
		.answer = &s->answers[s->port_count * s->check->run_count],
	};
	s->port_count++;
	return port;
}

static void add_run(struct survey *s, const struct record *r)
{
	struct rd rd = rd_of(r->manifest, r->manifest_bytes);
	struct wire_manifest *m = mem_alloc(sizeof(*m));

	if (!wire_manifest_decode(&rd, m))
		m->entry_count = 0;
	for (int i = 0; i < r->probe_count; i++) {
		const struct record_probe *p = &r->probe[i];
		struct survey_port *port = port_of(s, r, p);

		port->answer[port->answer_count++] = (struct survey_answer){
			.record = r,
			.probe = p,
			.evidence = record_evidence_of(r, (size_t)i),
			.seen = seen_of(m, p),
			.counts = is_tested(p->outcome) &&
			          survey_void(r, p->transport) == VOID_NONE,
		};
	}
	free(m);
}

static enum survey_result result_of(uint8_t outcome)
{
	switch (outcome) {
	case OUTCOME_OPEN:
		return SURVEY_OPEN;
	case OUTCOME_INTERCEPTED:
		return SURVEY_INTERCEPTED;
	case OUTCOME_ALTERED:
		return SURVEY_ALTERED;
	case OUTCOME_DENIED:
		return SURVEY_DENIED;
	default:
		return SURVEY_BLOCKED;
	}
}

static enum survey_result merge(enum survey_result a, enum survey_result b)
{
	if (a == b || a == SURVEY_UNTESTED)
		return b;
	if (a == SURVEY_OPEN || b == SURVEY_OPEN || a == SURVEY_DISPUTED)
		return SURVEY_DISPUTED;
	return SURVEY_BLOCKED; /* in different ways */
}

static void conclude(struct survey_port *port)
{
	for (int i = 0; i < port->answer_count; i++)
		if (port->answer[i].counts)
			port->result = merge(
				port->result,
				result_of(port->answer[i].probe->outcome));
}

void survey_init(struct survey *s, const struct report_check *check)
{
	size_t most = 0;

	for (int i = 0; i < check->run_count; i++)
		most += check->run[i].record->probe_count;
	*s = (struct survey){ .check = check };
	s->port = mem_array(most + 1, sizeof(*s->port));
	s->answers = mem_array((most + 1) * (size_t)(check->run_count + 1),
	                       sizeof(*s->answers));
	for (int i = 0; i < check->run_count; i++)
		add_run(s, check->run[i].record);
	for (int i = 0; i < s->port_count; i++)
		conclude(&s->port[i]);
	qsort(s->port, (size_t)s->port_count, sizeof(s->port[0]),
	      compare_ports);
}

void survey_fini(struct survey *s)
{
	free(s->port);
	free(s->answers);
}

const char *survey_result_name(enum survey_result result)
{
	static const char *const name[SURVEY_RESULTS] = {
		[SURVEY_UNTESTED] = "untested",
		[SURVEY_OPEN] = "open",
		[SURVEY_BLOCKED] = "blocked",
		[SURVEY_INTERCEPTED] = "intercepted",
		[SURVEY_ALTERED] = "altered",
		[SURVEY_DENIED] = "denied",
		[SURVEY_DISPUTED] = "disputed",
	};

	return name[result];
}

/* O(n); a survey has some hundred ports. */
const struct survey_port *survey_find(const struct survey *s, int direction,
                                      int transport, int port, int family)
{
	for (int i = 0; i < s->port_count; i++) {
		const struct survey_port *p = &s->port[i];

		if (p->direction == direction && p->transport == transport &&
		    p->port == port && p->family == family)
			return p;
	}
	return NULL;
}

int survey_count(const struct survey *s, int family, enum survey_result result)
{
	int n = 0;

	for (int i = 0; i < s->port_count; i++)
		if (s->port[i].family == family && s->port[i].result == result)
			n++;
	return n;
}
