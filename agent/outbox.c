/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/outbox.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"

/* ---- uplink ------------------------------------------------------------- */

static void on_stored(struct outbox *o, const char *endpoint)
{
	struct state *s = &o->journal->state;

	if (o->uplink_fails)
		log_info("uplink: %s takes runs again", endpoint);
	o->uplink_fails = false;
	o->stored_in_a_row++;
	s->stored++;
	s->last_stored_ns = clock_realtime_ns();
}

static void on_drained(struct outbox *o, const char *endpoint)
{
	if (o->stored_in_a_row == 0)
		return;
	journal_uplink(o->journal, "%d %s stored by %s", o->stored_in_a_row,
	               o->stored_in_a_row == 1 ? "run" : "runs", endpoint);
	log_info("uplink: %s", o->journal->state.uplink);
	o->stored_in_a_row = 0;
}

static void on_gave_up(struct outbox *o, const struct uplink_event *event)
{
	if (!o->uplink_fails)
		log_warn("uplink: no collector takes runs (%s: %s); keeping "
		         "%d, and trying again",
		         event->endpoint, event->text,
		         spool_stats(o->spool).runs);
	o->uplink_fails = true;
	journal_uplink(o->journal,
	               "no collector takes runs (%s: %s); next attempt in "
	               "%" PRId64 " s",
	               event->endpoint, event->text, event->pause_ns / CLOCK_S);
}

static void on_uplink(void *ctx, const struct uplink_event *event)
{
	struct outbox *o = ctx;

	switch (event->kind) {
	case UPLINK_STORED:
		on_stored(o, event->endpoint);
		break;
	case UPLINK_REJECTED:
		o->journal->state.rejected++;
		log_warn("uplink: %s refused a run: %s; it is kept in "
		         "spool/rejected",
		         event->endpoint, event->text);
		break;
	case UPLINK_ASKED_TO_WAIT:
		journal_uplink(o->journal, "%s asks to wait %" PRId64 " s",
		               event->endpoint, event->pause_ns / CLOCK_S);
		break;
	case UPLINK_NO_ANSWER:
		log_debug("uplink: %s: %s", event->endpoint, event->text);
		break;
	case UPLINK_GAVE_UP:
		on_gave_up(o, event);
		break;
	case UPLINK_DRAINED:
		on_drained(o, event->endpoint);
		break;
	}
}

void outbox_use_plan(struct outbox *o, const struct plan *plan)
{
	const struct uplink_options options = {
		.loop = o->loop,
		.key = o->key,
		.plan = plan,
		.spool = o->spool,
		.patience_ns = UPLINK_PATIENCE_NS,
		.on_event = on_uplink,
		.ctx = o,
	};

	uplink_free(o->uplink);
	o->uplink = plan ? uplink_new(&options) : NULL;
}

/* ---- spool -------------------------------------------------------------- */

bool outbox_open(struct outbox *o, const char *spool_dir, int64_t max_bytes,
                 struct err *e)
{
	o->spool = spool_open(spool_dir, max_bytes, e);
	return o->spool != NULL;
}

void outbox_close(struct outbox *o)
{
	struct err e;

	uplink_free(o->uplink);
	o->uplink = NULL;
	if (o->spool && !spool_save_held(o->spool, &e))
		log_error("%d runs could not be kept and are lost: %s",
		          spool_stats(o->spool).held, e.text);
	spool_close(o->spool);
	o->spool = NULL;
}

static void count_dropped(struct outbox *o)
{
	int64_t dropped = spool_stats(o->spool).dropped;

	if (dropped > 0 && o->dropped == 0)
		log_warn("the spool is full: the oldest runs are dropped, and "
		         "counted");
	o->journal->state.dropped += dropped - o->dropped;
	o->dropped = dropped;
}

void outbox_put(struct outbox *o, const struct record *r)
{
	struct err e;
	size_t n;
	char *json = record_encode(r, &n);
	bool ok = spool_add(o->spool, r->run, json, n, &e);

	if (!ok && !o->spool_fails)
		log_error("the spool cannot be written, runs are held in "
		          "memory until there is room: %s",
		          e.text);
	o->spool_fails |= !ok;
	count_dropped(o);
	free(json);
}

static void save_held(struct outbox *o)
{
	struct err e;

	if (!o->spool_fails || !spool_save_held(o->spool, &e))
		return;
	log_info("the spool can be written again, nothing was lost");
	o->spool_fails = false;
}

/* Runs that a "check" left in the same spool go along. */
void outbox_start(struct outbox *o)
{
	struct err e;

	save_held(o);
	if (!o->uplink)
		return;
	if (!spool_scan(o->spool, &e))
		log_warn("%s", e.text);
	uplink_start(o->uplink);
}

void outbox_stop(struct outbox *o)
{
	if (o->uplink)
		uplink_stop(o->uplink);
}
