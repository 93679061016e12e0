"""What is concluded of a training, from intervals whose answer is known."""

import pytest

from worldprobe.findings.watched import Checkpoint, WatchedScore, conclude, ordered, watched
from worldprobe.intervals import Score


def at(step, rank=None, *, name=None, likeness=None, scores=(), **more):
    """A checkpoint whose rank and likeness are (value, half an interval)."""
    features = {}
    for measure, found in (("rankme", rank), ("similarity 1 apart", likeness)):
        if found:
            value, half = found
            features[measure] = Score(value=value, low=value - half, high=value + half)
    return Checkpoint(
        name=name or f"step-{step}", step=step, encoder="e", revision=f"r{step}{name}", folder=f"c/{step}",
        seconds=1.0, features=features, scores=tuple(scores), tubelets=96, videos=12, width=48, **more,
    )  # fmt: skip


def score(standing, value=0.5, *, half=0.05, features="z", task="xy"):
    ends = {"low": value - half, "high": value + half}
    return WatchedScore(
        task=task, features=features, input="native", probe="ridge", metric="r2", score=Score(value=value, **ends),
        over_twin=Score(value=0.1, low=0.05, high=0.15), standing=standing, n=96, n_groups=12,
    )  # fmt: skip


TWIN = at(None, (20, 1), name="untrained twin", kind="twin")


@pytest.mark.parametrize(
    ("ranks", "said"),
    [
        ([(30, 2), (40, 2), (8, 1)], "rankme fell from 40.0 [38.0, 42.0] (step 1) to 8.0 [7.0, 9.0] (step 2), less "
         "than half of it: collapsing; below the untrained twin's 20.0 [19.0, 21.0]."),
        ([(30, 2), (40, 2), (30, 2)], "rankme fell from 40.0 [38.0, 42.0] (step 1) to 30.0 [28.0, 32.0] (step 2); "
         "above the untrained twin's 20.0 [19.0, 21.0]."),
        ([(10, 2), (20, 2)], "rankme rose from 10.0 [8.0, 12.0] (step 0) to 20.0 [18.0, 22.0] (step 1)."),
        ([(40, 5), (32, 5)], "rankme: not shown to have changed, 32.0 [27.0, 37.0] (step 1); above the untrained "
         "twin's 20.0 [19.0, 21.0]."),
        ([(20, 5)], "rankme: one checkpoint so far, 20.0 [15.0, 25.0] (step 0)."),
    ],
)  # fmt: skip
def test_a_rank_fell_or_rose_only_where_intervals_lie_clear_of_each_other(ranks, said):
    assert conclude(TWIN, [at(step, rank) for step, rank in enumerate(ranks)]) == (said,)


def test_half_a_rank_whose_interval_reaches_above_half_is_no_collapse():
    (said,) = conclude(None, [at(0, (40, 2)), at(1, (18, 3))])
    assert "fell" in said
    assert "collapsing" not in said


def test_above_the_twin_is_said_from_the_first_step_after_which_all_are():
    standings = ["not shown to differ", "higher", "not shown to differ", "higher", "higher"]
    (said,) = conclude(TWIN, [at(step, scores=[score(one)]) for step, one in enumerate(standings)])
    assert said == (
        "XY position: above the untrained twin since step 3; R² 0.50 [0.45, 0.55] at step 4, from z, "
        "+0.10 [0.05, 0.15] over the twin."
    )


def test_of_several_features_that_which_was_above_first_speaks():
    steps = [
        at(0, scores=[score("not shown to differ"), score("not shown to differ", features="grid")]),
        at(1, scores=[score("not shown to differ"), score("higher", features="grid")]),
        at(2, scores=[score("higher"), score("higher", features="grid")]),
    ]
    (said,) = conclude(TWIN, steps)
    assert "since step 1; R² 0.50 [0.45, 0.55] at step 2, from grid" in said
    (said,) = conclude(TWIN, steps[:2])
    assert "since step 1 (the last, so far); R² 0.50 [0.45, 0.55] at step 1, from grid" in said


def test_what_is_not_above_any_more_and_what_fell_is_said():
    steps = [at(0, scores=[score("higher", 0.8)]), at(1, scores=[score("not shown to differ", 0.2)])]
    (said,) = conclude(TWIN, steps)
    assert "not shown to be above the untrained twin any more (it was at step 0)" in said
    assert said.endswith("it fell from 0.80 [0.75, 0.85] at step 0.")
    (said,) = conclude(TWIN, [at(0, scores=[score("lower")])])
    assert said.startswith("XY position: below the untrained twin; R² 0.50 [0.45, 0.55] at step 0, from z")
    (said,) = conclude(None, [at(0, scores=[score("not measured")])])
    assert "untrained" not in said


def test_tokens_that_grew_alike_are_said_and_others_not():
    assert conclude(None, [at(0, likeness=(0.3, 0.05)), at(1, likeness=(0.95, 0.02))]) == (
        "Tokens side by side grew alike: cosine 0.30 [0.25, 0.35] (step 0), 0.95 [0.93, 0.97] (step 1).",
    )
    assert conclude(None, [at(0, likeness=(0.95, 0.02)), at(1, likeness=(0.3, 0.05))]) == ()


def test_checkpoints_without_a_step_come_last_by_time():
    late, early = at(None, name="final", modified=9.0), at(None, name="best", modified=5.0)
    every = ordered([late, at(20, modified=1.0), early, at(3, modified=7.0)])
    assert [one.name for one in every] == ["step-3", "step-20", "best", "final"]
    assert not watched("f", "grouped", None, every, ()).by_step
    assert watched("f", "grouped", None, every[:2], ()).by_step
