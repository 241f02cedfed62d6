/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value - numbers, durations and sizes as people write them.
 *
 * A parser is false when the text is anything but one such value: empty, with
 * something before or after it, or too large for 64 bits.  Pure.
 */
#ifndef LIB_VALUE_H
#define LIB_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#define VALUE_TEXT_BYTES 24 /* enough for any text that is written here */

/* "42", "-7". */
bool value_parse_int(const char *text, int64_t *out);
void value_format_int(int64_t n, char out[VALUE_TEXT_BYTES]);

/* "500ms" "10s" "5m" "6h" "1d", also ns and us; "0" needs no unit. */
bool value_parse_duration(const char *text, int64_t *out_ns);

/* Use the largest unit that says it exactly. */
void value_format_duration(int64_t ns, char out[VALUE_TEXT_BYTES]);

/* "512" "64k" "10M" "1G": bytes, and multiples of 1024. */
bool value_parse_size(const char *text, int64_t *out_bytes);
void value_format_size(int64_t bytes, char out[VALUE_TEXT_BYTES]);

#endif
