"""Tables drawn from a known model, of any length: what a fit should find is known row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glmstat.datasets.card import Card, Variable
from glmstat.errors import ArgumentError, near, one_of

if TYPE_CHECKING:
    import pandas

Values = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]
Draw = Callable[[int, np.random.Generator, str], tuple[Columns, Values, Values]]


def generate(
    name: str, rows: int | None = None, *, seed: int = 1, family: str = "poisson", truth: bool = False
) -> pandas.DataFrame:
    """Return a table drawn from a known model.

    "policies": motor policies with an exposure in years and a number of claims, Poisson; risk bends in the
    ages of driver and car, which also change the effects of other columns, beside 22 regions and 11 brands
    whose effects are the same for every seed.

    "confounded": an effect of d beside a function of z1 to z5 that moves d too, so that a model linear in z
    gives d far too large an effect. The true coefficient of d is 0.5 (gaussian, binomial) or 0.3 (poisson).

    Parameters
    ----------
    name : "policies" or "confounded".
    rows : number of rows, independent of each other; None: 100,000 policies, 2,000 others.
    seed : whole number >= 0; the same seed gives the same table.
    family : of the response, with its canonical link: "poisson", and for "confounded" also "gaussian"
        (standard deviation 1) or "binomial".
    truth : also return the columns `eta`, the linear predictor without the logarithm of the exposure, and
        `mean`, the expected response.

    Returns
    -------
    DataFrame with the columns of the card that `describe` prints.

    Raises
    ------
    ArgumentError : unknown name, or a family that it does not have; rows or seed not a whole number.

    >>> generate("confounded", 3, truth=True).columns.tolist()
    ['y', 'd', 'z1', 'z2', 'z3', 'z4', 'z5', 'eta', 'mean']
    """
    import pandas

    generator = _found(name)
    if family not in generator.families:
        known = one_of(generator.families)
        raise ArgumentError(f"{generator.card.name!r} has no family {family!r}. Known: {known}.")
    rows = generator.card.rows if rows is None else _whole("rows", rows, 1)
    rng = np.random.default_rng(_whole("seed", seed, 0))
    columns, eta, mean = generator.draw(rows, rng, family)
    data: dict[str, Any] = {
        column.name: pandas.Categorical(np.array(column.levels)[columns[column.name]], [*column.levels])
        if column.levels
        else columns[column.name]
        for column in generator.card.columns
    }
    return pandas.DataFrame(data | ({"eta": eta, "mean": mean} if truth else {}))


def _found(name: str) -> Generator:
    found = GENERATED.get(str(name).casefold())
    if found is None:
        hint = near(str(name), GENERATED) or f" Known: {one_of([*GENERATED])}."
        raise ArgumentError(f"No data set of this name is generated: {name!r}.{hint}")
    return found


def _whole(word: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ArgumentError(f"{word} must be a whole number >= {least}: {value!r}.")
    return int(value)


_REGIONS = tuple(f"R{number:02d}" for number in range(1, 23))
_BRANDS = tuple(f"B{number:02d}" for number in range(1, 12))
_EFFECTS = np.random.default_rng(11)  # drawn once: they belong to the model, not to a table
_REGION_EFFECT = 0.25 * _EFFECTS.standard_normal(len(_REGIONS))
_BRAND_EFFECT = 0.2 * _EFFECTS.standard_normal(len(_BRANDS))


def _policies(rows: int, rng: np.random.Generator, family: str) -> tuple[Columns, Values, Values]:
    exposure = np.where(rng.random(rows) < 0.3, 1.0, rng.uniform(0.02, 1.0, rows))
    age = 18.0 + 72.0 * rng.beta(1.8, 2.8, rows)
    vehicle_age = np.minimum(rng.gamma(1.6, 4.5, rows), 40.0)
    power = rng.integers(4, 13, rows)
    density = np.clip(rng.normal(6.0, 1.9, rows), 0.0, 10.5)
    bonus = 50.0 + np.minimum(rng.gamma(0.45, 22.0, rows), 150.0)
    region = rng.choice(len(_REGIONS), rows, p=[0.25] + [0.75 / 21] * 21)
    brand = rng.integers(0, len(_BRANDS), rows)
    eta = (
        -2.95
        + 0.9 * np.exp(-(age - 18.0) / 6.0)
        + 0.25 * ((age - 50.0) / 25.0) ** 2
        + 0.010 * (bonus - 50.0)
        + 0.09 * (density - 6.0)
        - 0.25 * np.tanh((vehicle_age - 10.0) / 4.0)
        + 0.06 * (power - 6.0) * np.exp(-(age - 18.0) / 15.0)
        + 0.12 * (density - 6.0) * (vehicle_age < 3.0)
        + _REGION_EFFECT[region]
        + _BRAND_EFFECT[brand]
    )
    mean = exposure * np.exp(eta)
    columns = {
        "claims": rng.poisson(mean),
        "exposure": exposure,
        "age": age,
        "vehicle_age": vehicle_age,
        "power": power,
        "density": density,
        "bonus": bonus,
        "region": region,
        "brand": brand,
    }
    return columns, eta, mean


@dataclass(frozen=True)
class _Response:
    """Response of the confounded sets: eta = constant + effect d + strength f(z)."""

    constant: float
    effect: float
    strength: float
    mean: Callable[[Values], Values]
    draw: Callable[[np.random.Generator, Values], NDArray[Any]]


_RESPONSES = {
    "poisson": _Response(-0.2, 0.3, 0.6, np.exp, lambda rng, mean: rng.poisson(mean)),
    "gaussian": _Response(
        0.0, 0.5, 1.0, lambda eta: eta.copy(), lambda rng, mean: mean + rng.standard_normal(len(mean))
    ),
    "binomial": _Response(
        -0.3,
        0.5,
        1.0,
        lambda eta: 1.0 / (1.0 + np.exp(-eta)),
        lambda rng, mean: (rng.random(len(mean)) < mean).astype(np.int64),
    ),
}


def _confounded(rows: int, rng: np.random.Generator, family: str) -> tuple[Columns, Values, Values]:
    z1, z2, z3, z4, z5 = z = rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), (5, rows))  # variance 1
    wave, bowl = np.sin(1.5 * z1), 0.4 * (z2**2 - 1.0)
    d = 0.8 * wave + bowl + 0.3 * z5 + rng.standard_normal(rows)
    f = 0.7 * wave + bowl + 0.4 * z3 * z4 + 0.2 * z5
    response = _RESPONSES[family]
    eta = response.constant + response.effect * d + response.strength * f
    mean = response.mean(eta)
    controls = {f"z{number}": values for number, values in enumerate(z, start=1)}
    return {"y": response.draw(rng, mean), "d": d, **controls}, eta, mean


@dataclass(frozen=True, eq=False)
class Generator:
    """A card, whose rows are the default length, the families of the response, and how rows are drawn."""

    card: Card
    families: tuple[str, ...]
    draw: Draw


def _card(
    name: str, title: str, note: str, rows: int, columns: tuple[Variable, ...], model: dict[str, str]
) -> Card:
    source = f'glmstat.datasets.generate("{name}").'
    licence = "Generated for glmstat; under the licence of glmstat (BSD-3-Clause)."
    return Card(name, title, source, "C", licence, note, rows, columns, sha256="", model=model)


_POLICIES = _card(
    "policies",
    "Motor policies drawn from a known, bent risk",
    "About 0.05 claims a policy. truth=True adds eta and mean. What a model loses against the truth is the "
    "mean of 2 (mean log(mean / fitted) - mean + fitted), the excess of the unit deviance.",
    100_000,
    (
        Variable("claims", "claims in the time insured", "count", "numeric"),
        Variable("exposure", "time insured", "years", "numeric"),
        Variable("age", "age of the driver", "years", "numeric"),
        Variable("vehicle_age", "age of the car", "years", "numeric"),
        Variable("power", "class of power of the car, 4 to 12", "", "numeric"),
        Variable("density", "logarithm of the inhabitants per km² where the car is kept", "", "numeric"),
        Variable("bonus", "level of bonus or malus, from 50", "percent", "numeric"),
        Variable("region", "where the car is kept", "", "categorical", _REGIONS),
        Variable("brand", "make of the car", "", "categorical", _BRANDS),
    ),
    {
        "verb": "rglm",
        "formula": "claims ~ region + brand + nn(age, vehicle_age, power, density, bonus)"
        " + offset(log(exposure))",
        "family": "poisson",
    },
)
_CONFOUNDED = _card(
    "confounded",
    "An effect beside a function of other columns that moves its cause",
    "The coefficient of d is 0.3 for family='poisson', and 0.5 for 'gaussian' and 'binomial'.",
    2_000,
    (
        Variable("y", "response", "", "numeric"),
        Variable("d", "cause whose effect is asked for", "", "numeric"),
        *(Variable(f"z{number}", "control", "", "numeric") for number in range(1, 6)),
    ),
    {"verb": "rglm", "formula": "y ~ d + nn(z1, z2, z3, z4, z5)", "family": "poisson"},
)

GENERATED: Mapping[str, Generator] = MappingProxyType(
    {
        "policies": Generator(_POLICIES, ("poisson",), _policies),
        "confounded": Generator(_CONFOUNDED, tuple(_RESPONSES), _confounded),
    }
)
