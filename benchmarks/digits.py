"""To how many digits each reference case agrees with R, each NIST regression with its certified values.

Aims: coefficients at the median 13 digits, at least 9; NIST as `tests/unit/test_nist.py` lists. The digits of
a case are those of its worst number, at default settings. Exit status 1 where an aim is missed.
"""

import statistics
import sys
from pathlib import Path
from typing import Any

from measure import write

sys.path.insert(0, str(Path(__file__).parents[1]))

from glmstat import datasets
from tests.reference import reference
from tests.reference.test_reference import CASES, MAKE, excused, shaped
from tests.unit import test_nist as nist

PARTS = ("coef", "se", "deviance", "loglik", "predict", "resid")
MEDIAN, LEAST = 13.0, 9.0


def worst_of(case: dict[str, Any], part: str) -> float:
    found = reference.compare(case, shaped(part, MAKE[part](case)))
    return min(digits for _, digits, _ in found)


def by_group(case: dict[str, Any]) -> dict[str, float]:
    """Digits of the worst number of each group of parts that the package gives."""
    found: dict[str, float] = {}
    for part in reference.parts(case):
        if not excused(part) and part in MAKE:
            group = part.split(".")[0]
            found[group] = min(found.get(group, 16.0), worst_of(case, part))
    return found


def nist_digits(name: str) -> float:
    return nist.worst(nist.fit(name)[0].coef.to_dict(), datasets.describe(name).certified["coef"])


def line(name: str, found: dict[str, float]) -> str:
    cells = (f"{found[part]:.1f}" if part in found else "" for part in PARTS)
    return f"{name:34}" + "".join(f"{cell:>10}" for cell in cells)


def main() -> int:
    cases = {case["id"]: by_group(case) for case in CASES}
    print(" " * 34 + "".join(f"{part:>10}" for part in PARTS))
    for name, found in cases.items():
        print(line(name, found))
    ends = {"median": statistics.median, "least": min}
    summary = {
        end: {part: take([f[part] for f in cases.values() if part in f]) for part in PARTS}
        for end, take in ends.items()
    }
    for end, found in summary.items():
        print(line(end, found))
    certified = {name: nist_digits(name) for name in nist.DIGITS}
    print("\nNIST, worst coefficient" + " " * 11 + f"{'digits':>10}{'aim':>10}")
    for name, digits in certified.items():
        print(f"{name:34}{digits:10.1f}{nist.DIGITS[name][0]:10.1f}")
    write("digits", {"cases": cases, **summary, "nist": certified, "aim": {"median": MEDIAN, "least": LEAST}})
    reached = summary["median"]["coef"] >= MEDIAN and summary["least"]["coef"] >= LEAST
    return 0 if reached and all(certified[name] >= nist.DIGITS[name][0] for name in certified) else 1


if __name__ == "__main__":
    sys.exit(main())
