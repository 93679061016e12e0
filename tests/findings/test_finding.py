"""Findings: each is a field of the summary, and its own class reads it from the run."""

import math
from typing import get_args

from tests.builders.run_lines import probe_lines
from tests.builders.whole import write_whole_run

from worldprobe.findings.facts import Summary
from worldprobe.findings.sections.original import Original
from worldprobe.findings.summary import summarize
from worldprobe.results import KnownResult, LeakResult, write_results


def test_the_summary_names_the_class_of_each_finding_and_fills_it(tmp_path):
    kinds = Summary.findings()
    assert kinds["original"] is Original
    assert set(kinds) >= {"original", "deltas", "evidence", "future", "decoding", "moments"}
    write_whole_run(tmp_path)
    summary = summarize(tmp_path)
    for name in set(kinds) - {"moments"}:  # it has no clips to look at
        assert isinstance(getattr(summary, name), kinds[name])


def test_what_a_run_has_nothing_of_is_no_finding(tmp_path):
    write_results(tmp_path / "results.jsonl", probe_lines("xy", 0.5))
    summary = summarize(tmp_path)
    assert {getattr(summary, name) for name in Summary.findings()} == {None}


def test_every_kind_of_line_but_costs_is_some_stages():
    stages = {one.model_fields["kind"].default: one.written_by for one in get_args(KnownResult)}
    assert stages.pop("cost") == ""
    assert set(stages.values()) == {"probe", "predict", "decode"}
    assert stages["learning"] == "probe"
    assert stages["surprise"] == "predict"


def test_a_line_that_names_no_encoder_leaves_the_encoder_to_the_others(tmp_path):
    line = LeakResult(
        encoder="", call="prefix", context=4, horizon=2, context_change=0.0, prediction_change=0.0, clips=4
    )
    write_results(tmp_path / "results.jsonl", [*probe_lines("xy", 0.5), line])
    assert summarize(tmp_path).encoder.name == "e"
    write_results(tmp_path / "results.jsonl", [line])
    (tmp_path / "provenance.json").write_text('{"encoder": {"status": "trained"}}')
    assert summarize(tmp_path).encoder.name == ""


def test_a_fold_left_at_the_constant_is_told_from_one_that_is_not_known(tmp_path):
    lines = [one.model_copy(update={"chosen": [math.inf, 10.0]}) for one in probe_lines("velocity", 0.5)]
    write_results(tmp_path / "results.jsonl", lines)
    summary = summarize(tmp_path)
    written = summary.model_dump_json()
    assert '"chosen":["Infinity",10.0]' in written
    assert type(summary).model_validate_json(written) == summary
