/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cli.h"

#include <libgen.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/check.h"
#include "agent/personal.h"
#include "agent/ports.h"
#include "agent/service.h"
#include "agent/status.h"
#include "lib/exit.h"
#include "lib/mem.h"
#include "lib/version.h"

static const struct args_option common_options[] = {
	{
		.name = "config",
		.letter = 'c',
		.type = ARGS_STRING,
		.offset = offsetof(struct cli, config_path),
		.value = "FILE",
		.help = "configuration file (default: " CONFIG_FILE
			", when it exists)",
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
		.help = "only check the configuration",
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

static const struct args_option json_option[] = {
	{
		.name = "json",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, json),
		.help = "print one JSON document instead of text",
	},
	{ 0 },
};

static const struct args_option check_options[] = {
	{
		.name = "json",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, json),
		.help = "print one JSON document instead of a table",
	},
	{
		.name = "no-upload",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, no_upload),
		.help = "keep the result to yourself: it is neither sent nor "
			"spooled",
	},
	{
		.name = "reflector",
		.type = ARGS_STRING,
		.offset = offsetof(struct cli, reflector),
		.value = "NAME",
		.help = "probe toward this reflector of the plan only",
	},
	{
		.name = "family",
		.type = ARGS_INT,
		.offset = offsetof(struct cli, family),
		.min = 4,
		.max = 6,
		.value = "4|6",
		.help = "probe over IPv4 or IPv6 only",
	},
	{
		.name = "classes",
		.type = ARGS_STRING,
		.offset = offsetof(struct cli, classes),
		.value = "LIST",
		.help = "fewer classes of ports than were consented to: "
			"basic,noisy",
	},
	{ 0 },
};

static const struct args_option consent_options[] = {
	{
		.name = "grant",
		.type = ARGS_STRING,
		.offset = offsetof(struct cli, grant),
		.value = "LIST",
		.help = "agree to classes: basic, noisy, inbound, tor_vpn, or "
			"all",
	},
	{
		.name = "revoke",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, revoke),
		.help = "take the consent back; a running service stops",
	},
	{ 0 },
};

static const struct args_option keygen_options[] = {
	{
		.name = "force",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, force),
		.help = "replace an existing key: this becomes a new agent",
	},
	{ 0 },
};

static const struct args_command commands[] = {
	{
		.name = "check",
		.summary = "measure now and say what is blocked",
		.text = "Makes one run toward each reflector of the plan, over "
			"IPv4 and IPv6 as far as this computer has them, "
			"prints the result and sends it to a collector.  What "
			"cannot be sent stays in the spool.\n\n"
			"Exit status 0 says that something was measured, "
			"whatever came out; 4 nobody has consented; 5 no plan "
			"that may be used; 6 the clock is wrong; 7 no "
			"reflector could be reached; 8 the spool cannot be "
			"written.",
		.options = check_options,
	},
	{
		.name = "run",
		.summary = "measure on a schedule: the service",
		.text = "Runs until SIGTERM.  SIGHUP reads the configuration "
			"and the plan again.  Exits with status 4 when nobody "
			"has consented.",
	},
	{
		.name = "status",
		.summary = "show what the agent did last and will do next",
		.options = json_option,
	},
	{
		.name = "ports",
		.summary = "list the ports, what they are for, why they are "
			   "blocked",
		.options = json_option,
	},
	{
		.name = "consent",
		.summary = "show, give or take back the consent to measure",
		.text = "Nothing is measured before a person agreed to it.  "
			"Without an option the present state is shown, and "
			"what each class means.\n\n"
			"Example: periplus consent --grant basic,noisy",
		.options = consent_options,
	},
	{
		.name = "keygen",
		.summary = "make the key pair that is this agent's identity",
		.text = "'check' and 'run' make one at their first use.",
		.options = keygen_options,
	},
	{ 0 },
};

/* In the order of commands[]. */
static int (*const runners[])(const struct cli *cli, struct config *c) = {
	check_run, service_run,          status_run,
	ports_run, personal_run_consent, personal_run_keygen,
};

_Static_assert(sizeof(runners) / sizeof(runners[0]) ==
                       sizeof(commands) / sizeof(commands[0]) - 1,
               "each command has a function");

static const char program_text[] =
	"First use: tell where the plan is and who signs it, then consent, "
	"then check.\n\n"
	"  periplus consent --grant basic\n"
	"  periplus check --set plan=https://plan.example/plan.json --set "
	"plan_key=RWQ...\n\n"
	"State (key, cached plan, spool, status) is kept in state_dir.  Where "
	"that is not set, it is " PERIPLUS_STATEDIR " for root and for whom "
	"that directory belongs to, and $XDG_STATE_HOME/periplus or "
	"~/.local/state/periplus for anybody else.\n\n"
	"Exit statuses: 0 done, 1 failed, 2 usage, 3 configuration, 4 no "
	"consent, 5 no usable plan, 6 clock, 7 no reflector reached, 8 spool, "
	"9 key.";

static const struct args_program program = {
	.name = "periplus",
	.summary = "finds out which ports this computer's provider blocks",
	.text = program_text,
	.version = PERIPLUS_VERSION,
	.common = common_options,
	.commands = commands,
	.command_optional = true,
};

static bool only_config(const struct cli *cli)
{
	return cli->check_config || cli->print_config || cli->help_config;
}

enum args_status cli_parse(struct cli *cli, int argc, char **argv,
                           struct err *e)
{
	enum args_status status =
		args_parse(&program, argc, argv, cli, &cli->result, stdout, e);

	if (status != ARGS_RUN || cli->result.command || only_config(cli))
		return status;
	err_set(e, 0, "no command given; see 'periplus --help'");
	return ARGS_BAD;
}

bool cli_show_config(const struct cli *cli, const struct config *c)
{
	if (cli->help_config)
		conf_help(config_keys, stdout);
	if (cli->print_config)
		conf_print(config_keys, c, stdout);
	if (cli->check_config)
		puts("the configuration is good");
	return only_config(cli);
}

char *cli_working_dir(const struct cli *cli, const struct config *c)
{
	const struct args_command *command = cli->result.command;
	char *path;
	char *dir;

	if (!command || strcmp(command->name, "consent") != 0)
		return mem_strdup(c->state_dir);
	path = mem_strdup(c->consent_file);
	dir = mem_strdup(dirname(path));
	free(path);
	return dir;
}

int cli_run(const struct cli *cli, struct config *c)
{
	return runners[cli->result.command - commands](cli, c);
}
