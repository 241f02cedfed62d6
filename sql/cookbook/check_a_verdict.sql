-- SPDX-License-Identifier: Apache-2.0
-- Do not take our word for it: compute the claims again from the counts.
-- psql -v asn=64500 -v port=445 -f check_a_verdict.sql
\if :{?asn} \else \set asn 64500 \endif
\if :{?port} \else \set port 445 \endif
select v.transport || '/' || v.port as port, v.family, v.label, v.lines, v.k,
	q.q0, q.q1, c.blocked as claim_blocked, c.open as claim_open,
	c.partial as claim_partial, v.posterior, b.blocked_from, b.open_to,
	b.partial_from, b.partial_to, v.flip_margin, v.contradicted
from periplus.verdict_matrix as v
join periplus.direction as d on d.name = v.direction
join periplus.transport as t on t.name = v.transport
left join periplus.port_rule as r on r.direction = d.code
	and r.transport = t.code and r.port = v.port
	and v.label not in ('intercepted', 'altered')
cross join lateral (
	select coalesce(r.q0, (select value from periplus.setting
			where name = 'q0')) as q0,
		coalesce(r.q1, (select value from periplus.setting
			where name = 'q1')) as q1) as q
cross join lateral periplus.claims(v.lines, v.k, q.q0, q.q1) as c
cross join lateral periplus.bounds(v.lines, q.q0, q.q1) as b
where v.asn = :asn and v.port = :port and v.label <> 'insufficient'
order by v.direction, v.transport, v.family;
