/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/hunt.h"

#include <stddef.h>

#include "lib/clock.h"

static const int64_t stagger_ns = 1500 * CLOCK_MS;
/* Long enough for the kernel's SYN at 0, 1 and 3 s to be answered. */
static const int64_t deadline_ns = 6 * CLOCK_S;
static const int64_t pause_ns = 2 * CLOCK_S;

static void note_failure(struct hunt *h, int i, const struct exchange *x)
{
	size_t used = strlen(h->error);
	const char *reason = x->reason ? x->reason : strerror(x->sys_errno);

	if (i == 0)
		h->sys_errno = x->sys_errno;
	if (used + 1 < sizeof(h->error))
		snprintf(h->error + used, sizeof(h->error) - used,
		         "%sport %u: %s", used ? "; " : "", h->port[i], reason);
}

/* An exchange is on the call stack: go on from the timer. */
static void go_on_at(struct hunt *h, int64_t at_ns)
{
	loop_arm(h->loop, &h->timer, at_ns);
}

static void on_exchange_done(struct exchange *x, bool ok)
{
	struct hunt *h = x->ctx;

	if (h->over)
		return;
	if (ok && h->accept(h, x)) {
		h->over = true;
		h->won = true;
		go_on_at(h, loop_now(h->loop));
		return;
	}
	if (ok)
		x->reason = "the reply is not the reflector's";
	note_failure(h, (int)(x - h->exchange), x);
	h->failed++;
	if (h->started < h->port_count || h->failed == h->port_count)
		go_on_at(h, loop_now(h->loop));
}

static void start_exchange(struct hunt *h)
{
	struct exchange *x = &h->exchange[h->started];
	struct addr to = h->reflector;
	int64_t now_ns = loop_now(h->loop);

	to.port = h->port[h->started++];
	*x = (struct exchange){
		.loop = h->loop,
		.request = h->request,
		.request_bytes = h->request_bytes,
		.wanted = h->wanted,
		.done = on_exchange_done,
		.ctx = h,
	};
	exchange_start(x, &to, now_ns + deadline_ns);
	if (h->started < h->port_count)
		go_on_at(h, now_ns + stagger_ns);
}

static void stop_exchanges(struct hunt *h)
{
	for (int i = 0; i < h->started; i++)
		exchange_stop(&h->exchange[i]);
	h->started = 0;
	h->failed = 0;
}

static void next_round(struct hunt *h)
{
	stop_exchanges(h);
	h->round++;
	if (h->round == h->rounds) {
		h->over = true;
		h->done(h, false);
		return;
	}
	go_on_at(h, loop_now(h->loop) + h->round * pause_ns);
}

static void on_timer(struct timer *t, int64_t now_ns)
{
	struct hunt *h = LOOP_CONTAINER(t, struct hunt, timer);

	(void)now_ns;
	if (h->won) {
		stop_exchanges(h);
		h->done(h, true);
	} else if (h->failed == h->port_count) {
		next_round(h);
	} else {
		if (h->started == 0)
			h->error[0] = '\0';
		start_exchange(h);
	}
}

void hunt_start(struct hunt *h)
{
	h->timer = (struct timer){ .fire = on_timer };
	go_on_at(h, loop_now(h->loop));
}

void hunt_stop(struct hunt *h)
{
	if (!h->loop)
		return;
	loop_disarm(h->loop, &h->timer);
	stop_exchanges(h);
}
