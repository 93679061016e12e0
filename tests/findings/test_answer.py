"""What the report opens with, and the uses that decoders and predictions are needed for."""

import html
import json
import re

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.builders.checks import some
from tests.builders.run_lines import CONTROLS, decoder_lines

from worldprobe.findings.story import tell_story
from worldprobe.findings.summary import summarize
from worldprobe.report.charts.decoding import glimpse
from worldprobe.report.write import write_report
from worldprobe.results import (
    EnergyResult,
    PredictionResult,
    ProbeResult,
    SurpriseResult,
    UnlabelledResult,
    VerdictResult,
    write_results,
)


def probe(task, score, control=0.1, *, features="z", tap="e/block0.out"):
    common = {
        "task": task, "encoder": "e", "features": features, "input": "native", "probe": "ridge", "tap": tap,
        "split": "grouped", "metric": "r2", "n_train": 80, "n_test": 100, "n_groups": 50, "seed": 0,
    }  # fmt: skip
    values = {"none": score, "majority": 0.0} | dict.fromkeys(CONTROLS, control)
    return [
        ProbeResult(**common, control=name, score=value, low=value - 0.02, high=value + 0.02)
        for name, value in values.items()
    ]


def told(horizon, **l1):
    """The errors of a horizon on tokens that changed, and the predictor's skill."""

    def one(method, metric, value):
        return PredictionResult(
            encoder="e", method=method, tokens="changed", context=4, horizon=horizon, mode="joint", protocol="p",
            metric=metric, score=value, low=value - 0.01, high=value + 0.01, n=500, n_groups=40, split="grouped",
            seed=0,
        )  # fmt: skip

    lines = [one(name.replace("_", "-"), "l1", value) for name, value in l1.items()]
    return [*lines, one("predictor", "skill", 1 - l1["predictor"] / l1["copy_last"])]


def surprised(encoder, score):
    return SurpriseResult(
        encoder=encoder, violation="all", measure="mean", metric="relative_accuracy", score=score, low=score - 0.05,
        high=score + 0.05, n=60, context=4, horizon=4, protocol="p", seed=0,
    )  # fmt: skip


def summary_of(tmp_path, *lines):
    write_results(tmp_path / "results.jsonl", [line for some in lines for line in some])
    (tmp_path / "provenance.json").write_text('{"encoder": {"name": "e", "status": "trained"}}')
    return summarize(tmp_path)


def grades(tmp_path, *lines):
    return {use.name: use for use in summary_of(tmp_path, *lines).use_cases}


def test_one_line_a_property_then_the_prediction_then_the_decoder(tmp_path):
    far = {"copy_last": 0.8, "linear": 0.9, "mean": 0.7, "ridge": 0.6}
    summary = summary_of(
        tmp_path,
        probe("xy", 0.3), probe("xy", 0.8, features="grid"), probe("size", 0.1, 0.3),
        told(1, predictor=0.4, **far), told(2, predictor=0.65, **far), told(3, predictor=0.75, **far),
        [surprised("e", 0.7), surprised("random:e", 0.5)],
        decoder_lines(none=24.0, mean_image=17.0, shuffled_embedding=18.0, bicubic_8=23.0),
    )  # fmt: skip
    said = [(one.about, one.subject, one.kind, one.against) for one in summary.answers]
    assert said == [
        ("property", "XY position", "above", "shuffled"),
        ("property", "Object size", "below", "shuffled"),
        ("prediction", "Prediction, 1 ahead", "above", "ridge"),
        ("prediction", "Prediction, 3 ahead", "below", "ridge"),
        ("surprise", "Surprise at the impossible", "above", "random:e"),
        ("decoder", "Frames drawn by cnn", "above", "shuffled embeddings"),
    ]
    xy = summary.answers[0]
    assert (xy.score.value, xy.features, xy.ways) == (0.8, "grid", 2)
    assert (xy.floor.value, xy.n, xy.groups) == (0.1, 100, 50)


@pytest.mark.parametrize(
    ("own", "twin", "kind"),
    [(0.7, 0.5, "above"), (0.7, 0.65, "not-shown"), (0.52, 0.5, "no-evidence"), (0.6, 0.8, "below")],
)
def test_surprise_is_judged_against_chance_and_the_twin(tmp_path, own, twin, kind):
    lines = [told(1, predictor=0.4, copy_last=0.8), [surprised("e", own), surprised("random:e", twin)]]
    assert summary_of(tmp_path, *lines).answers[-1].kind == kind


def test_surprise_and_decoders_are_above_by_pairs_where_the_run_holds_them(tmp_path):
    """The intervals of both overlap with what they are held against."""
    ours = surprised("e", 0.7).model_copy(update={"against_twin": "above"})
    decoder, *controls = decoder_lines(none=18.5, mean_image=17.0, shuffled_embedding=18.0)
    paired = decoder.model_copy(update={"against": {"mean-image": "above", "shuffled-embedding": "above"}})
    of_twin, of_decoder = summary_of(tmp_path, [ours, surprised("random:e", 0.65), paired, *controls]).answers
    assert (of_twin.kind, of_decoder.kind) == ("above", "above")
    _, unpaired = summary_of(tmp_path, [ours, surprised("random:e", 0.65), decoder, *controls]).answers
    assert (unpaired.kind, unpaired.verdict) == (
        "not-shown",
        "above mean image; not shown above shuffled embeddings",
    )
    few = [one.model_copy(update={"n": 19}) for one in (ours, surprised("random:e", 0.65))]
    (rough,) = summary_of(tmp_path, few).answers
    assert (rough.kind, rough.mark) == ("above", "not-shown")


def test_pixel_reconstruction_must_lie_above_small_pictures_too(tmp_path):
    floors = {"mean_image": 17.0, "shuffled_embedding": 18.0}
    name = "Pixel reconstruction"
    assert (
        grades(tmp_path, decoder_lines(none=31.0, bicubic_8=23.0, bicubic_16=28.0, **floors))[name].grade
        == "strong"
    )
    between = grades(tmp_path, decoder_lines(none=26.0, bicubic_8=23.0, bicubic_16=28.0, **floors))[name]
    assert (between.grade, "not shown above bicubic from 16 × 16" in between.because) == ("partial", True)
    assert (
        grades(tmp_path, decoder_lines(none=31.0, **floors))[name].grade == "partial"
    )  # no yardstick was measured
    assert grades(tmp_path, decoder_lines(none=18.2, bicubic_8=23.0, **floors))[name].grade == "no-evidence"
    assert name not in grades(tmp_path, told(1, predictor=0.4, copy_last=0.8))


def test_a_decoder_counts_for_generation_by_the_error_that_it_removes(tmp_path):
    probes = [probe(task, 0.8) for task in ("xy", "size", "class")]
    name = "Video generation conditioning"
    assert grades(tmp_path, *probes)[name].grade == "partial"
    assert "not measured: a decoder's reconstructions" in grades(tmp_path, *probes)[name].because
    assert grades(tmp_path, *probes, decoder_lines(none=24.0, mean_image=18.0))[name].grade == "strong"
    # 2 dB at least between the near ends is 37 % of the squared error.
    weak = grades(tmp_path, *probes, decoder_lines(none=21.0, mean_image=18.0))[name]
    assert (weak.grade, "cautious skill 0.37" in weak.because) == ("partial", True)


def test_planning_needs_every_horizon(tmp_path):
    far, name = {"copy_last": 0.9, "linear": 1.2, "mean": 0.9, "ridge": 0.9}, "Planning with predicted futures"
    assert grades(tmp_path, told(1, predictor=0.3, **far), told(2, predictor=0.4, **far))[name].grade == "strong"
    some = grades(tmp_path, told(1, predictor=0.3, **far), told(2, predictor=0.9, **far))[name]
    assert (some.grade, "at horizons 1 of 1 to 2" in some.because) == ("partial", True)
    assert grades(tmp_path, told(1, predictor=0.9, **far))[name].grade == "no-evidence"
    assert grades(tmp_path, probe("xy", 0.5))[name].grade == "not-measured"


def test_markdown_keeps_the_order_of_the_findings_it_began_with(tmp_path):
    lines = [
        *probe("xy", 0.8), *told(1, predictor=0.4, copy_last=0.8), *decoder_lines(none=24.0, mean_image=17.0),
    ]  # fmt: skip
    write_results(tmp_path / "results.jsonl", lines)
    summary = write_report(tmp_path)
    text = (tmp_path / "report.md").read_text()
    heads = re.findall(r"^## (?:\d\. )?(\w+)", text, flags=re.MULTILINE)
    assert heads == ["The", "Decoders", "Prediction", "Linear", "Key", "Next", "Caveats", "Infrastructure"]
    assert re.findall(r"^## (\d)\.", text, flags=re.MULTILINE) == list("12345")
    assert all(step in text for step in some(summary.next_steps))
    assert any("--blocks all" in step for step in summary.next_steps)
    page = (tmp_path / "report.html").read_text()
    assert page.index('id="answer"') < page.index('id="uses"') < page.index('id="table"')


def test_the_story_names_properties_by_what_was_found_of_them_then_the_rest(tmp_path):
    far = {"copy_last": 0.8, "linear": 0.9, "mean": 0.7, "ridge": 0.6}
    summary = summary_of(
        tmp_path, probe("xy", 0.8), probe("size", 0.1, 0.3), probe("velocity", -0.1, -0.1), probe("depth", 0.5),
        told(1, predictor=0.65, **far), told(2, predictor=0.4, **far), told(3, predictor=0.4, **far),
        [surprised("e", 0.7), surprised("random:e", 0.5)],
        decoder_lines(none=24.0, mean_image=17.0, shuffled_embedding=18.0),
    )  # fmt: skip
    every = "chance, video and time alone, pixels and the untrained network"
    assert summary.story == (
        f"Known, and better than {every}: where things are (xy, z), how far away they are (depth, z).",
        "Better read from video and time alone, pixels, the untrained network and chance than from the encoder: "
        "how large they are (size, z).",
        "No evidence of: how fast they move (velocity, z).",
        "Future: predicted better than by every baseline 2 and 3 tubelets ahead; at 1 worse than ridge.",
        "Surprise at the impossible: relative accuracy 0.70 [0.65, 0.75], above chance and the untrained twin.",
        "Frames drawn by cnn: PSNR 24.0 [23.5, 24.5] dB, above mean image, shuffled embeddings.",
    )
    assert tell_story([], None) == ()
    write_report(tmp_path)
    for form in ("report.html", "report.md"):
        text = html.unescape((tmp_path / form).read_text()).replace("\\", "")
        assert all(line in text for line in summary.story)


def test_the_story_claims_less_of_few_groups_and_of_controls_that_were_not_run(tmp_path):
    few = [one.model_copy(update={"n_groups": 12}) for one in probe("xy", 0.8)]
    some = [one for one in probe("size", 0.8) if one.control in ("none", "majority", "pixels")]
    between = probe("depth", 0.5, 0.49)
    every = "chance, video and time alone, pixels and the untrained network"
    summary = summary_of(tmp_path, few, some, between, [surprised("e", 0.52)])
    assert summary.story[:3] == (
        f"Better than {every}, but not yet sure in 12 groups: where things are (xy, z).",
        "Known, and better than chance and pixels, the controls that were run: how large they are (size, z).",
        "Read, but not shown to be better than video and time alone, pixels, the untrained network and chance: "
        "how far away they are (depth, z).",
    )
    meanings = [one.meaning for one in summary.answers]
    assert "In 12 groups only" in meanings[0]
    assert "not run: nuisance, random-init, shuffled and gaussian" in meanings[1]
    assert "may be chance, so what is read may come from there" in meanings[2]
    assert "no more often than chance" in meanings[3]


def test_each_verdict_of_the_page_says_what_it_rules_out_where_pointed_at_and_in_print(tmp_path):
    summary_of(
        tmp_path, probe("xy", 0.8), probe("size", 0.1, 0.3), probe("velocity", -0.1, -0.1),
        told(1, predictor=0.4, copy_last=0.8), decoder_lines(none=24.0, mean_image=17.0),
    )  # fmt: skip
    summary = write_report(tmp_path)
    page = html.unescape((tmp_path / "report.html").read_text())
    assert len(re.findall(r'<td class="verdict" title="[A-Z][^"]{30,}">', page)) == 5 + 3
    assert all(f'title="{one.meaning}"' in page for one in some(summary.answers))
    legend = page.partition("What the verdicts rule out")[2].partition("</dl>")[0]
    kinds = ("above every control", "below", "no evidence", "control", "baseline", "tubelet")
    assert re.findall(r"<dt[^>]*>(?:\W )?([^<]*)</dt>", legend) == list(kinds)
    text = (tmp_path / "report.md").read_text()
    assert "| Verdict | What it rules out |" in text
    assert "none explains the score" in legend
    assert "none explains the score" in text


def test_the_story_says_what_was_too_few_and_why_something_was_not_measured(tmp_path):
    gone = [
        one.model_copy(
            update={"score": None, "low": None, "high": None, "notes": ["the labeller gives no classes"]}
        )
        for one in probe("class", 0.5)
    ]
    at = {"task": "xy", "encoder": "e", "tap": "e/block0.out", "features": "z", "input": "native", "probe": "ridge"}
    at |= {"split": "grouped", "metric": "r2", "n_groups": 9, "seed": 0}
    few = [one.model_copy(update={"n_groups": 9}) for one in probe("xy", 0.0)]
    unsure = VerdictResult(**at, verdict="too few to tell")
    assert summary_of(tmp_path, few, gone, [unsure]).story == (
        "Too few groups to tell (9 scenes, shots or stretches of film, which are held out whole): where things are "
        "(xy, z).",
        "Not measured (the labeller gives no classes): what they are (class, z).",
    )


def energies(accuracy, twin=None, against_twin=None):
    """Lines of true actions against others': how often the true one's energy is lower, of the twin too."""
    told = {"n": 611, "n_groups": 29, "stride": 4, "protocol": "one step", "seed": 0}
    return [
        EnergyResult(
            encoder=encoder, actions="shuffled", times=None, metric=metric, **told, score=score, low=score - 0.05,
            high=score + 0.05, against_twin=against_twin if encoder == "e" and metric == "accuracy" else None,
        )
        for encoder, share in (("e", accuracy), ("random:e", twin))
        if share is not None
        for metric, score in (("l1", 0.5), ("excess", 0.1), ("accuracy", share))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "kind", "verdict"),
    [
        (energies(0.7), "above", "above chance"),
        (energies(0.7, 0.5, "above"), "above", "above chance and the untrained twin"),
        (energies(0.7, 0.65, "not shown"), "not-shown", "above chance, not shown above the untrained twin"),
        (energies(0.7, 0.9, "below"), "below", "above chance, below the untrained twin"),
        (energies(0.52), "no-evidence", "no evidence: not above chance"),
    ],
)
def test_a_run_that_measured_the_energy_of_actions_alone_opens_with_its_answer(tmp_path, lines, kind, verdict):
    summary = summary_of(tmp_path, lines)
    assert [(one.about, one.kind, one.verdict, one.n) for one in summary.answers] == [
        ("energy", kind, verdict, 611)
    ]
    (line,) = summary.story
    assert line.startswith("Energy of the true action: lower in 0.")
    assert line.endswith(f"] of transitions, {verdict}.")


def test_a_run_that_answers_no_question_says_what_it_has_instead(tmp_path):
    rank = UnlabelledResult(
        encoder="e", tap="e/block0.out", input="native", measure="effective rank", control="none", score=3.1,
        low=3.0,
        high=3.2, n=100, n_videos=9, width=8,
    )  # fmt: skip
    write_results(tmp_path / "results.jsonl", [rank])
    summary = write_report(tmp_path)
    assert summary.answers == ()
    (line,) = summary.story
    assert line.startswith("Measured without labels: effective rank.")
    for form in ("report.html", "report.md"):
        text = (tmp_path / form).read_text()
        assert line in html.unescape(text)
        assert "What the verdicts rule out" not in text


def test_the_opening_shows_what_the_decoder_draws(tmp_path):
    real, mine = (np.full((3, 8, 8, 3), shade, dtype=np.uint8) for shade in (200, 100))
    (tmp_path / "decoders").mkdir()
    kept = tmp_path / "decoders" / "pictures.safetensors"
    save_file({"00": real, "01": mine}, kept, metadata={"titles": json.dumps(["real", "cnn"])})
    name, pixels = glimpse(tmp_path / "decoders")
    assert (name, pixels.shape) == ("cnn", (20, 30, 4))
    assert (pixels[5, 5, 0], pixels[15, 5, 0]) == (200, 100)
    assert pixels[0, 0, 3] == 0  # clear between the frames
    write_results(tmp_path / "results.jsonl", decoder_lines(none=24.0, mean_image=17.0))
    write_report(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.index('id="answer"') < page.index("beneath each what cnn draws") < page.index('id="decoding"')
    assert glimpse(tmp_path) is None
