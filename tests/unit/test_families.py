"""Families: R's deviances, AIC and starts, constants of the likelihood, simulation, spelling, refusals."""

from __future__ import annotations

import copy
import math
import pickle

import mpmath
import numpy as np
import pytest
from scipy import stats

from glmstat import families, links
from glmstat.errors import ArgumentError
from glmstat.families import FAMILIES, Custom, Family, Interval, Quasi, as_family

Y = np.array([0.3, 1.2, 2.5, 4.1, 0.9])
MU = np.array([0.5, 1.0, 3.0, 4.0, 1.7])
W = np.array([1.0, 2.0, 0.5, 3.0, 1.5])
COUNTS = np.array([0.0, 1.0, 3.0, 7.0, 12.0])
RATES = np.array([0.2, 1.5, 2.5, 7.5, 9.0])
TRIALS = np.array([5.0, 8.0, 1.0, 20.0, 3.0])
SHARES = np.array([0.0, 3.0, 1.0, 19.0, 2.0]) / TRIALS
CHANCES = np.array([0.1, 0.4, 0.8, 0.9, 0.5])

GAMMA_DEVIANCE = [
    0.2216512475319814,
    0.070713772824181453,
    0.015654890127287935,
    0.0018443244577709822,
    0.49620159427763721,
]
INVERSE_DEVIANCE = [
    0.53333333333333344,
    0.066666666666666638,
    0.0055555555555555558,
    0.00045731707317072848,
    0.36908881199538635,
]
POISSON_DEVIANCE = [0.4, 0.37813956756734224, 0.046964670381863804, 0.10229939754803974, 1.3565546082641111]
NEGATIVE_DEVIANCE = [
    0.37816715937476286,
    0.21304916495763515,
    0.018318148276419421,
    0.019259325738674837,
    0.19860365311251993,
]
BINOMIAL_DEVIANCE = [
    1.0536051565782636,
    0.020988818377124963,
    0.44628710262841953,
    0.6682600471505904,
    0.33979807359079472,
]
SHARE_DEVIANCE = [
    0.2107210313156527,
    0.0052472045942812406,
    0.22314355131420976,
    0.10023900707258855,
    0.16989903679539736,
]

# family, y, mu, weights, family$dev.resids(y, mu, w), family$aic(y, n, mu, w, sum(dev)); R 4.2.2, MASS 7.3
R = [
    ("gaussian", Y, MU, W, [0.04, 0.08, 0.125, 0.03, 0.96], 7.6934732234996517),
    ("gamma", Y, MU, W, GAMMA_DEVIANCE, 13.864535889438402),
    ("inverse_gaussian", Y, MU, W, INVERSE_DEVIANCE, 18.94698349436419),
    ("poisson", COUNTS, RATES, W, POISSON_DEVIANCE, 25.707626847672064),
    ("negative_binomial(1.7)", COUNTS, RATES, W, NEGATIVE_DEVIANCE, 34.175706534017444),
    ("binomial", SHARES, CHANCES, TRIALS, BINOMIAL_DEVIANCE, 8.6342532465421833),
    ("quasi(mu^3)", Y, MU, W, INVERSE_DEVIANCE, None),
    ("quasi(mu^2)", Y, MU, W, GAMMA_DEVIANCE, None),
    ("quasi(mu(1-mu))", SHARES, CHANCES, W, SHARE_DEVIANCE, None),
]


def every_family() -> list[Family]:
    numbers = {"negative_binomial": "negative_binomial(2)", "tweedie": "tweedie(1.6)"}
    return [as_family(numbers.get(name, name)) for name in FAMILIES]


@pytest.mark.parametrize(("name", "y", "mu", "weights", "expected", "aic"), R, ids=[row[0] for row in R])
def test_deviance_and_aic_are_r(name, y, mu, weights, expected, aic):
    family = as_family(name)
    deviance = weights * family.unit_deviance(y, mu)
    np.testing.assert_allclose(deviance, expected, rtol=1e-11)
    if aic is None:
        assert not family.has_likelihood
        return
    total = float(deviance.sum())
    dispersion = family.loglik_dispersion(total, float(len(y)), float(weights.sum()))
    loglik = float(family.saturated(y, weights, dispersion).sum()) - total / (2 * dispersion)
    assert -2 * loglik + 2 * family.counts_dispersion == pytest.approx(aic, rel=1e-14)


def test_quasi_mu_squared_takes_zeros_as_r():
    family = as_family("quasi(mu^2)", "log")
    assert family.start(np.array([0.0, 2.0]), np.ones(2)).tolist() == [0.1, 2.0]
    assert family.domain.contains(0.0)
    assert np.isfinite(family.unit_deviance(np.array([0.0]), np.array([3.0]))).all()


@pytest.mark.parametrize(
    ("name", "y", "weights", "expected"),
    [
        ("binomial", [0.0, 1.0, 0.25], [1.0, 3.0, 4.0], [0.25, 0.875, 0.3]),
        ("quasibinomial", [0.0, 1.0], [1.0, 1.0], [0.25, 0.75]),
        ("poisson", [0.0, 2.0], [1.0, 5.0], [0.1, 2.1]),
        ("quasipoisson", [0.0, 2.0], [1.0, 5.0], [0.1, 2.1]),
        ("negative_binomial(2)", [0.0, 2.0], [1.0, 1.0], [1 / 6, 2.0]),
        ("tweedie(1.5)", [0.0, 2.0], [1.0, 1.0], [0.1, 2.0]),
        ("gamma", [0.5, 2.0], [1.0, 1.0], [0.5, 2.0]),
        ("gaussian", [-0.5, 2.0], [1.0, 1.0], [-0.5, 2.0]),
        ("quasi(mu(1-mu))", [0.0, 0.5, 1.0], [1.0, 1.0, 1.0], [0.001, 0.5, 0.999]),
        ("quasi(mu)", [0.0, 0.5], [1.0, 1.0], [0.1, 0.5]),
    ],
)
def test_start_is_r(name, y, weights, expected):
    np.testing.assert_allclose(as_family(name).start(np.array(y), np.array(weights)), expected, rtol=1e-15)


def test_default_links_are_r():
    found = {name: family.link.text for name, family in zip(FAMILIES, every_family(), strict=True)}
    assert found == {
        "gaussian": "identity",
        "binomial": "logit",
        "poisson": "log",
        "gamma": "inverse",
        "inverse_gaussian": "inverse_squared",
        "negative_binomial": "log",
        "tweedie": "log",
        "quasi": "identity",
        "quasibinomial": "logit",
        "quasipoisson": "log",
    }


def test_saturated_is_exact_for_huge_counts():
    """dpois, dbinom and dnbinom of R at their modes; log-gamma sums lose every digit here."""
    one = np.ones(2)
    poisson = as_family("poisson").saturated(np.array([1e15, 3e7]), one, 1.0)
    np.testing.assert_allclose(poisson, [-18.188326730660016, -9.5272925057956659], rtol=1e-15)
    trials = np.array([1e9, 1e9])
    binomial = as_family("binomial").saturated(np.array([0.123456789, 0.5]), trials, 1.0)
    np.testing.assert_allclose(binomial, [-10.168754778800702, -10.587424271367933], rtol=1e-15)
    negative = as_family("negative_binomial(100000)").saturated(np.array([1e12]), one[:1], 1.0)
    np.testing.assert_allclose(negative, [-22.793497799981438], rtol=1e-13)


@pytest.mark.parametrize("name", ["poisson", "negative_binomial(0.7)", "binomial"])
def test_saturated_by_table_equals_rows(name):
    rng = np.random.default_rng(5)
    family = as_family(name)
    y = rng.poisson(4.0, 3000).astype(float)
    weights = np.where(y > 2, 2.0, 1.0)
    if name == "binomial":
        weights = y + 3
        y = np.minimum(y, weights) / weights
    together = family.saturated(y, weights, 1.0)
    apart = np.concatenate(
        [family.saturated(y[i : i + 7], weights[i : i + 7], 1.0) for i in range(0, 3000, 7)]
    )
    np.testing.assert_array_equal(together, apart)


def test_saturated_keeps_fractional_weights():
    """A half observation of y = 1 counts half of it; R rounds the weight to 0 there."""
    family = as_family("binomial")
    assert family.saturated(np.array([1.0, 0.0]), np.array([0.5, 0.5]), 1.0).tolist() == [0.0, 0.0]
    fractional = family.saturated(np.array([0.3]), np.array([1.0]), 1.0)
    assert fractional[0] == pytest.approx(0.3 * math.log(0.3) + 0.7 * math.log(0.7))


def test_weight_zero_adds_nothing():
    for family in every_family():
        if family.has_likelihood:
            y = np.array([0.5, 0.25]) if family.domain.high == 1 else np.array([2.0, 3.0])
            assert family.saturated(y, np.array([1.0, 0.0]), 0.8)[1] == 0.0, family.name


@pytest.mark.parametrize(
    ("name", "mu", "dispersion", "weight"),
    [
        ("gaussian", 2.0, 0.5, 2.0),
        ("gamma", 2.0, 0.3, 2.0),
        ("inverse_gaussian", 1.5, 0.2, 2.0),
        ("poisson", 3.0, 1.0, 1.0),
        ("negative_binomial(2)", 3.0, 1.0, 1.0),
        ("binomial", 0.3, 1.0, 7.0),
        ("tweedie(1.4)", 2.0, 0.7, 2.0),
        ("tweedie(1)", 2.0, 0.7, 2.0),
        ("tweedie(2)", 2.0, 0.3, 2.0),
        ("tweedie(0)", 2.0, 0.3, 2.0),
    ],
)
def test_simulate_has_mean_and_variance(name, mu, dispersion, weight):
    family, n = as_family(name), 200_000
    draws = family.simulate(np.random.default_rng(11), np.full(n, mu), np.full(n, weight), dispersion)
    variance = dispersion * float(family.variance(np.array([mu]))[0]) / weight
    assert draws.dtype == np.float64
    assert float(draws.mean()) == pytest.approx(mu, abs=5 * math.sqrt(variance / n))
    assert float(draws.var()) == pytest.approx(variance, rel=0.04)
    assert family.domain.contains(draws).all()


@pytest.mark.parametrize("name", ["quasi", "quasipoisson", "tweedie(2.5)"])
def test_simulate_refuses(name):
    with pytest.raises(ArgumentError, match="cannot simulate"):
        as_family(name).simulate(np.random.default_rng(0), MU, W, 1.0)


def test_variance_and_derivative():
    for family in every_family():
        mu = np.array([0.2, 0.45, 0.9])
        step = 1e-6
        slope = (family.variance(mu + step) - family.variance(mu - step)) / (2 * step)
        np.testing.assert_allclose(family.variance_derivative(mu), slope, atol=1e-8)


@pytest.mark.parametrize("p", [0.0, 1.0, 1.000001, 1.3, 1.6, 1.99, 2.0, 2.5, 3.0, 4.0])
@pytest.mark.parametrize("ratio", [1e-9, 0.3, 0.995, 1 - 1e-9, 1 + 1e-6, 1.02, 1.7, 1e6])
def test_power_deviance_against_exact_numbers(p, ratio):
    y, mu = 2.5 * ratio, 2.5
    with mpmath.workdps(60):
        a, b, q = mpmath.mpf(y), mpmath.mpf(mu), mpmath.mpf(p)
        exact = {
            0.0: (a - b) ** 2,
            1.0: 2 * (a * mpmath.log(a / b) - a + b),
            2.0: 2 * (a / b - 1 - mpmath.log(a / b)),
        }.get(p)
        if exact is None:
            first = a ** (2 - q) / ((1 - q) * (2 - q))
            exact = 2 * (first - a * b ** (1 - q) / (1 - q) + b ** (2 - q) / (2 - q))
    tolerance = 1e-9 if p == 1.000001 else 1e-12
    assert float(as_family(f"tweedie({p})").unit_deviance(np.array([y]), np.array([mu]))[0]) == pytest.approx(
        float(exact), rel=tolerance
    )


@pytest.mark.parametrize("theta", [1e-3, 0.7, 40.0, 1e9])
@pytest.mark.parametrize(
    ("y", "mu"), [(0.0, 1e-9), (0.0, 4.0), (3.0, 1e-200), (3.0, 3.0001), (5.0, 400.0), (1e12, 1e9)]
)
def test_negative_binomial_deviance_against_exact_numbers(theta, y, mu):
    with mpmath.workdps(80):
        a, b, t = mpmath.mpf(y), mpmath.mpf(mu), mpmath.mpf(theta)
        first = a * mpmath.log(a / b) if y else mpmath.mpf(0)
        exact = 2 * (first - (a + t) * mpmath.log((a + t) / (b + t)))
    got = as_family(f"negative_binomial({theta})").unit_deviance(np.array([y]), np.array([mu]))
    assert float(got[0]) == pytest.approx(float(exact), rel=1e-10)


@pytest.mark.parametrize("y", [0.0, 1e-9, 0.2, 0.7, 1.0])
@pytest.mark.parametrize("eta", [-40.0, -3.0, -1.38, 0.8, 37.0, 60.0, 700.0])
def test_binomial_deviance_in_the_tails(y, eta):
    with mpmath.workdps(400):
        a, e = mpmath.mpf(y), mpmath.exp(-mpmath.mpf(eta))
        mu, rest = 1 / (1 + e), e / (1 + e)
        first = a * mpmath.log(a / mu) if y > 0 else mpmath.mpf(0)
        second = (1 - a) * mpmath.log((1 - a) / rest) if y < 1 else mpmath.mpf(0)
        exact = 2 * (first + second)
    family = as_family("binomial")
    assert float(family.deviance(np.array([y]), np.array([eta]))[0]) == pytest.approx(float(exact), rel=1e-12)
    together = family.deviance(np.array([y, 0.5]), np.array([eta, 0.0]))
    assert float(together[0]) == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize(
    ("word", "variance", "domain", "mus"),
    [
        ("poisson", lambda mu: mu, Interval(0.0, low_inclusive=True), [1e-3, 0.4, 1.0, 60.0, 1e5]),
        ("gamma", lambda mu: mu**2, Interval(0.0), [1e-3, 0.4, 1.0, 60.0, 1e5]),
        ("inverse_gaussian", lambda mu: mu**3, Interval(0.0), [1e-2, 0.4, 1.0, 60.0, 1e3]),
        ("tweedie(1.5)", lambda mu: mu**1.5, Interval(0.0), [1e-3, 0.4, 1.0, 60.0]),
        ("negative_binomial(2)", lambda mu: mu + mu**2 / 2, Interval(0.0), [1e-3, 0.4, 1.0, 60.0]),
        ("binomial", lambda mu: mu * (1 - mu), Interval(0.0, 1.0, True, True), [1e-3, 0.4, 0.5, 0.9999]),
        ("gaussian", np.ones_like, Interval(), [-3.0, 0.0, 50.0]),
    ],
)
def test_custom_family_integrates_the_deviance(word, variance, domain, mus):
    known, custom = as_family(word), Custom("mine", variance, "identity", domain=domain)
    ys = [y for y in (0.0, 0.01, 0.5, 1.0, 7.0, 500.0) if known.domain.contains(y)]
    y, mu = (grid.ravel() for grid in np.meshgrid(ys, mus))
    np.testing.assert_allclose(custom.unit_deviance(y, mu), known.unit_deviance(y, mu), rtol=1e-9, atol=1e-15)
    inside = np.array(mus)
    np.testing.assert_allclose(
        custom.variance_derivative(inside), known.variance_derivative(inside), rtol=1e-6, atol=1e-8
    )


def test_custom_density_gives_the_likelihood():
    def density(y, mu, dispersion):
        return stats.gamma.logpdf(y, 1 / dispersion, scale=mu * dispersion)

    custom = Custom("mine", lambda mu: mu**2, "log", density, domain=Interval(0.0))
    gamma = as_family("gamma", "log")
    np.testing.assert_allclose(custom.saturated(Y, W, 0.37), gamma.saturated(Y, W, 0.37), rtol=1e-10)
    assert custom.has_likelihood and custom.counts_dispersion == 1 and custom.dispersion is None
    assert custom.loglik_dispersion(3.0, 5.0, 8.0) == gamma.loglik_dispersion(3.0, 5.0, 8.0)
    fixed = Custom("mine", lambda mu: mu**2, "log", density, dispersion=0.5)
    assert (
        fixed.dispersion == 0.5
        and fixed.counts_dispersion == 0
        and fixed.loglik_dispersion(3.0, 5.0, 8.0) == 0.5
    )


def test_gamma_constant_is_the_density():
    expected = W * stats.gamma.logpdf(Y, 1 / 0.37, scale=Y * 0.37)
    np.testing.assert_allclose(as_family("gamma").saturated(Y, W, 0.37), expected, rtol=1e-13)


@pytest.mark.parametrize("family", every_family(), ids=lambda family: family.name)
def test_text_reads_back_and_pickles(family):
    assert as_family(family.text) == family
    assert pickle.loads(pickle.dumps(family)) == family
    assert copy.deepcopy(family) == family
    assert hash(family) == hash(as_family(family.text))
    assert not family.user_defined
    with pytest.raises(AttributeError):
        family.link = links.Log()


@pytest.mark.parametrize(
    ("family", "link", "text", "link_text"),
    [
        ("Gamma", "log", "gamma", "log"),
        ("inverse.gaussian", None, "inverse_gaussian", "inverse_squared"),
        ("InverseGaussian", None, "inverse_gaussian", "inverse_squared"),
        ("negative-binomial(1/3)", None, f"negative_binomial({1 / 3!r})", "log"),
        ("negative_binomial(theta=2)", None, "negative_binomial(2)", "log"),
        ("NB(2.5)", "sqrt", "negative_binomial(2.5)", "sqrt"),
        ("tweedie(p=1.6)", None, "tweedie(1.6)", "log"),
        ("quasi(mu(1 - mu))", "logit", "quasi(mu(1-mu))", "logit"),
        ("quasi", links.Cauchit, "quasi(constant)", "cauchit"),
        (families.Poisson, None, "poisson", "log"),
        (families.Gamma(link=links.Log()), None, "gamma", "log"),
        (families.Gamma(), "power(1/3)", "gamma", "power(1/3)"),
        (families.NegativeBinomial(3), "identity", "negative_binomial(3)", "identity"),
        (Quasi("mu^2"), "log", "quasi(mu^2)", "log"),
    ],
)
def test_as_family(family, link, text, link_text):
    found = as_family(family, link)
    assert (found.text, found.link.text) == (text, link_text)


@pytest.mark.parametrize(
    ("family", "link", "words"),
    [
        ("poison", None, "Unknown family: 'poison'. Known: gaussian, binomial, "),
        ("poison", None, "Did you mean 'poisson'?"),
        ("negative_binomial(0)", None, "theta > 0: 0"),
        ("tweedie(0.5)", None, "0 or >= 1: 0.5"),
        ("tweedie(nan)", None, "0 or >= 1"),
        ("negative_binomial(-1)", None, "finite theta > 0: -1.0"),
        ("negative_binomial(inf)", None, "finite theta > 0"),
        ("negative_binomial(two)", None, "not a number: 'two'"),
        ("poisson(2)", None, "takes no number: '2'"),
        ("poisson", "logit", "The poisson family does not take the logit link: its links are log, identity"),
        ("binomial", "inverse", "does not take the inverse link"),
        ("poisson", "lgo", "Unknown link"),
        ("quasi(mu^4)", None, "Unknown variance: 'mu^4'. Known: constant, mu, "),
        (3, None, "must be a name or a family: 3"),
    ],
)
def test_as_family_refuses(family, link, words):
    with pytest.raises(ArgumentError) as error:
        as_family(family, link)
    assert words in str(error.value)


def test_scalar_variance_is_refused():
    with pytest.raises(ArgumentError, match="variance of family 'mine' must take and return arrays"):
        Custom("mine", lambda mu: math.exp(mu), "log")
    with pytest.raises(ArgumentError, match="variance of family 'quasi' must return one number"):
        Quasi(lambda mu: 1.0)


def test_user_functions_are_named():
    assert Quasi(lambda mu: mu**1.5, "log").user_defined
    assert Custom("mine", lambda mu: mu, "log").user_defined
    cube = links.Custom(
        "cube", lambda mu: mu**3, np.cbrt, lambda e: e ** (-2 / 3) / 3, lambda e: -2 / 9 * e ** (-5 / 3)
    )
    assert families.Gaussian(link=cube).user_defined
    changed = as_family(Custom("mine", lambda mu: mu, "log"), "sqrt")
    assert changed.link == links.Sqrt() and changed.name == "mine"


@pytest.mark.parametrize(
    ("interval", "text", "inside", "outside"),
    [
        (Interval(), "finite", [-1e300, 0.0], [math.nan, math.inf]),
        (Interval(0.0), "> 0", [1e-300], [0.0, -1.0, math.nan]),
        (Interval(0.0, low_inclusive=True), ">= 0", [0.0], [-1e-300]),
        (Interval(0.0, 1.0, True, True), "between 0 and 1", [0.0, 1.0], [-0.1, 1.1]),
        (Interval(0.0, 1.0), "between 0 and 1, ends excluded", [0.5], [0.0, 1.0]),
        (Interval(high=2.0), "< 2", [1.0], [2.0]),
    ],
)
def test_interval(interval, text, inside, outside):
    assert interval.text == text
    assert interval.outside(np.array(inside)) is None
    found = interval.outside(np.array(inside + outside))
    assert found.tolist() == [False] * len(inside) + [True] * len(outside)


def test_titles():
    assert [family.title for family in every_family()] == [
        "Gaussian regression",
        "Binomial regression",
        "Poisson regression",
        "Gamma regression",
        "Inverse Gaussian regression",
        "Negative binomial regression (theta 2)",
        "Tweedie regression (p 1.6)",
        "Quasi-likelihood regression (variance constant)",
        "Quasi-binomial regression",
        "Quasi-Poisson regression",
    ]


@pytest.mark.parametrize("eta", [20.0, 30.0, 36.0])
def test_negative_binomial_deviance_far_above_a_small_count(eta):
    theta, y = mpmath.mpf(2), mpmath.mpf(1)
    with mpmath.workdps(50):
        mu = mpmath.exp(eta)
        exact = 2 * (y * mpmath.log(y / mu) - (y + theta) * mpmath.log((y + theta) / (mu + theta)))
    found = as_family("negative_binomial(2)", None).deviance(np.array([1.0]), np.array([eta]))[0]
    assert found == pytest.approx(float(exact), rel=1e-14)


def test_a_variance_that_is_not_positive_is_refused():
    with pytest.raises(ArgumentError, match=r"variance of family 'neg' must be > 0: it is -0\.01"):
        Custom("neg", lambda mu: -mu, "log")


def test_ends_that_a_mean_of_ones_own_variance_can_approach():
    assert Custom("a", lambda mu: mu**1.3, "log", domain=Interval(0.0, np.inf, True)).attainable == (0.0,)
    assert Custom("b", lambda mu: mu**2, "log", domain=Interval(0.0, np.inf, True)).attainable == ()
    bernoulli = Custom("c", lambda mu: mu * (1 - mu), "logit", domain=Interval(0.0, 1.0, True, True))
    assert bernoulli.attainable == (0.0, 1.0)
