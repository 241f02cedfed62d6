/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trial moves in steps: each finding and each timer leads to one.  A step
 * lets attempts whose time is over expire, starts the next one when it is due,
 * and ends the trial when nothing can change its outcome any more.
 *
 * An attempt is over when it has a finding, though a UDP socket goes on
 * listening until its time is up.
 */
#include "agent/trial.h"

#include <sodium.h>
#include <stddef.h>

#include "lib/token.h"

static void make_message(struct trial *t, struct attempt *a)
{
	struct wire_probe m = {
		.transport = t->probe.transport,
		.port = t->probe.port,
		.attempt = (uint8_t)t->probe.sent_count,
	};
	struct wr w = wr_of(a->message, sizeof(a->message));

	randombytes_buf(a->sent->nonce, sizeof(a->sent->nonce));
	memcpy(m.run, t->setting->run, sizeof(m.run));
	memcpy(m.token, t->setting->token, sizeof(m.token));
	memcpy(m.nonce, a->sent->nonce, sizeof(m.nonce));
	wire_probe_encode(&w, &m);
	token_probe_digest(a->message, sizeof(a->message), a->sent->digest);
}

static void step(struct trial *t, int64_t now_ns);

static void on_changed(struct attempt *a, int64_t now_ns)
{
	struct trial *t = LOOP_CONTAINER(a->probe, struct trial, probe);

	step(t, now_ns);
}

static const struct probe_ops *ops_of(enum transport transport)
{
	return transport == TRANSPORT_TCP ? &probe_tcp : &probe_udp;
}

static void start_attempt(struct trial *t, int64_t now_ns)
{
	int i = t->probe.sent_count++;
	struct attempt *a = &t->attempt[i];
	struct addr to = t->setting->reflector;

	to.port = t->probe.port;
	*a = (struct attempt){
		.watch.fd = -1,
		.ops = ops_of(t->probe.transport),
		.loop = t->setting->loop,
		.probe = &t->probe,
		.sent = &t->probe.sent[i],
		.opened_ns = now_ns,
		.changed = on_changed,
	};
	make_message(t, a);
	a->ops->open(a, &to, now_ns);
	/* When they follow each other, the end of this one sets the time. */
	t->next_ns = INT64_MAX;
	if (t->ladder.overlap && i < JUDGE_ATTEMPTS - 1)
		t->next_ns = now_ns + t->ladder.gap_ns[i];
	if (t->on_last && i == JUDGE_ATTEMPTS - 1)
		t->on_last(t);
}

static bool is_over(const struct attempt *a)
{
	return a->finding.outcome != OUTCOME_UNTESTED;
}

/* When the time of an attempt is up; overlapping ones end with the last. */
static int64_t deadline_of(const struct trial *t, const struct attempt *a)
{
	const struct attempt *last = &t->attempt[JUDGE_ATTEMPTS - 1];

	if (!t->ladder.overlap)
		return a->opened_ns + t->ladder.patience_ns;
	if (t->probe.sent_count < JUDGE_ATTEMPTS)
		return INT64_MAX;
	return last->opened_ns + t->ladder.patience_ns;
}

static void expire_attempts(struct trial *t, int64_t now_ns)
{
	for (int i = 0; i < t->probe.sent_count; i++) {
		struct attempt *a = &t->attempt[i];

		if (a->watch.fd >= 0 && deadline_of(t, a) <= now_ns)
			a->ops->expire(a, now_ns);
	}
}

/* The one before has ended: the next one follows at a distance. */
static void schedule_next(struct trial *t, int64_t now_ns)
{
	int n = t->probe.sent_count;

	if (t->next_ns == INT64_MAX && n < JUDGE_ATTEMPTS &&
	    is_over(&t->attempt[n - 1]))
		t->next_ns = now_ns + t->ladder.gap_ns[n - 1];
}

static int gather(const struct trial *t, struct finding out[JUDGE_ATTEMPTS])
{
	for (int i = 0; i < t->probe.sent_count; i++)
		out[i] = t->attempt[i].finding;
	return t->probe.sent_count;
}

/* Of failures the caller may want to see more before the last attempt. */
static bool is_settled(const struct trial *t, const struct finding *finding,
                       int n)
{
	struct finding whole;

	if (!judge_settled(finding, n))
		return false;
	judge_combine(t->probe.transport, finding, n, &whole);
	return n == JUDGE_ATTEMPTS || judge_is_answer(whole.outcome) ||
	       !t->may_end || t->may_end(t);
}

static bool all_over(const struct trial *t)
{
	if (t->probe.sent_count < JUDGE_ATTEMPTS)
		return false;
	for (int i = 0; i < JUDGE_ATTEMPTS; i++)
		if (!is_over(&t->attempt[i]) || t->attempt[i].watch.fd >= 0)
			return false;
	return true;
}

static void arm(struct trial *t)
{
	int64_t at_ns = t->next_ns;

	for (int i = 0; i < t->probe.sent_count; i++) {
		const struct attempt *a = &t->attempt[i];
		int64_t deadline_ns = deadline_of(t, a);

		if (a->watch.fd >= 0 && deadline_ns < at_ns)
			at_ns = deadline_ns;
	}
	loop_arm(t->setting->loop, &t->timer, at_ns);
}

static void step(struct trial *t, int64_t now_ns)
{
	struct finding finding[JUDGE_ATTEMPTS];
	struct finding whole;
	int n;

	expire_attempts(t, now_ns);
	schedule_next(t, now_ns);
	n = gather(t, finding);
	if (!is_settled(t, finding, n) && t->next_ns <= now_ns) {
		start_attempt(t, now_ns);
		schedule_next(t, now_ns);
		n = gather(t, finding);
	}
	if (!is_settled(t, finding, n) && !all_over(t)) {
		arm(t);
		return;
	}
	trial_stop(t);
	judge_combine(t->probe.transport, finding, n, &whole);
	t->on_done(t, &whole);
}

static void on_timer(struct timer *timer, int64_t now_ns)
{
	step(LOOP_CONTAINER(timer, struct trial, timer), now_ns);
}

void trial_start(struct trial *t, const struct trial_setting *setting,
                 enum transport transport, uint16_t port)
{
	int64_t now_ns = loop_now(setting->loop);

	t->setting = setting;
	t->ladder = ladder_of(setting->pace, transport, setting->rtt_ns);
	t->probe = (struct judge_probe){ .transport = (uint8_t)transport,
		                         .port = port };
	memcpy(t->probe.token, setting->token, sizeof(t->probe.token));
	t->timer = (struct timer){ .fire = on_timer };
	t->live = true;
	start_attempt(t, now_ns);
	schedule_next(t, now_ns);
	arm(t);
}

void trial_stop(struct trial *t)
{
	if (!t->live)
		return;
	t->live = false;
	loop_disarm(t->setting->loop, &t->timer);
	for (int i = 0; i < t->probe.sent_count; i++)
		probe_close(&t->attempt[i]);
}
