# SPDX-License-Identifier: Apache-2.0
"""ports - the catalogue of ports, and which of them a world's plan asks about.

Read from sql/seed/ports.tsv, the same file that fills the database and the
programs' own table.
"""

import csv
import os
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SEED = os.path.join(ROOT, "sql", "seed", "ports.tsv")


@dataclass(frozen=True)
class Port:
    transport: str
    port: int
    tier: int
    consent: str
    family: int         # 0: both
    application: str


def catalogue():
    """All entries that sockets can reach, in the order of the file.

    Port 0 is in the catalogue for raw sockets only: nothing can listen there.
    """
    with open(SEED, encoding="utf-8", newline="") as f:
        return [Port(row["transport"], int(row["port"]), int(row["tier"]),
                     row["class"], int(row["family"]), row["application"])
                for row in csv.DictReader(f, delimiter="\t",
                                          quoting=csv.QUOTE_NONE)
                if row["port"] != "0"]


def of_world(world):
    """The ports that the world's plan asks about.

    Raises ValueError for a port that reflectors do not listen on, because it
    is not in the catalogue.
    """
    entries = catalogue()
    if not world.ports:
        return [p for p in entries if p.tier in world.tiers]
    known = {(p.transport, p.port): p for p in entries}
    unknown = [f"{t}/{n}" for t, n in world.ports if (t, n) not in known]
    if unknown:
        raise ValueError(f"ports: {', '.join(unknown)} not in the catalogue "
                         f"({os.path.relpath(SEED, ROOT)})")
    return [known[key] for key in world.ports]
