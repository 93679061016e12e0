"""Decoders trained on an executor's machine: tokens and films go there, weights, losses and cost come home.

What comes home lies where this process would have put it, under the same key; so scoring goes on as if it had been
trained here, and a second run trains nothing again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from worldprobe import provenance
from worldprobe.io.files import write_whole
from worldprobe.pipeline.decode.ladder import ladder
from worldprobe.pipeline.decode.training import FOLDER, DecodingPlan, Workshop, open_workshop, train_all, trainings
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.protocols import Executor, able
from worldprobe.results import CostResult
from worldprobe.store import Store, keys_of, shared

_CONFIG = "config.json"
_HOME = "trained_elsewhere.json"
_STAGE = "train "


@dataclass(frozen=True, slots=True)
class Task:
    """A run's decoders: of which videos (id, path), from which keys of the store, kept there under which name."""

    videos: tuple[tuple[str, str], ...]
    keys: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Trained:
    """What was left: each decoder's files, relative to the decoders' folder; what it cost, and on which machine."""

    files: tuple[str, ...]
    costs: tuple[CostResult, ...]
    machine: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TrainDecoders:
    """The function that an executor runs on the task; ``out`` is the run's folder here."""

    store: str
    out: str
    plan: DecodingPlan

    @property
    def remote(self) -> Literal["Training"]:
        """On Modal."""
        return "Training"

    def at(self, store: str) -> TrainDecoders:
        """The same from another store."""
        return replace(self, store=store)

    def films(self, task: Task) -> list[str]:
        """Those whose frames are to be drawn."""
        return [path for _, path in task.videos]

    def moved(self, task: Task, films: Mapping[str, str]) -> Task:
        """The same with its films elsewhere."""
        return replace(task, videos=tuple((video, films[path]) for video, path in task.videos))

    def reads(self, task: Task) -> tuple[str, ...]:
        """The tokens."""
        return task.keys

    def leaves(self, task: Task, trained: Trained) -> dict[str, Path]:
        """The decoders' folders, of each its config last: a folder with one is whole."""
        files = sorted(trained.files, key=lambda name: (name.rpartition("/")[0], name.endswith(f"/{_CONFIG}")))
        return {f"{FOLDER}/{task.name}/{FOLDER}/{name}": Path(self.out, FOLDER, name) for name in files}

    def __call__(self, task: Task) -> Trained:
        """Train what the plan asks for; a container that follows a lost one goes on where that was."""
        out, ledger = Path(self.store, FOLDER, task.name), Ledger()
        videos = {video: Path(path) for video, path in task.videos}
        shop = open_workshop(Store(self.store), videos, self.plan, out, ledger, progress=silent)
        scored = train_all(shop)
        if self.plan.decode.ladder:
            ladder(shop, scored)
        shop.rows.pairs.frames.path.unlink()
        folders = [one.parent for one in sorted((out / FOLDER).glob(f"*/{_CONFIG}"))]
        files = [str(file.relative_to(out / FOLDER)) for folder in folders for file in folder.iterdir()]
        costs = tuple(cost for cost in ledger.costs if cost.stage.startswith(_STAGE))
        return Trained(tuple(files), costs, provenance.machine())


def elsewhere(plan: DecodingPlan, executor: Executor | None) -> DecodingPlan:
    """The plan as that executor trains it: its machines decide what is fastest, and the decoders' keys hold it."""
    if not able(executor, "trains_decoders") or plan.weights is not None:
        return plan
    faster: Literal["bf16", "fp32"] = "bf16" if executor.gpus else "fp32"
    return replace(plan, precision=faster if plan.precision == "auto" else plan.precision)


def train_elsewhere(shop: Workshop, executor: Executor | None, *, progress: Progress) -> None:
    """Have the executor train what the plan asks for, into the run's folder; nothing where this process trains.

    Raises:
        WorldprobeError: as training here does, or what keeps it from being sent.
    """
    if not able(executor, "trains_decoders") or shop.plan.weights is not None:
        return
    videos = tuple((one.video.id, str(Path(one.video.path).resolve())) for one in shop.series)
    keys = _keys(shop)
    name = hashlib.sha256(repr((shop.plan, [video for video, _ in videos], keys)).encode()).hexdigest()[:20]
    if _came_home(shop.out / FOLDER, name):
        return
    work = TrainDecoders(shared(shop.store), str(shop.out), replace(shop.plan, device="auto"))
    progress(f"train ({executor.name})", 0, 1)
    for outcome in executor.map(work, [Task(videos, keys, name)]):
        trained: Trained = outcome.get()
        dollars, seconds = executor.spent(), sum(cost.seconds for cost in trained.costs)
        for cost in trained.costs:
            price = None if dollars is None else round(dollars * cost.seconds / seconds, 4)
            shop.ledger.costs.append(cost.model_copy(update={"device": executor.name, "price": price}))
        shop.ledger.note(made=0, found=0, workers=[trained.machine])
        home = {"name": name, "files": list(trained.files)}
        write_whole(shop.out / FOLDER / _HOME, json.dumps(home).encode())
    progress(f"train ({executor.name})", 1, 1)


def _came_home(folder: Path, name: str) -> bool:
    """Whether these trainings are here already, whole: then no container is started to say so."""
    try:
        home = json.loads((folder / _HOME).read_text(encoding="utf-8"))
        return bool(home["name"] == name) and all((folder / file).exists() for file in home["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _keys(shop: Workshop) -> tuple[str, ...]:
    """Every key that training reads: the encoder's tokens, and those of the encoders that controls read."""
    found: dict[str, None] = {}
    listed = trainings(shop.plan.decode, encoder=shop.plan.encoder, twin=shop.series[0].twin)
    for name in dict.fromkeys(one.encoder for one in listed):
        for one in shop.series:
            for series, blocks in shop.store.find(one.video.id, encoder=name):
                if series.pool == "none":
                    found |= dict.fromkeys(keys_of(series.path, blocks, range(len(series.specs)), pool="none"))
    return tuple(found)
