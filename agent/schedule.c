/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/schedule.h"

#include <sodium.h>

#include "lib/clock.h"
#include "lib/plan.h"

enum {
	ATTEMPTS_A_SLOT = 8,
	/*
	 * An attempt over TCP and IPv6 that succeeds is nine packets of about
	 * 80 bytes and two messages of up to 96; UDP and failures are less.
	 */
	ATTEMPT_BYTES = 1000,
	/* Hello, four controls, manifest, and the record's upload. */
	RUN_BYTES = 40000,
};

struct slot {
	int64_t start_ns;
	int64_t length_ns;
};

/* Slots never cross midnight, so the same date has the same slots anywhere. */
static struct slot slot_at(const struct schedule *s, int64_t t_ns)
{
	int64_t interval_s = s->interval_s;
	int64_t day_ns = clock_day(t_ns) * CLOCK_DAY;
	struct slot slot;

	if (interval_s < PLAN_INTERVAL_MIN_S)
		interval_s = PLAN_INTERVAL_MIN_S;
	if (interval_s > PLAN_INTERVAL_MAX_S)
		interval_s = PLAN_INTERVAL_MAX_S;
	slot.length_ns = CLOCK_DAY / (CLOCK_DAY / (interval_s * CLOCK_S));
	slot.start_ns =
		day_ns + (t_ns - day_ns) / slot.length_ns * slot.length_ns;
	return slot;
}

/* A number below limit_ns, the same for the same slot and attempt. */
static int64_t draw(const struct schedule *s, const struct slot *slot,
                    int64_t attempt, int64_t limit_ns)
{
	uint64_t number;
	int64_t place[] = { slot->start_ns, slot->length_ns, attempt };

	crypto_generichash((uint8_t *)&number, sizeof(number),
	                   (const uint8_t *)place, sizeof(place), s->seed,
	                   sizeof(s->seed));
	return limit_ns > 0 ? (int64_t)(number % (uint64_t)limit_ns) : 0;
}

/*
 * The slot's moment at or after now: the first one that was drawn, and when
 * that is missed the next, drawn from the rest.  -1 when all are missed.
 */
static int64_t moment_of(const struct schedule *s, const struct slot *slot,
                         int64_t now_ns)
{
	int64_t end_ns = slot->start_ns + slot->length_ns;
	int64_t t_ns = slot->start_ns;

	for (int64_t i = 0; i < ATTEMPTS_A_SLOT; i++) {
		t_ns += draw(s, slot, i, end_ns - t_ns);
		if (t_ns >= now_ns)
			return t_ns;
	}
	return -1;
}

int64_t schedule_next(const struct schedule *s, int64_t now_ns,
                      int64_t last_round_ns)
{
	struct slot slot = slot_at(s, now_ns);
	int64_t end_ns = slot.start_ns + slot.length_ns;
	int64_t moment_ns = -1;

	if (last_round_ns == 0)
		return now_ns;
	if (last_round_ns < slot.start_ns || last_round_ns >= end_ns)
		moment_ns = moment_of(s, &slot, now_ns);
	if (moment_ns < 0) {
		slot = slot_at(s, end_ns);
		moment_ns = moment_of(s, &slot, end_ns);
	}
	return moment_ns;
}

bool schedule_allows(struct schedule_day *d, int64_t now_ns)
{
	if (d->day != clock_day(now_ns))
		*d = (struct schedule_day){ .day = clock_day(now_ns) };
	return d->rounds < SCHEDULE_ROUNDS_A_DAY &&
	       d->bytes < SCHEDULE_BYTES_A_DAY;
}

int64_t schedule_run_bytes(const struct record *r)
{
	int64_t attempts = 0;

	for (int i = 0; i < r->probe_count; i++)
		attempts += r->probe[i].attempts;
	return RUN_BYTES + attempts * ATTEMPT_BYTES;
}
