-- SPDX-License-Identifier: Apache-2.0
-- Which rules were made for one address family and forgotten for the other?
select four.asn, four.asn_name, four.transport || '/' || four.port as port,
	four.label as over_ipv4, six.label as over_ipv6,
	four.lines as lines_ipv4, six.lines as lines_ipv6
from periplus.verdict_matrix as four
join periplus.verdict_matrix as six
	using (asn, direction, transport, port)
where four.family = 4 and six.family = 6
and four.label <> six.label
and 'insufficient' not in (four.label, six.label)
order by four.asn, four.transport, four.port;
