"""What an encoder is good for, and where: worked out from intervals by the rules that the report prints."""

from pathlib import Path

import pytest
from tests.builders.run_lines import probe_lines

from worldprobe.findings.summary import summarize
from worldprobe.findings.use_cases import grade_use_cases
from worldprobe.findings.verdicts import cautious_skill
from worldprobe.report.charts.blocks import by_block
from worldprobe.report.write import write_report
from worldprobe.results import write_results

CONTROLS = ("nuisance", "pixels", "random-init", "shuffled", "gaussian")


def graded(tmp_path, *results):
    write_results(tmp_path / "results.jsonl", [line for some in results for line in some])
    return {use.name: use for use in summarize(tmp_path).use_cases}


def test_strong_needs_everything_above_every_control_by_half_of_what_is_left_open(tmp_path):
    uses = graded(tmp_path, probe_lines("xy", 0.7), probe_lines("size", 0.8), probe_lines("class", 0.4))
    assert uses["Robot perception backbone"].grade == "strong"
    # (0.4 - 0.02 - 0.12) / (1 - 0.12) = 0.30: above every control, but not by half.
    assert uses["Object classification"].grade == "partial"
    assert "cautious skill 0.30" in uses["Object classification"].because
    # approach was not measured: what is there cannot make it strong.
    assert uses["Grasping and manipulation"].grade == "partial"
    assert "not measured: Approach" in uses["Grasping and manipulation"].because
    assert uses["Motion prediction, optical flow"].grade == "not-measured"
    assert uses["Pixel reconstruction"].grade == "not-measured"


def test_what_is_not_above_its_controls_is_no_evidence(tmp_path):
    uses = graded(
        tmp_path, probe_lines("motion", 0.3, 0.29), probe_lines("velocity", -0.01, -0.01), probe_lines("xy", None)
    )
    assert uses["Motion prediction, optical flow"].grade == "no-evidence"
    assert uses["Robot perception backbone"].grade == "not-measured"


def test_the_features_that_reach_furthest_above_their_controls_are_judged(tmp_path):
    uses = graded(
        tmp_path, probe_lines("class", 0.95, 0.94, features="grid"), probe_lines("class", 0.8, 0.2, features="z")
    )
    assert uses["Object classification"].grade == "strong"
    assert "class from z" in uses["Object classification"].because


@pytest.mark.parametrize(
    ("score", "control", "skill"), [(0.8, 0.1, (0.78 - 0.12) / 0.88), (0.05, 0.1, -0.09 / 0.88)]
)
def test_cautious_skill_takes_the_near_ends_of_the_intervals(tmp_path, score, control, skill):
    write_results(tmp_path / "results.jsonl", probe_lines("xy", score, control))
    (row,) = summarize(tmp_path).rows
    assert cautious_skill(row) == pytest.approx(skill)
    assert grade_use_cases([]) == ()


def test_layers_are_drawn_where_two_blocks_were_read(tmp_path: Path):
    several = [probe_lines("xy", 0.2 + 0.1 * block, tap=f"e/block{block}.out") for block in (3, 0, 1)]
    write_results(tmp_path / "results.jsonl", [line for some in several for line in some])
    summary = write_report(tmp_path)
    assert [(block, row.main.score.value) for block, row in by_block(summary)["xy"]["z"]] == [
        (0, pytest.approx(0.2)), (1, pytest.approx(0.3)), (3, pytest.approx(0.5)),
    ]  # fmt: skip
    path = tmp_path / "figures" / "layers.png"
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert any("3 taps were read" in caveat for caveat in summary.caveats)
    write_results(tmp_path / "results.jsonl", probe_lines("xy", 0.4))
    write_report(tmp_path)
    assert not path.exists()  # of an earlier run
