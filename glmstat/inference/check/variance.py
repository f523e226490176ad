"""Equal variance: the Breusch-Pagan test, studentised by Koenker."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc

from glmstat.inference.check.finding import DOUBT, Checked, Finding
from glmstat.matrix import Array, Block

__all__ = ["breusch_pagan"]

_RANK = 1e-10  # least eigenvalue, of columns of length 1, that is not rounding


def breusch_pagan(checked: Checked) -> Finding:
    """Return n R² of the squared Pearson residuals on an intercept and the columns, chi-squared(columns).

    The errors need not be normal. Frequencies count as repetition; prior weights are in the residuals, and
    the second regression has none. Without weights, and with an intercept, the numbers of lmtest::bptest.

    Source: Breusch & Pagan (1979); Koenker (1981), Journal of Econometrics 17, 107-112.
    """
    name, assumption = "Breusch-Pagan", "equal variance"
    if checked.silent:
        return Finding(name, assumption, checked.silent)
    variance, size = checked.variance, np.sqrt(checked.rows)

    def kernel(block: Block) -> Array:
        part = checked.part(block)
        ones = np.full(len(part.residual), 1.0 / size)
        surplus = part.residual**2 / variance - 1.0
        rows = np.column_stack([ones, part.whitened, surplus])
        return (rows * part.counts[:, None]).T @ rows

    share, rank = _explained(checked.frame.reduce(kernel))
    if rank < 2:
        return Finding(name, assumption, "not checked: no column that the variance could change with")
    statistic, df = checked.rows * share, rank - 1
    p_value = float(chdtrc(df, statistic))
    doubtful = p_value < DOUBT
    said = 'doubtful, squared residuals change with the columns; vcov="HC3" does without it'
    words = said if doubtful else "nothing speaks against it"
    method = "Breusch-Pagan: studentised (Koenker), chi-squared"
    return Finding(name, assumption, words, statistic, df, p_value, method, doubtful)


def _explained(moments: Array) -> tuple[float, int]:
    """R² of the last of some columns on the others, by their cross products, and the rank of those."""
    inner, with_last, total = moments[:-1, :-1], moments[:-1, -1], moments[-1, -1]
    lengths = np.sqrt(np.diag(inner))
    scale = np.where(lengths > 0, lengths, 1.0)
    values, vectors = np.linalg.eigh(inner / np.outer(scale, scale))
    kept = values > _RANK * values[-1]
    along = vectors[:, kept].T @ (with_last / scale)
    explained = float((along**2 / values[kept]).sum() / total) if total > 0 else 0.0
    return min(explained, 1.0), int(kept.sum())
