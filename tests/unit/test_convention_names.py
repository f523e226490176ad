"""Names of coefficients under `compat=`: R's own, and the rules of the others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glmstat import glm

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "names.json").read_text("utf-8"))


def table() -> pd.DataFrame:
    """The table of tests/reference/inference/names.R."""
    data = pd.read_csv(HERE / "data" / "features_check_data.csv")
    place = np.arange(len(data))
    levels = ["lo", "mid", "hi", "top"]
    return data.assign(
        h=np.where(place % 3 == 0, "u", "v"),
        b=data["x"] > 0,
        k=place % 4,
        o=pd.Categorical.from_codes(place % 4, levels, ordered=True),
    )


D = table()


@pytest.mark.parametrize("formula", R)
def test_names_are_those_of_r(formula: str):
    assert list(glm(formula, D, "poisson", compat="R").columns) == R[formula]
