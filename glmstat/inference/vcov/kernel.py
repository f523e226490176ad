"""Kernels that weigh autocovariances by their lag, and the rules that choose how far they reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, floor, inf

import numpy as np

from glmstat.errors import ArgumentError, near, one_of
from glmstat.matrix import Array

__all__ = ["ALIASES", "KERNELS", "Kernel", "andrews", "as_kernel", "lag_of_periods", "newey_west"]

_SMALL = 0.1  # below, five terms of the series have all digits and the closed form loses some


@dataclass(frozen=True)
class Kernel:
    """Weights of autocovariances: `weight(lag / bandwidth)`.

    Parameters
    ----------
    name : as in `vcov=`.
    weight : the weights at x >= 0; 1 at 0.
    reach : share of the bandwidth beyond which weights are 0.
    exponent : characteristic exponent q: how smooth the weight is at 0.
    constant : factor of the best bandwidth.
    rate : power of n / 100 in the number of autocovariances that `newey_west` looks at.

    Source: Andrews (1991), section 2 and equation 6.2; `rate`: Newey & West (1994), table II.

    >>> KERNELS["bartlett"].weights(2.5, 4).tolist()
    [1.0, 0.6, 0.19999999999999996, 0.0]
    """

    name: str
    weight: Callable[[Array], Array]
    reach: float
    exponent: int
    constant: float
    rate: float

    def weights(self, bandwidth: float, count: int) -> Array:
        """Return the weights (count,) of the lags 0, 1, …; bandwidth 0 leaves lag 0."""
        if bandwidth == 0:
            return (np.arange(count) == 0).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            return self.weight(np.arange(count) / bandwidth)

    def last_lag(self, bandwidth: float, count: int) -> int:
        """Return the last lag below `count` that has a weight."""
        if bandwidth == 0:
            return 0
        return count - 1 if self.reach == inf else min(count, ceil(self.reach * bandwidth)) - 1


def _bartlett(x: Array) -> Array:
    return np.maximum(1.0 - x, 0.0)


def _parzen(x: Array) -> Array:
    far = 2.0 * np.maximum(1.0 - x, 0.0) ** 3
    return np.where(x < 0.5, 1.0 - 6.0 * x**2 + 6.0 * x**3, far)


def _quadratic_spectral(x: Array) -> Array:
    y = 1.2 * np.pi * x
    square = y**2
    series = 1.0 - square / 10.0 * (1.0 - square / 28.0 * (1.0 - square / 54.0 * (1.0 - square / 88.0)))
    safe = np.where(y < _SMALL, 1.0, y)
    return np.where(y < _SMALL, series, 3.0 / safe**2 * (np.sin(safe) / safe - np.cos(safe)))


KERNELS: Mapping[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        Kernel("bartlett", _bartlett, 1.0, 1, 1.1447, 2 / 9),
        Kernel("parzen", _parzen, 1.0, 2, 2.6614, 4 / 25),
        Kernel("quadratic_spectral", _quadratic_spectral, inf, 2, 1.3221, 2 / 25),
    )
}
ALIASES: Mapping[str, str] = {
    "qs": "quadratic_spectral",
    "quadratic spectral": "quadratic_spectral",
    "newey-west": "bartlett",
}


def as_kernel(name: str) -> Kernel:
    """Return the kernel of a name, in any case of letters.

    Raises
    ------
    ArgumentError : no such kernel.

    >>> as_kernel("QS").name
    'quadratic_spectral'
    """
    word = name.lower() if isinstance(name, str) else ""
    word = ALIASES.get(word, word)
    if word not in KERNELS:
        known = (*KERNELS, *ALIASES)
        raise ArgumentError(f"Unknown kernel: {name!r}. Known: {one_of(known)}.{near(str(name), known)}")
    return KERNELS[word]


def andrews(series: Array, kernel: Kernel) -> float:
    """Return the bandwidth that is best for first-order autoregressions.

    Parameters
    ----------
    series : scores (n, m) in the order of time, a column per coefficient that counts.
    kernel : whose bandwidth is asked for.

    Raises
    ------
    ArgumentError : the scores do not determine the autoregressions.

    Source: Andrews (1991), equations 6.2 and 6.4; numbers as R's sandwich, bwAndrews, not prewhitened.
    """
    rho, variance = _autoregressions(series)
    power = kernel.exponent
    with np.errstate(all="ignore"):
        base = variance**2 / (1.0 - rho) ** 4
        slope = 4.0 * rho**2 * variance**2 / (1.0 - rho) ** (4 + 2 * power)
        slope = slope / (1.0 + rho) ** 2 if power == 1 else slope
        smooth = slope.sum() / base.sum()
        bandwidth = kernel.constant * (len(series) * smooth) ** (1.0 / (2 * power + 1))
    return _usable(float(bandwidth), "andrews")


def _autoregressions(series: Array) -> tuple[Array, Array]:
    """Slope and residual variance (m,) of each column on its value before, by least squares."""
    size = np.abs(series).max(axis=0, initial=0.0)
    total = size.max(initial=0.0)
    scaled = series / (total if total > 0 else 1.0)
    before, now = scaled[:-1], scaled[1:]
    with np.errstate(all="ignore"):
        before, now = before - before.mean(axis=0), now - now.mean(axis=0)
        rho = (before * now).sum(axis=0) / (before**2).sum(axis=0)
        return rho, ((now - rho * before) ** 2).mean(axis=0)


def newey_west(series: Array, kernel: Kernel) -> float:
    """Return the bandwidth from the first autocovariances themselves.

    Parameters
    ----------
    series : scores (n,) in the order of time, summed over the coefficients that count.
    kernel : whose bandwidth is asked for.

    Raises
    ------
    ArgumentError : the autocovariances sum to 0.

    Source: Newey & West (1994), section 3; numbers as R's sandwich, bwNeweyWest, not prewhitened.
    """
    count = len(series)
    lags = np.arange(1, min(floor(4 * (count / 100) ** kernel.rate), count - 1) + 1)
    size = np.abs(series).max(initial=0.0)
    scaled = series / (size if size > 0 else 1.0)
    products = np.array([scaled[lag:] @ scaled[:-lag] for lag in lags])
    power = kernel.exponent
    with np.errstate(all="ignore"):
        ratio = 2.0 * (lags**power @ products) / (scaled @ scaled + 2.0 * products.sum())
        bandwidth = kernel.constant * (ratio**2 * count) ** (1.0 / (2 * power + 1))
    return _usable(float(bandwidth), "newey-west")


def _usable(bandwidth: float, rule: str) -> float:
    """The bandwidth of a rule, if there is one."""
    if not np.isfinite(bandwidth):
        raise ArgumentError(
            f"The rule {rule!r} finds no bandwidth: the scores are too few, or do not vary. Give lag=."
        )
    return bandwidth


def lag_of_periods(rule: str, periods: int) -> int:
    """Return the last lag for a number of periods: floor(T^(1/4)), "NW1987", or floor(4 (T/100)^(2/9)).

    Source: Newey & West (1987, 1994), as R's sandwich reads them in vcovPL; the first is plm's rule too.

    >>> lag_of_periods("NW1987", 100), lag_of_periods("NW1994", 100)
    (3, 4)
    """
    return floor(periods**0.25 + 1e-12) if rule == "NW1987" else floor(4 * (periods / 100) ** (2 / 9) + 1e-12)
