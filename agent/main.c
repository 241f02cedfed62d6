/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/privilege.h"
#include "agent/process.h"
#include "lib/exit.h"
#include "lib/log.h"

static int fail(int status, const struct err *e)
{
	log_error("%s", e->text);
	return status;
}

static void warn_about_root(const struct cli *cli)
{
	if (geteuid() == 0 && strcmp(cli->result.command->name, "check") == 0)
		log_warn("root is not needed: everything that sets it apart "
		         "is given up now");
}

/* Give up what is not needed before anything comes in from outside. */
static int run_unprivileged(const struct cli *cli, struct config *config)
{
	char *dir = cli_working_dir(cli, config);
	struct err e;
	bool ok;

	warn_about_root(cli);
	ok = privilege_drop(dir, &e);
	free(dir);
	return ok ? cli_run(cli, config) : fail(EXIT_FAILED, &e);
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	struct config config;
	struct err e;
	int status = EXIT_DONE;

	process_prepare();
	if (sodium_init() < 0)
		return EXIT_FAILED;

	/* 1. What was asked. */
	switch (cli_parse(&cli, argc, argv, &e)) {
	case ARGS_SHOWN:
		return process_finish(EXIT_DONE);
	case ARGS_BAD:
		return fail(EXIT_USAGE, &e);
	case ARGS_RUN:
		break;
	}
	if (cli.verbose)
		log_set_level(LOG_LEVEL_DEBUG);

	/* 2. What was configured. */
	if (!config_load(&config, cli.config_path, &cli.set, &e))
		return fail(EXIT_CONFIG, &e);

	/* 3. Do it. */
	if (!cli_show_config(&cli, &config))
		status = run_unprivileged(&cli, &config);
	config_free(&config);
	return process_finish(status);
}
