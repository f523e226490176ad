"""The density of Tweedie's laws: 50-digit series, inversion by quadrature, integrals, limits."""

import math
import random

import mpmath as mp
import numpy as np
import pytest
from scipy import integrate

from glmstat.families import Gamma, Gaussian, InverseGaussian, Tweedie
from glmstat.families.tweedie_density import at_mean

DIGITS = 50


def log_density(y, mu, phi, p):
    """As the package has it: saturated less half the deviance over phi."""
    y, mu = np.atleast_1d(np.asarray(y, float)), np.atleast_1d(np.asarray(mu, float))
    family = Tweedie(p)
    deviance = family.unit_deviance(y, np.broadcast_to(mu, y.shape))
    return family.saturated(y, np.ones(len(y)), phi) - deviance / (2.0 * phi)


def exponent(y, mu, phi, p):
    """(y theta - kappa(theta)) / phi."""
    return (y * mu ** (1 - p) / (1 - p) - mu ** (2 - p) / (2 - p)) / phi


def compound_series(y, mu, phi, p):
    """Log density for 1 < p < 2: Poisson numbers of gamma amounts, summed in 50 digits.

    Source: Dunn & Smyth (2005), formula 8.
    """
    y, mu, phi, p = (mp.mpf(value) for value in (y, mu, phi, p))
    if y == 0:
        return exponent(y, mu, phi, p)
    shape = (2 - p) / (p - 1)
    log_z = shape * mp.log(y) - shape * mp.log(p - 1) - (1 + shape) * mp.log(phi) - mp.log(2 - p)
    first = max(1, int(y ** (2 - p) / (phi * (2 - p))))

    def term(k):
        return k * log_z - mp.loggamma(k + 1) - mp.loggamma(k * shape)

    top, total = term(first), mp.mpf(0)
    for numbers in (range(first, first + 10**6), range(first - 1, 0, -1)):
        for k in numbers:
            added = mp.exp(term(k) - top)
            total += added
            if added < total * mp.mpf(10) ** -DIGITS:
                break
    return mp.log(total) + top - mp.log(y) + exponent(y, mu, phi, p)


def stable_series(y, mu, phi, p):
    """Log density for p > 2, in as many digits as the alternating series loses; None where it is too long.

    Source: Dunn & Smyth (2005), section 4; Jørgensen (1987).
    """
    with mp.workdps(DIGITS):
        y, mu, phi, p = (mp.mpf(value) for value in (y, mu, phi, p))
        index = (p - 2) / (p - 1)
        scale = 1 / ((p - 1) * phi * y ** (p - 2))
        lost = scale / (p - 2) / mp.log(10)
    if lost > 60:
        return None
    with mp.workdps(DIGITS + 30 + int(2.2 * lost)):
        c = scale ** (1 - index) / index
        total, largest, k = mp.mpf(0), mp.mpf(0), 1
        while True:
            size = c**k / mp.factorial(k)
            total += (-1) ** k * size * mp.rgamma(-index * k)
            size *= mp.gamma(1 + index * k)
            largest = max(largest, size)
            if size < abs(total) * mp.mpf(10) ** -DIGITS and size < largest:
                break
            k += 1
        at_mean = mp.log(total) + scale * (1 / index - 1) - mp.log(y)
        return at_mean - exponent(y, y, phi, p) + exponent(y, mu, phi, p)


def inverted(y, mu, phi, p):
    """Log density by the inversion integral on the line through the saddle point, in 30 digits."""
    with mp.workdps(30):
        y, mu, phi, p = (mp.mpf(value) for value in (y, mu, phi, p))
        index = (p - 2) / (p - 1)
        scale = 1 / ((p - 1) * phi * y ** (p - 2))
        width = mp.sqrt(1 / (scale * (1 - index)))

        def wave(t):
            v = 1 + mp.mpc(0, t) * width
            return mp.exp(scale * (v - 1 - (v**index - 1) / index)).real

        half = mp.quad(wave, [step / mp.mpf(2) for step in range(0, 33)])
        at_mean = mp.log(half * scale * width / mp.pi) - mp.log(y)
        return at_mean - exponent(y, y, phi, p) + exponent(y, mu, phi, p)


def apart(ours, exact):
    """Difference of log densities, that is relative in the density; relative where the log is far from 0."""
    return float(abs(mp.mpf(float(ours)) - exact)) / max(1.0, abs(float(exact)))


def test_agrees_with_a_fifty_digit_series_between_one_and_two():
    rng = random.Random(20)
    seen = 0
    with mp.workdps(DIGITS + 10):
        while seen < 150:
            p, phi = rng.uniform(1.01, 1.99), 10 ** rng.uniform(-3, 3)
            mu = 10 ** rng.uniform(-2, 2)
            y = mu * 10 ** rng.uniform(-6, 3)
            if y ** (2 - p) / (phi * (2 - p)) > 2e4:  # more terms than a test has time for
                continue
            exact = compound_series(y, mu, phi, p)
            assert apart(log_density(y, mu, phi, p)[0], exact) < 1e-10, (p, phi, mu, y)
            seen += 1


@pytest.mark.parametrize("p", [1.0001, 1.001, 1.01, 1.1, 1.9, 1.99, 1.9999])
@pytest.mark.parametrize("ratio", [1e-3, 0.4, 1.0, 7.0])
def test_near_the_ends_and_where_the_terms_are_skipped(p, ratio):
    with mp.workdps(DIGITS + 10):
        for phi in (0.004, 0.05, 0.9, 40.0):
            if ratio ** (2 - p) / (phi * (2 - p)) > 2e4:
                continue
            assert apart(log_density(ratio, 1.0, phi, p)[0], compound_series(ratio, 1.0, phi, p)) < 1e-11


def test_agrees_with_a_fifty_digit_series_above_two():
    rng = random.Random(21)
    seen = 0
    while seen < 60:
        p, phi = rng.uniform(2.01, 6.0), 10 ** rng.uniform(-3, 3)
        mu = 10 ** rng.uniform(-2, 2)
        y = mu * 10 ** rng.uniform(-6, 3)
        exact = stable_series(y, mu, phi, p)
        if exact is None:
            continue
        assert apart(log_density(y, mu, phi, p)[0], exact) < 1e-10, (p, phi, mu, y)
        seen += 1


@pytest.mark.parametrize("p", [1.2, 1.5, 1.9, 2.02, 2.5, 4.0, 6.0])
@pytest.mark.parametrize("phi", [1e-6, 1e-4, 0.01])
def test_agrees_with_inversion_where_the_series_is_too_long(p, phi):
    assert apart(log_density(0.8, 1.0, phi, p)[0], inverted(0.8, 1.0, phi, p)) < 1e-10


@pytest.mark.parametrize("p", [1.02, 1.1, 1.5, 1.9, 1.95, 2.05, 2.5, 4.5])
@pytest.mark.parametrize("phi", [0.05, 1.0, 20.0])
def test_integrates_to_one(p, phi):
    mu = 1.3
    none = math.exp(log_density(0.0, mu, phi, p)[0]) if p < 2 else 0.0
    low, high = -700.0 if p < 2 else -80.0, 12.0 if p < 3 else 100.0
    edges = np.unique(np.concatenate([np.linspace(low, high, 40), np.linspace(-6.0, 9.0, 900)]))
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half = 0.5 * np.diff(edges)[:, None]
    place = (0.5 * (edges[1:] + edges[:-1])[:, None] + half * nodes).ravel()
    density = np.exp(log_density(np.exp(place), mu, phi, p) + place)
    assert none + float(density @ (half * weights).ravel()) == pytest.approx(1.0, abs=1e-9)


def test_mean_and_variance():
    for p, phi in ((1.3, 0.7), (1.7, 2.0), (2.4, 0.3)):
        place = np.linspace(-60.0, 9.0, 40_001)
        y = np.exp(place)
        mass = np.exp(log_density(y, 2.0, phi, p)) * y
        assert integrate.simpson(mass * y, x=place) == pytest.approx(2.0, rel=1e-7)
        assert integrate.simpson(mass * (y - 2.0) ** 2, x=place) + (
            4.0 * math.exp(log_density(0.0, 2.0, phi, p)[0]) if p < 2 else 0.0
        ) == pytest.approx(phi * 2.0**p, rel=1e-6)


def test_zero_has_the_mass_of_no_amounts():
    mu, phi, p = 3.0, 1.7, 1.4
    assert log_density(0.0, mu, phi, p)[0] == pytest.approx(-(mu ** (2 - p)) / (phi * (2 - p)), rel=1e-14)


@pytest.mark.parametrize(("p", "family"), [(0.0, Gaussian()), (2.0, Gamma()), (3.0, InverseGaussian())])
def test_closed_forms_of_known_families(p, family):
    y = np.array([0.3, 1.0, 20.0])
    for phi in (1e-3, 0.4, 30.0):
        np.testing.assert_allclose(
            Tweedie(p).saturated(y, np.ones(3), phi), family.saturated(y, np.ones(3), phi), rtol=1e-13
        )


@pytest.mark.parametrize("p", [1.9999999, 2.0000001, 2.9999999, 3.0000001])
def test_is_continuous_in_the_power(p):
    y, near = np.array([0.2, 1.0, 6.0]), float(round(p))
    for phi in (0.01, 0.8, 20.0):
        np.testing.assert_allclose(
            Tweedie(p).saturated(y, np.ones(3), phi), Tweedie(near).saturated(y, np.ones(3), phi), atol=2e-5
        )


def test_weights_divide_the_dispersion():
    y, weights = np.array([0.0, 0.4, 3.0, 3.0]), np.array([2.0, 5.0, 0.5, 0.0])
    found = Tweedie(1.6).saturated(y, weights, 1.3)
    alone = [Tweedie(1.6).saturated(y[k : k + 1], np.ones(1), 1.3 / weights[k])[0] for k in (1, 2)]
    assert found.tolist() == [0.0, *alone, 0.0]


@pytest.mark.parametrize("p", [1.1, 1.5, 1.95, 2.0, 2.3, 3.0, 5.0])
def test_derivatives(p):
    xi, step = np.geomspace(1e-4, 1e4, 25), 1e-5
    below, here, above = (at_mean(xi * math.exp(change), p) for change in (-step, 0.0, step))
    np.testing.assert_allclose((above.value - below.value) / (2 * step), here.slope, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose((above.slope - below.slope) / (2 * step), here.curvature, rtol=1e-5, atol=1e-7)


def test_power_one_has_no_density():
    assert not Tweedie(1).has_likelihood
    assert np.isnan(Tweedie(1).saturated(np.ones(2), np.ones(2), 0.5)).all()
