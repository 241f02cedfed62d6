/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text.h"

/* Write n characters of words, the cursor being at column indent already. */
static void wrap(FILE *out, int indent, const char *p, size_t n)
{
	const char *end = p + n;
	int column = indent;

	while (p < end) {
		const char *space = memchr(p, ' ', (size_t)(end - p));
		int length = (int)((space ? space : end) - p);

		if (column > indent && column + 1 + length > TEXT_WIDTH) {
			fprintf(out, "\n%*s", indent, "");
			column = indent;
		}
		if (column > indent && length > 0)
			column += fprintf(out, " ");
		column += fprintf(out, "%.*s", length, p);
		p += length + (space != NULL);
	}
	fputc('\n', out);
}

void text_item(FILE *out, const char *label, int indent, const char *text)
{
	int used = fprintf(out, "%s", label);

	if (used > 0 && used + 2 > indent) {
		fputc('\n', out);
		used = 0;
	}
	fprintf(out, "%*s", indent - used, "");
	wrap(out, indent, text, strlen(text));
}

void text_paragraphs(FILE *out, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		if (*text == ' ')
			fprintf(out, "%.*s\n", (int)n, text);
		else
			wrap(out, 0, text, n);
		text += n + (text[n] == '\n');
	}
}
