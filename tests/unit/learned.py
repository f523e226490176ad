"""What the tests of formula functions share: R's numbers, and learning over blocks."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from glmstat.data.columns import Categorical
from glmstat.data.reduce import tree_sum
from glmstat.formula.functions import FUNCTIONS

R: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "basis.json").read_text("utf-8"))


def learn(name, x, *values, blocks=1, **options):
    """State of a call after a JSON round trip, learned from so many blocks of rows."""
    learner = FUNCTIONS[name].learner
    parts = [rows for rows in np.array_split(np.arange(len(x)), blocks)]
    pieces = [x.take(rows) if isinstance(x, Categorical) else x[rows] for rows in parts]
    total = tree_sum(learner.gather(piece, *values, text="x", **options) for piece in pieces)
    return json.loads(json.dumps(learner.finish(total), allow_nan=False))


def value(name, x, *values, new=None, blocks=1, **options):
    """Value of a call on the rows it learned from, or on new ones."""
    state = learn(name, x, *values, blocks=blocks, **options)
    return FUNCTIONS[name].apply(x if new is None else new, *values, state=state, text="x", **options)
