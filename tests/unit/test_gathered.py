"""Sums of large data that are made in fewer operations than their definitions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from glmstat import Control, glm
from glmstat.compute import Counts, Tally
from glmstat.copies import Fingerprint
from glmstat.likelihood.base import as_likelihood
from glmstat.matrix import Block, Dense
from glmstat.solve.gathered import first_part, gathered
from glmstat.solve.null import closed_null, null_objective
from glmstat.solve.rungs import Sampled
from glmstat.workspace import Workspace


def block(number: int, length: int, **changed: Any) -> Block:
    rng = np.random.default_rng(number)
    y, offset, weights = (
        rng.poisson(2.0, length).astype(float),
        rng.normal(1.0, 1.0, (length, 1)),
        np.ones(length),
    )
    plain = Block(number, (Dense(rng.normal(size=(3, length))),), y, offset, weights, start=10_000 * number)
    return replace(plain, **changed)


def test_gathered_blocks_hold_the_same_rows_in_the_same_order():
    lengths = (3000, 3000, 2192, 1, 9000, 10, 8000, 500)
    blocks = [block(number, rows) for number, rows in enumerate(lengths)]
    given = list(blocks)
    longer = gathered(given)
    assert not given
    assert [len(one.y) for one in longer] == [8192, 1, 9000, 8010, 500]
    assert len({one.number for one in longer}) == len(longer)
    for name in ("y", "offset", "weights"):
        before, after = (np.concatenate([getattr(one, name) for one in some]) for some in (blocks, longer))
        assert np.array_equal(before, after)
    columns = [
        np.hstack([one.X[0].values for one in some if isinstance(one.X[0], Dense)])
        for some in (blocks, longer)
    ]
    assert np.array_equal(columns[0], columns[1])
    numbers = [
        np.concatenate([one.source_rows(np.arange(len(one.y))) for one in some]) for some in (blocks, longer)
    ]
    assert np.array_equal(numbers[0], numbers[1])


def test_the_first_part_of_a_block_is_its_first_rows():
    whole = block(1, 1000, frequency=np.arange(1000.0), rows=np.arange(5000, 6000))
    part, X = first_part(whole, 3), whole.X[0]
    assert isinstance(X, Dense) and isinstance(part.X[0], Dense)
    assert len(part.y) == 334 and np.array_equal(part.X[0].values, X.values[:, :334])
    assert np.array_equal(part.total, whole.total[:334]) and part.source_row(333) == 5333


@pytest.mark.parametrize("family", ["poisson", "gamma"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_null_objective_in_closed_form_is_the_sum_over_rows(family: str, weighted: bool):
    likelihood = as_likelihood(family, "log")
    blocks = [block(number, 700) for number in range(3)]
    if family == "gamma":
        blocks = [replace(one, y=one.y + 0.5) for one in blocks]
    if weighted:
        blocks = [replace(one, weights=np.linspace(0.5, 2.0, 700)) for one in blocks]
    frame = Sampled(tuple(blocks), small=False)
    nothing = np.zeros(3)
    workspace = Workspace(frame, likelihood, np.arange(3), 3, nothing, np.ones(3), None)
    found, counts = closed_null(workspace), workspace.counts()
    for b in (-0.7, 0.0, 1.3):
        told = null_objective(workspace, counts, found, b)
        rows = [
            likelihood.rows(one.y, one.offset + b, one.total, information="none").objective for one in blocks
        ]
        assert told == pytest.approx(float(np.concatenate(rows).sum()), rel=1e-13)


def test_pearson_and_null_deviance_of_a_large_fit_are_their_definitions():
    rng = np.random.default_rng(3)
    rows = 60_000
    x, t = rng.normal(size=(3, rows)), rng.uniform(0.5, 3.0, rows)
    data = {"a": x[0], "b": x[1], "c": x[2], "t": t, "y": rng.poisson(t * np.exp(0.2 * x[0] - 0.1 * x[1]))}
    control = Control(memory=0, solver="ladder")
    fit = glm("y ~ a + b + c + offset(log(t))", data, "poisson", control=control)
    assert fit.estimate.convergence.ladder == "reached the maximum"
    mu = t * np.exp(np.asarray(fit.coef) @ np.vstack([np.ones(rows), x]))
    assert fit.estimate.pearson == pytest.approx(float(((data["y"] - mu) ** 2 / mu).sum()), rel=1e-7)
    y = data["y"]
    null = t * y.sum() / t.sum()
    safe = np.where(y > 0, y, 1.0)
    assert fit.null_deviance == pytest.approx(
        float(2 * (y * np.log(safe / null) - y + null).sum()), rel=1e-11
    )


@pytest.mark.parametrize("top", [1, 12, 13, 400])
def test_a_tally_counts_whole_numbers_and_nothing_else(top: int):
    y = np.random.default_rng(top).integers(0, top + 1, 3000).astype(float)
    y[0] = top
    one = block(0, 3000, y=y)
    tally = Tally.of(one)
    assert tally.plain and tally.sums is not None
    assert np.array_equal(tally.sums, np.bincount(y.astype(int)))
    for odd in (0.5, -1.0, np.nan, 1.0 - 2.0**-53, 2000.0):
        assert Tally.of(replace(one, y=np.where(np.arange(3000) == 7, odd, y))).sums is None


def test_counts_of_unweighted_rows_are_those_of_weights_that_are_one():
    one = block(0, 500)
    workspace = Workspace(
        Sampled((one,), small=False), as_likelihood("poisson"), np.arange(3), 3, np.zeros(3), np.ones(3), None
    )
    assert workspace.counts() == Counts(
        500, 500.0, float(one.y.sum()), float(one.y.min()), float(one.y.max())
    )


def test_a_fingerprint_is_the_same_where_row_numbers_are_written_out_and_where_rows_are_cut():
    whole = block(3, 20_000)
    written = replace(whole, rows=np.arange(whole.start, whole.start + 20_000))
    assert Fingerprint.of(whole) == Fingerprint.of(written)
    cut = [replace(whole, y=whole.y[a:b], start=whole.start + a) for a, b in ((0, 777), (777, 20_000))]
    assert Fingerprint.of(cut[0]) + Fingerprint.of(cut[1]) == Fingerprint() + Fingerprint.of(whole)
    row, bits = whole.start + 5, int(whole.y[5:6].view(np.uint64)[0])
    alone = Fingerprint.of(replace(whole, y=whole.y[5:6], start=row))
    mixed = bits ^ (bits >> 29)
    odd = row * 0x9E3779B97F4A7C16 + 0xD1B54A32D192ED03
    assert alone == Fingerprint(mixed * odd % 2**64, ((mixed >> 3) + 1) * odd % 2**64)
