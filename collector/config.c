/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/config.h"

#include <libpq-fe.h>
#include <unistd.h>

#define DEFAULT_PATH PERIPLUS_SYSCONFDIR "/collector.conf"

const struct conf_key collector_config_keys[] = {
	{
		.name = "listen",
		.type = CONF_LIST,
		.offset = offsetof(struct config, listen),
		.def = "tcp://*:7400",
		.help = "where agents connect: tcp://ADDRESS:PORT; repeat "
			"for several (443 passes where others are blocked)",
	},
	{
		.name = "key_file",
		.type = CONF_STRING,
		.offset = offsetof(struct config, key_file),
		.def = PERIPLUS_SYSCONFDIR "/collector.key",
		.help = "CURVE key pair, made by keygen; plans name its public "
			"half",
	},
	{
		.name = "line_key_file",
		.type = CONF_STRING,
		.offset = offsetof(struct config, line_key_file),
		.def = PERIPLUS_SYSCONFDIR "/line.key",
		.help = "secret that lines are hashed with, made by keygen; "
			"the same on all collectors of one database",
	},
	{
		.name = "receipt_keys",
		.type = CONF_STRING,
		.offset = offsetof(struct config, receipt_keys),
		.def = PERIPLUS_SYSCONFDIR "/receipt.keys",
		.help = "a line for each reflector: its name, its receipt key "
			"in hex, its addresses (may be left out)",
	},
	{
		.name = "database",
		.type = CONF_STRING,
		.offset = offsetof(struct config, database),
		.def = "dbname=periplus user=periplus_collector "
		       "keepalives_idle=30 tcp_user_timeout=30000",
		.help = "PostgreSQL connection string of serve",
	},
	{
		.name = "database_owner",
		.type = CONF_STRING,
		.offset = offsetof(struct config, database_owner),
		.help = "the same for migrate; empty: as database",
	},
	{
		.name = "database_aggregator",
		.type = CONF_STRING,
		.offset = offsetof(struct config, database_aggregator),
		.help = "the same for aggregate; empty: as database",
	},
	{
		.name = "database_reader",
		.type = CONF_STRING,
		.offset = offsetof(struct config, database_reader),
		.help = "the same for verdicts; empty: as database",
	},
	{
		.name = "geo_asn",
		.type = CONF_STRING,
		.offset = offsetof(struct config, geo_asn),
		.def = PERIPLUS_STATEDIR "/geo/asn.mmdb",
		.help = "MMDB file: address to AS number; picked up again when "
			"it is replaced",
	},
	{
		.name = "geo_country",
		.type = CONF_STRING,
		.offset = offsetof(struct config, geo_country),
		.def = PERIPLUS_STATEDIR "/geo/country.mmdb",
		.help = "MMDB file: address to country",
	},
	{
		.name = "geo_check",
		.type = CONF_DURATION,
		.offset = offsetof(struct config, geo_check_ns),
		.min = 1,
		.max = 86400,
		.def = "5s",
		.help = "how often to look whether the MMDB files were "
			"replaced",
	},
	{
		.name = "batch_max_runs",
		.type = CONF_INT,
		.offset = offsetof(struct config, batch_max_runs),
		.min = 1,
		.max = 20000,
		.def = "1000",
		.help = "most runs in one commit",
	},
	{
		.name = "batch_max_bytes",
		.type = CONF_SIZE,
		.offset = offsetof(struct config, batch_max_bytes),
		.min = 1048576,
		.max = 268435456,
		.def = "16M",
		.help = "most bytes in one commit",
	},
	{
		.name = "batch_max_age",
		.type = CONF_DURATION,
		.offset = offsetof(struct config, batch_max_age_ns),
		.max = 10,
		.def = "100ms",
		.help = "a run waits no longer than this for company",
	},
	{
		.name = "queue_max_runs",
		.type = CONF_INT,
		.offset = offsetof(struct config, queue_max_runs),
		.min = 1,
		.max = 1000000,
		.def = "8000",
		.help = "runs held in memory; beyond it agents are kept "
			"waiting",
	},
	{
		.name = "pause_max",
		.type = CONF_DURATION,
		.offset = offsetof(struct config, pause_max_ns),
		.max = 60,
		.def = "2s",
		.help = "with a full queue, how long to stop reading before "
			"agents are told to come back later",
	},
	{
		.name = "wait",
		.type = CONF_DURATION,
		.offset = offsetof(struct config, wait_ns),
		.min = 1,
		.max = 3600,
		.def = "30s",
		.help = "when agents told to come back should do so, give or "
			"take a half",
	},
	{
		.name = "rate_per_key_per_hour",
		.type = CONF_INT,
		.offset = offsetof(struct config, rate_per_key_per_hour),
		.max = 1000000000,
		.def = "1000",
		.help = "runs accepted of one agent key; 0: no limit",
	},
	{
		.name = "rate_per_prefix_per_hour",
		.type = CONF_INT,
		.offset = offsetof(struct config, rate_per_prefix_per_hour),
		.max = 1000000000,
		.def = "20000",
		.help = "runs accepted of one /24 or /48; 0: no limit",
	},
	{
		.name = "io_threads",
		.type = CONF_INT,
		.offset = offsetof(struct config, io_threads),
		.min = 1,
		.max = 16,
		.def = "2",
		.help = "threads that encrypt; each makes 1,500 new "
			"connections a second",
	},
	{
		.name = "max_connections",
		.type = CONF_INT,
		.offset = offsetof(struct config, max_connections),
		.min = 1,
		.max = 1000000,
		.def = "10000",
		.help = "agents connected at a time (100 KiB each); the "
			"descriptor limit must lie above it",
	},
	{
		.name = "shutdown_grace",
		.type = CONF_DURATION,
		.offset = offsetof(struct config, shutdown_grace_ns),
		.max = 60,
		.def = "5s",
		.help = "when stopped, how long to finish what is in hand",
	},
	{ 0 },
};

static bool check_conninfo(const char *key, const char *conninfo, struct err *e)
{
	char *why = NULL;
	PQconninfoOption *parsed;

	if (!conninfo)
		return true;
	parsed = PQconninfoParse(conninfo, &why);
	if (parsed) {
		PQconninfoFree(parsed);
		return true;
	}
	if (why)
		why[strcspn(why, "\n")] = 0;
	err_set(e, 0, "%s: %s", key, why ? why : "not understood");
	PQfreemem(why);
	return false;
}

static bool check_endpoint(const char *endpoint, struct err *e)
{
	const char *colon = strrchr(endpoint, ':');

	if (strncmp(endpoint, "tcp://", 6) != 0 || !colon ||
	    colon < endpoint + 7 || !colon[1])
		return err_set(e, 0,
		               "listen: '%s' is no endpoint: write "
		               "tcp://ADDRESS:PORT, tcp://*:7400",
		               endpoint);
	return true;
}

static bool check_together(const struct config *c, struct err *e)
{
	if (c->queue_max_runs < c->batch_max_runs)
		return err_set(e, 0,
		               "queue_max_runs (%lld) is less than "
		               "batch_max_runs (%lld): a batch must fit",
		               (long long)c->queue_max_runs,
		               (long long)c->batch_max_runs);
	for (int i = 0; i < c->listen.count; i++) {
		if (!check_endpoint(c->listen.item[i], e))
			return false;
	}
	return check_conninfo("database", c->database, e) &&
	       check_conninfo("database_owner", c->database_owner, e) &&
	       check_conninfo("database_aggregator", c->database_aggregator,
	                      e) &&
	       check_conninfo("database_reader", c->database_reader, e);
}

bool collector_config_load(struct config *c, const char *path,
                           const char *const *set, int set_count, struct err *e)
{
	conf_defaults(collector_config_keys, c);
	if (!path && access(DEFAULT_PATH, F_OK) == 0)
		path = DEFAULT_PATH;
	if (path && !conf_load(collector_config_keys, c, path, e))
		return false;
	for (int i = 0; i < set_count; i++) {
		if (!conf_set(collector_config_keys, c, "--set", set[i], e))
			return false;
	}
	return check_together(c, e);
}

void collector_config_free(struct config *c)
{
	conf_free(collector_config_keys, c);
}
