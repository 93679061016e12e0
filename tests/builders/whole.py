"""Results of a run that has every kind of line there is, no two scores alike, and the files beside them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from worldprobe.findings.sections.prediction import Peak, SurpriseCurve, SurpriseCurves
from worldprobe.records import Labels
from worldprobe.results import (
    WATERFALL,
    AnyResult,
    CodeResult,
    ConsistencyResult,
    CostResult,
    DecodingResult,
    EnergyResult,
    EvidenceResult,
    FuturesResult,
    LeakResult,
    LearningPoint,
    LearningResult,
    PredictionResult,
    ProbeResult,
    ReadoutResult,
    ShiftResult,
    SurpriseResult,
    UnlabelledResult,
    write_results,
)

ENCODER, TWIN = "vjepa2-tiny", "random:vjepa2-tiny"
CONTROLS = ("majority", "nuisance", "pixels", "random-init", "shuffled", "gaussian")
TASKS = {"xy": ("r2",), "class": ("balanced_accuracy", "accuracy", "macro_f1"), "velocity": ("r2",)}


def _triples() -> Iterator[dict[str, float]]:
    """Scores with intervals, each printed otherwise than every other."""
    for down, up, value in itertools.product(range(1, 30), range(1, 8), range(40, 76)):
        yield {"score": value / 100, "low": (value - down) / 100, "high": (value + up) / 100}


def write_whole_run(folder: Path) -> None:
    """Write ``results.jsonl`` and the files beside it."""
    score = _triples()
    lines: list[AnyResult] = [*_probes(score), *_original(score), *_evidence(score), *_future(score)]
    lines += [*_energies(score), *_decoders(score), *_costs()]
    write_results(folder / "results.jsonl", lines)
    provenance = {"encoder": {"name": ENCODER, "revision": "9f2c4d1e77ab", "status": "untrained"}, "device": "cpu"}
    (folder / "provenance.json").write_text(json.dumps(provenance))
    alignment = {
        "kept": 1920,
        "dropped": {"outside the crop": 212, "between sampled frames": 1040},
        "frames": {"looked_at": 2633, "labelled": 2096},
        "notes": ["The film is too still for some regions"],
    }
    (folder / "alignment.json").write_text(json.dumps(alignment))
    (folder / "failures.jsonl").write_text('{"video": "cat.mp4", "clip": 7, "error": "corrupt packet"}\n')
    (folder / "experiment.toml").write_text('encoder = "vjepa2-tiny"\n')
    labels = Labels.from_columns(
        video=["v"] * 30, frame=np.arange(30), pts_seconds=np.arange(30) / 25, object=1, x=1.0, y=1.0, w=2.0, h=2.0,
        confidence=1.0, source="truth", **{"class": ["disc"] * 20 + ["star"] * 10},
    )  # fmt: skip
    labels.table.write_parquet(folder / "labels.parquet")
    losses = [{"step": step, "training": 1 / step, "validation": 2 / step} for step in (100, 200, 300)]
    write_surprise(folder)
    (folder / "decoders" / "cnn").mkdir(parents=True)
    (folder / "decoders" / "cnn" / "losses.jsonl").write_text("".join(json.dumps(x) + "\n" for x in losses))


def _probes(score: Iterator[dict[str, float]]) -> Iterator[AnyResult]:
    for task, metrics in TASKS.items():
        moving = task == "velocity"
        kinds = ("z", "delta", "z+delta") if moving else ("z",)
        ways = [*itertools.product(kinds, (0, 3), metrics, ["native"]), *([("z", 3, "r2", "shuffled")] * moving)]
        for kind, block, metric, input in ways:
            at: dict[str, Any] = {
                "task": task, "encoder": ENCODER, "tap": f"{ENCODER}/block{block}.out", "features": kind,
                "input": input, "probe": "logistic" if task == "class" else "ridge", "metric": metric,
                "n_train": 1536, "n_test": 1921 + len(task), "n_groups": 12, "seed": 0, "chosen": [10.0],
            }  # fmt: skip
            yield ProbeResult(**at, **next(score), control="none", split="grouped")
            yield ProbeResult(**at, **next(score), control="none", split="random")
            for control in (*CONTROLS, *(["flow"] * moving)):
                yield ProbeResult(**at, **next(score), control=control, split="grouped")


def _original(score: Iterator[dict[str, float]]) -> Iterator[AnyResult]:
    for place, protocol in enumerate((*WATERFALL[:-1], "original@381", "original+chosen@381")):
        for control in ("none", "gaussian", *(("pixels",) if place > 1 else ())):
            yield ProbeResult(
                task="xy", encoder=ENCODER, tap=f"{ENCODER}/block3.out", features="z", input="still", probe="ridge",
                metric="r2", n_train=1000, n_test=2096, n_groups=12, seed=0, protocol=protocol, control=control,
                split="grouped" if protocol in WATERFALL[4:] else "random", **next(score),
            )  # fmt: skip


def _evidence(score: Iterator[dict[str, float]]) -> Iterator[AnyResult]:
    at: dict[str, Any] = {
        "task": "velocity", "encoder": ENCODER, "tap": f"{ENCODER}/block3.out", "features": "delta",
        "input": "native", "probe": "ridge", "split": "grouped", "metric": "r2", "n_groups": 12, "seed": 0,
    }  # fmt: skip
    for measure, against in (("skill", "pixels"), ("selectivity", "shuffled"), ("contrast", "z")):
        yield EvidenceResult(**at, **next(score), measure=measure, against=against)
    for against in ("shuffled", "flow"):
        z = {**at, "features": "z"}
        yield EvidenceResult(**z, **next(score), measure="contrast", against=against)
    yield CodeResult(
        **at, rows=1920, online_bits=500.0, constant_bits=900.0, uniform_bits=1000.0, compression=2.0,
        compression_of_constant=1.83, saved_bits_per_row=4.27,
    )  # fmt: skip
    points = [LearningPoint(rows=n, groups=n / 8, **next(score)) for n in (96.0, 192.0)]
    yield LearningResult(
        **at, points=points, ceiling=0.67, scale=4.0, exponent=1.0, plateau_rows=417.0, gain_by_doubling=0.19,
        gain_low=0.13, gain_high=0.27, more_data_would_help="yes",
    )  # fmt: skip
    for value, control in itertools.product(("", "orbit", "wrist"), ("none", "majority", "pixels")):
        usual, change = next(score), next(score)
        yield ShiftResult(
            **at, **next(score), control=control, factor="camera", value=value, n_train=701, n_test=1913,
            usual=usual["score"], usual_low=usual["low"], usual_high=usual["high"], difference=change["score"],
            difference_low=change["low"], difference_high=change["high"],
            survives="weaker" if (value, control) == ("", "none") else None,
        )  # fmt: skip
    of = {name: at[name] for name in ("encoder", "tap", "input")}
    for measure, control in itertools.product(("effective rank", "norm entropy"), ("none", "random-init")):
        yield UnlabelledResult(
            **of, **next(score), measure=measure, control=control, n=1920, n_videos=240, width=192
        )  # fmt: skip


def _future(score: Iterator[dict[str, float]]) -> Iterator[AnyResult]:
    told: dict[str, Any] = {
        "context": 4, "mode": "joint", "protocol": "encoded alone", "n": 907, "n_groups": 41, "split": "grouped",
        "seed": 0,
    }  # fmt: skip
    methods = ("predictor", "copy-last", "linear", "mean", "ridge")
    for tokens, horizon in itertools.product(("changed", "all"), (1, 2)):
        at = {**told, "tokens": tokens, "horizon": horizon}
        for method in methods:
            yield PredictionResult(encoder=ENCODER, method=method, metric="l1", **at, **next(score))
        for metric in ("skill", "cosine"):
            yield PredictionResult(encoder=ENCODER, method="predictor", metric=metric, **at, **next(score))
        yield PredictionResult(
            encoder=ENCODER, method="predictor", metric="l1", **{**at, "mode": "rolling"}, **next(score)
        )
        yield PredictionResult(encoder=TWIN, method="predictor", metric="skill", **at, **next(score))
        for method in ("predictor", "decode-actual", "copy-last-frame", "mean-image"):
            yield PredictionResult(encoder=ENCODER, method=method, metric="psnr", **at, **next(score))
    for horizon, method, metric in itertools.product(
        (1, 2), ("predictor", "copy-last", "chance"), ("top1", "top5", "mean_rank")
    ):
        at = {**told, "tokens": "all", "horizon": horizon}
        yield PredictionResult(encoder=ENCODER, method=method, metric=metric, **at, **next(score))
    for call, moved in (("prefix", 0.0), ("plain forward", 5.125)):
        yield LeakResult(encoder=ENCODER, call=call, context=4, horizon=2, context_change=moved,
                         prediction_change=moved / 2, clips=4)  # fmt: skip
    for target, horizon in itertools.product(("action", "change", "state"), (1, 2)):
        at = {**told, "target": target, "horizon": horizon, "features": "grid", "dimensions": 7}
        for method, mode in (
            ("true", None),
            ("predictor", "joint"),
            ("predictor", "rolling"),
            ("predictor-corrected", "joint"),
            ("corrected", None),
            ("ridge", None),
        ):
            against = {"true": "below", "corrected": "above", "ridge": "not shown"} if mode else {}
            line = {**at, "method": method, "mode": mode, "against": against}
            yield ConsistencyResult(encoder=ENCODER, **line, **next(score))
        yield ConsistencyResult(
            encoder=TWIN, **{**at, "method": "predictor", "mode": "joint"}, **next(score)
        )  # fmt: skip
    yield from _readouts(told, score)
    yield from _futures(told, score)
    for violation, encoder, measure in itertools.product(("vanish", "all"), (ENCODER, TWIN), ("mean", "max")):
        for metric in ("relative_accuracy", "auroc"):
            yield SurpriseResult(
                encoder=encoder, violation=violation, measure=measure, metric=metric, n=37, context=4, horizon=2,
                protocol="slid over", seed=0, **next(score),
            )  # fmt: skip
    yield from _calibrated(score)


def _calibrated(score: Iterator[dict[str, float]]) -> Iterator[AnyResult]:
    against = {"ridge": "above", "copy-last": "not shown", "pixels": "above"}
    for violation, (encoder, method) in itertools.product(
        ("vanish", "all"),
        (
            (ENCODER, "predictor"),
            (TWIN, "predictor"),
            (ENCODER, "ridge"),
            (ENCODER, "copy-last"),
            (ENCODER, "pixels"),
        ),
    ):
        own = (encoder, method) == (ENCODER, "predictor")
        for metric in ("relative_accuracy", "auroc", "flagged", "rarity"):
            yield SurpriseResult(
                encoder=encoder, violation=violation, method=method, measure="calibrated", metric=metric, n=37,
                context=4, horizon=2, protocol="slid over", seed=0, against_twin="above" if own else None,
                against=against if own else {}, **next(score),
            )  # fmt: skip


def _readouts(told: dict[str, Any], score: Iterator[dict[str, float]]) -> Iterator[AnyResult]:
    metrics: dict[str, tuple[str, ...]] = {"xy": ("distance", "r2"), "class": ("balanced_accuracy",)}
    methods = ("truth", "copy-last", "ridge", "constant-velocity", "mean")
    modes = itertools.product(("predictor", "predictor-corrected"), ("joint", "rolling"))
    ways = [*modes, *((method, None) for method in methods)]
    against = {
        "truth": "below",
        "copy-last": "above",
        "ridge": "above",
        "constant-velocity": "below",
        "mean": "above",
    }
    for task, horizon in itertools.product(metrics, (1, 2)):
        for metric, (method, mode) in itertools.product(metrics[task], ways):
            at = {**told, "task": task, "horizon": horizon, "features": "grid", "metric": metric, "method": method}
            line = {**at, "mode": mode, "against": against if mode else {}}
            yield ReadoutResult(encoder=ENCODER, **line, **next(score))
            if method == "predictor":
                yield ReadoutResult(encoder=TWIN, **{**at, "mode": mode}, **next(score))


def _futures(told: dict[str, Any], score: Iterator[dict[str, float]]) -> Iterator[AnyResult]:
    own = (
        *((shape, "energy") for shape in ("point", "dressed", "constant", "noise")), ("noise", "nearest"),
        *(("dressed", metric) for metric in
          ("nearest", "within50", "within90", "radius90", "spread", "surest", "unsure")),
    )  # fmt: skip
    ways = [
        *(("predictor", *one) for one in own),
        ("copy-last", "dressed", "energy"),
        ("ridge", "dressed", "energy"),
    ]
    against = {"point": "above", "constant": "not shown", "noise": "above", "copy-last": "above", "ridge": "below"}
    for of, horizon, (method, shape, metric) in itertools.product(("all", "changed", "xy"), (1, 2), ways):
        yield FuturesResult(
            encoder=ENCODER, **told | {"horizon": horizon, "of": of, "features": "grid" if of == "xy" else ""},
            method=method, shape=shape, metric=metric, **next(score),
            against=against if (method, shape, metric) == ("predictor", "dressed", "energy") else {},
            calibration=[(0.06, 0.05, 0.5), (0.16, 0.19, 0.5)] if metric == "spread" else [],
        )  # fmt: skip


def _energies(score: Iterator[dict[str, float]]) -> Iterator[AnyResult]:
    told: dict[str, Any] = {"n": 611, "n_groups": 29, "stride": 4, "protocol": "one step", "seed": 0}
    for encoder, times in itertools.product((ENCODER, TWIN), (-1.0, 0.0, 1.0, 2.0, None)):
        actions = "shuffled" if times is None else "scaled"
        for metric in ("l1", "excess", "accuracy")[: 1 if times == 1.0 else 3]:
            yield EnergyResult(
                encoder=encoder, actions=actions, times=times, metric=metric, **told, **next(score),
                against_twin="above" if encoder == ENCODER and metric == "accuracy" else None,
            )  # fmt: skip


def _decoders(score: Iterator[dict[str, float]]) -> Iterator[AnyResult]:
    common: dict[str, Any] = {
        "encoder": ENCODER, "tap": f"{ENCODER}/block3.out", "decoder": "cnn", "n": 643, "n_groups": 43,
        "n_train": 99, "width": 64, "height": 64, "split": "grouped", "seed": 0,
    }  # fmt: skip
    kinds = [("none", "sound", ""), ("mean-image", "sound", ""), ("bicubic-8", "sound", "")]
    for baseline, protocol, change in [
        *kinds,
        ("none", "ladder-1", "the original"),
        ("none", "ladder-2", "held out"),
    ]:
        for metric, region in (("psnr", "all"), ("psnr", "inside"), ("psnr", "outside"), ("ssim", "all"),
                               ("sharpness", "all")):  # fmt: skip
            found = next(score)
            if metric == "psnr":
                found = {end: round(30 * value, 1) for end, value in found.items()}
            yield DecodingResult(
                **common, **found, baseline=baseline, protocol=protocol, change=change, metric=metric, region=region
            )

    yield DecodingResult(
        **common, **next(score), variant="mean of 8 samples, 4 steps", metric="spread", region="all",
        calibration=[(0.004, 0.005, 0.61), (0.011, 0.017, 0.32), (0.04, 0.037, 0.07)],
    )  # fmt: skip
    for metric in ("coverage-50", "coverage-90"):
        yield DecodingResult(
            **common, **next(score), variant="mean of 8 samples, 4 steps", metric=metric, region="all"
        )


def _costs() -> Iterator[AnyResult]:
    yield CostResult(stage="encode vjepa2-tiny", seconds=94.2, items=481, items_per_second=5.1, device="cuda:0",
                     peak_rss_bytes=1_720_000_000, price=0.37, expected_seconds=83.0)  # fmt: skip
    yield CostResult(stage="probe", seconds=4.6, items=150, items_per_second=32.6, device="cpu",
                     peak_rss_bytes=910_000_000)  # fmt: skip


def write_surprise(folder: Path) -> None:
    """Surprise over a film of two shots, with two peaks whose pictures are there."""
    (folder / "surprise").mkdir()
    for k, shade in enumerate((40, 200), start=1):
        Image.new("RGB", (32, 32), (shade, shade, 0)).save(folder / "surprise" / f"video0-peak{k}.webp")
    curve = SurpriseCurve(
        name="film.mp4", seconds=tuple(0.5 * k for k in range(10)), shots=(0,) * 6 + (1,) * 4,
        told=(0.51, 0.52, 0.93, 0.5, 0.51, 0.5, 0.53, 0.87, 0.52, 0.51),
        copied=tuple(0.6 + 0.01 * k for k in range(10)),
        peaks=(Peak(window=2, picture="video0-peak1.webp"), Peak(window=7, picture="video0-peak2.webp")),
    )  # fmt: skip
    (folder / "surprise" / "curves.json").write_text(SurpriseCurves(curves=(curve,)).model_dump_json())
