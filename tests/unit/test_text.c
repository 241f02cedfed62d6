/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text.c"

#include "tests/unit/unit.h"

static const char lorem[] =
	"one two three four five six seven eight nine ten eleven twelve "
	"thirteen fourteen fifteen";

static char *written;
static size_t written_bytes;

static FILE *begin(void **state)
{
	FILE *out = open_memstream(&written, &written_bytes);

	(void)state;
	assert_non_null(out);
	return out;
}

static void check(FILE *out, const char *expected)
{
	fclose(out);
	assert_string_equal(written, expected);
	free(written);
}

static void a_text_is_wrapped_beside_its_label(void **state)
{
	FILE *out = begin(state);

	text_item(out, "  --json", 14, lorem);
	check(out,
	      "  --json      one two three four five six seven eight nine ten "
	      "eleven twelve\n"
	      "              thirteen fourteen fifteen\n");
}

static void a_long_label_gets_a_line_of_its_own(void **state)
{
	FILE *out = begin(state);

	text_item(out, "  --allow-anything", 14, "short text");
	check(out, "  --allow-anything\n              short text\n");
}

static void a_label_and_its_text_stay_two_spaces_apart(void **state)
{
	FILE *out = begin(state);

	text_item(out, "12345678", 10, "text");
	text_item(out, "123456789", 10, "text");
	check(out, "12345678  text\n123456789\n          text\n");
}

static void no_line_is_wider_than_the_terminal(void **state)
{
	FILE *out = begin(state);
	const char *line;

	for (int indent = 0; indent < 60; indent++)
		text_item(out, "", indent, lorem);
	fclose(out);
	for (line = written; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= TEXT_WIDTH);
	free(written);
}

static void a_line_may_be_as_wide_as_the_terminal(void **state)
{
	char word[TEXT_WIDTH];
	char line[2 * TEXT_WIDTH];
	char expected[3 * TEXT_WIDTH];
	FILE *out = begin(state);

	memset(word, 'x', sizeof(word));
	snprintf(line, sizeof(line), "%.*s y", TEXT_WIDTH - 2, word);
	text_item(out, "", 0, line);
	snprintf(expected, sizeof(expected), "%s\n", line);
	check(out, expected);

	out = begin(state);
	snprintf(line, sizeof(line), "%.*s y", TEXT_WIDTH - 1, word);
	text_item(out, "", 0, line);
	snprintf(expected, sizeof(expected), "%.*s\ny\n", TEXT_WIDTH - 1, word);
	check(out, expected);
}

static void a_word_wider_than_the_terminal_is_not_broken(void **state)
{
	char word[100];
	char expected[200];
	FILE *out = begin(state);

	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	snprintf(expected, sizeof(expected), "%s\n", word);
	text_item(out, "", 0, word);
	check(out, expected);
}

static void paragraphs_are_wrapped_and_examples_are_kept(void **state)
{
	FILE *out = begin(state);

	text_paragraphs(out, "one two three four five six seven eight nine ten "
	                     "eleven twelve thirteen fourteen fifteen\n"
	                     "\n"
	                     "  $ periplus check     # spaces are kept\n"
	                     "last");
	check(out, "one two three four five six seven eight nine ten eleven "
	           "twelve thirteen\nfourteen fifteen\n"
	           "\n"
	           "  $ periplus check     # spaces are kept\n"
	           "last\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_wrapped_beside_its_label),
		cmocka_unit_test(a_long_label_gets_a_line_of_its_own),
		cmocka_unit_test(a_label_and_its_text_stay_two_spaces_apart),
		cmocka_unit_test(no_line_is_wider_than_the_terminal),
		cmocka_unit_test(a_line_may_be_as_wide_as_the_terminal),
		cmocka_unit_test(a_word_wider_than_the_terminal_is_not_broken),
		cmocka_unit_test(paragraphs_are_wrapped_and_examples_are_kept),
	};

	return UNIT_RUN(tests);
}
