"""Runs beside each other where the difference is known, and runs that must not be compared."""

import json
from functools import cache

import numpy as np
import polars as pl
import pytest
from tests.builders.checks import some
from tests.builders.known_store import put

from worldprobe.errors import CompareError
from worldprobe.findings.comparison import Comparison
from worldprobe.labels.load import load_labeller
from worldprobe.pipeline.compare import compare
from worldprobe.pipeline.label.label import label
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.probe.plan import Plan
from worldprobe.pipeline.probe.stage import probe_into
from worldprobe.pipeline.probe.table import ANSWERS, write_answers
from worldprobe.report.forms.comparison import comparison_html, comparison_markdown, write_comparison
from worldprobe.results import read_results
from worldprobe.store import Store

GROUPS, EACH = 40, 10
TRUTH = np.random.default_rng(0).integers(0, 3, GROUPS * EACH)


def rows(predicted, *, target=TRUTH, classes="cube\nbox\nball", task="class", unit=None, **said):
    """An answers table of one probe: ``GROUPS`` videos of one clip each, ``EACH`` moments in it."""
    n = len(target)
    group = np.repeat(np.arange(GROUPS), EACH)[:n]
    values = {
        "task": task, "features": "z", "input": "native", "probe": "p", "encoder": "e", "revision": "r" * 20,
        "status": "trained", "tap": "e/block0.out", "split": "grouped", "seed": 0, "classes": classes,
        "frames": 16, "stride": 1, "tubelet_frames": 2, "start": 0, "which": 0, **said,
    }  # fmt: skip
    columns = {
        "video": [f"video{g}" for g in group], "tubelet": np.arange(n) % EACH, "pts_seconds": np.zeros(n),
        "unit": group if unit is None else unit,
        "target": lists(target), "prediction": lists(predicted), "constant": lists(np.zeros(n)),
    }  # fmt: skip
    return pl.DataFrame(columns).with_columns(**{name: pl.lit(value) for name, value in values.items()})


def lists(values):
    """Numbers of each moment as a column of lists, made in one piece."""
    return pl.Series(np.asarray(values, dtype=np.float32).reshape(len(values), -1)).cast(pl.List(pl.Float32))


@cache
def right():
    """``rows`` of answers that are all right."""
    return rows(TRUTH)


def answered(accuracy, rng, features="z"):
    """As ``rows`` of such answers, of which only the predictions are made anew."""
    return right().with_columns(prediction=lists(answers(accuracy, rng)), features=pl.lit(features))


def run(folder, *tables):
    folder.mkdir(parents=True, exist_ok=True)
    write_answers(folder, tables)
    return folder


def answers(accuracy, rng):
    """Right with this probability, each moment by itself."""
    return np.where(rng.random(len(TRUTH)) < accuracy, TRUTH, (TRUTH + 1) % 3)


def test_the_difference_and_its_interval_are_those_of_the_groups(tmp_path):
    rng = np.random.default_rng(1)
    one, other = answers(0.5, rng), answers(0.7, rng)
    found = compare([run(tmp_path / "a", rows(one)), run(tmp_path / "b", rows(other, revision="q" * 20))])
    (reading,) = found.readings
    base, cell = reading.cells
    weight = len(TRUTH) / (3 * np.bincount(TRUTH)[TRUTH])  # each class counts alike
    by_group = (weight * ((other == TRUTH) * 1.0 - (one == TRUTH))).reshape(GROUPS, EACH).mean(axis=1)
    # Groups of one size: the score is about the mean over groups, so its interval is nearly the normal one.
    error = by_group.std() / np.sqrt(GROUPS)
    assert cell.difference.value == pytest.approx(by_group.mean())
    assert cell.difference.low == pytest.approx(by_group.mean() - 1.96 * error, abs=0.2 * error)
    assert cell.difference.high == pytest.approx(by_group.mean() + 1.96 * error, abs=0.2 * error)
    assert base.score.value == pytest.approx((weight * (one == TRUTH)).mean())
    assert (base.standing, cell.standing, reading.n, reading.n_groups) == ("base", "higher", 400, 40)
    assert not found.warnings


def test_what_both_runs_find_hard_cancels_out(tmp_path):
    """Scores that swing between groups have wide intervals that overlap; a steady difference is still shown."""
    rng = np.random.default_rng(2)
    hard = np.repeat(rng.random(GROUPS), EACH)
    dice = rng.random(len(TRUTH))
    one, other = (np.where(dice < bar, TRUTH, (TRUTH + 1) % 3) for bar in (hard * 0.9, hard * 0.9 + 0.08))
    found = compare([run(tmp_path / "a", rows(one)), run(tmp_path / "b", rows(other))])
    base, cell = found.readings[0].cells
    assert cell.score.low < base.score.high  # the two intervals overlap
    assert cell.standing == "higher"
    width = cell.difference.high - cell.difference.low
    assert width < 0.5 * (base.score.high - base.score.low)


def test_runs_of_equal_power_are_rarely_told_apart(tmp_path):
    shown = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        a, b = (run(tmp_path / f"{name}{seed}", answered(0.6, rng)) for name in "ab")
        shown += compare([a, b]).readings[0].cells[1].standing != "not shown to differ"
    # 3 of 60 are expected at 95 %; 9 or more would be chance once in 250 times.
    assert shown <= 8


def test_the_best_of_many_readings_is_not_called_higher_too_soon(tmp_path):
    """Each reading is told apart once in 20 times; any of eight has to be no more often."""
    shown = apart = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        names = [f"f{number}" for number in range(8)]
        a, b = (run(tmp_path / f"{name}{seed}", *(answered(0.6, rng, one) for one in names)) for name in "ab")
        cells = [one.cells[1] for one in compare([a, b]).readings]
        shown += any(cell.standing != "not shown to differ" for cell in cells)
        apart += any(cell.difference.low > 0 or cell.difference.high < 0 for cell in cells)
    assert shown <= 5 < apart


def test_r2_is_against_the_training_mean(tmp_path):
    target = np.random.default_rng(3).normal(size=GROUPS * EACH)
    same = {"target": target, "classes": "", "task": "xy"}
    found = compare([
        run(tmp_path / "nothing", rows(np.zeros_like(target), **same)),
        run(tmp_path / "half", rows(target / 2, **same)),
        run(tmp_path / "all", rows(target, **same)),
    ])  # fmt: skip
    cells = found.readings[0].cells
    assert [cell.score.value for cell in cells] == pytest.approx([0, 0.75, 1])
    assert [cell.difference.value for cell in cells[1:]] == pytest.approx([0.75, 1])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"split": "blocked"}, "different splits: grouped and blocked"),
        ({"frames": 64}, "different frames a clip: 16 and 64"),
        ({"stride": 2}, "different strides"),
        ({"tubelet_frames": 1}, "different frames a tubelet"),
        ({"classes": "cube\nbox\ncone"}, "different classes: cube, box, ball and cube, box, cone"),
        ({"target": (TRUTH + (np.arange(len(TRUTH)) == 5)) % 3}, "differ at 1 of 400 moments"),
        ({"unit": np.arange(len(TRUTH)) // 20}, "do not hold out the same groups"),
        ({"task": "motion"}, "share no task"),
    ],
)
def test_what_must_be_the_same_is_refused_where_it_is_not(tmp_path, change, why):
    a, b = run(tmp_path / "a", rows(TRUTH)), run(tmp_path / "b", rows(TRUTH, **change))
    with pytest.raises(CompareError, match=why):
        compare([a, b])


def test_other_videos_are_refused(tmp_path):
    table = rows(TRUTH).with_columns(video=pl.col("video").replace("video3", "another"))
    with pytest.raises(CompareError, match="different videos: 1 only in a, 1 only in b, 39 in both"):
        compare([run(tmp_path / "a", rows(TRUTH)), run(tmp_path / "b", table)])


def test_a_refusal_names_the_setting_behind_it(tmp_path):
    a, b = run(tmp_path / "a", rows(TRUTH)), run(tmp_path / "b", rows(TRUTH, target=(TRUTH + 1) % 3))
    (a / "experiment.toml").write_text('labeller = "truth"\nseed = 0\n')
    (b / "experiment.toml").write_text('labeller = "moving"\nseed = 0\n')
    with pytest.raises(CompareError, match=r"differ in labeller \(truth and moving\)"):
        compare([a, b])


def test_of_a_table_that_all_runs_have_the_keys_that_differ_are_named(tmp_path):
    folders = [run(tmp_path / name, rows(TRUTH)) for name in ("a", "b")]
    written = (
        "seed = 1\nclasses = { x = ['cat'] }\n[decode]\nsteps = 9\nsize = 32\n",
        "[decode]\nsteps = 5\nsize = 32\n",
    )
    for folder, text in zip(folders, written, strict=True):
        (folder / "experiment.toml").write_text(text)
    found = {one.name: one.values for one in compare(folders).differing}
    assert found == {"seed": ("1", "–"), "classes": ("x = cat", "–"), "decode.steps": ("9", "5")}
    (folders[1] / "experiment.toml").write_text("classes = { x = ['dog'] }\n")
    run(folders[1], rows(TRUTH, target=(TRUTH + 1) % 3))
    with pytest.raises(CompareError, match=r"differ in classes\.x \(cat and dog\)"):
        compare(folders)


def test_seeds_and_moments_that_differ_are_said_loudly(tmp_path):
    fewer = rows(TRUTH, seed=3, revision="q" * 20).filter(pl.col("tubelet") < 7)
    found = compare([run(tmp_path / "a", rows(TRUTH)), run(tmp_path / "b", fewer)])
    assert found.readings[0].n == 280
    said = " ".join(found.warnings)
    assert "The seeds differ (a 0, b 3)" in said
    assert "a answered 400 moments, of which 280 are in all" in said


def test_what_only_one_run_has_is_named(tmp_path):
    more = rows(TRUTH, task="motion")
    found = compare([run(tmp_path / "a", rows(TRUTH)), run(tmp_path / "b", rows(TRUTH), more)])
    assert [one.task for one in found.readings] == ["class"]
    assert found.notes == ("motion from z (native, p): not in a, so b's is not shown",)


def test_folders_that_cannot_be_compared_say_why(tmp_path):
    a = run(tmp_path / "a", rows(TRUTH))
    for folders, why in (
        ([a], "at least two runs"),
        ([a, a], "named twice"),
        ([a, tmp_path], "no answers.parquet"),
    ):
        with pytest.raises(CompareError, match=why):
            compare(folders)
    (tmp_path / ANSWERS).write_bytes(b"PAR1 not a table PAR1")
    with pytest.raises(CompareError, match="damaged"):
        compare([a, tmp_path])
    rows(TRUTH).drop("unit").write_parquet(tmp_path / ANSWERS)
    with pytest.raises(CompareError, match="lacks the columns unit"):
        compare([a, tmp_path])


def test_all_forms_say_the_same_and_names_come_out_escaped(tmp_path):
    rng = np.random.default_rng(1)
    name = "<b>bold</b>"
    a, b = (
        run(tmp_path / "a", rows(answers(0.5, rng))),
        run(tmp_path / name.replace("/", ""), rows(answers(0.7, rng))),
    )
    found = compare([a, b])
    write_comparison(tmp_path / "out", found)
    assert Comparison.model_validate(json.loads((tmp_path / "out" / "compare.json").read_text())) == found
    value = f"{found.readings[0].cells[1].difference.value:+.2f}"
    for page in (comparison_html(found), comparison_markdown(found)):
        assert value in page
        assert "<b>bold" not in page
        assert "paired cluster bootstrap" in page
    assert "http" not in comparison_html(found).replace("http-equiv", "")


def test_scores_are_those_that_the_runs_report(rendered, tmp_path):
    """The whole way: embeddings and labels to results, answers, and the comparison of them."""
    scenes = rendered(20, 11, tmp_path / "scenes")
    truth = label(scenes, labeller=load_labeller("truth"))
    seen = {
        (r["video"], r["frame"] // 2): (r["x"], r["y"]) for r in truth.table.filter(object=0).iter_rows(named=True)
    }
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(2, 16))
    kinds = {
        "knows": lambda video, t: np.array(seen[video, t]) / 100 @ mix + rng.normal(size=16) * 0.1,
        "noise": lambda video, t: rng.normal(size=16),
    }
    plan = Plan("known", ("xy", "class"), ("z",), ("majority",), "grouped")
    for name, features in kinds.items():
        store = Store(str(tmp_path / f"{name}.zarr"))
        put(store, scenes, features)
        probe_into(tmp_path / name, store, truth, plan, Ledger())
    found = compare([tmp_path / "noise", tmp_path / "knows"])
    for place, name in enumerate(("noise", "knows")):
        lines = {
            line.task: line
            for line in read_results(tmp_path / name / "results.jsonl")
            if line.kind == "probe" and (line.control, line.split) == ("none", "grouped")
            and line.metric in ("r2", "balanced_accuracy")
        }  # fmt: skip
        for reading in some(found.readings):
            score, line = reading.cells[place].score, lines[reading.task]
            assert [score.value, score.low, score.high] == pytest.approx(
                [line.score, line.low, line.high], abs=1e-4
            )
            assert (reading.n, reading.n_groups) == (line.n_test, line.n_groups)
    standing = {reading.task: reading.cells[1].standing for reading in found.readings}
    assert standing == {"xy": "higher", "class": "not shown to differ"}
