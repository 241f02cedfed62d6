/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sweep.h"

#include <stddef.h>

#include "agent/pace.h"
#include "agent/pulse.h"
#include "lib/mem.h"

enum { SERVICE_PER_SECOND = 20, CHECK_PER_SECOND = 100 };

/* Is the path alive, for one transport? */
struct life {
	struct pulse pulse;
	struct trial control;
	int64_t asked_ns; /* when the control was started */
};

/* A failure that no witness speaks for, so far. */
struct failure {
	int index;
	uint8_t transport;
	int64_t from_ns; /* something must get through from here */
	int64_t until_ns;
	struct sweep_result result;
};

struct sweep {
	struct sweep_options o;
	struct pace pace;
	struct timer timer;
	int started;
	int done;
	struct life life[2];
	int failure_count;
	struct failure *failure; /* room for as many as there are targets */
	int slot_count;
	struct trial slot[]; /* slot_count */
};

static int64_t now_of(const struct sweep *s)
{
	return loop_now(s->o.setting->loop);
}

static void pump_at(struct sweep *s, int64_t at_ns)
{
	loop_arm(s->o.setting->loop, &s->timer, at_ns);
}

/* ---- is the path alive? ------------------------------------------------- */

/* It ends a trial at once: what was sent an rtt ago got there. */
static void note_life(struct sweep *s, const struct trial *t,
                      const struct finding *f)
{
	if (f->outcome == OUTCOME_OPEN)
		pulse_note(&s->life[t->probe.transport].pulse,
		           now_of(s) - f->rtt_ns);
}

static void on_control_done(struct trial *t, const struct finding *f)
{
	struct sweep *s = t->ctx;

	note_life(s, t, f);
	if (s->done == s->o.count)
		pump_at(s, now_of(s));
}

/* See to it that there is a witness, if there can be one. */
static void ask_control(struct sweep *s, enum transport transport,
                        int64_t since_ns)
{
	struct life *life = &s->life[transport];
	int64_t now_ns = now_of(s);

	if (s->o.control[transport] == 0 || life->asked_ns >= since_ns ||
	    pulse_between(&life->pulse, since_ns, now_ns))
		return;
	trial_stop(&life->control);
	life->control.ctx = s;
	life->control.on_done = on_control_done;
	life->asked_ns = now_ns;
	trial_start(&life->control, s->o.setting, transport,
	            s->o.control[transport]);
}

/* By then the first attempt has had its time; a failure has two at least. */
static int64_t needed_from(const struct trial *t)
{
	return t->attempt[1].opened_ns;
}

/*
 * Over TCP an answer is timed from the end of its handshake: a control that
 * was asked together with the last attempt speaks for it all the same.
 */
static int64_t needed_until(const struct trial *t)
{
	int64_t last_ns = t->attempt[t->probe.sent_count - 1].opened_ns;

	return t->probe.transport == TRANSPORT_TCP
	               ? last_ns + t->ladder.gap_ns[0]
	               : last_ns;
}

static void on_last_attempt(struct trial *t)
{
	ask_control(t->ctx, t->probe.transport, needed_from(t));
}

static bool is_witnessed(const struct sweep *s, enum transport transport,
                         int64_t from_ns, int64_t until_ns)
{
	return s->o.control[transport] == 0 ||
	       pulse_between(&s->life[transport].pulse, from_ns, until_ns);
}

/* A router whose uplink is dead refuses everything, and at once. */
static bool may_end(const struct trial *t)
{
	const struct sweep *s = t->ctx;

	return is_witnessed(s, t->probe.transport, needed_from(t), now_of(s));
}

static void on_failure(struct sweep *s, const struct trial *t,
                       const struct sweep_result *r)
{
	const struct failure f = {
		.index = t->index,
		.transport = t->probe.transport,
		.from_ns = needed_from(t),
		.until_ns = needed_until(t),
		.result = *r,
	};

	if (t->probe.sent_count < JUDGE_ATTEMPTS || /* may_end said so */
	    is_witnessed(s, f.transport, f.from_ns, f.until_ns))
		s->o.on_result(s->o.ctx, t->index, r);
	else
		s->failure[s->failure_count++] = f;
}

static void tell_failures(struct sweep *s)
{
	for (int i = 0; i < s->failure_count; i++) {
		struct failure *f = &s->failure[i];

		f->result.doubtful =
			!is_witnessed(s, f->transport, f->from_ns, f->until_ns);
		s->o.on_result(s->o.ctx, f->index, &f->result);
	}
	s->failure_count = 0;
}

/* ---- probes ------------------------------------------------------------- */

/*
 * The trial is still on the call stack: what follows from its end, a new
 * trial in its place or the end of the sweep, waits for the timer.
 */
static void on_trial_done(struct trial *t, const struct finding *f)
{
	struct sweep *s = t->ctx;
	struct sweep_result r = { *f, t->probe.sent_count, false };

	s->done++;
	note_life(s, t, f);
	if (judge_is_answer(f->outcome))
		s->o.on_result(s->o.ctx, t->index, &r);
	else
		on_failure(s, t, &r);
	if (s->done == s->o.count)
		pump_at(s, now_of(s));
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
	t->may_end = may_end;
	t->on_last = on_last_attempt;
	t->on_done = on_trial_done;
	trial_start(t, s->o.setting, target->transport, target->port);
}

/* The answers of controls may still be on their way. */
static void end(struct sweep *s)
{
	if (s->failure_count > 0 &&
	    (s->life[0].control.live || s->life[1].control.live))
		return;
	tell_failures(s);
	s->o.on_done(s->o.ctx);
}

/* With all slots taken the timer rests until a trial ends. */
static void on_timer(struct timer *timer, int64_t now_ns)
{
	struct sweep *s = LOOP_CONTAINER(timer, struct sweep, timer);
	struct trial *t = NULL;

	if (s->done == s->o.count) {
		end(s);
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
	s->failure = mem_array((size_t)o->count + 1, sizeof(*s->failure));
	s->life[0].asked_ns = INT64_MIN;
	s->life[1].asked_ns = INT64_MIN;
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
	for (int i = 0; i < 2; i++) {
		trial_stop(&s->life[i].control);
		pulse_free(&s->life[i].pulse);
	}
	free(s->failure);
	free(s);
}
