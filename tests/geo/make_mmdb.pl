#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# make_mmdb.pl OUT asn|country < lines
#
# Build an MMDB file from tab-separated lines, with the keys of MaxMind's
# GeoLite2 files.  "#" starts a comment line.
#
#   asn:      prefix<TAB>AS number<TAB>name
#   country:  prefix<TAB>two-letter code
#
# The file appears under its name only when it is complete (rename), so that a
# running collector can pick it up.  Reserved networks are kept: the lab lives
# in documentation prefixes.
use strict;
use warnings;
use MaxMind::DB::Writer::Tree;

my ($out, $kind) = @ARGV;
die "usage: $0 OUT asn|country < lines\n"
    unless @ARGV == 2 && $kind =~ /^(?:asn|country)$/;

my %type = (
    autonomous_system_number       => 'uint32',
    autonomous_system_organization => 'utf8_string',
    country                        => 'map',
    iso_code                       => 'utf8_string',
);

sub record_of {
    my ($line, @field) = @_;
    if ($kind eq 'asn') {
        die "line $line: not an AS number: '" . ($field[0] // '') . "'\n"
            unless ($field[0] // '') =~ /^\d+$/;
        return {
            autonomous_system_number       => $field[0],
            autonomous_system_organization => $field[1] // '',
        };
    }
    die "line $line: not a country code: '" . ($field[0] // '') . "'\n"
        unless ($field[0] // '') =~ /^[A-Z]{2}$/;
    return { country => { iso_code => $field[0] } };
}

my $tree = MaxMind::DB::Writer::Tree->new(
    ip_version               => 6,
    record_size              => 24,
    database_type            => $kind eq 'asn' ? 'Periplus-Test-ASN'
                                               : 'Periplus-Test-Country',
    languages                => ['en'],
    description              => { en => "Test data: prefix to $kind" },
    remove_reserved_networks => 0,
    map_key_type_callback    => sub { $type{ $_[0] } },
);

binmode STDIN, ':encoding(UTF-8)';
while (my $text = <STDIN>) {
    chomp $text;
    next if $text =~ /^\s*(?:#|$)/;
    my ($prefix, @field) = split /\t/, $text;
    $tree->insert_network($prefix, record_of($., @field));
}

open my $fh, '>:raw', "$out.tmp" or die "cannot write $out.tmp: $!\n";
$tree->write_tree($fh);
close $fh or die "cannot write $out.tmp: $!\n";
rename "$out.tmp", $out or die "cannot rename $out.tmp: $!\n";
