/* SPDX-License-Identifier: Apache-2.0 */
/* Which replies a run takes for its reflector's own. */
#include "agent/run.c"

#include <stdlib.h>

#include "tests/unit/unit.h"

#define NOW_NS (INT64_C(1800000000) * CLOCK_S)

static struct run *run_new(void)
{
	struct run *r = mem_alloc(sizeof(*r));
	struct err e;

	r->loop = loop_new(&e);
	assert_non_null(r->loop);
	r->record = mem_alloc(sizeof(*r->record));
	memcpy(r->record->run, "the run's own id", WIRE_RUN_BYTES);
	memcpy(r->record->reflector, "fra1", 5);
	memcpy(r->nonce, "a nonce!", WIRE_NONCE_BYTES);
	return r;
}

static void run_drop(struct run *r)
{
	loop_free(r->loop);
	free(r->record);
	free(r);
}

static bool takes_welcome(struct run *r, const char *nonce, int64_t clock_ns)
{
	static uint8_t bytes[WIRE_MESSAGE_MAX];
	struct wire_welcome m = { .clock_ns = clock_ns };
	struct exchange x = { .reply = bytes, .rtt_ns = CLOCK_MS };
	struct wr w = wr_of(bytes, sizeof(bytes));

	assert_true(addr_parse("192.0.2.1", &m.seen));
	memcpy(m.nonce, nonce, WIRE_NONCE_BYTES);
	x.reply_bytes = wire_welcome_encode(&w, &m);
	assert_true(x.reply_bytes > 0);
	return accept_welcome(&r->hunt, &x);
}

static void a_welcome_answers_this_hello_only(void **state)
{
	struct run *r = run_new();

	(void)state;
	assert_false(takes_welcome(r, "another!", NOW_NS));
	assert_int_equal(r->record->started_ns, 0);
	assert_true(takes_welcome(r, "a nonce!", NOW_NS));
	assert_int_equal(r->extra.rtt_ns, CLOCK_MS);
	run_drop(r);
}

static void an_absurd_clock_is_refused(void **state)
{
	static const int64_t absurd[] = {
		INT64_MIN, -1, 0, CLOCK_S, INT64_MAX, INT64_MAX - CLOCK_DAY,
	};
	struct run *r = run_new();

	(void)state;
	for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++)
		assert_false(takes_welcome(r, "a nonce!", absurd[i]));
	run_drop(r);
}

static bool takes_manifest(struct run *r, const char *run, const char *name)
{
	static uint8_t bytes[WIRE_MESSAGE_MAX];
	struct wire_manifest m = { .entry_count = 0 };
	struct exchange x = { .reply = bytes };
	struct wr w = wr_of(bytes, sizeof(bytes));

	assert_true(addr_parse("192.0.2.1", &m.seen));
	memcpy(m.run, run, WIRE_RUN_BYTES);
	memcpy(m.reflector, name, strlen(name) + 1);
	x.reply_bytes = wire_manifest_encode(&w, &m);
	assert_true(x.reply_bytes > 0);
	return accept_manifest(&r->hunt, &x);
}

static void a_manifest_is_of_this_run_and_reflector(void **state)
{
	struct run *r = run_new();

	(void)state;
	assert_false(takes_manifest(r, "another run's id", "fra1"));
	assert_false(takes_manifest(r, "the run's own id", "nyc1"));
	assert_int_equal(r->record->manifest_bytes, 0);
	assert_true(takes_manifest(r, "the run's own id", "fra1"));
	assert_true(r->record->manifest_bytes > 0);
	run_drop(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_welcome_answers_this_hello_only),
		cmocka_unit_test(an_absurd_clock_is_refused),
		cmocka_unit_test(a_manifest_is_of_this_run_and_reflector),
	};

	return UNIT_RUN(tests);
}
