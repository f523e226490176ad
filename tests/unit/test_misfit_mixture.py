"""Weighted sums of chi-squared variables, combined p-values, and points that fill a cube evenly."""

from __future__ import annotations

from math import atan, isnan, pi, tan

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import chdtrc, fdtrc, ndtr

from glmstat.inference.misfit.mixture import cauchy_combination, mixture_tail, ratio_tail
from glmstat.inference.misfit.sobol import normal_points


def imhof(weights: list[float], value: float, counts: list[float] | None = None) -> float:
    """The tail by numerical inversion of the characteristic function: Imhof (1961), equation 3.2."""
    w, df = np.array(weights), np.ones(len(weights)) if counts is None else np.array(counts)

    def integrand(u: float) -> float:
        angle = 0.5 * float(df @ np.arctan(w * u)) - 0.5 * value * u
        return np.sin(angle) / (u * float(np.prod((1.0 + (w * u) ** 2) ** (df / 4.0))))

    return 0.5 + quad(integrand, 0.0, 400.0, limit=4000)[0] / pi


@pytest.mark.parametrize(
    "weights",
    [[1.0, 0.5, 0.25, 0.1], [1.0] * 5, (0.6 ** np.arange(10)).tolist(), [3.0, 1.0, 1.0, 0.2, 0.2, 0.2]],
)
@pytest.mark.parametrize("deviations", [-0.5, 0.3, 1.0, 2.0, 3.0, 4.0])
def test_the_tail_is_near_the_exact_one(weights: list[float], deviations: float) -> None:
    value = sum(weights) + deviations * np.sqrt(2 * np.square(weights).sum())
    assert mixture_tail(np.array(weights), value) == pytest.approx(imhof(weights, value), rel=0.05)


@pytest.mark.parametrize("value", [0.5, 2.0, 5.0, 9.0])
def test_weights_of_either_sign(value: float) -> None:
    weights, counts = [1.0, 0.8, 0.5, -0.3], [1.0, 2.0, 1.0, 20.0]
    found = mixture_tail(np.array(weights), value - 6.0, np.array(counts))
    assert found == pytest.approx(imhof(weights, value - 6.0, counts), rel=0.05)


def test_simulated_sums() -> None:
    weights = np.array([2.0, 1.0, 0.7, 0.4, 0.4, 0.1])
    drawn = np.random.default_rng(5).standard_normal((400_000, 6)) ** 2 @ weights
    for level in (0.1, 0.05, 0.01):  # error of a quantile's tail: sqrt(p (1 - p) / 400,000) <= 0.0005
        assert mixture_tail(weights, float(np.quantile(drawn, 1 - level))) == pytest.approx(level, rel=0.05)


def test_one_weight_is_chi_squared() -> None:
    assert mixture_tail(np.array([2.5, 0.0]), 9.0) == pytest.approx(chdtrc(1, 3.6), rel=1e-12)
    assert mixture_tail(np.array([2.5]), 9.0, np.array([3.0])) == pytest.approx(chdtrc(3, 3.6), rel=1e-12)
    assert mixture_tail(np.array([1.0] * 6), 12.0) == pytest.approx(chdtrc(6, 12.0), rel=3e-3)


def test_the_tail_is_smooth_through_its_mean_and_falls() -> None:
    weights = 0.7 ** np.arange(8)
    grid = weights.sum() * np.concatenate([np.linspace(0.05, 20, 400), 1 + np.linspace(-1e-3, 1e-3, 41)])
    tails = [mixture_tail(weights, value) for value in np.sort(grid)]
    assert (np.diff(tails) <= 1e-7).all()
    assert tails[0] > 0.99
    assert 0.0 <= tails[-1] < 1e-9
    assert mixture_tail(weights * 1e-200, 3e-200) == pytest.approx(mixture_tail(weights, 3.0), rel=1e-9)


def test_ends_of_the_range() -> None:
    assert mixture_tail(np.array([1.0, 2.0]), -1.0) == 1.0
    assert mixture_tail(np.array([-1.0, -2.0]), 1.0) == 0.0
    assert isnan(mixture_tail(np.zeros(3), 1.0))
    assert mixture_tail(np.array([1.0, 2.0]), 1e5) == 0.0


def test_a_ratio_of_equal_weights_is_f() -> None:
    # with weights 1, share s of 4 in 30 squares: P(share > s) = P(F(4, 26) > (s / 4) / ((1 - s) / 26))
    for share in (0.2, 0.3, 0.5):
        exact = fdtrc(4, 26, share / 4 / ((1 - share) / 26))
        assert ratio_tail(np.ones(4), share, 30.0) == pytest.approx(exact, rel=0.03)
    assert isnan(ratio_tail(np.ones(4), 0.2, 3.0))


def test_cauchy_combination_in_closed_form() -> None:
    p = [0.03, 0.2, 0.7]
    mean = sum(tan((0.5 - one) * pi) for one in p) / 3
    statistic, combined = cauchy_combination(p)
    assert statistic == pytest.approx(mean, rel=1e-13)
    assert combined == pytest.approx(0.5 - atan(mean) / pi, rel=1e-12)
    assert cauchy_combination([0.04])[1] == pytest.approx(0.04, rel=1e-12)
    assert cauchy_combination([1e-300, 0.5])[1] == pytest.approx(2e-300, rel=1e-9)
    assert cauchy_combination([0.0, 0.5])[1] == 0.0


def test_points_fill_every_interval_of_every_coordinate() -> None:
    shares = np.sort(ndtr(normal_points(128, 12, 3)), axis=0)
    assert (np.floor(shares * 128) == np.arange(128)[:, None]).all()


def test_points_depend_on_their_arguments_alone() -> None:
    normal_points.cache_clear()
    first = normal_points(16, 3, 1).copy()
    normal_points.cache_clear()
    assert np.array_equal(normal_points(16, 3, 1), first)
    assert not np.array_equal(normal_points(16, 3, 2), first)


def test_normal_points_are_normal_and_nearly_uncorrelated() -> None:
    found = normal_points(128, 6, 1)
    assert not found.flags.writeable
    assert np.abs(found.mean(axis=0)).max() < 0.02
    assert np.abs(found.var(axis=0) - 1).max() < 0.05
    assert np.abs(np.corrcoef(found.T) - np.eye(6)).max() < 0.12
