/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sweep.h"

#include <stddef.h>

#include "agent/pace.h"
#include "lib/mem.h"

enum { SERVICE_PER_SECOND = 20, CHECK_PER_SECOND = 100 };

struct sweep {
	struct sweep_options o;
	struct pace pace;
	struct timer timer;
	int started;
	int done;
	int slot_count;
	struct trial slot[]; /* slot_count */
};

static void pump_at(struct sweep *s, int64_t at_ns)
{
	loop_arm(s->o.setting->loop, &s->timer, at_ns);
}

/*
 * The trial is still on the call stack: what follows from its end, a new
 * trial in its place or the end of the sweep, waits for the timer.
 */
static void on_trial_done(struct trial *t, const struct finding *f)
{
	struct sweep *s = t->ctx;
	struct sweep_result r = { *f, t->probe.sent_count };

	s->done++;
	s->o.on_result(s->o.ctx, t->index, &r);
	if (s->done == s->o.count)
		pump_at(s, loop_now(s->o.setting->loop));
	else if (s->started < s->o.count && s->timer.heap_index == 0)
		pump_at(s, s->pace.next_ns);
}

static struct trial *free_slot(struct sweep *s)
{
	for (int i = 0; i < s->slot_count; i++)
		if (!s->slot[i].live)
			return &s->slot[i];
	return NULL;
}

static void start_trial(struct sweep *s, struct trial *t)
{
	const struct sweep_target *target = &s->o.target[s->started];

	t->index = s->started++;
	t->ctx = s;
	t->on_done = on_trial_done;
	trial_start(t, s->o.setting, target->transport, target->port);
}

/* With all slots taken the timer rests until a trial ends. */
static void on_timer(struct timer *timer, int64_t now_ns)
{
	struct sweep *s = LOOP_CONTAINER(timer, struct sweep, timer);
	struct trial *t = NULL;

	if (s->done == s->o.count) {
		s->o.on_done(s->o.ctx);
		return;
	}
	while (s->started < s->o.count && (t = free_slot(s)) &&
	       pace_take(&s->pace, now_ns))
		start_trial(s, t);
	if (s->started < s->o.count && free_slot(s))
		pump_at(s, s->pace.next_ns);
}

struct sweep *sweep_start(const struct sweep_options *o)
{
	int slots = o->count < SWEEP_OPEN_MAX ? o->count : SWEEP_OPEN_MAX;
	struct sweep *s =
		mem_alloc(sizeof(*s) + (size_t)slots * sizeof(s->slot[0]));
	int64_t now_ns = loop_now(o->setting->loop);

	s->o = *o;
	s->slot_count = slots;
	s->pace =
		pace_of(o->setting->pace == RUN_PACE_CHECK ? CHECK_PER_SECOND
	                                                   : SERVICE_PER_SECOND,
	                now_ns);
	s->timer.fire = on_timer;
	pump_at(s, now_ns);
	return s;
}

void sweep_free(struct sweep *s)
{
	if (!s)
		return;
	loop_disarm(s->o.setting->loop, &s->timer);
	for (int i = 0; i < s->slot_count; i++)
		trial_stop(&s->slot[i]);
	free(s);
}
