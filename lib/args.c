/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/args.h"

#include <inttypes.h>
#include <stdarg.h>

#include "lib/nearest.h"
#include "lib/text.h"
#include "lib/value.h"

enum {
	SUMMARY_INDENT = 14,
	OPTION_INDENT = 26,
	LABEL_BYTES = 128,
	NAME_BYTES = 64,
};

/* Places in both tables of what every program has. */
enum { BUILTIN_HELP, BUILTIN_VERSION };

static const struct args_option builtin_options[] = {
	[BUILTIN_HELP] = {
		.name = "help",
		.letter = 'h',
		.help = "show this help",
	},
	[BUILTIN_VERSION] = {
		.name = "version",
		.help = "show the version",
	},
	{ 0 },
};

static const struct args_command builtin_commands[] = {
	[BUILTIN_HELP] = {
		.name = "help",
		.summary = "explain a command",
		.operands = "[COMMAND]",
		.text = "Shows what COMMAND does and its options.",
	},
	[BUILTIN_VERSION] = {
		.name = "version",
		.summary = "show the version",
	},
	{ 0 },
};

struct parser {
	const struct args_program *program;
	const struct args_command *command; /* NULL until it was named */
	char **argv;
	int argc;
	int next; /* index of the next word */
	void *target;
	struct args_result *result;
	FILE *out;
	struct err *e;
};

/* ---- help --------------------------------------------------------------- */

static void show_option(const struct args_option *o, FILE *out)
{
	char label[LABEL_BYTES];
	char letter[] = "    ";

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	snprintf(label, sizeof(label), "  %s--%s%s%s", letter, o->name,
	         o->value ? " " : "", o->value ? o->value : "");
	text_item(out, label, OPTION_INDENT, o->help);
}

static void show_options(const struct args_option *options, FILE *out)
{
	for (const struct args_option *o = options; o && o->name; o++)
		show_option(o, out);
}

static void show_text(const char *text, FILE *out)
{
	if (!text)
		return;
	fputc('\n', out);
	text_paragraphs(out, text);
}

static bool has_command(const struct args_program *p, const char *name)
{
	for (const struct args_command *c = p->commands; c && c->name; c++)
		if (strcmp(c->name, name) == 0)
			return true;
	return false;
}

static void show_commands(const struct args_program *p, FILE *out)
{
	char label[LABEL_BYTES];

	fprintf(out, "\nCommands:\n");
	for (const struct args_command *c = p->commands; c->name; c++) {
		snprintf(label, sizeof(label), "  %s", c->name);
		text_item(out, label, SUMMARY_INDENT, c->summary);
	}
	for (const struct args_command *c = builtin_commands; c->name; c++) {
		if (has_command(p, c->name))
			continue;
		snprintf(label, sizeof(label), "  %s", c->name);
		text_item(out, label, SUMMARY_INDENT, c->summary);
	}
}

static void show_program(const struct args_program *p, FILE *out)
{
	fprintf(out, "Usage: %s%s [OPTIONS]%s%s\n\n", p->name,
	        p->commands ? " COMMAND" : "", p->operands ? " " : "",
	        p->operands ? p->operands : "");
	text_item(out, "", 0, p->summary);
	if (p->commands)
		show_commands(p, out);
	fprintf(out,
	        p->commands ? "\nOptions of every command:\n" : "\nOptions:\n");
	show_options(p->common, out);
	show_options(builtin_options, out);
	show_text(p->text, out);
	if (p->commands)
		fprintf(out, "\n'%s help COMMAND' explains a command.\n",
		        p->name);
}

static void show_command(const struct args_program *p,
                         const struct args_command *c, FILE *out)
{
	fprintf(out, "Usage: %s %s [OPTIONS]%s%s\n\n", p->name, c->name,
	        c->operands ? " " : "", c->operands ? c->operands : "");
	text_item(out, "", 0, c->summary);
	fprintf(out, "\nOptions:\n");
	show_options(c->options, out);
	show_options(p->common, out);
	show_options(builtin_options, out);
	show_text(c->text, out);
}

static enum args_status show_help(const struct parser *s)
{
	if (s->command)
		show_command(s->program, s->command, s->out);
	else
		show_program(s->program, s->out);
	return ARGS_SHOWN;
}

static enum args_status show_version(const struct parser *s)
{
	fprintf(s->out, "%s %s\n", s->program->name, s->program->version);
	return ARGS_SHOWN;
}

/* ---- errors ------------------------------------------------------------- */

/* Say what is wrong, then where to read how it is done. */
static enum args_status refuse(const struct parser *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static enum args_status refuse(const struct parser *s, const char *fmt, ...)
{
	char why[320];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	err_set(s->e, 0, "%s; see '%s%s%s --help'", why, s->program->name,
	        s->command ? " " : "", s->command ? s->command->name : "");
	return ARGS_BAD;
}

static enum args_status refuse_unknown(const struct parser *s, const char *what,
                                       const char *dashes,
                                       const struct nearest *near)
{
	if (near->best)
		return refuse(s, "unknown %s '%s%s' (did you mean '%s%s'?)",
		              what, dashes, near->wanted, dashes, near->best);
	return refuse(s, "unknown %s '%s%s'", what, dashes, near->wanted);
}

/* ---- options ------------------------------------------------------------ */

static const struct args_option *find_long(const struct args_option *options,
                                           struct nearest *near)
{
	for (const struct args_option *o = options; o && o->name; o++) {
		if (strcmp(o->name, near->wanted) == 0)
			return o;
		nearest_offer(near, o->name);
	}
	return NULL;
}

static const struct args_option *find_letter(const struct args_option *options,
                                             char letter)
{
	for (const struct args_option *o = options; o && o->name; o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

/* Where options are looked up, in this order. */
enum { OPTION_TABLES = 3 };

static void option_tables(const struct parser *s,
                          const struct args_option *table[OPTION_TABLES])
{
	table[0] = s->command ? s->command->options : NULL;
	table[1] = s->program->common;
	table[2] = builtin_options;
}

static enum args_status store_int(const struct parser *s,
                                  const struct args_option *o, int64_t *field,
                                  const char *value)
{
	int64_t n;

	if (!value_parse_int(value, &n))
		return refuse(s, "--%s %s: not a whole number", o->name, value);
	if (n < o->min || n > o->max)
		return refuse(s,
		              "--%s %s: out of range, %" PRId64 " to %" PRId64,
		              o->name, value, o->min, o->max);
	*field = n;
	return ARGS_RUN;
}

static enum args_status store_item(const struct parser *s,
                                   const struct args_option *o,
                                   struct args_list *list, const char *value)
{
	if (list->count == ARGS_LIST_MAX)
		return refuse(s, "--%s more than %d times", o->name,
		              ARGS_LIST_MAX);
	list->item[list->count++] = value;
	return ARGS_RUN;
}

static enum args_status store_value(const struct parser *s,
                                    const struct args_option *o,
                                    const char *value)
{
	void *field = (char *)s->target + o->offset;
	const char **text = field;

	if (o->type == ARGS_INT)
		return store_int(s, o, field, value);
	if (o->type == ARGS_LIST)
		return store_item(s, o, field, value);
	*text = value;
	return ARGS_RUN;
}

static enum args_status take_flag(const struct parser *s,
                                  const struct args_option *o)
{
	bool *field = (void *)((char *)s->target + o->offset);

	if (o == &builtin_options[BUILTIN_HELP])
		return show_help(s);
	if (o == &builtin_options[BUILTIN_VERSION])
		return show_version(s);
	*field = true;
	return ARGS_RUN;
}

/* value is what came with the option in the same word, or NULL. */
static enum args_status
take_option(struct parser *s, const struct args_option *o, const char *value)
{
	if (o->type == ARGS_FLAG) {
		if (value)
			return refuse(s, "--%s takes no value", o->name);
		return take_flag(s, o);
	}
	if (!value && s->next < s->argc)
		value = s->argv[s->next++];
	if (!value)
		return refuse(s, "--%s needs a value: %s", o->name, o->value);
	return store_value(s, o, value);
}

/* "--name" or "--name=VALUE", after the dashes. */
static enum args_status take_long(struct parser *s, const char *word)
{
	const struct args_option *table[OPTION_TABLES];
	const char *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : strlen(word);
	char name[NAME_BYTES];
	struct nearest near;

	snprintf(name, sizeof(name), "%.*s", (int)n, word);
	near = nearest_to(name);
	option_tables(s, table);
	for (int i = 0; i < OPTION_TABLES; i++) {
		const struct args_option *o = find_long(table[i], &near);

		if (o)
			return take_option(s, o, equals ? equals + 1 : NULL);
	}
	return refuse_unknown(s, "option", "--", &near);
}

/* "-qv", "-c FILE" or "-cFILE", after the dash. */
static enum args_status take_letters(struct parser *s, const char *word)
{
	const struct args_option *table[OPTION_TABLES];
	enum args_status status = ARGS_RUN;

	option_tables(s, table);
	for (const char *p = word; *p && status == ARGS_RUN; p++) {
		const struct args_option *o = NULL;

		for (int i = 0; i < OPTION_TABLES && !o; i++)
			o = find_letter(table[i], *p);
		if (!o)
			return refuse(s, "unknown option '-%c'", *p);
		if (o->type != ARGS_FLAG)
			return take_option(s, o, p[1] ? p + 1 : NULL);
		status = take_flag(s, o);
	}
	return status;
}

/* ---- commands and operands ---------------------------------------------- */

static const struct args_command *find_command(const struct args_program *p,
                                               struct nearest *near)
{
	const struct args_command *const table[] = { p->commands,
		                                     builtin_commands };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (const struct args_command *c = table[i]; c->name; c++) {
			if (strcmp(c->name, near->wanted) == 0)
				return c;
			nearest_offer(near, c->name);
		}
	}
	return NULL;
}

static enum args_status choose_command(struct parser *s, const char *name)
{
	struct nearest near = nearest_to(name);

	s->command = find_command(s->program, &near);
	if (!s->command)
		return refuse_unknown(s, "command", "", &near);
	return ARGS_RUN;
}

/* Operands move to the front of argv, where words were read already. */
static enum args_status take_operand(struct parser *s, char *word)
{
	const char *taken =
		s->command ? s->command->operands : s->program->operands;

	if (!taken)
		return refuse(s, "unexpected '%s'", word);
	s->result->operands[s->result->operand_count++] = word;
	return ARGS_RUN;
}

static enum args_status take_word(struct parser *s, char *word)
{
	if (s->program->commands && !s->command)
		return choose_command(s, word);
	return take_operand(s, word);
}

static enum args_status help_on_operand(struct parser *s)
{
	const struct args_result *r = s->result;
	enum args_status status = ARGS_RUN;

	if (r->operand_count > 1)
		return refuse(s, "help explains one command at a time");
	s->command = NULL;
	if (r->operand_count == 1)
		status = choose_command(s, r->operands[0]);
	return status == ARGS_RUN ? show_help(s) : status;
}

static enum args_status finish(struct parser *s)
{
	if (s->program->commands && !s->command &&
	    !s->program->command_optional)
		return refuse(s, "no command given");
	if (s->command == &builtin_commands[BUILTIN_HELP])
		return help_on_operand(s);
	if (s->command == &builtin_commands[BUILTIN_VERSION])
		return show_version(s);
	s->result->command = s->command;
	return ARGS_RUN;
}

static enum args_status take_words(struct parser *s)
{
	enum args_status status = ARGS_RUN;
	bool options_ended = false;

	while (status == ARGS_RUN && s->next < s->argc) {
		char *word = s->argv[s->next++];

		if (options_ended || word[0] != '-' || word[1] == '\0')
			status = take_word(s, word);
		else if (strcmp(word, "--") == 0)
			options_ended = true;
		else if (word[1] == '-')
			status = take_long(s, word + 2);
		else
			status = take_letters(s, word + 1);
	}
	return status == ARGS_RUN ? finish(s) : status;
}

enum args_status args_parse(const struct args_program *program, int argc,
                            char **argv, void *target,
                            struct args_result *result, FILE *out,
                            struct err *e)
{
	struct parser s = {
		.program = program,
		.argv = argv,
		.argc = argc,
		.next = 1,
		.target = target,
		.result = result,
		.out = out,
		.e = e,
	};

	*result = (struct args_result){ .operands = argv + 1 };
	return take_words(&s);
}
