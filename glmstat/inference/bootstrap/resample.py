"""The bootstrap: draws resamples of a fit, on as many cores as help, and keeps what is done."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from math import nan
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError, FewClustersWarning, ResampleWarning, outside
from glmstat.inference.vcov.cluster import FEW, adjusted_for, clusters, few
from glmstat.inference.vcov.recipe import Facts, Recipe, Vcov

if TYPE_CHECKING:
    from glmstat.call import Covariance
    from glmstat.fit import Fit
    from glmstat.inference.bootstrap.plan import Plan
    from glmstat.inference.bootstrap.replicate import Answer, Job, Kinds, Replicate
    from glmstat.inference.bootstrap.result import Bootstrap
    from glmstat.matrix import Array

__all__ = ["BOOTSTRAP", "bootstrap"]

COVARIANCE_REPS = 999
COVARIANCE_SEED = 0
_SHARE = 0.8  # of resamples that should be usable
_TRIAL = 0.25  # seconds of resamples by which the rest is judged
_START = 1.0  # seconds that workers must save, twice what it takes to start one


def bootstrap(
    fit: Fit,
    reps: int = 1999,
    *,
    resample: str = "case",
    cluster: Any = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    of: str | Sequence[str] | None = None,
    vcov: str | Covariance | None = None,
    data: Any = None,
) -> Bootstrap:
    """Return the estimates of many resamples of the rows, for standard errors and intervals.

    The words are those of `Fit.bootstrap`.

    Source: Davison & Hinkley (1997), sections 5, 6.2 and 7.2; Kline & Santos (2012) for scores.

    >>> import glmstat
    >>> fit = glmstat.glm("y ~ x", {"y": [1, 2, 3, 5, 9, 4, 2, 6], "x": [0, 1, 2, 3, 4, 2, 1, 3]}, "poisson")
    >>> bootstrap(fit, 199, seed=1).confint("bca").index
    ('Intercept', 'x')
    """
    from glmstat.inference.covariance import choose

    fit = replace(fit, covariance=choose(fit, vcov))
    drawn = _bootstrap(fit, reps, resample, cluster, seed, workers, progress, of, data)
    _warn(drawn)
    return drawn


def _warn(drawn: Bootstrap) -> None:
    from glmstat.inference.bootstrap.scheme import Clusters

    if drawn.usable < _SHARE * drawn.reps:
        warnings.warn(drawn.unusable, ResampleWarning, stacklevel=outside())
    groups = drawn.plan.groups
    if groups is not None and groups.count < FEW and isinstance(drawn.plan.scheme, Clusters):
        warnings.warn(
            f"Few clusters for a bootstrap: '{groups.text}' has {groups.count}, and below {FEW} standard "
            f'errors tend to be too small. Use resample="wild", or {adjusted_for(drawn.plan.way)}.',
            FewClustersWarning,
            stacklevel=outside(),
        )


def _bootstrap(
    fit: Fit,
    reps: int,
    resample: str,
    cluster: Any,
    seed: int | None,
    workers: int | None,
    progress: bool | None,
    of: str | Sequence[str] | None,
    data: Any,
    *,
    studentise: bool = True,
) -> Bootstrap:
    from glmstat.inference.bootstrap.plan import plan
    from glmstat.inference.bootstrap.replicate import Job
    from glmstat.inference.bootstrap.result import Bootstrap, targets
    from glmstat.inference.score import frame_of
    from glmstat.progress import check_progress

    _check("reps", reps, 2)
    if workers is not None:
        _check("workers", workers, 1)
    check_progress(progress)
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])
    _check("seed", seed, 0)
    fit = replace(fit, frame=frame_of(fit, "A bootstrap", data))
    wanted = targets(fit, of)
    chosen = plan(fit, resample, cluster)
    job = Job(_portable(fit), chosen.scheme, chosen.pivot if studentise else None, wanted.matrix, int(seed))
    estimates, errors, kinds, reason = _collect(job, int(reps), workers, progress)
    own = _own_error(fit, job, chosen) if studentise else np.full(len(wanted.names), np.nan)
    for values in (estimates, errors, kinds, own):
        values.flags.writeable = False
    return Bootstrap(fit, chosen, int(seed), int(reps), wanted, estimates, errors, own, kinds, reason)


def _check(word: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ArgumentError(f"{word} must be a whole number >= {least}: {value!r}.")


def _portable(fit: Fit) -> Fit:
    """The fit without the caller's table, which a frame that holds copies does not read."""
    from glmstat.data.source import MemorySource
    from glmstat.table import Native

    frame = fit.frame
    assert frame is not None
    if frame.large:
        return fit
    source = MemorySource((), frame.source.rows, _nothing, Native(fit.native.library))
    return replace(fit, frame=replace(frame, source=source, joined=source), kept={})


def _nothing(name: str) -> Any:
    raise KeyError(name)


def _own_error(fit: Fit, job: Job, chosen: Plan) -> Array:
    """Standard errors (m,) of the fit itself, of the kind that resamples have."""
    from glmstat.inference.bootstrap.scheme import Scores

    assert fit.frame is not None
    if isinstance(chosen.scheme, Scores):
        root = chosen.scheme.own(fit, fit.frame)
    elif chosen.pivot is None:
        return np.full(len(job.targets), np.nan)
    else:
        root = chosen.pivot(fit, fit.frame)
    return job.std_error(root, fit.estimate.coef)


def _collect(
    job: Job, reps: int, workers: int | None, progress: bool | None
) -> tuple[Array, Array, Kinds, str]:
    """Estimates (reps, p), errors (reps, m) and kinds (reps,) of what was done, and the first failure."""
    from glmstat.data.reduce import single_blas_thread
    from glmstat.progress import track

    found: dict[int, Replicate] = {}
    try:
        with single_blas_thread(), closing(_answers(job, reps, workers)) as answers:
            found.update(
                track(answers, reps, "resamples", progress)
            )  # one by one: an interruption keeps them
    except KeyboardInterrupt:
        if len(found) < 2:
            raise
    done = [found[number] for number in sorted(found)]
    reason = next((one.reason for one in done if one.reason), "")
    return (
        np.stack([one.coef for one in done]),
        np.stack([one.std_error for one in done]),
        np.array([one.kind for one in done], dtype=np.int8),
        reason,
    )


def _answers(job: Job, reps: int, workers: int | None) -> Generator[Answer, None, None]:
    """Yield the resamples, in no order; the first ones tell whether workers are worth their start."""
    from glmstat.inference.bootstrap.processes import cores, on_processes

    assert job.fit.frame is not None
    begin, done = perf_counter(), 0
    count = 1 if job.fit.frame.large else min(workers or cores(), reps)
    if workers is None and count > 1:
        while done < reps and (done < 2 or perf_counter() - begin < _TRIAL):
            yield done, job(done)
            done += 1
        saved = (perf_counter() - begin) / done * (reps - done) * (1.0 - 1.0 / count)
        count = count if saved > _START else 1
    missing = set(range(done, reps))
    if count > 1 and missing:
        with closing(on_processes(job, range(done, reps), count)) as stream:
            for number, replicate in stream:
                missing.discard(number)
                yield number, replicate
    for number in sorted(missing):
        yield number, job(number)


def _make(fit: Fit, inverse: Array, covariance: Covariance, data: Any) -> Vcov:
    """The covariance of the usable resamples; after an interruption, of those that are done, as labelled."""
    from glmstat.call import Covariance as Choice

    plain = replace(fit, covariance=Choice(), kept={})
    cluster = covariance.cluster or None
    drawn = _bootstrap(
        plain,
        COVARIANCE_REPS if covariance.reps is None else covariance.reps,
        "case" if cluster is None else "cluster",
        cluster,
        _seed(covariance),
        None,
        None,
        None,
        data,
        studentise=False,
    )
    done = float(drawn.reps) if drawn.interrupted else nan
    if drawn.interrupted:
        if drawn.usable < 2:
            raise KeyboardInterrupt
        warnings.warn(
            f"vcov bootstrap: interrupted, {drawn.reps:,} of {drawn.asked:,} resamples are done and used, as "
            "its label says. Give another seed= to draw all.",
            ResampleWarning,
            stacklevel=outside(),
        )
    _warn(drawn)
    groups = () if drawn.plan.groups is None else (drawn.plan.groups.count,)
    return Vcov(drawn.root(), Facts(groups=groups, reps=float(drawn.usable), extra=done))


def _seed(covariance: Covariance) -> int:
    return COVARIANCE_SEED if covariance.seed is None else covariance.seed


def _words(covariance: Covariance, facts: Facts) -> str:
    asked = COVARIANCE_REPS if covariance.reps is None else covariance.reps
    what = clusters(facts.groups) if facts.groups or covariance.cluster else "rows"
    cut = facts.extra == facts.extra
    done = int(facts.extra) if cut else asked
    number = f"{done:,} of {asked:,} resamples, interrupted" if cut else f"{asked:,} resamples"
    if facts.reps < done:
        number = f"{facts.reps:,.0f} usable of {number}"
    return f"{what} drawn with replacement, {number}, seed {_seed(covariance)}{few(facts.groups)}"


BOOTSTRAP: dict[str, Recipe] = {
    "bootstrap": Recipe(_make, _words, takes=("cluster", "reps", "seed"), informed=False, refits=True),
}
