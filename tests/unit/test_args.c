/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/args.c"

#include "tests/unit/unit.h"

struct given {
	const char *config;
	struct args_list set;
	bool json;
	bool quiet;
	int64_t jobs;
};

static const struct args_option common[] = {
	{
		.name = "config",
		.letter = 'c',
		.type = ARGS_STRING,
		.offset = offsetof(struct given, config),
		.value = "FILE",
		.help = "read this configuration file",
	},
	{
		.name = "set",
		.type = ARGS_LIST,
		.offset = offsetof(struct given, set),
		.value = "KEY=VALUE",
		.help = "change one setting; may be repeated, and says so at "
			"such a length that it has to be wrapped",
	},
	{ 0 },
};

static const struct args_option check_options[] = {
	{
		.name = "json",
		.letter = 'j',
		.type = ARGS_FLAG,
		.offset = offsetof(struct given, json),
		.help = "write one JSON document",
	},
	{
		.name = "quiet",
		.letter = 'q',
		.type = ARGS_FLAG,
		.offset = offsetof(struct given, quiet),
		.help = "say less",
	},
	{
		.name = "jobs",
		.letter = 'n',
		.type = ARGS_INT,
		.offset = offsetof(struct given, jobs),
		.min = 1,
		.max = 64,
		.value = "N",
		.help = "do so many things at a time",
	},
	{ 0 },
};

static const struct args_command commands[] = {
	{
		.name = "check",
		.summary = "measure once, now",
		.operands = "[PORT ...]",
		.text = "Shows a table.\n"
			"\n"
			"  $ tool check 25      # one port",
		.options = check_options,
	},
	{
		.name = "status",
		.summary = "show what happened",
	},
	{ 0 },
};

static const struct args_program tool = {
	.name = "tool",
	.summary = "finds things out",
	.text = "Exit status 2 says that it was called wrongly.",
	.version = "1.2.3",
	.common = common,
	.commands = commands,
};

static const struct args_program plain = {
	.name = "plain",
	.summary = "does one thing",
	.version = "1.2.3",
	.common = check_options,
	.operands = "FILE",
};

/* What a call came to. */
static struct given given;
static struct args_result result;
static struct err error;
static char *shown; /* freed by the next */
static size_t shown_bytes;

enum { WORDS_MAX = 48 };

static enum args_status parse(const struct args_program *program,
                              const char *const *words)
{
	static char *argv[WORDS_MAX + 2];
	static char name[] = "tool";
	int argc = 1;
	FILE *out;
	enum args_status status;

	free(shown);
	out = open_memstream(&shown, &shown_bytes);
	assert_non_null(out);
	argv[0] = name;
	for (; words[argc - 1]; argc++) {
		assert_true(argc <= WORDS_MAX);
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
	}
	argv[argc] = NULL;
	given = (struct given){ .config = "default" };
	error = (struct err){ 0 };
	status = args_parse(program, argc, argv, &given, &result, out, &error);
	fclose(out);
	return status;
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void accept(const char *const *words)
{
	if (parse(&tool, words) != ARGS_RUN)
		fail_msg("%s", error.text);
	assert_int_equal(shown_bytes, 0);
}

static void refuse_of(const struct args_program *program,
                      const char *const *words, const char *expected)
{
	assert_int_equal(parse(program, words), ARGS_BAD);
	assert_string_equal(error.text, expected);
	assert_int_equal(shown_bytes, 0);
}

static void refuse_words(const char *const *words, const char *expected)
{
	refuse_of(&tool, words, expected);
}

static void show(const struct args_program *program, const char *const *words,
                 const char *expected)
{
	assert_int_equal(parse(program, words), ARGS_SHOWN);
	assert_string_equal(shown, expected);
	assert_string_equal(error.text, "");
}

/* ---- what is accepted --------------------------------------------------- */

static void a_command_alone_leaves_the_defaults(void **state)
{
	(void)state;
	accept(WORDS("check"));
	assert_ptr_equal(result.command, &commands[0]);
	assert_int_equal(result.operand_count, 0);
	assert_string_equal(given.config, "default");
	assert_false(given.json);
}

static void long_options_take_values_in_two_ways(void **state)
{
	(void)state;
	accept(WORDS("check", "--config", "a", "--jobs=7", "--json"));
	assert_string_equal(given.config, "a");
	assert_int_equal(given.jobs, 7);
	assert_true(given.json);
	accept(WORDS("check", "--config=", "--jobs", "7"));
	assert_string_equal(given.config, "");
	accept(WORDS("check", "--config=a=b"));
	assert_string_equal(given.config, "a=b");
}

static void letters_may_stand_together(void **state)
{
	(void)state;
	accept(WORDS("check", "-jqn5", "-c", "a"));
	assert_true(given.json);
	assert_true(given.quiet);
	assert_int_equal(given.jobs, 5);
	assert_string_equal(given.config, "a");
	accept(WORDS("check", "-qca"));
	assert_string_equal(given.config, "a");
}

static void a_value_may_look_like_an_option(void **state)
{
	(void)state;
	accept(WORDS("check", "--config", "--json", "-c", "-q"));
	assert_string_equal(given.config, "-q");
	assert_false(given.json);
}

static void a_list_collects_and_the_last_single_value_wins(void **state)
{
	(void)state;
	accept(WORDS("check", "--set", "a=1", "--set=b=2", "-c", "x", "-c",
	             "y"));
	assert_int_equal(given.set.count, 2);
	assert_string_equal(given.set.item[0], "a=1");
	assert_string_equal(given.set.item[1], "b=2");
	assert_string_equal(given.config, "y");
}

static void operands_and_options_may_be_mixed(void **state)
{
	(void)state;
	accept(WORDS("-c", "a", "check", "25", "--json", "-", "--", "-q",
	             "--json"));
	assert_int_equal(result.operand_count, 4);
	assert_string_equal(result.operands[0], "25");
	assert_string_equal(result.operands[1], "-");
	assert_string_equal(result.operands[2], "-q");
	assert_string_equal(result.operands[3], "--json");
	assert_false(given.quiet);
}

static void a_program_without_commands_takes_operands(void **state)
{
	(void)state;
	assert_int_equal(parse(&plain, WORDS("-j", "a")), ARGS_RUN);
	assert_null(result.command);
	assert_int_equal(result.operand_count, 1);
	assert_string_equal(result.operands[0], "a");
	assert_true(given.json);
}

static void an_optional_command_may_be_left_out(void **state)
{
	struct args_program lenient = tool;

	(void)state;
	lenient.command_optional = true;
	assert_int_equal(parse(&lenient, WORDS("-c", "a")), ARGS_RUN);
	assert_null(result.command);
}

/* ---- what is refused ---------------------------------------------------- */

static void no_command_is_an_error(void **state)
{
	(void)state;
	refuse_words(WORDS("-c", "a"), "no command given; see 'tool --help'");
}

static void an_unknown_command_is_named_with_its_nearest(void **state)
{
	(void)state;
	refuse_words(WORDS("chekc"), "unknown command 'chekc' (did you mean "
	                             "'check'?); see 'tool --help'");
	refuse_words(WORDS("frobnicate"),
	             "unknown command 'frobnicate'; see 'tool --help'");
	refuse_words(WORDS("help", "chek"),
	             "unknown command 'chek' (did you mean 'check'?); see "
	             "'tool --help'");
}

static void an_unknown_option_is_named_with_its_nearest(void **state)
{
	(void)state;
	refuse_words(WORDS("check", "--jsno"),
	             "unknown option '--jsno' (did you mean '--json'?); see "
	             "'tool check --help'");
	refuse_words(WORDS("check", "--confg=x"),
	             "unknown option '--confg' (did you mean '--config'?); "
	             "see 'tool check --help'");
	refuse_words(WORDS("status", "--frobnicate"),
	             "unknown option '--frobnicate'; see 'tool status --help'");
	refuse_words(WORDS("check", "-jx"),
	             "unknown option '-x'; see 'tool check --help'");
}

static void options_of_one_command_are_unknown_to_another(void **state)
{
	(void)state;
	refuse_words(WORDS("status", "--json"),
	             "unknown option '--json'; see 'tool status --help'");
	refuse_words(WORDS("--json", "check"),
	             "unknown option '--json'; see 'tool --help'");
}

static void a_missing_value_is_asked_for(void **state)
{
	(void)state;
	refuse_words(WORDS("check", "--config"),
	             "--config needs a value: FILE; see 'tool check --help'");
	refuse_words(WORDS("check", "-qn"),
	             "--jobs needs a value: N; see 'tool check --help'");
}

static void a_flag_takes_no_value(void **state)
{
	(void)state;
	refuse_words(WORDS("check", "--json=yes"),
	             "--json takes no value; see 'tool check --help'");
	refuse_words(WORDS("check", "--help=all"),
	             "--help takes no value; see 'tool check --help'");
}

static void a_number_is_checked(void **state)
{
	(void)state;
	refuse_words(WORDS("check", "--jobs", "7x"),
	             "--jobs 7x: not a whole number; see 'tool check --help'");
	refuse_words(WORDS("check", "-n", "0"),
	             "--jobs 0: out of range, 1 to 64; see 'tool check "
	             "--help'");
	refuse_words(WORDS("check", "--jobs=65"),
	             "--jobs 65: out of range, 1 to 64; see 'tool check "
	             "--help'");
}

static void operands_nobody_asked_for_are_refused(void **state)
{
	struct args_program none = plain;

	(void)state;
	refuse_words(WORDS("status", "now"),
	             "unexpected 'now'; see 'tool status --help'");
	refuse_words(WORDS("version", "now"),
	             "unexpected 'now'; see 'tool version --help'");
	refuse_words(WORDS("help", "check", "status"),
	             "help explains one command at a time; see 'tool help "
	             "--help'");
	none.operands = NULL;
	refuse_of(&none, WORDS("x"), "unexpected 'x'; see 'plain --help'");
}

static void an_option_too_often_is_refused(void **state)
{
	const char *words[2 * (ARGS_LIST_MAX + 1) + 2] = { "check" };

	(void)state;
	for (int i = 0; i <= ARGS_LIST_MAX; i++) {
		words[1 + 2 * i] = "--set";
		words[2 + 2 * i] = "a=1";
	}
	refuse_words(words,
	             "--set more than 16 times; see 'tool check --help'");
}

static void a_very_long_word_is_refused_in_one_line(void **state)
{
	char word[3000];

	(void)state;
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	memcpy(word, "--", 2);
	assert_int_equal(parse(&tool, WORDS("check", word)), ARGS_BAD);
	assert_int_equal(parse(&tool, WORDS(word + 2)), ARGS_BAD);
	/* It still says where to read on. */
	assert_non_null(strstr(error.text, "; see 'tool --help'"));
}

/* ---- help --------------------------------------------------------------- */

static const char tool_help[] =
	"Usage: tool COMMAND [OPTIONS]\n"
	"\n"
	"finds things out\n"
	"\n"
	"Commands:\n"
	"  check       measure once, now\n"
	"  status      show what happened\n"
	"  help        explain a command\n"
	"  version     show the version\n"
	"\n"
	"Options of every command:\n"
	"  -c, --config FILE       read this configuration file\n"
	"      --set KEY=VALUE     change one setting; may be repeated, and "
	"says so at\n"
	"                          such a length that it has to be wrapped\n"
	"  -h, --help              show this help\n"
	"      --version           show the version\n"
	"\n"
	"Exit status 2 says that it was called wrongly.\n"
	"\n"
	"'tool help COMMAND' explains a command.\n";

static const char check_help[] =
	"Usage: tool check [OPTIONS] [PORT ...]\n"
	"\n"
	"measure once, now\n"
	"\n"
	"Options:\n"
	"  -j, --json              write one JSON document\n"
	"  -q, --quiet             say less\n"
	"  -n, --jobs N            do so many things at a time\n"
	"  -c, --config FILE       read this configuration file\n"
	"      --set KEY=VALUE     change one setting; may be repeated, and "
	"says so at\n"
	"                          such a length that it has to be wrapped\n"
	"  -h, --help              show this help\n"
	"      --version           show the version\n"
	"\n"
	"Shows a table.\n"
	"\n"
	"  $ tool check 25      # one port\n";

static void help_teaches_the_program(void **state)
{
	(void)state;
	show(&tool, WORDS("--help"), tool_help);
	show(&tool, WORDS("-h"), tool_help);
	show(&tool, WORDS("help"), tool_help);
	show(&tool, WORDS("-c", "a", "--help"), tool_help);
}

static void help_on_a_command_is_the_same_either_way(void **state)
{
	(void)state;
	show(&tool, WORDS("check", "--help"), check_help);
	show(&tool, WORDS("check", "-qh"), check_help);
	show(&tool, WORDS("help", "check"), check_help);
	show(&tool, WORDS("check", "25", "--help"), check_help);
}

static void a_program_without_commands_has_help(void **state)
{
	(void)state;
	show(&plain, WORDS("--help"),
	     "Usage: plain [OPTIONS] FILE\n"
	     "\n"
	     "does one thing\n"
	     "\n"
	     "Options:\n"
	     "  -j, --json              write one JSON document\n"
	     "  -q, --quiet             say less\n"
	     "  -n, --jobs N            do so many things at a time\n"
	     "  -h, --help              show this help\n"
	     "      --version           show the version\n");
}

static void the_version_is_shown(void **state)
{
	(void)state;
	show(&tool, WORDS("--version"), "tool 1.2.3\n");
	show(&tool, WORDS("version"), "tool 1.2.3\n");
	show(&tool, WORDS("check", "--version"), "tool 1.2.3\n");
	show(&plain, WORDS("--version"), "plain 1.2.3\n");
}

static void a_program_may_have_its_own_version_command(void **state)
{
	static const struct args_command own[] = {
		{
			.name = "version",
			.summary = "show the version and the schema's",
		},
		{ 0 },
	};
	struct args_program program = tool;

	(void)state;
	program.commands = own;
	assert_int_equal(parse(&program, WORDS("version")), ARGS_RUN);
	assert_ptr_equal(result.command, &own[0]);
	assert_int_equal(parse(&program, WORDS("--help")), ARGS_SHOWN);
	assert_non_null(strstr(shown, "  version     show the version and "
	                              "the schema's\n"
	                              "  help        explain a command\n"
	                              "\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_alone_leaves_the_defaults),
		cmocka_unit_test(long_options_take_values_in_two_ways),
		cmocka_unit_test(letters_may_stand_together),
		cmocka_unit_test(a_value_may_look_like_an_option),
		cmocka_unit_test(
			a_list_collects_and_the_last_single_value_wins),
		cmocka_unit_test(operands_and_options_may_be_mixed),
		cmocka_unit_test(a_program_without_commands_takes_operands),
		cmocka_unit_test(an_optional_command_may_be_left_out),
		cmocka_unit_test(no_command_is_an_error),
		cmocka_unit_test(an_unknown_command_is_named_with_its_nearest),
		cmocka_unit_test(an_unknown_option_is_named_with_its_nearest),
		cmocka_unit_test(options_of_one_command_are_unknown_to_another),
		cmocka_unit_test(a_missing_value_is_asked_for),
		cmocka_unit_test(a_flag_takes_no_value),
		cmocka_unit_test(a_number_is_checked),
		cmocka_unit_test(operands_nobody_asked_for_are_refused),
		cmocka_unit_test(an_option_too_often_is_refused),
		cmocka_unit_test(a_very_long_word_is_refused_in_one_line),
		cmocka_unit_test(help_teaches_the_program),
		cmocka_unit_test(help_on_a_command_is_the_same_either_way),
		cmocka_unit_test(a_program_without_commands_has_help),
		cmocka_unit_test(the_version_is_shown),
		cmocka_unit_test(a_program_may_have_its_own_version_command),
	};

	return UNIT_RUN(tests);
}
