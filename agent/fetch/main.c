/* SPDX-License-Identifier: Apache-2.0 */
/*
 * periplus-fetch - fetch a plan and its signature over HTTP or HTTPS.
 *
 *     periplus-fetch URL OUT_PREFIX [ETAG]
 *
 * Writes URL to OUT_PREFIX and URL.minisig to OUT_PREFIX.minisig, and one
 * line to standard output:
 *
 *     fetched ETAG      both files are there; ETAG may be missing
 *     unchanged         the server still has what ETAG names
 *     failed REASON     exit status 1; what was written is of no use
 *
 * A program of its own because libcurl would double the memory of the agent,
 * which needs it for a second a day.  It verifies nothing: the signature is
 * checked by who reads the files.  What it takes is bounded in size, time and
 * redirections; a redirection never leads from HTTPS to HTTP, nor to an address
 * that is not public: no server may send us to the home's own devices.
 */
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/addr.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/plan.h"
#include "lib/version.h"

enum {
	SIGNATURE_MAX = 4096,
	ETAG_BYTES = 128,
	CONNECT_TIMEOUT_S = 10,
	TRANSFER_TIMEOUT_S = 30,
	REDIRECTS_MAX = 3,
	HEADERS_MAX = 65536, /* of all responses together */
	STATUS_OK = 200,
	STATUS_NOT_MODIFIED = 304,
};

struct download {
	const char *url;
	const char *path;
	const char *etag; /* If-None-Match; NULL: none */
	size_t max_bytes;
	FILE *file;
	size_t n_bytes;
	size_t header_bytes;
	bool too_long;
	bool led_inside;
	struct addr first; /* that we connected to */
	bool write_failed;
	char new_etag[ETAG_BYTES];
	long status;
	char curl_error[CURL_ERROR_SIZE];
};

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct download *d = ctx;
	size_t n = size * count;

	if (n > d->max_bytes - d->n_bytes) {
		d->too_long = true;
		return 0;
	}
	d->n_bytes += n;
	if (fwrite(bytes, 1, n, d->file) != n) {
		d->write_failed = true;
		return 0;
	}
	return n;
}

/* An entity tag is printable ASCII (RFC 9110, 8.8.3); others are not kept. */
static void keep_etag(struct download *d, const char *p, size_t n)
{
	while (n > 0 && (*p == ' ' || *p == '\t')) {
		p++;
		n--;
	}
	while (n > 0 && isspace((unsigned char)p[n - 1]))
		n--;
	if (n == 0 || n >= ETAG_BYTES)
		return;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '!' || p[i] > '~')
			return;
	}
	memcpy(d->new_etag, p, n);
	d->new_etag[n] = '\0';
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
	static const char name[] = "etag:";
	struct download *d = ctx;
	size_t n = size * count;

	d->header_bytes += n;
	if (d->header_bytes > HEADERS_MAX) {
		d->too_long = true;
		return 0;
	}
	/* A status line begins the headers of the next response, after a
	 * redirection for example. */
	if (n >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
		d->new_etag[0] = '\0';
	else if (n > sizeof(name) - 1 &&
	         strncasecmp(bytes, name, sizeof(name) - 1) == 0)
		keep_etag(d, bytes + sizeof(name) - 1, n - (sizeof(name) - 1));
	return n;
}

/* The first address is the choice of who configured it, another is not. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose,
                                 struct curl_sockaddr *to)
{
	struct download *d = ctx;
	struct addr address = { 0 };

	(void)purpose;
	addr_from_sockaddr(&to->addr, (socklen_t)to->addrlen, &address);
	if (d->header_bytes == 0) { /* nobody has redirected us yet */
		d->first = address;
	} else if (!addr_same_host(&address, &d->first) &&
	           addr_class(&address) != ADDR_PUBLIC) {
		d->led_inside = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static bool set_options(CURL *curl, struct download *d,
                        struct curl_slist *headers)
{
	bool https = strncmp(d->url, "https://", 8) == 0;
	CURLcode r = CURLE_OK;

	r |= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, d->curl_error);
	r |= curl_easy_setopt(curl, CURLOPT_URL, d->url);
	r |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	r |= curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR,
	                      https ? "https" : "http,https");
	r |= curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	r |= curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
	r |= curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	r |= curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, d);
	r |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	r |= curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT,
	                      (long)CONNECT_TIMEOUT_S);
	r |= curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TRANSFER_TIMEOUT_S);
	r |= curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE,
	                      (curl_off_t)d->max_bytes);
	r |= curl_easy_setopt(curl, CURLOPT_USERAGENT,
	                      "periplus/" PERIPLUS_VERSION);
	r |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	r |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, d);
	r |= curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	r |= curl_easy_setopt(curl, CURLOPT_HEADERDATA, d);
	r |= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	return r == CURLE_OK;
}

static bool explain(const struct download *d, CURLcode code, struct err *e)
{
	if (d->too_long || code == CURLE_FILESIZE_EXCEEDED)
		return err_set(e, 0, "%s is longer than %zu bytes", d->url,
		               d->max_bytes);
	if (d->write_failed)
		return err_set(e, errno, "cannot write %s", d->path);
	if (d->led_inside)
		return err_set(e, 0,
		               "%s: redirected to an address that is not "
		               "public",
		               d->url);
	return err_set(e, 0, "%s: %s", d->url,
	               d->curl_error[0] ? d->curl_error
	                                : curl_easy_strerror(code));
}

static bool transfer(struct download *d, struct err *e)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = NULL;
	CURLcode code;

	if (!curl)
		return err_set(e, 0, "cannot start libcurl");
	if (d->etag) {
		char *line = mem_printf("If-None-Match: %s", d->etag);

		headers = curl_slist_append(NULL, line);
		free(line);
	}
	code = set_options(curl, d, headers) ? curl_easy_perform(curl)
	                                     : CURLE_FAILED_INIT;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &d->status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	return code == CURLE_OK || explain(d, code, e);
}

/* True for 200, and for 304 when there is an entity tag to match. */
static bool download(struct download *d, struct err *e)
{
	bool ok;

	d->file = fopen(d->path, "we");
	if (!d->file)
		return err_set(e, errno, "cannot write %s", d->path);
	ok = transfer(d, e);
	if (fclose(d->file) != 0 && ok)
		ok = err_set(e, errno, "cannot write %s", d->path);
	if (ok && d->status != STATUS_OK &&
	    !(d->status == STATUS_NOT_MODIFIED && d->etag))
		ok = err_set(e, 0, "%s: the server answered %ld", d->url,
		             d->status);
	return ok;
}

static int fail(const struct err *e)
{
	char text[sizeof(e->text) * 2];

	log_escape(text, sizeof(text), e->text, strlen(e->text));
	printf("failed %s\n", text);
	return EXIT_FAILURE;
}

/* The signature stands beside the plan: in front of any query. */
static char *signature_url(const char *url)
{
	size_t n = strcspn(url, "?#");

	return mem_printf("%.*s.minisig%s", (int)n, url, url + n);
}

static int fetch(const char *url, const char *prefix, const char *etag)
{
	char *sig_url = signature_url(url);
	char *sig_path = mem_printf("%s.minisig", prefix);
	struct download plan = {
		.url = url,
		.path = prefix,
		.etag = etag,
		.max_bytes = PLAN_JSON_MAX,
	};
	struct download signature = {
		.url = sig_url,
		.path = sig_path,
		.max_bytes = SIGNATURE_MAX,
	};
	struct err e;
	int status = EXIT_SUCCESS;

	if (!download(&plan, &e))
		status = fail(&e);
	else if (plan.status == STATUS_NOT_MODIFIED)
		puts("unchanged");
	else if (!download(&signature, &e))
		status = fail(&e);
	else
		printf("fetched %s\n", plan.new_etag);
	free(sig_url);
	free(sig_path);
	return status;
}

int main(int argc, char **argv)
{
	int status;

	if (argc < 3 || argc > 4) {
		fputs("usage: periplus-fetch URL OUT_PREFIX [ETAG]\n", stderr);
		return 2;
	}
	umask(S_IRWXG | S_IRWXO);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		puts("failed cannot start libcurl");
		return EXIT_FAILURE;
	}
	status = fetch(argv[1], argv[2], argc == 4 ? argv[3] : NULL);
	curl_global_cleanup();
	return fflush(stdout) == 0 ? status : EXIT_FAILURE;
}
