-- SPDX-License-Identifier: Apache-2.0
-- Who refuses by ICMP, from which address, and where that is.
select asn, asn_name, transport || '/' || port as port, icmp_type, icmp_code,
	icmp_from, place, count(*) as times
from periplus.probe
where started > now() - interval '14 days'
and status = 'valid' and icmp_type is not null
group by asn, asn_name, transport, port, icmp_type, icmp_code, icmp_from,
	place
order by times desc, asn, transport, port, icmp_from;
