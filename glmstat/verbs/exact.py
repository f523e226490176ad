"""The verb for samples too small for large-sample theory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.inference.exact.outcome import Exact

__all__ = ["exact"]


def exact(
    self: Fit,
    term: str | Sequence[str] | None = None,
    *,
    test: str | None = None,
    null: float | None = None,
    midp: bool = False,
    alternative: str = "two-sided",
    level: float = 0.95,
    interval: str | None = None,
    eform: bool = True,
    method: str = "auto",
    reps: int = 10_000,
    seed: int = 1,
    limit: int = 5_000_000,
    data: Any = None,
) -> Exact:
    """Return exact tests, estimates and intervals of a binomial (logit) or Poisson (log) model.

    The formula says what is asked. `y ~ 1`: one proportion, or one rate. `y ~ g` with two groups: a 2 x 2
    table, or two rates. Anything else: exact conditional regression, in which the sum of a column is compared
    with all that it could be, given the sums of all other columns. The fit gives the rows, trials, exposure,
    offset and columns; its estimate is not used, and may be infinite.

    Parameters
    ----------
    term : coefficients or terms; default every term. A term of several columns has a row for the joint test
        before those of its columns.
    test : "conditional" (by probability; of two groups this is Fisher's), "score" (by distance from the
        mean), "fisher"; "barnard" and "boschloo" do not condition on the total of two groups. None takes
        "conditional", and "score" where tables are drawn or few of them share a sum.
    null : the parameter under the hypothesis, on the scale that is shown: a proportion (default 0.5), a rate
        (1), a ratio (1), with eform=False a coefficient (0). A proportion or a rate is shown as it is.
    midp : take off half of the probability of the observed outcome. Closer to the level, but may exceed it.
    alternative : "two-sided", "less" or "greater"; intervals follow.
    level : least coverage of the intervals.
    interval : "clopper-pearson" (default) or "blyth-still" for one proportion, "garwood" for one rate,
        "tails" for ratios: both one-sided tests inverted.
    eform : show odds and rate ratios; False shows coefficients.
    method : "enumerate" all tables, "monte carlo" to draw them, "auto" to draw where there are too many.
    reps, seed : of the draws, which are independent; the observed table counts as one more.
    limit : arcs of the network of tables: memory and time grow with it.
    data : the data of the fit, where the fit holds none.

    Returns
    -------
    Table with estimate, conf_low, conf_high, statistic, p_value, p_doubled (twice the smaller tail) and,
    where tables were drawn, p_error. `tests` has a record for each row. An end is infinite where the data
    do not bound it; the estimate is then median unbiased.

    Raises
    ------
    ArgumentError : another family or link, an unknown word, words that do not fit each other or the formula,
        or a distribution that is too large.
    ComparisonError : sampling weights, prior weights that are no trials, a prior, a dispersion that is not 1.
    DataError : counts that are not whole numbers.

    Source: Clopper & Pearson (1934); Garwood (1936); Barnard (1947); Boschloo (1970); Blyth & Still (1983),
    Casella (1986); Hirji, Mehta & Patel (1987), J. American Statistical Association 82, 1110-1117; Mehta,
    Patel & Senchaudhuri (2000), 95, 99-108.

    >>> import glmstat
    >>> tea = {"milk": [1, 1, 1, 0, 1, 0, 0, 0], "said": [1, 1, 1, 1, 0, 0, 0, 0]}
    >>> found = glmstat.glm("milk ~ said", tea, "binomial").exact(alternative="greater")
    >>> round(found.p_value, 4)
    0.2429
    """
    from glmstat.inference.exact.outcome import Asked
    from glmstat.inference.exact.verb import exact

    asked = Asked(test, null, midp, alternative, level, interval, eform, method, reps, seed, limit)
    return exact(self, term, asked, data)
