/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - the command line: commands, options, help, and who does the work.
 */
#ifndef AGENT_CLI_H
#define AGENT_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/config.h"
#include "lib/args.h"

/* What the command line said; strings point into argv. */
struct cli {
	const char *config_path; /* NULL: the default */
	struct args_list set;
	bool check_config;
	bool print_config;
	bool help_config;
	bool verbose;
	bool json;
	bool no_upload;
	const char *reflector;
	int64_t family; /* 4, 6, or 0: both */
	const char *classes;
	const char *grant;
	bool revoke;
	bool force;
	struct args_result result;
};

/* Parse argv; help and version are printed here. */
enum args_status cli_parse(struct cli *cli, int argc, char **argv,
                           struct err *e);

/*
 * Do what --check-config, --print-config or --help-config ask.  False when
 * none of them was given.
 */
bool cli_show_config(const struct cli *cli, const struct config *c);

/* The directory that the command is going to write to; free() it. */
char *cli_working_dir(const struct cli *cli, const struct config *c);

/* Run the command; returns an enum exit_status. */
int cli_run(const struct cli *cli, struct config *c);

#endif
