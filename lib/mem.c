/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/mem.h"

#include <stdarg.h>
#include <stdint.h>

#include "lib/exit.h"

/* Leaves at once: clean-up code might want memory too. */
static _Noreturn void out_of_memory(size_t n_bytes)
{
	fprintf(stderr, "<3>out of memory: cannot allocate %zu bytes\n",
	        n_bytes);
	_Exit(EXIT_FAILED);
}

static void *checked(void *p, size_t n_bytes)
{
	if (!p)
		out_of_memory(n_bytes);
	return p;
}

/* calloc(0) and realloc(0) may return NULL, which would look like a failure. */
static size_t at_least_one(size_t n)
{
	return n > 0 ? n : 1;
}

static size_t product(size_t count, size_t size_bytes)
{
	size_t n_bytes;

	if (__builtin_mul_overflow(count, size_bytes, &n_bytes))
		out_of_memory(SIZE_MAX);
	return n_bytes;
}

void *mem_alloc(size_t n_bytes)
{
	return checked(calloc(1, at_least_one(n_bytes)), n_bytes);
}

void *mem_array(size_t count, size_t size_bytes)
{
	return mem_alloc(product(count, size_bytes));
}

void *mem_resize(void *p, size_t count, size_t size_bytes)
{
	size_t n_bytes = product(count, size_bytes);

	return checked(realloc(p, at_least_one(n_bytes)), n_bytes);
}

char *mem_strdup(const char *s)
{
	return checked(strdup(s), strlen(s) + 1);
}

char *mem_printf(const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	return n < 0 ? checked(NULL, 0) : text;
}
