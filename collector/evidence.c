/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/evidence.h"

#include <cjson/cJSON.h>
#include <sodium.h>

#include "lib/outcome.h"

enum { BANNER_CHARS = 4 * ((RECORD_BANNER_BYTES + 2) / 3) + 1 };

static void describe_icmp(cJSON *o, const struct record_evidence *v,
                          uint32_t asn)
{
	const int icmp[] = { v->icmp_type, v->icmp_code };
	char from[ADDR_TEXT_BYTES];

	cJSON_AddItemToObject(o, "icmp", cJSON_CreateIntArray(icmp, 2));
	if (v->from.family == 0)
		return;
	addr_format(&v->from, from);
	cJSON_AddStringToObject(o, "from", from);
	if (asn > 0)
		cJSON_AddNumberToObject(o, "asn", asn);
}

static cJSON *describe_evidence(const struct record_evidence *v, uint32_t asn)
{
	char banner[BANNER_CHARS];
	cJSON *o = cJSON_CreateObject();

	cJSON_AddNumberToObject(o, "i", v->probe);
	if (v->skip != SKIP_NONE)
		cJSON_AddStringToObject(o, "skip", skip_name(v->skip));
	if (v->has_icmp)
		describe_icmp(o, v, asn);
	if (v->banner_bytes > 0) {
		sodium_bin2base64(banner, sizeof(banner), v->banner,
		                  v->banner_bytes,
		                  sodium_base64_VARIANT_ORIGINAL);
		cJSON_AddStringToObject(o, "banner", banner);
	}
	if (v->arrived_port > 0)
		cJSON_AddNumberToObject(o, "arrived", v->arrived_port);
	if (v->sys_errno != 0)
		cJSON_AddNumberToObject(o, "errno", v->sys_errno);
	return o;
}

char *evidence_text(const struct record *r, const uint32_t *asn)
{
	cJSON *list;
	char *text;

	if (r->evidence_count == 0)
		return NULL;
	list = cJSON_CreateArray();
	for (size_t i = 0; i < r->evidence_count; i++)
		cJSON_AddItemToArray(list, describe_evidence(&r->evidence[i],
		                                             asn[i]));
	text = cJSON_PrintUnformatted(list);
	cJSON_Delete(list);
	return text;
}
