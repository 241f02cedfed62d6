/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - one line per event, to stderr.
 *
 * When stderr is not a terminal each line begins with the "<3>".."<7>" prefix
 * of sd-daemon(3), so that journald knows the level and adds the time.  Log
 * changes of state, not conditions, and never once per packet.  Bytes from
 * outside are escaped before they get here (log_escape).
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stddef.h>

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG
};

/* Set the most detailed level that is still written; LOG_LEVEL_INFO at start. */
void log_set_level(enum log_level level);

/* Somebody must act. */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* It may get worse. */
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The state changed: started, connected, lost, reloaded, stopped. */
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Write bytes as printable ASCII into out: control characters, quotes,
 * backslashes and non-ASCII become \xNN.  Always terminates; truncates with
 * "..." when out is too small.  Returns out.
 */
char *log_escape(char *out, size_t out_bytes, const void *bytes,
                 size_t n_bytes);

#endif
