/* SPDX-License-Identifier: Apache-2.0 */
/*
 * {"format":"periplus-run/1","run":"<uuid>","started":"<RFC 3339>",
 *  "clock_offset_ms":0,"duration_ms":61250,"plan":12,"reflector":"fra1",
 *  "family":4,"agent":{"version":"0.1.0","platform":"linux","arch":"x86_64"},
 *  "class":["basic"],"void":null,
 *  "probe":{"direction":[0],"transport":[0],"port":[25],"outcome":[2],
 *           "rtt_us":[0],"attempts":[4],"hop":[0]},
 *  "evidence":[{"i":0,"icmp":[3,13],"from":"100.64.7.1"}],"manifest":null}
 *
 * "void" may also be {"tcp":"control_before","udp":null}.  The evidence of a
 * probe has "i", its index, and any of "skip", "icmp" (type and code) with
 * "from", "banner" (base64), "arrived" and "errno"; the index grows from one
 * to the next.  "manifest" is base64 of the reflector's message as it came.
 */
#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/catalogue.h"
#include "lib/clock.h"
#include "lib/record.h"
#include "lib/record_keys.h"

enum {
	MANIFEST_CHARS = 4 * ((WIRE_MESSAGE_MAX + 2) / 3) + 1,
	BUFFER_BYTES = 16384, /* a usual record; it grows when it must */
};

/* cJSON fails when memory is short and at no other time here. */
__attribute__((noreturn)) static void give_up(void)
{
	fputs("out of memory\n", stderr);
	abort();
}

static cJSON *need(cJSON *item)
{
	if (!item)
		give_up();
	return item;
}

static void add(cJSON *object, const char *name, cJSON *item)
{
	/* Names are constants of this file: they are not copied. */
	if (!cJSON_AddItemToObjectCS(object, name, need(item)))
		give_up();
}

static void add_number(cJSON *object, const char *name, int64_t value)
{
	add(object, name, cJSON_CreateNumber((double)value));
}

static void add_text(cJSON *object, const char *name, const char *value)
{
	add(object, name, cJSON_CreateString(value));
}

static void add_base64(cJSON *object, const char *name, const uint8_t *bytes,
                       size_t n_bytes)
{
	char text[MANIFEST_CHARS];

	sodium_bin2base64(text, sizeof(text), bytes, n_bytes,
	                  sodium_base64_VARIANT_ORIGINAL);
	add_text(object, name, text);
}

static cJSON *classes_to_json(uint8_t classes)
{
	cJSON *list = need(cJSON_CreateArray());

	for (int class = 1; class <= CONSENT_TOR_VPN; class *= 2)
		if (classes & class)
			cJSON_AddItemToArray(
				list,
				need(cJSON_CreateString(consent_class_name(
					(enum consent_class) class))));
	return list;
}

static cJSON *void_reason_to_json(uint8_t reason)
{
	return reason == VOID_NONE
	               ? cJSON_CreateNull()
	               : cJSON_CreateString(void_reason_name(reason));
}

static cJSON *void_to_json(const struct record *r)
{
	if (r->void_tcp == VOID_NONE && r->void_udp == VOID_NONE)
		return cJSON_CreateNull();

	cJSON *object = need(cJSON_CreateObject());

	add(object, record_void_names[TRANSPORT_TCP],
	    void_reason_to_json(r->void_tcp));
	add(object, record_void_names[TRANSPORT_UDP],
	    void_reason_to_json(r->void_udp));
	return object;
}

static int column_get(const struct record_probe *p, enum column column)
{
	switch (column) {
	case COLUMN_DIRECTION:
		return p->direction;
	case COLUMN_TRANSPORT:
		return p->transport;
	case COLUMN_PORT:
		return p->port;
	case COLUMN_OUTCOME:
		return p->outcome;
	case COLUMN_RTT:
		return p->rtt_us < INT32_MAX ? (int)p->rtt_us : INT32_MAX;
	case COLUMN_ATTEMPTS:
		return p->attempts;
	case COLUMN_HOP:
		return p->hop;
	case COLUMNS:
		break;
	}
	return 0;
}

static cJSON *probes_to_json(const struct record *r)
{
	cJSON *object = need(cJSON_CreateObject());
	int value[RECORD_PROBES_MAX];

	for (int c = 0; c < COLUMNS; c++) {
		for (int i = 0; i < r->probe_count; i++)
			value[i] = column_get(&r->probe[i], (enum column)c);
		add(object, record_column_names[c],
		    cJSON_CreateIntArray(value, r->probe_count));
	}
	return object;
}

static void add_icmp(cJSON *object, const struct record_evidence *v)
{
	int icmp[2] = { v->icmp_type, v->icmp_code };
	char from[ADDR_TEXT_BYTES];

	add(object, record_evidence_names[EVIDENCE_ICMP],
	    cJSON_CreateIntArray(icmp, 2));
	if (v->from.family == 0)
		return;
	addr_format(&v->from, from);
	add_text(object, record_evidence_names[EVIDENCE_FROM], from);
}

static cJSON *one_evidence_to_json(const struct record_evidence *v)
{
	cJSON *object = need(cJSON_CreateObject());

	add_number(object, record_evidence_names[EVIDENCE_INDEX], v->probe);
	if (v->skip != SKIP_NONE)
		add_text(object, record_evidence_names[EVIDENCE_SKIP],
		         skip_name(v->skip));
	if (v->has_icmp)
		add_icmp(object, v);
	if (v->banner_bytes > 0)
		add_base64(object, record_evidence_names[EVIDENCE_BANNER],
		           v->banner, v->banner_bytes);
	if (v->arrived_port != 0)
		add_number(object, record_evidence_names[EVIDENCE_ARRIVED],
		           v->arrived_port);
	if (v->sys_errno != 0)
		add_number(object, record_evidence_names[EVIDENCE_ERRNO],
		           v->sys_errno);
	return object;
}

static cJSON *evidence_to_json(const struct record *r)
{
	cJSON *list = need(cJSON_CreateArray());

	for (int i = 0; i < r->evidence_count; i++)
		cJSON_AddItemToArray(list,
		                     one_evidence_to_json(&r->evidence[i]));
	return list;
}

static cJSON *agent_to_json(const struct record *r)
{
	cJSON *object = need(cJSON_CreateObject());

	add_text(object, record_agent_names[AGENT_VERSION], r->version);
	add_text(object, record_agent_names[AGENT_PLATFORM], r->platform);
	add_text(object, record_agent_names[AGENT_ARCH], r->arch);
	return object;
}

static void add_head(cJSON *root, const struct record *r)
{
	char run[RUN_ID_CHARS + 1];
	char started[CLOCK_TEXT_BYTES];

	record_run_id_format(r->run, run);
	clock_format(r->started_ns, started);
	add_text(root, record_names[KEY_FORMAT], RECORD_FORMAT_NAME);
	add_text(root, record_names[KEY_RUN], run);
	add_text(root, record_names[KEY_STARTED], started);
	add_number(root, record_names[KEY_CLOCK_OFFSET], r->clock_offset_ms);
	add_number(root, record_names[KEY_DURATION], r->duration_ms);
	add_number(root, record_names[KEY_PLAN], r->plan);
	add_text(root, record_names[KEY_REFLECTOR], r->reflector);
	add_number(root, record_names[KEY_FAMILY], r->family);
}

char *record_encode(const struct record *r, size_t *n_bytes)
{
	cJSON *root = need(cJSON_CreateObject());

	add_head(root, r);
	add(root, record_names[KEY_AGENT], agent_to_json(r));
	add(root, record_names[KEY_CLASS], classes_to_json(r->classes));
	add(root, record_names[KEY_VOID], void_to_json(r));
	add(root, record_names[KEY_PROBE], probes_to_json(r));
	add(root, record_names[KEY_EVIDENCE], evidence_to_json(r));
	if (r->manifest_bytes > 0)
		add_base64(root, record_names[KEY_MANIFEST], r->manifest,
		           r->manifest_bytes);
	else
		add(root, record_names[KEY_MANIFEST], cJSON_CreateNull());

	char *text = cJSON_PrintBuffered(root, BUFFER_BYTES, false);

	if (!text)
		give_up();
	cJSON_Delete(root);
	*n_bytes = strlen(text);
	return text;
}
