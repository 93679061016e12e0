"""What motion and order add: native clips beside stills, shuffled and reversed clips."""

import io

import pytest
from rich.console import Console
from tests.builders.run_lines import probe_lines

from worldprobe.findings.summary import summarize
from worldprobe.report.forms.terminal import tables
from worldprobe.report.write import write_report
from worldprobe.results import EvidenceResult, write_results

AT = {
    "task": "velocity", "encoder": "e", "tap": "e/block0.out", "features": "z", "input": "native", "probe": "ridge",
    "split": "grouped", "metric": "r2", "n_groups": 50, "seed": 0,
}  # fmt: skip


def read(folder, scores, gains):
    lines = [
        one.model_copy(update={"input": input})
        for input, score in scores.items() for one in probe_lines("velocity", score)
    ]  # fmt: skip
    lines += [
        EvidenceResult(**AT, measure="contrast", against=input, score=gain, low=gain - 0.05, high=gain + 0.05)
        for input, gain in gains.items()
    ]
    write_results(folder / "results.jsonl", lines)
    return summarize(folder)


def test_what_a_kind_of_input_lacks_is_what_native_clips_add(tmp_path):
    scores = {"native": 0.6, "shuffled": 0.1, "reversed": 0.58, "still": 0.7}
    gains = {"shuffled": 0.5, "reversed": 0.02, "still": -0.1}
    found = read(tmp_path, scores, gains).inputs
    assert found.others == ("still", "shuffled", "reversed")
    (row,) = found.rows
    assert {one.input: (one.score.value, one.gain.value) for one in row.others} == {
        input: (scores[input], gain) for input, gain in gains.items()
    }
    assert found.conclusion == (
        "Motion adds nothing that is shown. Higher without it: Velocity (z). Order adds to Velocity (z). "
        "The direction of time adds nothing that is shown."
    )


@pytest.mark.parametrize("inputs", [("native",), ("still", "shuffled")])
def test_without_native_clips_and_others_nothing_is_compared(tmp_path, inputs):
    assert read(tmp_path, dict.fromkeys(inputs, 0.5), {}).inputs is None


def test_every_form_prints_the_difference(tmp_path):
    summary = read(tmp_path, {"native": 0.6, "shuffled": 0.1}, {"shuffled": 0.48})
    write_report(tmp_path)
    console = Console(width=100, record=True, file=io.StringIO())
    for table in tables(summary, width=100):
        console.print(table)
    for text in (console.export_text(), *((tmp_path / f"report.{kind}").read_text() for kind in ("md", "html"))):
        assert "What do motion and order add?" in text
        assert "+0.48 [0.43, 0.53]" in " ".join(text.split())


def test_two_probes_of_a_property_are_told_apart(tmp_path):
    lines = [
        one.model_copy(update={"input": input, "probe": probe})
        for input in ("native", "shuffled") for probe in ("ridge", "knn") for one in probe_lines("velocity", 0.5)
    ]  # fmt: skip
    gains = {"ridge": 0.4, "knn": 0.3}
    lines += [
        EvidenceResult(
            **{**AT, "probe": probe}, measure="contrast", against="shuffled", score=gain, low=0.1, high=0.6
        )
        for probe, gain in gains.items()
    ]
    write_results(tmp_path / "results.jsonl", lines)
    summary = summarize(tmp_path)
    assert summary.inputs.conclusion == "Order adds to Velocity (z, ridge), Velocity (z, knn)."
    console = Console(width=100, record=True, file=io.StringIO())
    for table in tables(summary, width=100):
        console.print(table)
    order = console.export_text().partition("What do motion and order add?")[2]
    assert "ridge" in order
    assert "knn" in order


def test_what_is_quoted_of_a_property_is_no_clip_in_another_order(tmp_path):
    (answer,) = read(tmp_path, {"native": 0.3, "shuffled": 0.6, "reversed": 0.5}, {}).answers
    assert (answer.input, answer.score.value, answer.ways) == ("native", 0.3, 1)
    (answer,) = read(tmp_path, {"shuffled": 0.6}, {}).answers
    assert answer.input == "shuffled"
