-- SPDX-License-Identifier: Apache-2.0
-- From votes to verdicts.
--
-- A cell is (provider, direction, transport, port, family).  Each line has one
-- vote in it: its latest inside the window.  The label is decided between
-- three states of the cell by their posterior probabilities:
--   OPEN     the share of lines without passage is near q0
--   BLOCKED  it is near q1
--   PARTIAL  it is anywhere from 0.3 to 0.7
-- OPEN and BLOCKED are beta-binomial with strength 20.  A claim must stand even
-- when a fifth of the lines lie: BLOCKED is judged against an OPEN whose share
-- the liars raise, OPEN against a BLOCKED whose share they lower.
--
-- Everything here is a pure function of facts, settings and the day of the
-- verdict.  Whoever changes a rule raises rule_version, which recomputes all.

set local search_path = pg_catalog, pg_temp;
set local role periplus_owner;

create function periplus.rule_version() returns integer
language sql immutable parallel safe
return 1;
comment on function periplus.rule_version() is
	'Version of the rules by which votes and verdicts are made.';

create table periplus.port_rule (
	direction smallint not null references periplus.direction,
	transport smallint not null references periplus.transport,
	port integer not null check (port between 0 and 65535),
	q0 double precision check (q0 between 0.01 and 0.4),
	q1 double precision check (q1 between 0.6 and 0.99),
	primary key (direction, transport, port)
);
comment on table periplus.port_rule is
	'Ports for which blocking is expected to look different: their own q0 '
	'and q1. They hold for the labels blocked, open and partial; an '
	'intercepting or altering network is expected to treat most lines alike.';
comment on column periplus.port_rule.direction is 'Code of the direction.';
comment on column periplus.port_rule.transport is 'Code of the transport.';
comment on column periplus.port_rule.port is 'Port number.';
comment on column periplus.port_rule.q0 is 'Instead of setting q0, unless null.';
comment on column periplus.port_rule.q1 is 'Instead of setting q1, unless null.';
-- Many providers open outbound 25/tcp for customers who ask.
insert into periplus.port_rule (direction, transport, port, q0, q1)
values (0, 0, 25, null, 0.75);

create function periplus.claims(
	n integer, k integer, q0 double precision, q1 double precision,
	out blocked double precision, out open double precision,
	out partial double precision)
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
	prior_open constant double precision := 0.75;
	prior_blocked constant double precision := 0.20;
	prior_partial constant double precision := 0.05;
	liars constant double precision := 0.2;
	s constant double precision := 20;
	raised constant double precision := q0 + (1 - q0) * liars;
	lowered constant double precision := q1 * (1 - liars);
	is_open double precision;
	is_open_with_liars double precision;
	is_blocked double precision;
	is_blocked_with_liars double precision;
	is_partial double precision;
begin
	is_open := prior_open
		* exp(periplus.log_beta_binomial(k, n, s * q0, s * (1 - q0)));
	is_open_with_liars := prior_open
		* exp(periplus.log_beta_binomial(k, n, s * raised, s * (1 - raised)));
	is_blocked := prior_blocked
		* exp(periplus.log_beta_binomial(k, n, s * q1, s * (1 - q1)));
	is_blocked_with_liars := prior_blocked * exp(periplus.log_beta_binomial(
		k, n, s * lowered, s * (1 - lowered)));
	-- The binomial coefficient and the beta function leave 1 / (n + 1).  The
	-- interval is its own mirror image, so k and n - k may change places: the
	-- greater first, both tails are small and nothing cancels.
	is_partial := prior_partial / (0.4 * (n + 1))
		* (periplus.beta_cdf(0.7, greatest(k, n - k) + 1, least(k, n - k) + 1)
		- periplus.beta_cdf(0.3, greatest(k, n - k) + 1, least(k, n - k) + 1));

	blocked := is_blocked / (is_open_with_liars + is_blocked + is_partial);
	open := is_open / (is_open + is_blocked_with_liars + is_partial);
	partial := is_partial / (is_open + is_blocked + is_partial);
end
$$;
comment on function periplus.claims(
	integer, integer, double precision, double precision) is
	'Posterior probability of each claim about a cell in which k of n lines '
	'have no passage.';

create function periplus.claim(
	claim text, n integer, k integer, q0 double precision,
	q1 double precision)
returns double precision
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
	c record;
begin
	c := periplus.claims(n, k, q0, q1);
	return case claim when 'blocked' then c.blocked
		when 'open' then c.open else c.partial end;
end
$$;
comment on function periplus.claim(
	text, integer, integer, double precision, double precision) is
	'Posterior probability of one claim: blocked, open or partial.';

-- The claims are made at 0.95.  BLOCKED grows and OPEN falls with k, PARTIAL
-- rises to one peak and falls, so each holds on one run of k and halving finds
-- its ends: a label is then a comparison, and a flip margin a difference.
create function periplus.bounds(
	n integer, q0 double precision, q1 double precision,
	out blocked_from integer, out open_to integer,
	out partial_from integer, out partial_to integer)
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
	enough constant double precision := 0.95;
	here double precision;
	low integer;
	high integer;
	middle integer;
begin
	low := 0;
	high := n + 1;
	while low < high loop
		middle := (low + high) / 2;
		if periplus.claim('blocked', n, middle, q0, q1) >= enough then
			high := middle;
		else
			low := middle + 1;
		end if;
	end loop;
	blocked_from := low;

	low := -1;
	high := n;
	while low < high loop
		middle := (low + high + 1) / 2;
		if periplus.claim('open', n, middle, q0, q1) >= enough then
			low := middle;
		else
			high := middle - 1;
		end if;
	end loop;
	open_to := low;

	-- The peak of PARTIAL, by comparing neighbours.  Far from it the claim is
	-- too small for a double; the peak then lies towards the middle.
	low := 0;
	high := n;
	while low < high loop
		middle := (low + high) / 2;
		here := periplus.claim('partial', n, middle, q0, q1);
		if here < periplus.claim('partial', n, middle + 1, q0, q1)
			or (here = 0 and middle < n / 2)
		then
			low := middle + 1;
		else
			high := middle;
		end if;
	end loop;
	if periplus.claim('partial', n, low, q0, q1) < enough then
		return;
	end if;
	partial_from := low;
	partial_to := low;

	low := 0;
	while low < partial_from loop
		middle := (low + partial_from) / 2;
		if periplus.claim('partial', n, middle, q0, q1) >= enough then
			partial_from := middle;
		else
			low := middle + 1;
		end if;
	end loop;
	high := n;
	while partial_to < high loop
		middle := (partial_to + high + 1) / 2;
		if periplus.claim('partial', n, middle, q0, q1) >= enough then
			partial_to := middle;
		else
			high := middle - 1;
		end if;
	end loop;
end
$$;
comment on function periplus.bounds(
	integer, double precision, double precision) is
	'For n lines: from how many without passage BLOCKED is claimed (n + 1: '
	'never), up to how many OPEN is (-1: never), and between which PARTIAL '
	'is (null: never).';

-- What the counts of a cell say.  "port" are the bounds of the cell's own q0
-- and q1, "usual" those of the settings.  A line that changes its vote may
-- move from any vote to any other; k is the count that the label is about.
create function periplus.judge(
	n integer, blocked integer, intercepted integer, altered integer,
	contradicted boolean, heard boolean,
	port_blocked_from integer, usual_blocked_from integer,
	open_to integer, partial_from integer, partial_to integer,
	out label text, out k integer, out flip_margin integer)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
	closed constant integer := blocked + intercepted + altered;
	-- Lines that must change until one of the three is claimed.
	to_claim integer;
	to_open constant integer :=
		case when open_to >= 0 then closed - open_to end;
begin
	k := closed;
	if not heard then
		label := 'insufficient';
		flip_margin := 0;
		return;
	end if;
	if not contradicted then
		if blocked >= port_blocked_from then
			label := 'blocked';
			k := blocked;
			flip_margin := blocked - port_blocked_from + 1;
			return;
		elsif intercepted >= usual_blocked_from then
			label := 'intercepted';
			k := intercepted;
			flip_margin := intercepted - usual_blocked_from + 1;
			return;
		elsif altered >= usual_blocked_from then
			label := 'altered';
			k := altered;
			flip_margin := altered - usual_blocked_from + 1;
			return;
		end if;
		to_claim := least(
			case when port_blocked_from <= n
				then port_blocked_from - blocked end,
			case when usual_blocked_from <= n
				then usual_blocked_from - greatest(intercepted, altered) end);
	end if;
	if closed <= open_to then
		label := 'open';
		flip_margin := least(open_to - closed + 1, to_claim);
	elsif closed between partial_from and partial_to then
		label := 'partial';
		flip_margin := least(closed - partial_from + 1,
			partial_to - closed + 1, to_claim);
	else
		label := 'unclear';
		flip_margin := least(to_claim, to_open,
			case when closed < partial_from then partial_from - closed
				else closed - partial_to end);
	end if;
	flip_margin := coalesce(flip_margin, n);
end
$$;
comment on function periplus.judge(
	integer, integer, integer, integer, boolean, boolean, integer, integer,
	integer, integer, integer) is
	'Label of a cell, the number k that it is about, and the least number of '
	'lines whose change alters it.';

-- 1 nothing is claimed; 2 one line could undo the claim; 3 it takes more;
-- 4 confirmed; 5 confirmed by 20 lines and four would have to change.
create function periplus.confidence_of(
	label text, confirmed boolean, lines integer, flip_margin integer)
returns smallint
language sql immutable parallel safe
return (case
	when label in ('unclear', 'insufficient') then 1
	when confirmed and lines >= 20 and flip_margin >= 4 then 5
	when confirmed then 4
	when flip_margin >= 2 then 3
	else 2 end)::smallint;
comment on function periplus.confidence_of(text, boolean, integer, integer) is
	'Confidence from 1 to 5: 1 nothing is claimed, 2 one line could undo the '
	'claim, 3 at least two would have to change, 4 confirmed, 5 confirmed by '
	'20 lines or more of which four would have to change.';

create table periplus.verdict (
	asn bigint not null,
	direction smallint not null,
	transport smallint not null,
	port integer not null,
	family smallint not null,
	as_of date not null,
	rule_version integer not null,
	country text not null,
	lines integer not null,
	open integer not null,
	blocked integer not null,
	intercepted integer not null,
	altered integer not null,
	prefixes integer not null,
	contradicted boolean not null,
	label text not null,
	k integer not null,
	share double precision,
	share_low double precision,
	share_high double precision,
	claim_blocked double precision,
	claim_open double precision,
	claim_partial double precision,
	posterior double precision,
	flip_margin integer not null,
	confirmed boolean not null,
	confidence smallint not null,
	mostly_blocked boolean not null,
	place smallint not null,
	places jsonb not null,
	outcomes jsonb not null,
	first_day date,
	last_day date,
	primary key (asn, direction, transport, port, family),
	check (lines = open + blocked + intercepted + altered),
	check (k between 0 and lines),
	check (confidence between 1 and 5)
);
comment on table periplus.verdict is
	'One row a cell that was probed inside the window: what is known of it '
	'on day as_of.';
comment on column periplus.verdict.asn is 'Provider.';
comment on column periplus.verdict.direction is 'Code of the direction.';
comment on column periplus.verdict.transport is 'Code of the transport.';
comment on column periplus.verdict.port is 'Port number.';
comment on column periplus.verdict.family is 'Address family, 4 or 6.';
comment on column periplus.verdict.as_of is
	'Last UTC day of the window whose votes are counted.';
comment on column periplus.verdict.rule_version is
	'Version of the rules that made it.';
comment on column periplus.verdict.country is
	'Country of most of the provider''s lines in the window.';
comment on column periplus.verdict.lines is
	'Voting lines, n: the sum of the four kinds of votes.';
comment on column periplus.verdict.open is 'Lines that get through.';
comment on column periplus.verdict.blocked is 'Lines that do not.';
comment on column periplus.verdict.intercepted is
	'Lines that something else answers.';
comment on column periplus.verdict.altered is
	'Lines that get through changed.';
comment on column periplus.verdict.prefixes is
	'Different /24 or /48 prefixes among the voting lines.';
comment on column periplus.verdict.contradicted is
	'Lines in three prefixes stand by a passage seen on the same day, which '
	'forbids the labels blocked, intercepted and altered.';
comment on column periplus.verdict.label is 'The verdict.';
comment on column periplus.verdict.k is
	'Lines that the label is about: those with its vote for blocked, '
	'intercepted and altered, all that are not open for the others.';
comment on column periplus.verdict.share is 'k / lines.';
comment on column periplus.verdict.share_low is
	'Lower end of the 95 % interval of the share (Jeffreys).';
comment on column periplus.verdict.share_high is
	'Upper end of the 95 % interval of the share (Jeffreys).';
comment on column periplus.verdict.claim_blocked is
	'Posterior probability of the claim BLOCKED for k; null when '
	'insufficient.';
comment on column periplus.verdict.claim_open is
	'Posterior probability of the claim OPEN for k; null when insufficient.';
comment on column periplus.verdict.claim_partial is
	'Posterior probability of the claim PARTIAL for k; null when '
	'insufficient.';
comment on column periplus.verdict.posterior is
	'That of the claim that the label makes; of the likeliest claim when '
	'unclear; null when insufficient.';
comment on column periplus.verdict.flip_margin is
	'Least number of lines whose change of vote alters the label; 0 when '
	'insufficient.';
comment on column periplus.verdict.confirmed is
	'At least 10 lines, posterior at least 0.99, flip margin at least 2.';
comment on column periplus.verdict.confidence is
	'From 1 to 5, see confidence_of.';
comment on column periplus.verdict.mostly_blocked is
	'The share of blocked lines is above one half with probability 0.95 '
	'(Jeffreys), whatever the label.';
comment on column periplus.verdict.place is
	'Where most of the lines that are not open fail, by code; 0 when none.';
comment on column periplus.verdict.places is
	'Lines that are not open by place: {"isp": 4, "unknown": 2}.';
comment on column periplus.verdict.outcomes is
	'Voting lines by outcome: {"open": 2, "timeout": 6}.';
comment on column periplus.verdict.first_day is
	'First day inside the window with a vote.';
comment on column periplus.verdict.last_day is
	'Last day inside the window with a vote.';

-- Bounds, claims and intervals are computed once for each set of numbers and
-- not once for each cell: there are many more cells.
create function periplus.judge_cells(asns bigint[], as_of date)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set jit = off
as $$
declare
	window_days constant integer := periplus.setting_of('window_days');
	min_lines constant integer := periplus.setting_of('min_lines');
	min_prefixes constant integer := periplus.setting_of('min_prefixes');
	usual_q0 constant double precision := periplus.setting_of('q0');
	usual_q1 constant double precision := periplus.setting_of('q1');
	written bigint;
begin
	delete from periplus.verdict as v
	where asns is null or v.asn = any (asns);

	with heard as (
		select d.asn, d.day, d.line, d.family, d.agent_id, d.prefix,
			d.country, d.direction, d.transport, d.port, d.vote, d.outcome,
			d.place
		from periplus.line_day as d
		where d.day > judge_cells.as_of - window_days
		and d.day <= judge_cells.as_of
		and (asns is null or d.asn = any (asns))
	), home as (
		select distinct on (h.asn, h.line) h.asn, h.line, h.country
		from heard as h
		order by h.asn, h.line, h.day desc, h.family, h.agent_id
	), land as (
		select h.asn, mode() within group (order by h.country) as country
		from home as h
		group by h.asn
	), vote as (
		select h.asn, c.direction, c.transport, c.port, h.family,
			h.line, h.day, h.agent_id, h.prefix, c.vote, c.outcome, c.place
		from heard as h
		cross join lateral unnest(h.direction, h.transport, h.port, h.vote,
			h.outcome, h.place)
			as c (direction, transport, port, vote, outcome, place)
	), span as (
		select v.asn, v.direction, v.transport, v.port, v.family,
			min(v.day) filter (where v.vote > 0) as first_day,
			max(v.day) filter (where v.vote > 0) as last_day
		from vote as v
		group by v.asn, v.direction, v.transport, v.port, v.family
	), latest as (
		select distinct on (v.asn, v.direction, v.transport, v.port,
			v.family, v.line)
			v.asn, v.direction, v.transport, v.port, v.family,
			v.day, v.prefix, v.vote, v.outcome, v.place
		from vote as v
		where v.vote > 0
		order by v.asn, v.direction, v.transport, v.port, v.family, v.line,
			v.day desc, v.agent_id
	), count_of as (
		select l.asn, l.direction, l.transport, l.port, l.family,
			count(*)::integer as lines,
			(count(*) filter (where l.vote = 1))::integer as open,
			(count(*) filter (where l.vote = 2))::integer as blocked,
			(count(*) filter (where l.vote = 3))::integer as intercepted,
			(count(*) filter (where l.vote = 4))::integer as altered,
			count(distinct l.prefix)::integer as prefixes
		from latest as l
		group by l.asn, l.direction, l.transport, l.port, l.family
	), passage as (
		select l.asn, l.direction, l.transport, l.port, l.family
		from latest as l
		where l.vote = 1
		group by l.asn, l.direction, l.transport, l.port, l.family, l.day
		having count(distinct l.prefix) >= 3
	), contradiction as (
		select distinct p.asn, p.direction, p.transport, p.port, p.family
		from passage as p
	), outcome_count as (
		select l.asn, l.direction, l.transport, l.port, l.family,
			o.name, count(*) as lines
		from latest as l
		join periplus.outcome as o on o.code = l.outcome
		group by l.asn, l.direction, l.transport, l.port, l.family, o.name
	), outcome_of as (
		select c.asn, c.direction, c.transport, c.port, c.family,
			jsonb_object_agg(c.name, c.lines) as outcomes
		from outcome_count as c
		group by c.asn, c.direction, c.transport, c.port, c.family
	), place_count as (
		select l.asn, l.direction, l.transport, l.port, l.family,
			p.code, p.name, count(*) as lines
		from latest as l
		join periplus.place as p on p.code = l.place
		where l.vote > 1
		group by l.asn, l.direction, l.transport, l.port, l.family,
			p.code, p.name
	), place_of as (
		select c.asn, c.direction, c.transport, c.port, c.family,
			jsonb_object_agg(c.name, c.lines) as places,
			(array_agg(c.code order by c.lines desc, c.code))[1] as place
		from place_count as c
		group by c.asn, c.direction, c.transport, c.port, c.family
	), cell as (
		select s.asn, s.direction, s.transport, s.port, s.family,
			s.first_day, s.last_day,
			coalesce(c.lines, 0) as lines,
			coalesce(c.open, 0) as open,
			coalesce(c.blocked, 0) as blocked,
			coalesce(c.intercepted, 0) as intercepted,
			coalesce(c.altered, 0) as altered,
			coalesce(c.prefixes, 0) as prefixes,
			x.asn is not null as contradicted,
			coalesce(c.lines, 0) >= min_lines
				and coalesce(c.prefixes, 0) >= min_prefixes as heard,
			coalesce(r.q0, usual_q0) as q0,
			coalesce(r.q1, usual_q1) as q1,
			coalesce(o.outcomes, '{}') as outcomes,
			coalesce(p.places, '{}') as places,
			coalesce(p.place, 0::smallint) as place
		from span as s
		left join count_of as c
			using (asn, direction, transport, port, family)
		left join contradiction as x
			using (asn, direction, transport, port, family)
		left join outcome_of as o
			using (asn, direction, transport, port, family)
		left join place_of as p
			using (asn, direction, transport, port, family)
		left join periplus.port_rule as r
			using (direction, transport, port)
	), bound as materialized (
		select s.lines, s.q0, s.q1, b.blocked_from, b.open_to,
			b.partial_from, b.partial_to
		from (
			select c.lines, c.q0, c.q1 from cell as c where c.heard
			union
			select c.lines, usual_q0, usual_q1 from cell as c where c.heard
		) as s
		cross join lateral periplus.bounds(s.lines, s.q0, s.q1) as b
	), judged as (
		select c.asn, c.direction, c.transport, c.port, c.family,
			c.first_day, c.last_day, c.lines, c.open, c.blocked,
			c.intercepted, c.altered, c.prefixes, c.contradicted, c.heard,
			c.outcomes, c.places, c.place,
			j.label, j.k, j.flip_margin,
			case when j.label in ('intercepted', 'altered')
				then usual_q0 else c.q0 end as q0,
			case when j.label in ('intercepted', 'altered')
				then usual_q1 else c.q1 end as q1
		from cell as c
		left join bound as own on own.lines = c.lines
			and own.q0 = c.q0 and own.q1 = c.q1
		left join bound as usual on usual.lines = c.lines
			and usual.q0 = usual_q0 and usual.q1 = usual_q1
		cross join lateral periplus.judge(c.lines, c.blocked, c.intercepted,
			c.altered, c.contradicted, c.heard, own.blocked_from,
			usual.blocked_from, own.open_to, own.partial_from,
			own.partial_to) as j
	), claim as materialized (
		select s.lines, s.k, s.q0, s.q1, p.blocked, p.open, p.partial
		from (
			select distinct j.lines, j.k, j.q0, j.q1
			from judged as j where j.heard
		) as s
		cross join lateral periplus.claims(s.lines, s.k, s.q0, s.q1) as p
	), share as materialized (
		select s.lines, s.k, i.low, i.high
		from (select distinct j.lines, j.k from judged as j) as s
		cross join lateral periplus.jeffreys(s.k, s.lines) as i
	), majority as materialized (
		select s.lines, s.blocked, periplus.beta_cdf(0.5,
			s.blocked + 0.5, s.lines - s.blocked + 0.5) <= 0.05 as holds
		from (
			select distinct j.lines, j.blocked
			from judged as j where j.heard and j.lines >= 5
		) as s
	), weighed as (
		select j.asn, j.direction, j.transport, j.port, j.family,
			j.first_day, j.last_day, j.lines, j.open, j.blocked,
			j.intercepted, j.altered, j.prefixes, j.contradicted,
			j.outcomes, j.places, j.place, j.label, j.k, j.flip_margin,
			j.k::double precision / nullif(j.lines, 0) as share,
			s.low, s.high,
			p.blocked as claim_blocked, p.open as claim_open,
			p.partial as claim_partial,
			case
				when j.label in ('blocked', 'intercepted', 'altered')
					then p.blocked
				when j.label = 'open' then p.open
				when j.label = 'partial' then p.partial
				else greatest(p.blocked, p.open, p.partial)
			end as posterior,
			coalesce(m.holds, false) as mostly_blocked
		from judged as j
		left join claim as p on p.lines = j.lines and p.k = j.k
			and p.q0 = j.q0 and p.q1 = j.q1 and j.heard
		left join share as s on s.lines = j.lines and s.k = j.k
		left join majority as m on m.lines = j.lines
			and m.blocked = j.blocked and j.heard
	)
	insert into periplus.verdict (asn, direction, transport, port, family,
		as_of, rule_version, country, lines, open, blocked, intercepted,
		altered, prefixes, contradicted, label, k, share, share_low,
		share_high, claim_blocked, claim_open, claim_partial, posterior,
		flip_margin, confirmed, confidence, mostly_blocked, place, places,
		outcomes, first_day, last_day)
	select w.asn, w.direction, w.transport, w.port, w.family,
		judge_cells.as_of, periplus.rule_version(), l.country, w.lines,
		w.open, w.blocked, w.intercepted, w.altered, w.prefixes,
		w.contradicted, w.label, w.k, w.share, w.low, w.high,
		w.claim_blocked, w.claim_open, w.claim_partial, w.posterior,
		w.flip_margin, f.confirmed,
		periplus.confidence_of(w.label, f.confirmed, w.lines, w.flip_margin),
		w.mostly_blocked, w.place, w.places, w.outcomes,
		w.first_day, w.last_day
	from weighed as w
	join land as l on l.asn = w.asn
	cross join lateral (
		select w.label not in ('unclear', 'insufficient')
			and w.lines >= 10 and w.posterior >= 0.99
			and w.flip_margin >= 2 as confirmed
	) as f
	order by w.asn, w.direction, w.transport, w.port, w.family;
	get diagnostics written = row_count;
	return written;
end
$$;
comment on function periplus.judge_cells(bigint[], date) is
	'Make the verdicts of the given providers anew, or of all when null, with '
	'the window that ends on a day. Returns how many cells it wrote.';

create table periplus.aggregation (
	only_row boolean primary key default true check (only_row),
	as_of date not null,
	rules text not null,
	finished timestamptz not null
);
comment on table periplus.aggregation is
	'The state of the aggregation: one row, none before the first.';
comment on column periplus.aggregation.only_row is 'Always true.';
comment on column periplus.aggregation.as_of is
	'Day that the verdicts are as of.';
comment on column periplus.aggregation.rules is
	'Fingerprint of the rules and settings that they were made by.';
comment on column periplus.aggregation.finished is 'When it was last run.';

create function periplus.rules_fingerprint() returns text
language sql stable parallel safe
begin atomic
	select md5(periplus.rule_version()::text || coalesce((
		select string_agg(s.name || '=' || s.value, ' ' order by s.name)
		from periplus.setting as s), '') || coalesce((
		select string_agg(concat_ws(' ', r.direction, r.transport, r.port,
			coalesce(r.q0::text, '-'), coalesce(r.q1::text, '-')), ', '
			order by r.direction, r.transport, r.port)
		from periplus.port_rule as r), ''));
end;
comment on function periplus.rules_fingerprint() is
	'Changes when a rule or a setting does.';

-- Fill line_day for what the marks name and return the providers concerned.
-- A mark is deleted in the statement that reads it; the runs it stands for
-- were committed with it, so the later statements here see them.
create function periplus.count_marked(out asns bigint[], out runs bigint)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
	required constant integer := periplus.setting_of('required_reflectors');
	todo record;
	gone bigint[];
	come bigint[];
	counted bigint;
begin
	asns := '{}';
	runs := 0;
	for todo in
		with taken as (
			delete from periplus.run_mark as m returning m.day, m.agents
		)
		select t.day, array_agg(distinct a.agent_id) as agents
		from taken as t
		cross join lateral unnest(t.agents) as a (agent_id)
		group by t.day
		order by t.day
	loop
		with deleted as (
			delete from periplus.line_day as d
			where d.day = todo.day and d.agent_id = any (todo.agents)
			returning d.asn
		)
		select array_agg(distinct d.asn) into gone from deleted as d;
		select array_agg(distinct c.asn), coalesce(sum(c.runs), 0)
		into come, counted
		from periplus.count_day(todo.day, todo.agents, required) as c;
		asns := asns || gone || come;
		runs := runs + counted;
	end loop;
	select array_agg(distinct a) into asns from unnest(asns) as a;
	asns := coalesce(asns, '{}');
end
$$;
comment on function periplus.count_marked() is
	'Count the votes of the days that run_mark names; returns the providers '
	'whose votes may have changed and the number of runs counted.';

create function periplus.count_all() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
	required constant integer := periplus.setting_of('required_reflectors');
	todo date;
	counted bigint;
	runs bigint := 0;
begin
	-- Marks first: a run that commits now leaves its mark for the next time.
	delete from periplus.run_mark;
	delete from periplus.line_day;
	for todo in
		select distinct r.started::date from periplus.run as r order by 1
	loop
		select coalesce(sum(c.runs), 0) into counted
		from periplus.count_day(todo, null, required) as c;
		runs := runs + counted;
	end loop;
	return runs;
end
$$;
comment on function periplus.count_all() is
	'Count the votes of all days anew; returns the number of runs counted.';

create function periplus.aggregate(
	full_recompute boolean default false, as_of date default null,
	out cells_recomputed bigint, out runs_counted bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
	today constant date := coalesce(as_of, now()::date);
	rules constant text := periplus.rules_fingerprint();
	before periplus.aggregation;
	asns bigint[];
begin
	cells_recomputed := 0;
	runs_counted := 0;
	if not pg_try_advisory_xact_lock(hashtext('periplus.aggregate')) then
		raise notice 'another aggregation is under way';
		return;
	end if;
	select a.* into before from periplus.aggregation as a;
	if full_recompute or before.rules is distinct from rules then
		runs_counted := periplus.count_all();
	else
		select m.asns, m.runs into asns, runs_counted
		from periplus.count_marked() as m;
		if before.as_of is distinct from today then
			asns := null;
		end if;
	end if;
	cells_recomputed := periplus.judge_cells(asns, today);
	insert into periplus.aggregation as a (as_of, rules, finished)
	values (today, rules, now())
	on conflict (only_row) do update set as_of = excluded.as_of,
		rules = excluded.rules, finished = excluded.finished;
	-- Last, because it may lock the default partition until the end.
	perform periplus.partitions_ahead(8);
end
$$;
comment on function periplus.aggregate(boolean, date) is
	'Bring votes and verdicts up to date with the runs, as of a day (today, '
	'UTC, unless given). Works on what changed; on everything when asked to, '
	'and when rules or settings changed. Does nothing and returns zeros while '
	'another session aggregates.';
