"""Laws that every family and link must keep, on random responses, predictors and weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from glmstat.families import FAMILIES, Custom, Family, Interval, as_family
from glmstat.likelihood.base import GLM
from glmstat.links import LINKS, Link, as_link

NUMBERS = {"negative_binomial": "negative_binomial(1.7)", "tweedie": "tweedie(1.6)"}
QUASI = [("quasi(mu)", "log"), ("quasi(mu^2)", "log"), ("quasi(mu(1-mu))", "probit"), ("quasi(mu^3)", "sqrt")]
EXTRA = [
    ("tweedie(1.2)", "identity"),
    ("tweedie(2.4)", "log"),
    ("tweedie(3.5)", "inverse"),
    ("quasi(constant)", "logit"),
]


def spelled(link: str) -> str:
    return "power(1/3)" if link == "power" else link


def pairs() -> list[tuple[str, str]]:
    """Every family with every link that it allows."""
    found = []
    for name in FAMILIES:
        if name != "quasi":
            family = as_family(NUMBERS.get(name, name))
            found += [(family.text, spelled(link)) for link in family.links or ()]
    return found + QUASI + EXTRA


def models() -> list[GLM]:
    square = Custom("square", lambda mu: mu**2, "log", domain=Interval(0.0))
    share = Custom("share", lambda mu: mu * (1 - mu), "logit")
    return [*(GLM(as_family(*pair)) for pair in pairs()), GLM(square), GLM(share)]


def label(glm: GLM) -> str:
    return f"{glm.family.text}-{glm.family.link.text}"


every_model = pytest.mark.parametrize("glm", models(), ids=label)
every_link = pytest.mark.parametrize(
    "link", [as_link(spelled(name)) for name in LINKS], ids=lambda link: link.name
)
unit = st.floats(0.0, 1.0)
brief = settings(max_examples=25, deadline=None)  # one setting for each of the 60 models


def a_mean(domain: Interval, u: float) -> float:
    """A mean well inside the domain."""
    if math.isfinite(domain.low) and math.isfinite(domain.high):
        return domain.low + (domain.high - domain.low) * (0.02 + 0.96 * u)
    if math.isfinite(domain.low):
        return domain.low + math.exp(5 * u - 2.5)
    if math.isfinite(domain.high):
        return domain.high - math.exp(5 * u - 2.5)
    return 6 * u - 3


def a_response(family: Family, u: float) -> float:
    """A response of the domain, its allowed ends included."""
    domain = family.domain
    if u < 0.15 and domain.low_inclusive:
        return domain.low
    if u > 0.85 and domain.high_inclusive:
        return domain.high
    value = a_mean(domain, u)
    return float(round(value)) if family.name in ("poisson", "negative_binomial") else value


def a_predictor(glm: GLM, u: float) -> float:
    """A predictor whose mean is well inside the domain and whose neighbours are valid."""
    mapped = glm.family.link.means
    domain = glm.family.domain
    both = Interval(max(domain.low, mapped[0]), min(domain.high, mapped[1]))
    mu = a_mean(both, u)
    return float(glm.family.link.eta(np.array([mu]))[0])


def room(glm: GLM, eta: float) -> float:
    """Distance to the nearest edge or pole of the predictor, at most 1."""
    slack = glm.slack(np.array([eta]))
    edges = [1.0, *(float(side[0]) for side in slack or ())]
    return min([*edges, abs(eta)] if glm.family.link.name == "inverse" else edges)


def differences(function, x: float, step: float) -> float:
    """Fourth-order central difference."""
    values = function(x + step * np.array([-2.0, -1.0, 1.0, 2.0]))
    return float(values @ np.array([1.0, -8.0, 8.0, -1.0])) / (12 * step)


@every_model
@brief
@given(u=unit, v=unit, weight=st.floats(0.1, 10.0))
def test_gradient_and_information_are_derivatives_of_the_objective(glm, u, v, weight):
    y, eta = a_response(glm.family, u), a_predictor(glm, v)
    assume(glm.family.link.name != "inverse" or abs(eta) > 0.1)
    step = 2e-3 * room(glm, eta)

    def rows(etas):
        n = len(etas)
        return glm.rows(np.full(n, y), etas[:, None], np.full(n, weight), information="both")

    here = rows(np.array([eta]))
    slope = differences(lambda e: rows(e).objective, eta, step)
    bend = differences(lambda e: rows(e).gradient[:, 0], eta, step)
    scale = abs(here.objective[0]) * 1e-13 / step + 1e-7 * (abs(slope) + abs(here.expected[0, 0, 0]))
    assert here.gradient[0, 0] == pytest.approx(slope, abs=scale + 1e-9)
    spread = 1e-6 * (abs(bend) + abs(here.expected[0, 0, 0]) + abs(here.observed[0, 0, 0])) + 1e-8
    assert here.observed[0, 0, 0] == pytest.approx(bend * -1.0, abs=spread)


@every_model
@brief
@given(v=unit, weight=st.floats(0.1, 10.0))
def test_expected_information_is_that_of_the_variance(glm, v, weight):
    eta = np.array([a_predictor(glm, v)])
    assume(abs(eta[0]) > 1e-6)
    family = glm.family
    mu = family.link.mean(eta)
    expected = weight * family.link.derivative(eta) ** 2 / family.variance(mu)
    found = glm.rows(mu, eta[:, None], np.array([weight]), information="both")
    assert found.expected[0, 0, 0] == pytest.approx(float(expected[0]), rel=1e-9)
    assert found.gradient[0, 0] == pytest.approx(0.0, abs=1e-9 * weight * (1 + abs(float(expected[0]))))
    if family.name != "poisson" or family.link.name == "log":
        assert found.observed[0, 0, 0] == pytest.approx(float(expected[0]), rel=1e-6)


@every_model
@brief
@given(u=unit, v=unit)
def test_deviance_is_twice_the_distance_of_the_objective(glm, u, v):
    family = glm.family
    assume(family.text != "quasi(mu^2)" or u >= 0.15)
    eta = np.array([a_predictor(glm, v), a_predictor(glm, 1 - v)])
    y = np.full(2, a_response(family, u))
    deviance = family.deviance(y, eta)
    assert (deviance >= 0).all()
    np.testing.assert_allclose(
        deviance, family.unit_deviance(y, family.link.mean(eta)), rtol=1e-8, atol=1e-12
    )
    gap = family.objective(y, eta) + 0.5 * deviance
    assert gap[0] == pytest.approx(gap[1], rel=1e-10, abs=1e-10 * (1 + abs(deviance).max()))


@every_model
@brief
@given(u=unit, v=unit)
def test_deviance_is_zero_at_the_mean_and_positive_elsewhere(glm, u, v):
    family = glm.family
    mu = np.array([a_mean(family.domain, u)])
    other = np.array([a_mean(family.domain, v)])
    assert family.unit_deviance(mu, mu)[0] == pytest.approx(0.0, abs=1e-30)
    if abs(mu[0] - other[0]) > 1e-9 * abs(mu[0]):
        assert family.unit_deviance(mu, other)[0] > 0.0


@every_model
@brief
@given(u=unit, v=unit)
def test_residuals_agree_with_the_mean(glm, u, v):
    y, eta = np.array([a_response(glm.family, u)]), np.array([[a_predictor(glm, v)]])
    assume(abs(eta[0, 0]) > 1e-6)
    mu = glm.mean(eta)
    assert glm.residual(y, eta)[0] == pytest.approx(float(y[0] - mu[0]), rel=1e-9, abs=1e-12)
    ratio = (y - mu) ** 2 / glm.family.variance(mu)
    assert glm.pearson(y, eta, np.array([2.0]))[0] == pytest.approx(2 * float(ratio[0]), rel=1e-8, abs=1e-12)


DENSITIES = {
    "gaussian": lambda y, mu, phi: stats.norm.logpdf(y, mu, math.sqrt(phi)),
    "gamma": lambda y, mu, phi: stats.gamma.logpdf(y, 1 / phi, scale=mu * phi),
    "inverse_gaussian": lambda y, mu, phi: stats.invgauss.logpdf(y, mu * phi, scale=1 / phi),
    "poisson": lambda y, mu, phi: stats.poisson.logpmf(y, mu),
    "negative_binomial(1.7)": lambda y, mu, phi: stats.nbinom.logpmf(y, 1.7, 1.7 / (1.7 + mu)),
}


@pytest.mark.parametrize("name", DENSITIES)
@given(u=unit, v=unit, phi=st.floats(0.05, 5.0), weight=st.sampled_from([1.0, 2.0, 0.5]))
def test_loglik_is_the_density(name, u, v, phi, weight):
    family = as_family(name)
    y, mu = np.array([a_response(family, u)]), np.array([a_mean(family.domain, v)])
    phi = 1.0 if family.dispersion == 1.0 else phi
    weights = np.array([weight])
    loglik = family.saturated(y, weights, phi) - weights * family.unit_deviance(y, mu) / (2 * phi)
    if name == "gaussian":
        expected = DENSITIES[name](y, mu, phi / weight)
    else:
        expected = weight * DENSITIES[name](y, mu, phi)
    np.testing.assert_allclose(loglik, expected, rtol=1e-9, atol=1e-9)


@given(trials=st.integers(1, 5000), share=unit, v=unit)
def test_binomial_loglik_is_the_probability(trials, share, v):
    successes = round(share * trials)
    family = as_family("binomial")
    y, mu, weights = (
        np.array([successes / trials]),
        np.array([a_mean(family.domain, v)]),
        np.array([float(trials)]),
    )
    loglik = family.saturated(y, weights, 1.0) - weights * family.unit_deviance(y, mu) / 2
    np.testing.assert_allclose(loglik, stats.binom.logpmf(successes, trials, mu), rtol=1e-9, atol=1e-9)


@every_link
@given(u=unit)
def test_link_inverse_and_derivatives(link: Link, u):
    low, high = link.means
    mu = np.array([a_mean(Interval(low, high), u)])
    eta = link.eta(mu)
    assume(abs(float(eta[0])) > 1e-3)
    np.testing.assert_allclose(link.mean(eta), mu, rtol=1e-11)
    step = 1e-3 * min(1.0, abs(float(eta[0])))
    slope = differences(link.mean, float(eta[0]), step)
    bend = differences(link.derivative, float(eta[0]), step)
    assert float(link.derivative(eta)[0]) == pytest.approx(slope, rel=1e-7, abs=1e-9)
    assert float(link.second_derivative(eta)[0]) == pytest.approx(bend, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", ["logit", "atanh", "probit", "cauchit", "cloglog", "loglog"])
@given(eta=st.floats(-700.0, 700.0))
def test_probability_tails_add_up(name, eta):
    mean, rest = as_link(name).tails(np.array([eta]))
    assert float(mean.value[0] + rest.value[0]) == pytest.approx(1.0, abs=4e-16)
    for side in (mean, rest):
        assert float(np.exp(side.log)[0]) == pytest.approx(float(side.value[0]), rel=1e-12, abs=1e-300)
        assert (side.slope >= 0).all() and np.isfinite(side).all()


@pytest.mark.parametrize("name", ["logit", "atanh", "probit", "cauchit", "cloglog", "loglog"])
@given(eta=st.floats(-700.0, 700.0), y=unit)
def test_binomial_rows_are_finite_and_point_inwards(name, eta, y):
    glm = GLM(as_family("binomial", name))
    rows = glm.rows(np.array([y]), np.array([[eta]]), np.ones(1), information="both")
    assert all(np.isfinite(value).all() for value in rows)
    assert rows.objective[0] <= 0.0
    assert (rows.expected >= 0).all()
    assert rows.gradient[0, 0] * glm.residual(np.array([y]), np.array([[eta]]))[0] >= 0.0
