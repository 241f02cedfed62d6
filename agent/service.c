/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step() looks at the world and decides what comes next; it is called at the
 * start, when the time has come, when the clock was set, when a plan was
 * fetched, at the end of a round and at SIGHUP:
 *
 *   clock before release -> wait for it to be set
 *   time for a round, or no plan -> refresh the plan (on_refreshed: step 2)
 *   no plan even so -> wait, longer each time
 *   else -> sleep until the schedule's moment, then a round
 */
#include "agent/service.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/personal.h"
#include "agent/plan_source.h"
#include "agent/round.h"
#include "agent/schedule.h"
#include "agent/spool.h"
#include "agent/state.h"
#include "agent/uplink.h"
#include "agent/wake.h"
#include "lib/clock.h"
#include "lib/exit.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/version.h"

#define RETRY_FIRST_NS (60 * CLOCK_S)
#define RETRY_MAX_NS   (3600 * CLOCK_S)

enum { REFLECTORS_A_ROUND = 2, CLOCK_OFF_MAX_MS = 600000 };

struct service {
	const struct cli *cli;
	struct config config;
	int status; /* to exit with */
	int lock_fd;
	struct key key;
	struct consent consent;
	struct loop *loop;
	struct watch signals;
	struct wake wake;
	struct timer alive; /* for the service manager's watchdog */
	int64_t alive_every_ns;
	struct spool *spool;
	struct plan_source *source;
	struct plan plan; /* in use; serial 0: none yet */
	bool refreshing;
	int refresh_failures; /* in a row */
	struct schedule schedule;
	int64_t next_round_ns; /* 0: not decided */
	struct round *round;
	struct uplink *uplink;
	int stored_in_a_row; /* since the uplink was last quiet */
	bool reload_wanted;
	struct state state;
	/* What was said already: only changes are logged. */
	char said_fault[512];
	bool said_clock_is_off;
	bool said_uplink_fails;
	bool said_spool_fails;
	bool said_state_fails;
	int64_t spool_dropped;
};

static void step(struct service *s);

/* ---- what is shown ------------------------------------------------------ */

static void store_state(struct service *s)
{
	char *path = config_state_path(&s->config, STATE_FILE);
	int64_t dropped = spool_stats(s->spool).dropped;
	struct err e;
	bool ok;

	s->state.dropped += dropped - s->spool_dropped;
	s->spool_dropped = dropped;
	ok = state_store(path, &s->state, &e);
	if (!ok && !s->said_state_fails)
		log_error("%s; going on without", e.text);
	s->said_state_fails = !ok;
	free(path);
}

static void set_doing(struct service *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void set_doing(struct service *s, const char *fmt, ...)
{
	char text[STATE_TEXT_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (strcmp(text, s->state.doing) == 0)
		return;
	memcpy(s->state.doing, text, sizeof(text));
	sd_notifyf(0, "STATUS=%s", text);
	store_state(s);
}

/* Log what is wrong with the plan's sources when that changes. */
static void say_fault(struct service *s, const char *fault)
{
	if (strcmp(fault, s->said_fault) == 0)
		return;
	if (fault[0])
		log_warn("plan: %s", fault);
	else
		log_info("plan: all is well again");
	snprintf(s->said_fault, sizeof(s->said_fault), "%s", fault);
}

static void stop(struct service *s, int status)
{
	s->status = status;
	loop_stop(s->loop);
}

/* ---- uplink ------------------------------------------------------------- */

static void set_uplink(struct service *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void set_uplink(struct service *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(s->state.uplink, sizeof(s->state.uplink), fmt, args);
	va_end(args);
	store_state(s);
}

static void on_drained(struct service *s, const char *endpoint)
{
	if (s->stored_in_a_row == 0)
		return;
	set_uplink(s, "%d %s stored by %s", s->stored_in_a_row,
	           s->stored_in_a_row == 1 ? "run" : "runs", endpoint);
	log_info("uplink: %s", s->state.uplink);
	s->stored_in_a_row = 0;
}

static void on_gave_up(struct service *s, const struct uplink_event *event)
{
	int runs = spool_stats(s->spool).runs;

	if (!s->said_uplink_fails)
		log_warn("uplink: no collector takes runs (%s: %s); keeping "
		         "%d, and trying again",
		         event->endpoint, event->text, runs);
	s->said_uplink_fails = true;
	set_uplink(s,
	           "no collector takes runs (%s: %s); next attempt in "
	           "%" PRId64 " s",
	           event->endpoint, event->text, event->pause_ns / CLOCK_S);
}

static void on_uplink(void *ctx, const struct uplink_event *event)
{
	struct service *s = ctx;

	switch (event->kind) {
	case UPLINK_STORED:
		if (s->said_uplink_fails)
			log_info("uplink: %s takes runs again",
			         event->endpoint);
		s->said_uplink_fails = false;
		s->stored_in_a_row++;
		s->state.stored++;
		s->state.last_stored_ns = clock_realtime_ns();
		break;
	case UPLINK_REJECTED:
		s->state.rejected++;
		log_warn("uplink: %s refused a run: %s; it is kept in "
		         "spool/rejected",
		         event->endpoint, event->text);
		break;
	case UPLINK_ASKED_TO_WAIT:
		set_uplink(s, "%s asks to wait %" PRId64 " s", event->endpoint,
		           event->pause_ns / CLOCK_S);
		break;
	case UPLINK_NO_ANSWER:
		log_debug("uplink: %s: %s", event->endpoint, event->text);
		break;
	case UPLINK_GAVE_UP:
		on_gave_up(s, event);
		break;
	case UPLINK_DRAINED:
		on_drained(s, event->endpoint);
		break;
	}
}

static void renew_uplink(struct service *s)
{
	const struct uplink_options o = {
		.loop = s->loop,
		.key = &s->key,
		.plan = &s->plan,
		.spool = s->spool,
		.patience_ns = UPLINK_PATIENCE_NS,
		.on_event = on_uplink,
		.ctx = s,
	};

	uplink_free(s->uplink);
	s->uplink = s->config.upload ? uplink_new(&o) : NULL;
	if (!s->uplink)
		set_uplink(s, "off: upload = no");
}

/* Runs of a "check" in the same spool go along. */
static void start_uplink(struct service *s)
{
	struct err e;

	if (!s->uplink)
		return;
	if (!spool_scan(s->spool, &e))
		log_warn("%s", e.text);
	uplink_start(s->uplink);
}

/* ---- a round ------------------------------------------------------------ */

static void warn_about_clock(struct service *s, const struct record *r)
{
	int64_t off_ms = r->clock_offset_ms;
	bool off = off_ms > CLOCK_OFF_MAX_MS || off_ms < -CLOCK_OFF_MAX_MS;

	if (off && !s->said_clock_is_off)
		log_warn("this computer's clock is %" PRIdMAX
		         " minutes %s that of reflector %s: set it; runs are "
		         "dated by the reflector's",
		         (imaxabs(off_ms) + 30000) / 60000,
		         off_ms > 0 ? "behind" : "ahead of", r->reflector);
	s->said_clock_is_off = off;
}

static void put_into_spool(struct service *s, const struct record *r)
{
	struct err e;
	size_t n;
	char *json = record_encode(r, &n);
	bool ok = spool_add(s->spool, r->run, json, n, &e);

	if (!ok && !s->said_spool_fails)
		log_error("the spool cannot be written, runs are held in "
		          "memory until there is room: %s",
		          e.text);
	s->said_spool_fails |= !ok;
	free(json);
}

static void on_run(void *ctx, struct record *r, const struct run_extra *x)
{
	struct service *s = ctx;

	if (x->hello_error[0])
		log_debug("run toward %s over IPv%d: %s", r->reflector,
		          r->family, x->hello_error);
	warn_about_clock(s, r);
	put_into_spool(s, r);
	state_note_run(&s->state, r);
	s->state.today.bytes += schedule_run_bytes(r);
	log_debug("run toward %s over IPv%d: %d open, %d failed", r->reflector,
	          r->family, s->state.last_run.open, s->state.last_run.failed);
	free(r);
}

static void save_held(struct service *s)
{
	struct err e;

	if (!s->said_spool_fails || !spool_save_held(s->spool, &e))
		return;
	log_info("the spool can be written again, nothing was lost");
	s->said_spool_fails = false;
}

static void on_round_end(void *ctx)
{
	struct service *s = ctx;

	round_free(s->round);
	s->round = NULL;
	save_held(s);
	store_state(s);
	start_uplink(s);
	step(s);
}

/*
 * The round is noted before its first packet: whatever happens to it, the
 * slot is used up.
 */
static bool start_round(struct service *s, int64_t now_ns, struct err *e)
{
	const struct round_options o = {
		.loop = s->loop,
		.plan = &s->plan,
		.filter = { .reflectors_max = REFLECTORS_A_ROUND },
		.classes = s->consent.classes,
		.pace = RUN_PACE_SERVICE,
		.on_run = on_run,
		.on_end = on_round_end,
		.ctx = s,
	};

	s->round = round_start(&o, e);
	if (!s->round)
		return false;
	if (s->uplink)
		uplink_stop(s->uplink);
	s->state.last_round_ns = now_ns;
	s->state.next_round_ns = 0;
	s->next_round_ns = 0;
	s->state.today.rounds++;
	set_doing(s, "measuring");
	store_state(s);
	return true;
}

/* ---- waiting ------------------------------------------------------------ */

static void wait_until(struct service *s, int64_t t_ns)
{
	struct err e;

	if (!wake_at(&s->wake, t_ns, &e)) {
		log_error("%s", e.text);
		stop(s, EXIT_FAILED);
	}
}

static int64_t retry_after(int failures)
{
	int64_t ns = RETRY_FIRST_NS;

	for (int i = 1; i < failures && ns < RETRY_MAX_NS; i++)
		ns *= 2;
	if (ns > RETRY_MAX_NS)
		ns = RETRY_MAX_NS;
	return ns / 2 + (int64_t)randombytes_uniform(1000) * (ns / 1000);
}

/* A clock from before the release is wrong; it will be set some day. */
static bool wait_for_clock(struct service *s, int64_t now_ns)
{
	int64_t released_ns = 0;
	char now[CLOCK_TEXT_BYTES];

	if (!clock_parse(PERIPLUS_RELEASED, &released_ns) ||
	    now_ns >= released_ns)
		return false;
	clock_format(now_ns, now);
	if (strncmp(s->state.doing, "waiting for the clock", 21) != 0) {
		log_warn("the clock says %s, which is before this program "
		         "was released: waiting for it to be set",
		         now);
		set_doing(s, "waiting for the clock to be set");
	}
	wait_until(s, released_ns);
	return true;
}

static void wait_for_plan(struct service *s, int64_t now_ns, const char *why)
{
	char doing[STATE_TEXT_BYTES];

	snprintf(doing, sizeof(doing), "waiting for a plan: %.200s", why);
	if (strcmp(doing, s->state.doing) != 0)
		log_warn("%s", doing);
	s->plan = (struct plan){ 0 };
	uplink_free(s->uplink);
	s->uplink = NULL;
	s->state.next_round_ns = 0;
	s->next_round_ns = 0;
	set_doing(s, "%s", doing);
	wait_until(s, now_ns + retry_after(++s->refresh_failures));
}

static void wait_for_round(struct service *s, int64_t now_ns)
{
	int64_t wake_ns;

	if (s->next_round_ns == 0 || now_ns < s->next_round_ns)
		s->next_round_ns = schedule_next(&s->schedule, now_ns,
		                                 s->state.last_round_ns);
	s->state.next_round_ns = s->next_round_ns;
	set_doing(s, "waiting for the next round");
	wake_ns = s->next_round_ns;
	if (s->plan.valid_until_ns < wake_ns) /* ask for a newer one then */
		wake_ns = s->plan.valid_until_ns;
	wait_until(s, wake_ns);
}

/* ---- plan --------------------------------------------------------------- */

static void use_plan(struct service *s, const struct plan *plan)
{
	char until[CLOCK_TEXT_BYTES];
	bool is_new = plan->serial != s->plan.serial;

	s->plan = *plan;
	s->schedule.interval_s = plan->interval_s;
	if (!is_new)
		return;
	clock_format(plan->valid_until_ns, until);
	log_info("plan %" PRIu32 " is in force until %s", plan->serial, until);
	renew_uplink(s);
	start_uplink(s);
}

/* A person may have taken the consent back meanwhile. */
static bool consent_holds(struct service *s)
{
	struct err e;

	if (personal_consent(&s->config, &s->consent, &e))
		return true;
	log_error("%s", e.text);
	stop(s, EXIT_CONSENT);
	return false;
}

static void begin_or_wait(struct service *s, int64_t now_ns)
{
	bool due = s->next_round_ns != 0 && now_ns >= s->next_round_ns;
	struct err e;

	if (!due && s->state.last_round_ns != 0) {
		wait_for_round(s, now_ns);
		return;
	}
	if (!schedule_allows(&s->state.today, now_ns)) {
		int64_t tomorrow_ns = (clock_day(now_ns) + 1) * CLOCK_DAY;

		log_warn("enough was measured today; going on tomorrow");
		s->next_round_ns = schedule_next(&s->schedule, tomorrow_ns,
		                                 s->state.last_round_ns);
		s->state.next_round_ns = s->next_round_ns;
		set_doing(s, "waiting for tomorrow: enough was measured today");
		wait_until(s, s->next_round_ns);
		return;
	}
	if (!consent_holds(s) || start_round(s, now_ns, &e))
		return;
	if (strncmp(s->state.doing, "waiting for a route", 19) != 0)
		log_warn("%s", e.text);
	s->next_round_ns = now_ns + retry_after(++s->refresh_failures);
	s->state.next_round_ns = s->next_round_ns;
	set_doing(s, "waiting for a route: %s", e.text);
	wait_until(s, s->next_round_ns);
}

static void on_refreshed(void *ctx)
{
	struct service *s = ctx;
	int64_t now_ns = clock_realtime_ns();
	const struct plan *plan;
	struct err e;

	s->refreshing = false;
	plan = plan_source_get(s->source, now_ns, &e);
	if (s->reload_wanted) {
		step(s);
		return;
	}
	if (!plan) {
		wait_for_plan(s, now_ns, e.text);
		return;
	}
	say_fault(s, plan_source_fault(s->source));
	use_plan(s, plan);
	begin_or_wait(s, now_ns);
	if (s->round)
		s->refresh_failures = 0;
}

static void refresh(struct service *s, int64_t now_ns)
{
	s->refreshing = true;
	plan_source_refresh(s->source, now_ns, on_refreshed, s);
}

/* ---- decisions ---------------------------------------------------------- */

/* Read everything again; what is wrong leaves the old in force. */
static void reload(struct service *s)
{
	struct config fresh;
	struct err e;

	s->reload_wanted = false;
	if (!config_load(&fresh, s->cli->config_path, &s->cli->set, &e)) {
		log_error("%s; keeping the old configuration", e.text);
		return;
	}
	if (strcmp(fresh.state_dir, s->config.state_dir) != 0 ||
	    fresh.spool_max_bytes != s->config.spool_max_bytes)
		log_warn("state_dir and spool_max change at the next start "
		         "only");
	free(fresh.state_dir);
	fresh.state_dir = mem_strdup(s->config.state_dir);
	plan_source_free(s->source);
	config_free(&s->config);
	s->config = fresh;
	s->source = plan_source_new(s->loop, &s->config, clock_realtime_ns());
	s->plan = (struct plan){ 0 };
	s->refresh_failures = 0;
	log_info("configuration reloaded");
}

static void step(struct service *s)
{
	int64_t now_ns = clock_realtime_ns();
	bool due = s->next_round_ns == 0 || now_ns >= s->next_round_ns;
	bool plan_holds;

	if (s->round || s->refreshing)
		return; /* their end comes back here */
	if (s->reload_wanted) {
		reload(s);
		if (!consent_holds(s))
			return;
	}
	if (wait_for_clock(s, now_ns))
		return;
	plan_holds = s->plan.serial != 0 && now_ns < s->plan.valid_until_ns;
	if (plan_holds && s->next_round_ns == 0 && s->state.last_round_ns != 0)
		wait_for_round(s, now_ns);
	else if (due || !plan_holds)
		refresh(s, now_ns);
	else
		wait_for_round(s, now_ns);
}

static void on_wake(struct wake *w)
{
	step(LOOP_CONTAINER(w, struct service, wake));
}

static void on_signal(struct watch *w, uint32_t events, int64_t now_ns)
{
	struct service *s = LOOP_CONTAINER(w, struct service, signals);
	struct signalfd_siginfo info;
	ssize_t n = read(w->fd, &info, sizeof(info));

	(void)events;
	(void)now_ns;
	if (n != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		s->reload_wanted = true;
		step(s);
		return;
	}
	log_info("stopped by signal %u", info.ssi_signo);
	stop(s, EXIT_DONE);
}

static void on_alive(struct timer *t, int64_t now_ns)
{
	struct service *s = LOOP_CONTAINER(t, struct service, alive);

	sd_notify(0, "WATCHDOG=1");
	loop_arm(s->loop, t, now_ns + s->alive_every_ns);
}

/* ---- start and end ------------------------------------------------------ */

static int fail(int status, const struct err *e)
{
	log_error("%s", e->text);
	return status;
}

static int open_lock(struct service *s)
{
	char *path = config_state_path(&s->config, STATE_LOCK);
	struct err e;

	s->lock_fd = state_lock(path, &e);
	free(path);
	if (s->lock_fd >= 0)
		return EXIT_DONE;
	if (e.code == EWOULDBLOCK)
		err_set(&e, 0, "another 'periplus run' uses %s already",
		        s->config.state_dir);
	return fail(EXIT_FAILED, &e);
}

static int open_files(struct service *s)
{
	char *path;
	struct err e;
	int status;

	if (!personal_consent(&s->config, &s->consent, &e))
		return fail(EXIT_CONSENT, &e);
	if (!config_make_state_dir(&s->config, &e))
		return fail(EXIT_FAILED, &e);
	status = open_lock(s);
	if (status != EXIT_DONE)
		return status;
	if (!personal_key(&s->config, &s->key, &e))
		return fail(EXIT_KEY, &e);
	path = config_state_path(&s->config, SPOOL_DIR);
	s->spool = spool_open(path, s->config.spool_max_bytes, &e);
	free(path);
	if (!s->spool)
		return fail(EXIT_SPOOL, &e);
	path = config_state_path(&s->config, STATE_FILE);
	if (!state_load(path, &s->state, &e))
		log_warn("%s; beginning anew", e.text);
	free(path);
	s->state.doing[0] = '\0';
	return EXIT_DONE;
}

static bool open_loop(struct service *s, struct err *e)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	uint64_t usec;

	s->loop = loop_new(e);
	if (!s->loop ||
	    !loop_watch_signals(s->loop, &s->signals, signals, 3, e) ||
	    !wake_open(s->loop, &s->wake, e))
		return false;
	if (sd_watchdog_enabled(0, &usec) > 0) {
		s->alive_every_ns = (int64_t)usec * CLOCK_US / 2;
		loop_arm(s->loop, &s->alive,
		         loop_now(s->loop) + s->alive_every_ns);
	}
	return true;
}

static int run(struct service *s)
{
	struct err e;
	int status = open_files(s);

	if (status != EXIT_DONE)
		return status;
	if (!open_loop(s, &e))
		return fail(EXIT_FAILED, &e);
	key_derive(&s->key, "schedule", s->schedule.seed);
	s->source = plan_source_new(s->loop, &s->config, clock_realtime_ns());
	log_info("periplus %s started", PERIPLUS_VERSION);
	sd_notify(0, "READY=1");
	step(s);
	if (!loop_run(s->loop, &e))
		return fail(EXIT_FAILED, &e);
	sd_notify(0, "STOPPING=1");
	return s->status;
}

/* What is held in memory gets a last chance. */
static void leave_spool(struct service *s)
{
	struct err e;

	if (s->spool && !spool_save_held(s->spool, &e))
		log_error("%d runs could not be kept and are lost: %s",
		          spool_stats(s->spool).held, e.text);
	spool_close(s->spool);
}

static void release(struct service *s)
{
	round_free(s->round);
	uplink_free(s->uplink);
	plan_source_free(s->source);
	if (s->spool && s->loop) {
		s->state.next_round_ns = 0;
		set_doing(s, "stopped");
	}
	leave_spool(s);
	wake_close(&s->wake);
	if (s->loop)
		loop_disarm(s->loop, &s->alive);
	if (s->signals.fd >= 0)
		close(s->signals.fd);
	loop_free(s->loop);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	sodium_memzero(&s->key, sizeof(s->key));
	config_free(&s->config);
}

int service_run(const struct cli *cli, struct config *c)
{
	struct service *s = mem_alloc(sizeof(*s));
	int status;

	s->cli = cli;
	s->config = *c;
	*c = (struct config){ 0 };
	s->lock_fd = -1;
	s->signals.fd = -1;
	s->signals.ready = on_signal;
	s->wake.fire = on_wake;
	s->alive.fire = on_alive;
	status = run(s);
	release(s);
	free(s);
	return status;
}
