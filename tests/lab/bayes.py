# SPDX-License-Identifier: Apache-2.0
"""bayes - the verdict model, implemented a second time.

The database computes labels in SQL.  This is the same model written from its
description alone, with math.lgamma and plain numerical integration, so that
one can be held against the other.  Three states of a cell: OPEN and BLOCKED
(beta-binomial) and PARTIAL (share uniform on an interval); each claim is
judged as if a share of the lines lied in its favour.
"""

import math
from functools import lru_cache
from typing import NamedTuple

STRENGTH = 20
PRIOR_OPEN, PRIOR_BLOCKED, PRIOR_PARTIAL = 0.75, 0.20, 0.05
LIARS = 0.2
PARTIAL_LOW, PARTIAL_HIGH = 0.3, 0.7
Q0, Q1 = 0.10, 0.95
# Ports whose blocks usually have exceptions: (transport, port) -> q1.
Q1_OF = {("tcp", 25): 0.75}
CERTAIN = 0.95
MIN_LINES, MIN_PREFIXES = 5, 3
STEPS = 400     # of Simpson's rule


def _beta_binomial(n, k, mean):
    a, b = mean * STRENGTH, (1 - mean) * STRENGTH
    return math.exp(
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        + math.lgamma(a + k) + math.lgamma(b + n - k) - math.lgamma(a + b + n)
        + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b))


def _uniform_binomial(n, k):
    """The binomial averaged over the interval, by Simpson's rule."""
    def at(theta):
        return theta ** k * (1 - theta) ** (n - k)

    width = (PARTIAL_HIGH - PARTIAL_LOW) / STEPS
    total = sum(at(PARTIAL_LOW + i * width) *
                (1 if i in (0, STEPS) else 4 if i % 2 else 2)
                for i in range(STEPS + 1))
    return math.comb(n, k) * total * width / 3 / (PARTIAL_HIGH - PARTIAL_LOW)


def _posterior(n, k, q0, q1):
    weights = (PRIOR_OPEN * _beta_binomial(n, k, q0),
               PRIOR_BLOCKED * _beta_binomial(n, k, q1),
               PRIOR_PARTIAL * _uniform_binomial(n, k))
    whole = sum(weights)
    return [w / whole for w in weights]


class Claims(NamedTuple):
    """The posterior of each claim, held against liars."""
    open: float
    blocked: float
    partial: float


@lru_cache(maxsize=None)
def claims(n, k, q1=Q1):
    """The claims about a cell in which k of n lines have no passage."""
    return Claims(_posterior(n, k, Q0, q1 * (1 - LIARS))[0],
                  _posterior(n, k, Q0 + (1 - Q0) * LIARS, q1)[1],
                  _posterior(n, k, Q0, q1)[2])
