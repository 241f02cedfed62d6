/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/delivery.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "agent/uplink.h"
#include "lib/clock.h"

#define QUIET_MAX_NS (15 * CLOCK_S)

enum { PASS_SHARES_MAX = 3 };

struct delivery {
	struct loop *loop;
	struct delivery_result *result;
	struct timer quiet;
};

static void expect_progress(struct delivery *d)
{
	loop_arm(d->loop, &d->quiet, loop_now(d->loop) + QUIET_MAX_NS);
}

static void on_quiet(struct timer *t, int64_t now_ns)
{
	struct delivery *d = LOOP_CONTAINER(t, struct delivery, quiet);

	(void)now_ns;
	if (!d->result->why[0])
		snprintf(d->result->why, sizeof(d->result->why),
		         "no collector answered");
	loop_stop(d->loop);
}

static void on_event(void *ctx, const struct uplink_event *event)
{
	struct delivery *d = ctx;
	struct delivery_result *r = d->result;

	switch (event->kind) {
	case UPLINK_STORED:
		r->stored++;
		snprintf(r->collector, sizeof(r->collector), "%s",
		         event->endpoint);
		expect_progress(d);
		return;
	case UPLINK_REJECTED:
		r->rejected++;
		expect_progress(d);
		return;
	case UPLINK_NO_ANSWER:
		snprintf(r->why, sizeof(r->why), "%s: %s", event->endpoint,
		         event->text);
		return;
	case UPLINK_ASKED_TO_WAIT:
		snprintf(r->why, sizeof(r->why), "%s asks to wait",
		         event->endpoint);
		break;
	case UPLINK_GAVE_UP:
	case UPLINK_DRAINED:
		break;
	}
	loop_stop(d->loop);
}

/* A whole pass over the first few collectors fits in the time. */
static int64_t patience_for(const struct plan *plan)
{
	int shares = plan->collector_count;

	if (shares > PASS_SHARES_MAX)
		shares = PASS_SHARES_MAX;
	return QUIET_MAX_NS / (shares > 0 ? shares : 1);
}

bool delivery_run(struct loop *l, const struct key *k, const struct plan *plan,
                  struct spool *spool, struct delivery_result *out,
                  struct err *e)
{
	struct delivery d = { .loop = l, .result = out };
	const struct uplink_options o = {
		.loop = l,
		.key = k,
		.plan = plan,
		.spool = spool,
		.patience_ns = patience_for(plan),
		.on_event = on_event,
		.ctx = &d,
	};
	struct uplink *u = uplink_new(&o);
	bool ok;

	*out = (struct delivery_result){ 0 };
	d.quiet.fire = on_quiet;
	expect_progress(&d);
	if (plan->collector_count == 0) {
		snprintf(out->why, sizeof(out->why),
		         "the plan names no collector");
		loop_stop(l);
	}
	uplink_start(u);
	ok = loop_run(l, e);
	loop_disarm(l, &d.quiet);
	uplink_free(u);
	out->waiting = spool_stats(spool).runs;
	if (out->waiting == 0)
		out->why[0] = '\0';
	else if (!out->why[0])
		snprintf(out->why, sizeof(out->why), "interrupted");
	return ok;
}

static const char *runs(int n)
{
	return n == 1 ? "run" : "runs";
}

void delivery_describe(const struct delivery_result *r, char *out,
                       size_t out_bytes)
{
	char stored[DELIVERY_TEXT_BYTES] = "";
	char rejected[64] = "";
	char waiting[DELIVERY_TEXT_BYTES] = "";

	if (r->stored > 0)
		snprintf(stored, sizeof(stored), "%d %s stored by %s; ",
		         r->stored, runs(r->stored), r->collector);
	if (r->rejected > 0)
		snprintf(rejected, sizeof(rejected),
		         "%d %s refused by the collector; ", r->rejected,
		         runs(r->rejected));
	if (r->waiting > 0)
		snprintf(waiting, sizeof(waiting),
		         "%d %s kept in the spool, to be sent later (%s); ",
		         r->waiting, runs(r->waiting), r->why);
	snprintf(out, out_bytes, "%s%s%s", stored, rejected, waiting);
	if (out[0] && strlen(out) + 1 < out_bytes)
		out[strlen(out) - 2] = '\0'; /* the last "; " */
	else if (!out[0])
		snprintf(out, out_bytes, "nothing had to be sent");
}

struct cJSON *delivery_json(const struct delivery_result *r)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddNumberToObject(o, "stored", r->stored);
	cJSON_AddNumberToObject(o, "rejected", r->rejected);
	cJSON_AddNumberToObject(o, "waiting", r->waiting);
	if (r->collector[0])
		cJSON_AddStringToObject(o, "collector", r->collector);
	else
		cJSON_AddNullToObject(o, "collector");
	if (r->why[0])
		cJSON_AddStringToObject(o, "why", r->why);
	else
		cJSON_AddNullToObject(o, "why");
	return o;
}
