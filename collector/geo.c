/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/geo.h"

#include <errno.h>
#include <fcntl.h>
#include <maxminddb.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

enum { COPY_BYTES = 65536, TREE_DEPTH_MAX = 128 };

/* What tells one file from another under the same name. */
struct identity {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct source {
	const char *path;             /* NULL: not configured; the geo's own */
	const char *const *wanted[2]; /* key paths, either will do */
	const char *wanted_name;
	struct identity identity; /* of the file that was tried last */
	MMDB_s mmdb;
	bool open;
};

struct geo {
	struct source asn;
	struct source country;
	struct geo_source source;
	char *asn_path;
	char *country_path;
};

/* GeoLite2 nests the code; files made for one purpose have it flat. */
static const char *const key_asn[] = { "autonomous_system_number", NULL };
static const char *const key_asn_name[] = { "autonomous_system_organization",
	                                    NULL };
static const char *const key_country[] = { "country", "iso_code", NULL };
static const char *const key_country_flat[] = { "country_code", NULL };

/* ---- values -------------------------------------------------------------- */

static bool get(MMDB_entry_s *entry, const char *const *path,
                MMDB_entry_data_s *out)
{
	return path && MMDB_aget_value(entry, out, path) == MMDB_SUCCESS &&
	       out->has_data;
}

static bool get_either(MMDB_entry_s *entry, const char *const *const path[2],
                       MMDB_entry_data_s *out)
{
	return get(entry, path[0], out) || get(entry, path[1], out);
}

/* The length of the UTF-8 sequence at p, or 0 when it is none. */
static size_t utf8_length(const uint8_t *p, size_t left)
{
	size_t n = 1;

	if (p[0] < 0x20 || p[0] == 0x7f)
		return 0; /* control characters have no place in a name */
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else if (p[0] >= 0x80)
		return 0;
	if (n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Overlong forms, surrogates, and what is beyond U+10FFFF. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* Copy whole characters; what the database would refuse becomes "?". */
static void copy_text(char *out, size_t out_bytes,
                      const MMDB_entry_data_s *value)
{
	const uint8_t *p = (const uint8_t *)value->utf8_string;
	size_t left = value->data_size;
	size_t used = 0;

	while (left > 0) {
		size_t n = utf8_length(p, left);
		size_t take = n > 0 ? n : 1;

		if (take >= out_bytes - used)
			break;
		if (n > 0)
			memcpy(out + used, p, n);
		else
			out[used] = '?';
		used += take;
		p += take;
		left -= take;
	}
	out[used] = 0;
}

static bool is_country(const MMDB_entry_data_s *value)
{
	const char *s = value->utf8_string;

	return value->type == MMDB_DATA_TYPE_UTF8_STRING &&
	       value->data_size == 2 && s[0] >= 'A' && s[0] <= 'Z' &&
	       s[1] >= 'A' && s[1] <= 'Z';
}

/* ---- files --------------------------------------------------------------- */

static bool copy_bytes(int from, int to)
{
	char buffer[COPY_BYTES];
	ssize_t n;

	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		if (write(to, buffer, (size_t)n) != n)
			return false;
	}
	return n == 0;
}

/*
 * Map a private copy: a file that is overwritten in place would change, or
 * end, under our feet (SIGBUS).
 */
static bool open_copy(const char *path, MMDB_s *out, struct err *e)
{
	char copy_path[32];
	int from = open(path, O_RDONLY | O_CLOEXEC);
	int copy = memfd_create("mmdb", MFD_CLOEXEC);
	int status;
	bool ok = false;

	if (from < 0 || copy < 0) {
		err_set(e, errno, "cannot open %s", path);
		goto out;
	}
	if (!copy_bytes(from, copy)) {
		err_set(e, errno, "cannot read %s", path);
		goto out;
	}
	snprintf(copy_path, sizeof(copy_path), "/proc/self/fd/%d", copy);
	status = MMDB_open(copy_path, MMDB_MODE_MMAP, out);
	ok = status == MMDB_SUCCESS;
	if (!ok)
		err_set(e, 0, "%s is no MMDB file: %s", path,
		        MMDB_strerror(status));
out:
	if (from >= 0)
		close(from);
	if (copy >= 0)
		close(copy);
	return ok;
}

/* Any record will do to see what kind of file this is: take the first. */
static bool first_record(const MMDB_s *mmdb, uint64_t node_number, int depth,
                         MMDB_entry_s *out)
{
	MMDB_search_node_s node;

	if (depth > TREE_DEPTH_MAX ||
	    MMDB_read_node(mmdb, (uint32_t)node_number, &node) != MMDB_SUCCESS)
		return false;
	if (node.left_record_type == MMDB_RECORD_TYPE_DATA) {
		*out = node.left_record_entry;
		return true;
	}
	if (node.right_record_type == MMDB_RECORD_TYPE_DATA) {
		*out = node.right_record_entry;
		return true;
	}
	return (node.left_record_type == MMDB_RECORD_TYPE_SEARCH_NODE &&
	        first_record(mmdb, node.left_record, depth + 1, out)) ||
	       (node.right_record_type == MMDB_RECORD_TYPE_SEARCH_NODE &&
	        first_record(mmdb, node.right_record, depth + 1, out));
}

static bool right_kind(const struct source *s, MMDB_s *mmdb, struct err *e)
{
	MMDB_entry_data_s value;
	MMDB_entry_s entry;

	if (first_record(mmdb, 0, 0, &entry) &&
	    get_either(&entry, s->wanted, &value))
		return true;
	return err_set(e, 0,
	               "%s is of the wrong type (%s): its records have no %s",
	               s->path, mmdb->metadata.database_type, s->wanted_name);
}

static bool same_file(const struct identity *a, const struct identity *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

static struct identity identity_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct identity){ 0 };
	return (struct identity){
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = st.st_size,
		.changed = st.st_mtim,
	};
}

/* Put a freshly read file in the place of the one before, or keep that. */
static bool source_load(struct source *s, struct err *e)
{
	MMDB_s fresh;

	if (!s->path)
		return true;
	s->identity = identity_of(s->path);
	if (!open_copy(s->path, &fresh, e))
		return false;
	if (!right_kind(s, &fresh, e)) {
		MMDB_close(&fresh);
		return false;
	}
	if (s->open)
		MMDB_close(&s->mmdb);
	s->mmdb = fresh;
	s->open = true;
	return true;
}

static void source_close(struct source *s)
{
	if (s->open)
		MMDB_close(&s->mmdb);
	s->open = false;
}

static enum geo_change source_refresh(struct source *s, struct err *e)
{
	struct identity now;

	if (!s->path)
		return GEO_SAME;
	now = identity_of(s->path);
	if (same_file(&now, &s->identity))
		return GEO_SAME;
	if (!source_load(s, e))
		return GEO_KEPT;
	err_set(e, 0, "%s", s->path);
	return GEO_RELOADED;
}

/* ---- both ---------------------------------------------------------------- */

static void describe_source(struct geo *g)
{
	const char *slash;

	if (!g->asn.open)
		return;
	slash = strrchr(g->asn.path, '/');
	g->source.generation++;
	g->source.build_epoch = g->asn.mmdb.metadata.build_epoch;
	snprintf(g->source.kind, sizeof(g->source.kind), "%s",
	         g->asn.mmdb.metadata.database_type);
	snprintf(g->source.file_name, sizeof(g->source.file_name), "%s",
	         slash ? slash + 1 : g->asn.path);
}

struct geo *geo_open(const char *asn_path, const char *country_path,
                     struct err *e)
{
	struct geo *g = mem_alloc(sizeof(*g));

	g->asn_path = asn_path ? mem_strdup(asn_path) : NULL;
	g->country_path = country_path ? mem_strdup(country_path) : NULL;
	g->asn.path = g->asn_path;
	g->asn.wanted[0] = key_asn;
	g->asn.wanted_name = "autonomous_system_number";
	g->country.path = g->country_path;
	g->country.wanted[0] = key_country;
	g->country.wanted[1] = key_country_flat;
	g->country.wanted_name = "country.iso_code or country_code";
	if (!source_load(&g->asn, e) || !source_load(&g->country, e)) {
		geo_close(g);
		return NULL;
	}
	describe_source(g);
	return g;
}

void geo_close(struct geo *g)
{
	if (!g)
		return;
	source_close(&g->asn);
	source_close(&g->country);
	free(g->asn_path);
	free(g->country_path);
	free(g);
}

/* False when the address is in no record of the source. */
static bool find(const struct source *s, const struct addr *a,
                 MMDB_entry_s *out)
{
	struct sockaddr_storage sa;
	MMDB_lookup_result_s found;
	int status;

	if (!s->open || a->family == 0)
		return false;
	addr_to_sockaddr(a, &sa);
	found = MMDB_lookup_sockaddr(&s->mmdb, (const struct sockaddr *)&sa,
	                             &status);
	*out = found.entry;
	return status == MMDB_SUCCESS && found.found_entry;
}

static uint32_t asn_in(MMDB_entry_s *entry)
{
	MMDB_entry_data_s value;

	if (get(entry, key_asn, &value) && value.type == MMDB_DATA_TYPE_UINT32)
		return value.uint32;
	return 0;
}

uint32_t geo_lookup_asn(const struct geo *g, const struct addr *a)
{
	MMDB_entry_s entry;

	return find(&g->asn, a, &entry) ? asn_in(&entry) : 0;
}

void geo_lookup(const struct geo *g, const struct addr *a,
                struct geo_place *out)
{
	MMDB_entry_data_s value;
	MMDB_entry_s entry;

	*out = (struct geo_place){ .country = "ZZ" };
	if (find(&g->asn, a, &entry)) {
		out->asn = asn_in(&entry);
		if (get(&entry, key_asn_name, &value) &&
		    value.type == MMDB_DATA_TYPE_UTF8_STRING)
			copy_text(out->asn_name, sizeof(out->asn_name), &value);
	}
	if (find(&g->country, a, &entry) &&
	    get_either(&entry, g->country.wanted, &value) && is_country(&value))
		memcpy(out->country, value.utf8_string, 2);
}

const struct geo_source *geo_source_asn(const struct geo *g)
{
	return &g->source;
}

enum geo_change geo_refresh(struct geo *g, struct err *e)
{
	enum geo_change change = source_refresh(&g->asn, e);

	if (change == GEO_RELOADED)
		describe_source(g);
	/* What the second has to say can wait for the next look. */
	return change == GEO_SAME ? source_refresh(&g->country, e) : change;
}
