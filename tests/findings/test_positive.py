"""What a positive control adds to a conclusion."""

import io

import pytest
from rich.console import Console
from tests.builders.run_lines import probe_lines

from worldprobe.findings.summary import summarize
from worldprobe.report.forms.terminal import tables
from worldprobe.report.write import write_report
from worldprobe.results import EvidenceResult, PowerResult, VerdictResult, write_results


def lines(task, score, flow, *, z, verdict="too few to tell", difference=None, control=0.0):
    """A probe and its controls, flow with its z beside them, and the paired difference."""
    real, *others = probe_lines(task, score, control)
    beside = real.model_copy(
        update={
            "control": "flow",
            "encoder": "flow",
            "score": flow,
            "low": flow - 0.02,
            "high": flow + 0.02,
            "z": z,
        }
    )
    names = ("task", "encoder", "tap", "features", "input", "probe", "split", "metric", "n_groups", "seed")
    at = {name: getattr(real, name) for name in names}
    gap = score - flow if difference is None else difference
    return [
        real, *others, beside,
        EvidenceResult(**at, measure="contrast", against="flow", score=gap, low=gap - 0.05, high=gap + 0.05),
        VerdictResult(**at, verdict=verdict, against=["pixels"] if verdict == "not above" else []),
    ]  # fmt: skip


def of(folder, *found):
    write_results(folder / "results.jsonl", [one for some in found for one in some])
    return summarize(folder)


def concluded(folder, **values):
    (row,) = of(folder, lines("velocity", **values)).rows
    return row.main


@pytest.mark.parametrize("verdict", ["too few to tell", "no evidence"])
def test_where_flow_shows_it_the_encoder_is_what_did_not(tmp_path, verdict):
    main = concluded(tmp_path, score=0.0, flow=0.75, z=10.0, verdict=verdict)
    assert main.verdict.text.endswith(
        "; flow 0.75 [0.73, 0.77] shows it: learnable here, not read from the encoder"
    )
    assert main.verdict.short.endswith("; flow shows it")
    assert main.positive["flow"].shown is True
    assert main.positive["flow"].difference.value == -0.75


def test_where_neither_shows_it_the_sample_is_too_small(tmp_path):
    main = concluded(tmp_path, score=0.0, flow=-0.01, z=0.3)
    assert main.verdict.text.startswith("too few groups to tell")
    assert main.verdict.text.endswith(
        "; nor does flow −0.01 [−0.03, 0.01] show it: it cannot be learnt from this sample"
    )
    assert main.positive["flow"].shown is False
    main = concluded(tmp_path, score=0.0, flow=-0.01, z=0.3, verdict="no evidence")
    assert main.verdict.text.endswith("show it: it is not shown to be learnable here")


def test_what_labels_moved_in_time_reach_too_flow_does_not_show(tmp_path):
    """In a film neighbours are alike: a z that is large elsewhere is what any label has there."""
    found = lines("velocity", score=0.0, flow=0.3, z=5.0)
    names = ("task", "encoder", "tap", "features", "input", "probe", "split", "metric", "n_groups", "seed")
    at = {name: getattr(found[0], name) for name in names}
    for least, shown in ((2.33, True), (6.0, False)):
        power = PowerResult(**at, easy=0.1, hard=None, least_z=least, groups_needed=None)
        (row,) = of(tmp_path, [*found, power]).rows
        assert row.main.positive["flow"].shown is shown


def test_where_flow_cannot_be_told_nothing_follows(tmp_path):
    main = concluded(tmp_path, score=0.0, flow=0.01, z=2.5)
    assert main.positive["flow"].shown is None
    assert "show" not in main.verdict.short


@pytest.mark.parametrize(
    ("score", "verdict", "added"),
    [
        (0.5, "above every control", "; flow reads it better, 0.75 [0.73, 0.77]"),
        (0.9, "above every control", "; above flow too, 0.75 [0.73, 0.77]"),
        (0.9, "not above", "; above flow, 0.75 [0.73, 0.77]"),
        (0.76, "above every control", "; not apart from flow, 0.75 [0.73, 0.77]"),
    ],
)
def test_what_is_read_is_compared_with_flow(tmp_path, score, verdict, added):
    main = concluded(tmp_path, score=score, flow=0.75, z=10.0, verdict=verdict)
    assert main.verdict.text.endswith(added)
    assert main.verdict.kind == {"above every control": "above", "not above": "not-shown"}[verdict]


def test_flow_is_no_floor_and_its_absence_no_caveat(tmp_path):
    summary = of(
        tmp_path, lines("velocity", 0.5, 0.75, z=10.0, verdict="above every control"), probe_lines("xy", 0.5)
    )
    velocity, xy = summary.rows
    assert velocity.main.best_control != "flow"
    assert velocity.main.margin == pytest.approx(0.5)
    assert "flow" not in velocity.main.controls
    assert xy.main.missing == ()
    assert not xy.main.positive
    assert not any("flow" in caveat for caveat in summary.caveats)


def test_every_form_prints_flow_beside_motion(tmp_path):
    summary = of(
        tmp_path, lines("velocity", 0.5, 0.753, z=10.0, verdict="above every control"), probe_lines("xy", 0.5)
    )
    write_report(tmp_path)
    for name in ("report.html", "report.md", "report.json"):
        assert "flow" in (tmp_path / name).read_text(), name
    assert "0.75 [0.73, 0.77]" in (tmp_path / "report.md").read_text()
    for width in (80, 140):
        console = Console(width=width, record=True, file=io.StringIO())
        for table in tables(summary, width=width):
            console.print(table)
        printed = console.export_text()
        assert "flow" in printed
        assert "0.75" in printed
