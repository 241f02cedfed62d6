/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/plan_source.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/fetcher.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/version.h"

#define PLAN_FILE "plan.json"
#define SEEN_FILE "plan-seen.json"

#define NOT_CONFIGURED                                                      \
	"no plan is configured: the operator of the measurement tells its " \
	"URL and its key; set both, plan and plan_key, in " CONFIG_FILE     \
	" or as 'periplus check --set plan=URL --set plan_key=KEY'"

enum {
	SIGNATURE_MAX = 4096,
	SEEN_FILE_MAX = 16384,
	SUCCESSORS_MAX = 8,
	MINISIGN_TEXT_BYTES = 64,
	URL_BYTES = 2048,
};

/* A plan as it came: bytes and signature. */
struct parcel {
	char *json;
	char *signature;
	size_t json_bytes;
	size_t signature_bytes;
};

/* What SEEN_FILE remembers. */
struct seen {
	uint32_t highest_serial;
	int successor_count;
	char successor[SUCCESSORS_MAX][MINISIGN_TEXT_BYTES];
	char etag[FETCHER_ETAG_BYTES]; /* of the cached plan; "": none */
	char etag_url[URL_BYTES];
};

struct plan_source {
	struct loop *loop;
	const struct config *config;
	bool have; /* plan was accepted; its expiry is looked at again */
	struct plan plan;
	struct seen seen;
	bool seen_is_stored;
	bool was_refreshed;
	struct err fault;
	struct err cached_fault; /* why the cached plan is of no use */
	/* Of the refresh under way: */
	int next; /* index into config->plan */
	int64_t now_ns;
	struct fetcher *fetcher;
	char *prefix;
	struct timer step;
	void (*done)(void *ctx);
	void *ctx;
};

/* ---- what was seen ------------------------------------------------------ */

static void copy_text(const cJSON *from, char *out, size_t out_bytes)
{
	if (!json_text(from, out, out_bytes))
		out[0] = '\0';
}

static void understand_seen(struct plan_source *s, const cJSON *o)
{
	const cJSON *item;
	int64_t serial = 0;

	/* Another operator's serials and keys mean nothing here. */
	item = cJSON_GetObjectItemCaseSensitive(o, "plan_key");
	if (!cJSON_IsString(item) ||
	    strcmp(item->valuestring, s->config->plan_key) != 0)
		return;
	if (json_integer(cJSON_GetObjectItemCaseSensitive(o, "serial"), 0,
	                 UINT32_MAX, &serial) == JSON_FITS)
		s->seen.highest_serial = (uint32_t)serial;
	copy_text(cJSON_GetObjectItemCaseSensitive(o, "etag"), s->seen.etag,
	          sizeof(s->seen.etag));
	copy_text(cJSON_GetObjectItemCaseSensitive(o, "etag_url"),
	          s->seen.etag_url, sizeof(s->seen.etag_url));
	cJSON_ArrayForEach(item,
	                   cJSON_GetObjectItemCaseSensitive(o, "successors"))
	{
		if (s->seen.successor_count < SUCCESSORS_MAX &&
		    json_text(item, s->seen.successor[s->seen.successor_count],
		              MINISIGN_TEXT_BYTES))
			s->seen.successor_count++;
	}
}

static void load_seen(struct plan_source *s)
{
	char *path = config_state_path(s->config, SEEN_FILE);
	struct err e;
	size_t n;
	char *text = file_read(path, SEEN_FILE_MAX, &n, &e);
	cJSON *o = text ? json_parse(text, n) : NULL;

	s->seen_is_stored = cJSON_IsObject(o);
	if (s->seen_is_stored)
		understand_seen(s, o);
	else if (text)
		err_set(&s->fault, 0,
		        "%s is damaged: the serials seen so far are forgotten",
		        path);
	else if (e.code != ENOENT)
		s->fault = e;
	cJSON_Delete(o);
	free(text);
	free(path);
}

static bool store_seen(const struct plan_source *s, struct err *e)
{
	char *path = config_state_path(s->config, SEEN_FILE);
	cJSON *o = cJSON_CreateObject();
	cJSON *successors = cJSON_AddArrayToObject(o, "successors");
	char *text;
	bool ok;

	for (int i = 0; i < s->seen.successor_count; i++)
		cJSON_AddItemToArray(successors,
		                     cJSON_CreateString(s->seen.successor[i]));
	cJSON_AddStringToObject(o, "plan_key", s->config->plan_key);
	cJSON_AddNumberToObject(o, "serial", s->seen.highest_serial);
	cJSON_AddStringToObject(o, "etag", s->seen.etag);
	cJSON_AddStringToObject(o, "etag_url", s->seen.etag_url);
	text = cJSON_Print(o);
	cJSON_Delete(o);
	ok = text ? file_replace(path, text, strlen(text), 0600, e)
	          : err_set(e, ENOMEM, "cannot write %s", path);
	free(text);
	free(path);
	return ok;
}

/* The oldest makes room: that key's plans are long past. */
static void note_successor(struct plan_source *s, const char *key)
{
	if (key[0] == '\0' || strcmp(key, s->config->plan_key) == 0)
		return;
	for (int i = 0; i < s->seen.successor_count; i++) {
		if (strcmp(s->seen.successor[i], key) == 0)
			return;
	}
	if (s->seen.successor_count == SUCCESSORS_MAX)
		memmove(s->seen.successor[0], s->seen.successor[1],
		        sizeof(s->seen.successor[0]) *
		                (size_t)--s->seen.successor_count);
	snprintf(s->seen.successor[s->seen.successor_count++],
	         MINISIGN_TEXT_BYTES, "%s", key);
}

/* ---- one plan ----------------------------------------------------------- */

static void parcel_free(struct parcel *p)
{
	free(p->json);
	free(p->signature);
	*p = (struct parcel){ 0 };
}

/* Read path and path.minisig. */
static bool parcel_read(struct parcel *p, const char *path, struct err *e)
{
	char *sig_path = mem_printf("%s.minisig", path);

	*p = (struct parcel){ 0 };
	p->json = file_read(path, PLAN_JSON_MAX, &p->json_bytes, e);
	if (p->json)
		p->signature = file_read(sig_path, SIGNATURE_MAX,
		                         &p->signature_bytes, e);
	free(sig_path);
	if (p->signature)
		return true;
	parcel_free(p);
	return false;
}

/* By the configured key, or by one that an accepted plan announced. */
static enum plan_verdict judge(const struct plan_source *s, int64_t now_ns,
                               const struct parcel *p, struct plan *out,
                               struct err *e)
{
	struct plan_check check = {
		.public_key = s->config->plan_key,
		.highest_serial = s->seen.highest_serial,
		.now_ns = now_ns,
		.agent_version = PERIPLUS_VERSION,
		.allow_any_target = s->config->allow_any_target,
	};
	enum plan_verdict verdict =
		plan_accept(&check, p->json, p->json_bytes, p->signature,
	                    p->signature_bytes, out, e);

	for (int i = s->seen.successor_count;
	     i > 0 && verdict == PLAN_BAD_SIGNATURE; i--) {
		struct err other;

		check.next_key = s->seen.successor[i - 1];
		verdict = plan_accept(&check, p->json, p->json_bytes,
		                      p->signature, p->signature_bytes, out,
		                      &other);
		if (verdict != PLAN_BAD_SIGNATURE)
			*e = other;
	}
	return verdict;
}

static void load_cached(struct plan_source *s, int64_t now_ns)
{
	char *path = config_state_path(s->config, PLAN_FILE);
	struct parcel p;
	struct plan plan = { 0 };
	struct err e;

	if (parcel_read(&p, path, &e)) {
		s->have = judge(s, now_ns, &p, &plan, &e) == PLAN_OK;
		parcel_free(&p);
	}
	if (s->have) {
		s->plan = plan;
		if (plan.serial > s->seen.highest_serial)
			s->seen.highest_serial = plan.serial;
	} else if (e.code != ENOENT) {
		s->cached_fault = e;
		err_prefix(&s->cached_fault, "cached plan");
	}
	free(path);
}

static bool is_cached(const char *path, const struct parcel *p)
{
	struct parcel old;
	struct err e;
	bool same;

	if (!parcel_read(&old, path, &e))
		return false;
	same = old.json_bytes == p->json_bytes &&
	       old.signature_bytes == p->signature_bytes &&
	       memcmp(old.json, p->json, p->json_bytes) == 0 &&
	       memcmp(old.signature, p->signature, p->signature_bytes) == 0;
	parcel_free(&old);
	return same;
}

/*
 * The signature first: should the power fail between the two, they do not
 * match, and the plan is fetched again.
 */
static bool store_plan(const struct plan_source *s, const struct parcel *p,
                       struct err *e)
{
	char *path = config_state_path(s->config, PLAN_FILE);
	char *sig_path = mem_printf("%s.minisig", path);
	bool ok = true;

	if (!is_cached(path, p))
		ok = file_replace(sig_path, p->signature, p->signature_bytes,
		                  0600, e) &&
		     file_replace(path, p->json, p->json_bytes, 0600, e);
	free(path);
	free(sig_path);
	return ok;
}

/* ---- a refresh ---------------------------------------------------------- */

/* Where something went wrong, and what; several are listed. */
static void add_fault(struct plan_source *s, const char *where,
                      const char *what)
{
	size_t used = strlen(s->fault.text);

	snprintf(s->fault.text + used, sizeof(s->fault.text) - used, "%s%s%s%s",
	         used ? "; " : "", where, where[0] ? ": " : "", what);
}

static void remember(struct plan_source *s, const struct parcel *p,
                     const char *url, const char *etag)
{
	const struct seen before = s->seen;
	struct err e;

	if (s->plan.serial > s->seen.highest_serial)
		s->seen.highest_serial = s->plan.serial;
	note_successor(s, s->plan.next_key);
	snprintf(s->seen.etag, sizeof(s->seen.etag), "%s", etag);
	snprintf(s->seen.etag_url, sizeof(s->seen.etag_url), "%s", url);
	if (memcmp(&before, &s->seen, sizeof(before)) != 0)
		s->seen_is_stored = false;
	if (!store_plan(s, p, &e)) {
		add_fault(s, "", e.text);
		return;
	}
	if (!s->seen_is_stored && !store_seen(s, &e))
		add_fault(s, "", e.text);
	else
		s->seen_is_stored = true;
}

/* Judge what lies at path; it came from source. */
static bool take(struct plan_source *s, const char *path, const char *source,
                 const char *etag)
{
	struct parcel p;
	struct plan plan;
	struct err e;
	bool ok;

	if (!parcel_read(&p, path, &e)) {
		add_fault(s, config_is_url(source) ? source : "", e.text);
		return false;
	}
	ok = judge(s, s->now_ns, &p, &plan, &e) == PLAN_OK;
	if (ok) {
		s->plan = plan;
		s->have = true;
		remember(s, &p, config_is_url(source) ? source : "", etag);
	} else {
		add_fault(s, source, e.text);
	}
	parcel_free(&p);
	return ok;
}

static void end_refresh(struct plan_source *s)
{
	void (*done)(void *ctx) = s->done;

	s->done = NULL;
	done(s->ctx);
}

/* The next source, in a turn of its own. */
static void go_on(struct plan_source *s)
{
	s->next++;
	loop_arm(s->loop, &s->step, loop_now(s->loop));
}

static void remove_fetched(struct plan_source *s)
{
	char *sig_path = mem_printf("%s.minisig", s->prefix);

	unlink(s->prefix);
	unlink(sig_path);
	free(sig_path);
}

static void on_fetched(void *ctx, const struct fetcher_result *r)
{
	struct plan_source *s = ctx;
	const char *url = s->config->plan.item[s->next];
	bool ok = r->outcome == FETCHER_UNCHANGED;

	if (r->outcome == FETCHER_FETCHED)
		ok = take(s, s->prefix, url, r->etag);
	else if (r->outcome == FETCHER_FAILED)
		add_fault(s, "", r->why.text);
	remove_fetched(s);
	fetcher_free(s->fetcher);
	s->fetcher = NULL;
	if (ok)
		end_refresh(s);
	else
		go_on(s);
}

/* Asking only for news makes sense while the old plan is of use. */
static const char *etag_for(const struct plan_source *s, const char *url)
{
	struct err e;

	if (s->seen.etag[0] == '\0' || strcmp(s->seen.etag_url, url) != 0 ||
	    !plan_source_get(s, s->now_ns, &e))
		return NULL;
	return s->seen.etag;
}

static void on_step(struct timer *t, int64_t now_ns)
{
	struct plan_source *s = LOOP_CONTAINER(t, struct plan_source, step);
	const char *source;
	struct err e;

	(void)now_ns;
	if (s->next >= s->config->plan.count) {
		end_refresh(s);
		return;
	}
	source = s->config->plan.item[s->next];
	if (!config_is_url(source)) {
		if (take(s, source, source, ""))
			end_refresh(s);
		else
			go_on(s);
		return;
	}
	s->fetcher = fetcher_start(s->loop, source, s->prefix,
	                           etag_for(s, source), on_fetched, s, &e);
	if (!s->fetcher) {
		add_fault(s, source, e.text);
		go_on(s);
	}
}

void plan_source_refresh(struct plan_source *s, int64_t now_ns,
                         void (*done)(void *ctx), void *ctx)
{
	s->now_ns = now_ns;
	s->done = done;
	s->ctx = ctx;
	s->next = 0;
	if (s->was_refreshed) /* else it is what loading left to say */
		s->fault = (struct err){ 0 };
	s->was_refreshed = true;
	if (s->config->plan.count == 0)
		add_fault(s, "", NOT_CONFIGURED);
	else if (!s->have)
		load_cached(s, now_ns);
	loop_arm(s->loop, &s->step, loop_now(s->loop));
}

const struct plan *plan_source_get(const struct plan_source *s, int64_t now_ns,
                                   struct err *e)
{
	char until[CLOCK_TEXT_BYTES];

	if (!s->have) {
		if (s->config->plan.count == 0)
			err_set(e, 0, "%s", NOT_CONFIGURED);
		else if (s->fault.text[0])
			err_set(e, 0, "%s", s->fault.text);
		else if (s->cached_fault.text[0])
			err_set(e, 0, "%s", s->cached_fault.text);
		else
			err_set(e, 0, "no plan was fetched yet");
		return NULL;
	}
	if (now_ns < s->plan.valid_until_ns)
		return &s->plan;
	clock_format(s->plan.valid_until_ns, until);
	err_set(e, 0, "plan %u expired at %s%s%s", s->plan.serial, until,
	        s->fault.text[0] ? "; " : "", s->fault.text);
	return NULL;
}

const char *plan_source_fault(const struct plan_source *s)
{
	return s->fault.text;
}

struct plan_source *plan_source_new(struct loop *l, const struct config *c,
                                    int64_t now_ns)
{
	struct plan_source *s = mem_alloc(sizeof(*s));

	s->loop = l;
	s->config = c;
	s->step.fire = on_step;
	s->prefix = mem_printf("%s/plan.new-%d", c->state_dir, (int)getpid());
	if (c->plan_key && c->plan.count > 0) {
		load_seen(s);
		load_cached(s, now_ns);
	}
	return s;
}

void plan_source_free(struct plan_source *s)
{
	if (!s)
		return;
	loop_disarm(s->loop, &s->step);
	if (s->fetcher)
		remove_fetched(s);
	fetcher_free(s->fetcher);
	free(s->prefix);
	free(s);
}
