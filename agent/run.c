/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The phases of a run, each ending in a callback that begins the next:
 *
 *                         +-- second chance --+
 *                         v                   |
 *  hello --> controls --> probes --> controls --> report --> done
 *    |                                                        ^
 *    +-- no reflector: the record is void --------------------+
 *
 * Controls are judged by transport: one that fails voids that transport.
 * Probes of a transport that is void already are not made.  A line that was
 * dead for a moment gets a second chance: what is doubtful (sweep.h) is probed
 * again, once, and the controls as well; what fails then is void.
 */
#include "agent/run.h"

#include <sodium.h>

#include "agent/hunt.h"
#include "agent/logbook.h"
#include "agent/shuffle.h"
#include "agent/sweep.h"
#include "lib/catalogue.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum {
	CONTROL_COUNT = 3, /* 443/tcp, a drawn TCP port, a drawn UDP port */
	HELLO_ROUNDS = 1,
	/* A lost manifest voids all that was measured: try harder, unless
	 * a person is waiting. */
	REPORT_ROUNDS_CHECK = 1,
	REPORT_ROUNDS_SERVICE = 3,
};

/* For the line to recover in. */
#define PAUSE_CHECK_NS   (2 * CLOCK_S)
#define PAUSE_SERVICE_NS (20 * CLOCK_S)

struct control {
	struct sweep_target port;
	bool failed;
};

struct run {
	struct run_options o;
	struct loop *loop;
	struct trial_setting setting;
	struct control control[CONTROL_COUNT];
	struct wire_welcome welcome;
	uint8_t nonce[WIRE_NONCE_BYTES];
	int64_t started_ns; /* monotonic */
	struct hunt hunt;
	struct sweep *sweep;
	struct sweep_target target[PLAN_PROBES_MAX];
	uint16_t index_of[PLAN_PROBES_MAX]; /* target to control or probe */
	int target_count;
	struct sweep_target doubt[PLAN_PROBES_MAX]; /* to be probed again */
	uint16_t doubt_index[PLAN_PROBES_MAX];      /* doubt to probe */
	int doubt_count;
	bool control_failed; /* after the probes, the first time */
	bool second_chance;  /* was taken */
	struct timer pause;
	struct run_progress progress;
	struct run_extra extra;
	struct record *record; /* ours until on_done */
};

/* ---- progress ----------------------------------------------------------- */

static void tell(struct run *r)
{
	if (r->o.on_progress)
		r->o.on_progress(r->o.ctx, &r->progress);
}

static void begin_phase(struct run *r, const char *phase)
{
	r->progress.phase = phase;
	tell(r);
}

/* ---- the end ------------------------------------------------------------ */

static void finish(struct run *r)
{
	struct record *record = r->record;

	logbook_close(record, loop_now(r->loop) - r->started_ns);
	r->record = NULL;
	r->o.on_done(r->o.ctx, record, &r->extra);
}

/* ---- report ------------------------------------------------------------- */

static bool accept_manifest(struct hunt *h, const struct exchange *x)
{
	struct run *r = LOOP_CONTAINER(h, struct run, hunt);
	struct rd rd = rd_of(x->reply, x->reply_bytes);
	struct wire_manifest m;

	if (!wire_manifest_decode(&rd, &m) ||
	    memcmp(m.run, r->record->run, sizeof(m.run)) != 0 ||
	    strcmp(m.reflector, r->record->reflector) != 0)
		return false;
	memcpy(r->record->manifest, x->reply, x->reply_bytes);
	r->record->manifest_bytes = (uint16_t)x->reply_bytes;
	return true;
}

static bool came_from_elsewhere(const struct manifest_entry *entry)
{
	return entry && (entry->flags & MANIFEST_OTHER_ADDRESS);
}

/* A control that came from another address was not answered for that. */
static void explain_voids(struct run *r, const struct wire_manifest *m)
{
	for (int i = 0; i < CONTROL_COUNT; i++) {
		const struct control *c = &r->control[i];

		if (c->failed && came_from_elsewhere(wire_manifest_find(
					 m, c->port.transport, c->port.port)))
			logbook_revise_void(r->record, c->port.transport,
			                    VOID_SOURCE_CHANGED);
	}
}

static void apply_manifest(struct run *r)
{
	struct rd rd = rd_of(r->record->manifest, r->record->manifest_bytes);
	struct wire_manifest m;

	if (!wire_manifest_decode(&rd, &m))
		return;
	explain_voids(r, &m);
	logbook_correct(r->record, &m);
}

static void on_report(struct hunt *h, bool ok)
{
	struct run *r = LOOP_CONTAINER(h, struct run, hunt);

	if (ok) {
		apply_manifest(r);
	} else {
		logbook_void_both(r->record, VOID_NO_MANIFEST);
		snprintf(r->extra.report_error, sizeof(r->extra.report_error),
		         "%s", h->error);
	}
	finish(r);
}

static void start_hunt(struct run *r)
{
	struct hunt *h = &r->hunt;

	h->loop = r->loop;
	h->reflector = r->setting.reflector;
	h->port = r->o.reflector->control_port;
	h->port_count = r->o.reflector->control_port_count;
	hunt_start(h);
}

static void ask_report(struct run *r)
{
	struct wire_report m;
	struct wr w;

	begin_phase(r, "report");
	memcpy(m.run, r->record->run, sizeof(m.run));
	memcpy(m.token, r->setting.token, sizeof(m.token));
	hunt_stop(&r->hunt);
	r->hunt = (struct hunt){
		.rounds = r->o.pace == RUN_PACE_CHECK ? REPORT_ROUNDS_CHECK
		                                      : REPORT_ROUNDS_SERVICE,
		.wanted = WIRE_MANIFEST,
		.accept = accept_manifest,
		.done = on_report,
	};
	w = wr_of(r->hunt.request, sizeof(r->hunt.request));
	r->hunt.request_bytes = wire_report_encode(&w, &m);
	start_hunt(r);
}

/* ---- sweeps ------------------------------------------------------------- */

enum watch_path { UNWATCHED, WATCHED };

static void start_sweep(struct run *r, enum watch_path watch,
                        void (*on_result)(void *ctx, int index,
                                          const struct sweep_result *result),
                        void (*on_done)(void *ctx))
{
	struct sweep_options o = {
		.setting = &r->setting,
		.target = r->target,
		.count = r->target_count,
		.on_result = on_result,
		.on_done = on_done,
		.ctx = r,
	};

	for (int i = 0; i < CONTROL_COUNT && watch == WATCHED; i++)
		o.control[r->control[i].port.transport] =
			r->control[i].port.port; /* one that was drawn */
	sweep_free(r->sweep);
	r->sweep = sweep_start(&o);
}

static void add_target(struct run *r, struct sweep_target port, int index)
{
	r->target[r->target_count] = port;
	r->index_of[r->target_count] = (uint16_t)index;
	r->target_count++;
}

static bool is_listed(const struct run *r, struct sweep_target port)
{
	for (int i = 0; i < r->welcome.port_count; i++)
		if (r->welcome.port[i].transport == port.transport &&
		    r->welcome.port[i].port == port.port)
			return true;
	return false;
}

static void take_second_chance(struct run *r);

/* ---- controls ----------------------------------------------------------- */

static void fail_control(struct run *r, int i, enum void_reason reason)
{
	r->control[i].failed = true;
	logbook_void(r->record, r->control[i].port.transport, reason);
}

/* Only transports that can still be trusted have anything to lose. */
static void add_controls(struct run *r)
{
	r->target_count = 0;
	for (int i = 0; i < CONTROL_COUNT; i++)
		if (!logbook_is_void(r->record, r->control[i].port.transport))
			add_target(r, r->control[i].port, i);
}

static void on_control_after(void *ctx, int index,
                             const struct sweep_result *result)
{
	struct run *r = ctx;

	if (result->finding.outcome == OUTCOME_OPEN)
		return;
	if (r->second_chance)
		fail_control(r, r->index_of[index], VOID_CONTROL_AFTER);
	else
		r->control_failed = true;
}

static void on_controls_after(void *ctx)
{
	struct run *r = ctx;

	if (!r->second_chance && (r->control_failed || r->doubt_count > 0))
		take_second_chance(r);
	else
		ask_report(r);
}

static void on_control_before(void *ctx, int index,
                              const struct sweep_result *result)
{
	struct run *r = ctx;

	if (result->finding.outcome != OUTCOME_OPEN)
		fail_control(r, r->index_of[index], VOID_CONTROL_BEFORE);
}

/* ---- probes ------------------------------------------------------------- */

static enum skip skip_of(const struct run *r, const struct plan_probe *p)
{
	struct sweep_target port = { p->transport, p->port };
	const struct catalogue_entry *entry =
		catalogue_find(p->transport, p->port);

	if ((r->o.classes & p->consent) != p->consent)
		return SKIP_NO_CONSENT;
	if (entry && entry->family && entry->family != r->o.family)
		return SKIP_FAMILY;
	if (!is_listed(r, port))
		return SKIP_NOT_LISTENING;
	if (logbook_is_void(r->record, p->transport))
		return SKIP_VOID;
	return SKIP_NONE;
}

static void add_probe(struct run *r, const struct plan_probe *p)
{
	enum skip skip = skip_of(r, p);
	uint16_t i = logbook_probe(r->record, p, skip);

	if (skip == SKIP_NONE)
		add_target(r, (struct sweep_target){ p->transport, p->port },
		           i);
}

static void shuffle_targets(struct run *r)
{
	struct sweep_target port[PLAN_PROBES_MAX];
	uint16_t index_of[PLAN_PROBES_MAX];
	uint16_t order[PLAN_PROBES_MAX] = { 0 };

	memcpy(port, r->target, sizeof(port));
	memcpy(index_of, r->index_of, sizeof(index_of));
	shuffle_order(order, r->target_count, randombytes_uniform);
	for (int i = 0; i < r->target_count; i++) {
		r->target[i] = port[order[i]];
		r->index_of[i] = index_of[order[i]];
	}
}

static void on_probe(void *ctx, int index, const struct sweep_result *result)
{
	struct run *r = ctx;

	if (result->doubtful && !r->second_chance) {
		r->doubt[r->doubt_count] = r->target[index];
		r->doubt_index[r->doubt_count++] = r->index_of[index];
		return;
	}
	logbook_result(r->record, r->index_of[index], &result->finding,
	               result->attempts);
	if (result->doubtful)
		logbook_void(r->record, r->target[index].transport,
		             VOID_CONTROL_AFTER);
	r->progress.done++;
	if (result->finding.outcome == OUTCOME_OPEN)
		r->progress.open++;
	else
		r->progress.failed++;
	tell(r);
}

static void on_probes(void *ctx)
{
	struct run *r = ctx;

	begin_phase(r, "controls");
	add_controls(r);
	start_sweep(r, UNWATCHED, on_control_after, on_controls_after);
}

static void on_pause_over(struct timer *t, int64_t now_ns)
{
	struct run *r = LOOP_CONTAINER(t, struct run, pause);

	(void)now_ns;
	r->target_count = 0;
	for (int i = 0; i < r->doubt_count; i++)
		add_target(r, r->doubt[i], r->doubt_index[i]);
	begin_phase(r, "probes");
	start_sweep(r, WATCHED, on_probe, on_probes);
}

static void take_second_chance(struct run *r)
{
	int64_t pause_ns =
		r->o.pace == RUN_PACE_CHECK ? PAUSE_CHECK_NS : PAUSE_SERVICE_NS;

	r->second_chance = true;
	if (!r->control_failed) /* the line is well already */
		pause_ns = 0;
	loop_arm(r->loop, &r->pause, loop_now(r->loop) + pause_ns);
}

static void on_controls_before(void *ctx)
{
	struct run *r = ctx;

	r->target_count = 0;
	for (int i = 0; i < r->o.plan->probe_count; i++)
		if (r->o.plan->probe[i].direction == DIRECTION_OUT)
			add_probe(r, &r->o.plan->probe[i]);
	shuffle_targets(r);
	r->progress.total = r->target_count;
	begin_phase(r, "probes");
	start_sweep(r, WATCHED, on_probe, on_probes);
}

/* ---- hello -------------------------------------------------------------- */

/*
 * What the run knows of the time comes from the reflector, less what has
 * passed since its start: a clock that is set meanwhile does no harm.
 */
static void correct_clock(struct run *r, const struct exchange *x)
{
	int64_t there_ns = r->welcome.clock_ns + x->rtt_ns / 2;
	int64_t passed_ns = loop_now(r->loop) - r->started_ns;

	r->record->clock_offset_ms =
		(there_ns - clock_realtime_ns()) / CLOCK_MS;
	r->record->started_ns = there_ns - passed_ns;
}

/* Between 2006 and 2116: no sum with it overflows, and it is a time. */
static bool is_plausible(int64_t clock_ns)
{
	return clock_ns > INT64_C(1) << 60 && clock_ns < INT64_C(1) << 62;
}

static bool accept_welcome(struct hunt *h, const struct exchange *x)
{
	struct run *r = LOOP_CONTAINER(h, struct run, hunt);
	struct rd rd = rd_of(x->reply, x->reply_bytes);

	if (!wire_welcome_decode(&rd, &r->welcome) ||
	    !is_plausible(r->welcome.clock_ns) ||
	    sodium_memcmp(r->welcome.nonce, r->nonce, sizeof(r->nonce)) != 0)
		return false;
	r->extra.seen = r->welcome.seen;
	r->extra.rtt_ns = x->rtt_ns;
	r->setting.rtt_ns = x->rtt_ns;
	memcpy(r->setting.token, r->welcome.token, sizeof(r->setting.token));
	correct_clock(r, x);
	return true;
}

static void draw_controls(struct run *r)
{
	struct control_ports drawn =
		control_draw(r->o.plan->seed, clock_day(r->welcome.clock_ns));

	r->control[0].port =
		(struct sweep_target){ TRANSPORT_TCP, CONTROL_TCP_PORT };
	r->control[1].port = (struct sweep_target){ TRANSPORT_TCP, drawn.tcp };
	r->control[2].port = (struct sweep_target){ TRANSPORT_UDP, drawn.udp };
}

/* A control port that the reflector does not listen on proves nothing. */
static void on_hello(struct hunt *h, bool ok)
{
	struct run *r = LOOP_CONTAINER(h, struct run, hunt);

	if (!ok) {
		logbook_void_both(r->record, VOID_NO_HELLO);
		r->extra.hello_errno = h->sys_errno;
		snprintf(r->extra.hello_error, sizeof(r->extra.hello_error),
		         "%s", h->error);
		finish(r);
		return;
	}
	draw_controls(r);
	for (int i = 0; i < CONTROL_COUNT; i++)
		if (!is_listed(r, r->control[i].port))
			fail_control(r, i, VOID_CONTROL_BEFORE);
	begin_phase(r, "controls");
	add_controls(r);
	start_sweep(r, UNWATCHED, on_control_before, on_controls_before);
}

static void say_hello(struct run *r)
{
	struct wire_hello m;
	struct wr w;

	randombytes_buf(r->nonce, sizeof(r->nonce));
	memcpy(m.run, r->record->run, sizeof(m.run));
	memcpy(m.nonce, r->nonce, sizeof(m.nonce));
	r->hunt = (struct hunt){
		.rounds = HELLO_ROUNDS,
		.wanted = WIRE_WELCOME,
		.accept = accept_welcome,
		.done = on_hello,
	};
	w = wr_of(r->hunt.request, sizeof(r->hunt.request));
	r->hunt.request_bytes = wire_hello_encode(&w, &m);
	start_hunt(r);
}

/* ---- public ------------------------------------------------------------- */

struct run *run_start(struct loop *l, const struct run_options *o,
                      struct err *e)
{
	const struct addr *to =
		o->family == 6 ? &o->reflector->ipv6 : &o->reflector->ipv4;
	struct run *r;

	if (to->family != o->family) {
		err_set(e, 0, "reflector %s has no IPv%d address",
		        o->reflector->name, o->family);
		return NULL;
	}
	if (o->reflector->control_port_count < 1) {
		err_set(e, 0, "reflector %s has no control port",
		        o->reflector->name);
		return NULL;
	}
	r = mem_alloc(sizeof(*r));
	r->o = *o;
	r->loop = l;
	r->started_ns = clock_monotonic_ns();
	r->record = logbook_open(o, clock_realtime_ns());
	r->setting.loop = l;
	r->setting.reflector = *to;
	r->setting.pace = o->pace;
	memcpy(r->setting.run, r->record->run, sizeof(r->setting.run));
	r->pause.fire = on_pause_over;
	r->progress.phase = "hello";
	say_hello(r);
	return r;
}

void run_free(struct run *r)
{
	if (!r)
		return;
	loop_disarm(r->loop, &r->pause);
	hunt_stop(&r->hunt);
	sweep_free(r->sweep);
	free(r->record);
	free(r);
}
