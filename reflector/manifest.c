/* SPDX-License-Identifier: Apache-2.0 */
#include "reflector/manifest.h"

#include <assert.h>
#include <stdio.h>

/* No probe came over this TCP port: did a SYN? */
static void tell_of_syn(const struct halfopen_view *halfopen,
                        struct manifest_entry *entry)
{
	const struct sockdiag_wait *wait =
		sockdiag_find(&halfopen->waits, entry->port);

	if (wait && wait->age_ns <= halfopen->run_age_ns) {
		entry->flags |= MANIFEST_HALF_OPEN;
		entry->source_port = wait->peer_port;
	} else if (!halfopen->complete) {
		entry->flags |= MANIFEST_UNSURE;
	}
}

static struct manifest_entry entry_of(const struct session_view *session,
                                      const struct halfopen_view *halfopen,
                                      const struct portset_entry *at)
{
	const struct session_mark *mark = &session->mark[at->slot];
	struct manifest_entry entry = {
		.transport = at->port.transport,
		.port = at->port.port,
		.flags = mark->flags,
		.source_port = mark->source_port,
	};

	if (mark->flags & MANIFEST_OTHER_ADDRESS) {
		entry.from = session->other[mark->other];
		entry.from.port = mark->other_port;
	}
	if (entry.transport == TRANSPORT_TCP && !(mark->flags & MANIFEST_SEEN))
		tell_of_syn(halfopen, &entry);
	return entry;
}

size_t manifest_write(const struct manifest_source *source,
                      uint8_t out[WIRE_MESSAGE_MAX])
{
	struct wire_manifest m = {
		.seen = source->session->seen,
		.hello_ns = source->session->hello_real_ns,
		.report_ns = source->report_real_ns,
		.entry_count = source->listening_count,
	};
	struct wr w = wr_of(out, WIRE_MESSAGE_MAX);
	size_t n_bytes;

	snprintf(m.reflector, sizeof(m.reflector), "%s", source->reflector);
	memcpy(m.run, source->run, sizeof(m.run));
	for (uint16_t i = 0; i < source->listening_count; i++)
		m.entry[i] = entry_of(source->session, source->halfopen,
		                      &source->listening[i]);
	n_bytes = wire_manifest_encode(&w, &m);
	assert(n_bytes > 0); /* the configuration has checked the name */
	token_manifest_seal(source->receipt_key, out, n_bytes);
	return n_bytes;
}
