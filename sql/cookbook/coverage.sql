-- SPDX-License-Identifier: Apache-2.0
-- How much is known: runs, and why some of them count for nothing.
select started::date as day, reflector, family,
	count(distinct run_id) as runs,
	count(distinct run_id) filter (where status = 'valid') as valid,
	count(distinct run_id) filter (where status = 'void') as void,
	count(distinct run_id) filter (where status = 'unproven') as unproven,
	count(distinct asn) as providers,
	count(distinct country) as countries
from periplus.probe
where started > now() - interval '14 days'
group by started::date, reflector, family
order by day, reflector, family;
