# SPDX-License-Identifier: Apache-2.0
"""ingest - the collector beside a bare COPY of the same rows.

The swarm sends runs through the real collector (CURVE, JSON, validation, geo,
COPY, commit, acknowledgement).  Then the very rows that arrived are copied
out, the table is emptied, and they go in again by one binary COPY: the
fastest that this server can take them.  PostgreSQL runs with fsync.
"""

import json
import os
import subprocess
import time

import netns
import plan
import topology
from program import must

RUNS = 20000
AGENTS = 64
PROBES = 109
PASSES = 5
NO_LIMITS = {"rate_per_key_per_hour": 0, "rate_per_prefix_per_hour": 0}


def prepare(lab):
    """Lift the collector's rate limits: one machine plays many agents."""
    with open(lab.collector.conf, "a", encoding="utf-8") as f:
        f.writelines(f"{key} = {value}\n" for key, value in NO_LIMITS.items())
    lab.collector.stop()
    lab.collector.start()


def _through_collector(lab, swarm):
    """Returns results a second, by the swarm's own clock."""
    reflector = next(iter(lab.reflectors.values()))
    argv = [swarm, "--endpoint",
            f"tcp://{topology.COLLECTOR4}:{plan.COLLECTOR_PORT}",
            "--server-key", lab.collector.public_key,
            "--receipt-key", reflector.receipt_key,
            "--reflector", reflector.spec.name, "--network", "198.18.0.1",
            "--agents", str(AGENTS), "--count", str(RUNS),
            "--probes", str(PROBES), "--timeout", "300"]
    out = must(netns.call(topology.COLLECTOR, lambda: subprocess.run(
        argv, capture_output=True, text=True, check=False)), "swarm")
    said = json.loads(out)
    if said["stored"] != RUNS:
        raise RuntimeError(f"the swarm had {said['stored']} of {RUNS} runs "
                           f"stored: {said}")
    return RUNS * PROBES / said["elapsed_s"]


def _bare_copy(lab, file):
    """Returns results a second of one COPY of the rows in the file."""
    start = time.monotonic()
    lab.pg.value(f"\\copy periplus.run from '{file}' (format binary)")
    return RUNS * PROBES / (time.monotonic() - start)


def beside_copy(lab, swarm):
    """Results a second through the collector and by bare COPY, pass by pass."""
    prepare(lab)
    file = os.path.join(lab.pg.directory, "rows.bin")
    passes = []
    for _ in range(PASSES):
        lab.pg.value("truncate periplus.run, periplus.run_mark")
        collector = _through_collector(lab, swarm)
        lab.pg.value(f"\\copy (select * from periplus.run) to '{file}' (format binary)")
        lab.pg.value("truncate periplus.run")
        passes.append((collector, _bare_copy(lab, file)))
    os.unlink(file)
    return passes
