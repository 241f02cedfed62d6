/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan is read by functions that take a struct where, which spells the path
 * to the value at hand: "reflectors[1].ipv4".  Each returns false with the
 * error set; the first error ends the reading.
 */
#include "lib/plan.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>

#include "lib/catalogue.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/plan_syntax.h"

#define FORMAT "periplus-plan/1"

/*
 * The greatest serial: it is stored in a database column of 32 bits with a
 * sign.  Dates with a two-digit count, 2026112201, fit.
 */
#define SERIAL_MAX INT32_MAX

enum {
	MINISIGN_KEY_CHARS = 56,
	MINISIGN_KEY_BYTES = 42,
};

/* Where in the plan a value stands: list[index].name, or name alone. */
struct where {
	const char *list; /* NULL at the top */
	int index;
	const char *name;
	struct err *e;
};

__attribute__((format(printf, 2, 3))) static bool refuse(const struct where *at,
                                                         const char *fmt, ...)
{
	va_list args;
	char what[256];

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (!at->list)
		return err_set(at->e, 0, "%s: %s", at->name, what);
	if (!at->name)
		return err_set(at->e, 0, "%s[%d]: %s", at->list, at->index,
		               what);
	return err_set(at->e, 0, "%s[%d].%s: %s", at->list, at->index, at->name,
	               what);
}

/* The members of one object, found by the names of an enum's table. */
static bool take_members(struct where *at, const cJSON *object,
                         const char *const *names, const cJSON **found,
                         int count)
{
	at->name = NULL;
	if (!cJSON_IsObject(object))
		return refuse(at, "must be an object");

	int twice = json_members(object, names, found, count);

	if (twice < 0)
		return true;
	at->name = names[twice];
	return refuse(at, "occurs twice");
}

static bool take_integer(const struct where *at, const cJSON *item,
                         int64_t least, int64_t most, int64_t *out)
{
	if (!item)
		return refuse(at, "is missing");
	if (json_integer(item, least, most, out) != JSON_FITS)
		return refuse(at,
		              "must be a whole number from %" PRId64
		              " to %" PRId64,
		              least, most);
	return true;
}

static bool take_text(const struct where *at, const cJSON *item, char *out,
                      size_t out_bytes)
{
	if (!item)
		return refuse(at, "is missing");
	if (!json_text(item, out, out_bytes))
		return refuse(at,
		              "must be a string of 1 to %zu printable "
		              "characters",
		              out_bytes - 1);
	return true;
}

/* The elements of a list, at least one and at most most. */
static bool take_list(const struct where *at, const cJSON *item, int most,
                      const cJSON **first, int *count)
{
	if (!item)
		return refuse(at, "is missing");
	if (!cJSON_IsArray(item))
		return refuse(at, "must be a list");
	*count = cJSON_GetArraySize(item);
	if (*count < 1 || *count > most)
		return refuse(at, "must have 1 to %d entries, has %d", most,
		              *count);
	*first = item->child;
	return true;
}

static bool take_time(const struct where *at, const cJSON *item, int64_t *out)
{
	char text[CLOCK_TEXT_BYTES];

	if (!take_text(at, item, text, sizeof(text)))
		return false;
	if (!clock_parse(text, out))
		return refuse(at, "must be a time such as "
		                  "2027-01-31T00:00:00Z");
	return true;
}

static bool take_version(const struct where *at, const cJSON *item, char *out,
                         size_t out_bytes)
{
	if (!take_text(at, item, out, out_bytes))
		return false;
	if (!plan_is_version(out))
		return refuse(at, "must be a version such as 0.1.0");
	return true;
}

static bool take_seed(const struct where *at, const cJSON *item,
                      uint8_t out[CONTROL_SEED_BYTES])
{
	char text[2 * CONTROL_SEED_BYTES + 1];

	if (!item)
		return refuse(at, "is missing");
	if (!json_text(item, text, sizeof(text)) ||
	    !control_seed_parse(text, out))
		return refuse(at, "must be %d hex digits",
		              2 * CONTROL_SEED_BYTES);
	return true;
}

static bool take_next_key(const struct where *at, const cJSON *item, char *out,
                          size_t out_bytes)
{
	uint8_t key[MINISIGN_KEY_BYTES];
	size_t n = 0;

	out[0] = '\0';
	if (!item || cJSON_IsNull(item))
		return true;
	if (!take_text(at, item, out, out_bytes))
		return false;
	if (sodium_base642bin(key, sizeof(key), out, strlen(out), NULL, &n,
	                      NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    n != sizeof(key) || memcmp(key, "Ed", 2) != 0)
		return refuse(at,
		              "must be the %d characters of a minisign "
		              "public key",
		              MINISIGN_KEY_CHARS);
	return true;
}

enum collector_key { COLLECTOR_ENDPOINT, COLLECTOR_KEY, COLLECTOR_KEYS };

static const char *const collector_names[COLLECTOR_KEYS] = {
	[COLLECTOR_ENDPOINT] = "endpoint",
	[COLLECTOR_KEY] = "key",
};

static bool take_collector(struct where at, const cJSON *object,
                           struct plan_collector *out)
{
	const cJSON *member[COLLECTOR_KEYS];

	if (!take_members(&at, object, collector_names, member, COLLECTOR_KEYS))
		return false;
	at.name = collector_names[COLLECTOR_ENDPOINT];
	if (!take_text(&at, member[COLLECTOR_ENDPOINT], out->endpoint,
	               sizeof(out->endpoint)))
		return false;
	if (!plan_is_endpoint(out->endpoint))
		return refuse(&at, "must be tcp://host:port");
	at.name = collector_names[COLLECTOR_KEY];
	if (!take_text(&at, member[COLLECTOR_KEY], out->key, sizeof(out->key)))
		return false;
	if (!plan_is_curve_key(out->key))
		return refuse(&at,
		              "must be a CURVE public key, %d characters "
		              "of Z85",
		              PLAN_KEY_BYTES - 1);
	return true;
}

static bool take_collectors(const struct where *at, const cJSON *list,
                            struct plan *out)
{
	const cJSON *item = NULL;

	if (!take_list(at, list, PLAN_COLLECTORS_MAX, &item,
	               &out->collector_count))
		return false;
	for (int i = 0; item; item = item->next, i++) {
		struct where here = { at->name, i, NULL, at->e };

		if (!take_collector(here, item, &out->collector[i]))
			return false;
	}
	return true;
}

static bool take_name(const struct where *at, const cJSON *item,
                      char out[WIRE_NAME_BYTES])
{
	if (!take_text(at, item, out, WIRE_NAME_BYTES))
		return false;
	if (!wire_name_valid(out))
		return refuse(at, "may have a-z, 0-9 and - only");
	return true;
}

/* An address is optional; null is the same as leaving it out. */
static bool take_address(const struct where *at, const cJSON *item,
                         uint8_t family, struct addr *out)
{
	char text[ADDR_TEXT_BYTES];

	*out = (struct addr){ 0 };
	if (!item || cJSON_IsNull(item))
		return true;
	if (!json_text(item, text, sizeof(text)) || !addr_parse(text, out) ||
	    out->family != family)
		return refuse(at, "must be an IPv%d address", family);
	return true;
}

static bool take_control_ports(const struct where *at, const cJSON *list,
                               struct plan_reflector *out)
{
	const cJSON *item = NULL;

	if (!take_list(at, list, PLAN_CONTROL_PORTS_MAX, &item,
	               &out->control_port_count))
		return false;
	for (int i = 0; item; item = item->next, i++) {
		int64_t port;

		if (!take_integer(at, item, 1, UINT16_MAX, &port))
			return false;
		for (int k = 0; k < i; k++)
			if (out->control_port[k] == port)
				return refuse(at, "%d occurs twice", (int)port);
		out->control_port[i] = (uint16_t)port;
	}
	return true;
}

enum reflector_key {
	REFLECTOR_NAME,
	REFLECTOR_IPV4,
	REFLECTOR_IPV6,
	REFLECTOR_CONTROL_PORTS,
	REFLECTOR_KEYS,
};

static const char *const reflector_names[REFLECTOR_KEYS] = {
	[REFLECTOR_NAME] = "name",
	[REFLECTOR_IPV4] = "ipv4",
	[REFLECTOR_IPV6] = "ipv6",
	[REFLECTOR_CONTROL_PORTS] = "control_ports",
};

static bool take_reflector(struct where at, const cJSON *object,
                           struct plan_reflector *out)
{
	const cJSON *member[REFLECTOR_KEYS];

	if (!take_members(&at, object, reflector_names, member, REFLECTOR_KEYS))
		return false;
	at.name = reflector_names[REFLECTOR_NAME];
	if (!take_name(&at, member[REFLECTOR_NAME], out->name))
		return false;
	at.name = reflector_names[REFLECTOR_IPV4];
	if (!take_address(&at, member[REFLECTOR_IPV4], 4, &out->ipv4))
		return false;
	at.name = reflector_names[REFLECTOR_IPV6];
	if (!take_address(&at, member[REFLECTOR_IPV6], 6, &out->ipv6))
		return false;
	at.name = reflector_names[REFLECTOR_CONTROL_PORTS];
	if (!take_control_ports(&at, member[REFLECTOR_CONTROL_PORTS], out))
		return false;
	at.name = NULL;
	if (out->ipv4.family == 0 && out->ipv6.family == 0)
		return refuse(&at, "needs ipv4, ipv6 or both");
	return true;
}

static bool take_reflectors(const struct where *at, const cJSON *list,
                            struct plan *out)
{
	const cJSON *item = NULL;

	if (!take_list(at, list, PLAN_REFLECTORS_MAX, &item,
	               &out->reflector_count))
		return false;
	for (int i = 0; item; item = item->next, i++) {
		struct where here = { at->name, i, NULL, at->e };
		struct plan_reflector *r = &out->reflector[i];

		if (!take_reflector(here, item, r))
			return false;
		here.name = reflector_names[REFLECTOR_NAME];
		for (int k = 0; k < i; k++)
			if (strcmp(out->reflector[k].name, r->name) == 0)
				return refuse(&here, "\"%s\" occurs twice",
				              r->name);
	}
	return true;
}

/* One of two words; the second is 1. */
static bool take_choice(const struct where *at, const cJSON *item,
                        const char *const words[2], uint8_t *out)
{
	if (!item)
		return refuse(at, "is missing");
	for (uint8_t i = 0; i < 2; i++)
		if (cJSON_IsString(item) &&
		    strcmp(item->valuestring, words[i]) == 0) {
			*out = i;
			return true;
		}
	return refuse(at, "must be \"%s\" or \"%s\"", words[0], words[1]);
}

static bool take_class(const struct where *at, const cJSON *item, uint8_t *out)
{
	int class = 0;

	if (!item)
		return refuse(at, "is missing");
	if (cJSON_IsString(item))
		class = consent_class_parse(item->valuestring);
	if (class == 0)
		return refuse(at, "must be basic, noisy, inbound or tor_vpn");
	*out = (uint8_t) class;
	return true;
}

enum probe_key {
	PROBE_DIRECTION,
	PROBE_TRANSPORT,
	PROBE_PORT,
	PROBE_CLASS,
	PROBE_KEYS,
};

static const char *const probe_names[PROBE_KEYS] = {
	[PROBE_DIRECTION] = "direction",
	[PROBE_TRANSPORT] = "transport",
	[PROBE_PORT] = "port",
	[PROBE_CLASS] = "class",
};

static bool take_probe(struct where at, const cJSON *object,
                       struct plan_probe *out)
{
	static const char *const directions[2] = { "out", "in" };
	static const char *const transports[2] = { "tcp", "udp" };
	const cJSON *member[PROBE_KEYS];
	int64_t port;

	if (!take_members(&at, object, probe_names, member, PROBE_KEYS))
		return false;
	at.name = probe_names[PROBE_DIRECTION];
	if (!take_choice(&at, member[PROBE_DIRECTION], directions,
	                 &out->direction))
		return false;
	at.name = probe_names[PROBE_TRANSPORT];
	if (!take_choice(&at, member[PROBE_TRANSPORT], transports,
	                 &out->transport))
		return false;
	at.name = probe_names[PROBE_PORT];
	if (!take_integer(&at, member[PROBE_PORT], 0, UINT16_MAX, &port))
		return false;
	out->port = (uint16_t)port;
	at.name = probe_names[PROBE_CLASS];
	return take_class(&at, member[PROBE_CLASS], &out->consent);
}

static bool same_probe(const struct plan_probe *a, const struct plan_probe *b)
{
	return a->direction == b->direction && a->transport == b->transport &&
	       a->port == b->port;
}

/* Quadratic, over at most PLAN_PROBES_MAX probes, once a plan. */
static bool take_probes(const struct where *at, const cJSON *list,
                        struct plan *out)
{
	const cJSON *item = NULL;

	if (!take_list(at, list, PLAN_PROBES_MAX, &item, &out->probe_count))
		return false;
	for (int i = 0; item; item = item->next, i++) {
		struct where here = { at->name, i, NULL, at->e };
		struct plan_probe *p = &out->probe[i];

		if (!take_probe(here, item, p))
			return false;
		for (int k = 0; k < i; k++)
			if (same_probe(&out->probe[k], p))
				return refuse(&here,
				              "is the same as probes[%d]", k);
	}
	return true;
}

enum plan_key {
	KEY_FORMAT,
	KEY_SERIAL,
	KEY_VALID_UNTIL,
	KEY_INTERVAL,
	KEY_MIN_AGENT,
	KEY_SEED,
	KEY_NEXT_KEY,
	KEY_COLLECTORS,
	KEY_REFLECTORS,
	KEY_PROBES,
	PLAN_KEYS,
};

static const char *const plan_names[PLAN_KEYS] = {
	[KEY_FORMAT] = "format",           [KEY_SERIAL] = "serial",
	[KEY_VALID_UNTIL] = "valid_until", [KEY_INTERVAL] = "interval_s",
	[KEY_MIN_AGENT] = "min_agent",     [KEY_SEED] = "seed",
	[KEY_NEXT_KEY] = "next_key",       [KEY_COLLECTORS] = "collectors",
	[KEY_REFLECTORS] = "reflectors",   [KEY_PROBES] = "probes",
};

/* Return the place of a member at the top. */
static struct where top(enum plan_key key, struct err *e)
{
	return (struct where){ .name = plan_names[key], .e = e };
}

static bool take_format(const struct where *at, const cJSON *item)
{
	char text[32];

	if (!take_text(at, item, text, sizeof(text)))
		return false;
	if (strcmp(text, FORMAT) != 0)
		return refuse(at,
		              "\"%s\" is not known here, only \"" FORMAT
		              "\": update periplus",
		              text);
	return true;
}

static bool take_numbers(const cJSON *const *member, struct plan *out,
                         struct err *e)
{
	struct where serial = top(KEY_SERIAL, e);
	struct where until = top(KEY_VALID_UNTIL, e);
	struct where interval = top(KEY_INTERVAL, e);
	int64_t number;

	if (!take_integer(&serial, member[KEY_SERIAL], 1, SERIAL_MAX, &number))
		return false;
	out->serial = (uint32_t)number;
	return take_time(&until, member[KEY_VALID_UNTIL],
	                 &out->valid_until_ns) &&
	       take_integer(&interval, member[KEY_INTERVAL],
	                    PLAN_INTERVAL_MIN_S, PLAN_INTERVAL_MAX_S,
	                    &out->interval_s);
}

static bool take_texts(const cJSON *const *member, struct plan *out,
                       struct err *e)
{
	struct where min_agent = top(KEY_MIN_AGENT, e);
	struct where seed = top(KEY_SEED, e);
	struct where next_key = top(KEY_NEXT_KEY, e);

	return take_version(&min_agent, member[KEY_MIN_AGENT], out->min_agent,
	                    sizeof(out->min_agent)) &&
	       take_seed(&seed, member[KEY_SEED], out->seed) &&
	       take_next_key(&next_key, member[KEY_NEXT_KEY], out->next_key,
	                     sizeof(out->next_key));
}

static bool take_lists(const cJSON *const *member, struct plan *out,
                       struct err *e)
{
	struct where collectors = top(KEY_COLLECTORS, e);
	struct where reflectors = top(KEY_REFLECTORS, e);
	struct where probes = top(KEY_PROBES, e);

	return take_collectors(&collectors, member[KEY_COLLECTORS], out) &&
	       take_reflectors(&reflectors, member[KEY_REFLECTORS], out) &&
	       take_probes(&probes, member[KEY_PROBES], out);
}

static bool take_plan(const cJSON *root, struct plan *out, struct err *e)
{
	const cJSON *member[PLAN_KEYS];
	struct where whole = { .list = NULL, .name = "the plan", .e = e };
	struct where format = top(KEY_FORMAT, e);

	if (!cJSON_IsObject(root))
		return refuse(&whole, "must be a JSON object");

	int twice = json_members(root, plan_names, member, PLAN_KEYS);

	if (twice >= 0) {
		whole.name = plan_names[twice];
		return refuse(&whole, "occurs twice");
	}
	return take_format(&format, member[KEY_FORMAT]) &&
	       take_numbers(member, out, e) && take_texts(member, out, e) &&
	       take_lists(member, out, e);
}

bool plan_parse(const char *json, size_t n_bytes, struct plan *out,
                struct err *e)
{
	if (n_bytes > PLAN_JSON_MAX)
		return err_set(e, 0, "longer than %d bytes", PLAN_JSON_MAX);

	cJSON *root = json_parse(json, n_bytes);

	if (!root)
		return err_set(e, 0, "not valid JSON");
	memset(out, 0, sizeof(*out));

	bool ok = take_plan(root, out, e);

	cJSON_Delete(root);
	return ok;
}
