/* SPDX-License-Identifier: Apache-2.0 */
/* periplus-reflector - the server that agents measure against. */
#include <sodium.h>

#include "lib/exit.h"
#include "lib/log.h"
#include "reflector/cli.h"
#include "reflector/config.h"
#include "reflector/reflector.h"

/* Run the service with a configuration that was checked. */
static enum exit_status serve(const struct reflector_config *config)
{
	enum exit_status status;
	struct err e;
	struct reflector *r = reflector_new(config, &status, &e);

	if (r)
		status = reflector_run(r, &e) ? EXIT_DONE : EXIT_FAILED;
	if (status != EXIT_DONE)
		log_error("%s", e.text);
	reflector_free(r);
	return status;
}

int main(int argc, char **argv)
{
	struct cli cli;
	enum exit_status status = EXIT_DONE;
	struct reflector_config config;
	struct err e;

	/* 1. What was asked. */
	switch (reflector_cli_parse(argc, argv, &cli, &e)) {
	case ARGS_SHOWN:
		return EXIT_DONE;
	case ARGS_BAD:
		log_error("%s", e.text);
		return EXIT_USAGE;
	case ARGS_RUN:
		break;
	}
	if (cli.help_config) {
		conf_help(reflector_config_keys, stdout);
		return EXIT_DONE;
	}
	if (sodium_init() < 0) {
		log_error("cannot start libsodium");
		return EXIT_FAILED;
	}

	/* 2. What the operator decided; 3. the service, or only the check. */
	if (!reflector_config_load(&config, cli.config, cli.set.item,
	                           cli.set.count, &e)) {
		log_error("%s", e.text);
		status = EXIT_CONFIG;
	} else if (cli.print_config) {
		conf_print(reflector_config_keys, &config, stdout);
	} else if (!cli.check_config) {
		status = serve(&config);
	}

	/* 4. In reverse order. */
	reflector_config_free(&config);
	return status;
}
