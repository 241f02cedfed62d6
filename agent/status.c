/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/status.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/consent.h"
#include "agent/key.h"
#include "agent/page.h"
#include "agent/plan_source.h"
#include "agent/spool.h"
#include "agent/state.h"
#include "lib/catalogue.h"
#include "lib/clock.h"
#include "lib/exit.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/value.h"
#include "lib/version.h"

enum { VALUE_COLUMN = 11 };

/* Everything that is shown. */
struct view {
	const struct config *config;
	struct consent consent;
	struct state state;
	struct spool_stats spool;
	int rejected_kept;
	bool service_runs;
	bool has_key;
	const struct plan *plan; /* NULL: none that may be used */
	struct err plan_why;
};

/* ---- collecting --------------------------------------------------------- */

static bool look_at_spool(struct view *v, struct err *e)
{
	char *dir = config_state_path(v->config, SPOOL_DIR);
	struct spool *s = NULL;
	bool ok = access(dir, F_OK) != 0 && errno == ENOENT;

	if (!ok) {
		s = spool_open(dir, v->config->spool_max_bytes, e);
		ok = s != NULL;
	}
	if (s) {
		v->spool = spool_stats(s);
		v->rejected_kept = spool_rejected_kept(s);
	}
	spool_close(s);
	free(dir);
	return ok;
}

static void look_at_lock(struct view *v)
{
	char *path = config_state_path(v->config, STATE_LOCK);
	struct err e;
	int fd = -1;

	if (access(path, F_OK) == 0) {
		fd = state_lock(path, &e);
		v->service_runs = fd < 0 && e.code == EWOULDBLOCK;
	}
	if (fd >= 0)
		close(fd);
	free(path);
}

static bool look(struct view *v, struct err *e)
{
	char *path = config_state_path(v->config, STATE_FILE);
	char *key_path = config_state_path(v->config, KEY_FILE);
	bool ok;

	v->has_key = key_exists(key_path);
	ok = state_load(path, &v->state, e) && look_at_spool(v, e) &&
	     consent_read(v->config->consent_file, &v->consent, e);
	look_at_lock(v);
	free(path);
	free(key_path);
	return ok;
}

/* ---- text --------------------------------------------------------------- */

static void show_time(const char *label, int64_t t_ns, const char *none)
{
	char text[CLOCK_TEXT_BYTES];

	if (t_ns)
		clock_format(t_ns, text);
	printf("%-10s %s\n", label, t_ns ? text : none);
}

static void show_plan(const struct view *v)
{
	char until[CLOCK_TEXT_BYTES];
	char interval[VALUE_TEXT_BYTES];

	if (!v->plan) {
		const struct page g =
			page_of(stdout, REPORT_PLAIN, page_width(stdout));
		struct err why = v->plan_why;

		err_prefix(&why, "none that may be used");
		printf("%-*s", VALUE_COLUMN, "Plan");
		page_wrap(&g, VALUE_COLUMN, VALUE_COLUMN, INK_NONE, why.text);
		return;
	}
	clock_format(v->plan->valid_until_ns, until);
	value_format_duration(v->plan->interval_s * CLOCK_S, interval);
	printf("Plan       serial %" PRIu32
	       ", valid until %s, a round every %s\n"
	       "Reflectors",
	       v->plan->serial, until, interval);
	for (int i = 0; i < v->plan->reflector_count; i++)
		printf(" %s", v->plan->reflector[i].name);
	putchar('\n');
}

static void show_last_run(const struct state_run *r)
{
	char started[CLOCK_TEXT_BYTES];

	if (!r->run[0]) {
		puts("Last run   never");
		return;
	}
	clock_format(r->started_ns, started);
	printf("Last run   %s toward %s over IPv%d: ", started, r->reflector,
	       r->family);
	if (r->void_tcp && r->void_udp)
		printf("void (%s)\n", void_reason_name(r->void_tcp));
	else
		printf("%d open, %d failed, %d not tested\n", r->open,
		       r->failed, r->untested);
}

static const char *service_text(const struct view *v)
{
	if (!v->service_runs)
		return "not running";
	return v->state.doing[0] ? v->state.doing : "running";
}

static void show_text(const struct view *v)
{
	char classes[CONSENT_TEXT_BYTES];

	consent_format(v->consent.classes, classes);
	printf("Consent    %s\n", classes);
	show_plan(v);
	printf("Service    %s\n", service_text(v));
	show_last_run(&v->state.last_run);
	show_time("Next round", v->service_runs ? v->state.next_round_ns : 0,
	          "not scheduled");
	printf("Spool      %d runs, %" PRId64 " bytes; %" PRId64
	       " dropped because it was full\n",
	       v->spool.runs, v->spool.bytes, v->state.dropped);
	printf("Uplink     %s\n",
	       v->state.uplink[0] ? v->state.uplink : "not used yet");
	printf("Collectors %" PRId64 " runs stored, %d refused and kept\n",
	       v->state.stored, v->rejected_kept);
	printf("Key        %s\n", v->has_key ? KEY_FILE : "none yet");
	printf("State in   %s\n", v->config->state_dir);
}

/* ---- JSON --------------------------------------------------------------- */

static void add_time(cJSON *to, const char *name, int64_t t_ns)
{
	char text[CLOCK_TEXT_BYTES];

	if (t_ns == 0) {
		cJSON_AddNullToObject(to, name);
		return;
	}
	clock_format(t_ns, text);
	cJSON_AddStringToObject(to, name, text);
}

static void add_consent(cJSON *to, const struct view *v)
{
	cJSON *o = cJSON_AddObjectToObject(to, "consent");
	cJSON *classes = cJSON_AddArrayToObject(o, "classes");

	for (int class = CONSENT_BASIC; class <= CONSENT_ALL; class *= 2) {
		if (v->consent.classes & class)
			cJSON_AddItemToArray(
				classes,
				cJSON_CreateString(consent_class_name(class)));
	}
	add_time(o, "date", v->consent.date_ns);
	cJSON_AddStringToObject(o, "file", v->config->consent_file);
}

static void add_plan(cJSON *to, const struct view *v)
{
	cJSON *o = cJSON_AddObjectToObject(to, "plan");
	cJSON *list;

	if (!v->plan) {
		cJSON_AddNullToObject(o, "serial");
		cJSON_AddStringToObject(o, "why", v->plan_why.text);
		return;
	}
	cJSON_AddNumberToObject(o, "serial", v->plan->serial);
	add_time(o, "valid_until", v->plan->valid_until_ns);
	cJSON_AddNumberToObject(o, "interval_s", (double)v->plan->interval_s);
	list = cJSON_AddArrayToObject(o, "reflectors");
	for (int i = 0; i < v->plan->reflector_count; i++)
		cJSON_AddItemToArray(
			list, cJSON_CreateString(v->plan->reflector[i].name));
	list = cJSON_AddArrayToObject(o, "collectors");
	for (int i = 0; i < v->plan->collector_count; i++)
		cJSON_AddItemToArray(
			list,
			cJSON_CreateString(v->plan->collector[i].endpoint));
}

static void add_last_run(cJSON *to, const struct state_run *r)
{
	cJSON *o;

	if (!r->run[0]) {
		cJSON_AddNullToObject(to, "last_run");
		return;
	}
	o = cJSON_AddObjectToObject(to, "last_run");
	cJSON_AddStringToObject(o, "run", r->run);
	add_time(o, "started", r->started_ns);
	cJSON_AddStringToObject(o, "reflector", r->reflector);
	cJSON_AddNumberToObject(o, "family", r->family);
	cJSON_AddNumberToObject(o, "open", r->open);
	cJSON_AddNumberToObject(o, "failed", r->failed);
	cJSON_AddNumberToObject(o, "untested", r->untested);
	cJSON_AddStringToObject(o, "void_tcp", void_reason_name(r->void_tcp));
	cJSON_AddStringToObject(o, "void_udp", void_reason_name(r->void_udp));
}

static void add_spool(cJSON *to, const struct view *v)
{
	cJSON *o = cJSON_AddObjectToObject(to, "spool");

	cJSON_AddNumberToObject(o, "runs", v->spool.runs);
	cJSON_AddNumberToObject(o, "bytes", (double)v->spool.bytes);
	cJSON_AddNumberToObject(o, "dropped", (double)v->state.dropped);
	cJSON_AddNumberToObject(o, "rejected_kept", v->rejected_kept);
}

static void add_uplink(cJSON *to, const struct view *v)
{
	cJSON *o = cJSON_AddObjectToObject(to, "uplink");

	cJSON_AddStringToObject(o, "state", v->state.uplink);
	cJSON_AddNumberToObject(o, "stored", (double)v->state.stored);
	cJSON_AddNumberToObject(o, "rejected", (double)v->state.rejected);
	add_time(o, "last_stored", v->state.last_stored_ns);
}

static void show_json(const struct view *v)
{
	cJSON *o = cJSON_CreateObject();
	char *text;

	cJSON_AddStringToObject(o, "format", "periplus-status/1");
	cJSON_AddStringToObject(o, "version", PERIPLUS_VERSION);
	cJSON_AddStringToObject(o, "state_dir", v->config->state_dir);
	cJSON_AddBoolToObject(o, "key", v->has_key);
	add_consent(o, v);
	add_plan(o, v);
	cJSON_AddBoolToObject(o, "service_running", v->service_runs);
	cJSON_AddStringToObject(o, "service", service_text(v));
	add_last_run(o, &v->state.last_run);
	add_time(o, "last_round", v->state.last_round_ns);
	add_time(o, "next_round", v->service_runs ? v->state.next_round_ns : 0);
	add_spool(o, v);
	add_uplink(o, v);
	text = cJSON_Print(o);
	puts(text);
	free(text);
	cJSON_Delete(o);
}

int status_run(const struct cli *cli, struct config *c)
{
	struct view v = { .config = c };
	struct plan_source *source = NULL;
	struct err e;
	bool ok = look(&v, &e);

	if (ok) {
		source = plan_source_new(NULL, c, clock_realtime_ns());
		v.plan = plan_source_get(source, clock_realtime_ns(),
		                         &v.plan_why);
		if (cli->json)
			show_json(&v);
		else
			show_text(&v);
	} else {
		log_error("%s", e.text);
	}
	plan_source_free(source);
	return ok ? EXIT_DONE : EXIT_FAILED;
}
