"""The command line: `glmstat fit`, `glmstat datasets`."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from glmstat import __version__
from glmstat.data.target import check_target, refuse_read
from glmstat.errors import ArgumentError, FileError, GlmstatError, GlmstatWarning
from glmstat.text.letters import in_ascii, shows

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.report.summary import Summary

__all__ = ["main"]

OK, WRONG_INPUT, NOT_CONVERGED = 0, 2, 3
ROLES = ("offset", "exposure", "weights", "freq_weights", "sampling_weights", "subset")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : words after the program's name; default those it was started with.

    Returns
    -------
    0 done, 2 wrong input (one line on stderr), 3 fitted but not converged.
    """
    given = _parser().parse_args(arguments)
    try:
        return given.run(given)
    except GlmstatError as error:
        _say(f"glmstat: {_one_line(error)}", sys.stderr)
    except OSError as error:
        _say(f"glmstat: {error.strerror or error}: {error.filename or given.command}", sys.stderr)
    return WRONG_INPUT


class _Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        _say(f"glmstat: {_one_line(message)}. See '{self.prog} --help'.", sys.stderr)
        self.exit(WRONG_INPUT)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("glmstat", description="Generalised linear models from a formula.")
    parser.add_argument("--version", action="version", version=f"glmstat {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_fit(commands.add_parser("fit", help="fit a model and print its summary"))
    listing = commands.add_parser(
        "datasets", help="list the data sets that come with glmstat, or describe one"
    )
    listing.add_argument("name", nargs="?", help="the data set to describe")
    listing.set_defaults(run=_datasets)
    return parser


def _add_fit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("formula", metavar="FORMULA", help='for example "y ~ x + offset(log(t))"')
    parser.add_argument(
        "--data", required=True, help="FILE.csv, FILE.parquet, or the name of a shipped data set"
    )
    parser.add_argument("--family", default="gaussian", help="default: gaussian")
    parser.add_argument("--link", help="default: the family's")
    for role in ROLES:
        parser.add_argument(f"--{role.replace('_', '-')}", help="column or expression")
    parser.add_argument("--event", help="level of the response whose probability is modelled")
    parser.add_argument("--method", default="ml", help="ml (default), moments, firth, median_br or jeffreys")
    parser.add_argument(
        "--prior", action="append", metavar="PRIOR", help='"weak", or "x = normal(0, 2.5)" for each term'
    )
    parser.add_argument(
        "--predictor", action="append", metavar="NAME=FORMULA", help='such as "theta = ~ region"'
    )
    parser.add_argument("--vcov", default="classical", help='such as "HC3" or "~firm" (default: classical)')
    parser.add_argument("--dispersion", help='"pearson", "deviance", "ml" or a number')
    parser.add_argument("--na-action", default="drop", help='"drop" (default), "exclude" or "raise"')
    parser.add_argument("--compat", default="glmstat", help="whose conventions: R, stata, statsmodels, sas")
    parser.add_argument("--level", type=_share, default=0.95, help="coverage of the intervals; default 0.95")
    parser.add_argument("--save", metavar="FILE", help="write the fit to a file that glmstat.load reads")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(run=_fit)


def _fit(given: argparse.Namespace) -> int:
    from glmstat.model.glm import glm

    if given.save is not None:
        refuse_read(check_target(given.save, "--save"), Path(given.data) if Path(given.data).suffix else None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GlmstatWarning)
        fit = glm(
            given.formula,
            _read(given.data),
            given.family,
            link=given.link,
            **{role: getattr(given, role) for role in ROLES},
            event=given.event,
            method=given.method,
            prior=_prior(given.prior),
            predictors=_by_name("--predictor", given.predictor) if given.predictor else None,
            vcov=given.vcov,
            dispersion=_number(given.dispersion),
            na_action=given.na_action,
            compat=given.compat,
        )
    summary = fit.summary(level=given.level)
    _say(json.dumps(summary.to_dict(), indent=1) if given.json else _text(summary), sys.stdout)
    for warning in caught:
        _say(f"glmstat: warning: {_one_line(warning.message)}", sys.stderr)
    if given.save is not None:
        fit.save(given.save)
    return _status(fit)


def _text(summary: Summary) -> str:
    text = str(summary)
    return text if shows(sys.stdout, text) else summary.ascii()


def _status(fit: Fit) -> int:
    return OK if fit.converged else NOT_CONVERGED


def _datasets(given: argparse.Namespace) -> int:
    from glmstat import datasets

    if given.name:
        _say(str(datasets.describe(given.name)), sys.stdout)
        return OK
    titles = datasets.list()
    width = max(map(len, titles))
    _say("\n".join(f"{name:<{width}}  {title}" for name, title in titles.items()), sys.stdout)
    return OK


def _read(name: str) -> Any:
    """Data frame of a file, or of a shipped data set where the name has no suffix."""
    suffix = Path(name).suffix.lower()
    if not suffix:
        from glmstat import datasets

        return datasets.load(name)
    if suffix not in (".csv", ".parquet"):
        raise FileError(
            f"Unknown kind of file: {name}. Give a .csv or .parquet file, or the name of a data set."
        )
    import pandas

    try:
        return pandas.read_csv(name) if suffix == ".csv" else pandas.read_parquet(name)
    except (ValueError, ImportError) as error:
        raise FileError(f"Cannot read {name}: {_one_line(error)}") from error


def _number(text: str | None) -> Any:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _prior(given: list[str] | None) -> Any:
    """One prior for all terms, or each by its name."""
    if given is None or (len(given) == 1 and "=" not in given[0]):
        return given and given[0]
    return _by_name("--prior", given)


def _by_name(option: str, given: list[str]) -> dict[str, str]:
    pairs = [_named(text) for text in given]
    for text, (name, value) in zip(given, pairs, strict=True):
        if not name or not value:
            raise ArgumentError(f"{option} {text!r} has no name: write NAME=VALUE, one for each {option}.")
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ArgumentError(f"{option} is given twice for one name: {', '.join(names)}.")
    return dict(pairs)


def _named(text: str) -> tuple[str, str]:
    """What stands before the first "=" outside brackets, and behind it."""
    for place, letter in enumerate(text):
        if letter == "=" and text.count("(", 0, place) == text.count(")", 0, place):
            return text[:place].strip(), text[place + 1 :].strip()
    return "", text


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"needs a number such as 0.95: {text!r} is none") from error


def _one_line(message: object) -> str:
    return " ".join(str(message).split())


def _say(text: str, stream: Any) -> None:
    """Print text; in ASCII where the stream cannot encode it."""
    print(text if shows(stream, text) else in_ascii(text), file=stream)
