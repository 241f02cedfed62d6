/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config.h"

#include <errno.h>
#include <sodium.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

enum {
	MIB = 1024 * 1024,
	/* "Ed", key number, Ed25519 key: see lib/minisign.h. */
	MINISIGN_KEY_BYTES = 2 + 8 + 32,
};

const struct conf_key config_keys[] = {
	{
		.name = "plan",
		.type = CONF_LIST,
		.offset = offsetof(struct config, plan),
		.help = "where the plan is: a path or an http(s) URL; several "
			"are tried in turn",
	},
	{
		.name = "plan_key",
		.type = CONF_STRING,
		.offset = offsetof(struct config, plan_key),
		.help = "minisign public key that signs the plan",
	},
	{
		.name = "state_dir",
		.type = CONF_STRING,
		.offset = offsetof(struct config, state_dir),
		.help = "key, cached plan, spool and status; empty: " //
		PERIPLUS_STATEDIR " when this user may write there, "
			"else $XDG_STATE_HOME/periplus or "
			"~/.local/state/periplus",
	},
	{
		.name = "consent_file",
		.type = CONF_STRING,
		.offset = offsetof(struct config, consent_file),
		.help = "what a person agreed to; empty: consent in state_dir",
	},
	{
		.name = "spool_max",
		.type = CONF_SIZE,
		.offset = offsetof(struct config, spool_max_bytes),
		.min = MIB,
		.max = INT64_C(1024) * MIB,
		.def = "64M",
		.help = "past this size the oldest runs are dropped, and "
			"counted",
	},
	{
		.name = "upload",
		.type = CONF_BOOL,
		.offset = offsetof(struct config, upload),
		.def = "yes",
		.help = "send runs to the plan's collectors",
	},
	{
		.name = "allow_any_target",
		.type = CONF_BOOL,
		.offset = offsetof(struct config, allow_any_target),
		.def = "no",
		.help = "accept reflectors that are not public addresses; for "
			"a laboratory only",
	},
	{ 0 },
};

bool config_is_url(const char *source)
{
	return strncmp(source, "http://", 7) == 0 ||
	       strncmp(source, "https://", 8) == 0;
}

static bool check_source(const char *source, struct err *e)
{
	if (config_is_url(source) || !strstr(source, "://"))
		return true;
	return err_set(e, 0,
	               "plan = %s: neither a path nor an http:// or https:// "
	               "URL",
	               source);
}

static bool check_plan_key(const struct config *c, struct err *e)
{
	uint8_t key[MINISIGN_KEY_BYTES];
	size_t n = 0;

	if (!c->plan_key && c->plan.count > 0)
		return err_set(e, 0,
		               "plan is set but plan_key is not: give the "
		               "operator's minisign public key");
	if (!c->plan_key)
		return true;
	if (sodium_base642bin(key, sizeof(key), c->plan_key,
	                      strlen(c->plan_key), NULL, &n, NULL,
	                      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    n != sizeof(key) || key[0] != 'E' || key[1] != 'd')
		return err_set(e, 0,
		               "plan_key = %s: not a minisign public key (the "
		               "second line of a .pub file)",
		               c->plan_key);
	return true;
}

/* NULL when the environment names no place. */
static char *user_state_dir(void)
{
	const char *xdg = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");

	if (xdg && xdg[0] == '/')
		return mem_printf("%s/periplus", xdg);
	if (home && home[0] == '/')
		return mem_printf("%s/.local/state/periplus", home);
	return NULL;
}

static bool fill_in(struct config *c, struct err *e)
{
	if (!c->state_dir &&
	    (geteuid() == 0 || access(PERIPLUS_STATEDIR, W_OK | X_OK) == 0))
		c->state_dir = mem_strdup(PERIPLUS_STATEDIR);
	if (!c->state_dir)
		c->state_dir = user_state_dir();
	if (!c->state_dir)
		return err_set(e, 0,
		               "no place for state: %s cannot be written and "
		               "HOME is not set; set state_dir",
		               PERIPLUS_STATEDIR);
	if (!c->consent_file)
		c->consent_file = config_state_path(c, "consent");
	return true;
}

static bool load(struct config *c, const char *path,
                 const struct args_list *set, struct err *e)
{
	const char *file = path ? path : CONFIG_FILE;

	if (path || access(file, F_OK) == 0) {
		if (!conf_load(config_keys, c, file, e))
			return false;
	}
	for (int i = 0; i < set->count; i++) {
		if (!conf_set(config_keys, c, "--set", set->item[i], e))
			return false;
	}
	for (int i = 0; i < c->plan.count; i++) {
		if (!check_source(c->plan.item[i], e))
			return false;
	}
	return check_plan_key(c, e) && fill_in(c, e);
}

bool config_load(struct config *c, const char *path,
                 const struct args_list *set, struct err *e)
{
	*c = (struct config){ 0 };
	conf_defaults(config_keys, c);
	if (load(c, path, set, e))
		return true;
	config_free(c);
	return false;
}

void config_free(struct config *c)
{
	conf_free(config_keys, c);
	*c = (struct config){ 0 };
}

char *config_state_path(const struct config *c, const char *name)
{
	return mem_printf("%s/%s", c->state_dir, name);
}

/* Whoever can write there can take the key's place, or the spool's. */
static bool check_owner(const char *dir, struct err *e)
{
	struct stat st;

	if (stat(dir, &st) != 0)
		return err_set(e, errno, "cannot use the state directory %s",
		               dir);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, "state directory %s", dir);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(e, 0,
		               "the state directory %s belongs to another "
		               "user: set state_dir to one of your own",
		               dir);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, 0,
		               "the state directory %s can be written by "
		               "others: chmod go-w it",
		               dir);
	return true;
}

bool config_make_state_dir(const struct config *c, struct err *e)
{
	char *path = mem_strdup(c->state_dir);
	bool ok = true;

	for (char *p = path + 1; ok && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		ok = mkdir(path, 0755) == 0 || errno == EEXIST;
		*p = '/';
	}
	ok = ok && (mkdir(path, 0700) == 0 || errno == EEXIST);
	if (!ok)
		err_set(e, errno, "cannot make the state directory %s", path);
	free(path);
	return ok && check_owner(c->state_dir, e);
}
