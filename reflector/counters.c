/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/counters.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const names[COUNTER_COUNT] = {
	[COUNT_TCP_ACCEPTED] = "tcp-accepted",
	[COUNT_HELLO] = "hello",
	[COUNT_TCP_PROBE] = "tcp-probe",
	[COUNT_UDP_PROBE] = "udp-probe",
	[COUNT_REPORT] = "report",
	[COUNT_REPORT_UNSURE] = "report-unsure",
	[COUNT_TCP_FOREIGN] = "tcp-foreign",
	[COUNT_UDP_FOREIGN] = "udp-foreign",
	[COUNT_BAD_TOKEN] = "bad-token",
	[COUNT_NO_SESSION] = "no-session",
	[COUNT_OTHER_ADDRESS] = "other-address",
	[COUNT_UDP_SPENT] = "udp-spent",
	[COUNT_TCP_DEADLINE] = "tcp-deadline",
	[COUNT_TCP_LINGERED] = "tcp-lingered",
	[COUNT_TCP_EVICTED] = "tcp-evicted",
	[COUNT_SEND_FAILED] = "send-failed",
	[COUNT_ACCEPT_PAUSED] = "accept-paused",
};

void reflector_counters_format(struct counters *const *sets, size_t set_count,
                               char out[COUNTERS_TEXT_BYTES])
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		uint64_t sum = 0;

		for (size_t j = 0; j < set_count; j++)
			sum += atomic_load_explicit(&sets[j]->n[i],
			                            memory_order_relaxed);
		int n = snprintf(out + used, COUNTERS_TEXT_BYTES - used,
		                 "%s%s=%" PRIu64, i == 0 ? "" : " ", names[i],
		                 sum);

		if (n < 0 || (size_t)n >= COUNTERS_TEXT_BYTES - used)
			return;
		used += (size_t)n;
	}
}
