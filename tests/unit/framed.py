"""Model frames in one line, for the tests of what goes into them."""

import numpy as np

from glmstat.data.source import open_source
from glmstat.families import as_family
from glmstat.formula.parse import parse
from glmstat.frame import model_frame
from glmstat.likelihood.base import GLM

ROLES = ("offset", "exposure", "weights", "freq_weights", "sampling_weights")
COUNTS = {
    "y": [0, 2, 1, 4, 3, 0, 5, 2],
    "x": [0.5, -1.0, 2.0, 0.0, 1.5, -0.5, 3.0, 1.0],
    "z": [1.0, 2.0, 1.0, 3.0, 2.0, 5.0, 1.0, 2.0],
    "t": [1.0, 2.0, 1.0, 3.0, 1.0, 2.0, 4.0, 1.0],
    "f": ["a", "b", "a", "c", "b", "c", "a", "b"],
    "b": [True, False, True, True, False, False, True, False],
}


def framed(formula, data=COUNTS, family="poisson", *, link=None, context=None, allow_python=False, **given):
    """The model frame of a call."""
    source = open_source(data)
    functions = tuple(sorted(name for name, value in (context or {}).items() if callable(value)))
    arguments = {word: given.pop(word) for word in ROLES if word in given}
    return model_frame(
        source,
        parse(formula, source.names, allow_python=allow_python, functions=functions),
        arguments,
        GLM(as_family(family, link)),
        context=context,
        allow_python=allow_python,
        **given,
    )


def X(frame):
    """Its design matrix (n, p)."""
    return np.vstack([block.X[0].to_array() for block in frame.blocks()])


def column(frame, word):
    """A vector of its blocks, joined."""
    return np.concatenate([getattr(block, word) for block in frame.blocks()])


def changed(data=COUNTS, **columns):
    """The same table with some columns replaced or added."""
    return {**data, **columns}


def predicted(design, newdata, beta=None, **given):
    """Linear predictor of new rows; every coefficient 1 unless told otherwise."""
    beta = np.ones(len(design.columns)) if beta is None else np.asarray(beta, float)
    return design.new_rows(newdata, **given).fill(lambda X, offset: X[0].dot(beta) + offset[:, 0])
