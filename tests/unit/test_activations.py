"""Activations: values against 50 digits, slopes against differences and autograd, finite at the far ends."""

from __future__ import annotations

import pickle

import mpmath
import numpy as np
import pytest

from glmstat.activations import ACTIVATIONS, Activation, as_activation
from glmstat.errors import ArgumentError
from glmstat.links import LINKS, as_link

NAMES = (*ACTIVATIONS, "power(1/3)", "power(2)", "power(-0.5)", "power(-2)", "power(2/3)")
POINTS = np.array([-9.0, -2.5, -0.3, 0.0, 0.2, 1.7, 6.0])
FAR = np.array([-1e200, -1e3, -60.0, -31.0, -1e-200, 0.0, 1e-200, 31.0, 60.0, 1e3, 1e200])

EXACT = {
    "identity": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "tanh": mpmath.tanh,
    "gauss": mpmath.ncdf,
    "gumbel": lambda x: 1 - mpmath.exp(-mpmath.exp(x)),
    "loglog": lambda x: mpmath.exp(-mpmath.exp(-x)),
    "cauchit": lambda x: mpmath.mpf(1) / 2 + mpmath.atan(x) / mpmath.pi,
    "exp": mpmath.exp,
    "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
    "square": lambda x: x * x,
    "log_complement": lambda x: 1 - mpmath.exp(x),
    "relu": lambda x: max(x, mpmath.mpf(0)),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "gelu": lambda x: x * mpmath.ncdf(x),
    "sin": mpmath.sin,
    "power(1/3)": lambda x: x**3,
}
EXACT_FROM_POLE = {  # where |x| >= 1/30; odd or even continuation
    "reciprocal": lambda x: 1 / x,
    "inverse_squared": lambda x: mpmath.sign(x) / mpmath.sqrt(abs(x)),
    "power(2)": lambda x: mpmath.sign(x) * mpmath.sqrt(abs(x)),
    "power(-0.5)": lambda x: 1 / x**2,
    "power(-2)": lambda x: mpmath.sign(x) / mpmath.sqrt(abs(x)),
    "power(2/3)": lambda x: mpmath.sign(x) * abs(x) ** mpmath.mpf("1.5"),
}


def test_every_activation_is_checked():
    assert set(NAMES) == set(EXACT) | set(EXACT_FROM_POLE)


@pytest.mark.parametrize("name", NAMES)
def test_values_are_exact(name):
    points = POINTS if name in EXACT else POINTS[POINTS != 0]
    exact = EXACT.get(name) or EXACT_FROM_POLE[name]
    found = as_activation(name).value(points)
    with mpmath.workdps(50):
        expected = [float(exact(mpmath.mpf(float(x)))) for x in points]
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-300)  # the links keep means above 0


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_exact(name):
    points = POINTS[POINTS != 0]
    exact = EXACT.get(name) or EXACT_FROM_POLE[name]
    with mpmath.workdps(50):
        expected = [float(mpmath.diff(exact, mpmath.mpf(float(x)))) for x in points]
    np.testing.assert_allclose(as_activation(name).derivative(points), expected, rtol=1e-13, atol=1e-40)


@pytest.mark.parametrize("name", LINKS)
def test_every_link_has_its_inverse(name):
    text = "power(1/3)" if name == "power" else name
    link, activation = as_link(text), as_activation(text)
    eta = np.array([-2.5, -0.7]) if name == "log_complement" else np.array([0.3, 1.1, 2.4])
    expected = 2.0 * link.mean(eta) - 1.0 if name == "atanh" else link.mean(eta)
    np.testing.assert_allclose(activation.value(eta), expected, rtol=1e-14)
    slope = link.derivative(eta) * (2.0 if name == "atanh" else 1.0)
    np.testing.assert_allclose(activation.derivative(eta), slope, rtol=1e-14)
    assert activation.link == link.text


@pytest.mark.parametrize("name", NAMES)
def test_value_and_slope_are_finite_everywhere(name):
    activation = as_activation(name)
    if name not in ("square", "identity"):
        assert np.isfinite(activation.value(FAR)).all()
    assert np.isfinite(activation.derivative(FAR)).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_gives_the_same_numbers_and_gradients(name, dtype):
    torch = pytest.importorskip("torch")
    activation = as_activation(name)
    points = np.concatenate([POINTS, [-0.02, 0.01, 45.0]])
    tensor = torch.tensor(points, dtype=getattr(torch, dtype), requires_grad=True)
    value = activation.value(tensor)
    (gradient,) = torch.autograd.grad(value.sum(), tensor)
    assert value.dtype == gradient.dtype == activation.derivative(tensor).dtype == tensor.dtype
    near, slope = (1e-12, 1e-10) if dtype == "float64" else (2e-5, 2e-5)
    np.testing.assert_allclose(value.detach(), activation.value(points), rtol=near, atol=near)
    np.testing.assert_allclose(gradient, activation.derivative(points), rtol=slope, atol=slope)
    np.testing.assert_allclose(
        activation.derivative(tensor).detach(), activation.derivative(points), rtol=near, atol=near
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_in_torch_are_finite_at_the_far_ends(name, dtype):
    torch = pytest.importorskip("torch")
    ends = FAR if dtype == "float64" else np.clip(FAR, -1e15, 1e15)
    tensor = torch.tensor(ends, dtype=getattr(torch, dtype), requires_grad=True)
    value = as_activation(name).value(tensor)
    (gradient,) = torch.autograd.grad(value.sum(), tensor)
    assert torch.isfinite(value).all() and torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["reciprocal", "inverse_squared", "power(2)", "power(-0.5)", "power(2/3)"])
def test_powers_are_continuous_at_the_pole(name):
    activation = as_activation(name)
    edge = 1 / 30
    for side in (-edge, edge):
        below, above = activation.value(np.array([side * (1 - 1e-12), side * (1 + 1e-12)]))
        assert below == pytest.approx(above, rel=1e-10)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("logit", "sigmoid"),
        ("probit", "gauss"),
        ("cloglog", "gumbel"),
        ("atanh", "tanh"),
        ("log", "exp"),
        ("power(0)", "exp"),
        ("sqrt", "square"),
        ("inverse", "reciprocal"),
        ("1/mu^2", "inverse_squared"),
        (" ReLU ", "relu"),
        ("power(0.5)", "power(1/2)"),
        (ACTIVATIONS["silu"], "silu"),
    ],
)
def test_as_activation(text, name):
    assert as_activation(text).name == name


@pytest.mark.parametrize("name", NAMES)
def test_name_reads_back(name):
    activation = as_activation(name)
    again = as_activation(activation.name)
    assert again == activation and hash(again) == hash(activation)
    copied = pickle.loads(pickle.dumps(activation))
    assert isinstance(copied, Activation) and copied == activation
    np.testing.assert_array_equal(copied.value(POINTS), activation.value(POINTS))
    with pytest.raises(AttributeError):
        activation.name = "other"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("thanh", "Unknown activation: 'thanh'. Known: identity, sigmoid, tanh, "),
        ("thanh", "Did you mean 'tanh'?"),
        ("swish", "Unknown activation: 'swish'"),
        ("relu(2)", "Unknown activation: 'relu(2)'"),
        ("power", "needs its exponent"),
        ("power(1000)", "needs k between 0.01 and 100 in size: power(1000)"),
        ("logit(2)", "takes no number"),
        (3, "activation must be a name: 3"),
    ],
)
def test_as_activation_refuses(text, words):
    with pytest.raises(ArgumentError) as error:
        as_activation(text)
    assert words in str(error.value)
