#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write math.sql: pgTAP tests of the special functions of 0005_math.sql.

    python3 sql/tests/make_math.py > sql/tests/math.sql

The expected values come from other formulas than the ones tested: factorials
and binomial sums in exact fractions, and Stirling's series in decimals of 60
digits.  None is a continued fraction or Lanczos' sum.
"""

from decimal import Decimal, getcontext
from fractions import Fraction
from math import comb, factorial

getcontext().prec = 60
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")


def decimal(f):
    """A fraction as a decimal of 60 digits."""
    return Decimal(f.numerator) / Decimal(f.denominator)


def bernoulli(count):
    """The numbers B_2, B_4, ... B_(2 count)."""
    b = [Fraction(1)]
    for m in range(1, 2 * count + 1):
        b.append(-sum(comb(m + 1, j) * b[j] for j in range(m)) / (m + 1))
    return b[2::2]


BERNOULLI = bernoulli(30)


def lgamma(x):
    """Stirling's series at x + 40, led back by the recurrence."""
    x = decimal(Fraction(x))
    y = x + 40
    s = (y - Decimal("0.5")) * y.ln() - y + (2 * PI).ln() / 2
    for i, b in enumerate(BERNOULLI, 1):
        s += decimal(b) / (2 * i * (2 * i - 1)) / y ** (2 * i - 1)
    for i in range(40):
        s -= (x + i).ln()
    return s


def beta_cdf(x, a, b):
    """For whole a and b: the chance of a or more hits in a + b - 1."""
    x = Fraction(x)
    n = a + b - 1
    return sum(comb(n, j) * x ** j * (1 - x) ** (n - j)
               for j in range(a, n + 1))


def tail_series(x, a, b):
    """The power series of the incomplete beta function, DLMF 8.17.7, without
    its factor 1 / B(a, b); a and b may be fractions."""
    term = Decimal(1)
    s = term / a
    n = 0
    while n < b or abs(term) > Decimal("1e-40"):
        n += 1
        term *= x * (n - b) / n
        s += term / (a + n)
    return s * x ** a


def quantile(p, a, b):
    """Halving, with the power series; from the side where it converges."""
    if a > b:
        return 1 - quantile(1 - p, b, a)
    beta = (lgamma(a) + lgamma(b) - lgamma(a + b)).exp()
    low, high = Decimal(0), Decimal(1)
    for _ in range(70):
        middle = (low + high) / 2
        if tail_series(middle, decimal(a), decimal(b)) < p * beta:
            low = middle
        else:
            high = middle
    return low


def rising(m, count):
    """m (m + 1) ... over count factors."""
    product = Fraction(1)
    for i in range(count):
        product *= m + i
    return product


def beta_binomial(k, n, a, b):
    """Polya's urn: a product of fractions."""
    return comb(n, k) * rising(a, k) * rising(b, n - k) / rising(a + b, n)


def digits(d):
    return f"{d:.25e}"


def rows(values):
    return ",\n\t".join("(" + ", ".join(v) + ")" for v in values)


def lgamma_rows():
    xs = ["0.5", "1", "1.5", "2", "2.5", "3", "5", "7.25", "10", "20.5",
          "100", "101.5", "1000", "12345.5", "1000000"]
    assert abs(lgamma(Fraction(11)) - Decimal(factorial(10)).ln()) < 1e-40
    return rows((x, digits(lgamma(Fraction(x)))) for x in xs)


def beta_rows():
    cases = [("0.3", 1, 1), ("0.3", 3, 5), ("0.7", 3, 5), ("0.5", 10, 10),
             ("0.3", 21, 6), ("0.7", 21, 6), ("0.05", 2, 30),
             ("0.9", 50, 2), ("0.3", 51, 1), ("0.7", 1, 51),
             ("0.5", 120, 80), ("0.3", 200, 301), ("0.7", 400, 200)]
    return rows((x, str(a), str(b),
                 digits(decimal(beta_cdf(Fraction(x), a, b))))
                for x, a, b in cases)


def jeffreys_rows():
    out = []
    for k, n in [(1, 5), (5, 5), (0, 5), (3, 10), (9, 10), (17, 20),
                 (25, 50), (41, 50), (3, 100)]:
        a, b = Fraction(2 * k + 1, 2), Fraction(2 * (n - k) + 1, 2)
        low = quantile(Decimal("0.025"), a, b) if k else Decimal(0)
        high = quantile(Decimal("0.975"), a, b) if k < n else Decimal(1)
        out.append((str(k), str(n), digits(low), digits(high)))
    return rows(out)


def binomial_rows():
    cases = [(0, 5, "2", "18"), (5, 5, "19", "1"), (3, 10, "5.6", "14.4"),
             (17, 20, "15.2", "4.8"), (41, 50, "19", "1"),
             (120, 300, "2", "18")]
    return rows((str(k), str(n), a, b, digits(decimal(beta_binomial(
        k, n, Fraction(a), Fraction(b))))) for k, n, a, b in cases)


def claim_rows():
    """The three claims, from exact fractions."""
    out = []
    s, e = 20, Fraction(1, 5)
    q0 = Fraction(1, 10)
    for n, k, q1 in [(5, 5, "0.95"), (5, 4, "0.95"), (10, 9, "0.95"),
                     (20, 4, "0.95"), (20, 12, "0.95"), (50, 28, "0.95"),
                     (6, 6, "0.75"), (12, 11, "0.75"), (50, 12, "0.75")]:
        q = Fraction(q1)

        def state(mean, k=k, n=n):
            return beta_binomial(k, n, s * mean, s * (1 - mean))

        width = beta_cdf("0.7", k + 1, n - k + 1) - \
            beta_cdf("0.3", k + 1, n - k + 1)
        partial = Fraction(5, 100) * width / (Fraction(4, 10) * (n + 1))
        is_open = Fraction(75, 100) * state(q0)
        raised = Fraction(75, 100) * state(q0 + (1 - q0) * e)
        blocked = Fraction(20, 100) * state(q)
        lowered = Fraction(20, 100) * state(q * (1 - e))
        out.append((str(n), str(k), q1,
                    digits(decimal(blocked / (raised + blocked + partial))),
                    digits(decimal(is_open / (is_open + lowered + partial))),
                    digits(decimal(partial / (is_open + blocked + partial)))))
    return rows(out)


TEMPLATE = """\
-- SPDX-License-Identifier: Apache-2.0
-- Generated by make_math.py: do not edit.
-- The special functions against values from exact fractions and long decimals.
begin;
\\ir fixture.psql
select no_plan();

-- Equal to twelve digits, or both below 1e-12 of one.
create function pg_temp.close_to(
	found double precision, wanted double precision, what text)
returns text
language sql
as $$
	select ok(abs(found - wanted) <= 1e-12 * greatest(abs(wanted), 1),
		format('%s: %s is near %s', what, found, wanted));
$$;

select pg_temp.close_to(periplus.lgamma(x), y, format('lgamma(%s)', x))
from (values
	@LGAMMA@
) as v (x, y);

select pg_temp.close_to(periplus.beta_cdf(x, a, b), y,
	format('beta_cdf(%s, %s, %s)', x, a, b))
from (values
	@BETA@
) as v (x, a, b, y);

-- A tail keeps its digits however small it is.
select ok(abs(periplus.beta_cdf(x, a, b) / y - 1) < 1e-10,
	format('beta_cdf(%s, %s, %s) has the digits of %s', x, a, b, y))
from (values
	@BETA@
) as v (x, a, b, y)
where y < 0.5;

select unnest(array[
	pg_temp.close_to(i.low, v.low, format('low end for %s of %s', k, n)),
	pg_temp.close_to(i.high, v.high, format('high end for %s of %s', k, n))])
from (values
	@JEFFREYS@
) as v (k, n, low, high)
cross join lateral periplus.jeffreys(k, n) as i;
select ok(low is null and high is null, 'no lines, no interval')
from periplus.jeffreys(0, 0);

select ok(abs(exp(periplus.log_beta_binomial(k, n, a, b)) / y - 1) < 1e-11,
	format('beta-binomial of %s in %s with %s and %s', k, n, a, b))
from (values
	@BINOMIAL@
) as v (k, n, a, b, y);

select unnest(array[
	pg_temp.close_to(c.blocked, v.blocked,
		format('BLOCKED of %s in %s, q1 %s', k, n, q1)),
	pg_temp.close_to(c.open, v.open,
		format('OPEN of %s in %s, q1 %s', k, n, q1)),
	pg_temp.close_to(c.partial, v.partial,
		format('PARTIAL of %s in %s, q1 %s', k, n, q1))])
from (values
	@CLAIMS@
) as v (n, k, q1, blocked, open, partial)
cross join lateral periplus.claims(n, k, 0.1, q1) as c;

select ok(abs(periplus.beta_cdf(periplus.beta_quantile(p, a, b), a, b) - p)
	< 1e-11, format('quantile and distribution agree at %s, %s, %s', p, a, b))
from unnest(array[1e-6, 0.025, 0.5, 0.975]) as p
cross join unnest(array[0.5, 1.5, 33, 5000.5]) as a
cross join unnest(array[1.5, 2, 700.5]) as b;

select throws_ok('select periplus.lgamma(0)', '22003', null,
	'lgamma refuses zero');
select throws_ok('select periplus.lgamma(''NaN'')', '22003', null,
	'lgamma refuses what is no number');

select * from finish();
rollback;
"""


def main():
    text = TEMPLATE
    for name, make in [("@LGAMMA@", lgamma_rows), ("@BETA@", beta_rows),
                       ("@JEFFREYS@", jeffreys_rows),
                       ("@BINOMIAL@", binomial_rows),
                       ("@CLAIMS@", claim_rows)]:
        text = text.replace(name, make())
    print(text, end="")


if __name__ == "__main__":
    main()
