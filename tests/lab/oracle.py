# SPDX-License-Identifier: Apache-2.0
"""oracle - what every verdict must be, computed from the world alone.

The truth of each probe (truth.py) is turned into votes of lines and labels of
cells as the design says, without looking at the database: a second
implementation to hold against the SQL.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

import bayes
from truth import Path, expected_probe, expected_run

VOTES = ("open", "blocked", "intercepted", "altered")


@dataclass(frozen=True)
class Cell:
    asn: int
    transport: str
    port: int
    family: int


@dataclass(frozen=True)
class CellTruth:
    counts: dict        # voting lines by vote
    label: str
    really: int         # lines that something on the path really hinders
    why: str            # the rules that did

    @property
    def n(self):
        return sum(self.counts.values())

    @property
    def k(self):
        return self.counts["blocked"]


def required_reflectors(world):
    return min(2, len(world.reflectors))


class Truth:
    """Everything that must come out of a world in so many rounds."""

    def __init__(self, world, ports, rounds):
        self.world = world
        self.ports = ports
        self.runs = {}      # (home, reflector, family, round): ExpectedRun
        self.probes = {}    # the same + (transport, port): Expected
        for home in world.homes():
            for round_number in range(1, rounds + 1):
                self._walk(home, round_number)
        self.cells = self._cells()

    def _walk(self, home, round_number):
        for reflector in self.world.reflectors:
            for family in home.families():
                if reflector.addr(family) is None:
                    continue
                path = Path(self.world, home, reflector, family, round_number)
                run = (home.name, reflector.name, family, round_number)
                self.runs[run] = expected_run(path)
                for p in self.ports:
                    self.probes[run + (p.transport, p.port)] = expected_probe(
                        path, p.transport, p.port, p.family)

    def _ballots(self):
        """{(cell, home): [(reflector, Expected)]} of runs that are valid."""
        ballots = defaultdict(list)
        for key, expected in self.probes.items():
            home, reflector, family, round_number, transport, port = key
            run = self.runs[(home, reflector, family, round_number)]
            if run.void[transport] or expected.outcomes == {"untested"}:
                continue
            asn = int(home.split("/")[0])
            ballots[Cell(asn, transport, port, family), home].append(
                (reflector, expected))
        return ballots

    def line_vote(self, ballots):
        """The majority of a line's probes, from enough reflectors; no vote
        when they are too few or it is a tie."""
        cast = [(reflector, e.vote) for reflector, e in ballots if e.vote]
        counts = Counter(vote for _r, vote in cast).most_common(2)
        if not counts:
            return None
        winner, most = counts[0]
        if len(counts) == 2 and counts[1][1] == most:
            return None
        backers = {reflector for reflector, vote in cast if vote == winner}
        if len(backers) < required_reflectors(self.world):
            return None
        return winner

    def _cells(self):
        lines = defaultdict(list)
        for (cell, home), ballots in self._ballots().items():
            lines[cell].append((home, ballots))
        return {cell: self._cell(cell, members)
                for cell, members in lines.items()}

    def _cell(self, cell, members):
        counts, rules, really = Counter(), set(), 0
        prefixes, open_prefixes = set(), set()
        for home, ballots in members:
            hindered = {e.why for _r, e in ballots if "open" not in e.outcomes}
            really += bool(hindered)
            rules |= hindered
            vote = self.line_vote(ballots)
            if not vote:
                continue
            counts[vote] += 1
            prefix = self.world.home(home).prefix(cell.family)
            prefixes.add(prefix)
            if vote == "open":
                open_prefixes.add(prefix)
        counts = {vote: counts[vote] for vote in VOTES}
        return CellTruth(counts,
                         label(cell, counts, len(prefixes),
                               len(open_prefixes)),
                         really, ", ".join(sorted(rules)) or "no rule")


def label(cell, counts, prefixes, open_prefixes):
    """The label of a cell from its votes.

    Passages from enough different prefixes forbid every label that says that
    the provider interferes; the rest is the model's.
    """
    n = sum(counts.values())
    if n < bayes.MIN_LINES or prefixes < bayes.MIN_PREFIXES:
        return "insufficient"
    q1 = bayes.Q1_OF.get((cell.transport, cell.port), bayes.Q1)
    if open_prefixes < bayes.MIN_PREFIXES:
        # Exceptions are expected of blocks, not of the other two.
        for vote, mean in (("blocked", q1), ("intercepted", bayes.Q1),
                           ("altered", bayes.Q1)):
            if bayes.claims(n, counts[vote], mean).blocked >= bayes.CERTAIN:
                return vote
    claims = bayes.claims(n, n - counts["open"], q1)
    if claims.open >= bayes.CERTAIN:
        return "open"
    if claims.partial >= bayes.CERTAIN:
        return "partial"
    return "unclear"
