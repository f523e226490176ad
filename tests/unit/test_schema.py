"""What the data teach: kinds, levels, states, and their JSON."""

import json

import numpy as np
import pandas as pd
import pytest

from glmstat.errors import DataError
from glmstat.formula.schema import Encoding, Schema
from tests.unit.framed import COUNTS, X, changed, framed

SCHEMA = framed("y ~ scale(log(t)) + f * b + factor(z)", offset="x").design.schema


def test_kinds_of_the_columns_on_the_right():
    assert SCHEMA.kinds == {
        "t": "numeric",
        "f": "categorical",
        "b": "boolean",
        "z": "numeric",
        "x": "numeric",
    }


def test_levels_by_part():
    assert SCHEMA.levels == {"f": ("a", "b", "c"), "b": (False, True), "factor(z)": (1.0, 2.0, 3.0, 5.0)}


def test_json_round_trip():
    plain = json.loads(json.dumps(SCHEMA.to_json(), allow_nan=False))
    again = Schema.from_json(plain)
    assert again.parts == SCHEMA.parts and again.to_json() == SCHEMA.to_json() == plain


@pytest.mark.parametrize(
    ("encoding", "full", "reduced"),
    [
        (Encoding("number"), 1, 1),
        (Encoding("basis", labels=("1", "2")), 2, 2),
        (Encoding("factor", levels=("a", "b", "c")), 3, 2),
    ],
)
def test_width(encoding, full, reduced):
    assert (encoding.width(full=True), encoding.width(full=False)) == (full, reduced)


def test_states_are_learned_level_by_level():
    schema = framed("y ~ scale(scale(x) * scale(z) + log(t))").design.schema
    x, z, t = (np.array(COUNTS[name]) for name in "xzt")

    def scaled(values):
        return (values - values.mean()) / values.std(ddof=1)

    inner = scaled(x) * scaled(z) + np.log(t)
    outer = schema.calls["scale(scale(x) * scale(z) + log(t))"]
    assert outer["center"] == pytest.approx(inner.mean(), rel=1e-14)
    assert outer["scale"] == pytest.approx(inner.std(ddof=1), rel=1e-14)
    assert set(schema.calls) == {"scale(x)", "scale(z)", "scale(scale(x) * scale(z) + log(t))"}


def test_states_learn_where_their_own_columns_are_present():
    x = np.array([1.0, np.nan, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    z = np.array([1.0, 2.0, np.nan, 4.0, 5.0, 6.0, 7.0, 8.0])
    frame = framed("y ~ scale(x) + z", changed(x=x, z=z))
    assert frame.rows == 6
    assert frame.design.schema.calls["scale(x)"]["center"] == pytest.approx(np.nanmean(x), rel=1e-14)


def test_subset_comes_before_states_and_levels():
    schema = framed("y ~ scale(x) + f", subset="f != 'c'").design.schema
    kept = [x for x, f in zip(COUNTS["x"], COUNTS["f"], strict=True) if f != "c"]
    assert schema.calls["scale(x)"]["center"] == pytest.approx(np.mean(kept), rel=1e-14)
    assert schema.levels["f"] == ("a", "b")


def test_levels_are_those_of_rows_without_missing_values():
    frame = framed(
        "y ~ f + x", changed(x=[np.nan if f == "c" else 1.0 * i for i, f in enumerate(COUNTS["f"])])
    )
    assert frame.design.schema.levels["f"] == ("a", "b")
    assert [note.kind for note in frame.notes] == ["missing", "levels"]


def test_text_of_every_kind_means_the_same():
    words = COUNTS["f"]
    dtypes = {
        "list": words,
        "object": np.array(words, dtype=object),
        "string": pd.array(words, dtype="string"),
    }
    dtypes |= {"category": pd.Series(words, dtype="category"), "unicode": np.array(words)}
    seen = {
        name: framed("y ~ f", changed(f=pd.Series(values))).design.columns for name, values in dtypes.items()
    }
    assert set(seen.values()) == {("Intercept", "f[T.b]", "f[T.c]")}


def test_tables_of_other_libraries_mean_the_same():
    polars = pytest.importorskip("polars")
    table = polars.DataFrame(COUNTS)
    enum = table.with_columns(polars.col("f").cast(polars.Enum(["a", "b", "c", "d"])))
    expected = framed("y ~ x * f + b")
    for other in (table, table.lazy(), enum, table.to_arrow()):
        frame = framed("y ~ x * f + b", other)
        assert frame.design.columns == expected.design.columns and frame.fingerprint == expected.fingerprint
        assert X(frame).tobytes() == X(expected).tobytes()


def test_cut_that_leaves_rows_out_is_refused():
    with pytest.raises(
        DataError, match=r"A factor needs a level in every row: cut\(x, \[0, 9\]\) is nan in rows 1, 3, 5"
    ):
        framed("y ~ cut(x, [0, 9])")
