"""Which factors are coded in full."""

import numpy as np
import pytest

from glmstat.formula.rank_coding import plan_groups

FACTORS = frozenset("abc")


def spans(terms):
    """Each group as texts, '-' behind a factor coded with one column less."""
    plan = plan_groups(terms, FACTORS)
    return [
        [
            ":".join(
                f"{term[place]}{'' if full or term[place] not in FACTORS else '-'}" for place, full in group
            )
            for group in groups
        ]
        for term, groups in zip(terms, plan, strict=True)
    ]


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ([(), ("a",)], [[""], ["a-"]]),
        ([("a",), ("b",)], [["a"], ["b-"]]),
        ([(), ("a",), ("b",), ("a", "b")], [[""], ["a-"], ["b-"], ["a-:b-"]]),
        ([(), ("a",), ("a", "b")], [[""], ["a-"], ["a:b-"]]),
        ([("a", "b")], [["a:b"]]),
        ([(), ("a", "x")], [[""], ["a:x"]]),
        ([(), ("x",), ("a", "x")], [[""], ["x"], ["a-:x"]]),
    ],
    ids=lambda value: str(value),
)
def test_groups(terms, expected):
    assert spans(tuple(terms)) == expected


@pytest.mark.parametrize("intercept", [True, False])
def test_columns_are_independent_and_span_the_terms(intercept):
    generator = np.random.default_rng(5)
    levels, rows = {"a": 3, "b": 2, "c": 4}, 400
    codes = {name: generator.integers(0, size, rows) for name, size in levels.items()}
    terms = ((),) * intercept + (("b",), ("a", "c"), ("a", "b", "c"))

    def indicators(name, full):
        return np.eye(levels[name])[codes[name]][:, 0 if full else 1 :]

    def columns(term, group):
        parts = [indicators(term[place], full) for place, full in group]
        made = np.ones((rows, 1))
        for part in parts:
            made = np.einsum("ni,nj->nij", made, part).reshape(rows, -1)
        return made

    plan = plan_groups(terms, FACTORS)
    X = np.hstack(
        [columns(term, group) for term, groups in zip(terms, plan, strict=True) for group in groups]
    )
    whole = np.hstack([columns(term, [(place, True) for place in range(len(term))]) for term in terms])
    assert np.linalg.matrix_rank(X) == X.shape[1] == np.linalg.matrix_rank(whole)
