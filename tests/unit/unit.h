/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit - what every unit test includes first: cmocka, speaking TAP.
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Run an array of struct CMUnitTest; the result is main's. */
#define UNIT_RUN(tests)                            \
	(cmocka_set_message_output(CM_OUTPUT_TAP), \
	 cmocka_run_group_tests((tests), NULL, NULL))

#endif
