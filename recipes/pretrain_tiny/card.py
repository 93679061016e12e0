"""The model card, worked out from figures. Nothing in it is written by hand that could be measured."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

Line = dict[str, Any]
# What each property is read from, and what the reading has to lie above.
_PROBES = (
    ("velocity", "z", True), ("motion", "z", True), ("velocity", "delta", True), ("motion", "delta", True),
    ("xy", "grid", False), ("size", "z", False), ("class", "z", False),
)  # fmt: skip
_METRICS = {"r2": "R²", "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
_BASELINES = ("copy-last", "corrected", "ridge")
_FITTED = ("corrected", "ridge")


def tables(figures: dict[str, Any]) -> str:
    """The measured tables, as Markdown."""
    parts = [_probes(figures["probes"]), _prediction(figures["prediction"]), _decoding(figures["decoding"])]
    parts.append(_surprise(figures["surprise"]))
    if "retrieval" in figures:
        parts.append(_retrieval(figures["retrieval"]))
    if "training" in figures:
        parts.append(_spread(figures["training"]))
    return "\n\n".join(parts)


def card(figures: dict[str, Any]) -> str:
    """The whole card."""
    training = figures["training"]
    settings, log = training["settings"], training["log"]
    first, second = settings["first"] * settings["clips"], (log[-1]["step"] - settings["first"]) * settings["clips"]
    shape = (
        f"Input {settings['frames']} frames of {settings['crop']} x {settings['crop']} px, tubelets of 2 x "
        f"{settings['patch']} x {settings['patch']}.\nEncoder {settings['blocks']} blocks of "
        f"{settings['hidden_size']}, {settings['heads']} heads; predictor {settings['predictor_blocks']} blocks of "
        f"{settings['predictor_hidden']}, {settings['predictor_heads']} heads.\nStored in float16."
    )
    extent = (
        f"{settings['pool']:,} rendered clips, drawn with symmetries and other light; {first:,} draws for the\n"
        f"  encoder, {second:,} for the predictor; {log[-1]['seconds'] / 60:.0f} minutes on {training['device']}, "
        f"seed {settings['seed']}.\n  One run at these settings; no choice among seeds."
    )
    scenes = f"On {figures['scenes']:,} held-out scenes (`scenes:{figures['scenes']}@{figures['seed']}`)"
    return f"""---
license: apache-2.0
library_name: transformers
tags: [video, self-supervised, v-jepa-2]
---
# vjepa2-tiny

A V-JEPA 2 small enough to ship with worldprobe, trained by `recipes/pretrain_tiny` from nothing, in the format
and through the code path of the public checkpoints: `VJEPA2Model.from_pretrained(folder)` loads it. It is here so
that everything in worldprobe can be tried and tested with trained weights and without network. It has seen
rendered shapes only: do not use it in place of a public V-JEPA 2.

## Architecture
{shape}

## Training
- **Data.** Rendered clips (`recipes/pretrain_tiny/scenes.py`): up to three sprites with polygonal, petalled,
  crossed and elliptic outlines, of one or two patterns, with shadows or without, over noise; cameras that pan, zoom
  and shake; bars in front; some sprites turn, grow or stop; strides 1 to 3. No image, no film, no scene of the
  evaluation's generator.
- **Stage 1, the encoder.** Masked as V-JEPA 2 is (blocks over all time), and with windows of cells and of time.
{_targets(settings)}
- **Stage 2, the predictor.** V-JEPA 2's objective on a frozen encoder, as in SALT (arXiv 2509.24317): L1 between
  the predictor's output and the layer-normed tokens of the whole clip; the context, whole frames of the first 2 to
  6 tubelets, is encoded alone; in three of four, the first half.
- **Departures from V-JEPA 2.** The encoder learns from hand-made targets, not from its own latents. **Motion was
  put there by such a target**: that velocity can be read from this model shows that worldprobe finds what is
  there, not that predicting latents brings it about.
- **Extent.** {extent}

## Measured
{scenes} with worldprobe's sound protocol: grouped folds,
regularisation chosen within training folds, 95 % intervals by resampling scenes, "above" and "below" by paired
differences. Training never used their seeds, their generator or their textures, but speeds and backgrounds like
theirs; trials were judged on scenes of another seed. Made by `python -m recipes.pretrain_tiny.evaluate`.

{tables(figures)}

## Limits
A short training on synthetic shapes. The scenes it is measured on come from another generator but are of the same
kind: figures on them say nothing about natural video, for which the retrieval table is the only evidence here.
"""


def _targets(settings: Mapping[str, Any]) -> str:
    blocks = settings["blocks_told"]
    said = {
        "motion": "products of gradients (It Ix, It Iy, Ix², Iy²), of which optical flow is solved",
        "picture": f"its picture, {blocks} x {blocks} blocks in each frame",
        "outlines": "how much of its edges runs in each of 8 directions",
    }
    told = "; ".join(f"{text}, weight {settings[name]:g}" for name, text in said.items() if settings[name] > 0)
    lines = [
        f"  A linear head tells of every token that is seen, and, through the predictor, of hidden ones (weight "
        f"{settings['hidden']:g}): {told}. No label is used; the heads are dropped at export."
    ]
    if settings["latent"] > 0:
        lines.append(
            f"  Beside them, the moving average's latents of hidden tokens, weight {settings['latent']:g}."
        )
    if max(settings["regulariser"]) > 0:
        low, high = settings["regulariser"]
        lines.append(
            f"  Variance and covariance terms (VICReg's) on tokens, on frames pooled over space and on the change "
            f"from first to last, of clips seen to their end, at a weight from {low:g} to {high:g}."
        )
    return textwrap.fill(" ".join(line.strip() for line in lines), 114, initial_indent="  ", subsequent_indent="  ")


def _probes(lines: list[Line]) -> str:
    rows = [
        "| property | features | score | twin | pixels | still input | above twin and pixels | above stills |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for task, features, moves in _PROBES:
        verdict = _one(lines, kind="verdict", task=task, features=features, input="native")
        asked = {
            "kind": "probe",
            "split": "grouped",
            "task": task,
            "features": features,
            "metric": verdict["metric"],
        }
        scores = [
            _interval(_one(lines, **asked, input="native", control=control))
            for control in ("none", "random-init", "pixels")
        ]
        still = _interval(_one(lines, **asked, input="still", control="none")) if moves else ""
        short = [name for name in verdict["against"] if name != "majority"]
        told = "yes" if not short else "**no**: not above " + ", ".join(short)
        more = "" if not moves else _yes(_contrast(lines, task, features, "still")["low"] > 0)
        name = f"{task} ({_METRICS[verdict['metric']]})"
        rows.append(f"| {name} | {features} | {' | '.join((*scores, still))} | {told} | {more} |")
    over = [(task, _contrast(lines, task, "delta", "z")) for task in ("velocity", "motion")]
    told = "; ".join(
        f"{task} {line['score']:+.2f} [{line['low']:+.2f}, {line['high']:+.2f}]" for task, line in over
    )
    return "\n".join(rows) + f"\n\nFrom `delta` less from `z`, on the same scenes: {told}."


def _prediction(lines: list[Line]) -> str:
    rows = [
        "Predicting the latents 1 to 4 tubelets ahead from 4 that were encoded alone, jointly; L1 on layer-normed",
        "targets, by `worldprobe predict` (fitted on other scenes: corrected, ridge):",
        "",
        "| tokens | horizon | predictor | copy-last | corrected | ridge | below copy-last | below both fitted |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for tokens in ("changed", "all"):
        for horizon in range(1, 5):
            asked = {"kind": "prediction", "metric": "l1", "tokens": tokens, "horizon": horizon, "mode": "joint"}
            ours = _one(lines, **asked, method="predictor")
            found = [_interval(_one(lines, **asked, method=name), 3) for name in _BASELINES]
            # An error that is smaller stands "above".
            below = [
                _yes(all(ours["against"].get(name) == "above" for name in names))
                for names in (("copy-last",), _FITTED)
            ]
            rows.append(f"| {tokens} | {horizon} | {_interval(ours, 3)} | {' | '.join((*found, *below))} |")
    return "\n".join(rows)


def _decoding(lines: list[Line]) -> str:
    asked = {"kind": "decoding", "metric": "psnr", "region": "all", "target": "actual"}
    ours = _one(lines, **asked, baseline="none")
    names = {"random-init": "twin", "pixels": "pixels", "bicubic-8": "8 x 8 frames", "mean-image": "mean picture"}
    found = {name: _one(lines, **asked, baseline=name) for name in names}
    rows = [
        f"A small CNN that draws {ours['width']} x {ours['height']} px frames from a tubelet's tokens, PSNR in dB:",
        "",
        f"| trained | {' | '.join(names.values())} | above 8 x 8 frames | above twin |",
        "|---|---|---|---|---|---|---|",
        f"| {_interval(ours, 1)} | {' | '.join(_interval(one, 1) for one in found.values())} | "
        f"{_yes(ours['against'].get('bicubic-8') == 'above')} | "
        f"{_yes(ours['against'].get('random-init') == 'above')} |",
    ]
    return "\n".join(rows)


def _surprise(rows: list[Line]) -> str:
    if any(row["measure"] == "calibrated" for row in rows):
        return _calibrated(rows)
    lines = [
        f"Surprise at impossible scenes, {rows[0]['n']} pairs of each kind (windows of 4 + 4 tubelets; a "
        "video's surprise is the mean or the maximum over its windows):",
        "",
        "| violation | AUROC, mean | AUROC, maximum | relative accuracy, mean | relative accuracy, maximum |",
        "|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        cells = [
            _interval(_one(rows, kind=kind, measure=measure, metric=metric))
            for metric in ("auroc", "relative_accuracy")
            for measure in ("mean", "max")
        ]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _calibrated(rows: list[Line]) -> str:
    lines = [
        f"Surprise at impossible scenes, {rows[0]['n']} pairs of each kind (windows of 4 + 4 tubelets),",
        "calibrated: how rare a video's least usual window is among possible videos of other pairs, by what is",
        "known before the future is seen; flagged: as rare as 1 possible video in 20. Beside it the mean and the",
        "maximum of the windows' L1, which say how much happens:",
        "",
        "| violation | AUROC | relative accuracy | flagged | AUROC, mean | AUROC, maximum |",
        "|---|---|---|---|---|---|",
    ]
    asked = (
        ("calibrated", "auroc"), ("calibrated", "relative_accuracy"), ("calibrated", "flagged"), ("mean", "auroc"),
        ("max", "auroc"),
    )  # fmt: skip
    for kind in dict.fromkeys(row["kind"] for row in rows):
        cells = [_interval(_one(rows, kind=kind, measure=measure, metric=metric)) for measure, metric in asked]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _retrieval(found: dict[str, Any]) -> str:
    lines = [
        f"On {found['clips']} clips of {found['shots']} shots of real films, share of clips whose nearest "
        "neighbour comes from the same shot:",
        "",
        "| trained | twin | pixels | above twin | above pixels |",
        "|---|---|---|---|---|",
        f"| {' | '.join(_interval(found[name]) for name in ('trained', 'random-init', 'pixels'))} | "
        f"{' | '.join(_yes(found['against'][name] == 'above') for name in ('random-init', 'pixels'))} |",
    ]
    return "\n".join(lines)


def _spread(training: dict[str, Any]) -> str:
    settings, log = training["settings"], training["log"]
    return (
        f"Effective rank of pooled features on clips never trained on: {log[0]['rank']:.0f} at step "
        f"{log[0]['step']}, {log[-1]['rank']:.0f} at the end, of {settings['hidden_size']}."
    )


def _contrast(lines: Iterable[Line], task: str, features: str, against: str) -> Line:
    asked = {"kind": "evidence", "measure": "contrast", "input": "native"}
    return _one(lines, **asked, task=task, features=features, against=against)


def _one(lines: Iterable[Line], **asked: Any) -> Line:
    """The first line that has these values."""
    found = next((line for line in lines if all(line.get(key) == value for key, value in asked.items())), None)
    if found is None:
        raise ValueError(f"no line says {asked}: measure again in an empty --work folder")
    return found


def _interval(line: Line, digits: int = 2) -> str:
    score = line["score"] if "score" in line else line["value"]
    return f"{score:.{digits}f} [{line['low']:.{digits}f}, {line['high']:.{digits}f}]"


def _yes(met: bool) -> str:
    return "yes" if met else "**no**"
