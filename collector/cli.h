/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - the command line of periplus-collector, and what its commands do.
 */
#ifndef COLLECTOR_CLI_H
#define COLLECTOR_CLI_H

#include "collector/config.h"
#include "lib/args.h"

/* What was asked; strings point into argv. */
struct cli {
	struct args_result result;
	const char *config;
	struct args_list set;
	bool check_config;
	bool print_config;
	bool help_config;
	bool verbose;
	bool full;
	bool json;
	bool csv;
	bool all;
	int64_t asn;
	const char *country;
	const char *direction;
};

enum args_status collector_cli_parse(struct cli *cli, int argc, char **argv,
                                     struct err *e);

/* Do what was asked.  Returns an exit status; e says why unless it is empty. */
int collector_cli_run(const struct cli *cli, const struct config *c,
                      struct err *e);

#endif
