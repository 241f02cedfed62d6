/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/json.h"

#include <string.h>

#include "lib/mem.h"

static bool only_white_space(const char *p, const char *end)
{
	for (; p < end; p++)
		if (*p != ' ' && *p != '\t' && *p != '\r' && *p != '\n')
			return false;
	return true;
}

/*
 * cJSON 1.7.15 looks one byte past the length it is given when the text ends
 * early (CVE-2023-53154): it gets a copy that has a byte there.
 */
cJSON *json_parse(const char *bytes, size_t n_bytes)
{
	static const char zero_escape[] = "\\u0000";
	const char *end = NULL;
	cJSON *root;

	if (memchr(bytes, '\0', n_bytes) ||
	    memmem(bytes, n_bytes, zero_escape, sizeof(zero_escape) - 1))
		return NULL;

	char *copy = mem_alloc(n_bytes + 1);

	memcpy(copy, bytes, n_bytes);
	root = cJSON_ParseWithLengthOpts(copy, n_bytes, &end, false);
	if (root && !only_white_space(end, copy + n_bytes)) {
		cJSON_Delete(root);
		root = NULL;
	}
	free(copy);
	return root;
}

int json_members(const cJSON *object, const char *const *names,
                 const cJSON **found, int count)
{
	for (int i = 0; i < count; i++)
		found[i] = NULL;
	for (const cJSON *m = object->child; m; m = m->next)
		for (int i = 0; i < count; i++) {
			if (strcmp(m->string, names[i]) != 0)
				continue;
			if (found[i])
				return i;
			found[i] = m;
			break;
		}
	return -1;
}

enum json_fit json_integer(const cJSON *item, int64_t least, int64_t most,
                           int64_t *out)
{
	if (!cJSON_IsNumber(item))
		return JSON_WRONG_TYPE;

	double d = item->valuedouble;

	/* Written so that a NaN fails as well. */
	if (!(d >= (double)least && d <= (double)most))
		return JSON_OUT_OF_RANGE;
	if (d != (double)(int64_t)d)
		return JSON_OUT_OF_RANGE;
	*out = (int64_t)d;
	return JSON_FITS;
}

static bool is_text(const cJSON *item, size_t most_bytes)
{
	if (!cJSON_IsString(item) || item->valuestring[0] == '\0')
		return false;
	for (const char *p = item->valuestring; *p; p++)
		if (*p < ' ' || *p > '~')
			return false;
	return strlen(item->valuestring) <= most_bytes;
}

bool json_text(const cJSON *item, char *out, size_t out_bytes)
{
	if (!is_text(item, out_bytes - 1))
		return false;
	memcpy(out, item->valuestring, strlen(item->valuestring) + 1);
	return true;
}
