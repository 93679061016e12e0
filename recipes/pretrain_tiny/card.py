"""The model card, worked out from figures. Nothing in it is written by hand that could be measured."""

from __future__ import annotations

from typing import Any

_ABOVE = {
    "xy": ("random-init", "pixels"), "size": ("random-init", "pixels"), "class": ("random-init",),
    "velocity": ("random-init", "still"), "motion": ("random-init", "still"),
}  # fmt: skip


def tables(figures: dict[str, Any]) -> str:
    """The measured tables, as Markdown."""
    parts = [_probes(figures), _prediction(figures)]
    if "retrieval" in figures:
        parts.append(_retrieval(figures["retrieval"]))
    if "training" in figures:
        parts.append(_spread(figures["training"]))
    return "\n\n".join(parts)


def card(figures: dict[str, Any]) -> str:
    """The whole card."""
    training = figures["training"]
    settings, log = training["settings"], training["log"]
    clips = log[-1]["step"] * settings["clips"]
    shape = (
        f"Input {settings['frames']} frames of {settings['crop']} x {settings['crop']} px, tubelets of 2 x "
        f"{settings['patch']} x {settings['patch']}.\nEncoder {settings['blocks']} blocks of {settings['hidden']}, "
        f"{settings['heads']} heads; predictor {settings['predictor_blocks']} blocks of "
        f"{settings['predictor_hidden']}, {settings['predictor_heads']} heads.\nStored in float16."
    )
    extent = (
        f"{log[-1]['step']:,} of {settings['steps']:,} steps of {settings['clips']} clips ({clips:,} clips),\n"
        f"  {log[-1]['seconds'] / 60:.0f} minutes on {training['device']}, seed {settings['seed']}.\n"
        "  One run at these settings; no choice among seeds."
    )
    weights = f"from {settings['regulariser'][0]} to {settings['regulariser'][1]}"
    scenes = f"On {figures['scenes']} held-out scenes (`scenes:{figures['scenes']}@{figures['seed']}`)"
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
- **Data.** Clips rendered on the fly (`recipes/pretrain_tiny/scenes.py`): up to three sprites with polygonal,
  petalled, crossed and elliptic outlines over panning noise, some of which turn, grow or stop; speeds from a fixed
  list; strides 1 to 3. No image, no film, no scene of the evaluation's generator.
- **Objective.** V-JEPA 2's: L1 between the predictor's output and the layer-normed tokens of a moving average of
  the encoder that sees the whole clip; the context is encoded after masking. Each step has both multi-block masks
  over all time and causal masks (the first tubelets as context, later ones as targets).
- **Departure from V-JEPA 2.** Variance and covariance terms (VICReg's) on tokens, on frames pooled over space, and
  on the difference of the last and the first of these, at a weight {weights}. Runs of this length collapse
  without them.
- **Extent.** {extent}

## Measured
{scenes} with worldprobe's sound protocol: grouped folds,
regularisation chosen within training folds, 95 % intervals by resampling scenes. Training never used their seeds,
their generator or their textures (though a plaid is much like their dots), and their speeds lie between those of
the training's list (which the fifth of its sprites that speed up cross). Made by
`python -m recipes.pretrain_tiny.evaluate`.

{tables(figures)}

## Limits
A short training on synthetic shapes. The scenes it is measured on come from another generator but are of the same
kind: figures on them say nothing about natural video, for which the retrieval table is the only evidence here.
"""


def _probes(figures: dict[str, Any]) -> str:
    lines = [
        "| property | features | score | random-init | pixels | still input | bar | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in figures["probes"]:
        rivals = _ABOVE[row["task"]]
        met = all(row["none"]["low"] > row[rival]["high"] for rival in rivals)
        metric = {"r2": "R²", "accuracy": "accuracy"}[row["metric"]]
        lines.append(
            f"| {row['task']} ({metric}) | {row['features']} | {_interval(row['none'])} | "
            f"{_interval(row['random-init'])} | {_interval(row['pixels'])} | {_interval(row['still'])} | "
            f"above {' and '.join(rivals)}, intervals apart | {_yes(met)} |"
        )
    return "\n".join(lines)


def _prediction(figures: dict[str, Any]) -> str:
    lines = [
        "Predicting the latents 1 to 4 tubelets ahead from 4 that were encoded alone, jointly; L1 on layer-normed "
        "targets:",
        "",
        "| tokens | horizon | predictor | copy-last | ratio | below copy-last, in pairs |",
        "|---|---|---|---|---|---|",
    ]
    for row in figures["prediction"]:
        names = ("predictor", "copy_last")
        ours, copied = ({"score": row[n], "low": row[f"{n}_low"], "high": row[f"{n}_high"]} for n in names)
        lines.append(
            f"| {row['tokens']} | {row['horizon']} | {_interval(ours, 3)} | {_interval(copied, 3)} | "
            f"{row['ratio']:.2f} | {_yes(row['below'])} |"
        )
    return "\n".join(lines)


def _retrieval(found: dict[str, Any]) -> str:
    one = found["trained"]
    lines = [
        f"On {one['clips']} clips of {one['shots']} shots of real films, share of clips whose nearest neighbour "
        "comes from the same shot:",
        "",
        "| trained | random-init | pixels |",
        "|---|---|---|",
        f"| {_interval(one)} | {_interval(found['random-init'])} | {_interval(found['pixels'])} |",
    ]
    return "\n".join(lines)


def _spread(training: dict[str, Any]) -> str:
    settings, log = training["settings"], training["log"]
    wanted = settings["hidden"] / 4
    below = [line["step"] for line in log if line["rank"] < wanted]
    since = f"reached after step {below[-1]}" if below and below[-1] < log[-1]["step"] else "never reached"
    said = "held at every look" if not below else since
    return (
        f"Effective rank of pooled features on clips never trained on: {log[0]['rank']:.0f} at step "
        f"{log[0]['step']}, {log[-1]['rank']:.0f} at the end, of {settings['hidden']}. A quarter of the width "
        f"({wanted:.0f}): {said}."
    )


def _interval(score: dict[str, float], digits: int = 2) -> str:
    return f"{score['score']:.{digits}f} [{score['low']:.{digits}f}, {score['high']:.{digits}f}]"


def _yes(met: bool) -> str:
    return "yes" if met else "**no**"
