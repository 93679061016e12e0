"""Measure a trained model on scenes that its training never used, and write the model card's table.

``python -m recipes.pretrain_tiny.evaluate FOLDER --run runs/pretrain`` writes ``FOLDER/README.md``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from recipes.pretrain_tiny import card, prediction
from recipes.pretrain_tiny.retrieval import real_clips, retrieval
from recipes.pretrain_tiny.train import LOG
from torch import Tensor
from transformers import VJEPA2Model

from worldprobe.config import make_experiment
from worldprobe.encoders.load import load_encoder
from worldprobe.io.files import write_whole
from worldprobe.pipeline.run import run
from worldprobe.protocols import Encoder
from worldprobe.records import Clip
from worldprobe.results import ProbeResult, read_results
from worldprobe.store import Store
from worldprobe.video.read import open_video
from worldprobe.video.rendered.scenes import render_scenes
from worldprobe.video.sample import clips, read_clips

SCENES, SEED = 300, 90_001  # training uses another generator, and no seed near this one
_HEADLINE = {"xy": "grid", "size": "z", "class": "z", "velocity": "z", "motion": "z"}
_BATCH = 16


def measure(folder: Path, work: Path, films: list[Path]) -> dict[str, Any]:
    """Every figure of the card: probes beside their controls and still input, prediction, retrieval."""
    scenes = render_scenes(SCENES, SEED, work / "scenes")
    name = str(folder)
    probes = {
        "native": _probed(name, scenes, work, input="native", controls=["random-init", "pixels", "majority"]),
        "still": _probed(name, scenes, work, input="still", controls=["majority"]),
    }
    encoder = load_encoder(name, device="cpu", precision="fp32")
    # Predictions are scored in fp32, whatever precision the weights are stored in.
    model = VJEPA2Model.from_pretrained(folder, dtype=torch.float32).eval()
    figures: dict[str, Any] = {
        "scenes": SCENES, "seed": SEED, "probes": _rows(probes),
        "prediction": prediction.table(model, _batches(scenes, encoder), seed=0),
    }  # fmt: skip
    if films:
        found, shots = real_clips(films, encoder, frames=16)
        twin = load_encoder(f"random:{name}", device="cpu", precision="fp32")
        named = {"trained": encoder, "random-init": twin, "pixels": load_encoder("pixels")}
        figures["retrieval"] = {key: retrieval(one, found, shots, seed=0) for key, one in named.items()}
    return figures


def _probed(name: str, scenes: list[Path], work: Path, *, input: str, controls: list[str]) -> list[ProbeResult]:
    experiment = make_experiment(
        {"videos": [str(scenes[0].parent)], "encoder": name, "labeller": "truth", "input": input,
         "controls": controls, "split": "grouped", "pool": "none", "device": "cpu", "precision": "fp32"}
    )  # fmt: skip
    out = work / input
    run(experiment, scenes, out, store=Store(str(work / "embeddings.zarr")))
    return [line for line in read_results(out / "results.jsonl") if isinstance(line, ProbeResult)]


def _rows(probes: dict[str, list[ProbeResult]]) -> list[dict[str, Any]]:
    """One row per property: the score, and what it has to be above."""
    rows = []
    for task, features in _HEADLINE.items():
        row: dict[str, Any] = {"task": task, "features": features}
        for input, lines in probes.items():
            for line in lines:
                asked = line.task == task and line.features == features and line.split == "grouped"
                if asked and line.metric in ("r2", "accuracy"):
                    key = line.control if input == "native" else "still" if line.control == "none" else ""
                    row[key] = {"score": line.score, "low": line.low, "high": line.high}
                    row["metric"] = line.metric
        row.pop("", None)
        rows.append(row)
    return rows


def _batches(scenes: list[Path], encoder: Encoder) -> Iterator[Tensor]:
    """The first clip of each scene, uint8 [b, t, 3, h, w]."""
    waiting: list[Tensor] = []
    for path in scenes:
        with open_video(path) as video:
            specs = clips(video.ref, frames=16, stride=1)[:1]
            view = encoder.view(video.ref.width, video.ref.height)
            for clip in read_clips(video, specs, preprocess=encoder.preprocess, view=view):
                assert isinstance(clip, Clip), clip
                waiting.append(torch.from_numpy(clip.pixels))
        if len(waiting) == _BATCH or (waiting and path == scenes[-1]):
            yield torch.stack(waiting)
            waiting = []


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.pretrain_tiny.evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, help="of config.json and model.safetensors")
    parser.add_argument("--run", type=Path, help="the training's folder, for its log and curve")
    parser.add_argument("--work", type=Path, default=Path("runs/evaluate-tiny"), help="scenes, embeddings, results")
    parser.add_argument("--films", type=Path, nargs="*", default=[], help="real films for the retrieval")
    parser.add_argument("--no-card", action="store_true", help="print the figures and write nothing")
    asked = parser.parse_args()
    figures = measure(asked.folder, asked.work, asked.films)
    if asked.run:
        log = [json.loads(line) for line in (asked.run / LOG).read_text().splitlines()]
        figures["training"] = {**json.loads((asked.run / "training.json").read_text()), "log": log}
    print(card.tables(figures))
    if not asked.no_card:
        write_whole(asked.folder / "figures.json", json.dumps(figures, indent=1).encode())
        write_whole(asked.folder / "README.md", card.card(figures).encode())


if __name__ == "__main__":
    main()
