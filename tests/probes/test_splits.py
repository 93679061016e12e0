"""Honest splits: nothing tested twice, nothing shared between the sides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.builders.checks import some

from worldprobe.errors import ProbeError
from worldprobe.probes.splits import SplitRows, evenly, make_folds

CLIP_SECONDS = 0.6


def even_rows(videos: int, each: int, *, step: float = 0.1) -> SplitRows:
    video = np.repeat(np.arange(videos), each)
    return SplitRows(video, video, np.tile(np.arange(each) * step, videos), CLIP_SECONDS)


def test_rows_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"pts_seconds.shape = \(3,\)"):
        SplitRows(np.zeros(4, np.int64), np.zeros(4, np.int64), np.zeros(3), 0.5)


@settings(max_examples=60)
@given(
    kind=st.sampled_from(["grouped", "blocked", "random", "video"]), videos=st.integers(6, 15),
    each=st.integers(20, 60), seed=st.integers(0, 5),
)  # fmt: skip
def test_each_row_is_tested_once_and_never_trained_on_where_it_is_tested(
    kind: str, videos: int, each: int, seed: int
) -> None:
    rows = even_rows(videos, each)
    folds = make_folds(rows, kind=kind, seed=seed)  # type: ignore[arg-type]
    tested = np.concatenate([fold.test for fold in folds.folds])
    assert sorted(tested) == list(range(len(rows)))
    for fold in some(folds.folds):
        assert not set(fold.train) & set(fold.test)
        for train, validation in some(fold.inner):
            assert not set(train) & set(validation)
            # Regularisation is chosen without a look at the outer test.
            assert set(train) | set(validation) <= set(fold.train)
        if kind != "random":
            assert not set(folds.unit[fold.train]) & set(folds.unit[fold.test])
            for train, validation in some(fold.inner):
                assert not set(folds.unit[train]) & set(folds.unit[validation])


@given(each=st.integers(60, 400), seed=st.integers(0, 5))
def test_blocks_keep_a_clips_length_between_training_and_test(each: int, seed: int) -> None:
    rows = even_rows(1, each)
    for fold in some(make_folds(rows, kind="blocked", seed=seed).folds):
        pairs = [(fold.train, fold.test), *fold.inner]
        for train, test in pairs:
            apart = np.abs(rows.pts_seconds[train][:, None] - rows.pts_seconds[test][None]).min()
            assert apart > CLIP_SECONDS


def test_the_random_split_shares_groups_which_is_why_it_leaks() -> None:
    folds = make_folds(even_rows(6, 40), kind="random", seed=0)
    group = folds.unit
    assert all(set(group[fold.train]) & set(group[fold.test]) for fold in some(folds.folds))


def test_the_same_seed_gives_the_same_folds_and_another_does_not() -> None:
    def tests(seed: int) -> list[list[int]]:
        return [fold.test.tolist() for fold in make_folds(even_rows(12, 20), kind="grouped", seed=seed).folds]

    assert tests(3) == tests(3)
    assert tests(3) != tests(4)


def test_folds_trained_on_some_rows_test_all() -> None:
    folds = make_folds(even_rows(12, 20), kind="grouped", seed=0)
    some = evenly(np.repeat(np.arange(24), 10), 2)
    assert np.flatnonzero(some[:20]).tolist() == [0, 5, 11, 16]
    thinned = folds.trained_on(some)
    for fold, whole in zip(thinned.folds, folds.folds, strict=True):
        assert fold.test.tolist() == whole.test.tolist()
        assert fold.train.tolist() == [row for row in whole.train if some[row]]
        for (train, held), (every, tested) in zip(fold.inner, whole.inner, strict=True):
            assert train.tolist() == [row for row in every if some[row]]
            assert held.tolist() == [row for row in tested if some[row]]
    with pytest.raises(ProbeError, match="raise moments_per_clip"):
        folds.trained_on(np.isin(np.arange(240), folds.folds[0].test))


def test_rows_of_each_part_are_chosen_evenly_in_their_order() -> None:
    part = np.array([7, 7, 7, 7, 7, 1, 1, 4, 7])
    assert np.flatnonzero(evenly(part, 1)).tolist() == [2, 5, 7]  # of 7 the third
    assert np.flatnonzero(evenly(part, 2)).tolist() == [2, 5, 6, 7, 8]
    assert evenly(part, 9).all()
    # Rows of three subjects at four moments of a clip, and of one at those of another.
    clip, moment = np.repeat([0, 1], [12, 4]), np.r_[np.tile(np.arange(4), 3), 4:8]
    assert np.flatnonzero(evenly(clip, 2, moment)).tolist() == [0, 2, 4, 6, 8, 10, 13, 15]


def test_folds_are_about_equally_large() -> None:
    sizes = [len(fold.test) for fold in make_folds(even_rows(50, 20), kind="grouped", seed=0).folds]
    assert max(sizes) - min(sizes) <= 20


@pytest.mark.parametrize(
    ("kind", "videos", "each", "message"),
    [("grouped", 3, 40, "found 3 groups.*--split blocked"), ("blocked", 1, 8, "Add video"),
     ("video", 2, 40, "at least 3 videos"), ("thirds", 9, 40, "no split 'thirds'")],
)  # fmt: skip
def test_too_few_groups_are_refused_with_what_to_do(kind: str, videos: int, each: int, message: str) -> None:
    with pytest.raises(ProbeError, match=message):
        make_folds(even_rows(videos, each), kind=kind, seed=0)  # type: ignore[arg-type]
