"""The verb that holds a fit's assumptions against its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.inference.check.verb import Checks

__all__ = ["check"]


def check(self: Fit, data: Any = None) -> Checks:
    """Return what the rows say of the assumptions of a gaussian fit with identity link.

    Collinearity (generalised variance inflation and condition number), equal variance (Breusch-Pagan,
    studentised), independence (Durbin-Watson, rows in the order of the data) and normal errors (Jarque-Bera).
    Prior weights are in the residuals, frequencies count as repetition.

    Parameters
    ----------
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Table with a row for each check: statistic, df, p_value, NaN where there is none; below it a line on each
    assumption. `inflation` has all terms, `doubtful` the assumptions that the numbers speak against.

    Raises
    ------
    ArgumentError : another family or link.
    ComparisonError : sampling weights.
    """
    from glmstat.inference.check.verb import check

    return check(self, data)
