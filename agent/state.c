/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/state.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"

enum { STATE_FILE_MAX = 65536 };

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

static int64_t get_time(const cJSON *from, const char *name)
{
	const char *text = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(from, name));
	int64_t t_ns;

	return text && clock_parse(text, &t_ns) ? t_ns : 0;
}

/* Counters stay far below 2^53, where a double is still exact. */
static int64_t get_count(const cJSON *from, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, name);

	if (!cJSON_IsNumber(item) || item->valuedouble < 0 ||
	    item->valuedouble > 9e15)
		return 0;
	return (int64_t)item->valuedouble;
}

static int get_int(const cJSON *from, const char *name)
{
	int64_t n = get_count(from, name);

	return n <= INT32_MAX ? (int)n : 0;
}

static void get_text(const cJSON *from, const char *name, char *out,
                     size_t out_bytes)
{
	const char *text = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(from, name));

	snprintf(out, out_bytes, "%s", text ? text : "");
}

static cJSON *run_to_json(const struct state_run *r)
{
	cJSON *o;

	if (!r->run[0])
		return cJSON_CreateNull();
	o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "run", r->run);
	cJSON_AddStringToObject(o, "reflector", r->reflector);
	cJSON_AddNumberToObject(o, "family", r->family);
	add_time(o, "started", r->started_ns);
	cJSON_AddNumberToObject(o, "duration_ms", (double)r->duration_ms);
	cJSON_AddNumberToObject(o, "open", r->open);
	cJSON_AddNumberToObject(o, "failed", r->failed);
	cJSON_AddNumberToObject(o, "untested", r->untested);
	cJSON_AddNumberToObject(o, "void_tcp", r->void_tcp);
	cJSON_AddNumberToObject(o, "void_udp", r->void_udp);
	return o;
}

static void run_from_json(const cJSON *o, struct state_run *r)
{
	get_text(o, "run", r->run, sizeof(r->run));
	get_text(o, "reflector", r->reflector, sizeof(r->reflector));
	r->family = get_int(o, "family");
	r->started_ns = get_time(o, "started");
	r->duration_ms = get_count(o, "duration_ms");
	r->open = get_int(o, "open");
	r->failed = get_int(o, "failed");
	r->untested = get_int(o, "untested");
	r->void_tcp = get_int(o, "void_tcp");
	r->void_udp = get_int(o, "void_udp");
}

bool state_store(const char *path, const struct state *s, struct err *e)
{
	cJSON *o = cJSON_CreateObject();
	char *text;
	bool ok;

	add_time(o, "last_round", s->last_round_ns);
	add_time(o, "next_round", s->next_round_ns);
	cJSON_AddNumberToObject(o, "day", (double)s->today.day);
	cJSON_AddNumberToObject(o, "day_rounds", s->today.rounds);
	cJSON_AddNumberToObject(o, "day_bytes", (double)s->today.bytes);
	cJSON_AddItemToObject(o, "last_run", run_to_json(&s->last_run));
	cJSON_AddNumberToObject(o, "stored", (double)s->stored);
	cJSON_AddNumberToObject(o, "rejected", (double)s->rejected);
	cJSON_AddNumberToObject(o, "dropped", (double)s->dropped);
	add_time(o, "last_stored", s->last_stored_ns);
	cJSON_AddStringToObject(o, "uplink", s->uplink);
	cJSON_AddStringToObject(o, "doing", s->doing);
	text = cJSON_Print(o);
	cJSON_Delete(o);
	if (!text)
		return err_set(e, ENOMEM, "cannot write %s", path);
	ok = file_replace(path, text, strlen(text), 0600, e);
	free(text);
	return ok;
}

static bool read_json(const char *path, cJSON **out, struct err *e)
{
	size_t n;
	char *text = file_read(path, STATE_FILE_MAX, &n, e);

	if (!text)
		return false;
	*out = cJSON_ParseWithLength(text, n);
	free(text);
	if (!cJSON_IsObject(*out)) {
		cJSON_Delete(*out);
		return err_set(e, 0, "%s is damaged", path);
	}
	return true;
}

bool state_load(const char *path, struct state *out, struct err *e)
{
	cJSON *o;

	*out = (struct state){ 0 };
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return true;
	if (!read_json(path, &o, e))
		return false;
	out->last_round_ns = get_time(o, "last_round");
	out->next_round_ns = get_time(o, "next_round");
	out->today.day = get_count(o, "day");
	out->today.rounds = get_int(o, "day_rounds");
	out->today.bytes = get_count(o, "day_bytes");
	run_from_json(cJSON_GetObjectItemCaseSensitive(o, "last_run"),
	              &out->last_run);
	out->stored = get_count(o, "stored");
	out->rejected = get_count(o, "rejected");
	out->dropped = get_count(o, "dropped");
	out->last_stored_ns = get_time(o, "last_stored");
	get_text(o, "uplink", out->uplink, sizeof(out->uplink));
	get_text(o, "doing", out->doing, sizeof(out->doing));
	cJSON_Delete(o);
	return true;
}

void state_note_run(struct state *s, const struct record *r)
{
	struct state_run *n = &s->last_run;

	*n = (struct state_run){
		.started_ns = r->started_ns,
		.duration_ms = r->duration_ms,
		.family = r->family,
		.void_tcp = r->void_tcp,
		.void_udp = r->void_udp,
	};
	record_run_id_format(r->run, n->run);
	snprintf(n->reflector, sizeof(n->reflector), "%s", r->reflector);
	for (int i = 0; i < r->probe_count; i++) {
		int outcome = r->probe[i].outcome;

		if (outcome == OUTCOME_OPEN)
			n->open++;
		else if (outcome == OUTCOME_UNTESTED ||
		         outcome == OUTCOME_UNTESTABLE)
			n->untested++;
		else
			n->failed++;
	}
}

int state_lock(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		err_set(e, errno, "cannot open %s", path);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		err_set(e, errno, "cannot lock %s", path);
		close(fd);
		return -1;
	}
	return fd;
}
