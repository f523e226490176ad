"""Forty rows for the tests of the result: counts, a positive cost, an exposure, weights and a factor."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["frame"]


def frame(n: int = 40) -> pd.DataFrame:
    """Return the rows on an index that does not start at 0."""
    i = np.arange(1, n + 1)
    u = [(i * np.sqrt(k)) % 1 for k in (2, 3, 5, 7)]
    x, t = 2 * u[0] - 1, 0.5 + 2 * u[1]
    f = np.array(["a", "b", "c"])[i % 3]
    mean = t * np.exp(0.4 + 0.6 * x - 0.5 * (f == "b"))
    return pd.DataFrame(
        {
            "y": np.floor(2 * u[2] * mean),
            "g": mean * (0.2 + 2 * u[3]),
            "won": np.where(u[2] < 0.5 + 0.3 * x, "yes", "no"),
            "x": x,
            "t": t,
            "f": f,
            "w": 1.0 + i % 4,
        },
        index=pd.Index(1000 + i, name="row"),
    )
