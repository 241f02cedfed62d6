/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/consent.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "lib/catalogue.h"
#include "lib/clock.h"
#include "lib/conf.h"
#include "lib/file.h"
#include "lib/mem.h"

struct consent_text {
	char *date;
	char *classes;
};

static const struct conf_key keys[] = {
	{
		.name = "date",
		.type = CONF_STRING,
		.offset = offsetof(struct consent_text, date),
		.help = "when it was given",
	},
	{
		.name = "classes",
		.type = CONF_STRING,
		.offset = offsetof(struct consent_text, classes),
		.help = "what was agreed to",
	},
	{ 0 },
};

static const uint8_t all_classes[] = {
	CONSENT_BASIC,
	CONSENT_NOISY,
	CONSENT_INBOUND,
	CONSENT_TOR_VPN,
};

enum { CLASS_COUNT = sizeof(all_classes) / sizeof(all_classes[0]) };

const char *consent_meaning(uint8_t consent_class)
{
	switch (consent_class) {
	case CONSENT_BASIC:
		return "probes of everyday ports (web, mail, DNS, games, "
		       "telephony) toward the plan's reflectors.";
	case CONSENT_NOISY:
		return "probes of ports that intrusion detection dislikes "
		       "(file sharing, telnet, databases); a network's "
		       "administrator may ask about them.";
	case CONSENT_INBOUND:
		return "connections from a reflector to this line, for the "
		       "minute that they are asked for.  This version makes "
		       "none.";
	case CONSENT_TOR_VPN:
		return "probes of ports used by Tor and VPNs; where those "
		       "are forbidden, think before agreeing.";
	default:
		return "";
	}
}

static bool parse_class(const char *word, size_t n, uint8_t *classes,
                        struct err *e)
{
	char name[CONSENT_TEXT_BYTES];
	int one = 0;

	if (n < sizeof(name)) {
		memcpy(name, word, n);
		name[n] = '\0';
		one = strcmp(name, "all") == 0 ? CONSENT_ALL
		                               : consent_class_parse(name);
	}
	if (one == 0)
		return err_set(e, 0,
		               "unknown class \"%.*s\"; the classes are "
		               "basic, noisy, inbound, tor_vpn, or all",
		               n < 40 ? (int)n : 40, word);
	*classes = (uint8_t)(*classes | one);
	return true;
}

bool consent_parse(const char *text, uint8_t *classes, struct err *e)
{
	static const char separators[] = ", \t";

	*classes = 0;
	for (const char *p = text + strspn(text, separators); *p;
	     p += strspn(p, separators)) {
		size_t n = strcspn(p, separators);

		if (!parse_class(p, n, classes, e))
			return false;
		p += n;
	}
	if (*classes == 0)
		return err_set(e, 0,
		               "no class named; the classes are basic, noisy, "
		               "inbound, tor_vpn, or all");
	return true;
}

void consent_format(uint8_t classes, char out[CONSENT_TEXT_BYTES])
{
	size_t used = 0;

	snprintf(out, CONSENT_TEXT_BYTES, "none");
	for (int i = 0; i < CLASS_COUNT; i++) {
		if (!(classes & all_classes[i]))
			continue;
		used += (size_t)snprintf(out + used, CONSENT_TEXT_BYTES - used,
		                         "%s%s", used ? ", " : "",
		                         consent_class_name(all_classes[i]));
	}
}

static bool understand(const struct consent_text *t, struct consent *out,
                       struct err *e)
{
	if (t->date && !clock_parse(t->date, &out->date_ns))
		return err_set(e, 0,
		               "date = %s: not a date such as "
		               "2026-11-22T10:00:00Z",
		               t->date);
	if (!t->classes)
		return err_set(e, 0, "classes is missing");
	return consent_parse(t->classes, &out->classes, e);
}

bool consent_read(const char *path, struct consent *out, struct err *e)
{
	struct consent_text text = { 0 };
	bool ok;

	*out = (struct consent){ 0 };
	if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
		return true;
	conf_defaults(keys, &text);
	ok = conf_load(keys, &text, path, e);
	if (ok && !understand(&text, out, e)) {
		ok = err_prefix(e, "consent file %s", path);
		*out = (struct consent){ 0 };
	}
	conf_free(keys, &text);
	return ok;
}

static void write_text(const struct consent *c, FILE *f)
{
	char date[CLOCK_TEXT_BYTES];
	char classes[CONSENT_TEXT_BYTES];

	clock_format(c->date_ns, date);
	consent_format(c->classes, classes);
	fprintf(f,
	        "# Consent to measure which ports are blocked on this line.\n"
	        "# Delete this file, or run 'periplus consent --revoke', to "
	        "withdraw it.\n"
	        "date = %s\n"
	        "classes = %s\n",
	        date, classes);
	for (int i = 0; i < CLASS_COUNT; i++)
		fprintf(f, "\n# %s (%s):\n#   %s\n",
		        consent_class_name(all_classes[i]),
		        c->classes & all_classes[i] ? "agreed" : "not agreed",
		        consent_meaning(all_classes[i]));
}

bool consent_write(const char *path, const struct consent *c, struct err *e)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	bool ok;

	if (!f)
		return err_set(e, errno, "cannot write %s", path);
	write_text(c, f);
	if (fclose(f) != 0) {
		err_set(e, errno, "cannot write %s", path);
		free(text);
		return false;
	}
	ok = file_replace(path, text, n, 0644, e);
	free(text);
	return ok;
}

bool consent_revoke(const char *path, struct err *e)
{
	if (unlink(path) != 0 && errno != ENOENT)
		return err_set(e, errno, "cannot remove %s", path);
	return true;
}
