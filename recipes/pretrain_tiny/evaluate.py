"""Measure a trained model on scenes that neither its training nor any choice has seen, and write its card.

``python -m recipes.pretrain_tiny.evaluate FOLDER --run runs/pretrain --films *.mp4`` writes ``FOLDER/README.md``.
Everything is judged by the package's own stages and paired standings; what is done already is not done again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from recipes.pretrain_tiny import card
from recipes.pretrain_tiny.retrieval import real_clips, retrieval
from recipes.pretrain_tiny.train import LOG

from worldprobe.config import make_experiment
from worldprobe.encoders.load import load_encoder, stored_name
from worldprobe.encoders.vjepa2 import VJEPA2Encoder
from worldprobe.intervals import standings
from worldprobe.io.files import write_whole
from worldprobe.pipeline.decode.stage import decode_into, truth_of
from worldprobe.pipeline.decode.stage import plan_of as decode_plan_of
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.predict.stage import predict
from worldprobe.pipeline.run import run
from worldprobe.pipeline.sources import ids_of
from worldprobe.predictors import VJEPA2Predictor
from worldprobe.predictors.surprise import scored, slide
from worldprobe.predictors.unusual import held_out, known_before, rare, window_errors
from worldprobe.results import read_results
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes
from worldprobe.video.rendered.violations import Kind, render_pair

SCENES, SEED = 1000, 770_001  # training uses another generator; trials were judged on other seeds
KINDS: tuple[Kind, ...] = ("teleport", "vanish")
PAIRS = 100
FOLDS = 5  # pairs by whose possible videos others are calibrated
CONTEXT, HORIZON = 4, 4  # tubelets
DECODER_STEPS = 400  # of 32 frames: about 45 s on two cores
_TASKS = ["xy", "size", "class", "velocity", "motion"]
_UNSAID = ("chosen", "taps", "notes", "protocol", "encoder", "tap", "seed")


def measure(
    folder: Path, work: Path, films: Sequence[Path], *, scenes: int = SCENES, pairs: int = PAIRS
) -> dict[str, Any]:
    """Every figure of the card: probes, prediction, decoding, surprise and, given films, retrieval."""
    videos = render_scenes(scenes, SEED, work / "scenes")
    store = Store(str(work / "embeddings.zarr"))
    common = {"videos": [str(videos[0].parent)], "encoder": str(folder), "device": "cpu", "precision": "fp32"}
    controls = ["random-init", "pixels", "majority"]
    probing = {**common, "labeller": "truth", "tasks": _TASKS, "features": ["z", "delta"], "evidence": []}
    probed, placed, stills = work / "probes", work / "grid", work / "stills"
    run(make_experiment({**probing, "controls": controls}), videos, probed, store=store)
    # Where things are is read from the grid alone, and nothing else is: its 2,048 features are slow to learn from.
    grid = {**probing, "tasks": ["xy"], "features": ["grid"], "controls": controls}
    run(make_experiment(grid), videos, placed, store=store)
    predicted, decoded = work / "prediction", work / "decoded"
    table = {"context": CONTEXT, "horizon": HORIZON, "twin": False}
    predict(make_experiment({**common, "predict": table}), videos, predicted)
    decoding = make_experiment({**common, "controls": controls, "decode": {"steps": DECODER_STEPS}})
    decoded.mkdir(parents=True, exist_ok=True)
    plan = decode_plan_of(decoding, encoder=stored_name(str(folder)))
    decode_into(decoded, store, ids_of(videos), plan, Ledger(), labels=truth_of(videos))
    encoder = load_encoder(str(folder), device="cpu", precision="fp32")
    assert isinstance(encoder, VJEPA2Encoder)
    revision = encoder.revision[:12]
    surprised = _kept(work / f"surprise-{revision}-{pairs}.json", lambda: _surprise(encoder, pairs))
    real = _kept(work / f"retrieval-{revision}.json", lambda: _real(encoder, films)) if films else None
    # Beside stills the encoder alone: to encode them is most of the work, and so is done last.
    beside = make_experiment({**probing, "input": ["native", "still"], "controls": ["majority"]})
    run(beside, videos, stills, store=store)
    figures: dict[str, Any] = {
        "scenes": scenes, "seed": SEED, "probes": _lines(probed) + _lines(placed) + _lines(stills),
        "prediction": _lines(predicted), "decoding": _lines(decoded), "surprise": surprised,
    }  # fmt: skip
    return figures | ({"retrieval": real} if real else {})


def _surprise(encoder: VJEPA2Encoder, pairs: int) -> list[dict[str, Any]]:
    """AUROC and relative accuracy of each statistic, for each kind of violation; and how many are flagged."""
    predictor = VJEPA2Predictor.from_encoder(encoder)
    slid = []
    for kind, index in product(KINDS, range(pairs)):
        pair = render_pair(kind, SEED, index)
        both = (encoder.preprocess(video) for video in (pair.possible, pair.impossible))
        slid.append([slide(predictor, video, context=CONTEXT, horizon=HORIZON) for video in both])
    l1 = np.array([[one.l1 for one in both] for both in slid])  # [kinds * pairs, 2, windows]
    known = np.array([[known_before(one.known, one.predicted) for one in both] for both in slid])
    errors = np.array([[window_errors(one.predicted, one.true) for one in both] for both in slid])
    fold = np.tile(np.arange(pairs), len(KINDS)) % min(FOLDS, pairs)
    measures = {"mean": l1.mean(axis=2), "max": l1.max(axis=2)}
    measures |= {"calibrated": held_out(known, errors, fold)[1]} if pairs > 1 else {}
    rows = []
    for (measure, values), (at, kind) in product(measures.items(), enumerate(KINDS)):
        possible, impossible = values[at * pairs : (at + 1) * pairs].T
        found = scored(possible, impossible, seed=0)
        found |= {"flagged": rare(impossible, seed=0)["flagged"]} if measure == "calibrated" else {}
        for metric, draws in found.items():
            score = draws.score().model_dump()
            rows.append({"kind": kind, "measure": measure, "metric": metric, "n": pairs, **score})
    return rows


def _real(encoder: VJEPA2Encoder, films: Sequence[Path]) -> dict[str, Any]:
    """Retrieval on real films, beside the twin and pixels in pairs."""
    twin, pixels = load_encoder(f"random:{encoder.name}", device="cpu", precision="fp32"), load_encoder("pixels")
    found, shots = real_clips(films, encoder, frames=16)
    own = retrieval(encoder, found, shots, seed=0)
    beside = {"random-init": retrieval(twin, found, shots, seed=0)}
    # Pixels see frames of a size of their own, of the same clips.
    beside["pixels"] = retrieval(pixels, *real_clips(films, pixels, frames=16), seed=0)
    scores = {key: draws.score().model_dump() for key, draws in {"trained": own, **beside}.items()}
    against = dict(standings([(own, beside)])[0])
    return {"clips": len(found), "shots": len(set(shots.tolist())), "against": against, **scores}


def _kept(path: Path, work_out: Callable[[], Any]) -> Any:
    """What was worked out before, or is now and is kept there."""
    if not path.exists():
        write_whole(path, json.dumps(work_out()).encode())
    return json.loads(path.read_text())


def _lines(out: Path) -> list[dict[str, Any]]:
    """What the card may say of a folder's results: scores, verdicts and contrasts, without how they were chosen."""
    kept = ("probe", "verdict", "evidence", "prediction", "decoding")
    lines = (line.model_dump() for line in read_results(out / "results.jsonl"))
    return [{key: line[key] for key in line if key not in _UNSAID} for line in lines if line["kind"] in kept]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.pretrain_tiny.evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, help="of config.json and model.safetensors")
    parser.add_argument("--run", type=Path, help="the training's folder, for its log")
    parser.add_argument("--work", type=Path, default=Path("runs/evaluate-tiny"), help="scenes, embeddings, results")
    parser.add_argument("--films", type=Path, nargs="*", default=[], help="real films for the retrieval")
    parser.add_argument("--scenes", type=int, default=SCENES)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--no-card", action="store_true", help="print the figures and write nothing")
    asked = parser.parse_args()
    figures = measure(asked.folder, asked.work, asked.films, scenes=asked.scenes, pairs=asked.pairs)
    if asked.run:
        log = [json.loads(line) for line in (asked.run / LOG).read_text().splitlines()]
        figures["training"] = {**json.loads((asked.run / "training.json").read_text()), "log": log}
    print(card.tables(figures))
    if not asked.no_card:
        write_whole(asked.folder / "figures.json", json.dumps(figures, separators=(",", ":")).encode())
        write_whole(asked.folder / "README.md", card.card(figures).encode())


if __name__ == "__main__":
    main()
