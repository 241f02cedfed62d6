-- SPDX-License-Identifier: Apache-2.0
-- Who may do what.  Nobody but the owner reads a table that tells lines apart;
-- everyone else calls functions or reads what may be published, and collectors
-- add runs.
--
-- Later migrations must grant for what they add: functions are born callable
-- by everybody, which a test forbids.

set local search_path = pg_catalog, pg_temp;
set local role periplus_owner;

revoke all on all functions in schema periplus from public;

grant usage on schema periplus
	to periplus_collector, periplus_aggregator, researcher;
grant select on periplus.schema_version
	to periplus_collector, periplus_aggregator, researcher;

grant insert on periplus.run to periplus_collector;
grant execute on function
	periplus.known_runs(uuid[], timestamptz[], uuid[]),
	periplus.store_finish(date[], uuid[], text[], text[], text[], bigint[],
		text[], timestamptz[]),
	periplus.reflector_id(text),
	periplus.geo_source_id(text, text, bigint)
	to periplus_collector;

grant execute on function periplus.aggregate(boolean, date)
	to periplus_aggregator;

grant select on
	periplus.setting, periplus.port_rule, periplus.aggregation,
	periplus.outcome, periplus.direction, periplus.transport, periplus.seen,
	periplus.skip, periplus.void_reason, periplus.place, periplus.run_status,
	periplus.consent_class, periplus.vote, periplus.label, periplus.country,
	periplus.port, periplus.asn, periplus.reflector, periplus.geo_source,
	periplus.verdict, periplus.verdict_matrix
	to periplus_aggregator, researcher;
grant select on periplus.probe to researcher;

-- Anybody who may read verdicts may check them.
grant execute on function
	periplus.lgamma(double precision),
	periplus.log_beta(double precision, double precision),
	periplus.beta_fraction(double precision, double precision,
		double precision),
	periplus.beta_cdf(double precision, double precision, double precision),
	periplus.beta_quantile(double precision, double precision,
		double precision),
	periplus.log_beta_binomial(integer, integer, double precision,
		double precision),
	periplus.jeffreys(integer, integer),
	periplus.claims(integer, integer, double precision, double precision),
	periplus.claim(text, integer, integer, double precision,
		double precision),
	periplus.bounds(integer, double precision, double precision),
	periplus.judge(integer, integer, integer, integer, boolean, boolean,
		integer, integer, integer, integer, integer),
	periplus.confidence_of(text, boolean, integer, integer),
	periplus.vote_of(smallint, smallint, smallint),
	periplus.rule_version()
	to periplus_aggregator, researcher;
