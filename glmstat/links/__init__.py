"""Link functions, by class and by the names that `link=` takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from glmstat.errors import ArgumentError, near, one_of
from glmstat.links.base import Link, Side, Tails
from glmstat.links.custom import Custom
from glmstat.links.power import Identity, Inverse, InverseSquared, Log, Power, Sqrt
from glmstat.links.probability import Atanh, Cauchit, CLogLog, LogComplement, Logit, LogLog, Probit
from glmstat.links.softplus import Softplus

__all__ = [
    "LINKS",
    "Atanh",
    "CLogLog",
    "Cauchit",
    "Custom",
    "Identity",
    "Inverse",
    "InverseSquared",
    "Link",
    "Log",
    "LogComplement",
    "LogLog",
    "Logit",
    "Power",
    "Probit",
    "Side",
    "Softplus",
    "Sqrt",
    "Tails",
    "as_link",
    "number",
    "split_call",
]

LINKS: Mapping[str, Callable[..., Link]] = {
    "identity": Identity,
    "log": Log,
    "logit": Logit,
    "atanh": Atanh,
    "probit": Probit,
    "cauchit": Cauchit,
    "cloglog": CLogLog,
    "loglog": LogLog,
    "inverse": Inverse,
    "inverse_squared": InverseSquared,
    "sqrt": Sqrt,
    "power": Power,
    "softplus": Softplus,
    "log_complement": LogComplement,
}

ALIASES = {"1/mu^2": "inverse_squared", "1/mu**2": "inverse_squared", "logc": "log_complement"}


def as_link(link: str | Link | type[Link]) -> Link:
    """Return the link that a name, a class or an instance means.

    Parameters
    ----------
    link : name as in `LINKS`, in any case and with "." or "-" for "_"; "power(1/3)"; a class that
        needs no argument; or an instance, which comes back as it is.

    Raises
    ------
    ArgumentError : a name that is not known, or "power" without its exponent.

    >>> as_link("inverse.squared").name, as_link("power(0)").name
    ('inverse_squared', 'log')
    """
    if isinstance(link, Link):
        return link
    if isinstance(link, type) and issubclass(link, Link):
        return _named(next((name for name, known in LINKS.items() if known is link), link.__name__), "")
    if not isinstance(link, str):
        raise ArgumentError(f'link must be a name or a link: {link!r}. Write for example link="log".')
    name, argument = split_call(link)
    return _named(ALIASES.get(name, name), argument)


def split_call(text: str) -> tuple[str, str]:
    """Split "power(1/3)" into its normalised name and the text in brackets."""
    match = re.fullmatch(r"\s*([^(]*?)\s*(?:\((.*)\))?\s*", text)
    name, argument = match.groups() if match else (text, "")
    return re.sub(r"[.\-\s]+", "_", name.lower()), (argument or "").strip()


def number(text: str, what: str, example: str = "2, 0.5 or 1/3") -> float:
    """Return the number in a name such as "power(1/3)"."""
    try:
        return float(text) if "/" not in text else float(Fraction(text.replace(" ", "")))
    except (ValueError, ZeroDivisionError) as error:
        raise ArgumentError(f"{what} is not a number: {text!r}. Write for example {example}.") from error


def _named(name: str, argument: str) -> Link:
    if name not in LINKS:
        raise ArgumentError(f"Unknown link: {name!r}. Known: {one_of(tuple(LINKS))}.{near(name, LINKS)}")
    if name != "power":
        if argument:
            raise ArgumentError(f"The {name} link takes no number: {argument!r}. Write {name!r}.")
        return LINKS[name]()
    if not argument:
        raise ArgumentError(
            'The power link needs its exponent: power. Write "power(1/3)" or links.Power(1/3).'
        )
    exponent = number(argument, "The exponent of power()")
    return Log() if exponent == 0 else Power(exponent)
