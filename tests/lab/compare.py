# SPDX-License-Identifier: Apache-2.0
"""compare - what was measured against what is true.

right    as the world has it
unknown  the truth is known here, but the measurement abstained
wrong    anything else

Pure: everything comes in as data and goes out as data.
"""

from dataclasses import dataclass, field

from oracle import VOTES

RIGHT, UNKNOWN, WRONG = "right", "unknown", "wrong"


@dataclass
class MeasuredRun:
    """One run, as the agent told it and as the database has it."""
    run_id: str
    void: dict                  # transport: reason, or None
    outcomes: dict              # (transport, port): outcome
    stored: bool = False
    status: str = None          # valid, void, unproven
    seen: dict = field(default_factory=dict)
    places: dict = field(default_factory=dict)


def _judge_outcome(expected, void, run, key):
    """The grade of a probe and, when it is not right, the reason."""
    transport = key[0]
    if run is None:
        return UNKNOWN, "there is no such run"
    outcome = run.outcomes.get(key)
    if void != run.void[transport]:
        if run.void[transport]:
            return UNKNOWN, f"the run is void ({run.void[transport]})"
        return WRONG, f"the run is not void, but must be ({void})"
    if void:
        return RIGHT, ""
    if outcome is None:
        return UNKNOWN, "it was not probed"
    if outcome in expected.outcomes:
        return _judge_stored(expected, run, key)
    if outcome in ("untested", "untestable"):
        return UNKNOWN, f"it is {outcome}"
    return WRONG, f"it is {outcome}"


def _judge_stored(expected, run, key):
    """The outcome is right: are the reflector's and collector's words?"""
    if not run.stored:
        return WRONG, "the run is not in the database"
    if run.status != "valid":
        return WRONG, f"the run is stored as {run.status}"
    if run.places[key] not in expected.places:
        return WRONG, f"its place is {run.places[key]}"
    if run.seen[key] not in expected.seen:
        return WRONG, f"seen by the reflector: {run.seen[key]}"
    return RIGHT, ""


def probes(truth, measured):
    """Return one dict for each probe of the truth."""
    out = []
    for key, expected in truth.probes.items():
        home, reflector, family, round_number, transport, port = key
        run_key, probe_key = key[:4], key[4:]
        run = measured.get(run_key)
        void = truth.runs[run_key].void[transport]
        grade, reason = _judge_outcome(expected, void, run, probe_key)
        out.append({
            "home": home, "reflector": reflector, "family": family,
            "round": round_number, "transport": transport, "port": port,
            "outcome": run and run.outcomes.get(probe_key),
            "place": run and run.places.get(probe_key),
            "seen": run and run.seen.get(probe_key),
            "truth": {"outcome": sorted(expected.outcomes),
                      "place": sorted(expected.places),
                      "seen": sorted(expected.seen),
                      "void": void, "vote": expected.vote,
                      "why": expected.why},
            "grade": grade, "reason": reason})
    return out


def _judge_cell(expected, verdict):
    if verdict is None:
        return (RIGHT, "") if expected.n == 0 else \
            (WRONG, "there is no verdict")
    for vote in VOTES:
        if verdict["counts"][vote] != expected.counts[vote]:
            return WRONG, (f"{verdict['counts'][vote]} lines vote {vote}, not "
                           f"{expected.counts[vote]}")
    if verdict["label"] != expected.label:
        return WRONG, f"it is labelled {verdict['label']}"
    if verdict["label"] == "blocked" and 2 * expected.really <= expected.n:
        return WRONG, "nothing blocks most of its lines"
    return RIGHT, ""


def cells(truth, verdicts):
    """Return one dict for each cell of the truth or of the verdicts."""
    out = []
    nothing = {vote: 0 for vote in VOTES}
    for cell in sorted(set(truth.cells) | set(verdicts),
                       key=lambda c: (c.asn, c.port, c.transport, c.family)):
        expected = truth.cells.get(cell)
        verdict = verdicts.get(cell)
        counts = expected.counts if expected else nothing
        if expected:
            grade, reason = _judge_cell(expected, verdict)
        elif verdict["counts"] == nothing and \
                verdict["label"] == "insufficient":
            grade, reason = RIGHT, ""
        else:
            grade, reason = WRONG, "no line can have a vote there"
        out.append({
            "asn": cell.asn, "transport": cell.transport, "port": cell.port,
            "family": cell.family, "verdict": verdict,
            "truth": {"n": sum(counts.values()), "k": counts["blocked"],
                      "counts": counts,
                      "label": expected.label if expected else "insufficient",
                      "why": expected.why if expected else "nothing to say"},
            "grade": grade, "reason": reason})
    return out


def summary(probe_list, cell_list, runs_measured, runs_stored):
    """Counts; everything is well when wrong, cells_wrong and lost are 0."""
    def count(items, grade):
        return sum(item["grade"] == grade for item in items)

    return {"probes": len(probe_list), "right": count(probe_list, RIGHT),
            "unknown": count(probe_list, UNKNOWN),
            "wrong": count(probe_list, WRONG),
            "cells": len(cell_list), "cells_right": count(cell_list, RIGHT),
            "cells_wrong": count(cell_list, WRONG),
            "runs": runs_measured, "runs_stored": runs_stored}


def all_well(s):
    """Is nothing wrong, and nothing lost?"""
    return s["wrong"] == 0 and s["cells_wrong"] == 0 and \
        s["runs"] == s["runs_stored"] and s["right"] > 0
