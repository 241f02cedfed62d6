-- SPDX-License-Identifier: Apache-2.0
-- Names for the codes in runs.  The numbers are those of lib/outcome.h,
-- lib/wire.h and lib/catalogue.h and never change their meaning.

set local search_path = pg_catalog, pg_temp;
set local role periplus_owner;

create table periplus.outcome (
	code smallint primary key,
	name text not null unique,
	meaning text not null
);
comment on table periplus.outcome is 'What a probe came to.';
comment on column periplus.outcome.code is 'As stored in runs.';
comment on column periplus.outcome.name is 'As shown.';
comment on column periplus.outcome.meaning is 'What it means.';
insert into periplus.outcome (code, name, meaning) values
	(0, 'untested', 'The probe was not made; its evidence says why.'),
	(1, 'open', 'The reflector''s own reply came back intact.'),
	(2, 'timeout', 'Nothing came back.'),
	(3, 'refused', 'The connection was refused, or a UDP port called '
	 'unreachable, although the reflector was listening.'),
	(4, 'unreachable', 'An ICMP error of another kind came back.'),
	(5, 'reset', 'The connection was made and cut before the reply.'),
	(6, 'intercepted', 'The connection was made and something other than '
	 'the reflector answered.'),
	(7, 'altered', 'The reply came, but port or payload had been changed '
	 'on the way.'),
	(8, 'denied', 'The measuring host itself refused to send.'),
	(9, 'untestable', 'This line cannot decide it.');

create table periplus.direction (
	code smallint primary key,
	name text not null unique,
	meaning text not null
);
comment on table periplus.direction is 'Which way a probe went.';
comment on column periplus.direction.code is 'As stored in runs.';
comment on column periplus.direction.name is 'As shown.';
comment on column periplus.direction.meaning is 'What it means.';
insert into periplus.direction (code, name, meaning) values
	(0, 'out', 'From the line to the reflector.'),
	(1, 'in', 'From the reflector to the line.');

create table periplus.transport (
	code smallint primary key,
	name text not null unique,
	meaning text not null
);
comment on table periplus.transport is 'Transport protocol of a probe.';
comment on column periplus.transport.code is 'As stored in runs.';
comment on column periplus.transport.name is 'As shown.';
comment on column periplus.transport.meaning is 'What it means.';
insert into periplus.transport (code, name, meaning) values
	(0, 'tcp', 'TCP.'),
	(1, 'udp', 'UDP.');

create table periplus.seen (
	code smallint primary key,
	name text not null unique,
	meaning text not null
);
comment on table periplus.seen is
	'Whether the reflector saw a probe, from its signed manifest.';
comment on column periplus.seen.code is 'As stored in runs.';
comment on column periplus.seen.name is 'As shown.';
comment on column periplus.seen.meaning is 'What it means.';
insert into periplus.seen (code, name, meaning) values
	(0, 'no', 'It was listening there and saw no probe of the run.'),
	(1, 'yes', 'A probe of the run reached it.'),
	(2, 'unknown', 'It cannot tell, or was not listening there.');

create table periplus.skip (
	code smallint primary key,
	name text not null unique,
	meaning text not null
);
comment on table periplus.skip is 'Why a probe was not made.';
comment on column periplus.skip.code is 'As in run records.';
comment on column periplus.skip.name is 'As in evidence.';
comment on column periplus.skip.meaning is 'What it means.';
insert into periplus.skip (code, name, meaning) values
	(0, 'none', 'It was made.'),
	(1, 'not_listening', 'The reflector said that it was not listening.'),
	(2, 'no_consent', 'Nobody consented to probes of this class.'),
	(3, 'family', 'The port means nothing over this address family.'),
	(4, 'void', 'A control had failed before.'),
	(5, 'cancelled', 'The run was ended early.');

create table periplus.void_reason (
	code smallint primary key,
	name text not null unique,
	meaning text not null
);
comment on table periplus.void_reason is
	'Why the probes of one transport in a run vote for nothing.';
comment on column periplus.void_reason.code is 'As stored in runs.';
comment on column periplus.void_reason.name is 'As shown.';
comment on column periplus.void_reason.meaning is 'What it means.';
insert into periplus.void_reason (code, name, meaning) values
	(0, 'none', 'They are good.'),
	(1, 'no_hello', 'No control port of the reflector answered.'),
	(2, 'control_before', 'A control failed before the probes.'),
	(3, 'control_after', 'A control failed while or after probing.'),
	(4, 'no_manifest', 'The reflector could not be asked at the end.'),
	(5, 'source_changed', 'The probes left from another address than the '
	 'hello.'),
	(6, 'cancelled', 'The run was ended early.');

create table periplus.place (
	code smallint primary key,
	name text not null unique,
	votes boolean not null,
	meaning text not null
);
comment on table periplus.place is 'Where on the path a probe failed.';
comment on column periplus.place.code is 'As stored in runs.';
comment on column periplus.place.name is 'As shown.';
comment on column periplus.place.votes is
	'True when a failure there counts against the provider.';
comment on column periplus.place.meaning is 'What it means.';
insert into periplus.place (code, name, votes, meaning) values
	(0, 'none', true, 'It did not fail.'),
	(1, 'host', false, 'On the measuring host.'),
	(2, 'gateway', false, 'At the home''s own router.'),
	(3, 'access', true, 'Between the home''s router and the provider''s '
	 'first: either may be to blame.'),
	(4, 'isp', true, 'Inside the provider''s network.'),
	(5, 'transit', false, 'Beyond the provider''s network.'),
	(6, 'return', true, 'The probe arrived and the answer was lost.'),
	(7, 'unknown', true, 'Nothing says where.');

create table periplus.run_status (
	code smallint primary key,
	name text not null unique,
	meaning text not null
);
comment on table periplus.run_status is 'Whether a run may vote.';
comment on column periplus.run_status.code is 'As stored in runs.';
comment on column periplus.run_status.name is 'As shown.';
comment on column periplus.run_status.meaning is 'What it means.';
insert into periplus.run_status (code, name, meaning) values
	(0, 'valid', 'Its probes vote, except those of a void transport.'),
	(1, 'void', 'The controls failed: it votes for nothing.'),
	(2, 'unproven', 'It has no manifest that the collector could verify: '
	 'it votes for nothing.');

create table periplus.consent_class (
	code smallint primary key,
	name text not null unique,
	meaning text not null
);
comment on table periplus.consent_class is
	'Kinds of probes that a person consents to one by one.';
comment on column periplus.consent_class.code is
	'A bit: runs store the sum of those consented to.';
comment on column periplus.consent_class.name is 'As shown.';
comment on column periplus.consent_class.meaning is 'What it allows.';
insert into periplus.consent_class (code, name, meaning) values
	(1, 'basic', 'Ports that nobody minds being asked about.'),
	(2, 'noisy', 'Ports that intrusion detectors dislike.'),
	(4, 'inbound', 'Connections from a reflector to this line.'),
	(8, 'tor_vpn', 'Ports of Tor and of virtual private networks.');

create table periplus.vote (
	code smallint primary key,
	name text not null unique,
	meaning text not null
);
comment on table periplus.vote is 'What a line says about a cell on a day.';
comment on column periplus.vote.code is 'As stored in line_day.';
comment on column periplus.vote.name is 'As shown.';
comment on column periplus.vote.meaning is 'What it means.';
insert into periplus.vote (code, name, meaning) values
	(0, 'none', 'Probed, but too few reflectors, a tie, or a failure '
	 'that is not the provider''s.'),
	(1, 'open', 'It gets through.'),
	(2, 'blocked', 'It does not get through.'),
	(3, 'intercepted', 'Something else answers.'),
	(4, 'altered', 'It gets through changed.');

create table periplus.label (
	name text primary key,
	meaning text not null
);
comment on table periplus.label is 'What a verdict may say.';
comment on column periplus.label.name is 'As shown.';
comment on column periplus.label.meaning is 'What it means.';
insert into periplus.label (name, meaning) values
	('blocked', 'The provider keeps its lines from reaching the port.'),
	('intercepted', 'Something in the provider''s network answers instead.'),
	('altered', 'Traffic to the port is changed on the way.'),
	('open', 'The provider lets it through.'),
	('partial', 'Some lines get through and some do not, too evenly for a '
	 'rule with exceptions.'),
	('unclear', 'Enough lines were heard, and they do not agree enough.'),
	('insufficient', 'Too few lines, or too few prefixes among them.');

create table periplus.country (
	code text primary key check (code ~ '^[A-Z]{2}$'),
	name text not null
);
comment on table periplus.country is
	'Countries by ISO 3166-1 code; ZZ when unknown.';
comment on column periplus.country.code is 'Two capital letters.';
comment on column periplus.country.name is 'Usual English name.';

create table periplus.port (
	transport smallint not null references periplus.transport,
	port integer not null check (port between 0 and 65535),
	iana_name text not null,
	application text not null,
	category text not null,
	usual_direction text not null,
	reason text not null,
	tier smallint not null check (tier between 1 and 9),
	evidence text not null,
	caution text not null,
	consent_class smallint not null references periplus.consent_class,
	family smallint not null check (family in (0, 4, 6)),
	advice text not null,
	primary key (transport, port)
);
comment on table periplus.port is
	'The catalogue: ports worth asking about, and why.';
comment on column periplus.port.transport is 'Code of the transport.';
comment on column periplus.port.port is 'Port number.';
comment on column periplus.port.iana_name is
	'Service name in IANA''s registry; empty when it has none.';
comment on column periplus.port.application is 'What normally uses it.';
comment on column periplus.port.category is 'Kind of application.';
comment on column periplus.port.usual_direction is
	'Direction in which it is usually blocked, in words.';
comment on column periplus.port.reason is
	'Reason that is usually given for blocking it.';
comment on column periplus.port.tier is
	'1 and 2 are measured by default; higher numbers when asked for.';
comment on column periplus.port.evidence is
	'Letters for the sources that mention it.';
comment on column periplus.port.caution is
	'What may mislead when it is measured; empty when nothing is known.';
comment on column periplus.port.consent_class is
	'Code of the class that a person must have consented to.';
comment on column periplus.port.family is
	'0: both address families; 4 or 6: means something over that one only.';
comment on column periplus.port.advice is
	'What a person can do when it is blocked; empty when nothing.';
