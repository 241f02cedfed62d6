/* SPDX-License-Identifier: Apache-2.0 */
/* periplus-collector - where the runs of agents arrive. */
#include <cjson/cJSON.h>
#include <sodium.h>

#include "collector/cli.h"
#include "lib/exit.h"
#include "lib/log.h"
#include "lib/mem.h"

static int fail(int status, const struct err *e)
{
	if (e->text[0])
		log_error("%s", e->text);
	return status;
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	struct config config;
	struct err e = { 0 };
	int status;
	cJSON_Hooks memory = { .malloc_fn = mem_alloc, .free_fn = free };

	if (sodium_init() < 0)
		return EXIT_FAILED;
	/* Evidence must not vanish because memory was short for a moment. */
	cJSON_InitHooks(&memory);

	/* 1. What was asked. */
	switch (collector_cli_parse(&cli, argc, argv, &e)) {
	case ARGS_SHOWN:
		return EXIT_DONE;
	case ARGS_BAD:
		return fail(EXIT_USAGE, &e);
	case ARGS_RUN:
		break;
	}
	if (cli.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	if (cli.help_config) {
		conf_help(collector_config_keys, stdout);
		return EXIT_DONE;
	}

	/* 2. What was configured; 3. the command. */
	if (collector_config_load(&config, cli.config, cli.set.item,
	                          cli.set.count, &e))
		status = collector_cli_run(&cli, &config, &e);
	else
		status = EXIT_CONFIG;
	if (status != EXIT_DONE)
		fail(status, &e);

	/* 4. In reverse order. */
	collector_config_free(&config);
	return status;
}
