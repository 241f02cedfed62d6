-- SPDX-License-Identifier: Apache-2.0
-- What answers in the reflector's place, word by word.
select asn, asn_name, transport || '/' || port as port,
	encode(decode(banner, 'base64'), 'escape') as said, count(*) as times,
	min(started) as first, max(started) as last
from periplus.probe
where started > now() - interval '14 days'
and status = 'valid' and outcome = 'intercepted' and banner is not null
group by asn, asn_name, transport, port, banner
order by times desc, asn, transport, port;
