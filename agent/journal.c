/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "lib/log.h"
#include "lib/mem.h"

enum { CLOCK_OFF_MAX_MS = 600000, MS_A_MINUTE = 60000 };

void journal_open(struct journal *j, const char *path)
{
	struct err e;

	j->path = mem_strdup(path);
	if (!state_load(path, &j->state, &e))
		log_warn("%s; beginning anew", e.text);
	j->state.doing[0] = '\0';
}

void journal_close(struct journal *j)
{
	free(j->path);
	j->path = NULL;
}

void journal_store(struct journal *j)
{
	struct err e;
	bool ok = state_store(j->path, &j->state, &e);

	if (!ok && !j->store_fails)
		log_error("%s; going on without", e.text);
	j->store_fails = !ok;
}

/* True when the text is news. */
static bool set_doing(struct journal *j, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

static bool set_doing(struct journal *j, const char *fmt, va_list args)
{
	char text[STATE_TEXT_BYTES];

	vsnprintf(text, sizeof(text), fmt, args);
	if (strcmp(text, j->state.doing) == 0)
		return false;
	memcpy(j->state.doing, text, sizeof(text));
	sd_notifyf(0, "STATUS=%s", text);
	journal_store(j);
	return true;
}

void journal_doing(struct journal *j, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_doing(j, fmt, args);
	va_end(args);
}

void journal_waiting(struct journal *j, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (set_doing(j, fmt, args))
		log_warn("%s", j->state.doing);
	va_end(args);
}

void journal_uplink(struct journal *j, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(j->state.uplink, sizeof(j->state.uplink), fmt, args);
	va_end(args);
	journal_store(j);
}

void journal_plan_fault(struct journal *j, const char *fault)
{
	if (strcmp(fault, j->plan_fault) == 0)
		return;
	if (fault[0])
		log_warn("plan: %s", fault);
	else
		log_info("plan: all is well again");
	snprintf(j->plan_fault, sizeof(j->plan_fault), "%s", fault);
}

static void look_at_clock(struct journal *j, const struct record *r)
{
	bool off = imaxabs(r->clock_offset_ms) > CLOCK_OFF_MAX_MS;

	if (off && !j->clock_is_off)
		log_warn("this computer's clock is %" PRIdMAX
		         " minutes %s that of reflector %s: set it; runs are "
		         "dated by the reflector's",
		         (imaxabs(r->clock_offset_ms) + MS_A_MINUTE / 2) /
		                 MS_A_MINUTE,
		         r->clock_offset_ms > 0 ? "behind" : "ahead of",
		         r->reflector);
	j->clock_is_off = off;
}

void journal_run(struct journal *j, const struct record *r)
{
	look_at_clock(j, r);
	state_note_run(&j->state, r);
	j->state.today.bytes += schedule_run_bytes(r);
	log_debug("run toward %s over IPv%d: %d open, %d failed", r->reflector,
	          r->family, j->state.last_run.open, j->state.last_run.failed);
}
