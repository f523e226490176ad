"""Few rows in one piece: the sums of a pass over blocks, to the bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from glmstat.array import quiet, silence
from glmstat.data.source import open_source
from glmstat.formula.parse import parse
from glmstat.frame import model_frame
from glmstat.likelihood.base import GLM, as_likelihood
from glmstat.solve.scaling import open_workspace
from glmstat.whole import CELLS
from glmstat.workspace import Workspace

FAMILIES = (
    ("poisson", None),
    ("poisson", "sqrt"),
    ("poisson", "identity"),
    ("binomial", None),
    ("binomial", "probit"),
    ("gamma", "log"),
    ("gamma", None),
    ("gaussian", None),
    ("inverse_gaussian", "log"),
    ("negative_binomial(2)", None),
)


def data(rows: int = 120) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    x, z = rng.normal(size=rows), 1e6 + rng.normal(size=rows)
    group = rng.choice(list("abc"), rows)
    return {"x": x, "z": z, "g": group, "y": rng.integers(0, 2, rows).astype(float) + 0.0, "t": np.exp(x / 3)}


def opened(likelihood: GLM, **arguments: Any) -> Workspace:
    table = data()
    if not likelihood.family.domain.contains(np.zeros(1)).all():
        table["y"] = table["y"] + 0.5
    frame = model_frame(open_source(table), parse("y ~ x + z + g + offset(0.1 * t)"), arguments, likelihood)
    return open_workspace(frame, likelihood)


def by_blocks(workspace: Workspace) -> Workspace:
    """The workspace without its way of few rows."""
    plain = replace(workspace)
    plain.__dict__["_whole"] = None
    return plain


@pytest.mark.parametrize("need", ["none", "expected", "observed", "both"])
@pytest.mark.parametrize(("family", "link"), FAMILIES)
def test_sums_and_extremes_are_those_of_blocks(family: str, link: str | None, need: Any) -> None:
    likelihood = as_likelihood(family, link)
    workspace = opened(likelihood)
    assert workspace._whole is not None
    low, high = likelihood.bounds
    middle = 1.0 if np.isfinite(low) or np.isfinite(high) else 0.1
    gamma, delta = np.zeros(workspace.size), np.linspace(-0.01, 0.02, workspace.size)
    gamma[0] = middle if high > middle else -0.5
    with np.errstate(all="ignore"):
        ours, theirs = workspace.pass_(gamma, need), by_blocks(workspace).pass_(gamma, need)
        for name in ("objective", "magnitude", "score", "expected", "observed"):
            found, known = getattr(ours, name), getattr(theirs, name)
            assert (found is None) == (known is None)
            assert found is None or np.array_equal(found, known)
        if need != "both":
            ours = workspace.extremes(gamma, delta, need)
            assert ours == by_blocks(workspace).extremes(gamma, delta, need)


def test_a_row_without_weight_takes_the_road_of_blocks() -> None:
    likelihood = as_likelihood("poisson")
    weights = np.ones(120)
    weights[3] = 0.0
    assert opened(likelihood, weights=weights)._whole is None


def test_centre_and_scale_are_those_of_blocks() -> None:
    workspace = opened(as_likelihood("poisson"))
    many = np.tile(np.arange(120), 1 + CELLS // 120)
    table = {name: values[many] for name, values in data().items()}
    frame = model_frame(
        open_source(table), parse("y ~ x + z + g + offset(0.1 * t)"), {}, workspace.likelihood
    )
    large = open_workspace(frame, workspace.likelihood)
    assert large._whole is None
    assert np.array_equal(workspace.scale, large.scale)
    assert np.allclose(workspace.centre, large.centre, rtol=1e-12, atol=1e-14)


def test_silence_is_asked_for_once() -> None:
    asked = []

    @quiet
    def inner() -> float:
        asked.append(np.geterr()["divide"])
        return float(np.log(np.zeros(1))[0])

    assert inner() == -np.inf
    with silence():
        assert inner() == -np.inf
        with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
            np.log(np.zeros(1))
    assert asked == ["ignore", "ignore"]
    assert np.geterr()["divide"] == "warn"


def test_likelihoods_of_names_are_made_once() -> None:
    assert as_likelihood("poisson", "sqrt") is as_likelihood("poisson", "sqrt")
    given = as_likelihood("poisson").family
    assert as_likelihood(given) is not as_likelihood(given)
