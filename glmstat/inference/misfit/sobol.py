"""Points that fill the normal law evenly, the same for the same seed whatever the data."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from glmstat.matrix import Array

__all__ = ["normal_points"]

_FILLED = 64  # dimensions: more are not filled evenly by few points


@lru_cache(maxsize=16)
def normal_points(number: int, dimension: int, seed: int) -> Array:
    """Return read-only points (number, dimension) of a scrambled Sobol sequence, as normal quantiles.

    Beyond 64 dimensions the points are random ones.

    Parameters
    ----------
    number : of points; a power of two fills the space most evenly.
    dimension : of the space.
    seed : of the scrambling, >= 0.

    Source: Sobol' (1967); Owen (1998), Scrambling Sobol' and Niederreiter-Xing points; scipy's generator.

    >>> bool((normal_points(8, 2, seed=1) > 0).sum(axis=0).tolist() == [4, 4])
    True
    """
    rng = np.random.default_rng(seed)
    if dimension > _FILLED:
        found = rng.standard_normal((number, dimension))
    else:
        from scipy.stats import qmc

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of numbers that are no power of two
            found = ndtri(qmc.Sobol(dimension, scramble=True, rng=rng).random(number))
    found.flags.writeable = False
    return found
