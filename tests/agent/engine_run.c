/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_run - make runs without the rest of the agent, for engine.t.
 *
 *   engine_run PLAN PACE CLASSES FAMILIES [CANCEL_MS]
 *
 * PLAN is a plan's JSON, its signature is not asked for; PACE is "check" or
 * "service"; CLASSES a bit set; FAMILIES "4", "6" or "46".  All reflectors are
 * run at once.  Prints the check as JSON to stdout and its table to stderr;
 * every record has to survive encoding and decoding.  After CANCEL_MS all runs
 * are freed where they stand, and nothing is printed.
 */
#include <sodium.h>
#include <stddef.h>
#include <sys/resource.h>

#include "agent/report.h"
#include "agent/run.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/version.h"

enum { RUNS_MAX = 2 * PLAN_REFLECTORS_MAX };

struct engine {
	struct loop *loop;
	struct run *run[RUNS_MAX];
	struct report_run result[RUNS_MAX];
	int started;
	int finished;
	struct timer cancel;
	bool cancelled;
};

static void die(const char *text)
{
	fprintf(stderr, "engine_run: %s\n", text);
	exit(1);
}

static void check_record(const struct record *r)
{
	size_t n = 0;
	char *json = record_encode(r, &n);
	struct record *back = mem_alloc(sizeof(*back));
	char where[64] = "";
	enum record_fault fault = record_decode(json, n, back, where);

	if (fault != RECORD_OK) {
		fprintf(stderr, "engine_run: record: %s at %s\n%s\n",
		        record_fault_name(fault), where, json);
		exit(1);
	}
	free(back);
	free(json);
}

static void on_done(void *ctx, struct record *r, const struct run_extra *x)
{
	struct engine *g = ctx;

	check_record(r);
	g->result[g->finished].record = r;
	g->result[g->finished].extra = *x;
	if (++g->finished == g->started)
		loop_stop(g->loop);
}

static void on_cancel(struct timer *t, int64_t now_ns)
{
	struct engine *g = LOOP_CONTAINER(t, struct engine, cancel);

	(void)now_ns;
	g->cancelled = true;
	loop_stop(g->loop);
}

static void start_family(struct engine *g, const struct plan *plan, int family,
                         enum run_pace pace, int classes)
{
	for (int i = 0; i < plan->reflector_count; i++) {
		struct run_options o = {
			.plan = plan,
			.reflector = &plan->reflector[i],
			.family = family,
			.classes = (uint8_t)classes,
			.pace = pace,
			.version = PERIPLUS_VERSION,
			.on_done = on_done,
			.ctx = g,
		};
		const struct addr *to =
			family == 6 ? &o.reflector->ipv6 : &o.reflector->ipv4;
		struct err e;

		if (to->family == 0)
			continue;
		g->run[g->started] = run_start(g->loop, &o, &e);
		if (!g->run[g->started])
			die(e.text);
		g->started++;
	}
}

static void print_check(const struct engine *g, const struct plan *plan,
                        int64_t began_ns)
{
	struct report_check c = {
		.run = g->result,
		.run_count = g->finished,
		.version = PERIPLUS_VERSION,
		.plan = plan->serial,
		.started_ns = clock_realtime_ns(),
		.duration_ms = (clock_monotonic_ns() - began_ns) / CLOCK_MS,
	};
	char *json = report_json(&c, NULL);

	puts(json);
	free(json);
	report_table(stderr, &c, REPORT_PLAIN, 80);
}

int main(int argc, char **argv)
{
	struct engine g = { 0 };
	struct plan *plan = mem_alloc(sizeof(*plan));
	int64_t began_ns = clock_monotonic_ns();
	enum run_pace pace = RUN_PACE_SERVICE;
	struct rusage usage;
	struct err e;
	size_t n = 0;
	char *json;

	if (argc < 5 || sodium_init() < 0)
		die("usage: engine_run PLAN PACE CLASSES FAMILIES [CANCEL_MS]");
	json = file_read(argv[1], PLAN_JSON_MAX, &n, &e);
	if (!json || !plan_parse(json, n, plan, &e))
		die(e.text);
	free(json);
	if (strcmp(argv[2], "check") == 0)
		pace = RUN_PACE_CHECK;
	g.loop = loop_new(&e);
	if (!g.loop)
		die(e.text);
	for (const char *family = argv[4]; *family; family++)
		start_family(&g, plan, *family - '0', pace,
		             (int)strtol(argv[3], NULL, 10));
	g.cancel.fire = on_cancel;
	if (argc > 5)
		loop_arm(g.loop, &g.cancel,
		         began_ns + strtol(argv[5], NULL, 10) * CLOCK_MS);
	if (!loop_run(g.loop, &e))
		die(e.text);
	if (!g.cancelled)
		print_check(&g, plan, began_ns);
	for (int i = 0; i < g.started; i++)
		run_free(g.run[i]);
	for (int i = 0; i < g.finished; i++) {
		union {
			const struct record *borrowed;
			struct record *ours;
		} r = { g.result[i].record };

		free(r.ours);
	}
	loop_free(g.loop);
	free(plan);
	getrusage(RUSAGE_SELF, &usage);
	fprintf(stderr, "maxrss_kb %ld\n", usage.ru_maxrss);
	return 0;
}
