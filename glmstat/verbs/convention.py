"""The verb that says why another system prints another number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glmstat.convention import Convention
    from glmstat.fit import Fit
    from glmstat.inference.convention.explain import Difference

__all__ = ["explain_difference"]


def explain_difference(self: Fit, system: str | Convention, *, data: Any = None) -> Difference:
    """Return what another system prints of the same model, and which of its conventions moves which number.

    Parameters
    ----------
    system : "R", "stata", "statsmodels", "sas" or "glmstat", as in `compat=`; or a `Convention`.
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Table with a row for each number that differs: `here`, `there`, and `convention`, the choices that move
    it, each found by moving it alone. Coefficients that one side lacks are empty there. Below it stand the
    choices in words, the names that change, what other verbs print otherwise, and what is known of the system
    that is no choice: defects, and numbers that go by another name. `moved` has the quantities by choice,
    `there` the fit under the other conventions.

    Raises
    ------
    ArgumentError : an unknown system.
    ComparisonError : no maximum of a likelihood: `prior=`, a bias-reducing method, a network's output.
    DataError : the fit holds no rows, and the other system's choices need them.

    >>> import glmstat
    >>> fit = glmstat.glm("y ~ x", {"y": [1, 2, 3, 5, 9], "x": [0, 1, 2, 3, 4]}, "gamma", link="log")
    >>> fit.explain_difference("R").moved
    {'wald_quantile': ('conf_low Intercept', 'conf_low x', 'conf_high Intercept', 'conf_high x')}
    """
    from glmstat.inference.convention.explain import explain_difference

    return explain_difference(self if data is None else self.with_data(data), system)
