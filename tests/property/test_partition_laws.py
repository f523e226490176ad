"""Laws of data that lie in partitions, on frames that are drawn: cuts change rounding alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmstat import Control
from glmstat.fit import Fit
from tests.property.test_source_laws import LAWS, fitted, frames

dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")
STREAM = Control(memory=0)


class Tables:
    """Pieces by number, for `dask.dataframe.from_map`."""

    def __init__(self, pieces: list[pd.DataFrame]) -> None:
        self.pieces = pieces

    def __call__(self, number: int) -> pd.DataFrame:
        return self.pieces[number]


def partitions(data: pd.DataFrame, ends: list[int]) -> Any:
    cuts = [0, *sorted(ends), len(data)]
    pieces = [data.iloc[start:stop] for start, stop in pairwise(cuts)]
    with dask.config.set({"dataframe.convert-string": False}):
        return dd.from_map(Tables(pieces), range(len(pieces)), meta=data.iloc[:0], enforce_metadata=False)


@LAWS
@given(data=frames(), cuts=st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_partitions_give_the_numbers_of_memory(data: pd.DataFrame, cuts: list[float]) -> None:
    """Partitions may be empty, lack a level, or hold a column without a value."""
    expected = fitted(data, STREAM)
    with dask.config.set(scheduler="sync"):
        found = fitted(partitions(data, [round(cut * len(data)) for cut in cuts]), STREAM)
    if not isinstance(expected, Fit):
        assert found == expected
        return
    assert (found.columns, found.status, found.notes) == (expected.columns, expected.status, expected.notes)
    assert found.estimate.fingerprint == expected.estimate.fingerprint
    assert list(found.estimate.aliased) == list(expected.estimate.aliased)
    if expected.status == "converged":
        np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.deviance, expected.deviance, rtol=1e-12)
        np.testing.assert_allclose(found.stderror(), expected.stderror(), rtol=1e-8)
