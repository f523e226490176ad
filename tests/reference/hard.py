"""Hard cases: their data, made by formulas without random numbers, and the exact score at any coefficients.

The arithmetic is mpmath's with 50 digits and shares no line with the package.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mpmath as mp

EPSILON = 2.0**-52
HERE = Path(__file__).parent
FILE = HERE / "hard_cases.json"
WORDS: dict[str, Any] = {
    name: getattr(math, name) for name in ("exp", "log", "floor", "sqrt", "atan", "pi", "sinh", "tan")
}
WORDS |= {"round": round, "abs": abs, "max": max, "min": min, "expit": lambda t: 1 / (1 + math.exp(-t))}
WORDS["phi"] = lambda t: 0.5 * math.erfc(-t / math.sqrt(2))


def cases(group: str | None = None) -> list[dict[str, Any]]:
    """Return the cases of one group ("table" or "own"), or all."""
    found = json.loads(FILE.read_text(encoding="utf-8"))["cases"]
    return [case for case in found if group in (None, case["group"])]


def columns(case: dict[str, Any]) -> dict[str, list[float]]:
    """Return the case's columns: row by row in Python floats, later formulas see earlier columns."""
    rows = [_row(case, i) for i in range(1, case["n"] + 1)]
    return {name: [row[name] for row in rows] for name in case["columns"]}


def _row(case: dict[str, Any], i: int) -> dict[str, float]:
    scope = {**WORDS, "i": i, "u": lambda k: (i * math.sqrt(k)) % 1.0}
    row: dict[str, float] = {}
    for name, text in case["columns"].items():
        row[name] = float(
            text[i - 1] if isinstance(text, list) else eval(text, {"__builtins__": {}}, {**scope, **row})
        )
    return row


class Variance(NamedTuple):
    """V, V' and the unit deviance."""

    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    deviance: Callable[[Any, Any], Any]


class Mean(NamedTuple):
    """Inverse link with two derivatives, and whether eta is inside its domain."""

    value: Callable[[Any], Any]
    first: Callable[[Any], Any]
    second: Callable[[Any], Any]
    link: Callable[[Any], Any]


def _xlogy(x: Any, y: Any) -> Any:
    return mp.mpf(0) if x == 0 else x * mp.log(y)


def variance(family: str) -> Variance:
    """Variance function of a family by its name."""
    name, number = split(family)
    if name == "negative_binomial":
        theta = mp.mpf(number)
        return Variance(
            lambda mu: mu + mu * mu / theta,
            lambda mu: 1 + 2 * mu / theta,
            lambda y, mu: 2 * (_xlogy(y, y / mu) - (y + theta) * mp.log((y + theta) / (mu + theta))),
        )
    return {
        "gaussian": Variance(lambda mu: mp.mpf(1), lambda mu: mp.mpf(0), lambda y, mu: (y - mu) ** 2),
        "poisson": Variance(
            lambda mu: mu, lambda mu: mp.mpf(1), lambda y, mu: 2 * (_xlogy(y, y / mu) - (y - mu))
        ),
        "binomial": Variance(
            lambda mu: mu * (1 - mu),
            lambda mu: 1 - 2 * mu,
            lambda y, mu: 2 * (_xlogy(y, y / mu) + _xlogy(1 - y, (1 - y) / (1 - mu))),
        ),
        "gamma": Variance(
            lambda mu: mu**2, lambda mu: 2 * mu, lambda y, mu: 2 * ((y - mu) / mu - mp.log(y / mu))
        ),
        "inverse_gaussian": Variance(
            lambda mu: mu**3, lambda mu: 3 * mu**2, lambda y, mu: (y - mu) ** 2 / (y * mu**2)
        ),
    }[name]


def mean(link: str) -> Mean:
    """Inverse link by its name."""
    name, number = split(link)
    powers = {"identity": "1", "sqrt": "1/2", "inverse": "-1", "inverse_squared": "-2", "power": number}
    if name in powers:
        top, _, bottom = powers[name].partition("/")
        k = mp.mpf(top) / mp.mpf(bottom or 1)
        r = 1 / k
        return Mean(
            lambda eta: eta**r,
            lambda eta: r * eta ** (r - 1),
            lambda eta: r * (r - 1) * eta ** (r - 2),
            lambda mu: mu**k,
        )
    return {
        "log": Mean(mp.exp, mp.exp, mp.exp, mp.log),
        "logit": Mean(
            _expit, _logistic, lambda t: _logistic(t) * (1 - 2 * _expit(t)), lambda m: mp.log(m / (1 - m))
        ),
        "probit": Mean(
            mp.ncdf, mp.npdf, lambda t: -t * mp.npdf(t), lambda m: mp.sqrt(2) * mp.erfinv(2 * m - 1)
        ),
        "cauchit": Mean(
            lambda t: mp.mpf(1) / 2 + mp.atan(t) / mp.pi,
            lambda t: 1 / (mp.pi * (1 + t * t)),
            lambda t: -2 * t / (mp.pi * (1 + t * t) ** 2),
            lambda m: mp.tan(mp.pi * (m - mp.mpf(1) / 2)),
        ),
        "cloglog": Mean(
            lambda t: -mp.expm1(-mp.exp(t)),
            lambda t: mp.exp(t - mp.exp(t)),
            lambda t: mp.exp(t - mp.exp(t)) * (1 - mp.exp(t)),
            lambda m: mp.log(-mp.log(1 - m)),
        ),
        "loglog": Mean(
            lambda t: mp.exp(-mp.exp(-t)),
            lambda t: mp.exp(-t - mp.exp(-t)),
            lambda t: mp.exp(-t - mp.exp(-t)) * (mp.exp(-t) - 1),
            lambda m: -mp.log(-mp.log(m)),
        ),
    }[name]


def _expit(t: Any) -> Any:
    return 1 / (1 + mp.exp(-t))


def _logistic(t: Any) -> Any:
    return _expit(t) * _expit(-t)


def split(text: str) -> tuple[str, str]:
    """Split "power(1/3)" into its name and its number."""
    found = re.fullmatch(r"(\w+)(?:\((.*)\))?", text)
    assert found, text
    return found[1], found[2] or ""


class Point(NamedTuple):
    """Deviance, score, expected and observed information at some coefficients, for dispersion 1."""

    deviance: Any
    score: Any
    expected: Any
    observed: Any
    pearson: Any


def scaled(matrix: Any) -> tuple[Any, list[Any]]:
    """The symmetric matrix with its diagonal scaled to ±1, and the scale: columns may have any size."""
    p = matrix.rows
    scale = [1 / mp.sqrt(abs(matrix[j, j])) for j in range(p)]
    return mp.matrix([[matrix[j, k] * scale[j] * scale[k] for k in range(p)] for j in range(p)]), scale


def solve(matrix: Any, vector: Any) -> Any:
    """Solution of a symmetric system."""
    unit, scale = scaled(matrix)
    found = mp.lu_solve(unit, mp.matrix([v * s for v, s in zip(vector, scale, strict=True)]))
    return mp.matrix([f * s for f, s in zip(found, scale, strict=True)])


class Problem:
    """A case in exact arithmetic: the doubles of its data, and what the likelihood says of them."""

    def __init__(self, case: dict[str, Any]) -> None:
        data = columns(case)
        n = case["n"]
        self.names: list[str] = list(case["design"])
        self.y = [mp.mpf(v) for v in data[case.get("response", "y")]]
        self.w = [mp.mpf(v) for v in data[case["weights"]]] if case.get("weights") else [mp.mpf(1)] * n
        self.offset = [mp.mpf(v) for v in data[case["offset"]]] if case.get("offset") else [mp.mpf(0)] * n
        columns_ = [[1.0] * n if c == "1" else data[c] for c in case["design"].values()]
        self.x = [[mp.mpf(v) for v in row] for row in zip(*columns_, strict=True)]
        self.variance, self.mean = variance(case["family"]), mean(case["link"])
        bounded = split(case["link"])[0] in ("identity", "sqrt", "inverse", "inverse_squared", "power")
        self.lowest = 0 if bounded and case["family"] != "gaussian" else -mp.inf
        self.estimated = split(case["family"])[0] in ("gaussian", "gamma", "inverse_gaussian")

    def eta(self, beta: Any) -> list[Any]:
        """Linear predictor of each row."""
        terms = zip(self.x, self.offset, strict=True)
        return [o + mp.fdot(x, list(beta)) for x, o in terms]

    def at(self, beta: Any) -> Point:
        """Everything at `beta`."""
        p = len(self.names)
        score, expected, observed = mp.zeros(p, 1), mp.zeros(p, p), mp.zeros(p, p)
        deviance = pearson = mp.mpf(0)
        for x, y, w, t in zip(self.x, self.y, self.w, self.eta(beta), strict=True):
            if w == 0:
                continue
            if t <= self.lowest:
                raise ValueError("outside the domain of the link")
            mu, d, d2 = self.mean.value(t), self.mean.first(t), self.mean.second(t)
            v, r = self.variance.value(mu), y - mu
            if v == r == 0:
                continue  # so far in the tail that 50 digits see no difference
            full = w * d * d / v
            seen = full - w * r * (d2 / v - d * d * self.variance.slope(mu) / v**2)
            deviance += w * self.variance.deviance(y, mu)
            pearson += w * r * r / v
            for j in range(p):
                score[j] += w * r * d / v * x[j]
                for k in range(p):
                    expected[j, k] += full * x[j] * x[k]
                    observed[j, k] += seen * x[j] * x[k]
        return Point(deviance, score, expected, observed, pearson)

    def dispersion(self, point: Point) -> Any:
        """1, or Pearson's estimate."""
        rows = sum(w > 0 for w in self.w) - len(self.names)
        return point.pearson / rows if self.estimated else mp.mpf(1)

    def std_errors(self, point: Point) -> list[float]:
        """Standard errors from the expected information."""
        p, phi = len(self.names), self.dispersion(point)
        units = [solve(point.expected, mp.eye(p)[:, j])[j] for j in range(p)]
        return [float(mp.sqrt(phi * unit)) for unit in units]

    def decrement(self, beta: Any) -> tuple[float, float]:
        """Length of the score in standard errors, and how much of it rounding `beta` to doubles can make.

        No coefficient is farther from its maximum by more than this many standard errors.
        """
        point = self.at(beta)
        step, phi = solve(point.expected, point.score), self.dispersion(point)
        lengths = (abs(b) * mp.sqrt(point.expected[j, j] / phi) for j, b in enumerate(beta))
        return float(mp.sqrt(abs((point.score.T * step)[0]) / phi)), EPSILON * float(mp.fsum(lengths))

    def noise(self, beta: Any) -> float:
        """What rounding of eta, of the mean and of the response may do to the deviance."""
        total = mp.mpf(0)
        for x, y, w, t in zip(self.x, self.y, self.w, self.eta(beta), strict=True):
            mu = self.mean.value(t)
            size = abs(mu) + abs(self.mean.first(t)) * mp.fsum(
                abs(v * b) for v, b in zip(x, beta, strict=True)
            )
            total += w * abs(y - mu) / self.variance.value(mu) * size
        return 4 * EPSILON * float(total)


def precise(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run with 50 digits."""

    def run(*arguments: Any) -> Any:
        with mp.workdps(50):
            return function(*arguments)

    return run


@precise
def decrement(case: dict[str, Any], beta: list[float]) -> tuple[float, float]:
    """Score of the case at `beta` in standard errors, and the part that is rounding of `beta`."""
    return Problem(case).decrement([mp.mpf(b) for b in beta])
