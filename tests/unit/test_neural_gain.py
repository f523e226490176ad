"""Deviance of a network out of fold beside that of the GLM."""

import numpy as np
import pytest
from scipy import stats

from glmstat.errors import DataError
from glmstat.families import Binomial, Gaussian, Poisson
from glmstat.likelihood.base import GLM
from glmstat.neural.gain import gain, out_of_fold


def sample(n=60, seed=2):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    return rng.poisson(np.exp(truth)).astype(float), truth, truth + 0.5 * rng.normal(size=n)


def test_it_is_the_paired_t_test_of_the_deviances():
    y, better, worse = sample()

    def deviance(eta):
        return 2.0 * (np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0)), 0.0) - y * eta - y + np.exp(eta))

    found = gain(GLM(Poisson()), y, np.ones(60), better, worse)
    known = stats.ttest_rel(deviance(worse), deviance(better), alternative="greater")
    assert found.p_value == pytest.approx(known.pvalue, rel=1e-10)
    assert found["statistic"][2] == pytest.approx(known.statistic, rel=1e-10)
    assert found.difference == pytest.approx(np.sum(deviance(worse) - deviance(better)), rel=1e-12)
    np.testing.assert_allclose(
        found["deviance"][:2], [deviance(worse).sum(), deviance(better).sum()], rtol=1e-12
    )


def test_frequencies_are_repeated_rows():
    y, better, worse = sample()
    counts = np.random.default_rng(1).integers(0, 4, 60)
    weights = np.random.default_rng(2).uniform(0.5, 1.5, 60)
    one = gain(GLM(Poisson()), y, weights, better, worse, frequency=counts)
    two = gain(GLM(Poisson()), *(np.repeat(v, counts) for v in (y, weights, better, worse)))
    assert one.difference == pytest.approx(two.difference, rel=1e-12)
    assert one.std_error == pytest.approx(two.std_error, rel=1e-12)
    assert one.p_value == pytest.approx(two.p_value, rel=1e-10)


def test_clusters_are_summed_first():
    y, better, worse = sample()
    clusters = np.repeat(np.arange(20), 3)[np.random.default_rng(4).permutation(60)]
    deviance = GLM(Poisson()).deviance
    ones = np.ones(60)
    paired = deviance(y, worse[:, None], ones) - deviance(y, better[:, None], ones)
    sums = np.array([paired[clusters == k].sum() for k in range(20)])
    found = gain(GLM(Poisson()), y, ones, better, worse, clusters=clusters)
    assert found.p_value == pytest.approx(stats.ttest_1samp(sums, 0.0, alternative="greater").pvalue)
    assert "20 clusters" in str(found)


def test_the_size_of_the_test_under_equal_predictors():
    """Both predictors are as far from the truth: 5 % rejected, 4 standard deviations of 2,000 samples."""
    rng = np.random.default_rng(6)
    rejected = 0
    for _ in range(2000):
        y, one, two = rng.normal(size=(3, 50))
        rejected += gain(GLM(Gaussian()), y, np.ones(50), 0.3 * one, 0.3 * two).p_value < 0.05
    assert abs(rejected / 2000 - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 2000)


def test_folds_predict_the_rows_that_they_leave_out():
    rng = np.random.default_rng(3)
    x, y, folds = rng.normal(size=30), rng.normal(size=30), rng.integers(0, 5, 30)

    def refit(used):
        return np.polynomial.Polynomial.fit(x[used], y[used], 1)(x)

    eta = out_of_fold(folds, refit)
    for k in range(5):
        slope, start = np.polyfit(x[folds != k], y[folds != k], 1)
        np.testing.assert_allclose(eta[folds == k], start + slope * x[folds == k], rtol=1e-9)


def test_it_prints_as_a_table():
    y, better, worse = sample()
    found = gain(GLM(Poisson()), y, np.ones(60), better, worse, folds=5)
    lines = str(found).splitlines()
    assert lines[0] == "Gain of the network out of fold · 60 rows"
    assert [line.split()[0] for line in lines[3:6]] == ["glm", "network", "gain"]
    assert "the same 5 folds" in str(found) and "one-sided, t(59)" in str(found)
    assert list(found.to_frame().index) == ["glm", "network", "gain"]


def test_infinite_predictors_give_no_p_value():
    eta = np.array([-np.inf, 0.0, 0.0])
    found = gain(GLM(Binomial()), np.array([1.0, 0.0, 1.0]), np.ones(3), np.zeros(3), eta)
    assert found.difference == np.inf and np.isnan(found.p_value)


def test_one_row_is_refused():
    with pytest.raises(DataError, match="at least two rows"):
        gain(GLM(Gaussian()), np.ones(2), np.array([1.0, 0.0]), np.zeros(2), np.zeros(2))
    with pytest.raises(DataError, match="at least two clusters"):
        gain(GLM(Gaussian()), np.ones(2), np.ones(2), np.zeros(2), np.zeros(2), clusters=np.zeros(2, int))
