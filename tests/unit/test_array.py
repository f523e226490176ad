"""The shared namespace: Stirling's error, and torch tensors through the same families."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from glmstat.array import namespace, stirling_error
from glmstat.families import as_family
from glmstat.links import LINKS, as_link

FAMILIES = (
    "gaussian", "binomial", "poisson", "gamma", "inverse_gaussian", "negative_binomial(2)", "tweedie(1.5)",
)  # fmt: skip
PAIRS = [
    (family, "power(1/3)" if link == "power" else link)
    for family in FAMILIES
    for link in as_family(family).links or ()
]
ONE_SIDED = {"identity", "inverse", "inverse_squared", "sqrt", "power(1/3)"}  # eta > 0 where means are


def predictors(family: str, link: str) -> np.ndarray:
    """Predictors of means inside the domain, far ones where the link has no edge."""
    if family == "binomial" and link == "identity":
        return np.array([0.01, 0.2, 0.5, 0.7, 0.99])
    if family == "binomial" and link in ("log", "log_complement"):
        return np.array([-30.0, -2.0, -1.0, -0.7, -0.01])
    if link in ONE_SIDED:
        return np.array([0.01, 0.2, 1.0, 1.7, 30.0])
    return np.array([-30.0, -2.0, 0.0, 0.7, 30.0])


def test_numbers_and_arrays_use_numpy():
    assert namespace(1.0) is namespace(np.ones(2)) is namespace([1.0])


@pytest.mark.parametrize("x", [1e-9, 0.3, 1.0, 7.5, 15.9, 16.1, 40.0, 1e6, 1e15])
def test_stirling_error(x):
    with mpmath.workdps(60):
        z = mpmath.mpf(x)
        exact = mpmath.loggamma(z + 1) - (z + 0.5) * mpmath.log(z) + z - mpmath.log(2 * mpmath.pi) / 2
    assert float(stirling_error(np.array([x]))[0]) == pytest.approx(float(exact), rel=1e-12, abs=2e-14)


def test_stirling_error_of_zero_is_zero():
    assert stirling_error(np.zeros(2)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("y", [0.0, 0.4, 1.0])
def test_torch_gives_the_same_numbers(pair, y):
    torch = pytest.importorskip("torch")
    family = as_family(*pair)
    if not family.domain.contains(y):
        y += 0.5
    eta = predictors(*pair)
    ys = np.full(5, y)
    tensor = torch.tensor(eta, dtype=torch.float64, requires_grad=True)
    deviance = family.deviance(torch.tensor(ys), tensor)
    np.testing.assert_allclose(deviance.detach().numpy(), family.deviance(ys, eta), rtol=1e-12, atol=1e-14)
    deviance.sum().backward()
    gradient = family.slopes(ys, eta, "none").gradient
    np.testing.assert_allclose(tensor.grad.numpy(), -2.0 * gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in LINKS if name != "power"])
def test_torch_gives_the_same_means(name):
    torch = pytest.importorskip("torch")
    link = as_link(name)
    eta = np.array([-1.5, -0.2]) if name == "log_complement" else np.array([0.3, 1.2])
    for method in ("mean", "derivative", "second_derivative"):
        found = getattr(link, method)(torch.tensor(eta))
        np.testing.assert_allclose(found.numpy(), getattr(link, method)(eta), rtol=1e-12)
