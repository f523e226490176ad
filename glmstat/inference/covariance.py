"""Covariances of the coefficients: the table of recipes behind every `vcov=`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.call import Covariance, Spec
from glmstat.convention import Convention
from glmstat.errors import ArgumentError, near, one_of
from glmstat.estimate import Estimate
from glmstat.inference.score import at_infinity, finite_predictor, frame_of
from glmstat.inference.statement import need_covariance, need_effects
from glmstat.inference.variable import split_ways
from glmstat.inference.vcov.recipe import Facts, Recipe, Vcov
from glmstat.inference.vcov.small_sample import PRESETS
from glmstat.information import BorderedInformation
from glmstat.matrix import Array, Block

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = [
    "ALIASES",
    "RECIPES",
    "as_covariance",
    "choose",
    "covariance_root",
    "facts",
    "is_perfect",
    "is_robust",
    "label",
    "need_robust",
    "observed_root",
    "root_beside_infinite",
    "settled",
    "settled_by",
    "settled_for",
    "std_errors",
    "undefined",
]


def _classical(fit: Fit, inverse: Array, covariance: Covariance, data: Any) -> Vcov:
    return Vcov(np.sqrt(fit.dispersion) * inverse)


def _classical_words(covariance: Covariance, facts: Facts) -> str:
    return f"{covariance.information} information"


CLASSICAL = {"classical": Recipe(_classical, _classical_words, robust=False)}
_HOMES = {  # module → its table and the kinds in it; a module is imported when a kind of its is asked for
    "covariance": ("CLASSICAL", ("classical",)),
    "vcov.sandwich": ("SANDWICH", ("opg", "HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5")),
    "vcov.cluster": ("CLUSTER", ("CR0", "CR1", "CR1S", "CR2", "CR3")),
    "vcov.hac": ("HAC", ("HAC", "NW", "DK")),
    "vcov.survey": ("SURVEY", ("survey",)),
    "vcov.jackknife": ("JACKKNIFE", ("jackknife",)),
    "bootstrap.resample": ("BOOTSTRAP", ("bootstrap",)),
    "shape.joint": ("JOINT", ("joint",)),
}


class _Recipes(Mapping[str, Recipe]):
    """The recipes by kind."""

    def __init__(self) -> None:
        self._homes = {kind: (module, table) for module, (table, kinds) in _HOMES.items() for kind in kinds}
        self._known: dict[str, Recipe] = {}

    def __getitem__(self, kind: str) -> Recipe:
        known = self._known.get(kind)
        if known is None:
            module, table = self._homes[kind]
            known = getattr(import_module(f"glmstat.inference.{module}"), table)[kind]
            self._known[kind] = known
        return known

    def __contains__(self, kind: object) -> bool:
        return kind in self._homes

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)


RECIPES: Mapping[str, Recipe] = _Recipes()
ALIASES: Mapping[str, Covariance] = {
    **dict.fromkeys(("nonrobust", "iid", "const", "eim"), Covariance("classical")),
    "oim": Covariance("classical", information="observed"),
}
DEFAULT_CLUSTERED = "CR1"
_INFORMATION = ("expected", "observed")
_ALWAYS = ("kind", "information", "small_sample")


def as_covariance(vcov: str | Covariance) -> Covariance:
    """Return the Covariance that a word, or an instance, stands for.

    Parameters
    ----------
    vcov : a kind ("HC3"), clusters ("~firm + year"), both ("CR2 ~ firm"), or a Covariance.

    Raises
    ------
    ArgumentError : no such kind, or a choice that the kind has no use for.

    >>> as_covariance("iid").kind, as_covariance("~firm + year").cluster
    ('classical', ('firm', 'year'))
    """
    if isinstance(vcov, str):
        return _read(vcov)
    if not isinstance(vcov, Covariance):
        raise _unknown(vcov)
    return _checked(_canonical(vcov))


def settled(
    vcov: str | Covariance, convention: Convention, *, shaped: bool, several: bool = False
) -> Covariance:
    """Return the Covariance that a word, or an instance, stands for under a convention.

    A kind in words ("classical", "HC0", "~firm") takes the information that the system takes. What names its
    information stands: "eim", "oim", their synonyms, and an instance.

    Parameters
    ----------
    shaped : whether a parameter of the family is estimated by maximum likelihood.
    several : whether it has a formula, and coefficients, of its own: what is estimated jointly with the mean
        then has the observed information of all coefficients.
    """
    covariance = as_covariance(vcov)
    if not isinstance(vcov, str) or vcov.partition("~")[0].strip().lower() in ALIASES:
        return covariance
    if covariance.kind == "classical" and shaped and convention.shape == "joint":
        return as_covariance("joint")
    usual = convention.information if covariance.kind == "classical" else convention.bread
    if covariance.kind == "classical" and several and convention.shape == "joint":
        usual = "observed"
    return replace(covariance, information=usual) if RECIPES[covariance.kind].informed else covariance


def choose(fit: Fit, vcov: str | Covariance | None) -> Covariance:
    """Return the covariance that a verb's `vcov=` asks for; None is that of the fit.

    Raises
    ------
    ArgumentError : no such kind, or one that trusts the variance of the family, with sampling weights.
    """
    if vcov is None:
        return fit.covariance
    if fit.spec.call["sampling_weights"] is not None:
        need_robust(as_covariance(vcov))
    covariance = settled_for(fit, vcov)
    need_covariance(fit, covariance)
    return covariance


def settled_for(fit: Fit, vcov: str | Covariance, convention: Convention | None = None) -> Covariance:
    """Return `settled_by` for a fit.

    Parameters
    ----------
    convention : default that of the fit.
    """
    return settled_by(fit.spec, fit.estimate, vcov, fit.convention if convention is None else convention)


def settled_by(spec: Spec, estimate: Estimate, vcov: str | Covariance, convention: Convention) -> Covariance:
    """Return the Covariance that a call's `vcov=` stands for, once it is known what was estimated.

    As `settled`; where the table is no maximum of a likelihood, words stand as they are. With sampling
    weights what trusts the variance of the family gives way to HC0.
    """
    shape = estimate.shape
    shaped = shape is not None and shape.estimator == "ml"
    covariance = as_covariance(vcov)
    if spec.statement is None:
        covariance = settled(vcov, convention, shaped=shaped, several=bool(spec.design.others))
    if spec.call["sampling_weights"] is not None and not RECIPES[covariance.kind].robust:
        return Covariance("HC0", information=convention.bread)
    return covariance


def need_robust(covariance: Covariance) -> None:
    """Refuse a covariance that trusts the variance of the family, for fits with sampling weights."""
    if not RECIPES[covariance.kind].robust:
        raise ArgumentError(
            f'Sampling weights need a sandwich covariance: vcov is "{covariance.kind}". '
            'Use "survey" or "HC0".'
        )


def is_robust(fit: Fit) -> bool:
    """Return whether the covariance of a fit holds without the variance that the family says."""
    return RECIPES[fit.covariance.kind].robust


def label(fit: Fit) -> str:
    """Return the covariance of a fit in words, as tables print it: kind, factor, clusters."""
    statement = fit.spec.statement
    if statement is None:
        return _label(fit)
    return statement.label or (_label(fit) if statement.tests else f"{statement.name}: {_label(fit)}")


def _label(fit: Fit) -> str:
    covariance = fit.covariance
    recipe, known = RECIPES[covariance.kind], facts(fit)
    if np.isnan(_sizes(fit, covariance) if _by_sizes(fit, covariance) else covariance_root(fit)).all():
        reason = ": perfect fit" if is_perfect(fit) else ""
        reason = ": no residual degrees of freedom" if _is_saturated(fit, recipe) and not reason else reason
        return f"{covariance.kind} (no standard errors{reason})"
    words = [recipe.words(covariance, known)]
    if covariance.information == "observed" and covariance.kind != "classical":
        words.append("observed information")
    if known.repaired:
        count = int(known.repaired)
        words.append(f"{count} negative eigenvalue{'s' * (count != 1)} of the whitened meat put to 0")
    return f"{covariance.kind} ({', '.join(word for word in words if word)})"


def covariance_root(fit: Fit, covariance: Covariance | None = None, data: Any = None) -> Array:
    """Return R (p, k) with R R' the covariance; rows of coefficients without one are NaN.

    Kept on the fit, so that a second table, and a saved fit, need no pass over the rows.
    """
    covariance = fit.covariance if covariance is None else covariance
    if covariance.key not in fit.kept:
        root, known = _median(fit, covariance) if fit.repetitions else _make(fit, covariance, data)
        for name, values in ((covariance.key, root), (_facts_key(covariance), known.to_array())):
            values = np.ascontiguousarray(values)
            values.flags.writeable = False
            fit.kept[name] = values
    return fit.kept[covariance.key]


def root_beside_infinite(fit: Fit) -> Array:
    """Return `covariance_root` with rows of infinite coefficients too, where those say what is finite.

    They hold for combinations that no direction of recession moves, where the rows that are not separated
    leave nothing else open; and where no rows have to be read that are not at hand.
    """
    root, estimate, kind = covariance_root(fit), fit.estimate, fit.covariance.kind
    if not estimate.directions or RECIPES[kind].refits or fit.repetitions:
        return root
    held = ~estimate.informed & ~np.isnan(estimate.theta)
    alone = held.sum() == np.linalg.matrix_rank(np.array(estimate.directions))
    here = fit.frame is not None or (kind == "classical" and fit.covariance.information == "expected")
    return _make(fit, fit.covariance, None, infinite=True).root if alone and here else root


def undefined(fit: Fit) -> dict[str, Array]:
    """Return what a fit keeps in the place of a covariance that is not defined: NaN, and no facts."""
    nothing = np.full((len(fit.columns), 1), np.nan)
    return {fit.covariance.key: nothing, _facts_key(fit.covariance): Facts().to_array()}


def facts(fit: Fit, covariance: Covariance | None = None, data: Any = None) -> Facts:
    """Return the numbers that the label of a covariance prints, and its degrees of freedom."""
    covariance = fit.covariance if covariance is None else covariance
    if _by_sizes(fit, covariance):
        return Facts()
    covariance_root(fit, covariance, data)
    return Facts.from_array(fit.kept[_facts_key(covariance)])


def std_errors(fit: Fit, covariance: Covariance | None = None, data: Any = None) -> Array:
    """Return the standard errors (p,)."""
    covariance = fit.covariance if covariance is None else covariance
    if _by_sizes(fit, covariance):
        return _sizes(fit, covariance)
    return row_sizes(covariance_root(fit, covariance, data))


def _by_sizes(fit: Fit, covariance: Covariance) -> bool:
    """Whether standard errors are told by the diagonal of an inverse that is not made."""
    bordered = isinstance(fit.estimate.information, BorderedInformation)
    same = covariance.information == "expected" or fit.spec.likelihood.canonical
    plain = covariance.kind == "classical" and same
    return bordered and plain and not fit.repetitions and fit.spec.statement is None


def _sizes(fit: Fit, covariance: Covariance) -> Array:
    information = fit.estimate.information
    assert isinstance(information, BorderedInformation)
    defined = np.isfinite(fit.estimate.coef) & (not is_perfect(fit))
    return np.where(defined, np.sqrt(fit.dispersion) * information.sizes, np.nan)


def row_sizes(root: Array) -> Array:
    """Return the length of each row; squares of 1e200 do not overflow."""
    size = np.abs(root).max(axis=1, initial=0.0)
    scaled = root / np.where(size > 0, size, 1.0)[:, None]
    return size * np.sqrt(np.einsum("ij,ij->i", scaled, scaled))


def _facts_key(covariance: Covariance) -> str:
    return f"{covariance.key} facts"


@lru_cache(maxsize=64)
def _read(vcov: str) -> Covariance:
    """The covariance that a text says; a text read before costs nothing."""
    kind, tilde, variables = vcov.partition("~")
    kind = kind.strip()
    if not tilde:
        return _checked(_canonical(Covariance(kind)))
    ways = split_ways(variables)
    if not ways or not all(ways):
        raise ArgumentError(f'vcov names no cluster: {vcov!r}. Write "~firm" with the name of a column.')
    named = _canonical(Covariance(kind or DEFAULT_CLUSTERED))
    if not RECIPES[named.kind].timed:
        return _checked(replace(named, cluster=ways))
    order, *others = ways
    if others:
        raise ArgumentError(
            f"{named.kind} takes one variable of time: {vcov!r} names {len(ways)}. "
            f'Write "{named.kind} ~ I(a + b)" for a sum, Covariance("{named.kind}", order=…) for more.'
        )
    return _checked(replace(named, order=order))


def _canonical(covariance: Covariance) -> Covariance:
    """The covariance with its kind in the usual letters."""
    if covariance.kind in RECIPES:
        return covariance
    word = covariance.kind.lower() if isinstance(covariance.kind, str) else ""
    if word in ALIASES:
        alias = ALIASES[word]
        observed = "observed" in (alias.information, covariance.information)
        return replace(covariance, kind=alias.kind, information="observed" if observed else "expected")
    kinds = {kind.lower(): kind for kind in RECIPES}
    if word not in kinds:
        raise _unknown(covariance.kind)
    return replace(covariance, kind=kinds[word])


def _unknown(vcov: Any) -> ArgumentError:
    known = (*RECIPES, *ALIASES, "~cluster")
    if not isinstance(vcov, str):
        return ArgumentError(f'vcov must be a text or a Covariance: got {type(vcov).__name__}. Write "HC3".')
    return ArgumentError(f"Unknown vcov: {vcov!r}. Known: {one_of(known)}.{near(vcov, known)}")


def _checked(covariance: Covariance) -> Covariance:
    """The covariance; words that do not exist and choices without a use are refused."""
    recipe = RECIPES[covariance.kind]
    if covariance.information not in _INFORMATION:
        raise ArgumentError(
            f"Unknown information: {covariance.information!r} in Covariance. Known: {one_of(_INFORMATION)}."
        )
    if covariance.small_sample not in PRESETS:
        known = one_of(tuple(PRESETS))
        raise ArgumentError(f"Unknown small_sample: {covariance.small_sample!r}. Known: {known}.")
    if covariance.small_sample != "default" and not recipe.small_sample:
        raise ArgumentError(f"{covariance.kind} has no small-sample factor. Leave out small_sample=.")
    if covariance.information != "expected" and not recipe.informed:
        raise ArgumentError(f"{covariance.kind} does not use the information. Leave out information=.")
    for field in fields(covariance):
        given = getattr(covariance, field.name) != field.default
        if field.name not in _ALWAYS and given and field.name not in recipe.takes:
            words = ("information", recipe.informed), ("small_sample", recipe.small_sample)
            usable = one_of((*recipe.takes, *(word for word, used in words if used))) or "nothing else"
            raise ArgumentError(
                f"{covariance.kind} has no use for {field.name}=: it takes {usable}.{_instead(covariance)}"
            )
    if recipe.check is not None:
        recipe.check(covariance)
    return covariance


def _instead(covariance: Covariance) -> str:
    clustered = f"CR{covariance.kind[2:]}"
    meant = covariance.cluster and covariance.kind.startswith("HC") and clustered in RECIPES
    return f' Use kind="{clustered}" for clusters.' if meant else ""


def _make(fit: Fit, covariance: Covariance, data: Any, *, infinite: bool = False) -> Vcov:
    """The covariance of the finite coefficients; with `infinite` the rows of the others too."""
    estimate = fit.estimate
    inverse, informed = estimate.informed_root, estimate.informed
    perfect = is_perfect(fit)
    recipe = RECIPES[covariance.kind]
    if (perfect and recipe.refits) or _is_saturated(fit, recipe):
        return Vcov(np.full_like(inverse, np.nan))
    finite = np.isfinite(estimate.coef) & informed
    if covariance.information == "observed":
        inverse = observed_root(fit, inverse, data)
    root, known = recipe.make(fit, inverse, covariance, data)
    root = np.array(root)
    root[:] = np.nan if perfect else root
    root[~(informed if infinite else finite)] = np.nan
    if infinite:
        root[~informed & (estimate.infinite != 0)] = 0.0  # held where they are, beside the others
    return Vcov(root, known)


def _median(fit: Fit, covariance: Covariance) -> Vcov:
    """The covariance of a median over repetitions: the one of median size among V + d d', d its distance.

    Sizes are spectral norms in units of the median standard errors; the larger of two in the middle.

    Source: Chernozhukov et al. (2018), Double/debiased machine learning, definition 3.3.
    """
    made = [_make(one, covariance, None) for one in fit.repetitions]
    apart = [one.estimate.theta - fit.estimate.theta for one in fit.repetitions]
    wide = [np.column_stack([one.root, far]) for one, far in zip(made, apart, strict=True)]
    unit = np.median([row_sizes(root) for root in wide], axis=0)
    sizes = [np.linalg.norm(np.nan_to_num(root / np.where(unit > 0, unit, 1.0)[:, None]), 2) for root in wide]
    middle = int(np.argsort(sizes, kind="stable")[len(sizes) // 2])
    return Vcov(wide[middle], made[middle].facts)


def _is_saturated(fit: Fit, recipe: Recipe) -> bool:
    """Whether a sandwich would be made of scores that are rounding: every row is fitted exactly."""
    return recipe.robust and fit.df_residual <= 0


def is_perfect(fit: Fit) -> bool:
    """Return whether the residuals are rounding, so that an estimated dispersion says nothing."""
    return fit.status == "perfect fit" and fit.estimate.dispersion.estimated


def observed_root(fit: Fit, inverse: Array, data: Any = None) -> Array:
    """Return L (p, q) with L L' the inverse observed information for dispersion 1.

    Parameters
    ----------
    inverse : the same of the expected information, 0 in rows without one.
    """
    if fit.spec.likelihood.canonical:
        return inverse
    need_effects(fit, "The observed information", "Use information='expected'.")
    return inverse @ _observed(fit, inverse, data)


def _observed(fit: Fit, root: Array, data: Any) -> Array:
    """M with root M M' root' the inverse of the observed information, root root' that of the expected."""
    likelihood, design, estimate = fit.spec.likelihood, fit.spec.design, fit.estimate

    def kernel(block: Block) -> Array:
        eta = finite_predictor(estimate, block.X, block.offset, design)
        observed = likelihood.rows(block.y, eta, block.total, information="observed").observed
        assert observed is not None
        signs = at_infinity(estimate, block.X, design)
        if signs is not None:
            observed = np.where((signs != 0).any(axis=1)[:, None, None], 0.0, observed)
        columns = [X.dot(root[part.slots]) for X, part in zip(block.X, design.predictors, strict=True)]
        total = np.zeros((root.shape[1],) * 2)
        for k, left in enumerate(columns):
            for j, right in enumerate(columns):
                total += (left * observed[:, k, j, None]).T @ right
        return total

    total = frame_of(fit, "The observed information", data).reduce(kernel)
    values, vectors = np.linalg.eigh(total)
    if values[0] <= 0:
        raise ArgumentError(
            "The observed information is not positive definite at the estimate: "
            f"smallest eigenvalue {values[0]:.2g}. Use information='expected'."
        )
    return vectors / np.sqrt(values)
