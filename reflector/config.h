/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - what the operator decides.
 *
 * Loading checks everything that can be known without opening a socket or the
 * key file.
 */
#ifndef REFLECTOR_CONFIG_H
#define REFLECTOR_CONFIG_H

#include "lib/addr.h"
#include "lib/conf.h"
#include "lib/control.h"
#include "reflector/portset.h"

struct reflector_config {
	/* As written; owned by conf. */
	char *name;
	struct conf_list listen4;
	struct conf_list listen6;
	char *seed_hex;
	char *receipt_key_file;
	char *ports;
	char *without_ports;
	int64_t threads; /* 0: one for each core */
	int64_t sessions_max;
	int64_t sessions_per_prefix;
	int64_t connections_max;
	int64_t connections_per_prefix;
	int64_t request_timeout_ns;
	int64_t linger_timeout_ns;

	/* Made from the above. */
	uint8_t seed[CONTROL_SEED_BYTES];
	struct addr local[PORTSET_LOCALS_MAX]; /* to listen on, port 0 */
	uint8_t local_count;
	struct port_list fixed;
	struct port_list without;
};

/* The table: for --help-config and --print-config. */
extern const struct conf_key reflector_config_keys[];

/*
 * Read a file, then the assignments ("key=value") over it, and check the
 * whole.  Whatever the result, reflector_config_free has to follow.
 */
MUSTCHECK bool reflector_config_load(struct reflector_config *c,
                                     const char *path,
                                     const char *const *assignments, int count,
                                     struct err *e);

void reflector_config_free(struct reflector_config *c);

#endif
