/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/config.h"

#include <stddef.h>

#include "lib/catalogue.h"
#include "lib/log.h"
#include "lib/value.h"

const struct conf_key reflector_config_keys[] = {
	{
		.name = "name",
		.type = CONF_STRING,
		.offset = offsetof(struct reflector_config, name),
		.help = "what the plan calls this reflector; the collector "
			"finds the receipt key by it; needed",
	},
	{
		.name = "seed",
		.type = CONF_STRING,
		.offset = offsetof(struct reflector_config, seed_hex),
		.help = "the plan's seed, 32 hex digits, from which the "
			"control ports of each day are drawn; needed",
	},
	{
		.name = "receipt_key_file",
		.type = CONF_STRING,
		.offset = offsetof(struct reflector_config, receipt_key_file),
		.def = PERIPLUS_SYSCONFDIR "/receipt.key",
		.help = "file with the key, 64 hex digits, that this "
			"reflector shares with the collector to seal "
			"manifests; nobody else may read it",
	},
	{
		.name = "listen4",
		.type = CONF_LIST,
		.offset = offsetof(struct reflector_config, listen4),
		.def = "0.0.0.0",
		.help = "IPv4 addresses to listen on; empty: no IPv4",
	},
	{
		.name = "listen6",
		.type = CONF_LIST,
		.offset = offsetof(struct reflector_config, listen6),
		.def = "::",
		.help = "IPv6 addresses to listen on; empty: no IPv6",
	},
	{
		.name = "ports",
		.type = CONF_STRING,
		.offset = offsetof(struct reflector_config, ports),
		.help = "listen on these only, as in 'tcp/443 udp/53'; empty: "
			"on the whole catalogue; the control ports of the day "
			"come on top",
	},
	{
		.name = "without",
		.type = CONF_STRING,
		.offset = offsetof(struct reflector_config, without_ports),
		.help = "ports to leave out, as in 'tcp/25 udp/53', because "
			"something else runs there",
	},
	{
		.name = "threads",
		.type = CONF_INT,
		.offset = offsetof(struct reflector_config, threads),
		.min = 0,
		.max = 64,
		.def = "0",
		.help = "threads that listen and answer; 0: one for each core",
	},
	{
		.name = "sessions_max",
		.type = CONF_INT,
		.offset = offsetof(struct reflector_config, sessions_max),
		.min = 16,
		.max = 1000000,
		.def = "32768",
		.help = "runs that are remembered at once, for five minutes "
			"each; about 1.6 kB of memory for each",
	},
	{
		.name = "sessions_per_prefix",
		.type = CONF_INT,
		.offset =
			offsetof(struct reflector_config, sessions_per_prefix),
		.min = 1,
		.max = 1000000,
		.def = "512",
		.help = "of these, for one source network (/24 or /48); its "
			"own oldest goes first",
	},
	{
		.name = "connections_max",
		.type = CONF_INT,
		.offset = offsetof(struct reflector_config, connections_max),
		.min = 16,
		.max = 500000,
		.def = "8192",
		.help = "TCP connections held at once, shared out evenly to "
			"the threads",
	},
	{
		.name = "connections_per_prefix",
		.type = CONF_INT,
		.offset = offsetof(struct reflector_config,
	                           connections_per_prefix),
		.min = 1,
		.max = 500000,
		.def = "512",
		.help = "of these, for one source network (/24 or /48), "
			"shared out likewise; its own oldest goes first",
	},
	{
		.name = "request_timeout",
		.type = CONF_DURATION,
		.offset = offsetof(struct reflector_config, request_timeout_ns),
		.min = 1,
		.max = 60,
		.def = "10s",
		.help = "how long a TCP client may take to send its request",
	},
	{
		.name = "linger_timeout",
		.type = CONF_DURATION,
		.offset = offsetof(struct reflector_config, linger_timeout_ns),
		.min = 1,
		.max = 60,
		.def = "5s",
		.help = "how long it may take to close after the reply",
	},
	{ 0 },
};

static bool check_name(const struct reflector_config *c, struct err *e)
{
	if (!c->name)
		return err_set(e, 0,
		               "name is not set; set the name that the plan "
		               "gives this reflector");
	if (!wire_name_valid(c->name))
		return err_set(e, 0,
		               "name: at most %d of a-z, 0-9 and '-' are "
		               "allowed",
		               WIRE_NAME_BYTES - 1);
	return true;
}

static bool read_seed(struct reflector_config *c, struct err *e)
{
	if (!c->seed_hex)
		return err_set(e, 0,
		               "seed is not set; copy the 32 hex digits from "
		               "the plan");
	if (!control_seed_parse(c->seed_hex, c->seed))
		return err_set(e, 0, "seed: not 32 hex digits");
	return true;
}

static bool is_wildcard(const struct addr *a)
{
	static const uint8_t zero[sizeof(a->ip)] = { 0 };

	return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

/*
 * Two sockets whose addresses overlap would take each other's packets: a
 * wildcard has to be alone in its family.
 */
static bool add_local(struct reflector_config *c, const char *key,
                      const struct addr *a, struct err *e)
{
	char text[ADDR_TEXT_BYTES];

	addr_format(a, text);
	for (uint8_t i = 0; i < c->local_count; i++) {
		const struct addr *b = &c->local[i];

		if (b->family != a->family)
			continue;
		if (addr_same_host(a, b))
			return err_set(e, 0, "%s: %s is there twice", key,
			               text);
		if (is_wildcard(a) || is_wildcard(b))
			return err_set(e, 0,
			               "%s: %s and another address overlap; "
			               "list the addresses one by one",
			               key, text);
	}
	c->local[c->local_count++] = *a;
	return true;
}

static bool read_locals(struct reflector_config *c, const char *key,
                        const struct conf_list *list, uint8_t family,
                        struct err *e)
{
	char shown[ADDR_TEXT_BYTES];

	for (int i = 0; i < list->count; i++) {
		struct addr a;

		log_escape(shown, sizeof(shown), list->item[i],
		           strlen(list->item[i]));
		if (!addr_parse(list->item[i], &a) || a.family != family)
			return err_set(e, 0, "%s: '%s' is no IPv%d address",
			               key, shown, family);
		if (!add_local(c, key, &a, e))
			return false;
	}
	return true;
}

static bool parse_port(const char *text, struct wire_port *out)
{
	int64_t number;

	if (strncmp(text, "tcp/", 4) == 0)
		out->transport = TRANSPORT_TCP;
	else if (strncmp(text, "udp/", 4) == 0)
		out->transport = TRANSPORT_UDP;
	else
		return false;
	if (!value_parse_int(text + 4, &number) || number < 1 ||
	    number > UINT16_MAX)
		return false;
	out->port = (uint16_t)number;
	return true;
}

static bool add_port(struct port_list *list, const char *key,
                     struct wire_port port, struct err *e)
{
	if (port_list_has(list, port.transport, port.port))
		return true;
	if (list->count == PORTSET_FIXED_MAX)
		return err_set(e, 0, "%s: more than %d ports", key,
		               PORTSET_FIXED_MAX);
	list->port[list->count++] = port;
	return true;
}

/* Read "tcp/25 udp/53": separated by blanks, commas or both. */
static bool read_ports(struct port_list *list, const char *key,
                       const char *text, struct err *e)
{
	static const char separators[] = " \t,";
	const char *p = text ? text : "";

	for (p += strspn(p, separators); *p; p += strspn(p, separators)) {
		size_t n = strcspn(p, separators);
		char item[16];
		char shown[64];
		struct wire_port port;

		snprintf(item, sizeof(item), "%.*s", (int)n, p);
		if (n >= sizeof(item) || !parse_port(item, &port)) {
			log_escape(shown, sizeof(shown), p, n);
			return err_set(e, 0,
			               "%s: '%s' is no port; write tcp/443 or "
			               "udp/53",
			               key, shown);
		}
		if (!add_port(list, key, port, e))
			return false;
		p += n;
	}
	return true;
}

/* Port 0 stands in the catalogue, and nobody can listen on it. */
static bool take_catalogue(struct port_list *list, struct err *e)
{
	for (size_t i = 0; i < catalogue_count; i++) {
		struct wire_port port = { catalogue[i].transport,
			                  catalogue[i].port };

		if (port.port != 0 && !add_port(list, "catalogue", port, e))
			return false;
	}
	return true;
}

static bool check(struct reflector_config *c, struct err *e)
{
	if (!check_name(c, e) || !read_seed(c, e) ||
	    !read_locals(c, "listen4", &c->listen4, 4, e) ||
	    !read_locals(c, "listen6", &c->listen6, 6, e) ||
	    !read_ports(&c->without, "without", c->without_ports, e) ||
	    !read_ports(&c->fixed, "ports", c->ports, e))
		return false;
	if (c->local_count == 0)
		return err_set(e, 0,
		               "listen4 and listen6 are both empty: nothing "
		               "to listen on");
	if (!c->receipt_key_file)
		return err_set(e, 0, "receipt_key_file is empty");
	return c->fixed.count > 0 || take_catalogue(&c->fixed, e);
}

bool reflector_config_load(struct reflector_config *c, const char *path,
                           const char *const *assignments, int count,
                           struct err *e)
{
	*c = (struct reflector_config){ 0 };
	conf_defaults(reflector_config_keys, c);
	if (!conf_load(reflector_config_keys, c, path, e))
		return false;
	for (int i = 0; i < count; i++)
		if (!conf_set(reflector_config_keys, c, "--set", assignments[i],
		              e))
			return false;
	return check(c, e) || err_prefix(e, "%s", path);
}

void reflector_config_free(struct reflector_config *c)
{
	conf_free(reflector_config_keys, c);
}
