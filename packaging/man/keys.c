/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys - write a manual page with the table of configuration keys in it.
 *
 * "keys PROGRAM < page.in > page": the line "@KEYS@" of the page becomes the
 * table that the program itself reads, so that the two cannot differ.
 */
#include <stdio.h>
#include <string.h>

#include "lib/conf.h"

/* The programs' tables, by name only: no program includes another's header. */
extern const struct conf_key config_keys[];
extern const struct conf_key collector_config_keys[];
extern const struct conf_key reflector_config_keys[];

static const struct {
	const char *program;
	const struct conf_key *keys;
} programs[] = {
	{ "periplus", config_keys },
	{ "periplus-collector", collector_config_keys },
	{ "periplus-reflector", reflector_config_keys },
};

static const struct conf_key *keys_of(const char *program)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (strcmp(programs[i].program, program) == 0)
			return programs[i].keys;
	return NULL;
}

int main(int argc, char **argv)
{
	const struct conf_key *keys = argc == 2 ? keys_of(argv[1]) : NULL;
	char line[512];

	if (!keys) {
		fprintf(stderr, "usage: keys PROGRAM < page.in > page\n");
		return 2;
	}
	while (fgets(line, sizeof(line), stdin)) {
		if (strcmp(line, "@KEYS@\n") == 0)
			conf_man(keys, stdout);
		else
			fputs(line, stdout);
	}
	return ferror(stdin) || fflush(stdout) != 0;
}
