"""The joint solver on a likelihood of its own: location and scale of normal responses."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from glmstat.data.source import open_source
from glmstat.errors import ArgumentError, DataError
from glmstat.families import Gaussian
from glmstat.formula.parse import parse
from glmstat.frame import model_frame
from glmstat.likelihood.base import GLM, Rows
from glmstat.links import Identity, Log
from glmstat.solve.joint.estimator import Joint


@dataclass(frozen=True)
class LocationScale(GLM):
    """Normal responses: the mean, and the log of the standard deviation."""

    predictors = ("mean", "sigma")
    canonical = False
    concave = False

    @property
    def links(self):
        return Identity(), Log()

    @property
    def first(self):
        return GLM(Gaussian())

    @property
    def levels(self):
        return ((-2.0,), (0.0,), (2.0,))

    def held(self, level):
        return None

    def rows(self, y, eta, weights, *, information):
        sigma = np.exp(eta[:, 1])
        z = (y - eta[:, 0]) / sigma
        weights = np.ones(len(y)) if weights is None else weights
        objective = weights * (-eta[:, 1] - 0.5 * z**2)
        gradient = weights[:, None] * np.column_stack([z / sigma, z**2 - 1.0])
        expected, observed = np.zeros((2, len(y), 2, 2))
        expected[:, 0, 0], expected[:, 1, 1] = weights / sigma**2, 2.0 * weights
        observed[:, 0, 0], observed[:, 1, 1] = weights / sigma**2, 2.0 * weights * z**2
        observed[:, 0, 1] = observed[:, 1, 0] = 2.0 * weights * z / sigma
        return Rows(objective, gradient, expected, observed)

    def constant(self, y, weights):
        return -0.5 * np.log(2.0 * np.pi) * weights

    def deviance(self, y, eta, weights):
        return weights * ((y - eta[:, 0]) / np.exp(eta[:, 1])) ** 2

    def pearson(self, y, eta, weights):
        return self.deviance(y, eta, weights)

    def at_limit(self, eta):
        return np.column_stack([np.zeros(len(eta)), -(eta[:, 1] < -15.0).astype(float)])

    def unlimited(self, predictor, sign):
        return "the rows are fitted exactly", "Leave terms out"


def frame_of(formula, scale, data):
    source, likelihood = open_source(data), LocationScale(Gaussian())
    others = {"sigma": parse(scale, source.names)}
    return model_frame(source, parse(formula, source.names), {}, likelihood, others=others), likelihood


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    g = np.repeat(["a", "b"], [60, 90])
    x = 2000.0 + rng.integers(0, 15, 150)
    y = 1.0 + 0.2 * (x - 2000) * (g == "b") + rng.normal(size=150) * np.where(g == "a", 0.5, 2.0)
    return pd.DataFrame({"y": y, "x": x, "g": g})


def test_groups_are_least_squares_of_each(data):
    frame, likelihood = frame_of("y ~ 0 + g + g:x", "~ 0 + g", data)
    found = Joint().estimate(frame, likelihood)
    loglik = 0.0
    for place, level in enumerate("ab"):
        own = data[data.g == level]
        X = np.column_stack([np.ones(len(own)), own.x])
        coef, rss, *_ = np.linalg.lstsq(X, own.y, rcond=None)
        sigma = np.sqrt(rss[0] / len(own))
        np.testing.assert_allclose(found.theta[[place, 2 + place]], coef, rtol=1e-9)
        np.testing.assert_allclose(found.theta[4 + place], np.log(sigma), rtol=1e-9)
        loglik += -len(own) * (np.log(sigma) + 0.5 * np.log(2 * np.pi) + 0.5)
    np.testing.assert_allclose(found.loglik, loglik, rtol=1e-12)
    assert found.convergence.status == "converged" and found.df_residual == 144
    errors = np.sqrt(np.diag(found.information.inverse()))
    np.testing.assert_allclose(errors[4:], np.sqrt(0.5 / np.array([60, 90])), rtol=1e-10)


def test_any_start_leads_to_the_same(data):
    frame, likelihood = frame_of("y ~ x + g", "~ g", data)
    found = Joint().estimate(frame, likelihood)
    again = Joint().estimate(frame, likelihood, start=found.theta + 0.1)
    np.testing.assert_allclose(again.theta, found.theta, rtol=1e-8)
    np.testing.assert_allclose(found.criterion, -2.0 * found.loglik)
    with pytest.raises(ArgumentError, match="start must be 5 finite numbers"):
        Joint().estimate(frame, likelihood, start=np.zeros(3))


def test_aliased_columns_are_named_by_predictor(data):
    frame, likelihood = frame_of("y ~ x", "~ g + h", data.assign(h=(data.g == "b") * 2.0))
    found = Joint().estimate(frame, likelihood)
    assert found.aliased == {"sigma:h": "= 2*sigma:g[T.b]"}
    assert found.rank == 4


def test_a_scale_that_vanishes_is_refused(data):
    exact = data.assign(y=np.where(data.g == "a", 3.0, data.y))
    frame, likelihood = frame_of("y ~ g", "~ g", exact)
    with pytest.raises(DataError, match=r"sigma runs to 0 in rows .* by sigma:Intercept, sigma:g"):
        Joint().estimate(frame, likelihood)


def test_blocks_do_not_matter(data):
    frame, likelihood = frame_of("y ~ x + g", "~ g", data)
    source = open_source(data)
    streamed = model_frame(
        source,
        parse("y ~ x + g"),
        {},
        likelihood,
        others={"sigma": parse("~ g")},
        memory=0.0,
    )
    one, two = (Joint().estimate(each, likelihood) for each in (frame, streamed))
    assert streamed.large
    np.testing.assert_allclose(one.theta, two.theta, rtol=1e-10)
