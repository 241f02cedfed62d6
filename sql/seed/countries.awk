# SPDX-License-Identifier: Apache-2.0
#
# awk -f countries.awk countries.tsv > countries.sql
#
# Write the country names as one SQL statement that may be run again.  The
# names are those of the public-domain table iso3166.tab of the tz database,
# with XK (Kosovo, user-assigned) and ZZ (unknown) added.

BEGIN {
	FS = "\t"
	failed = 0
}

FNR == 1 {
	print "insert into periplus.country (code, name) values"
	next
}

NF != 2 || $1 !~ /^[A-Z][A-Z]$/ {
	printf "%s:%d: a code and a name wanted\n", FILENAME, FNR > "/dev/stderr"
	failed = 1
	exit 1
}

{
	name = $2
	gsub(/'/, "''", name)
	printf "%s\t('%s', '%s')", (FNR > 2 ? ",\n" : ""), $1, name
}

END {
	if (failed)
		exit 1
	print "\non conflict (code) do update set name = excluded.name;"
}
