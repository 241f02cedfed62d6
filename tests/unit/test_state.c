/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/state.c"

#include "tests/unit/unit.h"

#include "tests/unit/scratch.h"

static void what_is_stored_is_loaded_again(void **state)
{
	const char *path = scratch_path(state, STATE_FILE);
	struct state in;
	struct state out;
	struct err e;

	memset(&in, 0, sizeof(in)); /* compared as bytes, padding included */
	memset(&out, 0, sizeof(out));
	in.last_round_ns = INT64_C(1800000000123) * CLOCK_MS;
	in.next_round_ns = INT64_C(1800000360000) * CLOCK_MS;
	in.today.day = 20833;
	in.today.rounds = 3;
	in.today.bytes = 123456789;
	in.stored = 12;
	in.rejected = 1;
	in.dropped = 5;
	in.last_stored_ns = INT64_C(1800000000000) * CLOCK_MS;
	snprintf(in.uplink, sizeof(in.uplink), "2 runs \"stored\"");
	snprintf(in.doing, sizeof(in.doing), "waiting");
	snprintf(in.last_run.run, sizeof(in.last_run.run),
	         "0190a5c1-7b3c-7d2e-8f10-0123456789ab");
	snprintf(in.last_run.reflector, sizeof(in.last_run.reflector), "fra1");
	in.last_run.started_ns = INT64_C(1800000000456) * CLOCK_MS;
	in.last_run.duration_ms = 4567;
	in.last_run.family = 6;
	in.last_run.open = 98;
	in.last_run.failed = 10;
	in.last_run.untested = 2;
	in.last_run.void_udp = VOID_CONTROL_BEFORE;
	assert_true(state_store(path, &in, &e));
	assert_true(state_load(path, &out, &e));
	assert_int_equal(out.last_round_ns, in.last_round_ns);
	assert_int_equal(out.next_round_ns, in.next_round_ns);
	assert_memory_equal(&out.today, &in.today, sizeof(in.today));
	assert_memory_equal(&out.last_run, &in.last_run, sizeof(in.last_run));
	assert_int_equal(out.stored, in.stored);
	assert_int_equal(out.rejected, in.rejected);
	assert_int_equal(out.dropped, in.dropped);
	assert_int_equal(out.last_stored_ns, in.last_stored_ns);
	assert_string_equal(out.uplink, in.uplink);
	assert_string_equal(out.doing, in.doing);
}

static void no_file_is_an_agent_that_never_ran(void **state)
{
	struct state s;
	struct err e;

	assert_true(state_load(scratch_path(state, "none"), &s, &e));
	assert_int_equal(s.last_round_ns, 0);
	assert_string_equal(s.last_run.run, "");
}

static void a_damaged_file_is_said_and_begins_anew(void **state)
{
	static const char *const bad[] = { "", "{", "[]", "null", "7" };
	const char *path = scratch_path(state, STATE_FILE);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct state s;
		struct err e;

		scratch_write(path, bad[i]);
		assert_false(state_load(path, &s, &e));
		assert_non_null(strstr(e.text, path));
		assert_int_equal(s.last_round_ns, 0);
	}
}

static void values_that_make_no_sense_are_as_good_as_none(void **state)
{
	const char *path = scratch_path(state, STATE_FILE);
	struct state s;
	struct err e;

	scratch_write(path, "{\"last_round\":\"soon\",\"next_round\":5,"
	                    "\"day_rounds\":1e300,\"day_bytes\":-4,"
	                    "\"stored\":\"many\",\"last_run\":[],"
	                    "\"uplink\":null}");
	assert_true(state_load(path, &s, &e));
	assert_int_equal(s.last_round_ns, 0);
	assert_int_equal(s.next_round_ns, 0);
	assert_int_equal(s.today.rounds, 0);
	assert_int_equal(s.today.bytes, 0);
	assert_int_equal(s.stored, 0);
	assert_string_equal(s.last_run.run, "");
	assert_string_equal(s.uplink, "");
}

static void a_run_is_summed_up(void **state)
{
	struct record *r = calloc(1, sizeof(*r));
	struct state s = { 0 };

	(void)state;
	assert_non_null(r);
	r->family = 4;
	r->probe_count = OUTCOME_COUNT;
	for (uint8_t i = 0; i < OUTCOME_COUNT; i++)
		r->probe[i].outcome = i;
	snprintf(r->reflector, sizeof(r->reflector), "fra1");
	state_note_run(&s, r);
	assert_int_equal(s.last_run.open, 1);
	assert_int_equal(s.last_run.untested, 2);
	assert_int_equal(s.last_run.failed, OUTCOME_COUNT - 3);
	assert_string_equal(s.last_run.reflector, "fra1");
	free(r);
}

static void only_one_holds_the_lock(void **state)
{
	const char *path = scratch_path(state, STATE_LOCK);
	struct err e;
	int first = state_lock(path, &e);

	assert_true(first >= 0);
	assert_int_equal(state_lock(path, &e), -1);
	assert_int_equal(e.code, EWOULDBLOCK);
	close(first);
	first = state_lock(path, &e);
	assert_true(first >= 0);
	close(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(what_is_stored_is_loaded_again),
		SCRATCH_TEST(no_file_is_an_agent_that_never_ran),
		SCRATCH_TEST(a_damaged_file_is_said_and_begins_anew),
		SCRATCH_TEST(values_that_make_no_sense_are_as_good_as_none),
		SCRATCH_TEST(only_one_holds_the_lock),
		cmocka_unit_test(a_run_is_summed_up),
	};

	return UNIT_RUN(tests);
}
