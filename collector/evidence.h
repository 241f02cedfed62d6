/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evidence - what is known of single probes, as JSON for the database.
 *
 * An array like the record's own, with the AS of whoever sent an ICMP error:
 * [{"i":7,"icmp":[3,13],"from":"100.64.7.1","asn":64501}].
 */
#ifndef COLLECTOR_EVIDENCE_H
#define COLLECTOR_EVIDENCE_H

#include "lib/record.h"

/*
 * asn has an element for each evidence of the record; 0 is unknown.  Returns
 * NULL when there is no evidence; else free() it.
 */
char *evidence_text(const struct record *r, const uint32_t *asn);

#endif
