"""Folds: what they keep together, how evenly they deal, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from glmstat.errors import ArgumentError, DataError
from glmstat.neural.folds import check_clusters, halves, make_folds, stream

ALL = np.ones(103, dtype=bool)
RNG = np.random.default_rng(5)


def sizes(folds, count, of=None):
    """Rows, or a sum over the rows, of each fold."""
    return np.bincount(folds, of, count)


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_folds_differ_by_at_most_one_row(count):
    found = sizes(make_folds(ALL, count, 3), count)
    assert found.sum() == 103
    assert found.max() - found.min() <= 1


def test_folds_are_a_function_of_seed_and_repetition():
    one = make_folds(ALL, 5, 3, 1)
    assert np.array_equal(one, make_folds(ALL, 5, 3, 1))
    assert not np.array_equal(one, make_folds(ALL, 5, 3, 2))
    assert not np.array_equal(one, make_folds(ALL, 5, 4, 1))


def test_rows_meet_in_a_fold_as_often_as_chance_says():
    """20 rows in 4 folds of 5: two rows share one with probability 4/19. 4000 draws: sd 0.0064."""
    together = [make_folds(np.ones(20, dtype=bool), 4, seed) for seed in range(4000)]
    for first, second in ((0, 1), (0, 19), (7, 12)):
        share = np.mean([folds[first] == folds[second] for folds in together])
        assert abs(share - 4 / 19) < 4 * 0.0064


def test_each_fold_is_as_likely_as_another_for_every_row():
    """Chi-squared over 4 folds of 4000 draws; 16.27 is its 99.9 % point on 3 df."""
    drawn = np.array([make_folds(np.ones(22, dtype=bool), 4, seed) for seed in range(4000)])
    for row in (0, 11, 21):
        found = np.bincount(drawn[:, row], minlength=4)
        assert ((found - 1000) ** 2 / 1000).sum() < 16.27


def test_events_are_dealt_evenly():
    y = (RNG.random(103) < 0.2).astype(float)
    folds = make_folds(ALL, 5, 3, response=y)
    assert np.ptp(sizes(folds, 5, y)) <= 1
    assert np.ptp(sizes(folds, 5)) <= 1


def test_clusters_stay_whole_and_folds_stay_even():
    clusters = RNG.integers(0, 30, 400)
    folds = make_folds(np.ones(400, dtype=bool), 5, 1, clusters=clusters)
    check_clusters(folds, clusters, "firm")
    assert np.ptp(sizes(folds, 5)) <= np.bincount(clusters).max()


def test_clusters_with_events_are_spread():
    clusters = np.repeat(np.arange(40), 10)
    y = np.where(clusters < 10, 1.0, 0.0)  # whole clusters of events
    folds = make_folds(np.ones(400, dtype=bool), 5, 1, clusters=clusters, response=y)
    assert sizes(folds, 5, y).tolist() == [20.0] * 5


def test_names_of_clusters_do_not_matter():
    clusters = RNG.integers(0, 30, 400)
    used = np.ones(400, dtype=bool)
    named = np.sort(RNG.choice(10_000, 30, replace=False))[clusters]
    assert np.array_equal(make_folds(used, 5, 1, clusters=clusters), make_folds(used, 5, 1, clusters=named))


def test_rows_of_weight_zero_do_not_fill_a_fold():
    used = np.arange(100) % 4 > 0
    assert np.ptp(sizes(make_folds(used, 5, 1, clusters=np.arange(100)), 5, used)) <= 1


def test_halves_are_two_folds():
    learning = halves(ALL, 1)
    assert learning.sum() in (51, 52)
    clusters = RNG.integers(0, 30, 103)
    check_clusters(halves(ALL, 1, clusters=clusters).astype(int), clusters, "firm")


def test_streams_do_not_repeat():
    places = [("outcome", (r, k, m)) for r in range(3) for k in range(5) for m in range(2)]
    places += [("target", place) for _, place in places]
    places += [("folds", (r,)) for r in range(3)] + [("halves", ()), ("halves", (0,)), ("network", (0,))]
    states = {tuple(stream(1, purpose, *place).generate_state(4)) for purpose, place in places}
    assert len(states) == len(places)


@pytest.mark.parametrize("count", [1, 0, 2.5, True, "5"])
def test_fewer_than_two_folds_are_refused(count):
    with pytest.raises(ArgumentError, match="folds must be a whole number >= 2"):
        make_folds(ALL, count, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"used": np.ones(24, dtype=bool)}, r"folds=5 needs at least 25 rows: 24 enter"),
        ({"used": np.arange(100) < 24}, r"folds=5 needs at least 25 rows: 24 enter"),
        ({"columns": 60}, r"folds=5 needs at least 150 rows with 60 linear columns: 103 enter"),
        ({"clusters": np.arange(103) % 4, "cluster": "firm"}, r"at least 5 clusters: 'firm' has 4"),
        ({"response": (np.arange(103) < 4) * 1.0}, r"at least 5 rows with a response > 0: 4 have one"),
        ({"response": (np.arange(103) >= 4) * 1.0}, r"at least 5 rows with a response < 1: 4 have one"),
        (
            {"response": (np.arange(103) < 40) * 1.0, "clusters": np.arange(103) // 10, "cluster": "firm"},
            r"at least 5 clusters of 'firm' with a response > 0: 4 have one",
        ),
    ],
)
def test_too_little_for_the_folds_is_refused(given, message):
    words = {"used": ALL, "count": 5, "seed": 1, **given}
    with pytest.raises(DataError, match=message):
        make_folds(**words)


def test_shares_count_as_events_and_as_none():
    """Every row of a grouped binomial response has both."""
    folds = make_folds(ALL, 5, 1, response=np.full(103, 0.5))
    assert np.ptp(sizes(folds, 5)) <= 1


def test_clusters_that_folds_cut_are_counted():
    folds, clusters = np.array([0, 0, 1, 1, 1, 0]), np.array([3, 3, 3, 8, 8, -1])
    with pytest.raises(ArgumentError, match=r"1 of 2 clusters of 'firm'.*cluster='firm'"):
        check_clusters(folds, clusters, "firm")
