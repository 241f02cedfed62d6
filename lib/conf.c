/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf.h"

#include <assert.h>
#include <ctype.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/nearest.h"
#include "lib/text.h"
#include "lib/value.h"

enum { FILE_MAX_BYTES = 256 * 1024, SHOWN_BYTES = 80, VALUES_BYTES = 80 };

/* The types that are held as int64_t differ only in how they are written. */
struct number_type {
	const char *noun;
	bool (*parse)(const char *text, int64_t *out);
	void (*format)(int64_t n, char out[VALUE_TEXT_BYTES]);
	int64_t range_unit; /* of min and max in struct conf_key */
};

static const struct number_type int_type = {
	.noun = "a whole number",
	.parse = value_parse_int,
	.format = value_format_int,
	.range_unit = 1,
};

static const struct number_type duration_type = {
	.noun = "a duration (a number with ms, s, m, h or d, as in 10s)",
	.parse = value_parse_duration,
	.format = value_format_duration,
	.range_unit = CLOCK_S,
};

static const struct number_type size_type = {
	.noun = "a size (bytes, or a number with k, M or G, as in 64k)",
	.parse = value_parse_size,
	.format = value_format_size,
	.range_unit = 1,
};

/* NULL for a type that is no number. */
static const struct number_type *number_type_of(const struct conf_key *k)
{
	switch (k->type) {
	case CONF_INT:
		return &int_type;
	case CONF_DURATION:
		return &duration_type;
	case CONF_SIZE:
		return &size_type;
	case CONF_BOOL:
	case CONF_STRING:
	case CONF_LIST:
		break;
	}
	return NULL;
}

static bool has_range(const struct conf_key *k)
{
	return k->min != 0 || k->max != 0;
}

static void *field_of(const struct conf_key *k, void *target)
{
	return (char *)target + k->offset;
}

/* ---- one value ---------------------------------------------------------- */

/* Values come from outside: quote them safely, and not without end. */
static bool refuse(struct err *e, const struct conf_key *k, const char *text,
                   const char *why)
{
	char shown[SHOWN_BYTES];

	log_escape(shown, sizeof(shown), text, strlen(text));
	return err_set(e, 0, "%s = %s: %s", k->name, shown, why);
}

/* "1s to 1d". */
static void describe_range(const struct conf_key *k, char *out, size_t n_bytes)
{
	const struct number_type *type = number_type_of(k);
	char min[VALUE_TEXT_BYTES];
	char max[VALUE_TEXT_BYTES];

	type->format(k->min * type->range_unit, min);
	type->format(k->max * type->range_unit, max);
	snprintf(out, n_bytes, "%s to %s", min, max);
}

static bool set_number(const struct conf_key *k, int64_t *field,
                       const char *text, struct err *e)
{
	const struct number_type *type = number_type_of(k);
	char why[128];
	int64_t n;

	if (!type->parse(text, &n)) {
		snprintf(why, sizeof(why), "not %s", type->noun);
		return refuse(e, k, text, why);
	}
	if (has_range(k) &&
	    (n < k->min * type->range_unit || n > k->max * type->range_unit)) {
		char range[2 * VALUE_TEXT_BYTES + 8];

		describe_range(k, range, sizeof(range));
		snprintf(why, sizeof(why), "out of range, %s", range);
		return refuse(e, k, text, why);
	}
	*field = n;
	return true;
}

static bool set_bool(const struct conf_key *k, bool *field, const char *text,
                     struct err *e)
{
	bool yes = strcmp(text, "yes") == 0;

	if (!yes && strcmp(text, "no") != 0)
		return refuse(e, k, text, "neither yes nor no");
	*field = yes;
	return true;
}

static void set_string(char **field, const char *text)
{
	free(*field);
	*field = *text ? mem_strdup(text) : NULL;
}

static void clear_list(struct conf_list *list)
{
	for (int i = 0; i < list->count; i++)
		free(list->item[i]);
	*list = (struct conf_list){ 0 };
}

static bool extend_list(const struct conf_key *k, struct conf_list *list,
                        const char *text, struct err *e)
{
	static const char blank[] = " \t";

	for (const char *p = text + strspn(text, blank); *p;) {
		size_t n = strcspn(p, blank);

		if (list->count == CONF_LIST_MAX)
			return err_set(e, 0, "%s: more than %d items", k->name,
			               CONF_LIST_MAX);
		list->item[list->count++] = mem_printf("%.*s", (int)n, p);
		p += n;
		p += strspn(p, blank);
	}
	return true;
}

/* Give a field the value of the text; a list gets it beside what it has. */
static bool set_field(const struct conf_key *k, void *target, const char *text,
                      struct err *e)
{
	void *field = field_of(k, target);

	switch (k->type) {
	case CONF_STRING:
		set_string(field, text);
		return true;
	case CONF_LIST:
		return extend_list(k, field, text, e);
	case CONF_BOOL:
		return set_bool(k, field, text, e);
	case CONF_INT:
	case CONF_DURATION:
	case CONF_SIZE:
		break;
	}
	return set_number(k, field, text, e);
}

/* ---- one line ----------------------------------------------------------- */

static bool is_blank(char c)
{
	return isspace((unsigned char)c);
}

/* Cut white space from both ends, in place. */
static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && is_blank(end[-1]))
		end--;
	*end = '\0';
	while (is_blank(*text))
		text++;
	return text;
}

static void cut_comment(char *line)
{
	for (char *p = line; *p; p++) {
		if (*p == '#' && (p == line || is_blank(p[-1]))) {
			*p = '\0';
			return;
		}
	}
}

struct assignment {
	const struct conf_key *key;
	const char *value; /* points into the line */
};

static const struct conf_key *find_key(const struct conf_key *keys,
                                       const char *name, struct err *e)
{
	struct nearest near = nearest_to(name);
	char shown[SHOWN_BYTES];

	for (const struct conf_key *k = keys; k->name; k++) {
		if (strcmp(k->name, name) == 0)
			return k;
		nearest_offer(&near, k->name);
	}
	log_escape(shown, sizeof(shown), name, strlen(name));
	if (near.best)
		err_set(e, 0, "unknown key '%s'; did you mean '%s'?", shown,
		        near.best);
	else
		err_set(e, 0, "unknown key '%s'; --help-config lists the keys",
		        shown);
	return NULL;
}

/* Take "key = value" apart, in place. */
static bool parse_assignment(const struct conf_key *keys, char *line,
                             struct assignment *out, struct err *e)
{
	char *equals = strchr(line, '=');
	char shown[SHOWN_BYTES];

	if (!equals) {
		log_escape(shown, sizeof(shown), line, strlen(line));
		return err_set(e, 0, "expected 'key = value', found '%s'",
		               shown);
	}
	*equals = '\0';
	out->value = trim(equals + 1);
	out->key = find_key(keys, trim(line), e);
	if (!out->key)
		return false;
	if (*out->value == '\0' && out->key->type != CONF_STRING &&
	    out->key->type != CONF_LIST)
		return err_set(e, 0, "%s needs a value", out->key->name);
	return true;
}

/* ---- whole files -------------------------------------------------------- */

struct load {
	const struct conf_key *keys;
	void *target;
	int line;
	int *first_line; /* where each key was first set; 0: not yet */
};

static bool take_line(struct load *l, char *line, struct err *e)
{
	struct assignment a;
	int *first_line;

	cut_comment(line);
	line = trim(line);
	if (*line == '\0')
		return true;
	if (!parse_assignment(l->keys, line, &a, e))
		return false;
	first_line = &l->first_line[a.key - l->keys];
	if (a.key->type == CONF_LIST) {
		if (*first_line == 0) /* what it has are the defaults */
			clear_list(field_of(a.key, l->target));
	} else if (*first_line != 0) {
		return err_set(e, 0, "%s is already set in line %d",
		               a.key->name, *first_line);
	}
	*first_line = l->line;
	return set_field(a.key, l->target, a.value, e);
}

static size_t count_keys(const struct conf_key *keys)
{
	size_t n = 0;

	while (keys[n].name)
		n++;
	return n;
}

static bool take_lines(struct load *l, const char *path, char *text,
                       struct err *e)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		l->line++;
		if (!take_line(l, line, e))
			return err_prefix(e, "%s:%d", path, l->line);
	}
	return true;
}

bool conf_load(const struct conf_key *keys, void *target, const char *path,
               struct err *e)
{
	struct load l = { .keys = keys, .target = target };
	size_t n_bytes;
	char *text = file_read(path, FILE_MAX_BYTES, &n_bytes, e);
	bool ok;

	if (!text)
		return false;
	l.first_line = mem_array(count_keys(keys), sizeof(*l.first_line));
	if (strlen(text) == n_bytes)
		ok = take_lines(&l, path, text, e);
	else
		ok = err_set(e, 0, "%s is not a text file: it has a 0 byte",
		             path);
	free(l.first_line);
	free(text);
	return ok;
}

bool conf_set(const struct conf_key *keys, void *target, const char *where,
              const char *assignment, struct err *e)
{
	char *line = mem_strdup(assignment);
	struct assignment a;
	bool ok;

	cut_comment(line);
	ok = parse_assignment(keys, trim(line), &a, e);
	if (ok && strchr(a.value, '\n'))
		ok = refuse(e, a.key, a.value, "more than one line");
	if (ok && a.key->type == CONF_LIST)
		clear_list(field_of(a.key, target));
	ok = ok && set_field(a.key, target, a.value, e);
	free(line);
	return ok || err_prefix(e, "%s", where);
}

static void clear_field(const struct conf_key *k, void *target)
{
	static const size_t size_bytes[] = {
		[CONF_INT] = sizeof(int64_t),
		[CONF_BOOL] = sizeof(bool),
		[CONF_STRING] = sizeof(char *),
		[CONF_LIST] = sizeof(struct conf_list),
		[CONF_DURATION] = sizeof(int64_t),
		[CONF_SIZE] = sizeof(int64_t),
	};

	memset(field_of(k, target), 0, size_bytes[k->type]);
}

void conf_defaults(const struct conf_key *keys, void *target)
{
	for (const struct conf_key *k = keys; k->name; k++) {
		struct err e;
		bool ok = true;

		clear_field(k, target);
		if (k->def)
			ok = set_field(k, target, k->def, &e);
		assert(ok); /* the table refuses its own default */
		(void)ok;
	}
}

void conf_free(const struct conf_key *keys, void *target)
{
	for (const struct conf_key *k = keys; k->name; k++) {
		void *field = field_of(k, target);

		if (k->type == CONF_STRING)
			set_string(field, "");
		else if (k->type == CONF_LIST)
			clear_list(field);
	}
}

/* ---- writing ------------------------------------------------------------ */

static void print_value(const struct conf_key *k, const void *field, FILE *out)
{
	const struct number_type *type = number_type_of(k);
	const struct conf_list *list = field;
	const bool *yes = field;
	const int64_t *number = field;
	char *const *text = field;
	char formatted[VALUE_TEXT_BYTES];

	if (type) {
		type->format(*number, formatted);
		fprintf(out, " %s", formatted);
	} else if (k->type == CONF_BOOL) {
		fputs(*yes ? " yes" : " no", out);
	} else if (k->type == CONF_LIST) {
		for (int i = 0; i < list->count; i++)
			fprintf(out, " %s", list->item[i]);
	} else if (*text) {
		fprintf(out, " %s", *text);
	}
}

void conf_print(const struct conf_key *keys, const void *target, FILE *out)
{
	for (const struct conf_key *k = keys; k->name; k++) {
		fprintf(out, "%s =", k->name);
		print_value(k, (const char *)target + k->offset, out);
		fputc('\n', out);
	}
}

/* What may stand there, in a few words; empty for a plain text. */
static void describe_values(const struct conf_key *k, char *out, size_t n_bytes)
{
	const struct number_type *type = number_type_of(k);

	if (type && has_range(k))
		describe_range(k, out, n_bytes);
	else if (type)
		snprintf(out, n_bytes, "%s", type->noun);
	else if (k->type == CONF_BOOL)
		snprintf(out, n_bytes, "yes or no");
	else if (k->type == CONF_LIST)
		snprintf(out, n_bytes, "may be repeated");
	else
		out[0] = '\0';
}

void conf_help(const struct conf_key *keys, FILE *out)
{
	for (const struct conf_key *k = keys; k->name; k++) {
		const char *def = k->def ? k->def : "";
		char values[VALUES_BYTES];

		describe_values(k, values, sizeof(values));
		fprintf(out, "%s%s =%s%s", k == keys ? "" : "\n", k->name,
		        *def ? " " : "", def);
		if (*values)
			fprintf(out, "   (%s)", values);
		fputc('\n', out);
		text_item(out, "", 4, k->help);
	}
}

/* What roff would take for something else. */
static const char *roff_escape(char c)
{
	switch (c) {
	case '\\':
		return "\\e";
	case '-':
		return "\\-";
	case '~':
		return "\\(ti";
	case '^':
		return "\\(ha";
	case '`':
		return "\\(ga";
	default:
		return NULL;
	}
}

static void put_roff(const char *text, FILE *out)
{
	if (*text == '.' || *text == '\'') /* would begin a request */
		fputs("\\&", out);
	for (const char *p = text; *p; p++) {
		const char *escaped = roff_escape(*p);

		if (escaped)
			fputs(escaped, out);
		else
			fputc(*p, out);
	}
}

void conf_man(const struct conf_key *keys, FILE *out)
{
	for (const struct conf_key *k = keys; k->name; k++) {
		char values[VALUES_BYTES];

		describe_values(k, values, sizeof(values));
		fprintf(out, ".TP\n\\fB%s\\fR =", k->name);
		if (k->def && *k->def) {
			fputc(' ', out);
			put_roff(k->def, out);
		}
		if (*values)
			fprintf(out, "   (%s)", values);
		fputc('\n', out);
		put_roff(k->help, out);
		fputc('\n', out);
	}
}
