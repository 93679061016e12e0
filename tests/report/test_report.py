"""The report: facts from results, verdicts from intervals, and three forms that say the same."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.builders.checks import some

from worldprobe.controls import NEGATIVE, Control
from worldprobe.errors import WorldprobeError
from worldprobe.findings import verdicts, wording
from worldprobe.findings.summary import summarize
from worldprobe.intervals import Score
from worldprobe.records import Labels
from worldprobe.report.charts.scores import beside_controls
from worldprobe.report.drawing import svg
from worldprobe.report.forms.terminal import rich_table, tables
from worldprobe.report.table import Column, Table
from worldprobe.report.write import write_report
from worldprobe.results import CostResult, Metric, PredictionResult, ProbeResult, read_results, write_results

TASKS = ("xy", "size", "class", "motion", "velocity")
CLASSES = ("class", "motion")
TAP = "vjepa2-tiny/block11.out"
# score of each task on (z, grid); the controls' are below
REAL = {
    "xy": (0.41, 0.83),
    "size": (0.52, 0.71),
    "class": (None, None),
    "motion": (0.44, 0.58),
    "velocity": (0.03, 0.31),
}
FLOOR = {
    "xy": {"nuisance": -0.04, "pixels": 0.61, "random-init": 0.55, "shuffled": -0.06, "gaussian": -0.09},
    "size": {"nuisance": 0.01, "pixels": 0.33, "random-init": 0.68, "shuffled": -0.05, "gaussian": -1.72},
    "class": dict.fromkeys(("nuisance", "pixels", "random-init", "shuffled", "gaussian")),
    "motion": {"nuisance": 0.24, "pixels": 0.31, "random-init": 0.36, "shuffled": 0.25, "gaussian": 0.26},
    "velocity": {"nuisance": -0.03, "pixels": 0.02, "random-init": 0.12, "shuffled": -0.07, "gaussian": -0.11},
}
CONSTANT = "class is constant: 'pedestrian'"


def result(score: float | None, control: Control = "none", **changes: object) -> ProbeResult:
    half = None if score is None else 0.03 if control == "none" else 0.05
    low = None if score is None or half is None else score - half
    high = None if score is None or half is None else score + half
    fields: dict[str, object] = {
        "task": "xy", "encoder": "vjepa2-tiny", "tap": TAP, "features": "z", "input": "native",
        "probe": "ridge", "control": control, "split": "grouped", "metric": "r2", "score": score, "low": low,
        "high": high, "n_train": 1536, "n_test": 1920, "n_groups": 24, "chosen": [10.0, 10.0, 100.0, 10.0, 10.0],
        "seed": 0, "notes": [CONSTANT] if score is None else [],
    }  # fmt: skip
    return ProbeResult.model_validate(fields | changes)


def results_of(task: str) -> list[ProbeResult]:
    """A task on two kinds of features: the real probe, six controls, and the random split."""
    found = []
    metrics: tuple[Metric, ...] = ("balanced_accuracy", "accuracy", "macro_f1") if task in CLASSES else ("r2",)
    for metric in metrics:
        for index, features in enumerate(("z", "grid")):
            real = REAL[task][index]
            at: dict[str, object] = {"task": task, "features": features, "metric": metric}
            at["probe"] = "logistic" if task in CLASSES else "ridge"
            if task == "velocity":
                at["n_groups"] = 12
            found.append(result(real, **at))
            leaky = None if real is None else min(real + 0.04 + 0.1 * (features == "grid"), 1.0)
            found.append(result(leaky, split="random", **at))
            majority = None if real is None else 0.27 if task in CLASSES else 0.0
            found.append(result(majority, "majority", **at))
            found += [result(score, control, **at) for control, score in FLOOR[task].items()]  # type: ignore[arg-type]
    return found


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with made-up but plausible results: 5 tasks, 2 kinds of features, 6 controls, 2 splits."""
    folder = tmp_path / "demo"
    costs = [
        CostResult(stage="encode", seconds=94.2, items=480, items_per_second=5.1, peak_rss_bytes=1_720_000_000,
                   device="cpu"),
        CostResult(stage="probe", seconds=4.6, items=150, items_per_second=32.6, peak_rss_bytes=910_000_000,
                   device="cpu"),
    ]  # fmt: skip
    write_results(folder / "results.jsonl", [*[r for task in TASKS for r in results_of(task)], *costs])
    (folder / "experiment.toml").write_text('encoder = "vjepa2-tiny"\nvideos = ["scenes:24"]\n')
    encoder = {"name": "vjepa2-tiny", "revision": "9f2c4d1e77ab", "status": "untrained", "blocks": 12,
               "parameters": 5_600_000}  # fmt: skip
    versions = {"worldprobe": "0.1.0", "torch": "2.13.0"}
    (folder / "provenance.json").write_text(json.dumps({"encoder": encoder, "versions": versions, "device": "cpu"}))
    dropped = {"outside the crop": 212, "between sampled frames": 1040, "box too small": 9}
    (folder / "alignment.json").write_text(json.dumps({"kept": 1920, "dropped": dropped}))
    failure = {"video": "cat.mp4", "clip": 7, "error": "corrupt packet"}
    (folder / "failures.jsonl").write_text(json.dumps(failure) + "\n")
    count = 30
    labels = Labels.from_columns(
        video=[f"v{i % 3}" for i in range(count)], frame=np.arange(count), pts_seconds=np.arange(count) / 25,
        object=1, x=1.0, y=1.0, w=2.0, h=2.0, confidence=1.0, source="truth",
        **{"class": ["disc"] * 20 + ["star"] * 10},
    )  # fmt: skip
    labels.table.write_parquet(folder / "labels.parquet")
    return folder


def rewrite(run: Path, results: list[ProbeResult]) -> Path:
    write_results(run / "results.jsonl", results)
    return run


def test_each_score_stands_beside_its_controls_margin_and_leak(run: Path) -> None:
    summary = summarize(run)
    assert [row.task for row in summary.rows] == [t for t in TASKS for _ in range(2)]
    grid = summary.tasks["xy"][1]
    assert grid.features == "grid"
    assert set(grid.main.controls) == set(NEGATIVE)
    assert grid.main.best_control == "pixels"
    assert grid.main.margin == pytest.approx(0.83 - 0.61)
    assert grid.main.leak == pytest.approx(0.14)
    assert (grid.main.controls["majority"].low, grid.main.controls["majority"].high) == (0.0, 0.0)
    motion = summary.tasks["motion"][0]
    assert [line.metric for line in motion.lines] == ["balanced_accuracy", "accuracy", "macro_f1"]
    assert all(set(line.controls) == set(NEGATIVE) for line in some(motion.lines))


def test_verdicts_follow_from_intervals(run: Path) -> None:
    kinds = {(r.task, r.features): r.main.verdict for r in summarize(run).rows}
    assert kinds["xy", "grid"].kind == "above"
    assert "next: pixels 0.61 [0.56, 0.66]" in kinds["xy", "grid"].text
    assert kinds["xy", "z"].text == "below pixels 0.61 [0.56, 0.66], random-init 0.55 [0.50, 0.60]"
    assert kinds["size", "z"].kind == "below"
    assert kinds["size", "grid"].kind == "not-shown"
    assert kinds["size", "grid"].short == "not shown above random-init"
    assert kinds["velocity", "z"].kind == "no-evidence"
    assert kinds["class", "z"].text == f"not measured: {CONSTANT}"


def test_a_majority_interval_counts_as_every_other() -> None:
    controls: dict[Control, Score] = {c: Score(value=0.1, low=0.05, high=0.15) for c in NEGATIVE}
    controls["majority"] = Score(value=0.5, low=0.4, high=0.6)
    at = Score(value=0.62, low=0.55, high=0.69)
    verdict = verdicts.judge("accuracy", at, controls, split="grouped")
    assert verdict.kind == "not-shown"
    assert verdict.short == "not shown above majority"
    below = Score(value=0.3, low=0.2, high=0.4)
    assert "lies below" in verdicts.judge("accuracy", below, controls, split="grouped").text


def test_a_missing_control_never_counts_as_beaten() -> None:
    controls: dict[Control, Score] = {
        c: Score(value=0.1, low=0.05, high=0.15) for c in NEGATIVE if c != "random-init"
    }
    controls["pixels"] = Score(value=0.1)
    verdict = verdicts.judge("r2", Score(value=0.9, low=0.8, high=0.95), controls, split="grouped")
    assert verdict.kind == "above-run"
    assert verdict.text.endswith("not compared with pixels, random-init")


finite = st.floats(-2, 1)


@given(st.tuples(finite, finite), st.lists(st.tuples(finite, finite), min_size=6, max_size=6))
def test_above_means_above_every_interval_and_zero(
    ends: tuple[float, float], others: list[tuple[float, float]]
) -> None:
    low, high = sorted(ends)
    controls = {c: Score(value=min(p), low=min(p), high=max(p)) for c, p in zip(NEGATIVE, others, strict=True)}
    verdict = verdicts.judge("r2", Score(value=high, low=low, high=high), controls, split="grouped")
    assert (verdict.kind == "above") == (low > 0 and all(low > max(p) for p in others))
    assert (verdict.kind == "below") == (low > 0 and any(high < min(p) for p in others))


def test_a_lone_number_is_refused_and_nothing_is_written(run: Path) -> None:
    rewrite(run, [result(0.9)])
    with pytest.raises(WorldprobeError, match=r"xy on z .* has no controls.*worldprobe probe .*--controls all"):
        write_report(run)
    assert not (run / "report.html").exists()
    assert not (run / "figures").exists()


def test_a_score_of_two_values_is_refused(run: Path) -> None:
    rewrite(run, [result(0.9), result(0.8), result(0.0, "majority")])
    with pytest.raises(WorldprobeError, match="two results for xy on z"):
        summarize(run)
    rewrite(run, [result(0.9), result(0.0, "pixels"), result(0.1, "pixels")])
    with pytest.raises(WorldprobeError, match="two results of the control pixels"):
        summarize(run)


def test_controls_go_with_their_own_tap(run: Path) -> None:
    a, b = "e/block0.out", "e/block5.out"
    rewrite(run, [
        result(0.9, tap=a), result(0.8, tap=b), result(0.1, "shuffled", tap=a), result(0.2, "shuffled", tap=b),
        result(0.3, "pixels", tap="pixels/block0.out"),
    ])  # fmt: skip
    rows = summarize(run).rows
    assert [row.main.controls["shuffled"].value for row in rows] == [0.1, 0.2]
    assert [row.main.controls["pixels"].value for row in rows] == [0.3, 0.3]
    assert summarize(run).label(rows[1]) == "z, block5"


def test_a_random_split_alone_is_never_judged(run: Path) -> None:
    rewrite(run, [result(0.9, split="random"), *[result(0.0, c, split="random") for c in NEGATIVE]])
    summary = summarize(run)
    assert summary.rows[0].main.verdict.kind == "not-judged"
    assert summary.rows[0].main.leak is None
    assert any("Only the random split" in caveat for caveat in summary.caveats)


def test_caveats_say_what_happened(run: Path) -> None:
    caveats = "\n".join(summarize(run).caveats)
    assert "untrained weights" in caveats
    assert "Only 12 groups (Velocity from z, Velocity from grid)" in caveats
    assert "1,261 of 3,181 labels were dropped: between sampled frames 1,040" in caveats
    assert "1 clip failed" in caveats
    assert "was not run" not in caveats
    kept = [r for r in results_of("xy") if r.control != "gaussian"]
    wide = [r.model_copy(update={"low": 0.2}) if r.control == "none" else r for r in kept]
    caveats = "\n".join(summarize(rewrite(run, wide)).caveats)
    assert "The control gaussian was not run: XY position from z, XY position from grid." in caveats
    assert "2 wide intervals (over 0.2): XY position from grid, R², [0.20, 0.86]; XY position from z" in caveats


def test_folds_left_at_the_constant_and_scores_under_it_are_said(run: Path) -> None:
    chosen = [float("inf"), 10.0, float("inf"), 1.0, 10.0]
    rewrite(run, [result(-0.02, chosen=chosen), *[result(0.0, control) for control in NEGATIVE]])
    caveats = summarize(run).caveats
    assert any(
        "In 2 of 5 folds the inner folds found nothing better than a constant" in caveat
        and caveat.endswith("answers there: XY position from z.")
        for caveat in caveats
    )
    write_report(run)
    for name in ("report.md", "report.html"):
        assert "no better than a constant" in (run / name).read_text()
    assert "a constant, 10, 1" in (run / "report.html").read_text()
    rewrite(run, results_of("xy"))
    assert not any("constant" in caveat for caveat in summarize(run).caveats)


def test_films_of_several_sizes_are_a_caveat_and_notes_that_differ_by_the_film_alone_are_one(run: Path) -> None:
    provenance = json.loads((run / "provenance.json").read_text())
    sizes = {"1280 x 720": 3, "256 x 144": 1}
    (run / "provenance.json").write_text(json.dumps(provenance | {"videos": {"count": 4, "sizes": sizes}}))
    notes = [f"/films/{name}.mp4 is too still for moving." for name in "abcd"] + ["Frames count from 1."]
    (run / "alignment.json").write_text(json.dumps({"kept": 9, "dropped": {}, "notes": notes}))
    caveats = summarize(run).caveats
    (said,) = [caveat for caveat in caveats if caveat.startswith("Videos of 2 sizes")]
    assert "(3 of 1280 x 720, 1 of 256 x 144 px)" in said
    assert "a.mp4, b.mp4, c.mp4 and 1 more is too still for moving." in caveats
    assert "Frames count from 1." in caveats
    one = provenance | {"videos": {"count": 4, "sizes": {"1280 x 720": 4}}}
    (run / "provenance.json").write_text(json.dumps(one))
    caveats = summarize(run).caveats
    assert "Frames count from 1." in caveats
    assert not any("sizes" in caveat for caveat in caveats)


def test_few_groups_are_said_once(run: Path) -> None:
    """A row's own note says the same as the caveat that counts all rows."""
    few = result(0.5, n_groups=12, notes=[wording.rough_note(12), "class 3 is rare"])
    caveats = summarize(rewrite(run, [few, *[result(0.0, c, n_groups=12) for c in NEGATIVE]])).caveats
    assert sum("12 groups" in caveat for caveat in caveats) == 1
    assert "class 3 is rare (XY position from z)." in caveats


def test_a_trained_encoder_with_every_control_has_no_caveat(run: Path) -> None:
    for name in ("alignment.json", "failures.jsonl", "labels.parquet"):
        (run / name).unlink()
    (run / "provenance.json").write_text(json.dumps({"encoder": {"name": "e", "status": "trained"}}))
    summary = summarize(rewrite(run, results_of("xy")))
    assert (summary.caveats, summary.warning) == ((), "")
    write_report(run)
    assert 'class="banner"' not in (run / "report.html").read_text()


def test_untrained_weights_are_said_beside_every_table_and_figure(run: Path) -> None:
    write_report(run)
    page, text = (run / "report.html").read_text(), (run / "report.md").read_text()
    assert 'class="banner"' in page
    assert page.count('class="tag"') == 4
    assert text.index("Untrained weights") < text.index("| Task")
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(*tables(summarize(run)))
    assert "Untrained weights" in console.export_text()


def test_an_unknown_status_is_said(run: Path) -> None:
    (run / "provenance.json").unlink()
    assert summarize(run).warning.startswith("status unknown")


def test_every_form_gives_every_score(run: Path) -> None:
    summary = write_report(run)
    page, text = (run / "report.html").read_text(), (run / "report.md").read_text()
    assert page.count('class="name"') == 2 + 2 + 2 + 6 + 2, "a property without a score keeps its line"
    assert sum(len(row.lines) for row in summary.rows) >= len(TASKS) * 2
    for row in some(summary.rows):
        for line in some(row.lines):
            for score in (line.score, *line.controls.values()):
                assert wording.number(score.value) in page
                if score.interval:
                    assert wording.interval(score) in page
                    assert wording.with_interval(score).replace("[", "") in text.replace("[", "").replace("*", "")
    assert type(summary).model_validate_json(summary.model_dump_json()) == summary


def test_the_page_loads_nothing_and_the_figure_is_small(run: Path) -> None:
    write_report(run)
    page = (run / "report.html").read_text()
    assert not re.search(r"""(?:src|href)\s*=\s*(?!["']?(?:data:|#))|url\(|@import|https?://|//\w+\.""", page)
    assert len(page) < 300_000
    figure = run / "figures" / "probe_summary.png"
    assert figure.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert figure.stat().st_size < 200_000
    assert not list(run.rglob("*.partial"))


def test_names_come_out_escaped(run: Path) -> None:
    evil = "<script>alert(1)</script>|[x](javascript:y) $a_b$"
    rewrite(
        run,
        [
            result(0.9, task=evil, features="[bold]z", notes=[evil]),
            result(0.0, "majority", task=evil, features="[bold]z"),
        ],
    )
    (run / "provenance.json").write_text(json.dumps({"encoder": {"name": evil, "status": "trained"}, evil: evil}))
    (run / "experiment.toml").write_text(f"# {evil}")
    summary = write_report(run)
    page, text = (run / "report.html").read_text(), (run / "report.md").read_text()
    assert page.count("<script>") == 1
    assert "alert(1)&lt;/script" in page
    assert "<script>" not in re.sub(r"`[^`]*`", "", text)
    assert "](javascript" not in re.sub(r"\\.", "", re.sub(r"`[^`]*`", "", text))
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(*tables(summary, width=200))
    assert "[bold]z" in console.export_text()


@pytest.mark.parametrize(("width", "lines"), [(120, 18), (80, 40)])
def test_the_table_fits_the_terminal(run: Path, width: int, lines: int) -> None:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(*tables(summarize(run), width=width))
    printed = console.export_text()
    assert max(len(line) for line in printed.splitlines()) <= width
    body = printed.split("─")[-1].strip()
    assert len(body.splitlines()) <= lines
    for shown in ("0.83", "[0.80, 0.86]", "0.61", "0.55", "−1.72", "+0.14"):
        assert shown in body
    assert CONSTANT.split()[-1] in body


def test_words_stay_whole_where_a_table_is_full_and_the_last_plain_values_go() -> None:
    verdict = "better than copy-last"
    columns: list[Column[int]] = [
        Column("h", str, short="h", right=True),
        *(Column(name, lambda one: "0.8000", short=name, value_only=True) for name in ("mean", "ridge", "untr.")),
        Column("Verdict", lambda one: verdict, short="verdict", fold=True),
    ]
    heads = {width: [str(one.header) for one in rich_table(Table("t", columns, [1, 2]), width=width).columns]
             for width in (40, 37, 30)}  # fmt: skip
    assert heads == {
        40: ["h", "mean", "ridge", "untr.", "verdict"],
        37: ["h", "mean", "ridge", "untr.", "verdict"],
        30: ["h", "mean", "ridge", "verdict"],
    }
    console = Console(width=30, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(rich_table(Table("t", columns, [1, 2]), width=30))
    assert "copy-last" in console.export_text()


@pytest.mark.parametrize("tasks", [1, 2, 4, 8])
def test_any_number_of_tasks_can_be_drawn(run: Path, tasks: int) -> None:
    made = [r.model_copy(update={"task": f"t{i}"}) for i in range(tasks) for r in results_of("size")]
    write_report(rewrite(run, made))
    assert (run / "figures" / "probe_summary.png").stat().st_size < 200_000


def test_a_score_below_the_axis_is_drawn_at_its_edge_and_printed(run: Path) -> None:
    drawn = svg.dots(beside_controls(summarize(run))[1])
    mark = next(m for m in drawn.marks if m.label == "gaussian")
    assert drawn.beyond
    assert mark.beyond == "low"
    assert mark.x == drawn.left
    assert mark.entry.value == "−1.72"
    right = max(x for x, _ in drawn.ticks)
    assert right < drawn.width - 30  # where values stand
    assert all(m.x is None or drawn.left <= m.x <= right for m in some(drawn.marks))


@pytest.mark.parametrize(
    ("value", "text", "difference"),
    [
        (0.834, "0.83", "+0.83"),
        (-0.114, "−0.11", "−0.11"),
        (-0.001, "0.00", "0.00"),
        (None, "–", "–"),
        (1.0, "1.00", "+1.00"),
    ],
)
def test_numbers_are_written_one_way(value: float | None, text: str, difference: str) -> None:
    assert (wording.number(value), wording.signed(value)) == (text, difference)


@pytest.mark.parametrize("name", ["provenance.json", "alignment.json", "failures.jsonl"])
def test_a_damaged_file_is_named(run: Path, name: str) -> None:
    (run / name).write_text("{torn")
    with pytest.raises(WorldprobeError, match=name):
        summarize(run)


def test_a_run_without_scores_says_what_to_do(run: Path) -> None:
    rewrite(run, [])
    with pytest.raises(WorldprobeError, match="worldprobe probe"):
        summarize(run)


def test_a_run_without_probes_has_a_report_of_what_it_has(run: Path) -> None:
    one = PredictionResult(
        encoder="vjepa2-tiny", method="predictor", tokens="changed", context=4, horizon=2, mode="joint",
        protocol="prefix", metric="l1", score=0.7, low=0.6, high=0.8, n=100, n_groups=24, split="grouped", seed=0,
    )  # fmt: skip
    write_results(run / "results.jsonl", [one])
    assert read_results(run / "results.jsonl") == [one]
    summary = write_report(run)
    assert summary.rows == summary.use_cases == ()
    assert [(one.about, one.kind) for one in summary.answers] == [("prediction", "not-judged")]
    assert not (run / "figures" / "probe_summary.png").exists()
    for name in ("report.html", "report.md"):
        text = (run / name).read_text()
        assert "vjepa2-tiny" in text
        assert "linear probe" not in text.lower()
    (run / "provenance.json").unlink()
    assert summarize(run).encoder.name == "vjepa2-tiny"
