"""Normal errors: the Jarque-Bera test of skewness and kurtosis."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc

from glmstat.inference.check.finding import DOUBT, Checked, Finding
from glmstat.matrix import Array, Block

__all__ = ["jarque_bera"]

_MANY = 2_000  # rows from which chi-squared is close: the statistic converges slowly


def jarque_bera(checked: Checked) -> Finding:
    """Return n (skewness² / 6 + (kurtosis - 3)² / 24) of the Pearson residuals, chi-squared(2).

    Moments are about the mean of the residuals, divided by n; frequencies count as repetition.

    Source: Jarque & Bera (1980, 1987); numbers as tseries::jarque.bera.test.
    """
    name, assumption = "Jarque-Bera", "normal errors"
    if checked.silent:
        return Finding(name, assumption, checked.silent)
    size = np.sqrt(checked.variance)

    def kernel(block: Block) -> Array:
        part = checked.part(block)
        ratio = part.residual / size
        return np.array([part.counts @ ratio**power for power in range(1, 5)])

    one, two, three, four = checked.frame.reduce(kernel) / checked.rows
    second = two - one**2
    skewness = (three - 3.0 * one * two + 2.0 * one**3) / second**1.5
    kurtosis = (four - 4.0 * one * three + 6.0 * one**2 * two - 3.0 * one**4) / second**2
    statistic = float(checked.rows * (skewness**2 / 6.0 + (kurtosis - 3.0) ** 2 / 24.0))
    p_value = float(chdtrc(2.0, statistic))
    doubtful = p_value < DOUBT
    said = "doubtful; t and F then hold approximately, the better the more rows"
    words = said if doubtful else "nothing speaks against them"
    few = f", rough below {_MANY:,} rows" if checked.rows < _MANY else ""
    method = f"Jarque-Bera: skewness {skewness:.2g}, kurtosis {kurtosis:.3g}, chi-squared{few}"
    return Finding(name, assumption, words, statistic, 2, p_value, method, doubtful)
