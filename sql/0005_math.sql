-- SPDX-License-Identifier: Apache-2.0
-- The special functions that verdicts need and PostgreSQL 15 lacks.  All are
-- pure, in double precision, and tested against values computed with exact
-- fractions and long decimals (sql/tests/reference.py).

set local search_path = pg_catalog, pg_temp;
set local role periplus_owner;

-- Lanczos' approximation with g = 607/128 and 15 terms.
create function periplus.lgamma(x double precision) returns double precision
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
	t double precision;
begin
	if not (x > 0 and x < 'infinity') then
		raise exception 'lgamma: x must be positive, not %', x
			using errcode = '22003';
	end if;
	t := x + 5.2421875;
	return (x + 0.5) * ln(t) - t + ln(2.5066282746310005 * (
		0.99999999999999709182
		+ 57.156235665862923517 / (x + 1)
		- 59.597960355475491248 / (x + 2)
		+ 14.136097974741747174 / (x + 3)
		- 0.49191381609762019978 / (x + 4)
		+ 0.33994649984811888699e-4 / (x + 5)
		+ 0.46523628927048575665e-4 / (x + 6)
		- 0.98374475304879564677e-4 / (x + 7)
		+ 0.15808870322491248884e-3 / (x + 8)
		- 0.21026444172410488319e-3 / (x + 9)
		+ 0.21743961811521264320e-3 / (x + 10)
		- 0.16431810653676389022e-3 / (x + 11)
		+ 0.84418223983852743293e-4 / (x + 12)
		- 0.26190838401581408670e-4 / (x + 13)
		+ 0.36899182659531622704e-5 / (x + 14)) / x);
end
$$;
comment on function periplus.lgamma(double precision) is
	'Natural logarithm of the gamma function, for positive numbers.';

create function periplus.log_beta(a double precision, b double precision)
returns double precision
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
	return periplus.lgamma(a) + periplus.lgamma(b) - periplus.lgamma(a + b);
end
$$;
comment on function periplus.log_beta(double precision, double precision) is
	'Natural logarithm of the beta function.';

-- Lentz's method for the continued fraction of the incomplete beta function
-- (Numerical Recipes, 6.4).  It takes about sqrt(max(a, b)) rounds.
create function periplus.beta_fraction(
	x double precision, a double precision, b double precision)
returns double precision
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
	tiny constant double precision := 1e-300;
	c double precision := 1;
	d double precision := 1 - (a + b) * x / (a + 1);
	h double precision;
	t double precision;
	step double precision;
begin
	if abs(d) < tiny then d := tiny; end if;
	d := 1 / d;
	h := d;
	for m in 1 .. 100000 loop
		t := m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		d := 1 + t * d;
		if abs(d) < tiny then d := tiny; end if;
		c := 1 + t / c;
		if abs(c) < tiny then c := tiny; end if;
		d := 1 / d;
		h := h * d * c;
		t := -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		d := 1 + t * d;
		if abs(d) < tiny then d := tiny; end if;
		c := 1 + t / c;
		if abs(c) < tiny then c := tiny; end if;
		d := 1 / d;
		step := d * c;
		h := h * step;
		if abs(step - 1) < 1e-15 then
			return h;
		end if;
	end loop;
	raise exception 'beta_fraction(%, %, %) does not converge', x, a, b
		using errcode = '22003';
end
$$;
comment on function periplus.beta_fraction(
	double precision, double precision, double precision) is
	'The continued fraction in the incomplete beta function.';

-- The logarithm of x^a (1-x)^b / B(a, b) is computed first: alone, each factor
-- may be too small for a double.  What is left of exp() below 1e-260 is taken for zero.
create function periplus.beta_cdf(
	x double precision, a double precision, b double precision)
returns double precision
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
	front double precision;
begin
	if x <= 0 then return 0; end if;
	if x >= 1 then return 1; end if;
	front := a * ln(x) + b * ln(1 - x) - periplus.log_beta(a, b);
	front := case when front < -600 then 0 else exp(front) end;
	if x < (a + 1) / (a + b + 2) then
		return front * periplus.beta_fraction(x, a, b) / a;
	end if;
	return 1 - front * periplus.beta_fraction(1 - x, b, a) / b;
end
$$;
comment on function periplus.beta_cdf(
	double precision, double precision, double precision) is
	'Probability that a Beta(a, b) variable is at most x: the regularised '
	'incomplete beta function.';

-- Newton's method inside a bracket that shrinks at each step; where it leaves
-- the bracket, the bracket is halved instead.
create function periplus.beta_quantile(
	p double precision, a double precision, b double precision)
returns double precision
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
	low double precision := 0;
	high double precision := 1;
	x double precision := a / (a + b);
	log_b constant double precision := periplus.log_beta(a, b);
	miss double precision;
	slope double precision;
	guess double precision;
begin
	if p <= 0 then return 0; end if;
	if p >= 1 then return 1; end if;
	for i in 1 .. 200 loop
		miss := periplus.beta_cdf(x, a, b) - p;
		if miss > 0 then high := x; else low := x; end if;
		slope := (a - 1) * ln(x) + (b - 1) * ln(1 - x) - log_b;
		slope := exp(greatest(least(slope, 600), -600));
		guess := x - greatest(least(miss / slope, 1), -1);
		if not (guess > low and guess < high) then
			guess := (low + high) / 2;
		end if;
		exit when abs(guess - x) <= 1e-15 * x;
		x := guess;
	end loop;
	return guess;
end
$$;
comment on function periplus.beta_quantile(
	double precision, double precision, double precision) is
	'The x for which beta_cdf(x, a, b) is p.';

create function periplus.log_beta_binomial(
	k integer, n integer, a double precision, b double precision)
returns double precision
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
	return periplus.log_beta(k + a, n - k + b) - periplus.log_beta(a, b)
		- ln(n + 1::double precision)
		- periplus.log_beta(k + 1, n - k + 1);
end
$$;
comment on function periplus.log_beta_binomial(
	integer, integer, double precision, double precision) is
	'Natural logarithm of the probability of k in n when the share is drawn '
	'from Beta(a, b).';

-- At the ends the interval reaches 0 or 1, as is usual with Jeffreys' prior.
create function periplus.jeffreys(
	k integer, n integer, out low double precision,
	out high double precision)
language plpgsql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
	if n <= 0 then
		return;
	end if;
	low := case when k = 0 then 0
		else periplus.beta_quantile(0.025, k + 0.5, n - k + 0.5) end;
	high := case when k = n then 1
		else periplus.beta_quantile(0.975, k + 0.5, n - k + 0.5) end;
end
$$;
comment on function periplus.jeffreys(integer, integer) is
	'The 95 % interval of a share of which k in n were seen, under Jeffreys'' '
	'prior; null when n is 0.';
