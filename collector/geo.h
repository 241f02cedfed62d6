/* SPDX-License-Identifier: Apache-2.0 */
/*
 * geo - address to AS number, AS name and country, by two MMDB files.
 *
 * The files are read into memory that belongs to this process, so they may be
 * replaced or overwritten at any time; geo_refresh picks a new file up when it
 * is complete and keeps the old data when it is not.  What a file is called
 * inside does not matter, only whether its records hold the wanted key.
 * Serves one thread.
 */
#ifndef COLLECTOR_GEO_H
#define COLLECTOR_GEO_H

#include <stdint.h>

#include "lib/addr.h"
#include "lib/err.h"

enum { GEO_NAME_BYTES = 128, GEO_COUNTRY_BYTES = 3, GEO_FILE_BYTES = 256 };

struct geo_place {
	uint32_t asn;                    /* 0: unknown */
	char asn_name[GEO_NAME_BYTES];   /* UTF-8; "" when unknown */
	char country[GEO_COUNTRY_BYTES]; /* "ZZ" when unknown */
};

/* Which file the AS numbers come from: kept with every run. */
struct geo_source {
	uint32_t generation; /* changes with every reload; 0: no file */
	uint64_t build_epoch;
	char kind[GEO_NAME_BYTES];      /* as the file calls itself */
	char file_name[GEO_FILE_BYTES]; /* without its directory */
};

struct geo;

/* A path may be NULL: nothing is known then.  NULL on failure. */
MUSTCHECK struct geo *geo_open(const char *asn_path, const char *country_path,
                               struct err *e);

/* NULL is allowed. */
void geo_close(struct geo *g);

void geo_lookup(const struct geo *g, const struct addr *a,
                struct geo_place *out);

/* Only the AS number; 0 when unknown. */
uint32_t geo_lookup_asn(const struct geo *g, const struct addr *a);

const struct geo_source *geo_source_asn(const struct geo *g);

enum geo_change {
	GEO_SAME,
	GEO_RELOADED, /* e->text names the file */
	GEO_KEPT,     /* a file changed and is unusable: e says why, once */
};

/* Look whether the files changed on disk, and read what did. */
enum geo_change geo_refresh(struct geo *g, struct err *e);

#endif
