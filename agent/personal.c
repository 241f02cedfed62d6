/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/personal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli.h"
#include "agent/page.h"
#include "lib/catalogue.h"
#include "lib/clock.h"
#include "lib/exit.h"
#include "lib/log.h"

static int fail(int status, const struct err *e)
{
	log_error("%s", e->text);
	return status;
}

/* ---- consent ------------------------------------------------------------ */

bool personal_consent(const struct config *c, struct consent *out,
                      struct err *e)
{
	if (!consent_read(c->consent_file, out, e))
		return false;
	if (out->classes != 0)
		return true;
	return err_set(e, 0,
	               "nobody has consented to measure (there is no %s): read "
	               "'periplus consent', then 'periplus consent --grant "
	               "basic'",
	               c->consent_file);
}

static void show_class(int class, const char *answer)
{
	const struct page page =
		page_of(stdout, REPORT_PLAIN, page_width(stdout));
	int column = printf("  %-8s %-3s  ", consent_class_name(class), answer);

	page_wrap(&page, column, column, INK_NONE,
	          consent_meaning((uint8_t) class));
}

static void show_consent(const struct config *c, const struct consent *consent)
{
	char date[CLOCK_TEXT_BYTES];
	char classes[CONSENT_TEXT_BYTES];

	consent_format(consent->classes, classes);
	printf("Consent: %s", classes);
	if (consent->classes && consent->date_ns) {
		clock_format(consent->date_ns, date);
		printf(", given %s", date);
	}
	printf("\nFile: %s\n\nClasses of ports:\n", c->consent_file);
	for (int class = CONSENT_BASIC; class <= CONSENT_ALL; class *= 2)
		show_class(class, consent->classes & class ? "yes" : "no");
	if (consent->classes == 0)
		puts("\nNothing is measured until somebody agrees: 'periplus "
		     "consent --grant basic'.");
}

/* Granting adds to what was granted before. */
static int grant(const struct cli *cli, const struct config *c,
                 struct consent *consent)
{
	struct err e;
	uint8_t classes;

	if (!consent_parse(cli->grant, &classes, &e))
		return fail(EXIT_USAGE, &e);
	consent->classes = (uint8_t)(consent->classes | classes);
	consent->date_ns = clock_realtime_ns();
	if (!consent_write(c->consent_file, consent, &e))
		return fail(EXIT_FAILED, &e);
	show_consent(c, consent);
	return EXIT_DONE;
}

int personal_run_consent(const struct cli *cli, struct config *c)
{
	struct consent consent;
	struct err e;

	if (cli->revoke && cli->grant) {
		err_set(&e, 0, "--grant and --revoke exclude each other");
		return fail(EXIT_USAGE, &e);
	}
	if (cli->revoke) {
		if (!consent_revoke(c->consent_file, &e))
			return fail(EXIT_FAILED, &e);
		puts("The consent is taken back: nothing is measured any "
		     "more.");
		return EXIT_DONE;
	}
	if (cli->grant && !config_make_state_dir(c, &e))
		return fail(EXIT_FAILED, &e);
	if (!consent_read(c->consent_file, &consent, &e) && !cli->grant)
		return fail(EXIT_CONSENT, &e);
	if (cli->grant)
		return grant(cli, c, &consent);
	show_consent(c, &consent);
	return EXIT_DONE;
}

/* ---- key ---------------------------------------------------------------- */

bool personal_key(const struct config *c, struct key *out, struct err *e)
{
	char *path = config_state_path(c, KEY_FILE);
	bool ok;

	if (key_exists(path)) {
		ok = key_load(path, out, e);
	} else {
		ok = key_make(path, out, e);
		if (ok)
			log_info("made the key of a new agent, %s", path);
	}
	free(path);
	return ok;
}

int personal_run_keygen(const struct cli *cli, struct config *c)
{
	char *path = config_state_path(c, KEY_FILE);
	struct key key;
	struct err e;
	int status = EXIT_DONE;

	if (!config_make_state_dir(c, &e)) {
		status = fail(EXIT_KEY, &e);
	} else if (key_exists(path) && !cli->force) {
		err_set(&e, 0,
		        "there is a key already, %s: --force replaces it, and "
		        "this becomes a new agent",
		        path);
		status = fail(EXIT_KEY, &e);
	} else if (!key_make(path, &key, &e)) {
		status = fail(EXIT_KEY, &e);
	} else {
		printf("Made %s.\nPublic key: %s\n", path, key.public_text);
	}
	free(path);
	return status;
}
