/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args - the command line of all three programs, described by tables.
 *
 * "program [command] [options] [operands]".  Options are "--name", "--name
 * VALUE" or "--name=VALUE", or a single letter; --help and --version exist
 * everywhere, and so do the commands help and version where there are commands.
 * "--" ends the options.  Unknown commands and options are errors that name
 * the nearest known one.  Parsed values land in the caller's struct by offset;
 * what is not given keeps the value that the caller put there.
 */
#ifndef LIB_ARGS_H
#define LIB_ARGS_H

#include <stddef.h>
#include <stdio.h>

#include "lib/conf.h"
#include "lib/err.h"

enum args_type {
	ARGS_FLAG,   /* bool */
	ARGS_STRING, /* const char *, points into argv */
	ARGS_INT,    /* int64_t, checked against min and max */
	ARGS_LIST,   /* struct args_list; the option may be repeated */
};

#define ARGS_LIST_MAX 16

struct args_list {
	int count;
	const char *item[ARGS_LIST_MAX]; /* points into argv */
};

struct args_option {
	const char *name; /* without dashes; NULL ends the table */
	char letter;      /* 0: none */
	enum args_type type;
	size_t offset;
	int64_t min;
	int64_t max;
	const char
		*value; /* name of the value in help: "FILE"; NULL for flags */
	const char *help;
};

struct args_command {
	const char *name;    /* NULL ends the table */
	const char *summary; /* one line */
	const char *
		operands; /* as shown in usage: "[FILE ...]"; NULL: none taken */
	const char *text; /* paragraphs and examples for --help; may be NULL */
	const struct args_option
		*options; /* beside the common ones; may be NULL */
};

struct args_program {
	const char *name;
	const char *summary; /* what it is, one line */
	const char *text;    /* examples, exit statuses, files */
	const char *version;
	const struct args_option *common; /* accepted by every command */
	const struct args_command
		*commands; /* NULL: a program without commands */
	/* Of a program without commands; NULL: none taken. */
	const char *operands;
	/* A command may be left out; result->command is then NULL. */
	bool command_optional;
};

struct args_result {
	const struct args_command
		*command; /* NULL for a program without commands */
	int operand_count;
	char **operands; /* points into argv, which is reordered */
};

enum args_status {
	ARGS_RUN,   /* go on */
	ARGS_SHOWN, /* help or version was printed: exit EXIT_DONE */
	ARGS_BAD,   /* see the error: exit EXIT_USAGE */
};

/*
 * Parse argv into target.  --help and --version are written to out.  The
 * error says what is wrong and which --help to read.
 */
enum args_status args_parse(const struct args_program *program, int argc,
                            char **argv, void *target,
                            struct args_result *result, FILE *out,
                            struct err *e);

#endif
