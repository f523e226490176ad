"""Rows that enter, roles, blocks and sums."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from glmstat.errors import ArgumentError, ColumnError, DataError
from tests.unit.framed import COUNTS, X, changed, column, framed

NAN = np.nan


def gram(block):
    return block.X[0].sandwich(block.total)


class TestRows:
    def test_a_row_is_dropped_once_and_each_variable_told(self):
        data = changed(
            x=[NAN, NAN, 2.0, 0.0, 1.5, -0.5, 3.0, 1.0], t=[1.0, NAN, 1.0, 3.0, 1.0, 2.0, 4.0, 1.0]
        )
        frame = framed("y ~ x + offset(log(t))", data, weights=[1, 1, 1, 1, 1, 1, 1, NAN])
        assert frame.rows == 5 and frame.rows_kept.tolist() == [2, 3, 4, 5, 6]
        assert frame.missing.by == {"x": 2, "t": 1, "weights": 1}
        assert frame.notes[0].text == "dropped 3 of 8 rows: x 2, t 1, weights 1 missing"
        assert frame.block(0).rows.tolist() == [2, 3, 4, 5, 6]

    def test_missing_in_columns_of_every_kind(self):
        data = changed(f=["a", None, *COUNTS["f"][2:]], b=pd.array([None, *COUNTS["b"][1:]], dtype="boolean"))
        frame = framed("y ~ f + b", pd.DataFrame(data))
        assert frame.missing.by == {"f": 1, "b": 1} and frame.rows == 6

    def test_missing_outside_the_subset_costs_nothing(self):
        frame = framed("y ~ x", changed(x=[NAN, *COUNTS["x"][1:]]), subset="f != 'a'")
        assert frame.missing.dropped == 0 and frame.notes[0].text == "subset chose 5 of 8 rows"

    def test_a_row_where_the_subset_is_missing_is_not_chosen(self):
        frame = framed("y ~ z", changed(x=[NAN, *COUNTS["x"][1:]]), subset="x != 7")
        assert frame.rows_kept.tolist() == list(range(1, 8))

    @pytest.mark.parametrize("subset", [np.array(COUNTS["x"]) > 0, "x > 0", "keep"])
    def test_subset_as_array_expression_and_column(self, subset):
        frame = framed("y ~ z", changed(keep=np.array(COUNTS["x"]) > 0), subset=subset)
        assert frame.rows_asked.tolist() == [0, 2, 4, 6, 7] == frame.rows_kept.tolist()

    def test_subset_learns_from_all_rows(self):
        frame = framed("y ~ z", changed(x=[NAN, *COUNTS["x"][1:]]), subset="scale(x) > 0")
        above = [row for row in range(1, 8) if COUNTS["x"][row] > np.mean(COUNTS["x"][1:])]
        assert frame.rows_kept.tolist() == above

    def test_nothing_lost(self):
        frame = framed("y ~ x", subset=np.ones(8, dtype=bool))
        assert (
            frame.rows_kept is None
            and frame.rows_asked is None
            and frame.block(0).rows is None
            and not frame.notes
        )

    @pytest.mark.parametrize(
        ("data", "given", "words"),
        [
            ({"x": [NAN] * 8}, {}, "No row is left: dropped 8 of 8 rows: x 8 missing."),
            ({}, {"subset": "x > 99"}, "subset chooses none of the 8 rows"),
            ({}, {"subset": "x"}, "subset must be true or false: x is not."),
            (
                {"x": [NAN] + [1.0] * 7},
                {"na_action": "raise"},
                "Values are missing: x in row 0 (1 row). Use na_action=",
            ),
            (
                {"x": [np.inf, -np.inf] + [1.0] * 6},
                {},
                "Data must be finite: x is inf in rows 0, 1 (2 rows).",
            ),
            ({"y": [np.inf] + [1.0] * 7}, {}, "Data must be finite: y is inf in row 0 (1 row)."),
            ({}, {"weights": [np.inf] + [1] * 7}, "Data must be finite: weights is inf in row 0 (1 row)."),
        ],
    )
    def test_refused(self, data, given, words):
        with pytest.raises(DataError) as raised:
            framed("y ~ x", changed(**data), **given)
        assert words in str(raised.value)

    def test_infinite_value_in_a_row_that_does_not_enter(self):
        assert framed("y ~ x", changed(x=[np.inf, *COUNTS["x"][1:]]), subset="x < 99").rows == 7

    def test_numbers_made_by_the_formula(self):
        with pytest.raises(
            DataError, match=r"A formula must give finite numbers: log\(x\) is nan in rows 1, 5"
        ):
            framed("y ~ log(x)", changed(x=[1.0, -1.0, 1.0, 1.0, 1.0, -1.0, 1.0, 1.0]))
        with pytest.raises(DataError, match=r"log\(x\) is -inf in row 3 \(1 row\)"):
            framed("y ~ z + offset(log(x))", subset="x >= 0")

    def test_unknown_na_action(self):
        with pytest.raises(ArgumentError, match=r"Unknown na_action: 'omit'\. Known: drop, exclude, raise"):
            framed("y ~ x", na_action="omit")


class TestRoles:
    def test_offsets_are_summed(self):
        frame = framed("y ~ x + offset(z) + offset(log(t))", offset="x * 2", exposure="t")
        x, z, t = (np.array(COUNTS[name]) for name in "xzt")
        np.testing.assert_allclose(column(frame, "offset")[:, 0], z + 2 * np.log(t) + 2 * x, rtol=1e-15)
        assert frame.design.has_offset and [part.text for part in frame.design.offsets] == [
            "z", "log(t)", "x * 2", "log(t)",
        ]  # fmt: skip

    def test_a_text_is_a_column_before_it_is_an_expression(self):
        frame = framed("y ~ z", changed(**{"log(t)": COUNTS["x"]}), offset="log(t)")
        np.testing.assert_array_equal(column(frame, "offset")[:, 0], COUNTS["x"])

    def test_weights(self):
        frame = framed("y ~ x", weights="z", sampling_weights=[2] * 8, freq_weights=[1, 0] * 4)
        np.testing.assert_array_equal(column(frame, "weights"), 2 * np.array(COUNTS["z"]))
        assert column(frame, "frequency").tolist() == [1, 0] * 4

    def test_rows_of_weight_zero_stay(self):
        frame = framed("y ~ x", weights=[0, 0, 1, 1, 1, 1, 1, 1])
        assert frame.rows == 8 and column(frame, "weights")[:2].tolist() == [0, 0]

    def test_series_is_put_in_the_order_of_the_index(self):
        data = pd.DataFrame(COUNTS, index=list("hgfedcba"))
        frame = framed("y ~ x", data, offset=data["t"].sort_index())
        np.testing.assert_array_equal(column(frame, "offset")[:, 0], COUNTS["t"])

    @pytest.mark.parametrize(
        ("given", "error", "words"),
        [
            (
                {"exposure": "1 - b"},
                DataError,
                'exposure must be > 0: 1 - b is 0 in rows 0, 2, 3, 6 (4 rows). Use subset="1 - b',
            ),
            ({"exposure": [1] * 7 + [0]}, DataError, "exposure must be > 0: exposure is 0 in row 7 (1 row)."),
            ({"weights": "x"}, DataError, "weights must be >= 0: x is -1 in rows 1, 5 (2 rows)."),
            ({"weights": "x * 0"}, DataError, "weights are 0 in every row: nothing to fit."),
            (
                {"freq_weights": "t / 2"},
                DataError,
                "freq_weights must be whole numbers: t / 2 is 0.5 in rows 0, 2, 3",
            ),
            ({"weights": [1, 2]}, DataError, "Length of weights differs from data: 2 values, 8 rows."),
            ({"weights": 3}, DataError, "weights is a single value: 3."),
            ({"offset": "f"}, DataError, "An offset needs numbers: 'f' is categorical with levels a, b, c."),
            ({"weights": "zz"}, ColumnError, "No column 'zz' in data: columns are y, x, z, t, f, b."),
        ],
    )
    def test_refused(self, given, error, words):
        with pytest.raises(error) as raised:
            framed("y ~ x", **given)
        assert words in str(raised.value)

    def test_exposure_needs_a_log_link(self):
        with pytest.raises(
            ArgumentError, match=r"exposure needs a log link: link is identity. Use offset=, or link=\"log\""
        ):
            framed("y ~ x", family="gaussian", exposure="t")


class TestContext:
    def test_numbers_arrays_functions(self):
        frame = framed(
            "y ~ I(x > cut) + v + h(x)", context={"cut": 0.2, "v": np.arange(8), "h": np.tanh, "other": 1}
        )
        np.testing.assert_allclose(X(frame)[:, 2:], np.column_stack([np.arange(8), np.tanh(COUNTS["x"])]))
        assert set(frame.design.context) == {"cut", "h"}

    def test_array_takes_part_in_missing_values(self):
        frame = framed("y ~ v", context={"v": [NAN, *range(7)]})
        assert frame.missing.by == {"v": 1}

    def test_text_array_is_a_factor(self):
        assert framed("y ~ v", context={"v": list("uv" * 4)}).design.columns == ("Intercept", "v[T.v]")

    def test_column_hides_the_context(self):
        np.testing.assert_array_equal(X(framed("y ~ x", context={"x": np.zeros(8)}))[:, 1], COUNTS["x"])

    def test_array_of_another_length(self):
        with pytest.raises(DataError, match="Length of v differs from data: 3 values, 8 rows"):
            framed("y ~ v", context={"v": np.arange(3.0)})


class TestSmall:
    def test_arrays_are_copies_and_read_only(self):
        data = pd.DataFrame({"y": [1.0, 2.0, 3.0], "x": [0.5, 1.0, 2.0], "w": [1.0, 2.0, 1.0]})
        frame = framed("y ~ x", data, weights="w")
        before = X(frame).copy(), column(frame, "y"), column(frame, "weights")
        data.loc[:, :] = 0.0
        for old, new in zip(before, (X(frame), column(frame, "y"), column(frame, "weights")), strict=True):
            np.testing.assert_array_equal(old, new)
        block = frame.block(0)
        arrays = (block.X[0].values, block.y, block.offset, block.weights)
        assert frame.small and not any(values.flags.writeable for values in arrays)

    def test_pickle_and_deepcopy_give_the_same_bits(self):
        frame = framed("y ~ x * f + offset(log(t))", weights="z", subset="x < 3", freq_weights="z")
        for again in (pickle.loads(pickle.dumps(frame)), copy.deepcopy(frame)):
            assert again.fingerprint == frame.fingerprint and again.design.columns == frame.design.columns
            assert again.reduce(gram).tobytes() == frame.reduce(gram).tobytes()
            assert not again.block(0).y.flags.writeable and not again.block(0).X[0].values.flags.writeable

    def test_fingerprint(self):
        frame = framed("y ~ x")
        assert frame.fingerprint == framed("y ~ z", weights="t").fingerprint
        assert frame.fingerprint != framed("y ~ x", changed(y=COUNTS["y"][::-1])).fingerprint
        constant = changed(y=[1] * 8)
        assert framed("y ~ x", constant, subset=np.arange(8) != 1).fingerprint != (
            framed("y ~ x", constant, subset=np.arange(8) != 2).fingerprint
        )

    def test_threads_at_once(self):
        expected = framed("y ~ scale(x) * f").reduce(gram).tobytes()
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: framed("y ~ scale(x) * f").reduce(gram).tobytes(), range(32)))
        assert set(found) == {expected}


ROWS = 200_003
NUMBERS = " + ".join(f"x{j}" for j in range(2, 11))
LARGE = f"y ~ {NUMBERS} + scale(x0) + x1 * f + factor(k) + poly(t, 2) + offset(log(t))"


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(3)
    data = {f"x{j}": generator.normal(size=ROWS) for j in range(11)}
    data["x1"][[5, 70_000, 199_999]] = NAN
    data["f"] = generator.choice(["a", "b", "c", "d"], ROWS)
    data["k"] = generator.integers(0, 4, ROWS)
    data["t"] = generator.uniform(0.5, 2, ROWS)
    data["y"] = generator.poisson(1.0, ROWS)
    return pd.DataFrame(data)


class TestLarge:
    def test_blocks_are_the_rows_of_the_data(self, data):
        frame = framed(LARGE, data, weights="t", subset="f != 'd'")
        assert frame.large and frame.count == 4
        kept = data["x1"].notna() & (data["f"] != "d")
        assert frame.rows == kept.sum() and frame.rows_kept.tolist() == np.flatnonzero(kept).tolist()
        assert frame.design.schema.levels == {"f": ("a", "b", "c"), "factor(k)": (0.0, 1.0, 2.0, 3.0)}
        matrix = dict(zip(frame.design.columns, X(frame).T, strict=True))
        rows = data[kept]
        scaled = data.loc[data["f"] != "d", "x0"]
        np.testing.assert_allclose(
            matrix["scale(x0)"], (rows["x0"] - scaled.mean()) / scaled.std(), atol=1e-12
        )
        np.testing.assert_array_equal(matrix["x1:f[T.c]"], rows["x1"] * (rows["f"] == "c"))
        np.testing.assert_array_equal(matrix["factor(k)[T.3]"], rows["k"] == 3)
        np.testing.assert_array_equal(column(frame, "y"), rows["y"])
        np.testing.assert_array_equal(column(frame, "weights"), rows["t"])
        np.testing.assert_allclose(column(frame, "offset")[:, 0], np.log(rows["t"]), rtol=1e-15)
        np.testing.assert_array_equal(np.concatenate([block.rows for block in frame.blocks()]), rows.index)

    def test_any_number_of_threads_gives_the_same_bits(self, data):
        frame = framed(LARGE, data)
        assert len({replace(frame, workers=workers).reduce(gram).tobytes() for workers in (1, 2, 5)}) == 1

    def test_offending_rows_of_all_blocks_are_counted(self, data):
        bad = data.assign(y=np.where(np.arange(ROWS) % 60_000 == 7, -1, data["y"]))
        with pytest.raises(ValueError, match=r"y is -1 in rows 7, 60007, 120007, 180007 \(4 rows\)"):
            framed(LARGE, bad)
        with pytest.raises(DataError, match=r"log\(x2\) is nan in rows .*, … \(100,012 rows\)"):
            framed(LARGE.replace("x3", "log(x2)"), data)
