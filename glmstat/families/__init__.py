"""Families of the response, by class and by the names that `family=` takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from glmstat.errors import ArgumentError, near, one_of
from glmstat.families.base import Family, Interval
from glmstat.families.continuous import Gamma, Gaussian, InverseGaussian, Tweedie
from glmstat.families.count import Binomial, NegativeBinomial, Poisson
from glmstat.families.custom import Custom
from glmstat.families.quasi import Quasi, QuasiBinomial, QuasiPoisson
from glmstat.families.variance import Information, Slopes
from glmstat.links import Link, as_link, number, split_call

__all__ = [
    "FAMILIES",
    "Binomial",
    "Custom",
    "Family",
    "Gamma",
    "Gaussian",
    "Information",
    "Interval",
    "InverseGaussian",
    "NegativeBinomial",
    "Poisson",
    "Quasi",
    "QuasiBinomial",
    "QuasiPoisson",
    "Slopes",
    "Tweedie",
    "as_family",
]

FAMILIES: Mapping[str, Callable[..., Family]] = {
    "gaussian": Gaussian,
    "binomial": Binomial,
    "poisson": Poisson,
    "gamma": Gamma,
    "inverse_gaussian": InverseGaussian,
    "negative_binomial": NegativeBinomial,
    "tweedie": Tweedie,
    "quasi": Quasi,
    "quasibinomial": QuasiBinomial,
    "quasipoisson": QuasiPoisson,
}

ALIASES = {
    "inversegaussian": "inverse_gaussian",
    "negativebinomial": "negative_binomial",
    "nb": "negative_binomial",
    "quasi_binomial": "quasibinomial",
    "quasi_poisson": "quasipoisson",
}

ESTIMATED = {
    "negative_binomial": "theta",
    "tweedie": "p",
}  # estimated where not given


def as_family(family: str | Family | type[Family], link: str | Link | type[Link] | None = None) -> Family:
    """Return the family that a name, a class or an instance means, with the link if one is given.

    Parameters
    ----------
    family : name as in `FAMILIES`, in any case and with "." or "-" for "_", with its number in
        brackets ("negative_binomial(2)", "tweedie(1.6)", "quasi(mu^2)"); a class; or an instance.
    link : link that replaces the family's own.

    Raises
    ------
    ArgumentError : a name that is not known, a number that is missing, or a link not allowed.

    >>> as_family("Gamma", "log").link.name
    'log'
    """
    found = _resolve(family)
    return found if link is None else _with_link(found, as_link(link))


def _with_link(family: Family, link: Link) -> Family:
    if isinstance(family, Quasi):
        return Quasi(family.law, link, domain=family.domain)
    if isinstance(family, Custom):
        return Custom(
            family.name, family.law, link, family.density,
            domain=family.domain, dispersion=family.dispersion,
        )  # fmt: skip
    return replace(family, link=link)  # pyright: ignore[reportArgumentType]


def _resolve(family: str | Family | type[Family]) -> Family:
    if isinstance(family, Family):
        return family
    if isinstance(family, type) and issubclass(family, Family):
        return _named(
            next((name for name, known in FAMILIES.items() if known is family), family.__name__), ""
        )
    if not isinstance(family, str):
        raise ArgumentError(
            f'family must be a name or a family: {family!r}. Write for example family="poisson".'
        )
    name, argument = split_call(family)
    return _named(ALIASES.get(name, name), argument)


def _named(name: str, argument: str) -> Family:
    if name not in FAMILIES:
        raise ArgumentError(
            f"Unknown family: {name!r}. Known: {one_of(tuple(FAMILIES))}.{near(name, FAMILIES)}"
        )
    if name == "quasi":
        return Quasi(argument.strip("\"'") or "constant")
    if name not in ESTIMATED:
        if argument:
            raise ArgumentError(f"The {name} family takes no number: {argument!r}. Write {name!r}.")
        return FAMILIES[name]()
    if not argument:
        return FAMILIES[name]()
    word = ESTIMATED[name]
    value = re.sub(rf"^{word}\s*=\s*", "", argument)
    return FAMILIES[name](number(value, f"{word} of {name}", "1.5" if word == "p" else "2, 0.5 or 1/3"))
