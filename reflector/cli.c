/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/cli.h"

#include <stddef.h>

#include "lib/version.h"

static const struct args_option options[] = {
	{
		.name = "config",
		.letter = 'c',
		.type = ARGS_STRING,
		.offset = offsetof(struct cli, config),
		.value = "FILE",
		.help = "read this instead of " PERIPLUS_SYSCONFDIR
			"/reflector.conf",
	},
	{
		.name = "set",
		.type = ARGS_LIST,
		.offset = offsetof(struct cli, set),
		.value = "KEY=VALUE",
		.help = "set one key, over the file; may be repeated",
	},
	{
		.name = "check-config",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, check_config),
		.help = "check the configuration and end",
	},
	{
		.name = "print-config",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, print_config),
		.help = "print the configuration as it applies and end",
	},
	{
		.name = "help-config",
		.type = ARGS_FLAG,
		.offset = offsetof(struct cli, help_config),
		.help = "explain the keys of the configuration and end",
	},
	{ 0 },
};

static const struct args_program program = {
	.name = "periplus-reflector",
	.summary = "answers the probes of periplus agents on every port of "
		   "the catalogue",
	.text = "SIGUSR1 and SIGHUP write the counters to the log; SIGTERM "
		"and SIGINT end it.\n"
		"\n"
		"Needs no privilege but CAP_NET_BIND_SERVICE, for the ports "
		"below 1024.\n"
		"\n"
		"Exit statuses: 0 ended when asked, 1 failed, 2 usage, 3 "
		"configuration, 9 receipt key, 14 all ports are taken.",
	.version = PERIPLUS_VERSION,
	.common = options,
};

enum args_status reflector_cli_parse(int argc, char **argv, struct cli *out,
                                     struct err *e)
{
	struct args_result result;

	*out = (struct cli){ .config = PERIPLUS_SYSCONFDIR "/reflector.conf" };
	return args_parse(&program, argc, argv, out, &result, stdout, e);
}
