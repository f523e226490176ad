"""Records of the choices that move numbers; `compat=` selects one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from glmstat.errors import ArgumentError, near, one_of

__all__ = ["CONVENTIONS", "Convention", "as_convention"]


@dataclass(frozen=True)
class Convention:
    """One system's choices.

    Parameters
    ----------
    name : as given to `compat=`.
    wald_quantile : distribution that cuts Wald intervals: "dispersion" uses t where the dispersion
        is estimated and normal otherwise; "normal" always uses the normal, as R's `confint.default`.
    """

    name: str
    wald_quantile: Literal["dispersion", "normal"] = "dispersion"


CONVENTIONS = {
    record.name: record for record in (Convention("glmstat"), Convention("R", wald_quantile="normal"))
}


def as_convention(name: str) -> Convention:
    """Return the record called `name`."""
    if name not in CONVENTIONS:
        known = one_of(tuple(CONVENTIONS))
        raise ArgumentError(f"Unknown compat: {name!r}. Known: {known}.{near(str(name), CONVENTIONS)}")
    return CONVENTIONS[name]
