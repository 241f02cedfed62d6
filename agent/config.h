/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - what the person who runs the agent decided.
 *
 * Values come from the built-in defaults, then the file, then --set.  Two of
 * them depend on who is asking and are filled in afterwards: without
 * state_dir an ordinary user gets a directory under the home directory, and
 * without consent_file the consent lies in state_dir.
 */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include "lib/args.h"
#include "lib/conf.h"

#define CONFIG_FILE PERIPLUS_SYSCONFDIR "/periplus.conf"

struct config {
	struct conf_list plan; /* paths and http(s) URLs, in order of trial */
	char *plan_key;        /* minisign public key, base64 */
	char *state_dir;
	char *consent_file;
	int64_t spool_max_bytes;
	bool upload;
	bool allow_any_target;
};

extern const struct conf_key config_keys[];

/*
 * Load the file (NULL: CONFIG_FILE, when it exists) and then each "key=value"
 * of set, and check what no single key can say.  On failure nothing is left
 * to free.
 */
MUSTCHECK bool config_load(struct config *c, const char *path,
                           const struct args_list *set, struct err *e);

void config_free(struct config *c);

/* Return the path of a file in the state directory; free() it. */
char *config_state_path(const struct config *c, const char *name);

/*
 * Make the state directory (mode 0700) and its parents.  An existing one is
 * left as it is; false when others could write to it.
 */
MUSTCHECK bool config_make_state_dir(const struct config *c, struct err *e);

/* Is the source of a plan fetched over the network? */
bool config_is_url(const char *source);

#endif
