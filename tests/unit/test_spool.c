/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/spool.c"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "lib/clock.h"
#include "tests/unit/unit.h"

#include "tests/unit/scratch.h"

enum { BIG = 64 * 1024 * 1024 };

/* The record of a run that began second seconds into some day. */
static char *record_at(int second, uint8_t run[WIRE_RUN_BYTES], size_t *n)
{
	struct record *r = calloc(1, sizeof(*r));
	char *json;

	assert_non_null(r);
	r->started_ns = INT64_C(1800000000) * CLOCK_S + second * CLOCK_S;
	record_new_run_id(r->started_ns, r->run);
	memcpy(run, r->run, WIRE_RUN_BYTES);
	r->plan = 1;
	r->family = 4;
	r->classes = 1;
	snprintf(r->reflector, sizeof(r->reflector), "fra1");
	snprintf(r->version, sizeof(r->version), "0.1.0");
	snprintf(r->platform, sizeof(r->platform), "linux");
	snprintf(r->arch, sizeof(r->arch), "x86_64");
	r->probe_count = 1;
	r->probe[0].port = 25;
	r->probe[0].outcome = OUTCOME_TIMEOUT;
	r->probe[0].attempts = 4;
	json = record_encode(r, n);
	free(r);
	return json;
}

static void add(struct spool *s, int second, uint8_t run[WIRE_RUN_BYTES])
{
	struct err e;
	size_t n;
	char *json = record_at(second, run, &n);

	assert_true(spool_add(s, run, json, n, &e));
	free(json);
}

static struct spool *open_spool(void **state, int64_t max_bytes)
{
	struct err e;
	struct spool *s =
		spool_open(scratch_path(state, "spool"), max_bytes, &e);

	assert_non_null(s);
	return s;
}

/* Take the newest; true when it is this one. */
static bool newest_is(struct spool *s, const uint8_t *wanted)
{
	uint8_t run[WIRE_RUN_BYTES];
	size_t n;
	char *json = spool_newest(s, run, &n);
	bool same = json && memcmp(run, wanted, WIRE_RUN_BYTES) == 0;

	free(json);
	return same;
}

static bool is_empty(struct spool *s)
{
	uint8_t run[WIRE_RUN_BYTES];
	size_t n;

	return spool_newest(s, run, &n) == NULL && spool_stats(s).runs == 0 &&
	       spool_stats(s).bytes == 0;
}

static void the_newest_comes_first(void **state)
{
	struct spool *s = open_spool(state, BIG);
	uint8_t run[3][WIRE_RUN_BYTES];

	add(s, 20, run[1]);
	add(s, 30, run[2]);
	add(s, 10, run[0]);
	for (int i = 2; i >= 0; i--) {
		assert_true(newest_is(s, run[i]));
		assert_true(newest_is(s, run[i])); /* until it is removed */
		spool_remove(s, run[i]);
	}
	assert_true(is_empty(s));
	spool_close(s);
}

static void a_restart_loses_nothing(void **state)
{
	struct spool *s = open_spool(state, BIG);
	uint8_t run[2][WIRE_RUN_BYTES];
	struct spool_stats before;
	struct spool_stats after;

	add(s, 1, run[0]);
	add(s, 2, run[1]);
	before = spool_stats(s);
	spool_close(s);
	s = open_spool(state, BIG);
	after = spool_stats(s);
	assert_int_equal(after.runs, 2);
	assert_int_equal(after.bytes, before.bytes);
	assert_true(newest_is(s, run[1]));
	spool_remove(s, run[1]);
	spool_close(s);
	s = open_spool(state, BIG);
	assert_int_equal(spool_stats(s).runs, 1);
	assert_true(newest_is(s, run[0]));
	spool_close(s);
}

static void what_is_read_is_what_was_written(void **state)
{
	struct spool *s = open_spool(state, BIG);
	uint8_t run[WIRE_RUN_BYTES];
	uint8_t got_run[WIRE_RUN_BYTES];
	size_t n;
	size_t got_n;
	char *json = record_at(1, run, &n);
	char *got;
	struct err e;

	assert_true(spool_add(s, run, json, n, &e));
	got = spool_newest(s, got_run, &got_n);
	assert_int_equal(got_n, n);
	assert_memory_equal(got, json, n);
	free(got);
	free(json);
	spool_close(s);
}

static void past_the_limit_the_oldest_go_and_are_counted(void **state)
{
	uint8_t run[6][WIRE_RUN_BYTES];
	size_t n;
	struct spool *s;

	free(record_at(0, run[0], &n));
	s = open_spool(state, (int64_t)(3 * n + n / 2));
	for (int i = 0; i < 6; i++)
		add(s, i, run[i]);
	assert_int_equal(spool_stats(s).runs, 3);
	assert_int_equal(spool_stats(s).dropped, 3);
	assert_true(spool_stats(s).bytes <= s->max_bytes);
	for (int i = 5; i >= 3; i--) {
		assert_true(newest_is(s, run[i]));
		spool_remove(s, run[i]);
	}
	assert_true(is_empty(s));
	spool_close(s);
	s = open_spool(state, BIG); /* and on the disk, too */
	assert_true(is_empty(s));
	spool_close(s);
}

static void a_refused_run_is_kept_beside_its_reason(void **state)
{
	struct spool *s = open_spool(state, BIG);
	uint8_t run[WIRE_RUN_BYTES];
	char id[ID_TEXT_BYTES];
	char path[256];
	struct err e;
	char *text;

	add(s, 1, run);
	spool_reject(s, run, "range probe[3]");
	assert_true(is_empty(s));
	assert_int_equal(spool_stats(s).rejected, 1);
	assert_int_equal(spool_rejected_kept(s), 1);
	record_run_id_format(run, id);
	snprintf(path, sizeof(path), "spool/rejected/%s.reason", id);
	text = file_read(scratch_path(state, path), 100, NULL, &e);
	assert_string_equal(text, "range probe[3]\n");
	free(text);
	spool_reject(s, run, "again"); /* no such run any more */
	assert_int_equal(spool_stats(s).rejected, 1);
	spool_close(s);
}

static void rejected_runs_do_not_pile_up(void **state)
{
	struct spool *s = open_spool(state, BIG);

	for (int i = 0; i < REJECTED_MAX + 20; i++) {
		uint8_t run[WIRE_RUN_BYTES];

		add(s, i, run);
		spool_reject(s, run, "no");
	}
	assert_int_equal(spool_rejected_kept(s), REJECTED_MAX);
	spool_close(s);
}

static void damaged_files_do_not_block_the_rest(void **state)
{
	struct spool *s = open_spool(state, BIG);
	uint8_t run[WIRE_RUN_BYTES];
	uint8_t other[WIRE_RUN_BYTES];
	char from[256];
	char to[256];
	char id[ID_TEXT_BYTES];

	add(s, 1, run);
	add(s, 2, other);
	record_run_id_format(other, id);
	snprintf(from, sizeof(from), "spool/%s.json", id);
	snprintf(to, sizeof(to), "spool/%s",
	         "fffffffe-ffff-7fff-bfff-ffffffffffff.json");
	assert_int_equal(
		rename(scratch_path(state, from), scratch_path(state, to)), 0);
	scratch_write(
		scratch_path(state,
	                     "spool/ffffffff-ffff-7fff-bfff-ffffffffffff.json"),
		"{\"format\":");
	scratch_write(scratch_path(state, "spool/notes.json"), "hello");
	scratch_write(scratch_path(state, "spool/README"), "not ours");
	spool_close(s);
	s = open_spool(state, BIG);
	assert_int_equal(spool_stats(s).rejected, 1);
	assert_true(newest_is(s, run));
	assert_int_equal(spool_stats(s).rejected, 3);
	assert_int_equal(spool_rejected_kept(s), 3);
	assert_int_equal(access(scratch_path(state, "spool/README"), F_OK), 0);
	spool_close(s);
}

static void a_file_that_another_process_sent_is_forgotten(void **state)
{
	struct spool *s = open_spool(state, BIG);
	struct spool *check = open_spool(state, BIG);
	uint8_t run[2][WIRE_RUN_BYTES];
	struct err e;

	add(s, 1, run[0]);
	add(s, 2, run[1]);
	assert_true(spool_scan(check, &e));
	spool_remove(check, run[1]);
	assert_true(newest_is(s, run[0]));
	assert_int_equal(spool_stats(s).rejected, 0);
	spool_close(check);
	spool_close(s);
}

static void only_stale_temporary_files_are_removed(void **state)
{
	struct spool *s = open_spool(state, BIG);
	const struct timespec old[2] = { { .tv_sec = 1000 },
		                         { .tv_sec = 1000 } };
	struct err e;

	scratch_write(scratch_path(state, "spool/x.json.tmp-aaaaaa"), "old");
	scratch_write(scratch_path(state, "spool/x.json.tmp-bbbbbb"), "new");
	assert_int_equal(
		utimensat(AT_FDCWD,
	                  scratch_path(state, "spool/x.json.tmp-aaaaaa"), old,
	                  0),
		0);
	assert_true(spool_scan(s, &e));
	assert_int_equal(spool_stats(s).runs, 0);
	assert_int_not_equal(
		access(scratch_path(state, "spool/x.json.tmp-aaaaaa"), F_OK),
		0);
	assert_int_equal(access(scratch_path(state, "spool/x.json.tmp-bbbbbb"),
	                        F_OK),
	                 0);
	spool_close(s);
}

/* No room on the disk, as seen from a process: no file may grow. */
static void fill_disk(bool full)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = full ? 0 : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	signal(SIGXFSZ, full ? SIG_IGN : SIG_DFL);
}

static void what_cannot_be_written_is_held_and_saved_later(void **state)
{
	struct spool *s = open_spool(state, BIG);
	uint8_t run[2][WIRE_RUN_BYTES];
	size_t n;
	char *json;
	struct err e;
	bool ok;

	add(s, 1, run[0]);
	json = record_at(2, run[1], &n);
	fill_disk(true);
	ok = spool_add(s, run[1], json, n, &e);
	fill_disk(false);
	free(json);
	assert_false(ok);
	assert_int_equal(spool_stats(s).held, 1);
	assert_int_equal(spool_stats(s).runs, 2);
	assert_true(newest_is(s, run[1])); /* sent from memory */
	assert_true(spool_scan(s, &e));
	assert_int_equal(spool_stats(s).held, 1); /* a scan keeps it */
	assert_true(spool_save_held(s, &e));
	assert_int_equal(spool_stats(s).held, 0);
	spool_close(s);
	s = open_spool(state, BIG);
	assert_int_equal(spool_stats(s).runs, 2);
	assert_true(newest_is(s, run[1]));
	spool_close(s);
}

static void what_is_held_is_bounded(void **state)
{
	struct spool *s = open_spool(state, BIG);
	char *large = calloc(1, 100000);
	struct err e;

	assert_non_null(large);
	fill_disk(true);
	for (uint8_t i = 0; i < 20; i++) {
		uint8_t run[WIRE_RUN_BYTES] = { i };

		assert_false(spool_add(s, run, large, 100000, &e));
	}
	fill_disk(false);
	assert_true(held_bytes(s) <= HELD_MAX_BYTES);
	assert_int_equal(spool_stats(s).held, 10);
	assert_int_equal(spool_stats(s).dropped, 10);
	free(large);
	spool_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(the_newest_comes_first),
		SCRATCH_TEST(a_restart_loses_nothing),
		SCRATCH_TEST(what_is_read_is_what_was_written),
		SCRATCH_TEST(past_the_limit_the_oldest_go_and_are_counted),
		SCRATCH_TEST(a_refused_run_is_kept_beside_its_reason),
		SCRATCH_TEST(rejected_runs_do_not_pile_up),
		SCRATCH_TEST(damaged_files_do_not_block_the_rest),
		SCRATCH_TEST(a_file_that_another_process_sent_is_forgotten),
		SCRATCH_TEST(only_stale_temporary_files_are_removed),
		SCRATCH_TEST(what_cannot_be_written_is_held_and_saved_later),
		SCRATCH_TEST(what_is_held_is_bounded),
	};

	return UNIT_RUN(tests);
}
