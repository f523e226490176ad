"""Every reference case from rows in place, from Parquet and from Dask: R's numbers, read block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import Control
from glmstat.fit import Fit
from tests.reference import reference
from tests.reference import test_reference as whole

# What is summed over blocks, or made row by row from the learned design; none of it is refused. The other
# parts are functions of these, and tests/unit/test_verbs_on_streams.py compares their verbs with memory.
PARTS = {
    *("coef", "se", "deviance", "null_deviance", "loglik", "aic", "df_resid", "df_null", "nobs", "rank"),
    *("dispersion", "pearson_chi2", "aliased", "wald_ci", "vcov_offdiag", "fitted.values"),
    *(f"robust.HC{number}" for number in (0, 1, 3)),
    *("cluster.se_CR0", "cluster.se_CR0_adj", "cluster.se_CR1S", "cluster2.se_CR0"),
    *(f"cluster_clubsandwich.{kind}" for kind in ("CR1", "CR2", "CR3")),
    *(f"predict.{name}" for name in ("link", "link_se", "response", "response_se")),
    *(f"resid.{type}" for type in ("response", "pearson", "deviance", "working")),
}
STREAM = Control(memory=0)


class Partitions:
    """The pieces of a table by number, for `dask.dataframe.from_map`."""

    def __init__(self, pieces: list[pd.DataFrame]) -> None:
        self.pieces = pieces

    def __call__(self, number: int) -> pd.DataFrame:
        return self.pieces[number]


def in_place(name: str, folder: Path) -> Any:
    """The table as it is."""
    return whole.data(name)


def parquet(name: str, folder: Path) -> Path:
    """A file whose row groups have 7 rows."""
    path = folder / f"{name}.parquet"
    whole.data(name).to_parquet(path, row_group_size=7)
    return path


def dask(name: str, folder: Path) -> Any:
    """Three partitions: a third of the rows, 2 of them, and the rest."""
    frame = pytest.importorskip("dask.dataframe")
    table = whole.data(name).reset_index(drop=True)
    third = len(table) // 3
    pieces = [table.iloc[:third], table.iloc[third : third + 2], table.iloc[third + 2 :]]
    with pytest.importorskip("dask").config.set({"dataframe.convert-string": False}):
        return frame.from_map(Partitions(pieces), range(3), meta=table.iloc[:0])


ROADS: dict[str, Callable[[str, Path], Any]] = {"memory": in_place, "Parquet": parquet, "Dask": dask}


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    """Dask on the threads of this process, and few of them: the tables are short."""
    with pytest.importorskip("dask").config.set(scheduler="threads", num_workers=2):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@cache
def streamed(road: str, name: str, folder: Path) -> Fit:
    """The case's fit by a road, none of its rows kept."""
    return whole.fit_to(reference.case(name), ROADS[road](name, folder), control=STREAM)


@pytest.fixture(params=ROADS)
def road(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The parts of `test_reference` made of the fits of a road."""
    monkeypatch.setattr(whole, "fit", lambda name: streamed(request.param, name, folder))
    monkeypatch.setattr(whole, "predicted", whole.predicted.__wrapped__)
    return request.param


@pytest.mark.parametrize("case", whole.CASES, ids=lambda case: case["id"])
def test_parts_are_those_of_r(case: dict[str, Any], road: str) -> None:
    fit = whole.fit(case["id"])
    assert fit.frame.large
    assert fit.frame.source.held == (road == "memory")
    assert fit.status == "converged"
    for part in PARTS.intersection(reference.parts(case)):
        reference.check(case, whole.shaped(part, whole.MAKE[part](case)))


@pytest.mark.parametrize("case", whole.CASES, ids=lambda case: case["id"])
def test_coefficients_are_those_of_memory(case: dict[str, Any], folder: Path) -> None:
    held, parquet, dask = (streamed(road, case["id"], folder) for road in ROADS)
    assert parquet == held
    kept = ~np.isnan(held.coef)
    np.testing.assert_allclose(dask.coef[kept], held.coef[kept], rtol=1e-12)
    assert dask.estimate.aliased == held.estimate.aliased
    assert dask.estimate.fingerprint == held.estimate.fingerprint


def test_parts_are_in_some_case() -> None:
    assert not PARTS - {part for case in whole.CASES for part in reference.parts(case)}
