-- SPDX-License-Identifier: Apache-2.0
-- Probes that arrived and whose answers were lost: blocks on the way back,
-- which a test from one side takes for blocks on the way out.
select asn, asn_name, transport || '/' || port as port, family,
	count(*) filter (where place = 'return') as lost_on_return,
	count(*) filter (where outcome <> 'open' and place <> 'return')
		as failed_before,
	count(*) as probes
from periplus.probe
where started > now() - interval '14 days'
and status = 'valid' and void_reason = 'none' and outcome <> 'untested'
group by asn, asn_name, transport, port, family
having count(*) filter (where place = 'return') > 0
order by lost_on_return desc, asn, transport, port;
