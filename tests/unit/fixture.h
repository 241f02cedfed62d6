/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixture - golden files, random values and exact copies for unit tests.
 *
 * Golden files are read below tests/data, so tests run from the root of the
 * tree.  Random values come from one seed, which is printed as a TAP comment;
 * TEST_SEED=n repeats a run.  Include after cmocka.h.
 */
#ifndef TESTS_UNIT_FIXTURE_H
#define TESTS_UNIT_FIXTURE_H

#include <ctype.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Inlined, these make gcc guess at lengths and warn of what cannot be. */
#define FIXTURE __attribute__((noinline, unused)) static

enum { FIXTURE_MAX = 1 << 18 };

/* A copy on the heap with nothing behind it, for the sanitizers to guard. */
FIXTURE void *fixture_copy(const void *bytes, size_t n)
{
	void *copy = malloc(n);

	assert_non_null(copy);
	if (n > 0)
		memcpy(copy, bytes, n);
	return copy;
}

/* The bytes of tests/data/name; free() them. */
FIXTURE char *fixture_read(const char *name, size_t *n)
{
	char path[256];
	char *bytes = calloc(1, FIXTURE_MAX + 1);

	assert_non_null(bytes);
	snprintf(path, sizeof(path), "tests/data/%s", name);

	FILE *f = fopen(path, "rb");

	if (!f)
		fail_msg("cannot open %s: run from the root of the tree", path);
	*n = fread(bytes, 1, FIXTURE_MAX, f);
	fclose(f);
	return bytes;
}

static inline uint8_t fixture_nibble(char c)
{
	return (uint8_t)(isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10);
}

/* The bytes that tests/data/name spells in lower-case hex; free() them. */
FIXTURE uint8_t *fixture_read_hex(const char *name, size_t *n)
{
	size_t length;
	char *text = fixture_read(name, &length);
	uint8_t *bytes = malloc(length / 2 + 1);
	size_t digits = 0;

	assert_non_null(bytes);
	for (size_t i = 0; i < length; i++) {
		if (!isxdigit((unsigned char)text[i]))
			continue;
		uint8_t v = fixture_nibble(text[i]);

		if (digits % 2 == 0)
			bytes[digits / 2] = (uint8_t)(v << 4);
		else
			bytes[digits / 2] |= v;
		digits++;
	}
	free(text);
	*n = digits / 2;
	return bytes;
}

struct fixture_random {
	uint64_t state;
};

static inline struct fixture_random fixture_random_new(void)
{
	const char *given = getenv("TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10)
	                      : (uint64_t)time(NULL) ^ (uint64_t)clock() << 32;

	printf("# TEST_SEED=%" PRIu64 "\n", seed);
	fflush(stdout);
	return (struct fixture_random){ seed };
}

/* SplitMix64. */
static inline uint64_t fixture_next(struct fixture_random *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* 0 to bound - 1 */
static inline uint32_t fixture_below(struct fixture_random *r, uint32_t bound)
{
	return (uint32_t)(fixture_next(r) % bound);
}

static inline void fixture_fill(struct fixture_random *r, void *out, size_t n)
{
	uint8_t *p = out;

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)fixture_next(r);
}

#endif
