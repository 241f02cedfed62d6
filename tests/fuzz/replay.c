/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feed every file named on the command line to the fuzz target, so that the
 * corpus and past findings are tests under any compiler.  TAP on stdout; a
 * broken property aborts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

enum { INPUT_MAX = 1 << 20 };

/* The input has a buffer of its own size, for the sanitizers to guard. */
static void feed(const char *bytes, size_t n)
{
	uint8_t *exact = malloc(n);

	if (n > 0)
		memcpy(exact, bytes, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

/* Also every beginning of it: a decoder must stand all of them. */
static int replay(const char *path, char *buffer)
{
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		return -1;
	}

	size_t n = fread(buffer, 1, INPUT_MAX, f);
	int bad = ferror(f);

	fclose(f);
	if (bad) {
		perror(path);
		return -1;
	}
	for (size_t cut = 0; cut <= n; cut++)
		feed(buffer, cut);
	return 0;
}

int main(int argc, char **argv)
{
	char *buffer = malloc(INPUT_MAX);
	int failed = 0;

	if (!buffer || argc < 2) {
		fprintf(stderr, "usage: %s FILE ...\n", argv[0]);
		free(buffer);
		return 2;
	}
	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		int rc = replay(argv[i], buffer);

		printf("%s %d - %s\n", rc == 0 ? "ok" : "not ok", i, argv[i]);
		failed |= rc != 0;
	}
	free(buffer);
	return failed;
}
