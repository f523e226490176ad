"""Rows that stay decoded between the passes of a fit, and values that go missing between them."""

import numpy as np
import pyarrow as pa
import pytest

from glmstat import Control, DataError, glm
from glmstat.data import passes
from glmstat.data.arrow import ArrowPiece, Fields
from glmstat.data.stream import StreamSource
from glmstat.data.tail import Gathered

ROWS = 40_000
WORDS = np.array(["a", "b", "c"])


def table(rows=ROWS):
    draw = np.random.default_rng(5)
    x = draw.normal(size=rows)
    z = np.where(draw.random(rows) < 0.1, np.nan, draw.normal(size=rows))
    b = draw.random(rows) < 0.5
    return pa.table(
        {
            "y": draw.poisson(np.exp(0.3 * x)).astype(np.int32),
            "x": x,
            "z": pa.array(z, from_pandas=True),
            "f": WORDS[draw.integers(0, 3, rows)],
            "b": b,
        }
    )


class Counted:
    """A reader of a table that counts the rows it decodes, by pass."""

    library, text = "pandas", "The table"

    def __init__(self, data, stamp="same", known=True):
        self.data, self.fields = data, Fields(data.schema)
        self.names, self.rows = self.fields.names, len(data) if known else None
        self._stamp = stamp
        self.decoded, self.closed = [], 0

    def kind(self, name):
        return self.fields.kind(name)

    def declared(self, name):
        return None

    def stamp(self):
        return self._stamp

    def now(self):
        return self.data

    def pieces(self, columns, workers=1):
        self.decoded.append(0)
        try:
            for batch in self.now().select(list(columns)).to_batches(max_chunksize=3000):
                self.decoded[-1] += batch.num_rows
                yield ArrowPiece(batch, self.fields)
        finally:
            self.closed += 1


def numbers(fit):
    return fit.coef.to_numpy().tobytes(), fit.stderror().to_numpy().tobytes(), fit.loglik


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("solver", ["newton", "ladder"])
@pytest.mark.parametrize("room", [1.0, 400_000.0, 1e9])
def test_kept_rows_change_no_bit(monkeypatch, room, solver, known):
    monkeypatch.setattr(passes, "DECODED", room)
    formula, data = "y ~ x + z + f + b", table()
    plain = glm(formula, StreamSource(Counted(data)), "poisson", control=Control(memory=0, solver=solver))
    reader = Counted(data, known=known)
    source = StreamSource(reader)
    fit = glm(formula, source, "poisson", control=Control(memory=1, solver=solver))
    assert numbers(fit) == numbers(plain)
    assert source.known.tail is None
    assert source.known.room == 0
    assert reader.closed == len(reader.decoded)
    before = 2 if known else 3  # the levels of text, the number of rows, the look at all rows
    assert set(reader.decoded[:before]) == {ROWS}
    later = reader.decoded[before:]
    if room < 1e3:
        assert set(later) == {ROWS}
    elif room < 1e6:
        assert len(set(later)) == 1
        assert 0 < later[0] < ROWS
    else:
        assert not later


def test_memory_of_0_keeps_none():
    reader = Counted(table())
    glm("y ~ x", StreamSource(reader), "poisson", control=Control(memory=0))
    assert len(reader.decoded) > 2
    assert set(reader.decoded) == {ROWS}


@pytest.mark.parametrize("stamp", [None, ()])
def test_rows_without_a_stamp_are_read_in_every_pass(stamp):
    reader = Counted(table(), stamp=stamp)
    glm("y ~ x", StreamSource(reader), "poisson", control=Control(memory=1))
    assert len(reader.decoded) > 2
    assert set(reader.decoded) == {ROWS}


@pytest.mark.parametrize("rows", [None, 10])
def test_no_more_is_kept_than_there_is_room_for(rows):
    batch = pa.table({"x": np.arange(1000.0)}).to_batches()[0]
    size = ArrowPiece(batch, Fields(batch.schema)).copied()[1]
    gathered = Gathered(["x"], 2.5 * size, rows and 1000 * rows)
    for number in range(10):
        gathered.add(ArrowPiece(batch, Fields(batch.schema)), 1000 * number)
        assert gathered.size <= gathered.room
    assert gathered.tail(10_000).first == 8000
    assert [piece.rows for piece in gathered.tail(10_000).pieces] == [1000, 1000]


def test_kept_rows_are_copies():
    values = np.arange(1000.0)
    batch = pa.RecordBatch.from_arrays([pa.array(values)], ["x"])
    copied, size = ArrowPiece(batch, Fields(batch.schema)).copied()
    values[:] = -1.0
    assert copied.column("x").values(0, 3).tolist() == [0.0, 1.0, 2.0]
    assert size >= 8000


class Losing(Counted):
    """A value of a column is missing from some pass on, which no stamp tells."""

    def __init__(self, data, column, after):
        super().__init__(data)
        self.column, self.after = column, after

    def now(self):
        if len(self.decoded) <= self.after:
            return self.data
        values = self.data[self.column].to_numpy().astype(float)
        values[ROWS // 2] = np.nan
        place = self.data.schema.names.index(self.column)
        return self.data.set_column(place, self.column, pa.array(values))


@pytest.mark.parametrize("solver", ["newton", "ladder"])
@pytest.mark.parametrize("column", ["x", "y"])
@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_value_that_goes_missing_between_passes_is_refused(solver, column, after):
    source = StreamSource(Losing(table(), column, after))
    with pytest.raises(DataError, match=f"Column '{column}' changed .* missing in row 20000"):
        glm("y ~ x", source, "poisson", control=Control(memory=0, solver=solver))


def test_rows_that_end_before_the_kept_ones_are_refused(monkeypatch):
    class Shrinking(Counted):
        def now(self):
            return self.data if len(self.decoded) < 2 else self.data.slice(0, 6000)

    monkeypatch.setattr(passes, "DECODED", 400_000.0)
    with pytest.raises(DataError, match="it has 6,000 rows, had 40,000"):
        glm("y ~ x", StreamSource(Shrinking(table())), "poisson", control=Control(memory=1))
