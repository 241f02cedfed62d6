/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/counters.h"

#include <stdio.h>

struct line {
	char *out;
	size_t room;
	size_t used;
};

static void add(struct line *l, const char *kind, const char *name, uint64_t n)
{
	int written;

	if (n == 0 || l->used >= l->room)
		return;
	written = snprintf(l->out + l->used, l->room - l->used, "%s%s%s %llu",
	                   l->used > 0 ? ", " : "", kind, name,
	                   (unsigned long long)n);
	if (written > 0)
		l->used += (size_t)written;
}

static void add_reasons(struct line *l, const struct counters *c)
{
	for (int i = 1; i < RECORD_FAULT_COUNT; i++)
		add(l, "rejected ", record_fault_name((enum record_fault)i),
		    c->fault[i]);
	for (int i = 1; i < REFUSAL_COUNT; i++)
		add(l, "rejected ", refusal_name((enum refusal)i),
		    c->refusal[i]);
	add(l, "rejected ", "by-database", c->unplaced);
	for (int i = 1; i < DOUBT_COUNT; i++)
		add(l, "unproven ", doubt_name((enum doubt)i), c->doubt[i]);
}

void counters_format(const struct counters *c, char *out, size_t out_bytes)
{
	struct line l = { .out = out, .room = out_bytes };

	snprintf(out, out_bytes, "nothing received");
	add(&l, "", "received", c->received);
	add(&l, "", "stored", c->stored);
	add(&l, "", "duplicate", c->duplicate);
	add(&l, "", "void", c->void_runs);
	add_reasons(&l, c);
	add(&l, "", "told to wait", c->wait_busy);
	add(&l, "", "over rate", c->wait_rate);
	add(&l, "", "foreign", c->foreign);
	add(&l, "", "odd", c->odd);
	add(&l, "", "reply to nobody", c->gone);
	add(&l, "", "reply not taken", c->stuck);
}
