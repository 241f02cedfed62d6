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
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/journal.h"
#include "agent/outbox.h"
#include "agent/personal.h"
#include "agent/plan_source.h"
#include "agent/round.h"
#include "agent/schedule.h"
#include "agent/wake.h"
#include "lib/clock.h"
#include "lib/exit.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/version.h"

#define RETRY_FIRST_NS (60 * CLOCK_S)
#define RETRY_MAX_NS   (3600 * CLOCK_S)

enum { REFLECTORS_A_ROUND = 2 };

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
	struct plan_source *source;
	struct plan plan; /* in use; serial 0: none yet */
	bool refreshing;
	int failures; /* to get a plan or a route, in a row */
	struct schedule schedule;
	int64_t next_round_ns; /* 0: not decided */
	struct round *round;
	struct journal journal;
	struct outbox outbox;
	bool reload_wanted;
};

static void step(struct service *s);

static void stop(struct service *s, int status)
{
	s->status = status;
	loop_stop(s->loop);
}

/* 0: not decided. */
static void set_next_round(struct service *s, int64_t t_ns)
{
	s->next_round_ns = t_ns;
	s->journal.state.next_round_ns = t_ns;
}

/* ---- a round ------------------------------------------------------------ */

static void on_run(void *ctx, struct record *r, const struct run_extra *x)
{
	struct service *s = ctx;

	if (x->hello_error[0])
		log_debug("run toward %s over IPv%d: %s", r->reflector,
		          r->family, x->hello_error);
	outbox_put(&s->outbox, r);
	journal_run(&s->journal, r);
	free(r);
}

static void on_round_end(void *ctx)
{
	struct service *s = ctx;

	round_free(s->round);
	s->round = NULL;
	journal_store(&s->journal);
	outbox_start(&s->outbox);
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
	outbox_stop(&s->outbox);
	s->journal.state.last_round_ns = now_ns;
	s->journal.state.today.rounds++;
	set_next_round(s, 0);
	journal_doing(&s->journal, "measuring");
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

	if (!clock_parse(PERIPLUS_RELEASED, &released_ns) ||
	    now_ns >= released_ns)
		return false;
	journal_waiting(&s->journal,
	                "waiting for the clock to be set: it is before %.10s, "
	                "when this program was released",
	                PERIPLUS_RELEASED);
	wait_until(s, released_ns);
	return true;
}

static void wait_for_plan(struct service *s, int64_t now_ns, const char *why)
{
	s->plan = (struct plan){ 0 };
	outbox_use_plan(&s->outbox, NULL);
	set_next_round(s, 0);
	journal_waiting(&s->journal, "waiting for a plan: %s", why);
	wait_until(s, now_ns + retry_after(++s->failures));
}

static void wait_for_round(struct service *s, int64_t now_ns)
{
	int64_t shown_ns = s->journal.state.next_round_ns;
	int64_t wake_ns;

	if (s->next_round_ns == 0 || now_ns < s->next_round_ns)
		set_next_round(s,
		               schedule_next(&s->schedule, now_ns,
		                             s->journal.state.last_round_ns));
	journal_doing(&s->journal, "waiting for the next round");
	if (s->next_round_ns != shown_ns)
		journal_store(&s->journal);
	wake_ns = s->next_round_ns;
	if (s->plan.valid_until_ns < wake_ns) /* ask for a newer one then */
		wake_ns = s->plan.valid_until_ns;
	wait_until(s, wake_ns);
}

static void wait_for_tomorrow(struct service *s, int64_t now_ns)
{
	int64_t tomorrow_ns = (clock_day(now_ns) + 1) * CLOCK_DAY;

	set_next_round(s, schedule_next(&s->schedule, tomorrow_ns,
	                                s->journal.state.last_round_ns));
	journal_waiting(&s->journal,
	                "waiting for tomorrow: enough was measured today");
	wait_until(s, s->next_round_ns);
}

static void wait_for_route(struct service *s, int64_t now_ns, const char *why)
{
	set_next_round(s, now_ns + retry_after(++s->failures));
	journal_waiting(&s->journal, "waiting for a route: %s", why);
	wait_until(s, s->next_round_ns);
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
	outbox_use_plan(&s->outbox, s->config.upload ? &s->plan : NULL);
	if (!s->config.upload)
		journal_uplink(&s->journal, "off: upload = no");
	outbox_start(&s->outbox);
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
	struct state *state = &s->journal.state;
	bool due = s->next_round_ns != 0 && now_ns >= s->next_round_ns;
	struct err e;

	if (!due && state->last_round_ns != 0)
		wait_for_round(s, now_ns);
	else if (!schedule_allows(&state->today, now_ns))
		wait_for_tomorrow(s, now_ns);
	else if (consent_holds(s) && !start_round(s, now_ns, &e))
		wait_for_route(s, now_ns, e.text);
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
	journal_plan_fault(&s->journal, plan_source_fault(s->source));
	use_plan(s, plan);
	begin_or_wait(s, now_ns);
	if (s->round)
		s->failures = 0;
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
	s->failures = 0;
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
	if (plan_holds && s->next_round_ns == 0 &&
	    s->journal.state.last_round_ns != 0)
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

static int open_identity(struct service *s)
{
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
	return EXIT_DONE;
}

/* The journal first: the outbox writes to it. */
static int open_outbox(struct service *s)
{
	char *status_path = config_state_path(&s->config, STATE_FILE);
	char *spool_path = config_state_path(&s->config, SPOOL_DIR);
	struct err e;
	bool ok;

	journal_open(&s->journal, status_path);
	s->outbox.journal = &s->journal;
	s->outbox.key = &s->key;
	s->outbox.loop = s->loop;
	ok = outbox_open(&s->outbox, spool_path, s->config.spool_max_bytes, &e);
	free(status_path);
	free(spool_path);
	return ok ? EXIT_DONE : fail(EXIT_SPOOL, &e);
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
	int status = open_identity(s);

	if (status != EXIT_DONE)
		return status;
	if (!open_loop(s, &e))
		return fail(EXIT_FAILED, &e);
	status = open_outbox(s);
	if (status != EXIT_DONE)
		return status;
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

static void release(struct service *s)
{
	round_free(s->round);
	plan_source_free(s->source);
	if (s->outbox.spool) {
		set_next_round(s, 0);
		journal_doing(&s->journal, "stopped");
	}
	outbox_close(&s->outbox);
	journal_close(&s->journal);
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
