# SPDX-License-Identifier: Apache-2.0
"""measure - let the homes measure, and gather what came of it.

What the agents said comes from "periplus check --json", what reflectors and
collector made of it from the database, verdicts from the collector.
"""

import json
import time

from compare import MeasuredRun
from oracle import Cell, VOTES

TRANSPORTS = ("tcp", "udp")

_STORED = """
select r.run_id, s.name as status, r.probe_transport as transport,
       r.probe_port as port,
       (select array_agg(p.name order by i) from unnest(r.probe_place)
          with ordinality as u (code, i)
          join periplus.place p on p.code = u.code) as place,
       (select array_agg(n.name order by i) from unnest(r.probe_seen)
          with ordinality as u (code, i)
          join periplus.seen n on n.code = u.code) as seen
from periplus.run r join periplus.run_status s on s.code = r.status"""


def avoid_midnight(seconds=90):
    """Votes are counted by UTC day: do not let one day's homes vote on two."""
    left = 86400 - time.time() % 86400
    if left < seconds:
        time.sleep(left + 1)


def rounds(lab, count, on_done=None):
    """Let every home measure once a round; returns all Checks."""
    avoid_midnight()
    checks = []
    for number in range(1, count + 1):
        lab.set_round(number)
        checks += lab.check_all(on_done)
    lab.wait_spools_empty()
    return checks


def _probe_keys(transports, ports):
    return [(TRANSPORTS[t], p) for t, p in zip(transports, ports)]


def _of_json(run):
    """A run in the agent's own words."""
    return MeasuredRun(run["run"], run["void"], {
        (p["transport"], p["port"]): p["outcome"] for p in run["probes"]})


def runs(lab, checks):
    """{(home, reflector, family, round): MeasuredRun} of all checks."""
    stored = {row["run_id"]: row for row in lab.pg.rows(_STORED)}
    measured = {}
    for check in checks:
        for told in (check.document or {}).get("runs", []):
            run = _of_json(told)
            row = stored.get(run.run_id)
            if row:
                keys = _probe_keys(row["transport"], row["port"])
                run.stored, run.status = True, row["status"]
                run.places = dict(zip(keys, row["place"] or []))
                run.seen = dict(zip(keys, row["seen"] or []))
            measured[check.home, told["reflector"], told["family"],
                     check.round] = run
    return measured


def _about(row):
    """The number of lines that a label is about."""
    if row["label"] in VOTES and row["label"] != "open":
        return row[row["label"]]
    return row["lines"] - row["open"]


def verdicts(lab):
    """{Cell: verdict} as "periplus-collector verdicts --json" has them."""
    rows = json.loads(lab.collector.command("verdicts", "--json"))
    return {Cell(row["asn"], row["transport"], row["port"], row["family"]):
            {**row, "k": _about(row), "counts": {v: row[v] for v in VOTES}}
            for row in rows}
