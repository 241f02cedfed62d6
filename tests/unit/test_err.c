/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.c"

#include <errno.h>

#include "tests/unit/unit.h"

static void failure_is_false_and_says_why(void **state)
{
	struct err e;

	(void)state;
	assert_false(err_set(&e, ENOENT, "cannot open %s", "/etc/x"));
	assert_string_equal(e.text,
	                    "cannot open /etc/x: No such file or directory");
	assert_int_equal(e.code, ENOENT);
}

static void without_a_code_the_text_stands_alone(void **state)
{
	struct err e;

	(void)state;
	assert_false(err_set(&e, 0, "line %d is odd", 3));
	assert_string_equal(e.text, "line 3 is odd");
	assert_int_equal(e.code, 0);
}

static void an_unknown_code_is_named_by_its_number(void **state)
{
	struct err e;

	(void)state;
	err_set(&e, 99999, "cannot wait");
	assert_string_equal(e.text, "cannot wait: Unknown error 99999");
}

static void a_long_text_keeps_its_reason(void **state)
{
	static const char reason[] = "...: Permission denied";
	char name[1000];
	struct err e;

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	err_set(&e, EACCES, "%s", name);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_string_equal(e.text + strlen(e.text) - strlen(reason), reason);
}

static void a_prefix_goes_before_and_keeps_the_code(void **state)
{
	struct err e;

	(void)state;
	err_set(&e, EIO, "cannot read");
	assert_false(err_prefix(&e, "%s:%d", "a.conf", 7));
	assert_string_equal(e.text,
	                    "a.conf:7: cannot read: Input/output error");
	assert_int_equal(e.code, EIO);
}

static void a_long_prefix_is_kept_and_the_rest_is_cut(void **state)
{
	char name[400];
	struct err e;

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	err_set(&e, 0, "%s", name);
	err_prefix(&e, "%s", name);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_memory_equal(e.text, name, strlen(name));
	assert_string_equal(e.text + strlen(e.text) - 3, "...");
}

static void its_own_text_may_be_an_argument(void **state)
{
	struct err e;

	(void)state;
	err_set(&e, 0, "inner");
	err_set(&e, 0, "outer: %s", e.text);
	assert_string_equal(e.text, "outer: inner");
	err_prefix(&e, "before %s", e.text);
	assert_string_equal(e.text, "before outer: inner: outer: inner");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failure_is_false_and_says_why),
		cmocka_unit_test(without_a_code_the_text_stands_alone),
		cmocka_unit_test(an_unknown_code_is_named_by_its_number),
		cmocka_unit_test(a_long_text_keeps_its_reason),
		cmocka_unit_test(a_prefix_goes_before_and_keeps_the_code),
		cmocka_unit_test(a_long_prefix_is_kept_and_the_rest_is_cut),
		cmocka_unit_test(its_own_text_may_be_an_argument),
	};

	return UNIT_RUN(tests);
}
