/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf.c"

#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/unit.h"

struct config {
	int64_t workers;
	int64_t offset;
	bool upload;
	char *name;
	char *comment;
	struct conf_list listen;
	int64_t interval_ns;
	int64_t spool_max_bytes;
};

static const struct conf_key keys[] = {
	{
		.name = "workers",
		.type = CONF_INT,
		.offset = offsetof(struct config, workers),
		.min = 1,
		.max = 64,
		.def = "4",
		.help = "threads that work",
	},
	{
		.name = "offset",
		.type = CONF_INT,
		.offset = offsetof(struct config, offset),
		.help = "any number",
	},
	{
		.name = "upload",
		.type = CONF_BOOL,
		.offset = offsetof(struct config, upload),
		.def = "yes",
		.help = "send runs",
	},
	{
		.name = "name",
		.type = CONF_STRING,
		.offset = offsetof(struct config, name),
		.def = "fra1",
		.help = "of this machine",
	},
	{
		.name = "comment",
		.type = CONF_STRING,
		.offset = offsetof(struct config, comment),
		.help = ".Anything that one would like to say; this text is "
			"so long that it does not fit on one line",
	},
	{
		.name = "listen",
		.type = CONF_LIST,
		.offset = offsetof(struct config, listen),
		.def = "0.0.0.0 ::",
		.help = "addresses",
	},
	{
		.name = "interval",
		.type = CONF_DURATION,
		.offset = offsetof(struct config, interval_ns),
		.min = 1,
		.max = 86400,
		.def = "6h",
		.help = "between rounds",
	},
	{
		.name = "spool_max",
		.type = CONF_SIZE,
		.offset = offsetof(struct config, spool_max_bytes),
		.min = 1 << 20,
		.max = 1 << 30,
		.def = "64M",
		.help = "at most this much",
	},
	{ 0 },
};

static char directory[] = "/tmp/test_conf-XXXXXX";
static char path[sizeof(directory) + 10];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/a.conf", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static void put(const char *text, size_t n_bytes)
{
	struct err e;

	if (!file_replace(path, text, n_bytes, 0644, &e))
		fail_msg("%s", e.text);
}

static struct config load(const char *text)
{
	struct config c;
	struct err e;

	put(text, strlen(text));
	conf_defaults(keys, &c);
	if (!conf_load(keys, &c, path, &e))
		fail_msg("%s", e.text);
	return c;
}

/* The error must be: path, then what is expected. */
static void refuse_file(const char *text, const char *expected)
{
	char whole[600];
	struct config c;
	struct err e;

	put(text, strlen(text));
	conf_defaults(keys, &c);
	assert_false(conf_load(keys, &c, path, &e));
	snprintf(whole, sizeof(whole), "%s%s", path, expected);
	assert_string_equal(e.text, whole);
	conf_free(keys, &c);
}

static void refuse_set(const char *assignment, const char *expected)
{
	struct config c;
	struct err e;

	conf_defaults(keys, &c);
	assert_false(conf_set(keys, &c, "--set", assignment, &e));
	assert_string_equal(e.text, expected);
	conf_free(keys, &c);
}

/* ---- reading ------------------------------------------------------------ */

static void defaults_fill_every_field(void **state)
{
	struct config c;

	(void)state;
	memset(&c, 0xff, sizeof(c));
	conf_defaults(keys, &c);
	assert_int_equal(c.workers, 4);
	assert_int_equal(c.offset, 0);
	assert_true(c.upload);
	assert_string_equal(c.name, "fra1");
	assert_null(c.comment);
	assert_int_equal(c.listen.count, 2);
	assert_string_equal(c.listen.item[1], "::");
	assert_int_equal(c.interval_ns, 6 * 3600 * CLOCK_S);
	assert_int_equal(c.spool_max_bytes, 64 << 20);
	conf_free(keys, &c);
	assert_null(c.name);
	assert_int_equal(c.listen.count, 0);
}

static void a_file_replaces_what_it_names(void **state)
{
	struct config c = load("workers = 64\n"
	                       "offset = -9\n"
	                       "upload = no\n"
	                       "name = home of the bee\n"
	                       "interval = 500s\n"
	                       "spool_max = 2M\n");

	(void)state;
	assert_int_equal(c.workers, 64);
	assert_int_equal(c.offset, -9);
	assert_false(c.upload);
	assert_string_equal(c.name, "home of the bee");
	assert_null(c.comment);
	assert_int_equal(c.interval_ns, 500 * CLOCK_S);
	assert_int_equal(c.spool_max_bytes, 2 << 20);
	conf_free(keys, &c);
}

static void white_space_and_comments_do_not_matter(void **state)
{
	struct config c = load("# workers = 9\n"
	                       "\n"
	                       "   \t \n"
	                       "\tworkers=7 # seven\r\n"
	                       "name = a#b #c\r\n"
	                       "comment = x = y");

	(void)state;
	assert_int_equal(c.workers, 7);
	assert_string_equal(c.name, "a#b");
	assert_string_equal(c.comment, "x = y");
	conf_free(keys, &c);
}

static void an_empty_file_changes_nothing(void **state)
{
	struct config c = load("");

	(void)state;
	assert_int_equal(c.workers, 4);
	conf_free(keys, &c);
}

static void an_empty_text_is_none(void **state)
{
	struct config c = load("name =\nlisten =\n");

	(void)state;
	assert_null(c.name);
	assert_int_equal(c.listen.count, 0);
	conf_free(keys, &c);
}

static void a_list_grows_in_a_file_and_forgets_its_default(void **state)
{
	struct config c = load("listen = a\nlisten = b \t c\n");

	(void)state;
	assert_int_equal(c.listen.count, 3);
	assert_string_equal(c.listen.item[0], "a");
	assert_string_equal(c.listen.item[1], "b");
	assert_string_equal(c.listen.item[2], "c");
	conf_free(keys, &c);
}

static void the_command_line_replaces_any_value(void **state)
{
	struct config c = load("workers = 5\nlisten = a\n");
	struct err e;

	(void)state;
	assert_true(conf_set(keys, &c, "--set", "workers=6", &e));
	assert_true(conf_set(keys, &c, "--set", " workers = 8 ", &e));
	assert_true(conf_set(keys, &c, "--set", "listen=x y", &e));
	assert_true(conf_set(keys, &c, "--set", "name=", &e));
	assert_int_equal(c.workers, 8);
	assert_int_equal(c.listen.count, 2);
	assert_string_equal(c.listen.item[0], "x");
	assert_null(c.name);
	conf_free(keys, &c);
}

static void the_ends_of_a_range_are_inside(void **state)
{
	struct config c = load("workers = 1\ninterval = 86400000ms\n"
	                       "spool_max = 1G\n");

	(void)state;
	assert_int_equal(c.workers, 1);
	assert_int_equal(c.interval_ns, CLOCK_DAY);
	assert_int_equal(c.spool_max_bytes, 1 << 30);
	conf_free(keys, &c);
}

/* ---- errors ------------------------------------------------------------- */

static void an_unknown_key_is_named_with_its_nearest(void **state)
{
	(void)state;
	refuse_file("# first\nintervall = 6h\n",
	            ":2: unknown key 'intervall'; did you mean 'interval'?");
	refuse_file("Workers = 6\n",
	            ":1: unknown key 'Workers'; did you mean 'workers'?");
	refuse_file("colour = red\n",
	            ":1: unknown key 'colour'; --help-config lists the keys");
	refuse_file("two words = red\n", ":1: unknown key 'two words'; "
	                                 "--help-config lists the keys");
	refuse_file("= red\n",
	            ":1: unknown key ''; --help-config lists the keys");
}

static void a_line_that_is_no_assignment_is_shown(void **state)
{
	(void)state;
	refuse_file("\nworkers 6 # six\n",
	            ":2: expected 'key = value', found 'workers 6'");
	refuse_file("[section]",
	            ":1: expected 'key = value', found '[section]'");
	refuse_file("\x1b[2J\n",
	            ":1: expected 'key = value', found '\\x1b[2J'");
}

static void junk_after_a_value_is_refused(void **state)
{
	(void)state;
	refuse_file("workers = 6 or 7\n",
	            ":1: workers = 6 or 7: not a whole number");
	refuse_file("workers = 6,\n", ":1: workers = 6,: not a whole number");
	refuse_file("upload = yes!\n", ":1: upload = yes!: neither yes nor no");
}

static void a_value_of_the_wrong_kind_is_told_the_right_one(void **state)
{
	(void)state;
	refuse_file("workers = six\n", ":1: workers = six: not a whole number");
	refuse_file("upload = true\n", ":1: upload = true: neither yes nor no");
	refuse_file("interval = 10\n",
	            ":1: interval = 10: not a duration (a number with ms, s, "
	            "m, h or d, as in 10s)");
	refuse_file("spool_max = 10MB\n",
	            ":1: spool_max = 10MB: not a size (bytes, or a number with "
	            "k, M or G, as in 64k)");
}

static void a_value_out_of_range_is_told_the_range(void **state)
{
	(void)state;
	refuse_file("workers = 0\n", ":1: workers = 0: out of range, 1 to 64");
	refuse_file("workers = 65\n",
	            ":1: workers = 65: out of range, 1 to 64");
	refuse_file("interval = 999ms\n",
	            ":1: interval = 999ms: out of range, 1s to 1d");
	refuse_file("interval = 25h\n",
	            ":1: interval = 25h: out of range, 1s to 1d");
	refuse_file("spool_max = 1023k\n",
	            ":1: spool_max = 1023k: out of range, 1M to 1G");
}

static void a_value_that_is_missing_is_asked_for(void **state)
{
	(void)state;
	refuse_file("workers =\n", ":1: workers needs a value");
	refuse_file("upload = # yes\n", ":1: upload needs a value");
	refuse_file("interval=", ":1: interval needs a value");
	refuse_file("spool_max=", ":1: spool_max needs a value");
}

static void a_key_set_twice_is_refused_with_both_lines(void **state)
{
	(void)state;
	refuse_file("workers = 5\n\nname = x\nworkers = 5\n",
	            ":4: workers is already set in line 1");
	refuse_file("name =\nname = y\n", ":2: name is already set in line 1");
}

static void a_list_that_is_too_long_is_refused(void **state)
{
	(void)state;
	refuse_file("listen = 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
	            "listen = 17\n",
	            ":2: listen: more than 16 items");
}

static void a_long_value_is_shown_in_part(void **state)
{
	char text[300];
	char expected[300];

	(void)state;
	snprintf(text, sizeof(text), "workers = %0200d", 7);
	snprintf(expected, sizeof(expected),
	         ":1: workers = %076d...: not a whole number", 0);
	/* Leading zeros are no error; a letter at the end is. */
	snprintf(text + strlen(text), 2, "x");
	refuse_file(text, expected);
}

static void a_file_that_is_no_text_is_refused(void **state)
{
	struct config c;
	char expected[100];
	struct err e;

	(void)state;
	put("workers = 4\0\n", 13);
	conf_defaults(keys, &c);
	assert_false(conf_load(keys, &c, path, &e));
	snprintf(expected, sizeof(expected),
	         "%s is not a text file: it has a 0 byte", path);
	assert_string_equal(e.text, expected);
	conf_free(keys, &c);
}

static void a_missing_file_is_named(void **state)
{
	struct config c;
	struct err e;

	(void)state;
	conf_defaults(keys, &c);
	assert_false(conf_load(keys, &c, "/nonexistent/a.conf", &e));
	assert_string_equal(e.text, "cannot open /nonexistent/a.conf: No such "
	                            "file or directory");
	conf_free(keys, &c);
}

static void errors_of_the_command_line_name_it(void **state)
{
	(void)state;
	refuse_set("workers=0", "--set: workers = 0: out of range, 1 to 64");
	refuse_set("worker=1",
	           "--set: unknown key 'worker'; did you mean 'workers'?");
	refuse_set("workers", "--set: expected 'key = value', found 'workers'");
	refuse_set("", "--set: expected 'key = value', found ''");
	refuse_set("name=a\nworkers=1",
	           "--set: name = a\\x0aworkers=1: more than one line");
}

/* ---- writing ------------------------------------------------------------ */

static char *written;
static size_t written_bytes;

static FILE *begin(void)
{
	FILE *out = open_memstream(&written, &written_bytes);

	assert_non_null(out);
	return out;
}

static void check_written(FILE *out, const char *expected)
{
	fclose(out);
	assert_string_equal(written, expected);
	free(written);
}

static void what_is_printed_can_be_loaded_again(void **state)
{
	static const char text[] = "workers = 7\n"
				   "offset = -3\n"
				   "upload = no\n"
				   "name = a#b = c\n"
				   "comment =\n"
				   "listen = a b\n"
				   "interval = 90m\n"
				   "spool_max = 3M\n";
	struct config c = load(text);
	FILE *out = begin();

	(void)state;
	conf_print(keys, &c, out);
	check_written(out, text);
	conf_free(keys, &c);
}

static void the_defaults_can_be_printed_and_loaded(void **state)
{
	struct config c = load("");
	FILE *out = begin();
	struct config again;

	(void)state;
	conf_print(keys, &c, out);
	fclose(out);
	again = load(written);
	assert_int_equal(again.interval_ns, c.interval_ns);
	assert_int_equal(again.listen.count, 2);
	free(written);
	conf_free(keys, &c);
	conf_free(keys, &again);
}

static void help_tells_default_range_and_meaning(void **state)
{
	FILE *out = begin();

	(void)state;
	conf_help(keys, out);
	check_written(
		out,
		"workers = 4   (1 to 64)\n"
		"    threads that work\n"
		"\n"
		"offset =   (a whole number)\n"
		"    any number\n"
		"\n"
		"upload = yes   (yes or no)\n"
		"    send runs\n"
		"\n"
		"name = fra1\n"
		"    of this machine\n"
		"\n"
		"comment =\n"
		"    .Anything that one would like to say; this text is so "
		"long that it does\n"
		"    not fit on one line\n"
		"\n"
		"listen = 0.0.0.0 ::   (may be repeated)\n"
		"    addresses\n"
		"\n"
		"interval = 6h   (1s to 1d)\n"
		"    between rounds\n"
		"\n"
		"spool_max = 64M   (1M to 1G)\n"
		"    at most this much\n");
}

static void the_manual_page_has_the_same_in_roff(void **state)
{
	static const struct conf_key some[] = {
		{
			.name = "path",
			.type = CONF_STRING,
			.def = "/a-b\\c",
			.help = "'quoted' at the beginning - and a dash",
		},
		{
			.name = "interval",
			.type = CONF_DURATION,
			.min = 1,
			.max = 60,
			.help = ".hidden in ~",
		},
		{ 0 },
	};
	FILE *out = begin();

	(void)state;
	conf_man(some, out);
	check_written(out, ".TP\n"
	                   "\\fBpath\\fR = /a\\-b\\ec\n"
	                   "\\&'quoted' at the beginning \\- and a dash\n"
	                   ".TP\n"
	                   "\\fBinterval\\fR =   (1s to 1m)\n"
	                   "\\&.hidden in \\(ti\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_fill_every_field),
		cmocka_unit_test(a_file_replaces_what_it_names),
		cmocka_unit_test(white_space_and_comments_do_not_matter),
		cmocka_unit_test(an_empty_file_changes_nothing),
		cmocka_unit_test(an_empty_text_is_none),
		cmocka_unit_test(
			a_list_grows_in_a_file_and_forgets_its_default),
		cmocka_unit_test(the_command_line_replaces_any_value),
		cmocka_unit_test(the_ends_of_a_range_are_inside),
		cmocka_unit_test(an_unknown_key_is_named_with_its_nearest),
		cmocka_unit_test(a_line_that_is_no_assignment_is_shown),
		cmocka_unit_test(junk_after_a_value_is_refused),
		cmocka_unit_test(
			a_value_of_the_wrong_kind_is_told_the_right_one),
		cmocka_unit_test(a_value_out_of_range_is_told_the_range),
		cmocka_unit_test(a_value_that_is_missing_is_asked_for),
		cmocka_unit_test(a_key_set_twice_is_refused_with_both_lines),
		cmocka_unit_test(a_list_that_is_too_long_is_refused),
		cmocka_unit_test(a_long_value_is_shown_in_part),
		cmocka_unit_test(a_file_that_is_no_text_is_refused),
		cmocka_unit_test(a_missing_file_is_named),
		cmocka_unit_test(errors_of_the_command_line_name_it),
		cmocka_unit_test(what_is_printed_can_be_loaded_again),
		cmocka_unit_test(the_defaults_can_be_printed_and_loaded),
		cmocka_unit_test(help_tells_default_range_and_meaning),
		cmocka_unit_test(the_manual_page_has_the_same_in_roff),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
