"""Laws of data that are read piece by piece, on frames that are drawn: forms and cuts change no bit."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glmstat import Control, glm
from glmstat.data.source import open_source
from glmstat.errors import GlmstatError

LAWS = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FORMULA = "y ~ x + f + scale(i):b"


@st.composite
def frames(draw: Any) -> pd.DataFrame:
    """Numbers, truth values and text, any of them missing; a level may stand in one row alone."""
    rows = draw(st.integers(30, 200))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.lists(st.text("abzäß 0", min_size=1, max_size=3), min_size=2, max_size=5, unique=True))
    data = pd.DataFrame(
        {
            "y": rng.poisson(2, rows).astype(float),
            "x": rng.normal(size=rows),
            "i": pd.array(rng.integers(-5, 5, rows), dtype="Int64"),
            "b": pd.array(rng.random(rows) < 0.5, dtype="boolean"),
            "f": rng.choice(levels[: max(1, len(levels) - 1)], rows),
        }
    )
    data.loc[draw(st.integers(0, rows - 1)), "f"] = levels[-1]
    for name in ("x", "i", "b", "f"):
        data.loc[rng.random(rows) < draw(st.sampled_from([0, 0.02, 0.2])), name] = None
    if draw(st.booleans()):
        data["f"] = pd.Categorical(data["f"], draw(st.permutations([*levels, "unused"])))
    return data


def fitted(data: Any, control: Control) -> Any:
    """The fit, or the words in which it is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return glm(FORMULA, data, "poisson", control=control)
        except GlmstatError as error:
            return str(error)


@LAWS
@given(data=frames(), size=st.integers(1, 250), memory=st.sampled_from([0, 16e6]))
def test_files_and_batches_give_the_bits_of_memory(data, size, memory, tmp_path_factory):
    control = Control(memory=memory)
    folder = tmp_path_factory.mktemp("drawn")
    data.to_parquet(folder / "whole.parquet", row_group_size=size)
    for number, start in enumerate(range(0, len(data), max(size, 40))):
        part = data[start : start + max(size, 40)]
        part.to_parquet(folder / f"part-{number:02}.parquet")
    table, expected = pa.Table.from_pandas(data, preserve_index=False), fitted(data, control)
    forms = [
        folder / "whole.parquet",
        str(folder / "part-*.parquet"),
        ds.dataset(table),
        lambda: (data[start : start + size] for start in range(0, len(data), size)),
        lambda: table.to_batches(max_chunksize=size),
    ]
    for form in forms:
        assert fitted(form, control) == expected


@LAWS
@given(data=frames(), size=st.integers(1, 250))
def test_queries_give_the_bits_of_memory(data, size):
    data = data.assign(f=data["f"].astype(object))
    polars, expected = pl.from_pandas(data), fitted(data, Control(memory=0))
    assert fitted(polars, Control(memory=0)) == expected
    assert fitted(polars.lazy(), Control(memory=0)) == expected
    assert fitted(lambda: polars.iter_slices(size), Control(memory=0)) == expected


@LAWS
@given(data=frames(), size=st.integers(1, 90), block=st.integers(1, 90), workers=st.sampled_from([1, 3]))
def test_cuts_and_threads_change_no_bit(data, size, block, workers):
    source = open_source(lambda: (data[start : start + size] for start in range(0, len(data), size)))

    def total(frame: Any, number: int) -> float:
        return float(np.nansum(frame["x"]) + frame["f"].codes @ np.arange(1.0, frame.rows + 1))

    expected = open_source(data).map_reduce(total, block_rows=block)
    assert source.map_reduce(total, ["x", "f"], block_rows=block, workers=workers) == expected
    assert source.levels("f") == open_source(data).levels("f")
