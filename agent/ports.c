/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue is listed whole; the column "plan" says whether the plan that
 * may be used now asks about a port.  Ports of the plan that the catalogue
 * does not know stand at the end.
 */
#include "agent/ports.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/cli.h"
#include "agent/page.h"
#include "agent/plan_source.h"
#include "lib/catalogue.h"
#include "lib/clock.h"
#include "lib/exit.h"

/* NULL when the plan does not ask about it, or there is none. */
static const struct plan_probe *find_probe(const struct plan *plan,
                                           uint8_t transport, uint16_t port)
{
	for (int i = 0; plan && i < plan->probe_count; i++) {
		const struct plan_probe *p = &plan->probe[i];

		if (p->transport == transport && p->port == port)
			return p;
	}
	return NULL;
}

/* The plan's word counts; one of the two is there. */
static const char *class_name(const struct plan_probe *p,
                              const struct catalogue_entry *entry)
{
	if (p)
		return consent_class_name(p->consent);
	return entry ? consent_class_name(entry->consent) : "";
}

/* ---- text --------------------------------------------------------------- */

/* Names are shown whole. */
static int name_columns(void)
{
	size_t most = 0;

	for (size_t i = 0; i < catalogue_count; i++)
		if (strlen(catalogue[i].application) > most)
			most = strlen(catalogue[i].application);
	return (int)most;
}

/* A terminal gets its lines wrapped; a file has one line for each port. */
static void show_reason(int column, const char *reason)
{
	const struct page page =
		page_of(stdout, REPORT_PLAIN, page_width(stdout));

	if (page_width(stdout) > 0)
		page_wrap(&page, column, column, INK_NONE, reason);
	else
		puts(reason);
}

static const char *answer_of(const struct plan *plan,
                             const struct plan_probe *p)
{
	if (!plan)
		return "-";
	return p ? "yes" : "no";
}

static void show_row(const struct plan *plan, uint8_t transport, uint16_t port,
                     const struct plan_probe *p,
                     const struct catalogue_entry *entry)
{
	int column = printf("%5u/%s  %-4s  %-7s  %-*s  ", port,
	                    transport_name(transport), answer_of(plan, p),
	                    class_name(p, entry), name_columns(),
	                    entry ? entry->application : "");

	show_reason(column, entry ? entry->reason : "");
}

static void show_table(const struct plan *plan)
{
	int column = printf("%9s  %-4s  %-7s  %-*s  ", "port", "plan", "class",
	                    name_columns(), "application");

	show_reason(column, "usual reason of a block");
	for (size_t i = 0; i < catalogue_count; i++) {
		const struct catalogue_entry *entry = &catalogue[i];

		show_row(plan, entry->transport, entry->port,
		         find_probe(plan, entry->transport, entry->port),
		         entry);
	}
	for (int i = 0; plan && i < plan->probe_count; i++) {
		const struct plan_probe *p = &plan->probe[i];

		if (!catalogue_find(p->transport, p->port))
			show_row(plan, p->transport, p->port, p, NULL);
	}
}

/* ---- JSON --------------------------------------------------------------- */

static cJSON *row_json(uint8_t transport, uint16_t port,
                       const struct plan_probe *p,
                       const struct catalogue_entry *entry)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "transport", transport_name(transport));
	cJSON_AddNumberToObject(o, "port", port);
	cJSON_AddBoolToObject(o, "in_plan", p != NULL);
	cJSON_AddStringToObject(o, "class", class_name(p, entry));
	if (!entry)
		return o;
	cJSON_AddNumberToObject(o, "tier", entry->tier);
	cJSON_AddStringToObject(o, "name", entry->iana_name);
	cJSON_AddStringToObject(o, "application", entry->application);
	cJSON_AddStringToObject(o, "category", entry->category);
	cJSON_AddStringToObject(o, "direction", entry->direction);
	cJSON_AddStringToObject(o, "reason", entry->reason);
	cJSON_AddStringToObject(o, "caution", entry->caution);
	cJSON_AddStringToObject(o, "advice", entry->advice);
	return o;
}

static void show_json(const struct plan *plan)
{
	cJSON *o = cJSON_CreateObject();
	cJSON *list;
	char *text;

	cJSON_AddStringToObject(o, "format", "periplus-ports/1");
	if (plan)
		cJSON_AddNumberToObject(o, "plan", plan->serial);
	else
		cJSON_AddNullToObject(o, "plan");
	list = cJSON_AddArrayToObject(o, "ports");
	for (size_t i = 0; i < catalogue_count; i++) {
		const struct catalogue_entry *entry = &catalogue[i];
		uint8_t transport = entry->transport;

		cJSON_AddItemToArray(
			list, row_json(transport, entry->port,
		                       find_probe(plan, transport, entry->port),
		                       entry));
	}
	for (int i = 0; plan && i < plan->probe_count; i++) {
		const struct plan_probe *p = &plan->probe[i];

		if (!catalogue_find(p->transport, p->port))
			cJSON_AddItemToArray(list, row_json(p->transport,
			                                    p->port, p, NULL));
	}
	text = cJSON_Print(o);
	puts(text);
	free(text);
	cJSON_Delete(o);
}

int ports_run(const struct cli *cli, struct config *c)
{
	struct err none;
	struct plan_source *source =
		plan_source_new(NULL, c, clock_realtime_ns());
	const struct plan *plan =
		plan_source_get(source, clock_realtime_ns(), &none);

	if (cli->json)
		show_json(plan);
	else
		show_table(plan);
	plan_source_free(source);
	return EXIT_DONE;
}
