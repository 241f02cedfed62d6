/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory is read once and then kept in step: an array of what waits,
 * oldest first, so that the newest is taken from the end and the oldest
 * dropped from the beginning.  64 MB are about ten thousand runs: 400 kB.
 */
#include "agent/spool.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/record.h"

enum {
	HELD_MAX_BYTES = 1024 * 1024,
	REJECTED_MAX = 100,
	/* A temporary file of this age is a crash's, not another process's. */
	STALE_AGE_S = 3600,
	ID_TEXT_BYTES = 37,
};

struct entry {
	uint8_t run[WIRE_RUN_BYTES];
	size_t n_bytes;
	char *held; /* the record, when it is not on disk; else NULL */
};

struct spool {
	char *dir;
	char *rejected_dir;
	int64_t max_bytes;
	struct entry *entry; /* by id, which is by time */
	size_t count;
	size_t room;
	struct spool_stats stats;
};

static char *path_of(const char *dir, const uint8_t run[WIRE_RUN_BYTES],
                     const char *suffix)
{
	char id[ID_TEXT_BYTES];

	record_run_id_format(run, id);
	return mem_printf("%s/%s%s", dir, id, suffix);
}

/* ---- the array ---------------------------------------------------------- */

/* The index of a run, or where it would have to stand. */
static size_t place_of(const struct spool *s, const uint8_t *run)
{
	size_t i = s->count;

	while (i > 0 && memcmp(s->entry[i - 1].run, run, WIRE_RUN_BYTES) >= 0)
		i--;
	return i;
}

static struct entry *find(struct spool *s, const uint8_t *run)
{
	size_t i = place_of(s, run);

	if (i == s->count || memcmp(s->entry[i].run, run, WIRE_RUN_BYTES) != 0)
		return NULL;
	return &s->entry[i];
}

static struct entry *insert_at(struct spool *s, size_t i, const uint8_t *run,
                               size_t n_bytes)
{
	if (s->count == s->room) {
		s->room = s->room ? 2 * s->room : 16;
		s->entry = mem_resize(s->entry, s->room, sizeof(*s->entry));
	}
	memmove(&s->entry[i + 1], &s->entry[i],
	        (s->count - i) * sizeof(*s->entry));
	s->count++;
	s->stats.runs++;
	s->stats.bytes += (int64_t)n_bytes;
	s->entry[i] = (struct entry){ .n_bytes = n_bytes };
	memcpy(s->entry[i].run, run, WIRE_RUN_BYTES);
	return &s->entry[i];
}

/* Forget an entry; its file is the caller's business. */
static void forget(struct spool *s, struct entry *e)
{
	size_t after = s->count - (size_t)(e - s->entry) - 1;

	s->stats.runs--;
	s->stats.held -= e->held != NULL;
	s->stats.bytes -= (int64_t)e->n_bytes;
	free(e->held);
	memmove(e, e + 1, after * sizeof(*e));
	s->count--;
}

/* ---- rejected runs ------------------------------------------------------ */

static int is_record(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && strcmp(d->d_name + n - 5, ".json") == 0;
}

int spool_rejected_kept(const struct spool *s)
{
	struct dirent **list;
	int n = scandir(s->rejected_dir, &list, is_record, NULL);

	for (int i = 0; i < n; i++)
		free(list[i]);
	if (n >= 0)
		free(list);
	return n > 0 ? n : 0;
}

static void remove_rejected(const struct spool *s, const char *name)
{
	char *record = mem_printf("%s/%s", s->rejected_dir, name);
	char *reason = mem_printf("%s/%.*s.reason", s->rejected_dir,
	                          (int)(strlen(name) - 5), name);

	unlink(record);
	unlink(reason);
	free(record);
	free(reason);
}

/* Keep the latest; they are for people to look at, not an archive. */
static void thin_rejected(const struct spool *s)
{
	struct dirent **list;
	int n = scandir(s->rejected_dir, &list, is_record, alphasort);

	for (int i = 0; i < n; i++) {
		if (i < n - REJECTED_MAX)
			remove_rejected(s, list[i]->d_name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

static void write_reason(const struct spool *s, const char *stem,
                         const char *reason)
{
	char *path = mem_printf("%s/%s.reason", s->rejected_dir, stem);
	char *line = mem_printf("%s\n", reason);
	struct err e;

	if (!file_replace(path, line, strlen(line), 0600, &e))
		log_warn("spool: %s", e.text);
	free(path);
	free(line);
}

/* Move a file that is in the way, whatever it is called. */
static void set_aside(struct spool *s, const char *name, const char *reason)
{
	char *from = mem_printf("%s/%s", s->dir, name);
	char *to = mem_printf("%s/%s", s->rejected_dir, name);
	char stem[256];

	snprintf(stem, sizeof(stem), "%.*s", (int)(strlen(name) - 5), name);
	log_warn("spool: %s is set aside in %s: %s", name, s->rejected_dir,
	         reason);
	if (rename(from, to) != 0)
		log_warn("spool: cannot move %s: %s", from, strerror(errno));
	s->stats.rejected++;
	write_reason(s, stem, reason);
	thin_rejected(s);
	free(from);
	free(to);
}

static void move_to_rejected(struct spool *s, const struct entry *entry)
{
	char *to = path_of(s->rejected_dir, entry->run, ".json");
	char *from = path_of(s->dir, entry->run, ".json");
	struct err e;

	if (entry->held) {
		if (!file_replace(to, entry->held, entry->n_bytes, 0600, &e))
			log_warn("spool: %s", e.text);
	} else if (rename(from, to) != 0 && errno != ENOENT) {
		log_warn("spool: cannot move %s: %s", from, strerror(errno));
	}
	free(to);
	free(from);
}

void spool_reject(struct spool *s, const uint8_t run[WIRE_RUN_BYTES],
                  const char *reason)
{
	struct entry *entry = find(s, run);
	char id[ID_TEXT_BYTES];

	if (!entry)
		return;
	record_run_id_format(run, id);
	move_to_rejected(s, entry);
	write_reason(s, id, reason);
	forget(s, entry);
	s->stats.rejected++;
	thin_rejected(s);
}

/* ---- taking stock ------------------------------------------------------- */

static void remove_if_stale(const struct spool *s, const char *name)
{
	char *path = mem_printf("%s/%s", s->dir, name);
	struct stat st;

	if (stat(path, &st) == 0 && st.st_mtime + STALE_AGE_S < time(NULL))
		unlink(path);
	free(path);
}

static void note_file(struct spool *s, const char *name)
{
	uint8_t run[WIRE_RUN_BYTES];
	char id[ID_TEXT_BYTES];
	char *path;
	struct stat st;
	size_t n = strlen(name);

	if (strstr(name, FILE_TEMPORARY_MARK)) {
		remove_if_stale(s, name);
		return;
	}
	if (n <= 5 || strcmp(name + n - 5, ".json") != 0)
		return;
	snprintf(id, sizeof(id), "%.*s", (int)(n - 5), name);
	if (n - 5 != ID_TEXT_BYTES - 1 || !record_run_id_parse(id, run)) {
		set_aside(s, name, "its name is not the id of a run");
		return;
	}
	path = mem_printf("%s/%s", s->dir, name);
	if (stat(path, &st) == 0 && !find(s, run))
		insert_at(s, place_of(s, run), run, (size_t)st.st_size);
	free(path);
}

/* Held runs are in no file: they stay. */
static void forget_files(struct spool *s)
{
	for (size_t i = s->count; i > 0; i--) {
		if (!s->entry[i - 1].held)
			forget(s, &s->entry[i - 1]);
	}
}

bool spool_scan(struct spool *s, struct err *e)
{
	struct dirent **list;
	int n = scandir(s->dir, &list, NULL, alphasort);

	if (n < 0)
		return err_set(e, errno, "cannot read the spool %s", s->dir);
	forget_files(s);
	for (int i = 0; i < n; i++) {
		note_file(s, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return true;
}

struct spool *spool_open(const char *dir, int64_t max_bytes, struct err *e)
{
	struct spool *s = mem_alloc(sizeof(*s));

	s->dir = mem_strdup(dir);
	s->rejected_dir = mem_printf("%s/rejected", dir);
	s->max_bytes = max_bytes;
	if ((mkdir(s->dir, 0700) != 0 && errno != EEXIST) ||
	    (mkdir(s->rejected_dir, 0700) != 0 && errno != EEXIST)) {
		err_set(e, errno, "cannot make the spool %s", s->dir);
		spool_close(s);
		return NULL;
	}
	if (!spool_scan(s, e)) {
		spool_close(s);
		return NULL;
	}
	return s;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	while (s->count > 0)
		forget(s, &s->entry[s->count - 1]);
	free(s->entry);
	free(s->dir);
	free(s->rejected_dir);
	free(s);
}

/* ---- adding ------------------------------------------------------------- */

static void drop(struct spool *s, struct entry *entry)
{
	char *path = path_of(s->dir, entry->run, ".json");

	if (!entry->held)
		unlink(path);
	free(path);
	forget(s, entry);
	s->stats.dropped++;
}

/* More room than the limit is never taken, not even for a moment. */
static void make_room(struct spool *s, size_t n_bytes)
{
	while (s->count > 0 && s->stats.bytes + (int64_t)n_bytes > s->max_bytes)
		drop(s, &s->entry[0]);
}

static size_t held_bytes(const struct spool *s)
{
	size_t sum = 0;

	for (size_t i = 0; i < s->count; i++)
		sum += s->entry[i].held ? s->entry[i].n_bytes : 0;
	return sum;
}

static void hold(struct spool *s, const uint8_t *run, const char *json,
                 size_t n_bytes)
{
	struct entry *entry;

	for (size_t i = 0;
	     i < s->count && held_bytes(s) + n_bytes > HELD_MAX_BYTES;) {
		if (s->entry[i].held)
			drop(s, &s->entry[i]);
		else
			i++;
	}
	entry = insert_at(s, place_of(s, run), run, n_bytes);
	entry->held = mem_alloc(n_bytes + 1);
	memcpy(entry->held, json, n_bytes);
	s->stats.held++;
}

static bool write_run(const struct spool *s, const uint8_t *run,
                      const char *json, size_t n_bytes, struct err *e)
{
	char *path = path_of(s->dir, run, ".json");
	bool ok = file_replace(path, json, n_bytes, 0600, e);

	free(path);
	return ok;
}

bool spool_add(struct spool *s, const uint8_t run[WIRE_RUN_BYTES],
               const char *json, size_t n_bytes, struct err *e)
{
	make_room(s, n_bytes);
	if (!write_run(s, run, json, n_bytes, e)) {
		hold(s, run, json, n_bytes);
		return false;
	}
	insert_at(s, place_of(s, run), run, n_bytes);
	return true;
}

bool spool_save_held(struct spool *s, struct err *e)
{
	for (size_t i = 0; i < s->count; i++) {
		struct entry *entry = &s->entry[i];

		if (!entry->held)
			continue;
		if (!write_run(s, entry->run, entry->held, entry->n_bytes, e))
			return false;
		free(entry->held);
		entry->held = NULL;
		s->stats.held--;
	}
	return true;
}

/* ---- taking out --------------------------------------------------------- */

/* Is it a record, and this run's? */
static bool is_sound(const char *json, size_t n_bytes, const uint8_t *run,
                     char *reason, size_t reason_bytes)
{
	struct record *r = mem_alloc(sizeof(*r));
	char where[64] = "";
	enum record_fault fault = record_decode(json, n_bytes, r, where);
	bool ok =
		fault == RECORD_OK && memcmp(r->run, run, WIRE_RUN_BYTES) == 0;

	if (fault != RECORD_OK)
		snprintf(reason, reason_bytes, "damaged: %s %s",
		         record_fault_name(fault), where);
	else
		snprintf(reason, reason_bytes, "holds another run");
	free(r);
	return ok;
}

static char *read_entry(const struct spool *s, const struct entry *entry,
                        size_t *n_bytes, struct err *e)
{
	char *path;
	char *json;

	if (entry->held) {
		json = mem_alloc(entry->n_bytes + 1);
		memcpy(json, entry->held, entry->n_bytes);
		*n_bytes = entry->n_bytes;
		return json;
	}
	path = path_of(s->dir, entry->run, ".json");
	json = file_read(path, RECORD_JSON_MAX, n_bytes, e);
	free(path);
	return json;
}

char *spool_newest(struct spool *s, uint8_t run[WIRE_RUN_BYTES],
                   size_t *n_bytes)
{
	while (s->count > 0) {
		struct entry *entry = &s->entry[s->count - 1];
		struct err e = { 0 };
		char reason[160];
		char id[ID_TEXT_BYTES];
		char *json = read_entry(s, entry, n_bytes, &e);

		memcpy(run, entry->run, WIRE_RUN_BYTES);
		if (json &&
		    is_sound(json, *n_bytes, run, reason, sizeof(reason)))
			return json;
		if (!json && e.code == ENOENT) {
			forget(s, entry); /* another process sent it */
			continue;
		}
		record_run_id_format(run, id);
		log_warn("spool: run %s is set aside: %s", id,
		         json ? reason : e.text);
		spool_reject(s, run, json ? reason : e.text);
		free(json);
	}
	return NULL;
}

void spool_remove(struct spool *s, const uint8_t run[WIRE_RUN_BYTES])
{
	struct entry *entry = find(s, run);
	char *path = path_of(s->dir, run, ".json");

	if (unlink(path) != 0 && errno != ENOENT)
		log_warn("spool: cannot remove %s: %s", path, strerror(errno));
	free(path);
	if (entry)
		forget(s, entry);
}

struct spool_stats spool_stats(const struct spool *s)
{
	return s->stats;
}
