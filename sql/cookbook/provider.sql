-- SPDX-License-Identifier: Apache-2.0
-- Everything that one provider does not let through, and what it costs.
-- psql -v asn=64500 -f provider.sql
\if :{?asn} \else \set asn 64500 \endif
select v.transport || '/' || v.port as port, v.family, v.direction,
	v.application, v.label, v.confidence, v.blocked || '/' || v.lines as lines,
	v.place, c.reason as usual_reason, c.advice
from periplus.verdict_matrix as v
join periplus.transport as t on t.name = v.transport
left join periplus.port as c on c.transport = t.code and c.port = v.port
where v.asn = :asn and v.label not in ('open', 'insufficient')
order by v.direction, v.transport, v.port, v.family;
