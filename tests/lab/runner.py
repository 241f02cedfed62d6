# SPDX-License-Identifier: Apache-2.0
"""runner - the commands "lab run" and "lab check"."""

import dataclasses
import json
import os
import shutil
import sys
import time

import compare
import measure
import ports
import show
import world as worlds
from laboratory import STATE, Laboratory
from oracle import Truth

HERE = os.path.dirname(os.path.abspath(__file__))


def resolve(name):
    """A path, or the name of a world of ours."""
    own = os.path.join(HERE, "worlds", f"{name}.world")
    if not os.path.exists(name) and "/" not in name and os.path.exists(own):
        return own
    return name


def load(options):
    """Read the world and look up its ports; WorldError when it is wrong."""
    world = worlds.load(resolve(options.world))
    try:
        ports.of_world(world)
    except ValueError as e:
        raise worlds.WorldError(f"{world.path}: {e}") from None
    return world


def check(options):
    world = load(options)
    print(f"{world.path}: {world.name}: {len(world.isps)} ISPs, "
          f"{len(world.homes())} homes, {len(world.reflectors)} reflectors, "
          f"{len(world.rules)} rules, {len(ports.of_world(world))} ports")
    return 0


@dataclasses.dataclass
class Result:
    """A world that has been run, measured and compared."""
    world: object
    rounds: int
    checks: list
    verdicts: dict
    probes: list
    cells: list
    summary: dict


def evaluate(lab, checks, rounds):
    """Compute verdicts and hold everything against the truth."""
    lab.aggregate()
    truth = Truth(lab.world, lab.ports, rounds)
    measured = measure.runs(lab, checks)
    verdicts = measure.verdicts(lab)
    probes = compare.probes(truth, measured)
    cells = compare.cells(truth, verdicts)
    stored = sum(run.stored for run in measured.values())
    return Result(lab.world, rounds, checks, verdicts, probes, cells,
                  compare.summary(probes, cells, len(measured), stored))


def document(result):
    """Everything as one JSON-able dict."""
    world = result.world
    return {
        "format": "periplus-lab/1",
        "world": {"name": world.name, "description": world.description,
                  "path": world.path,
                  "isps": [{"asn": i.asn, "name": i.name,
                            "country": i.country, "homes": len(i.homes)}
                           for i in world.isps],
                  "reflectors": [r.name for r in world.reflectors],
                  "rules": [{"where": r.where, "rule": r.text}
                            for r in world.rules]},
        "rounds": result.rounds,
        "homes": [{"home": c.home, "round": c.round, "status": c.status,
                   "check": c.document, "stderr": c.stderr}
                  for c in result.checks],
        "probes": result.probes,
        "cells": result.cells,
        "summary": result.summary,
    }


def explain(result, out):
    """Write what differs from the truth, and the summary, for people."""
    for p in result.probes:
        if p["grade"] != compare.RIGHT:
            print(f"{p['grade']}: home {p['home']}, {p['reflector']}, "
                  f"IPv{p['family']}, round {p['round']}, {p['transport']}/"
                  f"{p['port']}: {p['reason']}; true is "
                  f"{' or '.join(p['truth']['outcome'])} "
                  f"({p['truth']['why']})", file=out)
    for c in result.cells:
        if c["grade"] != compare.RIGHT:
            t = c["truth"]
            print(f"{c['grade']}: AS {c['asn']} {c['transport']}/{c['port']} "
                  f"IPv{c['family']}: {c['reason']}; true is {t['label']} "
                  f"{t['k']}/{t['n']} ({t['why']})", file=out)
    for c in result.checks:
        if c.document is None:
            print(f"home {c.home}, round {c.round}: check ended with status "
                  f"{c.status}: {c.stderr.strip()}", file=out)
    s = result.summary
    print(f"{s['runs_stored']} of {s['runs']} runs stored; "
          f"{s['probes']} probes: {s['right']} right, {s['unknown']} unknown, "
          f"{s['wrong']} wrong; {s['cells']} cells: {s['cells_right']} right, "
          f"{s['cells_wrong']} wrong", file=out)


def _keep(directory):
    """Copy what the programs read and wrote, but the database."""
    shutil.copytree(STATE, directory, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("pg", "*.sock"))


def run(options):
    """The command "lab run", inside the namespaces."""
    world = load(options)
    start = time.monotonic()

    def say(text):
        print(f"[{time.monotonic() - start:5.1f} s] {text}", file=sys.stderr)

    with Laboratory(world, options.build, say) as lab:
        try:
            checks = measure.rounds(lab, options.rounds)
            say(f"measured: {len(checks)} checks")
            result = evaluate(lab, checks, options.rounds)
        finally:
            if options.keep:
                _keep(options.keep)
    say("compared")
    if options.json:
        json.dump(document(result), sys.stdout, indent=1)
        print()
    else:
        print("\n".join(show.matrix(world, result.cells,
                                    sys.stdout.isatty())))
    explain(result, sys.stderr if options.json else sys.stdout)
    return 0 if compare.all_well(result.summary) else 1
