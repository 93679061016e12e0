"""Values of a factor held out: what is trained on, what is tested, and what cannot be held out."""

import numpy as np
import pytest

from worldprobe.errors import ProbeError
from worldprobe.probes.held_out import MOST_VALUES, hold_out, values_of
from worldprobe.probes.splits import SplitRows, make_folds

GROUP = np.repeat(np.arange(30), 4)


def words(*of_group: str) -> np.ndarray:
    return np.array([of_group[g % len(of_group)] for g in GROUP])


def usual(group: np.ndarray = GROUP):
    return make_folds(SplitRows(group, group, np.zeros(len(group)), 0.5), kind="grouped", seed=0)


def test_each_value_is_tested_once_and_never_trained_on() -> None:
    values = values_of("camera", words("a", "b", "b", "c"), GROUP)
    assert values.names == ("a", "b", "c")
    found = hold_out("camera", values.code, usual(), seed=0)
    assert sorted(np.concatenate([fold.test for fold in found.held.folds])) == list(range(len(GROUP)))
    for fold in found.held.folds:
        assert not set(values.code[fold.test]) & set(values.code[fold.train])
        assert len(fold.train) + len(fold.test) == len(GROUP)
        for train, held in fold.inner:
            assert sorted([*train, *held]) == sorted(fold.train)
            assert not set(GROUP[train]) & set(GROUP[held])


def test_the_usual_folds_beside_it_test_the_same_rows_on_as_much_data() -> None:
    values = values_of("camera", words("a", "b", "b", "c"), GROUP)
    found = hold_out("camera", values.code, usual(), seed=0)
    assert sorted(np.concatenate([fold.test for fold in found.usual.folds])) == list(range(len(GROUP)))
    sizes = {int(values.code[fold.test][0]): len(fold.train) for fold in found.held.folds}
    for fold in found.usual.folds:
        (value,) = set(values.code[fold.test].tolist())
        assert not set(GROUP[fold.train]) & set(GROUP[fold.test])
        most = len(GROUP) * 4 // 5
        assert abs(len(fold.train) - min(sizes[value], most)) <= 8, "about, by whole groups"
        kept = np.isin(GROUP, GROUP[fold.train])
        assert kept.sum() == len(fold.train), "whole groups"


def test_of_many_values_several_are_held_out_at_once() -> None:
    values = values_of("task", words(*(f"task {n}" for n in range(10))), GROUP)
    found = hold_out("task", values.code, usual(), seed=0)
    assert len(found.held.folds) == MOST_VALUES
    for fold in found.held.folds:
        assert not set(values.code[fold.test]) & set(values.code[fold.train])


def test_numbers_are_cut_at_terciles_of_the_groups_and_few_of_them_are_values() -> None:
    number = np.repeat(np.linspace(0, 1, 30), 4)
    values = values_of("distance", number, GROUP)
    assert [int((values.code == n).sum()) for n in range(3)] == [40, 40, 40]
    assert values.notes == ("distance is cut at its terciles, 0.333 and 0.667",)
    assert set(values.names) == {"up to 0.333", "0.333 to 0.667", "over 0.667"}
    assert values_of("layers", (GROUP % 2).astype(float), GROUP).names == ("0", "1")


def test_what_is_rare_or_not_known_is_left_out() -> None:
    column = words("a", "b").astype(object)
    column[GROUP == 0], column[GROUP == 1] = "once", ""
    values = values_of("camera", column.astype(np.str_), GROUP)
    assert values.names == ("a", "b")
    assert (values.code[GROUP < 2] == -1).all()
    assert (values.code[GROUP > 1] >= 0).all()
    assert values.notes == ("left out, in fewer than 2 groups: camera once", "4 moments without a camera left out")
    number = (GROUP % 3).astype(float)
    number[GROUP == 0] = np.nan
    assert values_of("n", number, GROUP).notes == ("4 moments without a n left out",)


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (words("a"), r"two values in 2 groups each are needed, found a \(30\)"),
        (np.where(GROUP == 0, "b", "a"), r"found a \(29\), b \(1\)"),
        (np.full(len(GROUP), ""), "no moment has a value of it"),
        (np.full(len(GROUP), np.nan), "no moment has a value of it"),
        (np.where(np.arange(len(GROUP)) % 2, "a", "b"), "it changes within 30 of 30 groups"),
    ],
)
def test_what_cannot_be_held_out_is_refused(column: np.ndarray, why: str) -> None:
    with pytest.raises(ProbeError, match=f"camera cannot be held out: .*{why}"):
        values_of("camera", column, GROUP)


def test_too_few_groups_to_train_on_are_refused() -> None:
    code = (GROUP >= 3).astype(np.int64)
    with pytest.raises(ProbeError, match="without one of its values 3 groups are left to train on, and 5"):
        hold_out("camera", code, usual(), seed=0)


def test_folds_of_some_rows_alone_keep_what_is_left_of_them() -> None:
    rows = GROUP % 3 > 0
    folds = usual()
    cut = folds.at(rows)
    assert cut.unit.tolist() == GROUP[rows].tolist()
    for one, other in zip(cut.folds, folds.folds, strict=True):
        assert GROUP[rows][one.test].tolist() == [g for g in GROUP[other.test] if g % 3]
        assert GROUP[rows][one.train].tolist() == [g for g in GROUP[other.train] if g % 3]
