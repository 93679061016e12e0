"""What a report says of predictions follows from intervals, and from nothing else."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from tests.builders.run_lines import prediction_line, prediction_step

from worldprobe.findings.sections.prediction import read_prediction
from worldprobe.report.forms.terminal import tables
from worldprobe.report.write import write_report
from worldprobe.results import AnyResult, LeakResult, SurpriseResult, write_results


def leak(call: str, amount: float) -> LeakResult:
    fields = {"encoder": "vjepa2-tiny", "call": call, "context": 4, "horizon": 1, "clips": 4}
    return LeakResult.model_validate({**fields, "context_change": amount, "prediction_change": amount / 2})


@pytest.mark.parametrize(
    ("scores", "verdict", "better"),
    [
        ((0.50, 0.60, 0.90, 0.70, 0.58), "better than every baseline", 4),
        (
            (0.50, 0.60, 0.90, 0.53, 0.40),
            "better than copy-last, linear; not shown better than mean; worse than ridge",
            2,
        ),
        ((0.50, 0.51, 0.52, 0.53, 0.50), "not shown better than copy-last, linear, mean, ridge", 0),
        ((0.50, 0.60, None, 0.60, None), "better than copy-last, mean", 2),
        ((None, None, None, None, None), "not measured: no reason given", 0),
    ],
)
def test_verdicts_follow_from_intervals(scores: tuple[float | None, ...], verdict: str, better: int) -> None:
    facts = read_prediction(prediction_step(*scores), "vjepa2-tiny")
    assert facts is not None
    assert facts.steps[0].verdict == verdict
    assert len(facts.steps[0].better) == better


def test_the_headline_names_horizons_of_changed_tokens_alone() -> None:
    results = [
        *prediction_step(0.5, 0.51, 0.9, 0.7, 0.6),
        *prediction_step(0.5, 0.6, 0.9, 0.7, 0.6, horizon=2),
        *prediction_step(0.5, 0.9, 0.9, 0.9, 0.9, tokens="all"),
    ]
    facts = read_prediction(results, "vjepa2-tiny")
    assert facts is not None
    assert "below that of every baseline at 2; below that of copy-last at 2." in facts.headline
    assert read_prediction([], "vjepa2-tiny") is None


def test_a_context_that_has_seen_the_future_is_said_first_of_all() -> None:
    results: list[AnyResult] = [
        *prediction_step(0.5, 0.6, 0.9, 0.7, 0.6),
        leak("prefix", 0.0),
        leak("plain forward", 3.0),
    ]
    facts = read_prediction(results, "vjepa2-tiny")
    assert facts is not None
    assert not facts.caveats
    facts = read_prediction([*results, leak("prefix", 1e-6)], "vjepa2-tiny")
    assert facts is not None
    assert facts.caveats[0].startswith("THE CONTEXT HAS SEEN THE FUTURE")


def test_paired_differences_are_what_counts_where_the_run_holds_them() -> None:
    """Intervals that overlap may hide a difference that is shown, and those apart one that is not."""
    stands = {"copy-last": "above", "corrected": "not shown", "linear": "above", "mean": "above", "ridge": "below"}
    ours, *others = prediction_step(0.5, 0.51, 0.9, 0.7, 0.6)
    results = [ours.model_copy(update={"against": stands}), *others, prediction_line("corrected", 0.9)]
    facts = read_prediction(results, "vjepa2-tiny")
    assert facts is not None
    (step,) = facts.steps
    assert (step.better, step.kind) == (("copy-last", "linear", "mean"), "below")
    assert step.verdict == "better than copy-last, linear, mean; not shown better than corrected; worse than ridge"
    assert "same resampled groups" in facts.rule


def test_a_run_of_an_older_version_is_judged_by_intervals_and_of_few_groups_not_at_all() -> None:
    for groups, kind in ((20, "above"), (19, "not-shown")):
        facts = read_prediction(prediction_step(0.5, 0.6, 0.9, 0.7, 0.6, n_groups=groups), "vjepa2-tiny")
        assert facts is not None
        assert facts.steps[0].kind == kind
        assert "A run of an older version" in facts.rule
        assert facts.window_change is None


def test_skill_is_over_the_best_fitted_baseline_where_it_was_measured(tmp_path: Path) -> None:
    fitted = prediction_line("fitted", 0.6, notes=["ridge in 5 of 5 folds"])
    skill = prediction_line("predictor", -0.13, metric="skill_fitted")
    nought = prediction_line("copy-last", 0.65, horizon=0, tokens="all")
    ahead = prediction_step(0.7, 0.7, 0.9, 0.7, 0.6, tokens="all")
    write_results(
        tmp_path / "results.jsonl", [*prediction_step(0.5, 0.6, 0.9, 0.7, 0.6), fitted, skill, nought, *ahead]
    )
    (tmp_path / "provenance.json").write_text('{"encoder": {"name": "vjepa2-tiny", "status": "trained"}}')
    summary = write_report(tmp_path)
    (answer,) = summary.answers
    assert (answer.metric, answer.score.value) == ("skill over the best fitted baseline", -0.13)
    assert (answer.against, answer.floor.value) == ("ridge in 5 of 5 folds", 0.0)
    assert summary.future is not None
    assert [step.horizon for step in summary.future.steps] == [1, 1]
    for form in ("report.html", "report.md"):
        text = (tmp_path / form).read_text()
        assert (
            "93 % of copy-last&#39;s error at horizon 1" in text or "93 % of copy-last's error at horizon 1" in text
        )
        assert "met with new groups (or pairs) of this kind" in text


def test_what_makes_scores_weak_is_a_caveat() -> None:
    results: list[AnyResult] = [
        *prediction_step(0.5, 0.6, 0.9, 0.7, 0.6, n_groups=8, n=10),
        *prediction_step(0.5, 0.6, 0.9, 0.7, 0.6, n_groups=8, n=1000, tokens="all"),
        prediction_line("ridge", None, notes=["too few groups"], n_groups=8),
        prediction_line("predictor", None, metric="psnr", tokens="all", notes=["the decoder has seen it all"]),
        SurpriseResult(encoder="vjepa2-tiny", violation="class", measure="mean", metric="auroc", score=0.5, low=0.4,
                       high=0.6, n=3, context=4, horizon=4, protocol="p", seed=0),
    ]  # fmt: skip
    facts = read_prediction(results, "vjepa2-tiny")
    assert facts is not None
    said = " ".join(facts.caveats)
    for expected in ("Only 8 groups", "Only 1.0 % of the tokens change", "not drawn: the decoder has seen it all",
                     "No ridge among the predictions: too few groups", "Only 3 pairs"):  # fmt: skip
        assert expected in said


def test_every_form_gives_the_twin_the_pixels_and_the_surprise_and_escapes_names(tmp_path: Path) -> None:
    name, twin = "a<b>|c", "random:a<b>|c"
    results: list[AnyResult] = [
        *prediction_step(0.5, 0.6, 0.9, 0.7, 0.6, encoder=name),
        prediction_line("predictor", -0.77, metric="skill", encoder=twin),
        *(prediction_line(m, 12.3 + k, metric="psnr", tokens="all", encoder=name)
          for k, m in enumerate(("predictor", "decode-actual", "copy-last-frame", "mean-image"))),
        prediction_line("predictor", 9.87, metric="psnr", encoder=name),
        prediction_line("predictor", 0.41, metric="ssim", tokens="all", encoder=name),
        *(SurpriseResult(encoder=e, violation="reverse", measure="mean", metric="auroc", score=s, low=s - 0.1,
                         high=s + 0.1, n=30, context=4, horizon=4, protocol="slid", seed=0)
          for e, s in ((name, 0.64), (twin, 0.47))),
    ]  # fmt: skip
    write_results(tmp_path / "results.jsonl", results)
    (tmp_path / "provenance.json").write_text(json.dumps({"encoder": {"name": name, "status": "trained"}}))
    summary = write_report(tmp_path)
    html, markdown = (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()
    assert name not in html
    assert "| a<b>" not in markdown
    assert summary.future is not None
    console = Console(width=200, record=True, file=io.StringIO())
    for one in tables(summary):
        console.print(one)
    printed = console.export_text()
    for text in (html, markdown, printed):
        for expected in ("0.500", "−0.77", "DECODE", "reverse", "0.64", "0.47", "0.41"):
            assert expected in text, expected
    assert "13.30" in html
    assert "9.87" in html
    assert "13.30" in markdown
    assert "13.3" in printed
    assert "9.9" in printed
