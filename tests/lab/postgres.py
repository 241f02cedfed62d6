# SPDX-License-Identifier: Apache-2.0
"""postgres - the lab's private PostgreSQL, by way of tests/db/pg."""

import json
import os
import subprocess

from ports import ROOT

SCRIPT = os.path.join(ROOT, "tests", "db", "pg")


class PostgresError(Exception):
    """The server or a query failed; the text says how."""


class Postgres:
    """A server in a directory of its own; other users reach its socket."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)

    def _pg(self, command, *args):
        done = subprocess.run([SCRIPT, command, self.directory, *args],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PostgresError(f"tests/db/pg {command}: "
                                f"{done.stderr.strip()}")
        return done.stdout

    def start(self):
        """Without fsync: nothing here outlives the machine's crash."""
        self._pg("start", "--fast")

    def stop(self):
        self._pg("stop")

    def restart(self, mode="fast"):
        """Mode "immediate" is a crash with recovery."""
        self._pg("restart", mode)

    def conninfo(self, user):
        return f"host={self.directory} dbname=periplus user={user}"

    def rows(self, query):
        """Return the rows of a query as a list of dicts."""
        text = self._pg("psql", "-At", "-v", "ON_ERROR_STOP=1", "-c",
                        f"select coalesce(json_agg(q), '[]') from ({query}) q")
        return json.loads(text)

    def value(self, query):
        """Return the only column of the only row, as text."""
        return self._pg("psql", "-At", "-v", "ON_ERROR_STOP=1", "-c",
                        query).strip()
