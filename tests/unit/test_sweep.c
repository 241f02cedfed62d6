/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When is a failure believed?  Loop and trials are stand-ins: the tests say
 * what time it is and how each trial fares.
 */
#include "agent/pulse.c"
#include "agent/sweep.c"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "tests/unit/unit.h"

enum { TARGETS = 100, RTT_MS = 10, CONTROL_PORT = 50000 };

static int64_t clock_ns;
static struct trial_setting setting;
static struct sweep *sweep;
static int told[TARGETS]; /* 0: not, 1: believed, 2: doubtful */
static int ended;

int64_t loop_now(const struct loop *l)
{
	(void)l;
	return clock_ns;
}

void loop_arm(struct loop *l, struct timer *t, int64_t at_ns)
{
	(void)l;
	t->at_ns = at_ns;
	t->heap_index = 1;
}

void loop_disarm(struct loop *l, struct timer *t)
{
	(void)l;
	t->heap_index = 0;
}

void trial_start(struct trial *t, const struct trial_setting *s,
                 enum transport transport, uint16_t port)
{
	t->setting = s;
	t->ladder = ladder_of(s->pace, transport, s->rtt_ns);
	t->probe = (struct judge_probe){ .transport = (uint8_t)transport,
		                         .port = port,
		                         .sent_count = 1 };
	t->attempt[0].opened_ns = clock_ns;
	t->live = true;
}

void trial_stop(struct trial *t)
{
	t->live = false;
}

static void at_ms(int64_t ms)
{
	clock_ns = ms * CLOCK_MS;
}

static void on_result(void *ctx, int index, const struct sweep_result *r)
{
	(void)ctx;
	assert_int_equal(told[index], 0);
	told[index] = r->doubtful ? 2 : 1;
}

static void on_done(void *ctx)
{
	(void)ctx;
	ended++;
}

/* The sweep's own timer fires when it is due. */
static void turn(void)
{
	if (!sweep->timer.heap_index || sweep->timer.at_ns > clock_ns)
		return;
	sweep->timer.heap_index = 0;
	sweep->timer.fire(&sweep->timer, clock_ns);
}

static void begin(enum transport transport, int count, uint16_t control)
{
	static struct sweep_target target[TARGETS];
	struct sweep_options o = {
		.setting = &setting,
		.target = target,
		.count = count,
		.control = { control, control },
		.on_result = on_result,
		.on_done = on_done,
	};

	for (int i = 0; i < count; i++)
		target[i] = (struct sweep_target){ (uint8_t)transport,
			                           (uint16_t)(i + 1) };
	setting.pace = RUN_PACE_CHECK;
	setting.rtt_ns = RTT_MS * CLOCK_MS;
	memset(told, 0, sizeof(told));
	ended = 0;
	at_ms(0);
	sweep = sweep_start(&o);
	turn();
}

static int end_sweep(void)
{
	int n;

	turn();
	n = ended;
	sweep_free(sweep);
	sweep = NULL;
	return n;
}

static void attempt(struct trial *t, int64_t ms)
{
	at_ms(ms);
	t->attempt[t->probe.sent_count++].opened_ns = clock_ns;
	if (t->probe.sent_count == JUDGE_ATTEMPTS)
		t->on_last(t);
}

static void finish(struct trial *t, int64_t ms, enum outcome outcome)
{
	const struct finding f = {
		.outcome = (uint8_t)outcome,
		.rtt_ns = RTT_MS * CLOCK_MS,
	};

	at_ms(ms);
	t->live = false;
	t->on_done(t, &f);
}

static struct trial *control(enum transport transport)
{
	return &sweep->life[transport].control;
}

/* Four attempts at 0, 100, 300 and 700 ms. */
static void climb(struct trial *t)
{
	attempt(t, 100);
	attempt(t, 300);
	attempt(t, 700);
}

static void a_silent_port_is_believed_when_the_control_answers(void **state)
{
	(void)state;
	for (int t = TRANSPORT_TCP; t <= TRANSPORT_UDP; t++) {
		begin((enum transport)t, 1, CONTROL_PORT);
		climb(&sweep->slot[0]);
		assert_true(control((enum transport)t)->live);
		assert_int_equal(control((enum transport)t)->probe.port,
		                 CONTROL_PORT);
		/* Over TCP timed from its handshake's end: 710 ms. */
		finish(control((enum transport)t),
		       t == TRANSPORT_TCP ? 720 : 710, OUTCOME_OPEN);
		finish(&sweep->slot[0], 2200, OUTCOME_TIMEOUT);
		assert_int_equal(told[0], 1);
		assert_int_equal(end_sweep(), 1);
	}
}

static void a_silent_port_is_doubtful_when_the_control_is_silent(void **state)
{
	(void)state;
	begin(TRANSPORT_UDP, 1, CONTROL_PORT);
	climb(&sweep->slot[0]);
	finish(&sweep->slot[0], 2200, OUTCOME_TIMEOUT);
	assert_int_equal(told[0], 0);
	turn();
	assert_int_equal(ended, 0); /* the control has its own time */
	finish(control(TRANSPORT_UDP), 2900, OUTCOME_TIMEOUT);
	assert_int_equal(end_sweep(), 1);
	assert_int_equal(told[0], 2);
}

/* A control that gets through later speaks for later only. */
static void an_answer_after_the_last_attempt_is_no_witness(void **state)
{
	(void)state;
	for (int t = TRANSPORT_TCP; t <= TRANSPORT_UDP; t++) {
		begin((enum transport)t, 1, CONTROL_PORT);
		climb(&sweep->slot[0]);
		finish(control((enum transport)t), 1500, OUTCOME_OPEN);
		finish(&sweep->slot[0], 2200, OUTCOME_TIMEOUT);
		assert_int_equal(end_sweep(), 1);
		assert_int_equal(told[0], 2);
	}
}

/* The first attempt may have been cut off by what began right after it. */
static void an_answer_before_the_second_attempt_is_no_witness(void **state)
{
	(void)state;
	begin(TRANSPORT_UDP, 2, CONTROL_PORT);
	at_ms(10);
	turn();
	finish(&sweep->slot[1], 20, OUTCOME_OPEN);
	climb(&sweep->slot[0]);
	assert_true(control(TRANSPORT_UDP)->live);
	finish(control(TRANSPORT_UDP), 2900, OUTCOME_TIMEOUT);
	finish(&sweep->slot[0], 2900, OUTCOME_TIMEOUT);
	assert_int_equal(end_sweep(), 1);
	assert_int_equal(told[0], 2);
	assert_int_equal(told[1], 1);
}

static void another_probe_that_got_through_spares_the_control(void **state)
{
	(void)state;
	begin(TRANSPORT_UDP, 2, CONTROL_PORT);
	attempt(&sweep->slot[0], 100);
	at_ms(200);
	turn();
	finish(&sweep->slot[1], 210, OUTCOME_OPEN); /* sent at 200 */
	attempt(&sweep->slot[0], 300);
	attempt(&sweep->slot[0], 700);
	assert_false(control(TRANSPORT_UDP)->live);
	finish(&sweep->slot[0], 2200, OUTCOME_TIMEOUT);
	assert_int_equal(told[0], 1);
	assert_int_equal(end_sweep(), 1);
}

static void the_other_transport_is_no_witness(void **state)
{
	(void)state;
	begin(TRANSPORT_UDP, 1, CONTROL_PORT);
	pulse_note(&sweep->life[TRANSPORT_TCP].pulse, 200 * CLOCK_MS);
	climb(&sweep->slot[0]);
	assert_true(control(TRANSPORT_UDP)->live);
	assert_int_equal(end_sweep(), 0);
}

/* A router that lost its uplink says so twice, and at once. */
static void a_refusal_ends_early_only_with_a_witness(void **state)
{
	(void)state;
	begin(TRANSPORT_TCP, 1, CONTROL_PORT);
	attempt(&sweep->slot[0], 100);
	at_ms(101);
	assert_false(sweep->slot[0].may_end(&sweep->slot[0]));
	pulse_note(&sweep->life[TRANSPORT_TCP].pulse, 99 * CLOCK_MS);
	assert_false(sweep->slot[0].may_end(&sweep->slot[0]));
	pulse_note(&sweep->life[TRANSPORT_TCP].pulse, 100 * CLOCK_MS);
	assert_true(sweep->slot[0].may_end(&sweep->slot[0]));
	finish(&sweep->slot[0], 101, OUTCOME_UNREACHABLE);
	assert_int_equal(told[0], 1);
	assert_false(control(TRANSPORT_TCP)->live);
	assert_int_equal(end_sweep(), 1);
}

/* It ends at its last attempt, before the control can have answered. */
static void a_refusal_is_believed_only_when_the_control_answers(void **state)
{
	(void)state;
	for (int alive = 0; alive < 2; alive++) {
		begin(TRANSPORT_TCP, 1, CONTROL_PORT);
		climb(&sweep->slot[0]);
		finish(&sweep->slot[0], 701, OUTCOME_UNREACHABLE);
		assert_int_equal(told[0], 0);
		turn();
		assert_int_equal(ended, 0);
		finish(control(TRANSPORT_TCP), 721,
		       alive ? OUTCOME_OPEN : OUTCOME_UNREACHABLE);
		assert_int_equal(end_sweep(), 1);
		assert_int_equal(told[0], alive ? 1 : 2);
	}
}

/* Its tag says that the path is alive. */
static void what_the_reflector_answers_needs_no_witness(void **state)
{
	(void)state;
	begin(TRANSPORT_UDP, 1, CONTROL_PORT);
	climb(&sweep->slot[0]);
	finish(&sweep->slot[0], 710, OUTCOME_ALTERED);
	assert_int_equal(told[0], 1);
	assert_int_equal(end_sweep(), 1);
}

/* A reflector answers a port over UDP eight times in a run. */
static void many_refusals_do_not_wear_the_control_out(void **state)
{
	int asked = 0;
	int64_t latest_ns = -1;

	(void)state;
	begin(TRANSPORT_UDP, 100, CONTROL_PORT);
	for (int64_t ms = 0; ms <= 2000; ms += 10) {
		at_ms(ms);
		turn();
		for (int i = 0; i < sweep->slot_count; i++) {
			struct trial *t = &sweep->slot[i];
			int64_t age = clock_ns - t->attempt[0].opened_ns;
			static const int64_t at[] = { 0, 100, 300, 700 };
			int n = t->probe.sent_count;

			if (t->live && age >= at[n] * CLOCK_MS)
				attempt(t, ms);
			if (t->live && t->probe.sent_count > 1 &&
			    (t->probe.sent_count == JUDGE_ATTEMPTS ||
			     t->may_end(t)))
				finish(t, ms, OUTCOME_REFUSED);
		}
		if (control(TRANSPORT_UDP)->live) {
			asked += sweep->life[1].asked_ns != latest_ns;
			latest_ns = sweep->life[1].asked_ns;
			finish(control(TRANSPORT_UDP), ms + RTT_MS,
			       OUTCOME_OPEN);
		}
	}
	assert_int_equal(end_sweep(), 1);
	for (int i = 0; i < 100; i++)
		assert_int_equal(told[i], 1);
	assert_in_range(asked, 1, 4);
}

static void a_control_is_asked_once_for_many_ports(void **state)
{
	(void)state;
	begin(TRANSPORT_UDP, 2, CONTROL_PORT);
	at_ms(10);
	turn();
	climb(&sweep->slot[0]);
	assert_int_equal(control(TRANSPORT_UDP)->attempt[0].opened_ns,
	                 700 * CLOCK_MS);
	attempt(&sweep->slot[1], 110);
	attempt(&sweep->slot[1], 310);
	attempt(&sweep->slot[1], 710);
	assert_int_equal(control(TRANSPORT_UDP)->attempt[0].opened_ns,
	                 700 * CLOCK_MS);
	finish(control(TRANSPORT_UDP), 715, OUTCOME_OPEN); /* sent at 705 */
	finish(&sweep->slot[0], 2200, OUTCOME_TIMEOUT);
	finish(&sweep->slot[1], 2210, OUTCOME_TIMEOUT);
	assert_int_equal(end_sweep(), 1);
	assert_int_equal(told[1], 1);
}

static void controls_themselves_need_no_witness(void **state)
{
	(void)state;
	begin(TRANSPORT_UDP, 1, 0);
	climb(&sweep->slot[0]);
	assert_false(control(TRANSPORT_UDP)->live);
	finish(&sweep->slot[0], 2200, OUTCOME_TIMEOUT);
	assert_int_equal(told[0], 1);
	assert_int_equal(end_sweep(), 1);
}

static void a_pulse_forgets_nothing(void **state)
{
	struct pulse p = { 0 };

	(void)state;
	assert_false(pulse_between(&p, INT64_MIN, INT64_MAX));
	for (int64_t i = 0; i < 1000; i++)
		pulse_note(&p, 10 * i);
	for (int64_t i = 0; i < 1000; i++) {
		assert_true(pulse_between(&p, 10 * i, 10 * i));
		assert_false(pulse_between(&p, 10 * i + 1, 10 * i + 9));
	}
	pulse_free(&p);
	assert_false(pulse_between(&p, INT64_MIN, INT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_silent_port_is_believed_when_the_control_answers),
		cmocka_unit_test(
			a_silent_port_is_doubtful_when_the_control_is_silent),
		cmocka_unit_test(
			an_answer_after_the_last_attempt_is_no_witness),
		cmocka_unit_test(
			an_answer_before_the_second_attempt_is_no_witness),
		cmocka_unit_test(
			another_probe_that_got_through_spares_the_control),
		cmocka_unit_test(the_other_transport_is_no_witness),
		cmocka_unit_test(
			a_refusal_is_believed_only_when_the_control_answers),
		cmocka_unit_test(a_refusal_ends_early_only_with_a_witness),
		cmocka_unit_test(what_the_reflector_answers_needs_no_witness),
		cmocka_unit_test(many_refusals_do_not_wear_the_control_out),
		cmocka_unit_test(a_control_is_asked_once_for_many_ports),
		cmocka_unit_test(controls_themselves_need_no_witness),
		cmocka_unit_test(a_pulse_forgets_nothing),
	};

	return UNIT_RUN(tests);
}
