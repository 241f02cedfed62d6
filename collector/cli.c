/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/cli.h"

#include "collector/aggregate.h"
#include "collector/keys.h"
#include "collector/migrate.h"
#include "collector/serve.h"
#include "collector/verdicts.h"
#include "lib/exit.h"
#include "lib/version.h"

static const struct args_option common_options[] = {
	{
		.name = "config",
		.letter = 'c',
		.type = ARGS_STRING,
		.offset = offsetof(struct cli, config),
		.value = "FILE",
		.help = "configuration file (default: " PERIPLUS_SYSCONFDIR
			"/collector.conf, when it exists)",
	},
	{
		.name = "set",
		.letter = 's',
		.type = ARGS_LIST,
		.offset = offsetof(struct cli, set),
		.value = "KEY=VALUE",
		.help = "set one key of the configuration; may be repeated",
	},
	{
		.name = "check-config",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, check_config),
		.help = "only check the configuration and, for serve, the "
			"files that it names",
	},
	{
		.name = "print-config",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, print_config),
		.help = "only print the configuration that is in force",
	},
	{
		.name = "help-config",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, help_config),
		.help = "only explain the keys of the configuration",
	},
	{
		.name = "verbose",
		.letter = 'v',
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, verbose),
		.help = "say more about what goes on",
	},
	{ 0 },
};

static const struct args_option aggregate_options[] = {
	{
		.name = "full",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, full),
		.help = "recompute every cell, not only those with new runs",
	},
	{ 0 },
};

static const struct args_option verdicts_options[] = {
	{
		.name = "json",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, json),
		.help = "print one JSON array, an object for each cell",
	},
	{
		.name = "csv",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, csv),
		.help = "print CSV with a header",
	},
	{
		.name = "all",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, all),
		.help = "in the matrix, also ports that are open everywhere",
	},
	{
		.name = "asn",
		.type = ARGS_INT,
		.offset = offsetof(struct cli, asn),
		.min = 1,
		.max = UINT32_MAX,
		.value = "NUMBER",
		.help = "only this provider",
	},
	{
		.name = "country",
		.type = ARGS_STRING,
		.offset = offsetof(struct cli, country),
		.value = "CODE",
		.help = "only providers of this country: two capital letters",
	},
	{
		.name = "direction",
		.type = ARGS_STRING,
		.offset = offsetof(struct cli, direction),
		.value = "out|in",
		.help = "only this direction",
	},
	{ 0 },
};

static const struct args_command commands[] = {
	{
		.name = "serve",
		.summary = "take runs from agents and store them",
		.text = "Listens for agents, checks each run against what "
			"the reflector has sealed, and stores it.  A run is "
			"acknowledged when the database has committed it, "
			"and never before.  With the database away it keeps "
			"serving and tells agents to come back.\n"
			"\n"
			"SIGTERM finishes what is in hand and ends; SIGUSR1 "
			"writes the counters to the log; SIGHUP looks for "
			"new geo data at once.\n"
			"\n"
			"  periplus-collector serve --check-config\n"
			"  periplus-collector serve --set "
			"listen=tcp://*:7400",
	},
	{
		.name = "migrate",
		.summary = "bring the database's schema up to date",
		.text = "Applies what the database has not had, each step in "
			"a transaction of its own, and fills the lookup "
			"tables.  Running it again does no harm.  Needs the "
			"owner's connection string (database_owner); the "
			"first time, one that may create roles.\n"
			"\n"
			"  periplus-collector migrate --set "
			"'database_owner=dbname=periplus user=postgres'",
	},
	{
		.name = "aggregate",
		.summary = "bring the verdicts up to date with the runs",
		.text = "Any number may be started at a time: one works, "
			"the others say so and end.  Meant for a timer.",
		.options = aggregate_options,
	},
	{
		.name = "verdicts",
		.summary = "show which providers block which ports",
		.text = "Prints providers by ports, with how many lines and "
			"what share of them the verdict is about.\n"
			"\n"
			"  periplus-collector verdicts\n"
			"  periplus-collector verdicts --country DE --all\n"
			"  periplus-collector verdicts --json --asn 64501",
		.options = verdicts_options,
	},
	{
		.name = "keygen",
		.summary = "make the keys that the configuration names",
		.text = "Writes key_file (the CURVE key pair) and "
			"line_key_file (what lines are hashed with) where "
			"they are missing, and prints the public key, which "
			"belongs into the plan.  Existing keys stay as they "
			"are.\n"
			"\n"
			"All collectors of one database share one line key.",
	},
	{ 0 },
};

static const struct args_program program = {
	.name = "periplus-collector",
	.summary = "takes the runs of periplus agents, believes what it can "
		   "check, and stores them in PostgreSQL",
	.text = "To begin with:\n"
		"  periplus-collector keygen\n"
		"  periplus-collector migrate\n"
		"  periplus-collector serve\n"
		"\n"
		"Exit statuses: 0 done, 1 failed, 2 usage, 3 configuration, "
		"9 key file, 10 database away, 11 database schema too old, "
		"12 database schema too new, 13 geo data missing or of the "
		"wrong type, 14 address in use.",
	.version = PERIPLUS_VERSION,
	.common = common_options,
	.commands = commands,
	.command_optional = true,
};

static bool only_config(const struct cli *cli)
{
	return cli->check_config || cli->print_config || cli->help_config;
}

static bool check_usage(const struct cli *cli, struct err *e)
{
	if (!cli->result.command && !only_config(cli))
		return err_set(e, 0,
		               "no command given; see 'periplus-collector "
		               "--help'");
	if (cli->json && cli->csv)
		return err_set(e, 0, "--json and --csv exclude one another");
	if (cli->direction && strcmp(cli->direction, "out") != 0 &&
	    strcmp(cli->direction, "in") != 0)
		return err_set(e, 0, "--direction is out or in, not '%s'",
		               cli->direction);
	if (cli->country && strlen(cli->country) != 2)
		return err_set(e, 0,
		               "--country is a code of two letters, not '%s'",
		               cli->country);
	return true;
}

enum args_status collector_cli_parse(struct cli *cli, int argc, char **argv,
                                     struct err *e)
{
	enum args_status status =
		args_parse(&program, argc, argv, cli, &cli->result, stdout, e);

	if (status == ARGS_RUN && !check_usage(cli, e))
		return ARGS_BAD;
	return status;
}

/* ---- commands ------------------------------------------------------------ */

static const char *database_of(const struct config *c, const char *special)
{
	return special ? special : c->database;
}

static int run_keygen(const struct config *c, struct err *e)
{
	struct keys_pair pair;
	int status = EXIT_DONE;

	if (!c->key_file || !c->line_key_file) {
		err_set(e, 0, "key_file and line_key_file must be set");
		return EXIT_CONFIG;
	}
	if (!keys_pair_ensure(c->key_file, &pair, e) ||
	    !keys_line_ensure(c->line_key_file, e))
		status = EXIT_KEY;
	else
		printf("public %s\n", pair.public_key);
	explicit_bzero(&pair, sizeof(pair));
	return status;
}

static int run_verdicts(const struct cli *cli, const struct config *c,
                        struct err *e)
{
	struct verdicts_query query = {
		.all = cli->all,
		.asn = cli->asn,
		.country = cli->country,
		.direction = cli->direction,
	};

	if (cli->json)
		query.form = VERDICTS_JSON;
	else if (cli->csv)
		query.form = VERDICTS_CSV;
	return verdicts_run(database_of(c, c->database_reader), &query, e);
}

int collector_cli_run(const struct cli *cli, const struct config *c,
                      struct err *e)
{
	const char *command = "";
	bool serve;

	if (cli->result.command)
		command = cli->result.command->name;
	serve = strcmp(command, "serve") == 0;
	if (cli->print_config) {
		conf_print(collector_config_keys, c, stdout);
		return EXIT_DONE;
	}
	if (cli->check_config)
		return serve ? serve_check(c, e) : EXIT_DONE;
	if (serve)
		return serve_run(c, e);
	if (strcmp(command, "migrate") == 0)
		return migrate_run(database_of(c, c->database_owner), e);
	if (strcmp(command, "aggregate") == 0)
		return aggregate_run(
			database_of(c, c->database_aggregator),
			cli->full ? AGGREGATE_ALL : AGGREGATE_CHANGED, e);
	if (strcmp(command, "keygen") == 0)
		return run_keygen(c, e);
	return run_verdicts(cli, c, e);
}
