/* SPDX-License-Identifier: Apache-2.0 */
/*
 * {"format":"periplus-check/1","version":"0.1.0","plan":12,
 *  "started":"2026-11-22T09:44:10.125Z","duration_ms":3180,
 *  "runs":[{"run":"<uuid>","reflector":"fra1","family":4,"started":"...",
 *           "duration_ms":3100,"rtt_us":9800,"seen_address":"203.0.113.5",
 *           "void":{"tcp":null,"udp":"control_before"},
 *           "hello_error":null,"report_error":null,
 *           "probes":[{"direction":"out","transport":"tcp","port":25,
 *                      "application":"SMTP relay","outcome":"timeout",
 *                      "seen":"no","rtt_us":0,"attempts":4,"skip":null}]}],
 *  "ports":[{"direction":"out","transport":"tcp","port":25,"family":4,
 *            "application":"SMTP relay","result":"blocked","words":"..."}],
 *  "summary":{"probes":105,"open":97,...,"blocked_ports":8},
 *  "upload":null}
 *
 * A probe has "icmp", "from", "banner", "arrived" and "errno" where there is
 * such evidence.
 */
#include <cjson/cJSON.h>
#include <sodium.h>

#include "agent/report.h"
#include "agent/survey.h"
#include "agent/words.h"
#include "lib/clock.h"

static void add_time(cJSON *object, const char *key, int64_t t_ns)
{
	char text[CLOCK_TEXT_BYTES];

	clock_format(t_ns, text);
	cJSON_AddStringToObject(object, key, text);
}

/* Absence is null: the key is always there. */
static void add_text(cJSON *object, const char *key, const char *text)
{
	if (text && text[0])
		cJSON_AddStringToObject(object, key, text);
	else
		cJSON_AddNullToObject(object, key);
}

static void add_application(cJSON *object, const struct catalogue_entry *entry)
{
	add_text(object, "application", entry ? entry->application : NULL);
}

static void add_icmp(cJSON *object, const struct record_evidence *v)
{
	const int pair[] = { v->icmp_type, v->icmp_code };
	char from[ADDR_TEXT_BYTES];

	cJSON_AddItemToObject(object, "icmp", cJSON_CreateIntArray(pair, 2));
	if (v->from.family) {
		addr_format(&v->from, from);
		cJSON_AddStringToObject(object, "from", from);
	}
}

static void add_banner(cJSON *object, const struct record_evidence *v)
{
	char text[sodium_base64_ENCODED_LEN(RECORD_BANNER_BYTES,
	                                    sodium_base64_VARIANT_ORIGINAL)];

	sodium_bin2base64(text, sizeof(text), v->banner, v->banner_bytes,
	                  sodium_base64_VARIANT_ORIGINAL);
	cJSON_AddStringToObject(object, "banner", text);
}

static void add_evidence(cJSON *object, const struct record_evidence *v)
{
	if (v->has_icmp)
		add_icmp(object, v);
	if (v->banner_bytes)
		add_banner(object, v);
	if (v->arrived_port)
		cJSON_AddNumberToObject(object, "arrived", v->arrived_port);
	if (v->sys_errno)
		cJSON_AddNumberToObject(object, "errno", v->sys_errno);
}

static void add_port(cJSON *object, const struct survey_port *p)
{
	cJSON_AddStringToObject(object, "direction",
	                        direction_name(p->direction));
	cJSON_AddStringToObject(object, "transport",
	                        transport_name(p->transport));
	cJSON_AddNumberToObject(object, "port", p->port);
}

static cJSON *probe_json(const struct survey_port *p,
                         const struct survey_answer *a)
{
	cJSON *object = cJSON_CreateObject();
	const struct record_evidence *v = a->evidence;

	add_port(object, p);
	add_application(object, p->entry);
	cJSON_AddStringToObject(object, "outcome",
	                        outcome_name(a->probe->outcome));
	cJSON_AddStringToObject(object, "seen", seen_name(a->seen));
	cJSON_AddNumberToObject(object, "rtt_us", a->probe->rtt_us);
	cJSON_AddNumberToObject(object, "attempts", a->probe->attempts);
	add_text(object, "skip", v && v->skip ? skip_name(v->skip) : NULL);
	if (v)
		add_evidence(object, v);
	return object;
}

static cJSON *void_json(enum void_reason reason)
{
	if (reason == VOID_NONE)
		return cJSON_CreateNull();
	return cJSON_CreateString(void_reason_name(reason));
}

static void add_void(cJSON *object, const struct record *r)
{
	cJSON *both = cJSON_AddObjectToObject(object, "void");

	cJSON_AddItemToObject(both, "tcp", void_json(r->void_tcp));
	cJSON_AddItemToObject(both, "udp", void_json(r->void_udp));
}

static void add_seen_address(cJSON *object, const struct addr *seen)
{
	char text[ADDR_TEXT_BYTES] = "";

	if (seen->family)
		addr_format(seen, text);
	add_text(object, "seen_address", text);
}

static void add_probes(cJSON *object, const struct survey *s,
                       const struct record *r)
{
	cJSON *list = cJSON_AddArrayToObject(object, "probes");

	for (int i = 0; i < s->port_count; i++) {
		const struct survey_port *p = &s->port[i];

		for (int k = 0; k < p->answer_count; k++)
			if (p->answer[k].record == r)
				cJSON_AddItemToArray(
					list, probe_json(p, &p->answer[k]));
	}
}

static cJSON *run_json(const struct survey *s, const struct report_run *run)
{
	cJSON *object = cJSON_CreateObject();
	const struct record *r = run->record;
	char id[37];

	record_run_id_format(r->run, id);
	cJSON_AddStringToObject(object, "run", id);
	cJSON_AddStringToObject(object, "reflector", r->reflector);
	cJSON_AddNumberToObject(object, "family", r->family);
	add_time(object, "started", r->started_ns);
	cJSON_AddNumberToObject(object, "clock_offset_ms",
	                        (double)r->clock_offset_ms);
	cJSON_AddNumberToObject(object, "duration_ms", (double)r->duration_ms);
	cJSON_AddNumberToObject(object, "rtt_us",
	                        (double)(run->extra.rtt_ns / CLOCK_US));
	add_seen_address(object, &run->extra.seen);
	add_void(object, r);
	add_text(object, "hello_error", run->extra.hello_error);
	add_text(object, "report_error", run->extra.report_error);
	add_probes(object, s, r);
	return object;
}

static cJSON *port_json(const struct survey *s, const struct survey_port *p)
{
	cJSON *object = cJSON_CreateObject();
	char text[WORDS_BYTES];

	add_port(object, p);
	cJSON_AddNumberToObject(object, "family", p->family);
	add_application(object, p->entry);
	cJSON_AddStringToObject(object, "result",
	                        survey_result_name(p->result));
	cJSON_AddStringToObject(object, "words", words_result(p, text));
	add_text(object, "advice", words_advice(s, p, text));
	return object;
}

/* Counted over all runs; "blocked_ports" over the merged ports. */
static void add_summary(cJSON *object, const struct survey *s)
{
	cJSON *summary = cJSON_AddObjectToObject(object, "summary");
	int count[OUTCOME_COUNT] = { 0 };
	int probes = 0;

	for (int i = 0; i < s->check->run_count; i++) {
		const struct record *r = s->check->run[i].record;

		probes += r->probe_count;
		for (int k = 0; k < r->probe_count; k++)
			count[r->probe[k].outcome]++;
	}
	cJSON_AddNumberToObject(summary, "probes", probes);
	for (int i = 0; i < OUTCOME_COUNT; i++)
		cJSON_AddNumberToObject(summary, outcome_name(i), count[i]);
	cJSON_AddNumberToObject(summary, "blocked_ports",
	                        survey_count(s, 4, SURVEY_BLOCKED) +
	                                survey_count(s, 6, SURVEY_BLOCKED));
}

char *report_json(const struct report_check *c, struct cJSON *upload)
{
	cJSON *root = cJSON_CreateObject();
	struct survey s;
	cJSON *list;
	char *text;

	survey_init(&s, c);
	cJSON_AddStringToObject(root, "format", "periplus-check/1");
	cJSON_AddStringToObject(root, "version", c->version);
	cJSON_AddNumberToObject(root, "plan", c->plan);
	add_time(root, "started", c->started_ns);
	cJSON_AddNumberToObject(root, "duration_ms", (double)c->duration_ms);
	add_text(root, "note", c->note);
	list = cJSON_AddArrayToObject(root, "runs");
	for (int i = 0; i < c->run_count; i++)
		cJSON_AddItemToArray(list, run_json(&s, &c->run[i]));
	list = cJSON_AddArrayToObject(root, "ports");
	for (int i = 0; i < s.port_count; i++)
		cJSON_AddItemToArray(list, port_json(&s, &s.port[i]));
	add_summary(root, &s);
	cJSON_AddItemToObject(root, "upload",
	                      upload ? upload : cJSON_CreateNull());
	survey_fini(&s);
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	return text;
}
