"""Links: inverses, bounds, spelling, and both tails of every probability link against 60-digit numbers."""

from __future__ import annotations

import copy
import math
import pickle

import mpmath
import numpy as np
import pytest

from glmstat import links
from glmstat.errors import ArgumentError
from glmstat.links import LINKS, Custom, Link, Power, as_link

POSITIVE = np.array([1e-8, 0.2, 1.0, 3.7, 1e6])
PROBABILITIES = np.array([1e-300, 1e-12, 0.01, 0.3, 0.5, 0.8, 1 - 1e-9])
ETAS = (-700.0, -300.0, -40.0, -9.0, -3.0, -0.2, 0.0, 1e-3, 0.4, 2.0, 6.0, 38.0, 300.0, 700.0)


def every_link() -> list[Link]:
    return [Power(1 / 3) if name == "power" else known() for name, known in LINKS.items()]


@pytest.mark.parametrize("link", every_link(), ids=lambda link: link.name)
def test_text_reads_back(link):
    assert as_link(link.text) == link
    assert pickle.loads(pickle.dumps(link)) == link
    assert copy.deepcopy(link) == link
    assert hash(link) == hash(as_link(link.text))


@pytest.mark.parametrize("link", every_link(), ids=lambda link: link.name)
def test_mean_undoes_eta(link):
    mu = PROBABILITIES if link.means[1] == 1.0 else POSITIVE
    if link.name in ("cloglog", "log_complement", "loglog"):
        mu = mu[2:-1]
    np.testing.assert_allclose(link.mean(link.eta(mu)), mu, rtol=2e-13)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Log", links.Log()),
        ("inverse.squared", links.InverseSquared()),
        ("1/mu^2", links.InverseSquared()),
        ("log-complement", links.LogComplement()),
        ("power(1/3)", Power(1 / 3)),
        ("power(-0.5)", Power(-0.5)),
        ("power(0)", links.Log()),
        (" CLogLog ", links.CLogLog()),
        (links.Probit, links.Probit()),
        (links.Sqrt(), links.Sqrt()),
    ],
)
def test_as_link(text, expected):
    assert as_link(text) == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("lgo", "Unknown link: 'lgo'. Known: identity, log, "),
        ("lgo", "Did you mean 'log'?"),
        ("power", "needs its exponent"),
        (Power, "needs its exponent"),
        ("power(x)", "not a number: 'x'"),
        ("power(1/0)", "not a number"),
        ("log(2)", "takes no number"),
        (7, "must be a name or a link: 7"),
    ],
)
def test_as_link_refuses(given, words):
    with pytest.raises(ArgumentError) as error:
        as_link(given)
    assert words in str(error.value)


@pytest.mark.parametrize("k", [0, math.inf, math.nan])
def test_power_refuses(k):
    with pytest.raises(ArgumentError, match="finite k that is not 0"):
        Power(k)


@pytest.mark.parametrize(
    ("name", "low", "high", "expected"),
    [
        ("identity", 0.0, math.inf, (0.0, math.inf)),
        ("identity", 0.0, 1.0, (0.0, 1.0)),
        ("log", 0.0, math.inf, (-math.inf, math.inf)),
        ("log", -math.inf, math.inf, (-math.inf, math.inf)),
        ("log", 0.0, 1.0, (-math.inf, 0.0)),
        ("log_complement", 0.0, 1.0, (-math.inf, 0.0)),
        ("logit", 0.0, 1.0, (-math.inf, math.inf)),
        ("atanh", 0.0, 1.0, (-math.inf, math.inf)),
        ("softplus", 0.0, math.inf, (-math.inf, math.inf)),
        ("softplus", -math.inf, math.inf, (-math.inf, math.inf)),
        ("probit", 0.0, 1.0, (-math.inf, math.inf)),
        ("cloglog", 0.0, 1.0, (-math.inf, math.inf)),
        ("loglog", 0.0, 1.0, (-math.inf, math.inf)),
        ("cauchit", 0.0, 1.0, (-math.inf, math.inf)),
        ("sqrt", 0.0, math.inf, (0.0, math.inf)),
        ("sqrt", -math.inf, math.inf, (0.0, math.inf)),
        ("inverse", 0.0, math.inf, (0.0, math.inf)),
        ("inverse", -math.inf, math.inf, (-math.inf, math.inf)),
        ("inverse_squared", 0.0, math.inf, (0.0, math.inf)),
        ("power(1/3)", 0.0, math.inf, (0.0, math.inf)),
        ("power(-2)", 0.0, math.inf, (0.0, math.inf)),
    ],
)
def test_bounds(name, low, high, expected):
    found = as_link(name).bounds(low, high)
    assert found[0] == pytest.approx(expected[0]) and found[1] == pytest.approx(expected[1])
    if math.isinf(expected[0]) and math.isinf(expected[1]):
        assert found == expected


PROBABILITY = ["logit", "atanh", "probit", "cauchit", "cloglog", "loglog", "log", "log_complement"]


def exact(name: str, x: float) -> tuple[mpmath.mpf, ...]:
    """F, 1 - F, F', F'' of a probability link."""
    x = mpmath.mpf(x)
    e = mpmath.exp
    if name == "logit":
        f, c = 1 / (1 + e(-x)), 1 / (1 + e(x))
        return f, c, f * c, f * c * (c - f)
    if name == "atanh":
        f, c, d, s = exact("logit", 2 * x)
        return f, c, 2 * d, 4 * s
    if name == "probit":
        d = mpmath.npdf(x)
        return mpmath.ncdf(x), mpmath.ncdf(-x), d, -x * d
    if name == "cauchit":
        d = 1 / (mpmath.pi * (1 + x * x))
        f = mpmath.mpf(1) / 2 + mpmath.atan(x) / mpmath.pi
        return f, mpmath.mpf(1) / 2 - mpmath.atan(x) / mpmath.pi, d, -2 * x / (1 + x * x) * d
    if name == "cloglog":
        return 1 - e(-e(x)), e(-e(x)), e(x - e(x)), e(x - e(x)) * (1 - e(x))
    if name == "loglog":
        c, f, d, s = exact("cloglog", -x)
        return f, c, d, -s
    if name == "log":
        return e(x), 1 - e(x), e(x), e(x)
    if name == "log_complement":
        return 1 - e(x), e(x), -e(x), -e(x)
    raise AssertionError(name)


@pytest.mark.parametrize("name", PROBABILITY)
def test_tails_are_exact(name):
    etas = np.array([eta for eta in ETAS if not (name.startswith("log_") or name == "log") or eta < 0])
    tails = as_link(name).tails(etas)
    with mpmath.workdps(800):
        for row, eta in enumerate(etas):
            f, c, d, s = exact(name, float(eta))
            sides = (
                (tails.mean, f, d / f, (d / f) ** 2 - s / f),
                (tails.complement, c, d / c, (d / c) ** 2 + s / c),
            )
            for side, value, slope, curvature in sides:
                wanted = (value, mpmath.log(value), slope, curvature)
                for got, expected in zip(side, wanted, strict=True):
                    got = float(np.broadcast_to(got, etas.shape)[row])
                    assert close(got, expected), (eta, got, mpmath.nstr(expected, 20))


def close(got: float, expected: mpmath.mpf, tolerance: float = 3e-11) -> bool:
    """Equal in relative terms, or both below the smallest double."""
    if abs(expected) < mpmath.mpf(10) ** -300:
        return abs(got) <= 1e-299
    return abs(mpmath.mpf(got) - expected) <= tolerance * abs(expected)


@pytest.mark.parametrize("link", every_link(), ids=lambda link: link.name)
def test_second_derivative_and_ratios(link):
    eta = np.array([-2.5, -0.7]) if link.name in ("log_complement",) else np.array([0.3, 1.1, 2.4])
    step = 1e-5
    slope = (link.mean(eta + step) - link.mean(eta - step)) / (2 * step)
    bend = (link.derivative(eta + step) - link.derivative(eta - step)) / (2 * step)
    np.testing.assert_allclose(link.derivative(eta), slope, rtol=1e-8)
    np.testing.assert_allclose(link.second_derivative(eta), bend, rtol=1e-7, atol=1e-8)
    rise, curve = link.relative(eta)
    np.testing.assert_allclose(rise * link.mean(eta), link.derivative(eta), rtol=1e-12)
    np.testing.assert_allclose(
        curve * link.derivative(eta), link.second_derivative(eta), rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(link.log_mean(eta), np.log(link.mean(eta)), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(link.complement(eta), 1 - link.mean(eta), rtol=1e-10)


@pytest.mark.parametrize(
    "name", ["logit", "atanh", "probit", "cauchit", "cloglog", "loglog", "log", "softplus"]
)
def test_mean_stays_inside_at_the_far_ends(name):
    link = as_link(name)
    mu = link.mean(np.array([-1e300, -800.0, 800.0, 1e300]))
    assert (mu > link.means[0]).all()
    assert (mu < link.means[1]).all() or name in ("log", "softplus")


@pytest.mark.parametrize(
    "eta", [-745.0, -600.0, -40.0, -30.0, -29.9, -3.0, 0.0, 1e-9, 0.5, 20.0, 800.0, 1e15]
)
def test_softplus_is_exact(eta):
    link, x = links.Softplus(), np.array([eta])
    with mpmath.workdps(800):
        rise = 1 / (1 + mpmath.exp(-mpmath.mpf(eta)))
        mean = mpmath.log(1 + mpmath.exp(mpmath.mpf(eta))) if eta < 1e4 else mpmath.mpf(eta)
        pairs = [
            (link.mean(x), max(mean, mpmath.mpf(2) ** -1022)),
            (link.log_mean(x), mpmath.log(mean)),
            (link.derivative(x), rise),
            (link.second_derivative(x), rise * (1 - rise)),
            (link.relative(x)[0], rise / mean),
            (link.relative(x)[1], 1 - rise),
        ]
        for found, expected in pairs:
            assert close(float(found[0]), expected, 1e-14)


@pytest.mark.parametrize("mu", [1e-300, 1e-9, 0.1, 0.6931, 0.7, 3.0, 50.0, 1e9])
def test_softplus_of_a_mean_is_exact(mu):
    with mpmath.workdps(400):
        expected = mpmath.log(mpmath.expm1(mpmath.mpf(mu))) if mu < 1e4 else mpmath.mpf(mu)
    assert float(links.Softplus().eta(np.array([mu]))[0]) == pytest.approx(
        float(expected), rel=1e-14, abs=2e-16
    )


def test_atanh_is_the_inverse_of_tanh_on_the_scale_of_the_probability():
    share = np.array([0.01, 0.3, 0.5, 0.9])
    np.testing.assert_allclose(links.Atanh().eta(share), np.arctanh(2 * share - 1), rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(2 * links.Atanh().mean(share) - 1, np.tanh(share), rtol=1e-13)


R_ETA = {  # make.link(name)$linkfun(c(.1, .4, .8, .9, .5)), R 4.2.2
    "logit": [-2.1972245773362191, -0.40546510810816427, 1.3862943611198908, 2.1972245773362196, 0.0],
    "probit": [-1.2815515655446008, -0.25334710313579978, 0.84162123357291441, 1.2815515655446008, 0.0],
    "cauchit": [-3.077683537175254, -0.32491969623290634, 1.376381920471174, 3.0776835371752544, 0.0],
    "cloglog": [
        -2.2503673273124454,
        -0.67172699209212194,
        0.47588499532711054,
        0.83403244524795594,
        -0.36651292058166435,
    ],
}


@pytest.mark.parametrize("name", R_ETA)
def test_eta_is_r(name):
    np.testing.assert_allclose(
        as_link(name).eta(np.array([0.1, 0.4, 0.8, 0.9, 0.5])), R_ETA[name], rtol=1e-14, atol=1e-16
    )


def test_custom_link():
    cube = Custom(
        "cube", lambda mu: mu**3, np.cbrt, lambda e: e ** (-2 / 3) / 3, lambda e: -2 / 9 * e ** (-5 / 3)
    )
    power = Power(3)
    eta = np.array([0.5, 2.0])
    for method in ("mean", "derivative", "second_derivative", "log_mean", "complement"):
        np.testing.assert_allclose(getattr(cube, method)(eta), getattr(power, method)(eta), rtol=1e-12)
    assert cube.user_defined and cube.text == "cube" and not power.user_defined


@pytest.mark.parametrize(
    ("functions", "words"),
    [
        ((math.log, np.exp, np.exp, np.exp), "eta of link 'mine' must take and return arrays"),
        ((np.log, math.exp, np.exp, np.exp), "Use numpy functions, np.exp and not math.exp"),
        (
            (np.log, np.exp, lambda e: 1.0, np.exp),
            "derivative of link 'mine' must return one number for each",
        ),
        ((np.log, np.log, np.exp, np.exp), "mean of link 'mine' is not the inverse of eta"),
        ((np.log, np.exp, np.sin, np.exp), "derivative of link 'mine' is not the derivative of mean"),
        ((np.log, np.exp, np.exp, np.cos), "second_derivative of link 'mine'"),
    ],
)
def test_custom_link_refuses(functions, words):
    with pytest.raises(ArgumentError) as error:
        Custom("mine", *functions)
    assert words in str(error.value)
