"""Lines of ``results.jsonl`` with chosen scores, and a run's folder with clips to show."""

from __future__ import annotations

from PIL import Image

from worldprobe.findings.sections.moments import Box, Moments, ShownClip, TubeletReading
from worldprobe.results import DecodingResult, PredictionResult, ProbeResult, write_results

CONTROLS = ("nuisance", "pixels", "random-init", "shuffled", "gaussian")
METHODS = ("predictor", "copy-last", "linear", "mean", "ridge")
EVIL = "</script><b>\"'\n猫.mp4"


def probe_lines(task, score, control=0.1, *, features="z", tap="e/block0.out", half=0.02):
    """A score and its controls, all with intervals of plus and minus ``half``; None: not measured."""
    metric = "accuracy" if task in ("class", "motion") else "r2"
    common = {
        "task": task, "encoder": "e", "features": features, "input": "native", "probe": "ridge",
        "split": "grouped", "metric": metric, "n_train": 80, "n_test": 100, "n_groups": 50, "seed": 0,
    }  # fmt: skip
    values = {"none": score, "majority": 0.0 if metric == "r2" else control} | dict.fromkeys(CONTROLS, control)
    return [
        ProbeResult(
            **common, control=name, tap=tap, score=value,
            low=None if value is None else value - half, high=None if value is None else value + half,
            notes=["not there"] if value is None else [],
        )
        for name, value in values.items()
    ]  # fmt: skip


def decoder_lines(**psnr):
    """A decoder and its controls by baseline, with intervals of half a decibel to each side."""
    return [
        DecodingResult(
            encoder="e", decoder="cnn", target="actual", metric="psnr", score=value, low=value - 0.5,
            high=value + 0.5, n=200, n_groups=40, n_train=100, baseline=name.replace("_", "-"), tap="e/block0.out",
            split="grouped", seed=0, width=64, height=64,
        )
        for name, value in psnr.items()
    ]  # fmt: skip


def prediction_line(method: str, score: float | None, **changes: object) -> PredictionResult:
    half = 0.02
    fields: dict[str, object] = {
        "encoder": "vjepa2-tiny", "method": method, "tokens": "changed", "context": 4, "horizon": 1,
        "mode": "joint",
        "protocol": "alone", "metric": "l1", "score": score, "low": None if score is None else score - half,
        "high": None if score is None else score + half, "n": 900, "n_groups": 40, "split": "grouped", "seed": 0,
    }  # fmt: skip
    return PredictionResult.model_validate(fields | changes)


def prediction_step(*scores: float | None, **changes: object) -> list[PredictionResult]:
    """The L1 of the five methods, and the predictor's skill and cosine."""
    found = [prediction_line(method, score, **changes) for method, score in zip(METHODS, scores, strict=True)]
    skills = [prediction_line("predictor", 0.2, metric=metric, **changes) for metric in ("skill", "cosine")]
    return [*found, *skills]


def reading(task="xy", features="z", **changes):
    told, label = ((0.5, 0.25), None), ((0.4, 0.25), None)
    fields = {"task": task, "features": features, "tap": "e/block0.out", "probe": "ridge", "input": "native"}
    return TubeletReading(**{**fields, "classes": (), "told": told, "label": label, **changes})


def run_with_moments(run):
    """A run with one quoted property, read in two ways, and one clip of two tubelets."""
    common = {
        "task": "xy", "encoder": "e", "input": "native", "probe": "ridge", "tap": "e/block0.out", "metric": "r2",
        "split": "grouped", "n_train": 80, "n_test": 100, "n_groups": 50, "seed": 0,
    }  # fmt: skip
    lines = [
        ProbeResult(**common, features=kind, control=control, score=score, low=score - 0.02, high=score + 0.02)
        for kind, real in (("z", 0.8), ("grid", 0.3))
        for control, score in (("none", real), ("majority", 0.0), ("pixels", 0.1))
    ]
    write_results(run / "results.jsonl", lines)
    folder = run / "moments"
    folder.mkdir()
    Image.new("RGB", (64, 32)).save(folder / "clip0.webp")
    clip = ShownClip(
        video=EVIL, start=0, seconds=(0.0, 0.1), tubelet=(0, 1), width=32, height=32, pictures="clip0.webp",
        tokens="", corner=(0.0, 0.0), across=(1.0, 1.0), surprise=(None, 0.5),
        boxes=(Box(frame=0, x=0.5, y=0.5, w=0.2, h=0.2, name=EVIL, object=1),),
        readings=(reading(), reading(features="grid")),
    )  # fmt: skip
    facts = Moments(tap="e/block0.out", tubelets=2, context=1, chosen="All.", clips=(clip,), notes=())
    (folder / "moments.json").write_text(facts.model_dump_json())
    return run
