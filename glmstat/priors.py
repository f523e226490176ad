"""Priors of single coefficients, by class and by the names that `prior=` takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, fields
from math import inf, isfinite, nan

import numpy as np

from glmstat.array import Array
from glmstat.errors import ArgumentError, near, one_of
from glmstat.links import split_call

__all__ = [
    "PRIORS",
    "Cauchy",
    "Laplace",
    "Normal",
    "Prior",
    "StudentT",
    "as_prior",
    "cauchy",
    "laplace",
    "normal",
    "t",
]


LARGEST = 1e70  # of a scale, its inverse and a location: squares of their ratios do not overflow


class Prior(ABC):
    """A proper distribution of one coefficient: frozen, on the scale of the coefficient as written.

    Attributes
    ----------
    name : as `prior=` reads it back.
    location : where the density is highest.
    scale : > 0; the standard deviation of a normal, half the width between the quartiles of a Cauchy.
    df : degrees of freedom of t; infinite for the normal, 1 for Cauchy's, NaN for laplace.
    """

    name: str
    location: float
    scale: float
    df: float

    @abstractmethod
    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """Return independent draws (size,)."""

    @property
    def text(self) -> str:
        """Spelling that `prior=` reads back: "normal(0, 2.5)"."""
        return f"{self.name}({', '.join(map(_spelled, astuple(self)))})"  # pyright: ignore[reportArgumentType]

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Normal(Prior):
    """The normal distribution; `normal(0, 2.5)`.

    >>> print(normal(0, 2.5))
    normal(0, 2.5)
    """

    location: float = 0.0
    scale: float = 1.0
    name = "normal"
    df = inf

    def __post_init__(self) -> None:
        _check(self)

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """Return independent draws (size,)."""
        return self.location + self.scale * rng.standard_normal(size)


@dataclass(frozen=True)
class StudentT(Prior):
    """Student's t around a location; `t(3, 0, 1)`.

    >>> t(3, scale=2.5).text
    't(3, 0, 2.5)'
    """

    df: float
    location: float = 0.0
    scale: float = 1.0
    name = "t"

    def __post_init__(self) -> None:
        _check(self)
        if not self.df > 0:
            raise ArgumentError(f"df of t must be > 0: {self.df!r}. Write t(3, 0, 1).")

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """Return independent draws (size,)."""
        return self.location + self.scale * rng.standard_t(self.df, size)


@dataclass(frozen=True)
class Cauchy(Prior):
    """Cauchy's distribution, t with 1 degree of freedom; `cauchy(0, 2.5)`.

    >>> cauchy(0, 2.5).df
    1.0
    """

    location: float = 0.0
    scale: float = 1.0
    name = "cauchy"
    df = 1.0

    def __post_init__(self) -> None:
        _check(self)

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """Return independent draws (size,)."""
        return self.location + self.scale * rng.standard_cauchy(size)


@dataclass(frozen=True)
class Laplace(Prior):
    """The double exponential, with density exp(-|b - location| / scale) / (2 scale); `laplace(0, 1)`.

    >>> laplace(scale=2).text
    'laplace(0, 2)'
    """

    location: float = 0.0
    scale: float = 1.0
    name = "laplace"
    df = nan

    def __post_init__(self) -> None:
        _check(self)

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """Return independent draws (size,)."""
        return rng.laplace(self.location, self.scale, size)


# as the texts spell them
normal, t, cauchy, laplace = Normal, StudentT, Cauchy, Laplace

PRIORS: Mapping[str, Callable[..., Prior]] = {
    "normal": Normal,
    "t": StudentT,
    "cauchy": Cauchy,
    "laplace": Laplace,
}
_SPELLING = 'Write normal(0, 2.5) of glmstat.priors, or "normal(0, 2.5)".'


def as_prior(prior: str | Prior) -> Prior:
    """Return the prior that a text or an instance means.

    Parameters
    ----------
    prior : "normal(0, 2.5)", "t(3, 0, 1)", "cauchy(0, 2.5)", "laplace(0, 1)"; or an instance.

    Raises
    ------
    ArgumentError : a name that is not known, a number that is missing, a scale that is not > 0.

    >>> as_prior("t(3, 0, 2.5)").scale
    2.5
    """
    if isinstance(prior, Prior):
        return prior
    if not isinstance(prior, str):
        raise ArgumentError(f"A prior is a text or a Prior: got {type(prior).__name__}. {_SPELLING}")
    name, argument = split_call(prior)
    if name not in PRIORS:
        known = (*PRIORS, "weak")
        raise ArgumentError(f"Unknown prior: {prior!r}. Known: {one_of(known)}.{near(name, known)}")
    try:
        return PRIORS[name](*(float(part) for part in argument.split(",") if part.strip()))
    except (TypeError, ValueError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(
            f"{prior!r} needs {_words(PRIORS[name])}, numbers in this order. {_SPELLING}"
        ) from None


def _words(law: Callable[..., Prior]) -> str:
    return one_of([field.name for field in fields(law)])  # pyright: ignore[reportArgumentType]


def _spelled(value: float) -> str:
    return repr(value).removesuffix(".0")


def _check(prior: Prior) -> None:
    """Refuse what is no number and a scale that is not positive; make the numbers Python's."""
    for field in fields(prior):  # pyright: ignore[reportArgumentType]
        given = getattr(prior, field.name)
        try:
            value = float("nan") if isinstance(given, str | bool) else float(given)
        except (TypeError, ValueError):
            value = float("nan")
        if not isfinite(value):
            raise ArgumentError(f"{field.name} of {prior.name} must be a finite number: {given!r}.")
        object.__setattr__(prior, field.name, value)
    if not prior.scale > 0:
        raise ArgumentError(f"scale of {prior.name} must be > 0: {prior.scale!r}. For no prior write None.")
    if not 1.0 / LARGEST <= prior.scale <= LARGEST:
        raise ArgumentError(
            f"scale of {prior.name} must be between {1.0 / LARGEST:g} and {LARGEST:g}: {prior.scale!r}. "
            "For no prior write None; for a coefficient that is known write offset()."
        )
    if abs(prior.location) > LARGEST:
        raise ArgumentError(f"location of {prior.name} must be within {LARGEST:g} of 0: {prior.location!r}.")
