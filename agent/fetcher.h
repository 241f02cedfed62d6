/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetcher - have periplus-fetch get a plan, without blocking the loop.
 *
 * The program is looked for beside our own, then where it is installed.  It
 * bounds itself; should it hang all the same, it is ended here.
 */
#ifndef AGENT_FETCHER_H
#define AGENT_FETCHER_H

#include "lib/err.h"
#include "lib/loop.h"

enum { FETCHER_ETAG_BYTES = 128 };

enum fetcher_outcome {
	FETCHER_FETCHED,   /* both files are there */
	FETCHER_UNCHANGED, /* the server still has what the etag names */
	FETCHER_FAILED,
};

struct fetcher_result {
	enum fetcher_outcome outcome;
	char etag[FETCHER_ETAG_BYTES]; /* of what was fetched; "": none */
	struct err why;                /* FETCHER_FAILED */
};

struct fetcher;

typedef void (*fetcher_done)(void *ctx, const struct fetcher_result *result);

/*
 * Fetch url to prefix and its signature to prefix.minisig.  etag may be NULL.
 * done is called once, from the loop, and may free the fetcher.
 */
MUSTCHECK struct fetcher *fetcher_start(struct loop *l, const char *url,
                                        const char *prefix, const char *etag,
                                        fetcher_done done, void *ctx,
                                        struct err *e);

/* End it wherever it is; NULL is allowed. */
void fetcher_free(struct fetcher *f);

#endif
