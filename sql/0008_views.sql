-- SPDX-License-Identifier: Apache-2.0
-- What people query: names instead of codes, nothing that tells lines apart.

set local search_path = pg_catalog, pg_temp;
set local role periplus_owner;

create view periplus.probe as
select r.run_id, r.started, r.received, r.asn, a.name as asn_name,
	r.country, r.family, x.name as reflector, r.plan, r.agent_version,
	st.name as status, vr.name as void_reason,
	p.position::integer as position,
	d.name as direction, t.name as transport, p.port,
	c.application, o.name as outcome, s.name as seen,
	nullif(p.rtt_us, 0) as rtt_us, p.attempts,
	nullif(p.hop, 0::smallint) as hop, pl.name as place,
	e.item ->> 'skip' as skip,
	(e.item #>> '{icmp,0}')::smallint as icmp_type,
	(e.item #>> '{icmp,1}')::smallint as icmp_code,
	case when (e.item ->> 'from')::inet <<= r.prefix then null
		else e.item ->> 'from' end as icmp_from,
	e.item ->> 'banner' as banner,
	(e.item ->> 'arrived')::integer as arrived_port,
	(e.item ->> 'errno')::integer as host_errno
from periplus.run as r
cross join lateral unnest(r.probe_direction, r.probe_transport,
	r.probe_port, r.probe_outcome, r.probe_seen, r.probe_rtt_us,
	r.probe_attempts, r.probe_hop, r.probe_place) with ordinality
	as p (direction, transport, port, outcome, seen, rtt_us, attempts, hop,
		place, position)
join periplus.direction as d on d.code = p.direction
join periplus.transport as t on t.code = p.transport
join periplus.outcome as o on o.code = p.outcome
join periplus.seen as s on s.code = p.seen
join periplus.place as pl on pl.code = p.place
join periplus.run_status as st on st.code = r.status
join periplus.void_reason as vr on vr.code =
	case p.transport when 0 then r.void_tcp else r.void_udp end
left join periplus.asn as a on a.asn = r.asn
left join periplus.reflector as x on x.reflector_id = r.reflector_id
left join periplus.port as c on c.transport = p.transport
	and c.port = p.port
left join lateral (
	select i.item
	from jsonb_array_elements(r.evidence) as i (item)
	where (i.item ->> 'i')::integer = p.position - 1
	limit 1
) as e on true;
comment on view periplus.probe is
	'One row a probe, with names for codes and its evidence in columns. Limit '
	'"started" in a query: partitions outside are then not read.';
comment on column periplus.probe.run_id is 'The run that it belongs to.';
comment on column periplus.probe.started is 'When the run began.';
comment on column periplus.probe.received is
	'When the collector got the run.';
comment on column periplus.probe.asn is 'Provider of the line; 0 unknown.';
comment on column periplus.probe.asn_name is 'Name of the provider.';
comment on column periplus.probe.country is
	'Country of the line''s address; ZZ unknown.';
comment on column periplus.probe.family is 'Address family, 4 or 6.';
comment on column periplus.probe.reflector is
	'Server that was measured against.';
comment on column periplus.probe.plan is 'Serial of the plan.';
comment on column periplus.probe.agent_version is
	'Version of the program that measured.';
comment on column periplus.probe.status is
	'valid, void or unproven: only valid runs vote.';
comment on column periplus.probe.void_reason is
	'Why probes of this transport in the run vote for nothing, or none.';
comment on column periplus.probe.position is
	'Position of the probe in its run, from 1.';
comment on column periplus.probe.direction is
	'out: from the line to the reflector; in: the other way.';
comment on column periplus.probe.transport is 'tcp or udp.';
comment on column periplus.probe.port is 'Port number.';
comment on column periplus.probe.application is
	'What normally uses the port; null outside the catalogue.';
comment on column periplus.probe.outcome is
	'What it came to, see table outcome.';
comment on column periplus.probe.seen is
	'Whether the reflector saw it: yes, no or unknown.';
comment on column periplus.probe.rtt_us is
	'Round-trip time in microseconds; null when none was timed.';
comment on column periplus.probe.attempts is 'Attempts made.';
comment on column periplus.probe.hop is
	'Last hop that answered on this port; null when not located.';
comment on column periplus.probe.place is
	'Where it failed, see table place; none when it did not.';
comment on column periplus.probe.skip is
	'Why it was not made, see table skip; null when it was.';
comment on column periplus.probe.icmp_type is
	'Type of the ICMP error that came back; null without one.';
comment on column periplus.probe.icmp_code is 'Code of that ICMP error.';
comment on column periplus.probe.icmp_from is
	'Address that sent the ICMP error; withheld when it is in the line''s own '
	'prefix.';
comment on column periplus.probe.banner is
	'First bytes of what answered in the reflector''s place, base64. Some '
	'servers greet with the client''s address: do not publish unread.';
comment on column periplus.probe.arrived_port is
	'Port on which it arrived when that was another one.';
comment on column periplus.probe.host_errno is
	'Error number when the measuring host refused to send.';

create view periplus.verdict_matrix as
select v.asn, coalesce(a.name, '') as asn_name, v.country,
	d.name as direction, t.name as transport, v.port, v.family,
	c.application, v.lines, v.blocked, v.open, v.intercepted, v.altered,
	v.share, v.share_low, v.share_high, v.posterior, v.label, v.confirmed,
	v.confidence, v.mostly_blocked, v.flip_margin, p.name as place,
	v.prefixes, v.first_day, v.last_day, v.k, v.contradicted,
	v.outcomes, v.places, v.as_of, v.rule_version
from periplus.verdict as v
join periplus.direction as d on d.code = v.direction
join periplus.transport as t on t.code = v.transport
join periplus.place as p on p.code = v.place
left join periplus.asn as a on a.asn = v.asn
left join periplus.port as c on c.transport = v.transport
	and c.port = v.port;
comment on view periplus.verdict_matrix is
	'Verdicts with names for codes: providers by ports.';
comment on column periplus.verdict_matrix.asn is 'Provider.';
comment on column periplus.verdict_matrix.asn_name is
	'Name of the provider; empty when unknown.';
comment on column periplus.verdict_matrix.country is
	'Country of most of the provider''s lines.';
comment on column periplus.verdict_matrix.direction is
	'out: from the line to the reflector; in: the other way.';
comment on column periplus.verdict_matrix.transport is 'tcp or udp.';
comment on column periplus.verdict_matrix.port is 'Port number.';
comment on column periplus.verdict_matrix.family is
	'Address family, 4 or 6.';
comment on column periplus.verdict_matrix.application is
	'What normally uses the port; null outside the catalogue.';
comment on column periplus.verdict_matrix.lines is 'Voting lines.';
comment on column periplus.verdict_matrix.blocked is
	'Lines that do not get through.';
comment on column periplus.verdict_matrix.open is 'Lines that get through.';
comment on column periplus.verdict_matrix.intercepted is
	'Lines that something else answers.';
comment on column periplus.verdict_matrix.altered is
	'Lines that get through changed.';
comment on column periplus.verdict_matrix.share is
	'Share of the lines that the label is about: k / lines.';
comment on column periplus.verdict_matrix.share_low is
	'Lower end of the share''s 95 % interval.';
comment on column periplus.verdict_matrix.share_high is
	'Upper end of the share''s 95 % interval.';
comment on column periplus.verdict_matrix.posterior is
	'Posterior probability of the label''s claim; of the likeliest claim when '
	'unclear; null when insufficient.';
comment on column periplus.verdict_matrix.label is
	'The verdict, see table label.';
comment on column periplus.verdict_matrix.confirmed is
	'True: confirmed; false: probable, or nothing is claimed.';
comment on column periplus.verdict_matrix.confidence is
	'From 1, nothing is claimed, to 5; see confidence_of.';
comment on column periplus.verdict_matrix.mostly_blocked is
	'More than half of the lines are blocked, with probability 0.95.';
comment on column periplus.verdict_matrix.flip_margin is
	'Least number of lines whose change of vote alters the label.';
comment on column periplus.verdict_matrix.place is
	'Where most of the lines that are not open fail, see table place.';
comment on column periplus.verdict_matrix.prefixes is
	'Number of different /24 or /48 prefixes among the lines.';
comment on column periplus.verdict_matrix.first_day is
	'First day in the window with a vote.';
comment on column periplus.verdict_matrix.last_day is
	'Last day in the window with a vote.';
comment on column periplus.verdict_matrix.k is
	'Number of lines that the label is about.';
comment on column periplus.verdict_matrix.contradicted is
	'Passages seen from three prefixes on one day forbid the label blocked.';
comment on column periplus.verdict_matrix.outcomes is
	'Lines by outcome.';
comment on column periplus.verdict_matrix.places is
	'Lines that are not open, by place.';
comment on column periplus.verdict_matrix.as_of is
	'Last day of the window.';
comment on column periplus.verdict_matrix.rule_version is
	'Version of the rules that made the verdict.';
