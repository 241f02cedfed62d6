-- SPDX-License-Identifier: Apache-2.0
-- Who blocks a port?  psql -v port=445 -v transport=tcp -f who_blocks.sql
\if :{?port} \else \set port 25 \endif
\if :{?transport} \else \set transport tcp \endif
select country, asn, asn_name, family, label,
	case when confirmed then 'confirmed' else 'probable' end as standing,
	blocked || '/' || lines as lines,
	round(share::numeric, 2) as share,
	round(share_low::numeric, 2) || '-' || round(share_high::numeric, 2)
		as interval_95,
	place, first_day, last_day
from periplus.verdict_matrix
where direction = 'out' and transport = :'transport' and port = :port
and label in ('blocked', 'intercepted', 'altered', 'partial')
order by lines desc, asn, family;
