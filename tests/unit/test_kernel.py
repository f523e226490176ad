"""Kernels and bandwidths in closed form; numbers of R's sandwich are in test_hac."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from glmstat.errors import ArgumentError
from glmstat.inference.vcov.kernel import KERNELS, andrews, as_kernel, lag_of_periods, newey_west


def test_weights_in_closed_form():
    np.testing.assert_allclose(KERNELS["bartlett"].weights(4, 6), [1, 0.75, 0.5, 0.25, 0, 0], rtol=1e-15)
    parzen = [1, 1 - 6 / 16 + 6 / 64, 0.25, 2 / 64, 0]
    np.testing.assert_allclose(KERNELS["parzen"].weights(4, 5), parzen, rtol=1e-15)


@pytest.mark.parametrize("bandwidth", [0.3, 1.0, 7.0, 1e3, 1e6])
def test_quadratic_spectral_to_the_last_digits(bandwidth: float):
    found = KERNELS["quadratic_spectral"].weights(bandwidth, 300)
    with mpmath.workdps(40):
        y = [6 * mpmath.pi * lag / mpmath.mpf(bandwidth) / 5 for lag in range(1, 300)]
        wanted = [1.0, *(float(3 / v**2 * (mpmath.sin(v) / v - mpmath.cos(v))) for v in y)]
    np.testing.assert_allclose(found, wanted, atol=1e-13, rtol=1e-12)


@pytest.mark.parametrize("name", list(KERNELS))
@pytest.mark.parametrize("bandwidth", [0.5, 2.3, 11.0, 80.0])
def test_kernels_are_positive_semi_definite(name: str, bandwidth: float):
    weights = KERNELS[name].weights(bandwidth, 50)
    distance = np.abs(np.subtract.outer(np.arange(50), np.arange(50)))
    assert np.linalg.eigvalsh(weights[distance])[0] > -1e-12


@pytest.mark.parametrize("name", list(KERNELS))
def test_last_lag_is_the_last_with_a_weight(name: str):
    kernel = KERNELS[name]
    for bandwidth in (0.4, 1.0, 1.5, 3.0, 3.5, 30.0):
        weights = kernel.weights(bandwidth, 10)
        assert kernel.last_lag(bandwidth, 10) == np.flatnonzero(weights)[-1]


@pytest.mark.parametrize("name", list(KERNELS))
def test_bandwidth_0_leaves_lag_0(name: str):
    assert KERNELS[name].weights(0.0, 3).tolist() == [1, 0, 0]
    assert KERNELS[name].last_lag(0.0, 3) == 0


def test_newey_west_of_a_series_by_hand():
    series = np.array([1.0, 2.0, -1.0, 1.0, 0.5])
    one, two = 2 - 2 - 1 + 0.5, -1 + 2 - 0.5
    total = (series @ series) + 2 * (one + two)
    wanted = 1.1447 * ((2 * (one + 2 * two) / total) ** 2 * 5) ** (1 / 3)
    assert newey_west(series, KERNELS["bartlett"]) == pytest.approx(wanted, rel=1e-14)


def test_andrews_of_one_series_by_its_autoregression():
    series = np.random.default_rng(3).normal(size=(60, 1)).cumsum(axis=0)
    slope = np.polyfit(series[:-1, 0], series[1:, 0], 1)[0]
    wanted = 1.3221 * (4 * slope**2 / (1 - slope) ** 4 * 60) ** 0.2
    assert andrews(series, KERNELS["quadratic_spectral"]) == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("rule", [andrews, newey_west])
@pytest.mark.parametrize("name", list(KERNELS))
def test_units_of_the_scores_do_not_matter(rule: object, name: str):
    series = np.random.default_rng(5).normal(size=(80, 2)).cumsum(axis=0)
    series = series if rule is andrews else series[:, 0]
    plain = rule(series, KERNELS[name])  # pyright: ignore[reportCallIssue]
    for factor in (1e-180, 1e180):
        assert rule(series * factor, KERNELS[name]) == pytest.approx(plain, rel=1e-10)  # pyright: ignore


@pytest.mark.parametrize("rule", [andrews, newey_west])
def test_scores_of_zero_give_no_bandwidth(rule: object):
    series = np.zeros((10, 1)) if rule is andrews else np.zeros(10)
    with pytest.raises(ArgumentError, match="finds no bandwidth"):
        rule(series, KERNELS["bartlett"])  # pyright: ignore


def test_rules_of_periods():
    assert [lag_of_periods("NW1987", count) for count in (1, 15, 16, 80, 81, 10_000)] == [1, 1, 2, 2, 3, 10]
    assert [lag_of_periods("NW1994", count) for count in (10, 100, 1000)] == [2, 4, 6]


def test_names():
    assert as_kernel("QS") is as_kernel("Quadratic Spectral") is KERNELS["quadratic_spectral"]
    with pytest.raises(ArgumentError, match="Did you mean 'parzen'"):
        as_kernel("parzon")
