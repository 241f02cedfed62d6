/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock - the only place that reads a clock, and RFC 3339 text for times.
 *
 * All times are int64_t nanoseconds: since the Unix epoch for the real clock,
 * since an arbitrary moment for the monotonic one.  Code that decides takes
 * the time as a parameter and does not call this.
 */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_US  INT64_C(1000)
#define CLOCK_MS  INT64_C(1000000)
#define CLOCK_S   INT64_C(1000000000)
#define CLOCK_DAY (86400 * CLOCK_S)

#define CLOCK_TEXT_BYTES 32 /* enough for any text that clock_format writes */

int64_t clock_monotonic_ns(void);

int64_t clock_realtime_ns(void);

/* Write t as RFC 3339 UTC with milliseconds: 2026-11-22T09:44:10.125Z. */
void clock_format(int64_t t_ns, char out[CLOCK_TEXT_BYTES]);

/*
 * Read RFC 3339 UTC ("Z" only, fraction of up to 9 digits optional).  False
 * when the text is anything else or the date does not exist.
 */
bool clock_parse(const char *text, int64_t *t_ns);

/* The number of whole UTC days since the epoch; for times before it, negative. */
int64_t clock_day(int64_t t_ns);

#endif
