/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json - checked access to a tree that cJSON has parsed.
 *
 * cJSON is lenient where records and plans are not: numbers are doubles, keys
 * may repeat, text behind the value is ignored.  These helpers close the gaps.
 * They allocate nothing and walk arrays and objects once, by their links.
 */
#ifndef LIB_JSON_H
#define LIB_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Parse exactly one JSON value with nothing but white space around it; the
 * bytes need no terminating 0.  NULL when they are anything else, or hold a 0
 * or the escape \u0000, which would cut a C string short.  Free with cJSON_Delete.
 */
cJSON *json_parse(const char *bytes, size_t n_bytes);

/*
 * Find the members of an object that have the given names: found[i] is the
 * one called names[i], or NULL.  Others are passed over.  Returns -1, or the
 * index of a name that occurs twice.
 */
int json_members(const cJSON *object, const char *const *names,
                 const cJSON **found, int count);

enum json_fit { JSON_FITS, JSON_WRONG_TYPE, JSON_OUT_OF_RANGE };

/* Read a whole number of least to most; both within 2^53. */
enum json_fit json_integer(const cJSON *item, int64_t least, int64_t most,
                           int64_t *out);

/* Copy a string of printable ASCII, not empty, with its 0, if it fits. */
bool json_text(const cJSON *item, char *out, size_t out_bytes);

#endif
