/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - the command line of periplus-reflector.
 */
#ifndef REFLECTOR_CLI_H
#define REFLECTOR_CLI_H

#include "lib/args.h"

/* What was asked; strings point into argv. */
struct cli {
	const char *config;
	struct args_list set; /* "key=value", over the file */
	bool check_config;
	bool print_config;
	bool help_config;
};

/* Fill in what was asked, over the defaults; see args_parse. */
enum args_status reflector_cli_parse(int argc, char **argv, struct cli *out,
                                     struct err *e);

#endif
