/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/log.c"

#include <fcntl.h>
#include <pty.h>

#include "tests/unit/unit.h"

enum { WRITTEN_BYTES = 4096 };

/* Give stderr another end while f runs; returns what f wrote. */
static void capture(int to, int from, void (*f)(void), char *written)
{
	int saved = dup(STDERR_FILENO);
	size_t used = 0;
	ssize_t n;

	assert_true(saved >= 0);
	assert_int_equal(fcntl(from, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(dup2(to, STDERR_FILENO), STDERR_FILENO);
	f();
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	/* A terminal hands out one line at a time. */
	while ((n = read(from, written + used, WRITTEN_BYTES - 1 - used)) > 0)
		used += (size_t)n;
	written[used] = '\0';
}

static void capture_pipe(void (*f)(void), char *written)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	capture(fds[1], fds[0], f, written);
	close(fds[0]);
	close(fds[1]);
}

static void one_of_each(void)
{
	log_error("disk %s", "full");
	log_warn("clock is off by %d s", 9);
	log_info("started");
	log_debug("detail");
}

static void lines_carry_the_level_for_journald(void **state)
{
	char written[WRITTEN_BYTES];

	(void)state;
	log_set_level(LOG_LEVEL_INFO);
	capture_pipe(one_of_each, written);
	assert_string_equal(written, "<3>disk full\n"
	                             "<4>clock is off by 9 s\n"
	                             "<6>started\n");
}

static void the_level_decides_what_is_written(void **state)
{
	char written[WRITTEN_BYTES];

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	capture_pipe(one_of_each, written);
	assert_string_equal(written, "<3>disk full\n");
	log_set_level(LOG_LEVEL_DEBUG);
	capture_pipe(one_of_each, written);
	assert_non_null(strstr(written, "<7>detail\n"));
	log_set_level(LOG_LEVEL_INFO);
}

static void a_terminal_sees_the_text_alone(void **state)
{
	char written[WRITTEN_BYTES];
	int master;
	int slave;

	(void)state;
	if (openpty(&master, &slave, NULL, NULL, NULL) < 0)
		skip();
	capture(slave, master, one_of_each, written);
	close(slave);
	close(master);
	assert_string_equal(written, "disk full\r\n"
	                             "clock is off by 9 s\r\n"
	                             "started\r\n");
}

static void with_a_line_break(void)
{
	log_info("a\nb\x1b[2Jc\x7f");
}

static void an_event_is_one_line_whatever_is_in_it(void **state)
{
	char written[WRITTEN_BYTES];

	(void)state;
	capture_pipe(with_a_line_break, written);
	assert_string_equal(written, "<6>a?b?[2Jc?\n");
}

static void very_long(void)
{
	char text[3 * LINE_BYTES];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
}

static void a_long_line_is_cut_and_still_ends(void **state)
{
	char written[WRITTEN_BYTES];

	(void)state;
	capture_pipe(very_long, written);
	assert_int_equal(strlen(written), LINE_BYTES);
	assert_int_equal(written[LINE_BYTES - 1], '\n');
}

static void with_errno(void)
{
	errno = ENOSPC;
	log_info("full");
	assert_int_equal(errno, ENOSPC);
}

static void logging_keeps_errno(void **state)
{
	char written[WRITTEN_BYTES];

	(void)state;
	capture_pipe(with_errno, written);
	assert_string_equal(written, "<6>full\n");
}

static void check_escape(const char *bytes, size_t n, size_t room,
                         const char *expected)
{
	char out[64];

	memset(out, '#', sizeof(out));
	assert_ptr_equal(log_escape(out, room, bytes, n), out);
	assert_string_equal(out, expected);
	assert_int_equal(out[room], '#');
}

static void printable_bytes_pass_and_others_are_escaped(void **state)
{
	(void)state;
	check_escape("GET / HTTP", 10, 40, "GET / HTTP");
	check_escape("a\nb\0c", 5, 40, "a\\x0ab\\x00c");
	check_escape("\"'\\", 3, 40, "\\x22\\x27\\x5c");
	check_escape("\x1b\x7f\xc3\xa9", 4, 40, "\\x1b\\x7f\\xc3\\xa9");
	check_escape("", 0, 40, "");
}

static void what_does_not_fit_ends_in_dots(void **state)
{
	(void)state;
	check_escape("abcdef", 6, 7, "abcdef");
	check_escape("abcdef", 6, 6, "ab...");
	check_escape("ab\ncdef", 7, 9, "ab...");
	check_escape("ab\ncdef", 7, 10, "ab\\x0a...");
	check_escape("\n\n", 2, 9, "\\x0a\\x0a");
	check_escape("\n\n", 2, 8, "\\x0a...");
	check_escape("abcdef", 6, 4, "...");
	check_escape("abcdef", 6, 3, "..");
	check_escape("abcdef", 6, 1, "");
}

static void no_room_is_not_written_to(void **state)
{
	char out = '#';

	(void)state;
	log_escape(&out, 0, "abc", 3);
	assert_int_equal(out, '#');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_carry_the_level_for_journald),
		cmocka_unit_test(the_level_decides_what_is_written),
		cmocka_unit_test(a_terminal_sees_the_text_alone),
		cmocka_unit_test(an_event_is_one_line_whatever_is_in_it),
		cmocka_unit_test(a_long_line_is_cut_and_still_ends),
		cmocka_unit_test(logging_keeps_errno),
		cmocka_unit_test(printable_bytes_pass_and_others_are_escaped),
		cmocka_unit_test(what_does_not_fit_ends_in_dots),
		cmocka_unit_test(no_room_is_not_written_to),
	};

	return UNIT_RUN(tests);
}
