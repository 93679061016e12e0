"""Does motion live in the deltas: where each property is, by the stated rule, in every form of the report."""

from pathlib import Path

import pytest
from rich.console import Console

from worldprobe.findings.sections.deltas import PLACES, DeltaCell, _place, family
from worldprobe.findings.summary import summarize
from worldprobe.intervals import Score
from worldprobe.report.forms.terminal import section_tables
from worldprobe.report.tables.deltas import deltas as deltas_section
from worldprobe.report.write import write_report
from worldprobe.results import (
    CodeResult,
    EvidenceResult,
    LearningPoint,
    LearningResult,
    ProbeResult,
    write_results,
)

CONTROLS = ("nuisance", "pixels", "random-init", "shuffled", "gaussian")


def probed(task, features, score, control=0.1, *, input="native", probe="ridge", tap="e/block0.out", **more):
    """A score and its controls with intervals of plus and minus 0.03."""
    common = {
        "task": task, "encoder": "e", "tap": tap, "features": features, "input": input, "probe": probe,
        "split": "grouped", "metric": "r2", "n_train": 80, "n_test": 100, "n_groups": 50, "seed": 0, **more,
    }  # fmt: skip
    values = {"none": score, "majority": 0.0} | dict.fromkeys(CONTROLS, control)
    return [
        ProbeResult(**common, control=name, score=value, low=value - 0.03, high=value + 0.03)
        for name, value in values.items()
    ]


def of(task, features, **more):
    fields = {
        "task": task, "encoder": "e", "tap": "e/block0.out", "features": features, "input": "native",
        "probe": "ridge", "split": "grouped", "metric": "r2", "n_groups": 50, "seed": 0,
    }  # fmt: skip
    return fields | more


def gain(task, score, half=0.05):
    return EvidenceResult(
        **of(task, "delta"), measure="contrast", against="z", score=score, low=score - half, high=score + half
    )


def run(folder, *lines):
    write_results(
        folder / "results.jsonl", [one for some in lines for one in (some if isinstance(some, list) else [some])]
    )
    return folder


@pytest.mark.parametrize(
    ("z", "delta", "both", "more", "place"),
    [
        (0.0, 0.6, 0.6, 0.6, "deltas"),
        (0.5, 0.7, 0.7, 0.2, "deltas"),
        (0.0, 0.6, 0.6, 0.02, "deltas"),
        (0.6, 0.6, 0.7, 0.0, "both"),
        (0.6, 0.0, 0.6, -0.6, "z"),
        (0.1, 0.1, 0.5, 0.0, "together"),
        (0.1, 0.1, 0.1, 0.0, "controls"),
        (0.0, 0.0, 0.0, 0.0, "nowhere"),
    ],
)
def test_where_a_property_is_follows_from_the_intervals(tmp_path, z, delta, both, more, place):
    scores = zip(("z", "delta", "z+delta"), (z, delta, both), strict=True)
    folder = run(tmp_path, *(probed("velocity", kind, score) for kind, score in scores), gain("velocity", more))
    (row,) = summarize(folder).deltas.rows
    assert row.place == place
    assert [cell.features for cell in row.cells] == ["z", "delta", "z+delta"]
    assert row.cells[1].floor.value == 0.1
    assert row.gain.value == more


@pytest.mark.parametrize(
    ("z", "delta", "more", "said"),
    [
        (0.5, 0.7, 0.2, "Yes, more than in z: Velocity (linear)."),
        (0.0, 0.6, None, "Yes, and not shown in z: Velocity (linear)."),
        (0.6, 0.6, 0.0, "Yes, as well as in z, with no difference shown: Velocity (linear)."),
        (0.8, 0.6, -0.2, "Yes, but less than in z: Velocity (linear)."),
        (None, 0.6, None, "Yes, with no z beside it to compare with: Velocity (linear)."),
        (0.1, 0.1, 0.0, "Not shown: what the deltas hold of it, some control holds as well."),
    ],
)
def test_the_headline_does_not_claim_for_the_deltas_what_z_holds_as_well(tmp_path, z, delta, more, said):
    scores = [(kind, score) for kind, score in (("z", z), ("delta", delta)) if score is not None]
    gains = [] if more is None else [gain("velocity", more)]
    folder = run(tmp_path, *(probed("velocity", kind, score) for kind, score in scores), *gains)
    assert f"Does motion live in the deltas? {said} Native" in summarize(folder).deltas.conclusion


@pytest.fixture
def both(tmp_path):
    """Velocity in the deltas of native clips, by a linear probe and by an mlp; nowhere in stills."""
    lines = []
    for probe in ("ridge", "mlp-regression"):
        for input, delta in (("native", 0.6), ("still", 0.0)):
            for kind, score in (("z", 0.0), ("delta", delta), ("z+delta", delta)):
                lines.append(probed("velocity", kind, score, input=input, probe=probe))
    point = LearningPoint(rows=10, groups=3, score=0.2, low=0.1, high=0.3)
    later = [point.model_copy(update={"rows": 10.0 * 2**i, "score": 0.6 - 0.4 / 2**i}) for i in range(1, 5)]
    return run(
        tmp_path, *lines, gain("velocity", 0.6),
        EvidenceResult(**of("velocity", "delta"), measure="skill", against="pixels", score=0.5, low=0.4, high=0.6),
        EvidenceResult(
            **of("velocity", "delta"), measure="selectivity", against="shuffled", score=0.6, low=0.5, high=0.7
        ),
        CodeResult(
            **of("velocity", "delta"), rows=100, online_bits=500, constant_bits=900, uniform_bits=1000,
            compression=2.0, compression_of_constant=1.8, saved_bits_per_row=4.0,
        ),
        LearningResult(
            **of("velocity", "delta"), points=[point, *later], ceiling=0.6, scale=4.0, exponent=1.0,
            plateau_rows=400.0, gain_by_doubling=0.012, gain_low=0.011, gain_high=0.02, more_data_would_help="yes",
        ),
    )  # fmt: skip


def test_the_same_answer_stands_in_terminal_markdown_html_and_json(both: Path):
    summary = write_report(both)
    assert summary.deltas.conclusion == (
        "Does motion live in the deltas? Yes, more than in z: Velocity (linear); and not shown in z: "
        "Velocity (mlp). "
        "Native clips, 2 readings: 2 in the deltas. Stills, 2 readings: 2 nowhere: no evidence."
    )
    console = Console(width=130, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(*section_tables(deltas_section(summary)))
    for text in (console.export_text(), (both / "report.md").read_text(), (both / "report.html").read_text()):
        assert "Does motion live in the deltas?" in text
        for shown in ("0.60", "linear", "mlp", "still", "+0.60"):
            assert shown in text
    for text in ((both / "report.md").read_text(), (both / "report.html").read_text()):
        assert PLACES["deltas"] in text
        assert "0.50 [0.40, 0.60] over" in text  # skill
        assert "4.00 (1.80×)" in text  # bits
        assert "n ≈ 400 (ceiling 0.60)" in text
        assert "yes (+0.01 [0.01, 0.02])" in text
    assert type(summary).model_validate_json(summary.model_dump_json()) == summary
    assert (both / "figures" / "learning.png").read_bytes()[:4] == b"\x89PNG"
    assert 'data-tip="delta, native, ridge, 40 moments: 0.500 [0.100, 0.300]' in (both / "report.html").read_text()


def test_the_last_block_is_shown_and_what_could_not_be_measured_too(tmp_path):
    lines = [probed("velocity", "delta", 0.2 + 0.1 * block, tap=f"e/block{block}.out") for block in (4, 5)]
    none = probed("approach", "delta", 0.0, tap="e")[0]
    gone = {"score": None, "low": None, "high": None, "notes": ["approach is constant"]}
    summary = write_report(run(tmp_path, *lines, none.model_copy(update=gone)))
    assert [(r.task, r.place) for r in summary.deltas.rows] == [("velocity", "deltas"), ("approach", "unknown")]
    assert summary.deltas.rows[0].cells[0].score.value == pytest.approx(0.7)


def test_there_is_no_table_without_deltas(tmp_path):
    summary = write_report(run(tmp_path, probed("velocity", "z", 0.5)))
    assert summary.deltas is None
    assert not (tmp_path / "figures" / "learning.png").exists()
    assert "live in the deltas" not in (tmp_path / "report.md").read_text()


def test_controls_of_one_probe_do_not_stand_beside_another(tmp_path):
    folder = run(
        tmp_path, probed("xy", "z", 0.5, 0.1), probed("xy", "z", 0.6, 0.55, probe="mlp-regression"),
    )  # fmt: skip
    linear, mlp = summarize(folder).rows
    assert (linear.main.controls["pixels"].value, mlp.main.controls["pixels"].value) == (0.1, 0.55)
    assert (linear.main.verdict.kind, mlp.main.verdict.kind) == ("above", "not-shown")


def test_an_error_is_judged_by_how_small_it_is(tmp_path):
    rows = probed("direction", "z", 0.5, 0.1)
    values = {"none": 20.0, "majority": 90.0} | dict.fromkeys(CONTROLS, 80.0)
    rows += [
        rows[0].model_copy(
            update={"metric": "angular_error", "control": name, "score": v, "low": v - 5, "high": v + 5}
        )
        for name, v in values.items()
    ]
    summary = write_report(run(tmp_path, rows))
    (row,) = summary.rows
    (error,) = row.others
    assert error.verdict.kind == "above"
    assert error.best_control in CONTROLS
    assert error.margin == 60
    assert "−" not in error.verdict.text
    assert "20.00" in (tmp_path / "report.md").read_text()
    worse = [r.model_copy(update={"score": 95.0, "low": 88.0, "high": 99.0})
             if (r.metric, r.control) == ("angular_error", "none") else r for r in rows]  # fmt: skip
    assert summarize(run(tmp_path, worse)).rows[0].others[0].verdict.kind == "no-evidence"


def test_the_chosen_tap_is_quoted_with_what_was_tried(tmp_path):
    lines = [probed("xy", "z", 0.2 + 0.2 * block, tap=f"e/block{block}.out") for block in range(3)]
    taps = ["e/block2.out z"] * 4 + ["e/block1.out z"]
    lines.append(probed("xy", "chosen", 0.55, tap="e/chosen", taps=taps))
    summary = write_report(run(tmp_path, *lines))
    (tap,) = summary.evidence.taps
    assert (tap.tried, tap.best, tap.best_score) == (3, "block2 z", pytest.approx(0.6))
    assert tap.taps == (("block2 z", 4), ("block1 z", 1))
    for text in ((tmp_path / "report.md").read_text(), (tmp_path / "report.html").read_text()):
        assert "of 3 taps and features the folds chose block2 z in 4, block1 z in 1" in text
    assert any("3 taps were read" in c and "Quote the rows “chosen”" in c for c in summary.caveats)
    use = {use.name: use for use in summary.use_cases}["Robot perception backbone"]
    assert "XY position from chosen 0.55" in use.because


@pytest.mark.parametrize(
    ("probe", "name"),
    [("ridge", "linear"), ("logistic", "linear"), ("mlp-regression:64", "mlp:64"), ("knn-classification", "knn")],
)
def test_probes_of_both_kinds_of_task_have_one_name(probe, name):
    assert family(probe) == name


@pytest.mark.parametrize(
    ("states", "place"),
    [
        (["evident", "unsure"], "controls"),
        (["unsure", "missed"], "unsure"),
        (["missed", ""], "missed"),
        (["", ""], "nowhere"),
    ],
)
def test_what_is_not_shown_is_nowhere_only_if_it_would_have_shown(states, place):
    nothing = Score(value=0.0)
    cells = {
        str(index): DeltaCell(
            features="z", score=nothing, best_control=None, floor=nothing, above=False, skill=nothing,
            **{name: name == state for name in ("evident", "unsure", "missed")},
        )
        for index, state in enumerate(states)
    }  # fmt: skip
    assert _place(cells, Score(value=None)) == place
