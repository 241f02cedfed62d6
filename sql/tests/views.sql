-- SPDX-License-Identifier: Apache-2.0
-- The relational face of packed runs.
begin;
\ir fixture.psql
select plan(10);
select periplus.reflector_id('fra1') as fra \gset
select pg_temp.put(1, '2026-03-10', '[[0,25,4,4,0],[0,443,1,0,1],
	[1,53,0,0,2],[0,80,6,7,0],[1,60000,2,6,1],[1,500,8,1,0],[1,501,7,7,1]]',
	:fra, void_udp => 2, evidence => '[{"i": 0, "icmp": [3, 13],
	"from": "100.64.7.1"}, {"i": 2, "skip": "not_listening"},
	{"i": 3, "banner": "MjIw"}, {"i": 5, "errno": 1},
	{"i": 6, "arrived": 502, "icmp": [3, 3], "from": "198.18.1.77"}]') \g /dev/null
select pg_temp.put(2, '2026-03-10', '[[0,25,2,7,0]]', 0, 0, 1) \g /dev/null

select is(count(*), 8::bigint, 'one row a probe') from periplus.probe;
select is((p.started, asn, asn_name, country, family, reflector, status,
	void_reason, direction, transport, application, outcome, seen, rtt_us,
	attempts, hop, place, skip, icmp_type, icmp_code, icmp_from)::text,
	'("2026-03-10 00:00:00+00",64500,"Example 64500",DE,4,fra1,valid,none,'
	'out,tcp,"SMTP relay",unreachable,no,,1,,isp,,3,13,100.64.7.1)',
	'codes become names, evidence columns')
from periplus.probe as p where position = 1 and asn > 0;
select is((port, outcome, place, icmp_type, banner)::text,
	'(443,open,none,,)', 'a probe without evidence has none')
from periplus.probe where position = 2;
select is((transport, outcome, seen, skip, void_reason)::text,
	'(udp,untested,unknown,not_listening,control_before)',
	'why a probe was not made, and why its transport is void')
from periplus.probe where position = 3;
select is((outcome, banner)::text, '(intercepted,MjIw)',
	'what answered instead')
from periplus.probe where position = 4;
select is((application, outcome, place, seen)::text,
	'(,timeout,return,yes)', 'a port outside the catalogue has no application')
from periplus.probe where position = 5;
select is((outcome, place, host_errno)::text, '(denied,host,1)',
	'what the host said')
from periplus.probe where position = 6;
select is((outcome, arrived_port)::text, '(altered,502)', 'where it arrived')
from periplus.probe where position = 7;
select is((icmp_type, icmp_from)::text, '(3,)',
	'an address beside the line''s own is withheld')
from periplus.probe where position = 7;
select is((asn_name, reflector, status)::text, '(unknown,unknown,void)',
	'what is unknown is called so')
from periplus.probe where asn = 0;

select finish();
rollback;
