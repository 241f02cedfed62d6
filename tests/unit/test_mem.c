/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/mem.c"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static void new_memory_is_zero(void **state)
{
	static const char zeros[1000];
	char *p = mem_alloc(sizeof(zeros));
	char *array = mem_array(10, 100);

	(void)state;
	assert_memory_equal(p, zeros, sizeof(zeros));
	assert_memory_equal(array, zeros, sizeof(zeros));
	free(p);
	free(array);
}

static void nothing_is_an_allocation_too(void **state)
{
	void *p = mem_alloc(0);
	void *array = mem_array(0, 0);

	(void)state;
	assert_non_null(p);
	assert_non_null(array);
	array = mem_resize(array, 0, 8);
	assert_non_null(array);
	free(p);
	free(array);
}

static void resizing_keeps_what_was_there(void **state)
{
	int *p = mem_array(2, sizeof(*p));

	(void)state;
	p[1] = 7;
	p = mem_resize(p, 1000, sizeof(*p));
	assert_int_equal(p[1], 7);
	free(p);
}

static void strings_are_copied_and_formatted(void **state)
{
	char *copy = mem_strdup("abc");
	char *text = mem_printf("%s-%d", copy, 42);

	(void)state;
	assert_string_equal(copy, "abc");
	assert_string_equal(text, "abc-42");
	free(copy);
	free(text);
}

/* Run f in a child and return its exit status; what it says goes to text. */
static int status_of(void (*f)(void), char *text, size_t text_bytes)
{
	int fds[2];
	int status;
	ssize_t n;
	pid_t child;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(fds[1], STDERR_FILENO);
		f();
		_exit(99);
	}
	close(fds[1]);
	n = read(fds[0], text, text_bytes - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Volatile, else compilers see through it: one warns, one leaves it out. */
static volatile size_t half = SIZE_MAX / 2;
static void *volatile kept;

static void overflow_a_product(void)
{
	kept = mem_array(half, 4);
}

static void overflow_a_resize(void)
{
	kept = mem_resize(NULL, half, 4);
}

static void a_product_that_overflows_ends_the_program(void **state)
{
	char text[200];

	(void)state;
	assert_int_equal(status_of(overflow_a_product, text, sizeof(text)), 1);
	assert_string_equal(text, "<3>out of memory: cannot allocate "
	                          "18446744073709551615 bytes\n");
	assert_int_equal(status_of(overflow_a_resize, text, sizeof(text)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_memory_is_zero),
		cmocka_unit_test(nothing_is_an_allocation_too),
		cmocka_unit_test(resizing_keeps_what_was_there),
		cmocka_unit_test(strings_are_copied_and_formatted),
		cmocka_unit_test(a_product_that_overflows_ends_the_program),
	};

	return UNIT_RUN(tests);
}
