/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a plan may be used here and now; plan.c reads its form. */
#include <inttypes.h>

#include "lib/clock.h"
#include "lib/minisign.h"
#include "lib/plan.h"

/* Compare the number at the start of both texts and step over it. */
static int compare_number(const char **a, const char **b)
{
	*a += strspn(*a, "0");
	*b += strspn(*b, "0");

	size_t n = strspn(*a, "0123456789");
	size_t m = strspn(*b, "0123456789");
	int order = 0;

	if (n != m)
		order = n < m ? -1 : 1;
	else
		order = memcmp(*a, *b, n);
	*a += n;
	*b += m;
	return order;
}

/* A part that is left out is 0; what follows the numbers does not count. */
int plan_version_compare(const char *a, const char *b)
{
	for (;;) {
		int order = compare_number(&a, &b);

		if (order != 0)
			return order;
		if (*a != '.' && *b != '.')
			return 0;
		if (*a == '.')
			a++;
		if (*b == '.')
			b++;
	}
}

static bool signature_is_good(const struct plan_check *check, const char *json,
                              size_t json_bytes, const char *signature,
                              size_t signature_bytes, struct err *e)
{
	struct err next;

	if (minisign_verify(check->public_key, json, json_bytes, signature,
	                    signature_bytes, e))
		return true;
	if (check->next_key && check->next_key[0] != '\0' &&
	    minisign_verify(check->next_key, json, json_bytes, signature,
	                    signature_bytes, &next))
		return true;
	return err_prefix(e, "the plan is refused (fetch it again, or check "
	                     "the public key in the configuration)");
}

static bool target_is_allowed(const struct plan_reflector *r,
                              const struct addr *a, struct err *e)
{
	char text[ADDR_TEXT_BYTES];

	if (a->family == 0 || addr_class(a) == ADDR_PUBLIC)
		return true;
	addr_format(a, text);
	return err_set(e, 0,
	               "the plan's reflector \"%s\" has the address %s, which "
	               "is not public: ask the operator for a corrected plan",
	               r->name, text);
}

static bool targets_are_allowed(const struct plan *plan, struct err *e)
{
	for (int i = 0; i < plan->reflector_count; i++) {
		const struct plan_reflector *r = &plan->reflector[i];

		if (!target_is_allowed(r, &r->ipv4, e) ||
		    !target_is_allowed(r, &r->ipv6, e))
			return false;
	}
	return true;
}

/* May a plan of good signature and form be used here and now? */
static enum plan_verdict judge(const struct plan_check *check,
                               const struct plan *plan, struct err *e)
{
	char until[CLOCK_TEXT_BYTES];

	if (plan->serial < check->highest_serial) {
		err_set(e, 0,
		        "the plan's serial %" PRIu32 " is older than %" PRIu32
		        ", which was seen before: fetch the current plan",
		        plan->serial, check->highest_serial);
		return PLAN_OLDER;
	}
	if (check->now_ns >= plan->valid_until_ns) {
		clock_format(plan->valid_until_ns, until);
		err_set(e, 0,
		        "the plan expired at %s: fetch a newer one, and check "
		        "this machine's clock",
		        until);
		return PLAN_EXPIRED;
	}
	if (plan_version_compare(check->agent_version, plan->min_agent) < 0) {
		err_set(e, 0,
		        "the plan needs periplus %s or later, this is %s: "
		        "update it",
		        plan->min_agent, check->agent_version);
		return PLAN_AGENT_TOO_OLD;
	}
	if (!check->allow_any_target && !targets_are_allowed(plan, e))
		return PLAN_BAD_TARGET;
	return PLAN_OK;
}

enum plan_verdict plan_accept(const struct plan_check *check, const char *json,
                              size_t json_bytes, const char *signature,
                              size_t signature_bytes, struct plan *out,
                              struct err *e)
{
	if (!signature_is_good(check, json, json_bytes, signature,
	                       signature_bytes, e))
		return PLAN_BAD_SIGNATURE;
	if (!plan_parse(json, json_bytes, out, e)) {
		err_prefix(e, "the plan is malformed");
		return PLAN_MALFORMED;
	}
	return judge(check, out, e);
}
