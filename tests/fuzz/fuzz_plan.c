/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a plan and as a signature: a plan is read or refused with a
 * line of text, and nothing that was not signed is accepted.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/minisign.h"
#include "lib/plan.h"
#include "tests/fuzz/fuzz.h"

/* The test key of tests/data/plan. */
static const char key[] =
	"RWSlqp+hooDto1Mn7CxpLy4PpQMfaw+ZHY/tR+IS9r33MZrdLlLpNn2V";

static void check_reflectors(const struct plan *p)
{
	if (p->reflector_count < 1 || p->reflector_count > PLAN_REFLECTORS_MAX)
		abort();
	for (int i = 0; i < p->reflector_count; i++) {
		const struct plan_reflector *r = &p->reflector[i];

		if (r->control_port_count < 1 ||
		    r->control_port_count > PLAN_CONTROL_PORTS_MAX)
			abort();
		if (r->ipv4.family == 0 && r->ipv6.family == 0)
			abort();
		if (strnlen(r->name, sizeof(r->name)) == sizeof(r->name))
			abort();
	}
}

static void check_plan(const struct plan *p)
{
	if (p->serial < 1 || p->interval_s < PLAN_INTERVAL_MIN_S ||
	    p->interval_s > PLAN_INTERVAL_MAX_S)
		abort();
	if (p->collector_count < 1 || p->collector_count > PLAN_COLLECTORS_MAX)
		abort();
	if (p->probe_count < 1 || p->probe_count > PLAN_PROBES_MAX)
		abort();
	check_reflectors(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct plan plan;
	struct err e = { 0 };

	if (plan_parse((const char *)data, size, &plan, &e))
		check_plan(&plan);
	else if (e.text[0] == '\0' || strchr(e.text, '\n'))
		abort();
	/* Nobody has signed these five bytes. */
	if (minisign_verify(key, "bytes", 5, (const char *)data, size, &e))
		abort();
	return 0;
}
