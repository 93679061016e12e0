"""What verdicts say, from the lines that probing wrote and, in older runs, from intervals."""

import pytest
from tests.builders.run_lines import probe_lines

from worldprobe.findings.summary import summarize
from worldprobe.findings.verdicts import by_intervals, stated
from worldprobe.intervals import Score
from worldprobe.results import VerdictResult, write_results


def test_below_is_what_the_paired_difference_says():
    """The intervals of both controls overlap with the score's."""
    line = VerdictResult(
        task="xy", encoder="e", tap="e/block0.out", features="z", input="native", probe="ridge", split="grouped",
        metric="r2", n_groups=50, seed=0, verdict="not above", against=["pixels", "random-init"], below=["pixels"],
    )  # fmt: skip
    score = Score(value=0.5, low=0.4, high=0.6)
    controls = {
        "pixels": Score(value=0.55, low=0.45, high=0.65),
        "random-init": Score(value=0.5, low=0.4, high=0.6),
    }
    found = stated(line, score, controls, None)
    assert (found.kind, found.short) == ("below", "below pixels; not shown above random-init")


@pytest.mark.parametrize(
    ("low", "groups", "expected"),
    [(0.61, 20, "above"), (0.59, 20, "not shown"), (0.61, 19, "not shown"), (0.1, 20, "below")],
)
def test_intervals_apart_judge_older_runs_of_enough_groups(low, groups, expected):
    score, other = Score(value=low + 0.1, low=low, high=low + 0.2), Score(value=0.5, low=0.4, high=0.6)
    assert by_intervals(score, other, groups=groups) == expected
    turned = {"above": "below", "below": "above"}.get(expected, expected)
    assert by_intervals(score, other, groups=groups, less_is_better=True) == turned


def test_metrics_beside_the_main_one_do_not_deny_what_it_is_too_few_groups_for(tmp_path):
    beside = probe_lines("class", 0.3, 0.3)
    main = [one.model_copy(update={"metric": "balanced_accuracy"}) for one in beside]
    names = ("task", "encoder", "tap", "features", "input", "probe", "split", "metric", "n_groups", "seed")
    verdict = VerdictResult(
        **{name: getattr(main[0], name) for name in names}, verdict="too few to tell", against=[]
    )
    write_results(tmp_path / "results.jsonl", [*main, *beside, verdict])
    (row,) = summarize(tmp_path).rows
    assert [line.verdict.kind for line in row.lines] == ["too-few", "too-few"]
    write_results(
        tmp_path / "results.jsonl", [*main, *beside, verdict.model_copy(update={"verdict": "no evidence"})]
    )
    (row,) = summarize(tmp_path).rows
    assert [line.verdict.kind for line in row.lines] == ["no-evidence", "no-evidence"]
