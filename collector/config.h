/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - the collector's settings.
 *
 * The table in config.c is parser, defaults, ranges and manual at once.
 */
#ifndef COLLECTOR_CONFIG_H
#define COLLECTOR_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/conf.h"

struct config {
	struct conf_list listen;
	char *key_file;
	char *line_key_file;
	char *receipt_keys;
	char *database;
	char *database_owner;
	char *database_aggregator;
	char *database_reader;
	char *geo_asn;
	char *geo_country;
	int64_t geo_check_ns;
	int64_t batch_max_runs;
	int64_t batch_max_bytes;
	int64_t batch_max_age_ns;
	int64_t queue_max_runs;
	int64_t wait_ns;
	int64_t pause_max_ns;
	int64_t rate_per_key_per_hour;
	int64_t rate_per_prefix_per_hour;
	int64_t io_threads;
	int64_t max_connections;
	int64_t shutdown_grace_ns;
};

extern const struct conf_key collector_config_keys[];

/*
 * Read the file over the defaults, then each "key=value" of set, then check
 * what one key alone cannot show.  path NULL: the file in the system's place,
 * which may be missing.
 */
MUSTCHECK bool collector_config_load(struct config *c, const char *path,
                                     const char *const *set, int set_count,
                                     struct err *e);

void collector_config_free(struct config *c);

#endif
