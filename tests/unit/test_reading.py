"""What passes over large frames bring besides sums: tallies, facts, fingerprints, blocks kept meanwhile."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat.compute import Tally
from glmstat.control import Control
from glmstat.matrix import Block


def block(y: list[float], weights: list[float] | None = None) -> Block:
    values = np.array(y)
    total = np.ones(len(values)) if weights is None else np.array(weights)
    return Block(0, (), values, np.zeros((len(values), 1)), total)


def data(rows: int = 6_000) -> pd.DataFrame:
    rng = np.random.default_rng(20)
    x, z = rng.normal(size=(2, rows))
    t = rng.uniform(0.2, 1.0, rows)
    mean = t * np.exp(0.3 + 0.4 * x - 0.2 * z)
    shares = 1.0 / (1.0 + np.exp(-x))
    return pd.DataFrame(
        {
            "x": x,
            "z": z,
            "t": t,
            "w": rng.integers(0, 4, rows).astype(float),
            "n": rng.poisson(mean),
            "b": (rng.uniform(size=rows) < shares).astype(float),
            "g": rng.gamma(2.0, mean / 2.0),
        }
    )


def test_a_tally_counts_whole_numbers_and_refuses_others():
    tally = Tally.of(block([0.0, 2.0, 2.0])) + Tally.of(block([1.0]))
    assert tally.sums is not None
    assert tally.sums.tolist() == [1.0, 1.0, 2.0]
    assert tally.plain
    weighted = Tally.of(block([1.0, 0.0], [0.5, 2.0]))
    assert weighted.sums is not None
    assert weighted.sums.tolist() == [2.0, 0.5]
    assert not weighted.plain
    for other in ([0.5], [-1.0], [1e6], [float("nan")]):
        assert (tally + Tally.of(block(other))).sums is None


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("n ~ x + z", "poisson"),
        ("n ~ x + z + offset(log(t))", "poisson"),
        ("n ~ x + z + offset(log(t))", "quasipoisson"),
        ("b ~ x + z", "binomial"),
        ("b ~ x + z + offset(t)", "binomial"),
        ("g ~ x + z", "gamma"),
        ("g ~ x + z", "gaussian"),
    ],
)
def test_facts_of_the_last_pass_are_those_of_a_pass_of_their_own(
    formula: str, family: str, weights: str | None
):
    """Plain Newton sums every fact row by row."""
    link = "log" if family == "gamma" else None
    one, other = (
        glmstat.glm(formula, data(), family, link=link, weights=weights, control=control)
        for control in (
            Control(solver="ladder", memory=0, tolerance=1e-12),
            Control(solver="newton", memory=0, tolerance=1e-12),
        )
    )
    assert {step.kind for step in one.estimate.convergence.trace} >= {"sample"}
    first, second = one.estimate, other.estimate
    np.testing.assert_allclose(first.deviance, second.deviance, rtol=1e-11)
    np.testing.assert_allclose(first.null.deviance, second.null.deviance, rtol=1e-11)
    np.testing.assert_allclose(first.pearson, second.pearson, rtol=1e-8)
    np.testing.assert_allclose(first.loglik, second.loglik, rtol=1e-11)
    assert first.fingerprint == second.fingerprint


def test_blocks_that_are_kept_meanwhile_are_those_that_are_made_anew():
    rows = data(150_000)
    fit = glmstat.glm("n ~ x + z + offset(log(t))", rows, "poisson", control=Control(memory=0))
    frame: Any = fit.frame
    assert frame._held is None
    anew = list(frame.blocks())
    with frame.holding():
        frame.reduce(lambda block: block.total.sum())
        assert frame._held is not None
        assert len(frame._held.blocks) == len(anew)
        for number, made in enumerate(anew):
            whole = frame.joined.frame(number * 65_536, (number + 1) * 65_536)
            kept = frame.made(whole, number)
            np.testing.assert_array_equal(kept.y, made.y)
            np.testing.assert_array_equal(kept.offset, made.offset)
            np.testing.assert_array_equal(kept.X[0].to_array(), made.X[0].to_array())
            assert kept.start == made.start
    assert frame._held is None


def test_columns_that_are_viewed_and_columns_that_are_written_give_the_same_bits(tmp_path: Path):
    """A data frame has its numbers side by side in one array, a file does not."""
    pytest.importorskip("pyarrow")
    rows = data()
    rng = np.random.default_rng(21)
    rows = rows.assign(**{f"v{place}": rng.normal(size=len(rows)) for place in range(6)})
    path = str(tmp_path / "rows.parquet")
    rows.to_parquet(path, row_group_size=1_001)
    formula = "n ~ v0 + v1 + v2 + v3 + v4 + v5 + offset(log(t))"
    for solver in ("newton", "ladder"):
        control = Control(memory=0, solver=solver)
        assert glmstat.glm(formula, rows, "poisson", control=control) == glmstat.glm(
            formula, path, "poisson", control=control
        )
