/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/outcome.h"

#include <stddef.h>
#include <string.h>

static const char *const outcome_names[OUTCOME_COUNT] = {
	[OUTCOME_UNTESTED] = "untested",
	[OUTCOME_OPEN] = "open",
	[OUTCOME_TIMEOUT] = "timeout",
	[OUTCOME_REFUSED] = "refused",
	[OUTCOME_UNREACHABLE] = "unreachable",
	[OUTCOME_RESET] = "reset",
	[OUTCOME_INTERCEPTED] = "intercepted",
	[OUTCOME_ALTERED] = "altered",
	[OUTCOME_DENIED] = "denied",
	[OUTCOME_UNTESTABLE] = "untestable",
};

static const char *const direction_names[] = {
	[DIRECTION_OUT] = "out",
	[DIRECTION_IN] = "in",
};

static const char *const seen_names[] = {
	[SEEN_NO] = "no",
	[SEEN_YES] = "yes",
	[SEEN_UNKNOWN] = "unknown",
};

static const char *const skip_names[SKIP_COUNT] = {
	[SKIP_NONE] = "none",
	[SKIP_NOT_LISTENING] = "not_listening",
	[SKIP_NO_CONSENT] = "no_consent",
	[SKIP_FAMILY] = "family",
	[SKIP_VOID] = "void",
	[SKIP_CANCELLED] = "cancelled",
};

static const char *const void_names[VOID_COUNT] = {
	[VOID_NONE] = "none",
	[VOID_NO_HELLO] = "no_hello",
	[VOID_CONTROL_BEFORE] = "control_before",
	[VOID_CONTROL_AFTER] = "control_after",
	[VOID_NO_MANIFEST] = "no_manifest",
	[VOID_SOURCE_CHANGED] = "source_changed",
	[VOID_CANCELLED] = "cancelled",
};

static const char *name_of(const char *const *names, int count, int number)
{
	return number >= 0 && number < count ? names[number] : NULL;
}

static int number_of(const char *const *names, int count, const char *text)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], text) == 0)
			return i;
	return -1;
}

const char *outcome_name(int outcome)
{
	return name_of(outcome_names, OUTCOME_COUNT, outcome);
}

const char *direction_name(int direction)
{
	return name_of(direction_names, DIRECTION_IN + 1, direction);
}

const char *seen_name(int seen)
{
	return name_of(seen_names, SEEN_UNKNOWN + 1, seen);
}

const char *skip_name(int skip)
{
	return name_of(skip_names, SKIP_COUNT, skip);
}

const char *void_reason_name(int reason)
{
	return name_of(void_names, VOID_COUNT, reason);
}

int skip_parse(const char *text)
{
	return number_of(skip_names, SKIP_COUNT, text);
}

int void_reason_parse(const char *text)
{
	return number_of(void_names, VOID_COUNT, text);
}
