/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/check.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/delivery.h"
#include "agent/page.h"
#include "agent/personal.h"
#include "agent/plan_source.h"
#include "agent/report.h"
#include "agent/round.h"
#include "agent/state.h"
#include "lib/catalogue.h"
#include "lib/clock.h"
#include "lib/exit.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/version.h"

enum {
	RUNS_MAX = 2 * PLAN_REFLECTORS_MAX,
	NOTE_BYTES = 160,
	CLOCK_OFF_MAX_MS = 600000,
};

struct check {
	const struct cli *cli;
	const struct config *config;
	struct key key;
	uint8_t classes;
	struct loop *loop;
	struct watch signals;
	bool interrupted;
	struct spool *spool; /* NULL with --no-upload */
	bool spool_failed;
	struct plan_source *source;
	struct plan plan;
	struct round *round;
	int run_count;
	struct record *record[RUNS_MAX];
	struct report_run run[RUNS_MAX]; /* of the same records */
	struct run_progress progress[RUNS_MAX];
	bool progress_shown;
	char note[NOTE_BYTES];
	struct delivery_result delivery;
	int64_t started_ns; /* real time */
	int64_t begun_ns;   /* monotonic */
	int64_t duration_ms;
};

static int fail(int status, const struct err *e)
{
	log_error("%s", e->text);
	return status;
}

/* ---- before the first packet -------------------------------------------- */

static bool choose_classes(struct check *c, const struct consent *consent,
                           struct err *e)
{
	char refused[CONSENT_TEXT_BYTES];
	uint8_t wanted;

	c->classes = consent->classes;
	if (!c->cli->classes)
		return true;
	if (!consent_parse(c->cli->classes, &wanted, e))
		return err_prefix(e, "--classes");
	c->classes = wanted & consent->classes;
	if (c->classes == wanted)
		return true;
	consent_format((uint8_t)(wanted & ~consent->classes), refused);
	return err_set(e, 0,
	               "--classes %s: nobody has consented to %s; see "
	               "'periplus consent'",
	               c->cli->classes, refused);
}

/* A clock from before the release cannot tell whether a plan is valid. */
static bool clock_is_sane(struct err *e)
{
	int64_t released_ns = 0;
	int64_t now_ns = clock_realtime_ns();
	char now[CLOCK_TEXT_BYTES];

	if (!clock_parse(PERIPLUS_RELEASED, &released_ns) ||
	    now_ns >= released_ns)
		return true;
	clock_format(now_ns, now);
	return err_set(e, 0,
	               "the clock says %s, which is before this program was "
	               "released: set the clock and check again",
	               now);
}

/* Returns EXIT_DONE when measuring may begin. */
static int prepare(struct check *c)
{
	struct consent consent;
	struct err e;
	char *dir;

	if (c->cli->family == 5) {
		err_set(&e, 0, "--family 5: it is 4 or 6");
		return fail(EXIT_USAGE, &e);
	}
	if (!personal_consent(c->config, &consent, &e))
		return fail(EXIT_CONSENT, &e);
	if (!choose_classes(c, &consent, &e))
		return fail(EXIT_USAGE, &e);
	if (!clock_is_sane(&e))
		return fail(EXIT_CLOCK, &e);
	if (!config_make_state_dir(c->config, &e))
		return fail(EXIT_FAILED, &e);
	if (!personal_key(c->config, &c->key, &e))
		return fail(EXIT_KEY, &e);
	if (c->cli->no_upload)
		return EXIT_DONE;
	dir = config_state_path(c->config, SPOOL_DIR);
	c->spool = spool_open(dir, c->config->spool_max_bytes, &e);
	free(dir);
	return c->spool ? EXIT_DONE : fail(EXIT_SPOOL, &e);
}

/* ---- plan --------------------------------------------------------------- */

static void on_refreshed(void *ctx)
{
	struct check *c = ctx;

	loop_stop(c->loop);
}

static int get_plan(struct check *c)
{
	const struct plan *plan;
	struct err e;

	c->source = plan_source_new(c->loop, c->config, clock_realtime_ns());
	plan_source_refresh(c->source, clock_realtime_ns(), on_refreshed, c);
	if (!loop_run(c->loop, &e))
		return fail(EXIT_FAILED, &e);
	if (c->interrupted)
		return EXIT_FAILED;
	plan = plan_source_get(c->source, clock_realtime_ns(), &e);
	if (!plan)
		return fail(EXIT_PLAN, &e);
	if (plan_source_fault(c->source)[0])
		log_warn("using plan %" PRIu32 " from before: %s", plan->serial,
		         plan_source_fault(c->source));
	c->plan = *plan;
	return EXIT_DONE;
}

/* ---- measuring ---------------------------------------------------------- */

static void on_progress(void *ctx, int index, int count,
                        const struct run_progress *p)
{
	struct check *c = ctx;

	if (index >= RUNS_MAX)
		return;
	c->progress[index] = *p;
	/* The runs to come are expected to be like this one. */
	for (int i = index + 1; i < count && i < RUNS_MAX; i++)
		c->progress[i] = (struct run_progress){
			.total = p->total,
			.phase = p->phase,
		};
	if (isatty(STDERR_FILENO)) {
		report_progress(stderr, c->progress, count, page_style(stderr),
		                page_width(stderr));
		c->progress_shown = true;
	}
}

static void clear_progress(struct check *c)
{
	if (c->progress_shown)
		report_progress_clear(stderr, page_width(stderr));
	c->progress_shown = false;
}

/* Said once: the runs themselves are dated by the reflector's clock. */
static void warn_about_clock(struct check *c, const struct record *r)
{
	bool off = r->clock_offset_ms > CLOCK_OFF_MAX_MS ||
	           r->clock_offset_ms < -CLOCK_OFF_MAX_MS;

	if (!off || c->run_count > 0)
		return;
	clear_progress(c);
	log_warn("this computer's clock is %" PRIdMAX " minutes %s that of "
	         "reflector %s: set it; the run is dated by the reflector's",
	         (imaxabs(r->clock_offset_ms) + 30000) / 60000,
	         r->clock_offset_ms > 0 ? "behind" : "ahead of", r->reflector);
}

static void put_into_spool(struct check *c, const struct record *r)
{
	size_t n;
	char *json;
	struct err e;

	if (!c->spool)
		return;
	json = record_encode(r, &n);
	if (!spool_add(c->spool, r->run, json, n, &e) && !c->spool_failed) {
		clear_progress(c);
		log_error("the spool cannot be written, results are held in "
		          "memory meanwhile: %s",
		          e.text);
		c->spool_failed = true;
	}
	free(json);
}

static void on_run(void *ctx, struct record *r, const struct run_extra *x)
{
	struct check *c = ctx;

	warn_about_clock(c, r);
	put_into_spool(c, r);
	if (c->run_count == RUNS_MAX) {
		free(r);
		return;
	}
	c->record[c->run_count] = r;
	c->run[c->run_count].record = r;
	c->run[c->run_count].extra = *x;
	c->run_count++;
}

static void on_round_end(void *ctx)
{
	struct check *c = ctx;

	loop_stop(c->loop);
}

static int measure(struct check *c)
{
	const struct round_options o = {
		.loop = c->loop,
		.plan = &c->plan,
		.filter = {
			.reflector = c->cli->reflector,
			.family = (int)c->cli->family,
		},
		.classes = c->classes,
		.pace = RUN_PACE_CHECK,
		.on_progress = on_progress,
		.on_run = on_run,
		.on_end = on_round_end,
		.ctx = c,
	};
	struct err e;
	bool ok;

	c->started_ns = clock_realtime_ns();
	c->begun_ns = clock_monotonic_ns();
	c->round = round_start(&o, &e);
	if (!c->round)
		return fail(EXIT_UNREACHABLE, &e);
	snprintf(c->note, sizeof(c->note), "%s", round_note(c->round));
	ok = loop_run(c->loop, &e);
	c->duration_ms = (clock_monotonic_ns() - c->begun_ns) / CLOCK_MS;
	round_free(c->round);
	clear_progress(c);
	if (!ok)
		return fail(EXIT_FAILED, &e);
	return c->interrupted ? EXIT_FAILED : EXIT_DONE;
}

/* ---- telling ------------------------------------------------------------ */

static struct report_check as_report(const struct check *c)
{
	return (struct report_check){
		.run = c->run,
		.run_count = c->run_count,
		.version = PERIPLUS_VERSION,
		.plan = c->plan.serial,
		.started_ns = c->started_ns,
		.duration_ms = c->duration_ms,
		.note = c->note[0] ? c->note : NULL,
	};
}

static void print_table(const struct check *c)
{
	const struct report_check report = as_report(c);

	if (!c->cli->json)
		report_table(stdout, &report, page_style(stdout),
		             page_width(stdout));
	fflush(stdout);
}

/* Takes ownership of upload. */
static void print_json(const struct check *c, cJSON *upload)
{
	const struct report_check report = as_report(c);
	char *text = report_json(&report, upload);

	puts(text);
	free(text);
}

/* People read it below the table; beside JSON it belongs to stderr. */
static void tell(const struct check *c, const char *text)
{
	if (c->cli->json)
		log_info("%s", text);
	else
		printf("\n%s.\n", text);
}

static cJSON *upload(struct check *c)
{
	struct delivery_result *result = &c->delivery;
	char text[DELIVERY_TEXT_BYTES];
	struct err e;

	if (!c->spool) {
		tell(c, "Nothing was sent, as you asked");
		return NULL;
	}
	if (!c->config->upload) {
		result->waiting = spool_stats(c->spool).runs;
		snprintf(result->why, sizeof(result->why), "upload = no");
	} else if (!delivery_run(c->loop, &c->key, &c->plan, c->spool, result,
	                         &e)) {
		log_error("%s", e.text);
	}
	delivery_describe(result, text, sizeof(text));
	tell(c, text);
	return delivery_json(result);
}

/* What is held in memory is lost when we end: say so. */
static int settle_spool(struct check *c)
{
	struct err e;

	if (!c->spool || !c->spool_failed)
		return EXIT_DONE;
	if (!spool_save_held(c->spool, &e))
		log_error("%d results could neither be sent nor kept and are "
		          "lost; make room and check again: %s",
		          spool_stats(c->spool).held, e.text);
	return EXIT_SPOOL;
}

static void add_to_state(const struct check *c, struct state *state)
{
	for (int i = 0; i < c->run_count; i++)
		state_note_run(state, c->run[i].record);
	if (!c->spool)
		return;
	state->dropped += spool_stats(c->spool).dropped;
	state->rejected += spool_stats(c->spool).rejected;
	state->stored += c->delivery.stored;
	if (c->delivery.stored > 0)
		state->last_stored_ns = clock_realtime_ns();
	delivery_describe(&c->delivery, state->uplink, sizeof(state->uplink));
}

/* A service that runs keeps the file itself. */
static void note_in_state(const struct check *c)
{
	char *lock_path = config_state_path(c->config, STATE_LOCK);
	char *path = config_state_path(c->config, STATE_FILE);
	struct state state;
	struct err e;
	int lock = state_lock(lock_path, &e);

	if (lock >= 0) {
		if (!state_load(path, &state, &e))
			log_warn("%s; beginning anew", e.text);
		add_to_state(c, &state);
		if (!state_store(path, &state, &e))
			log_warn("%s", e.text);
		close(lock);
	} else if (e.code != EWOULDBLOCK) {
		log_warn("%s", e.text);
	}
	free(lock_path);
	free(path);
}

/* A reflector that did not say hello measured nothing. */
static int judge_reach(const struct check *c)
{
	const char *why = "";

	for (int i = 0; i < c->run_count; i++) {
		if (c->run[i].record->void_tcp != VOID_NO_HELLO)
			return EXIT_DONE;
		why = c->run[i].extra.hello_error;
	}
	log_error("nothing was measured, no reflector could be reached: %s",
	          why[0] ? why : "no run could be started");
	return EXIT_UNREACHABLE;
}

static int conclude(struct check *c)
{
	int status = judge_reach(c);
	cJSON *sent;

	print_table(c);
	sent = upload(c);
	if (c->cli->json)
		print_json(c, sent);
	else
		cJSON_Delete(sent);
	if (settle_spool(c) != EXIT_DONE)
		status = EXIT_SPOOL;
	note_in_state(c);
	return status;
}

/* ---- the whole ---------------------------------------------------------- */

static void on_signal(struct watch *w, uint32_t events, int64_t now_ns)
{
	struct check *c = LOOP_CONTAINER(w, struct check, signals);
	struct signalfd_siginfo info;
	ssize_t n = read(w->fd, &info, sizeof(info));

	(void)events;
	(void)now_ns;
	if (n != sizeof(info))
		return;
	c->interrupted = true;
	loop_stop(c->loop);
}

static bool open_loop(struct check *c, struct err *e)
{
	static const int stops[] = { SIGINT, SIGTERM };

	c->loop = loop_new(e);
	return c->loop && loop_watch_signals(c->loop, &c->signals, stops, 2, e);
}

static int run_phases(struct check *c)
{
	int status = prepare(c);
	struct err e;

	if (status != EXIT_DONE)
		return status;
	if (!open_loop(c, &e))
		return fail(EXIT_FAILED, &e);
	status = get_plan(c);
	if (status == EXIT_DONE)
		status = measure(c);
	if (c->interrupted)
		log_error("interrupted");
	return status == EXIT_DONE ? conclude(c) : status;
}

int check_run(const struct cli *cli, struct config *config)
{
	struct check *c = mem_alloc(sizeof(*c));
	int status;

	c->cli = cli;
	c->config = config;
	c->signals.fd = -1;
	c->signals.ready = on_signal;
	status = run_phases(c);
	for (int i = 0; i < c->run_count; i++)
		free(c->record[i]);
	plan_source_free(c->source);
	spool_close(c->spool);
	if (c->signals.fd >= 0)
		close(c->signals.fd);
	loop_free(c->loop);
	sodium_memzero(&c->key, sizeof(c->key));
	free(c);
	return status;
}
