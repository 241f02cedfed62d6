-- SPDX-License-Identifier: Apache-2.0
-- Of the providers measured in a country, how many block each port?
select c.name as country, v.transport || '/' || v.port as port,
	v.application,
	count(*) filter (where v.mostly_blocked) as blocking,
	count(*) as measured,
	sum(v.lines) as lines
from periplus.verdict_matrix as v
left join periplus.country as c on c.code = v.country
where v.direction = 'out' and v.family = 4 and v.label <> 'insufficient'
group by c.name, v.transport, v.port, v.application
having count(*) filter (where v.mostly_blocked) > 0
order by c.name, blocking desc, v.transport, v.port;
