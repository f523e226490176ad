"""The GLM likelihood: shapes, weights, tails, slack, cones, and the table of concave pairs."""

from __future__ import annotations

import pickle

import mpmath
import numpy as np
import pytest

from glmstat.families import Custom, as_family
from glmstat.likelihood.base import GLM

FAR = np.array([-700.0, -60.0, 60.0, 700.0])


def model(family: str, link: str | None = None) -> GLM:
    return GLM(as_family(family, link))


def rows_of(glm: GLM, y, eta, weights=None, information="both"):
    y, eta = np.asarray(y, dtype=float), np.asarray(eta, dtype=float)
    return glm.rows(y, eta[:, None], np.ones(len(y)) if weights is None else weights, information=information)


@pytest.mark.parametrize("information", ["none", "expected", "observed", "both"])
@pytest.mark.parametrize(
    "pair", [("poisson", "log"), ("poisson", "sqrt"), ("gamma", "log"), ("gaussian", "identity")]
)
def test_rows_have_the_shapes_asked_for(pair, information):
    weights = np.array([1.0, 2.0, 0.0])
    glm = model(*pair)
    rows = rows_of(glm, [1.0, 2.0, 3.0], [0.5, 1.0, 1.5], weights, information)
    assert rows.objective.shape == (3,) and rows.gradient.shape == (3, 1)
    wanted = {
        "none": (),
        "expected": ("expected",),
        "observed": ("observed",),
        "both": ("expected", "observed"),
    }
    for name in ("expected", "observed"):
        value = getattr(rows, name)
        if name in wanted[information]:
            assert value.shape == (3, 1, 1)
            assert value[2, 0, 0] == 0.0
        elif not glm.canonical or information == "none":
            assert value is None
    assert rows.objective[2] == rows.gradient[2, 0] == 0.0


@pytest.mark.parametrize(
    ("family", "link", "canonical"),
    [
        ("gaussian", "identity", True),
        ("gaussian", "log", False),
        ("poisson", "log", True),
        ("binomial", "logit", True),
        ("binomial", "probit", False),
        ("gamma", "inverse", True),
        ("gamma", "power(-1)", True),
        ("inverse_gaussian", "inverse_squared", True),
        ("quasi(mu^2)", "inverse", True),
        ("quasi(mu(1-mu))", "logit", True),
        ("negative_binomial(2)", "log", False),
        ("tweedie(1.5)", "power(-0.5)", True),
    ],
)
def test_canonical_links_have_one_information(family, link, canonical):
    glm = model(family, link)
    rows = rows_of(glm, [0.2, 0.7], [0.4, 0.9])
    assert glm.canonical is canonical
    assert (rows.expected is rows.observed) is canonical


CONCAVE = {
    ("gaussian", "identity"), ("inverse_gaussian", "inverse"), ("inverse_gaussian", "inverse_squared"),
    ("binomial", "logit"), ("binomial", "atanh"), ("binomial", "probit"),
    ("binomial", "cloglog"), ("binomial", "loglog"),
    ("binomial", "log"), ("binomial", "log_complement"), ("binomial", "identity"),
    ("poisson", "log"), ("poisson", "identity"), ("poisson", "sqrt"), ("poisson", "softplus"),
    ("gamma", "log"), ("gamma", "inverse"), ("negative_binomial(2)", "log"),
    ("tweedie(1.5)", "log"), ("quasi(mu)", "log"), ("tweedie(1)", "sqrt"),
}  # fmt: skip
OTHERS = {
    ("gaussian", "log"), ("gaussian", "inverse"), ("gaussian", "sqrt"), ("binomial", "cauchit"),
    ("gamma", "identity"), ("gamma", "power(1/3)"), ("inverse_gaussian", "log"),
    ("inverse_gaussian", "identity"), ("negative_binomial(2)", "identity"), ("negative_binomial(2)", "sqrt"),
    ("tweedie(2.5)", "log"), ("gamma", "softplus"), ("gaussian", "softplus"),
}  # fmt: skip


@pytest.mark.parametrize("pair", sorted(CONCAVE | OTHERS))
def test_concave_pairs(pair):
    glm = model(*pair)
    assert glm.concave is (pair in CONCAVE)
    if glm.concave:
        low, high = glm.bounds
        eta = np.clip(
            np.linspace(-6, 6, 97), low + 1e-3 if low > -9 else low, high - 1e-3 if high < 9 else high
        )
        for y in (0.0, 0.1, 0.5, 0.99, 1.0, 3.0, 40.0):
            if glm.family.domain.contains(y):
                observed = rows_of(glm, np.full(97, y), eta, information="observed").observed
                assert (observed >= 0).all(), y


@pytest.mark.parametrize(
    ("family", "link", "constant"),
    [
        ("gaussian", "identity", True),
        ("gamma", "log", True),
        ("poisson", "sqrt", True),
        ("inverse_gaussian", "power(-0.5)", True),
        ("poisson", "log", False),
        ("binomial", "logit", False),
    ],
)
def test_constant_information(family, link, constant):
    glm = model(family, link)
    assert glm.constant_information is constant
    expected = rows_of(glm, [0.5] * 3, [0.4, 1.0, 2.2], information="expected").expected[:, 0, 0]
    assert (np.ptp(expected) < 1e-12 * expected[0]) is np.bool_(constant)


@pytest.mark.parametrize(
    ("family", "link", "power"),
    [("poisson", "log", 1.0), ("gamma", "log", 2.0), ("gaussian", "log", 0.0), ("gamma", "inverse", None),
     ("binomial", "logit", None), ("binomial", "log", None), ("negative_binomial(2)", "log", None)],
)  # fmt: skip
def test_null_power(family, link, power):
    glm = model(family, link)
    assert glm.null_power == power
    if power is not None:
        rng = np.random.default_rng(3)
        y, offset, weights = rng.gamma(2.0, 1.0, 20), rng.normal(size=20), rng.random(20)
        top = np.log(np.sum(weights * y * np.exp((1 - power) * offset)))
        intercept = top - np.log(np.sum(weights * np.exp((2 - power) * offset)))
        score = rows_of(glm, y, intercept + offset, weights, "none").gradient.sum()
        assert abs(score) < 1e-12 * (weights * y).sum()


@pytest.mark.parametrize(
    ("family", "link", "low", "high"),
    [
        ("poisson", "identity", [0.25], [np.inf]),
        ("poisson", "sqrt", [0.25], [np.inf]),
        ("binomial", "identity", [0.25], [0.75]),
        ("binomial", "log", [np.inf], [-0.25]),
        ("gamma", "inverse", [0.25], [np.inf]),
        ("gaussian", "sqrt", [0.25], [np.inf]),
    ],
)
def test_slack(family, link, low, high):
    glm = model(family, link)
    assert glm.bounded
    below, above = glm.slack(np.array([[0.25]]))
    np.testing.assert_allclose([below[0, 0], above[0, 0]], [low[0], high[0]], atol=1e-15)


@pytest.mark.parametrize(
    "pair", [("poisson", "log"), ("binomial", "logit"), ("gaussian", "inverse"), ("gaussian", "log")]
)
def test_no_slack_without_bounds(pair):
    glm = model(*pair)
    assert glm.slack(np.zeros((3, 1))) is None and not glm.bounded


@pytest.mark.parametrize(
    ("family", "link", "signs"),
    [
        ("binomial", "logit", [-1, 0, 1, 0]),
        ("binomial", "cauchit", [-1, 0, 1, 0]),
        ("binomial", "atanh", [-1, 0, 1, 0]),
        ("poisson", "softplus", [-1, 0, 0, 0]),
        ("binomial", "loglog", [-1, 0, 1, 0]),
        ("quasibinomial", "probit", [-1, 0, 1, 0]),
        ("quasi(mu(1-mu))", "cloglog", [-1, 0, 1, 0]),
        ("binomial", "log", [-1, 0, 0, 0]),
        ("binomial", "log_complement", [0, 0, -1, 0]),
        ("poisson", "log", [-1, 0, 0, 0]),
        ("quasipoisson", "log", [-1, 0, 0, 0]),
        ("negative_binomial(2)", "log", [-1, 0, 0, 0]),
        ("tweedie(1.5)", "log", [-1, 0, 0, 0]),
        ("quasi(mu)", "log", [-1, 0, 0, 0]),
    ],
)
def test_cone(family, link, signs):
    y, weights = np.array([0.0, 0.3, 1.0, 0.0]), np.array([1.0, 2.0, 3.0, 0.0])
    cone = model(family, link).cone(y, weights)
    assert cone.bound.shape == (4, 1, 1)
    assert cone.bound[:, 0, 0].tolist() == signs
    assert cone.free.tolist() == [sign == 0 and w > 0 for sign, w in zip(signs, weights, strict=True)]


@pytest.mark.parametrize(
    "pair",
    [
        ("poisson", "identity"),
        ("poisson", "sqrt"),
        ("binomial", "identity"),
        ("gaussian", "log"),
        ("gamma", "log"),
        ("quasi(mu^2)", "log"),
        ("tweedie(2.5)", "log"),
        ("inverse_gaussian", "log"),
    ],
)
def test_no_cone_where_the_optimum_is_finite(pair):
    assert model(*pair).cone(np.array([0.0, 1.0]), np.ones(2)) is None


def test_start_leaves_out_rows_without_a_predictor():
    eta = model("gaussian", "log").start(np.array([-1.0, 0.0, np.e]), np.ones(3))
    assert eta.shape == (3, 1)
    np.testing.assert_array_equal(eta[:, 0], [np.nan, np.nan, 1.0])


@pytest.mark.parametrize("link", ["logit", "atanh", "probit", "cauchit", "cloglog", "loglog"])
@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
def test_binomial_rows_at_the_far_ends(link, y):
    glm = model("binomial", link)
    rows = rows_of(glm, [y] * 4, FAR)
    for value in rows:
        assert np.isfinite(value).all()
    score = rows.gradient[:, 0]
    assert (score[:2] >= 0).all() or y == 0.0
    assert (score[2:] <= 0).all() or y == 1.0
    if y == 1.0:
        assert (score >= 0).all()
    if y == 0.0:
        assert (score <= 0).all()
    deviance = glm.deviance(np.full(4, y), FAR[:, None], np.ones(4))
    assert np.isfinite(deviance).all() and (deviance >= 0).all()


def test_logit_residual_survives_saturation():
    glm = model("binomial", "logit")
    eta = np.array([[37.0], [100.0], [-100.0]])
    y = np.array([1.0, 1.0, 0.0])
    expected = np.array([np.exp(-37.0) / (1 + np.exp(-37.0)), np.exp(-100.0), -np.exp(-100.0)])
    np.testing.assert_allclose(glm.residual(y, eta), expected, rtol=1e-15)
    np.testing.assert_allclose(
        glm.rows(y, eta, np.ones(3), information="none").gradient[:, 0], expected, rtol=1e-15
    )
    np.testing.assert_allclose(glm.working(y, eta), [1.0, 1.0, -1.0], rtol=1e-14)


@pytest.mark.parametrize("eta", [-700.0, -20.0, 0.3, 600.0])
@pytest.mark.parametrize("y", [0.0, 2.0, 1e6])
def test_poisson_log_is_exact(eta, y):
    glm = model("poisson", "log")
    rows = rows_of(glm, [y], [eta])
    with mpmath.workdps(50):
        mu = mpmath.exp(eta)
        objective = y * mpmath.mpf(eta) - mu
        deviance = 2 * ((y * (mpmath.log(y) - eta) if y else 0) - y + mu)
    assert float(rows.objective[0]) == pytest.approx(float(objective), rel=1e-15)
    assert float(rows.expected[0, 0, 0]) == pytest.approx(float(mu), rel=1e-15)
    found = glm.deviance(np.array([y]), np.array([[eta]]), np.ones(1))
    assert float(found[0]) == pytest.approx(float(deviance), rel=1e-13)


@pytest.mark.parametrize(
    "family", ["gaussian", "gamma", "inverse_gaussian", "poisson", "negative_binomial(0.5)", "tweedie(1.5)"]
)
def test_log_link_rows_never_are_nan(family):
    glm = model(family, "log")
    rows = rows_of(glm, [2.0] * 4, FAR)
    assert not any(np.isnan(value).any() for value in rows)
    assert (rows.gradient[:2, 0] >= 0).all() and (rows.gradient[2:, 0] <= 0).all()
    assert not np.isnan(glm.deviance(np.full(4, 2.0), FAR[:, None], np.ones(4))).any()


def test_weights_scale_every_row():
    glm = model("gamma", "log")
    y, eta, weights = np.array([0.5, 2.0]), np.array([[0.1], [0.4]]), np.array([3.0, 0.5])
    once, scaled = (glm.rows(y, eta, w, information="both") for w in (np.ones(2), weights))
    np.testing.assert_allclose(scaled.objective, weights * once.objective)
    np.testing.assert_allclose(scaled.gradient[:, 0], weights * once.gradient[:, 0])
    np.testing.assert_allclose(scaled.observed[:, 0, 0], weights * once.observed[:, 0, 0])
    np.testing.assert_allclose(glm.deviance(y, eta, weights), weights * glm.deviance(y, eta, np.ones(2)))
    np.testing.assert_allclose(glm.pearson(y, eta, weights), weights * (y / glm.mean(eta) - 1) ** 2)


def test_inputs_are_left_alone():
    for pair in (("poisson", "log"), ("binomial", "logit"), ("gaussian", "identity")):
        y, eta, weights = np.array([0.0, 1.0]), np.array([[0.3], [-0.2]]), np.array([1.0, 2.0])
        rows = model(*pair).rows(y, eta, weights, information="both")
        for value in rows:
            value += 1.0
        assert (
            y.tolist() == [0.0, 1.0] and eta[:, 0].tolist() == [0.3, -0.2] and weights.tolist() == [1.0, 2.0]
        )


def test_custom_variance_gives_the_rows_of_the_family_it_is():
    known = model("gamma", "log")
    custom = GLM(Custom("mine", lambda mu: mu**2, "log"))
    y, eta, weights = np.array([0.2, 1.0, 7.0]), np.array([[0.3], [-1.0], [2.5]]), np.array([1.0, 2.0, 0.5])
    a, b = (glm.rows(y, eta, weights, information="both") for glm in (known, custom))
    np.testing.assert_allclose(b.gradient, a.gradient, rtol=1e-12)
    np.testing.assert_allclose(b.expected, a.expected, rtol=1e-12)
    np.testing.assert_allclose(b.observed, a.observed, rtol=1e-7)
    np.testing.assert_allclose(b.objective, -0.5 * known.deviance(y, eta, weights), rtol=1e-12)
    np.testing.assert_allclose(custom.pearson(y, eta, weights), known.pearson(y, eta, weights), rtol=1e-12)
    assert not custom.canonical and not custom.concave and not custom.constant_information
    assert custom.cone(y, weights) is None and custom.null_power is None


def test_a_model_is_a_value():
    glm = model("negative_binomial(2)", "sqrt")
    assert glm == model("negative_binomial(2)", "sqrt") and hash(glm) == hash(
        model("negative_binomial(2)", "sqrt")
    )
    assert glm.bounds == (0.0, np.inf)
    assert pickle.loads(pickle.dumps(glm)) == glm
    assert glm.predictors == ("mean",)
