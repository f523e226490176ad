"""What the machine needs at least: the units that the fits are counted in, one thread.

A weighted Gram product of all columns: blocks of 4,096 rows scaled and multiplied by `dsyrk`; with factors,
`np.bincount` on their codes. For a file, one pass that decodes the columns and does nothing else.
"""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from samples import Workload

BLOCK, ROUNDS = 4096, 5


def gram(X: Any, root: Any) -> Any:
    """Return X'WX, upper half, of columns X (p, n) and square roots of weights (n,)."""
    from scipy.linalg import get_blas_funcs

    (syrk,), (p, n) = get_blas_funcs(("syrk",), (X,)), X.shape
    scaled = np.empty((p, BLOCK))
    total = np.zeros((p, p), order="F")
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        part = scaled[:, : stop - start]
        np.multiply(X[:, start:stop], root[start:stop], out=part)
        total = syrk(1.0, part.T, beta=1.0, c=total, trans=1, overwrite_c=True)
    return total


def factor_gram(X: Any, root: Any, factors: list[tuple[Any, int]]) -> list[Any]:
    """Return the pieces of X'WX: numeric columns, factors with them, factors with each other."""
    weight = root * root
    pieces = [gram(X, root)]
    for codes, levels in factors:
        pieces.append(np.bincount(codes, weight, levels))
        pieces.extend(np.bincount(codes, weight * column, levels) for column in X)
    for (one, levels), (other, more) in itertools.combinations(factors, 2):
        pieces.append(np.bincount(one * more + other, weight, levels * more))
    return pieces


def gram_of(workload: Workload, data: Any) -> Callable[[], object]:
    X = np.ascontiguousarray(data[list(workload.numeric)].to_numpy().T)
    if not workload.factors:
        X = np.vstack([np.ones(len(data)), X])
    root = np.sqrt(np.random.default_rng(0).uniform(0.5, 1.5, len(data)))
    if not workload.factors:
        return lambda: gram(X, root)
    factors = [(data[name].cat.codes.to_numpy().astype(np.intp), levels) for name, levels in workload.factors]
    return lambda: factor_gram(X, root, factors)


def decode(path: Path) -> None:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path, memory_map=False, pre_buffer=False)
    for group in range(file.num_row_groups):
        file.read_row_group(group, use_threads=False)


def least_cpu(action: Callable[[], object]) -> float:
    action()
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        action()
        seconds.append(time.process_time() - start)
    return min(seconds)
