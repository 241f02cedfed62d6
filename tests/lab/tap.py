# SPDX-License-Identifier: Apache-2.0
"""tap - results in the Test Anything Protocol, one line a fact."""

import sys
import traceback


class Tap:
    """Counts and prints; a context manager that prints the plan at the end.

    An exception inside counts as one more failed fact.
    """

    def __init__(self):
        self.count = 0
        self.failed = 0

    def __enter__(self):
        return self

    def ok(self, fact, name, detail=""):
        """Report whether the named fact holds; the detail is for failures."""
        self.count += 1
        self.failed += not fact
        print(f"{'ok' if fact else 'not ok'} {self.count} - {name}")
        if not fact and detail != "":
            self.say(detail)
        sys.stdout.flush()
        return bool(fact)

    def equal(self, got, wanted, name):
        return self.ok(got == wanted, name,
                       f"got    {got!r}\nwanted {wanted!r}")

    def say(self, text):
        for line in str(text).splitlines():
            print(f"# {line}")

    def __exit__(self, kind, error, trace):
        if error is not None and not isinstance(error, SystemExit):
            self.ok(False, "runs to its end",
                    "".join(traceback.format_exception(kind, error, trace)))
        print(f"1..{self.count}")
        sys.stdout.flush()
        if error is None or not isinstance(error, SystemExit):
            sys.exit(1 if self.failed else 0)
        return False
