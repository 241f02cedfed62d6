# SPDX-License-Identifier: Apache-2.0
#
# awk -f ports.awk ports.tsv > ports.sql
#
# Write the catalogue as one SQL statement that may be run again at any time:
# new entries are added, changed ones changed.  An entry that left the
# catalogue stays in the database, since older runs may have asked about it.

BEGIN {
	FS = "\t"
	code["tcp"] = 0
	code["udp"] = 1
	class["basic"] = 1
	class["noisy"] = 2
	class["inbound"] = 4
	class["tor_vpn"] = 8
	columns = "port transport iana_name application category direction " \
		"reason tier evidence caution class family advice"
	failed = 0
}

function fail(why)
{
	printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"
	failed = 1
	exit 1
}

function text(s)
{
	gsub(/'/, "''", s)
	return "'" s "'"
}

FNR == 1 {
	header = $0
	gsub(/\t/, " ", header)
	if (header != columns)
		fail("the header line is not: " columns)
	print "insert into periplus.port (transport, port, iana_name, application,"
	print "\tcategory, usual_direction, reason, tier, evidence, caution,"
	print "\tconsent_class, family, advice) values"
	next
}

{
	if (NF != 13)
		fail("13 columns wanted, " NF " found")
	if ($1 !~ /^[0-9]+$/ || $1 > 65535)
		fail("bad port: " $1)
	if (!($2 in code))
		fail("unknown transport: " $2)
	if (!($11 in class))
		fail("unknown class: " $11)
	if ($8 !~ /^[1-9]$/ || $12 !~ /^[046]$/)
		fail("bad tier or family: " $8 ", " $12)
	if (FNR > 2)
		print ","
	printf "\t(%d, %d, %s, %s,\n\t %s, %s, %s, %d, %s, %s,\n\t %d, %d, %s)",
		code[$2], $1, text($3), text($4), text($5), text($6), text($7),
		$8, text($9), text($10), class[$11], $12, text($13)
}

END {
	if (failed)
		exit 1
	if (FNR < 2) {
		print "ports.tsv: no entries" > "/dev/stderr"
		exit 1
	}
	print "\non conflict (transport, port) do update set"
	print "\tiana_name = excluded.iana_name,"
	print "\tapplication = excluded.application,"
	print "\tcategory = excluded.category,"
	print "\tusual_direction = excluded.usual_direction,"
	print "\treason = excluded.reason,"
	print "\ttier = excluded.tier,"
	print "\tevidence = excluded.evidence,"
	print "\tcaution = excluded.caution,"
	print "\tconsent_class = excluded.consent_class,"
	print "\tfamily = excluded.family,"
	print "\tadvice = excluded.advice;"
}
