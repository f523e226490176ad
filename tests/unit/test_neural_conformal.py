"""Prediction intervals by split conformal prediction: their finite-sample law, and their ends."""

import numpy as np
import pytest
from scipy import stats

from glmstat.errors import ArgumentError
from glmstat.families import (
    Binomial,
    Gamma,
    Gaussian,
    InverseGaussian,
    NegativeBinomial,
    Poisson,
    QuasiPoisson,
    Tweedie,
)
from glmstat.likelihood.base import GLM
from glmstat.links import Log
from glmstat.neural.conformal import conformal

LAWS = {
    "gaussian": (Gaussian(), 1.7, 2.0),
    "gamma": (Gamma(link=Log()), 0.6, 1.0),
    "poisson": (Poisson(), 1.0, 1.0),
    "binomial": (Binomial(), 1.0, 7.0),
}


def draws(family, phi, weight, shape, rng):
    """Predictors off the truth, as those of any fit, and exchangeable responses."""
    truth = 1.0 + 0.5 * rng.normal(size=shape)
    weights = np.full(shape, weight)
    y = family.simulate(rng, family.link.mean(truth), weights, phi)
    return y, truth + 0.4 * np.sin(5.0 * truth), weights


@pytest.mark.parametrize("score", ["deviance", "pit"])
@pytest.mark.parametrize("name", LAWS)
def test_coverage_is_that_of_the_rank_of_a_new_row(name, score):
    """k / (n + 1) = 0.9 exactly at n = 19 without ties; more for counts.

    Given its calibration the coverage is beta distributed with variance p q / (n + 2): that and the share of
    20 new rows make the Monte-Carlo error of 300 sets, of which 4 are allowed.
    """
    family, phi, weight = LAWS[name]
    y, eta, weights = draws(family, phi, weight, (300, 39), np.random.default_rng(11))
    covered = []
    for k in range(300):
        old, new = (k, slice(0, 19)), (k, slice(19, 39))
        found = conformal(family, y[old], eta[old], weights[old], level=0.9, score=score, dispersion=phi)
        low, high = found.interval(eta[new], weights[new])
        covered.append(np.mean((low - 1e-9 <= y[new]) & (y[new] <= high + 1e-9)))
        assert found.guarantee == pytest.approx(0.9)
    error = 4.0 * np.sqrt(0.9 * 0.1 * (1 / 20 + 1 / 21) / 300)
    assert np.mean(covered) > 0.9 - error
    if name in ("gaussian", "gamma"):
        assert np.mean(covered) < 0.9 + error


@pytest.mark.parametrize("score", ["deviance", "pit"])
@pytest.mark.parametrize("family", [Poisson(), NegativeBinomial(1.5), Binomial()])
def test_ends_of_counts_are_the_smallest_and_largestcontains(family, score):
    rng = np.random.default_rng(3)
    trials = 12.0 if family.name == "binomial" else 1.0
    y, eta, weights = draws(family, 1.0, trials, 200, rng)
    found = conformal(family, y, eta, weights, level=0.8, score=score)
    low, high = found.interval(eta[:50], weights[:50])
    support = np.arange(13.0) / 12.0 if family.name == "binomial" else np.arange(400.0)
    for k in range(50):
        same = np.full(len(support), eta[k])
        inside = support[found.contains(support, same, np.full(len(support), trials))]
        if len(inside):
            assert (low[k], high[k]) == (inside[0], inside[-1])


@pytest.mark.parametrize(
    "family", [Gaussian(), Gamma(link=Log()), InverseGaussian(link=Log()), Tweedie(1.5), QuasiPoisson()]
)
def test_ends_have_the_residual_of_the_quantile(family):
    rng = np.random.default_rng(3)
    eta = rng.normal(size=100)
    y = rng.gamma(2.0, np.exp(eta) / 2.0)
    weights = rng.uniform(0.5, 2.0, 100)
    found = conformal(family, y, eta, weights, level=0.5)
    for end in found.interval(eta, weights):
        inner = end > 0 if family.name in ("tweedie", "quasipoisson") else np.ones(100, dtype=bool)
        deviance = GLM(family).deviance(end, eta[:, None], weights)
        np.testing.assert_allclose(np.sqrt(deviance[inner]), found.quantile, rtol=1e-6)
        assert (deviance[~inner] <= found.quantile**2).all()


@pytest.mark.parametrize(
    ("family", "law"),
    [
        (Gaussian(), lambda mu, w, phi: stats.norm(mu, np.sqrt(phi / w))),
        (Gamma(link=Log()), lambda mu, w, phi: stats.gamma(w / phi, scale=mu * phi / w)),
        (InverseGaussian(link=Log()), lambda mu, w, phi: stats.invgauss(mu * phi / w, scale=w / phi)),
    ],
)
def test_transforms_are_those_of_the_law(family, law):
    rng = np.random.default_rng(8)
    eta, weights, phi = rng.normal(size=60), rng.uniform(0.5, 2.0, 60), 0.7
    mu = family.link.mean(eta)
    y = np.abs(mu * rng.uniform(0.3, 2.5, 60))
    scores = stats.norm.ppf(law(mu, weights, phi).cdf(y))
    found = conformal(family, y, eta, weights, level=0.6, score="pit", dispersion=phi)
    assert found.quantile == pytest.approx(np.sort(np.abs(scores))[int(np.ceil(61 * 0.6)) - 1], rel=1e-9)
    low, high = found.interval(eta, weights)
    np.testing.assert_allclose(
        low, law(mu, weights, phi).ppf(stats.norm.cdf(-found.quantile)), rtol=1e-8, atol=1e-12
    )
    np.testing.assert_allclose(high, law(mu, weights, phi).ppf(stats.norm.cdf(found.quantile)), rtol=1e-8)


@pytest.mark.parametrize(
    ("family", "law"),
    [
        (Poisson(), lambda mu: stats.poisson(mu)),
        (NegativeBinomial(1.5), lambda mu: stats.nbinom(1.5, 1.5 / (1.5 + mu))),
        (Binomial(), lambda mu: stats.binom(9, mu)),
    ],
)
def test_transforms_of_counts_are_in_the_middle_of_the_jump(family, law):
    rng = np.random.default_rng(8)
    trials = 9.0 if family.name == "binomial" else 1.0
    eta = rng.normal(size=60)
    mu = family.link.mean(eta)
    counts = law(mu).rvs(random_state=rng).astype(float)
    middle = law(mu).cdf(counts) - 0.5 * law(mu).pmf(counts)
    found = conformal(family, counts / trials, eta, np.full(60, trials), level=0.6, score="pit")
    assert found.quantile == pytest.approx(np.sort(np.abs(stats.norm.ppf(middle)))[36], rel=1e-9)


def test_too_few_rows_give_the_whole_domain():
    found = conformal(Gamma(), np.ones(18), np.full(18, 2.0), np.ones(18))
    low, high = found.interval(np.array([1.0]))
    assert (low[0], high[0]) == (0.0, np.inf) and "too few rows" in found.label and found.guarantee == 1.0
    counts = conformal(Binomial(), np.ones(3), np.zeros(3), np.ones(3))
    assert [end[0] for end in counts.interval(np.zeros(1))] == [0.0, 1.0]
    poisson = conformal(Poisson(), np.ones(3), np.zeros(3), np.ones(3))
    assert [end[0] for end in poisson.interval(np.zeros(1))] == [0.0, np.inf]


def test_an_interval_is_never_empty():
    """Responses equal to their means leave no room; the likeliest count is inside."""
    y = np.full(50, 2.0)
    found = conformal(Poisson(), y, np.log(y), np.ones(50), level=0.5)
    low, high = found.interval(np.log([0.3, 2.0, 7.6]))
    assert low.tolist() == high.tolist() == [0.0, 2.0, 8.0]


def test_frequencies_are_repeated_rows_and_weight_zero_is_no_row():
    rng = np.random.default_rng(5)
    y, eta, weights = draws(Poisson(), 1.0, 1.0, 30, rng)
    counts = rng.integers(1, 4, 30)
    one = conformal(Poisson(), y, eta, weights, frequency=counts)
    two = conformal(Poisson(), *(np.repeat(values, counts) for values in (y, eta, weights)))
    assert one == two
    weights[:10] = 0.0
    assert conformal(Poisson(), y, eta, weights).rows == 20


def test_missing_predictors_stay_missing():
    found = conformal(Gaussian(), np.arange(30.0), np.zeros(30), np.ones(30))
    low, high = found.interval(np.array([np.nan, 0.0]))
    assert np.isnan([low[0], high[0]]).all() and np.isfinite([low[1], high[1]]).all()


def test_words_are_checked():
    with pytest.raises(ArgumentError, match="Unknown score: 'devience'"):
        conformal(Poisson(), np.ones(3), np.zeros(3), np.ones(3), score="devience")
    with pytest.raises(ArgumentError, match="no law"):
        conformal(Tweedie(1.5), np.ones(3), np.zeros(3), np.ones(3), score="pit")
