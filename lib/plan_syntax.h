/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_syntax - the forms of text that stand in a plan, for plan.c alone.
 */
#ifndef LIB_PLAN_SYNTAX_H
#define LIB_PLAN_SYNTAX_H

#include <stdbool.h>

/* Numbers with dots between them: "0.1.0". */
bool plan_is_version(const char *text);

/* 40 characters of Z85 that stand for 32 bytes, as libzmq demands. */
bool plan_is_curve_key(const char *text);

/* "tcp://host:port" with a name, an IPv4 address or an IPv6 one in brackets. */
bool plan_is_endpoint(const char *text);

#endif
