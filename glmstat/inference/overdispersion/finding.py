"""The tests of overdispersion: a list, to which a module adds a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isnan, nan, sqrt
from typing import TYPE_CHECKING

from scipy.special import chdtr, chdtrc, ndtr

from glmstat.inference.overdispersion.seen import BINOMIAL, NEGATIVE_BINOMIAL, POISSON, Seen

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["TESTS", "Asked", "Finding"]


@dataclass(frozen=True)
class Finding:
    """One test.

    Parameters
    ----------
    test : label of the row.
    statistic : standard normal, or chi-squared(df) where df is a number.
    estimate : of the parameter that the label names.
    leads : whether the verdict goes by it.
    tail : p-value against "greater" where the statistic has another law, such as chi-bar-squared.
    tested : whether there is a p-value.
    """

    test: str
    statistic: float
    estimate: float
    df: float = nan
    leads: bool = False
    tail: float = nan
    tested: bool = True

    def p_value(self, alternative: str) -> float:
        """Return the p-value against "greater", "less" or "two-sided"."""
        above, below = self._tails
        if isnan(self.statistic) or not self.tested:
            return nan
        return {"greater": above, "less": below, "two-sided": min(1.0, 2.0 * min(above, below))}[alternative]

    @property
    def _tails(self) -> tuple[float, float]:
        if not isnan(self.tail):
            return self.tail, 1.0 - self.tail
        if isnan(self.df):
            return float(ndtr(-self.statistic)), float(ndtr(self.statistic))
        return float(chdtrc(self.df, self.statistic)), float(chdtr(self.df, self.statistic))


@dataclass(frozen=True, eq=False)
class Asked:
    """A fit, which variance of counts it has, and the sums over its rows.

    Parameters
    ----------
    seen : None where theta is estimated, so that nothing is tested.
    quasi : whether the dispersion is estimated by the fit itself.
    """

    fit: Fit
    kind: str
    seen: Seen | None
    quasi: bool

    @property
    def df(self) -> int:
        """Residual degrees of freedom of the rows that tell something."""
        return self.fit.estimate.df_beside_separated

    @property
    def ratio(self) -> float:
        """Pearson's chi-squared over its degrees of freedom."""
        return self.fit.pearson / self.df


def ratios(asked: Asked) -> Iterator[Finding]:
    """Yield Pearson's chi-squared and the deviance over their degrees of freedom.

    Source: McCullagh & Nelder (1989), sections 4.5 and 6.2.
    """
    fit, df, tested = asked.fit, asked.df, asked.seen is not None
    leads = asked.quasi or not tested
    yield Finding("Pearson / df", fit.pearson, asked.ratio, df, leads=leads, tested=tested)
    if not asked.quasi:
        yield Finding("deviance / df", fit.deviance, fit.deviance / df, df, tested=tested)


def scores(asked: Asked) -> Iterator[Finding]:
    """Yield the score tests against a quadratic variance and a proportional one.

    Source: Dean (1992), JASA 87, 451-457 (P_B and P_C of counts, and their forms for shares); Tarone (1979),
    Biometrika 66, 585-590, for beta-binomial shares.
    """
    if asked.quasi or asked.seen is None:
        return
    quadratic, proportional = asked.seen.quadratic, asked.seen.proportional
    labels = {
        POISSON: ("score P_B, mu + alpha mu^2", "score P_C, phi mu"),
        BINOMIAL: ("score, beta-binomial rho", "score, phi times binomial"),
        NEGATIVE_BINOMIAL: ("score, V + alpha mu^2", "score, phi V"),
    }[asked.kind]
    yield Finding(labels[0], quadratic.statistic, quadratic.estimate, leads=True)
    yield Finding(labels[1], proportional.statistic, 1.0 + proportional.estimate)


def regressions(asked: Asked) -> Iterator[Finding]:
    """Yield the regressions of ((y - mu)² - y) / mu on a constant (NB1) and on mu (NB2), of Poisson counts.

    Source: Cameron & Trivedi (1990), Journal of Econometrics 46, 347-364; numbers as AER's dispersiontest.
    """
    if asked.kind != POISSON or asked.quasi or asked.seen is None:
        return
    products = asked.seen.regression
    for label, place, shift in (
        ("regression NB1, phi mu", 0, 1.0),
        ("regression NB2, mu + alpha mu^2", 1, 0.0),
    ):
        inner, total = products[place, place], products[2, 2]
        slope = products[place, 2] / inner
        rest = (total - slope * products[place, 2]) / (asked.seen.rows - 1.0)
        statistic = slope / sqrt(rest / inner) if rest > 0 else nan
        yield Finding(label, statistic, slope + shift)


TESTS: tuple[Callable[[Asked], Iterator[Finding]], ...] = (ratios, scores, regressions)
