"""Activations of hidden layers: every inverse link, and the few limits and gates that are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import exp
from typing import Any, TypeAlias

from glmstat.array import namespace, quiet
from glmstat.errors import ArgumentError, near, one_of
from glmstat.links import (
    LINKS,
    Cauchit,
    CLogLog,
    Link,
    Logit,
    LogLog,
    Power,
    Probit,
    Softplus,
    as_link,
    split_call,
)

__all__ = ["ACTIVATIONS", "Activation", "as_activation"]

Elementwise: TypeAlias = Callable[[Any], Any]

HIGH = 30.0  # exponents are held here: exp(30) is 1e13, and its square still an ordinary float32
DEEP = -700.0  # exp(-700) is still an ordinary double
FLAT = 40.0  # beyond, the normal distribution function is 0 or 1 to a double
POLE = 1.0 / HIGH  # powers with a pole at 0, or no slope there, are straight nearer than this


@dataclass(frozen=True)
class Activation:
    """A function of a hidden unit's predictor with its derivative, for numpy arrays and torch tensors.

    An inverse link where it has one: a hidden unit is then the mean of a regression. Two things differ from
    the link, so that no gradient is infinite or NaN: exponents above 30 are held at 30, and powers that
    are not whole and positive are continued to x <= 0 as odd functions (even ones as even), by a straight
    line where |x| < 1/30. `tanh` is tanh(x) itself, the mean of responses coded -1 and 1.

    Attributes
    ----------
    name : as `as_activation` reads it back.
    link : the link of which this is the inverse; None for relu, silu, gelu and sin.

    >>> import numpy as np
    >>> as_activation("sqrt").value(np.array([-3.0, 2.0])).tolist()
    [9.0, 4.0]
    """

    name: str
    link: str | None
    functions: tuple[Elementwise, Elementwise] = field(repr=False, compare=False)

    @quiet
    def value(self, x: Any) -> Any:
        """Return the activation of every entry.

        Parameters
        ----------
        x : array or tensor of any shape.
        """
        return self.functions[0](x)

    @quiet
    def derivative(self, x: Any) -> Any:
        """Return the derivative at every entry, 0 where the value is held.

        Parameters
        ----------
        x : array or tensor of any shape.
        """
        return self.functions[1](x)


def as_activation(text: str | Activation) -> Activation:
    """Return the activation that a name means: its own, or that of the link it is the inverse of.

    Parameters
    ----------
    text : "tanh", "relu" and so on as in `ACTIVATIONS`; or any link, "logit" for sigmoid, "sqrt" for
        square, "power(1/3)" for the cube; in any case.

    Raises
    ------
    ArgumentError : a name that is neither, or "power" without its exponent.

    >>> as_activation("logit").name, as_activation("power(1/3)").name
    ('sigmoid', 'power(1/3)')
    """
    if isinstance(text, Activation):
        return text
    if not isinstance(text, str):
        raise ArgumentError(f'activation must be a name: {text!r}. Write for example activation="tanh".')
    name, argument = split_call(text)
    if name in ACTIVATIONS and not argument:
        return ACTIVATIONS[name]
    known = (*ACTIVATIONS, *(name for name in LINKS if name not in ACTIVATIONS))
    try:
        link = as_link(text)
    except ArgumentError:
        if name in LINKS:
            raise
        raise ArgumentError(
            f"Unknown activation: {text.strip()!r}. Known: {one_of(known)}.{near(name, known)}"
        ) from None
    return _inverse(link)


def _inverse(link: Link) -> Activation:
    if not isinstance(link, Power):
        return BY_LINK[link.name]
    if not 0.01 <= abs(link.k) <= 100.0:
        raise ArgumentError(
            f"activation power(k) needs k between 0.01 and 100 in size: {link.text}. Use exp, its limit."
        )
    exponent = 1.0 / link.k
    whole = float(round(exponent))
    exponent = whole if abs(exponent - whole) < 1e-12 else exponent
    return Activation(link.text, link.text, _powers(exponent))


def _identity(x: Any) -> Any:
    return x


def _one(x: Any) -> Any:
    return namespace(x).ones_like(x)


def _sigmoid(x: Any) -> Any:
    return Softplus().derivative(x)


def _sigmoid_slope(x: Any) -> Any:
    return Logit().derivative(x)


def _gauss(x: Any) -> Any:
    return Probit().mean(namespace(x).clip(x, -FLAT, FLAT))


def _gauss_slope(x: Any) -> Any:
    return Probit().derivative(namespace(x).clip(x, -FLAT, FLAT))


def _gumbel(x: Any) -> Any:
    return CLogLog().mean(namespace(x).clip(x, DEEP, HIGH))


def _gumbel_slope(x: Any) -> Any:
    return CLogLog().derivative(namespace(x).clip(x, DEEP, HIGH))


def _loglog(x: Any) -> Any:
    return LogLog().mean(namespace(x).clip(x, -HIGH, -DEEP))


def _loglog_slope(x: Any) -> Any:
    return LogLog().derivative(namespace(x).clip(x, -HIGH, -DEEP))


def _tanh(x: Any) -> Any:
    return namespace(x).tanh(x)


def _tanh_slope(x: Any) -> Any:
    return 4.0 * Logit().derivative(2.0 * x)


def _exp(x: Any) -> Any:
    xp = namespace(x)
    return xp.exp(xp.clip(x, None, HIGH))


def _exp_slope(x: Any) -> Any:
    return namespace(x).where(x > HIGH, 0.0, _exp(x))


def _log_complement(x: Any) -> Any:
    xp = namespace(x)
    return -xp.expm1(xp.clip(x, None, HIGH))


def _log_complement_slope(x: Any) -> Any:
    return -_exp_slope(x)


def _cauchit(x: Any) -> Any:
    return Cauchit().mean(x)


def _cauchit_slope(x: Any) -> Any:
    return Cauchit().derivative(x)


def _softplus(x: Any) -> Any:
    return Softplus().mean(x)


def _relu(x: Any) -> Any:
    return namespace(x).where(x > 0, x, 0.0)


def _relu_slope(x: Any) -> Any:
    xp = namespace(x)
    return xp.where(x > 0, xp.ones_like(x), 0.0)


def _silu(x: Any) -> Any:
    return x * _sigmoid(x)


def _silu_slope(x: Any) -> Any:
    return _sigmoid(x) + x * _sigmoid_slope(x)


def _gelu(x: Any) -> Any:
    return x * _gauss(x)


def _gelu_slope(x: Any) -> Any:
    return _gauss(x) + x * _gauss_slope(x)


def _sin(x: Any) -> Any:
    return namespace(x).sin(x)


def _sin_slope(x: Any) -> Any:
    return namespace(x).sin(x + 1.5707963267948966)


def _whole_power(exponent: float, x: Any) -> Any:
    limit = exp(HIGH / exponent)
    return namespace(x).clip(x, -limit, limit) ** exponent


def _whole_power_slope(exponent: float, x: Any) -> Any:
    xp = namespace(x)
    limit = exp(HIGH / exponent)
    slope = exponent * xp.clip(x, -limit, limit) ** (exponent - 1.0)
    return xp.where(xp.abs(x) > limit, 0.0, slope)


def _far(exponent: float) -> float:
    return exp(HIGH / abs(exponent))


def _power(exponent: float, x: Any) -> Any:
    """|x| ** exponent beyond the pole, odd or even; inside, a line through 0 or a constant."""
    xp = namespace(x)
    size = xp.clip(xp.abs(x), POLE, _far(exponent)) ** exponent
    if exponent % 2 == 0:
        return size
    sign = xp.where(x > 0, 1.0, -1.0)
    return size * xp.where(xp.abs(x) < POLE, x / POLE, sign)


def _power_slope(exponent: float, x: Any) -> Any:
    xp = namespace(x)
    size = xp.abs(x)
    held = xp.clip(size, POLE, _far(exponent))
    slope = xp.where(size > _far(exponent), 0.0, exponent * held ** (exponent - 1.0))
    if exponent % 2 == 0:
        return xp.where(size < POLE, 0.0, xp.where(x > 0, slope, -slope))
    return xp.where(size < POLE, POLE ** (exponent - 1.0), slope)


def _powers(exponent: float) -> tuple[Elementwise, Elementwise]:
    if exponent > 0 and exponent == round(exponent):
        return partial(_whole_power, exponent), partial(_whole_power_slope, exponent)
    return partial(_power, exponent), partial(_power_slope, exponent)


ACTIVATIONS: Mapping[str, Activation] = {
    name: Activation(name, link, functions)
    for name, link, functions in (
        ("identity", "identity", (_identity, _one)),
        ("sigmoid", "logit", (_sigmoid, _sigmoid_slope)),
        ("tanh", "atanh", (_tanh, _tanh_slope)),
        ("gauss", "probit", (_gauss, _gauss_slope)),
        ("gumbel", "cloglog", (_gumbel, _gumbel_slope)),
        ("loglog", "loglog", (_loglog, _loglog_slope)),
        ("cauchit", "cauchit", (_cauchit, _cauchit_slope)),
        ("exp", "log", (_exp, _exp_slope)),
        ("softplus", "softplus", (_softplus, _sigmoid)),
        ("square", "sqrt", _powers(2.0)),
        ("reciprocal", "inverse", _powers(-1.0)),
        ("inverse_squared", "inverse_squared", _powers(-0.5)),
        ("log_complement", "log_complement", (_log_complement, _log_complement_slope)),
        ("relu", None, (_relu, _relu_slope)),
        ("silu", None, (_silu, _silu_slope)),
        ("gelu", None, (_gelu, _gelu_slope)),
        ("sin", None, (_sin, _sin_slope)),
    )
}
BY_LINK = {one.link: one for one in ACTIVATIONS.values() if one.link}
