"""Decoders trained on an executor's machines: tokens and films go there, weights, losses and cost come home.

All of a plan are one task, or each is a task of its own where the executor says that it trains them apart. What
comes home lies where this process would have put it, under the same key; so scoring goes on as if it had been
trained here, and a second run trains nothing again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from worldprobe import provenance
from worldprobe.io.files import write_whole
from worldprobe.pipeline.decode.ladder import rung_names, train_rung
from worldprobe.pipeline.decode.training import (
    FOLDER,
    DecodingPlan,
    Workshop,
    open_workshop,
    precision_for,
    train_all,
    trainings,
)
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.protocols import Executor, able
from worldprobe.results import CostResult
from worldprobe.store import DECODERS, Store, keys_of, shared

_CONFIG = "config.json"
_HOME = "trained_elsewhere.json"
_STAGE = "train "


@dataclass(frozen=True, slots=True)
class Task:
    """A run's decoders: of which videos (id, path), from which keys of the store, kept there under which name; and
    which of them, by their names."""

    videos: tuple[tuple[str, str], ...]
    keys: tuple[str, ...]
    name: str
    decoders: tuple[str, ...]


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
        return {_key(task, name): Path(self.out, FOLDER, name) for name in files}

    def __call__(self, task: Task) -> Trained:
        """Train what the task names; a worker that follows a lost one goes on where that was."""
        ledger, videos = Ledger(), {video: Path(path) for video, path in task.videos}
        with self._place(task) as out:
            shop = open_workshop(Store(self.store), videos, self.plan, out, ledger, progress=silent)
            train_all(shop, task.decoders)
            for name in rung_names(self.plan):
                if name in task.decoders:
                    train_rung(shop, name)
            shop.rows.pairs.frames.path.unlink()
            folders = [one.parent for one in sorted((out / FOLDER).glob(f"*/{_CONFIG}"))]
            files = [str(file.relative_to(out / FOLDER)) for folder in folders for file in folder.iterdir()]
            if "://" in self.store:
                for name in files:
                    shop.store.keep(_key(task, name), (out / FOLDER / name).read_bytes())
        costs = tuple(cost for cost in ledger.costs if cost.stage.startswith(_STAGE))
        return Trained(tuple(files), costs, provenance.machine())

    @contextmanager
    def _place(self, task: Task) -> Iterator[Path]:
        """Where a task is worked on: in the store's folder; of a store with a URL in one of this machine's own."""
        if "://" not in self.store:
            yield Path(self.store, DECODERS, task.name)
            return
        with TemporaryDirectory(prefix="worldprobe-") as folder:
            yield Path(folder)


def _key(task: Task, name: str) -> str:
    """Where the store has a file of a task's decoders."""
    return f"{DECODERS}/{task.name}/{FOLDER}/{name}"


def elsewhere(plan: DecodingPlan, executor: Executor | None) -> DecodingPlan:
    """The plan as that executor trains it: its machines decide what is fastest, and the decoders' keys hold it.

    Machines without GPUs are taken for such as this one, as they are when they encode.
    """
    if not able(executor, "trains_decoders") or plan.weights is not None:
        return plan
    return replace(plan, precision=precision_for(plan.precision, "cuda" if executor.gpus else "cpu"))


def train_elsewhere(shop: Workshop, executor: Executor | None, *, progress: Progress) -> None:
    """Have the executor train what the plan asks for, into the run's folder; nothing where this process trains.

    Raises:
        WorldprobeError: as training here does, or what keeps it from being sent.
    """
    if not able(executor, "trains_decoders") or shop.plan.weights is not None:
        return
    home = _Home(shop.out / FOLDER / _HOME)
    tasks = [task for task in _tasks(shop, apart=able(executor, "trains_apart")) if not home.has(task)]
    if not tasks:
        return
    work = TrainDecoders(shared(shop.store), str(shop.out), replace(shop.plan, device="auto"))
    stage = f"train ({executor.name})"
    progress(stage, 0, len(tasks))
    for done, outcome in enumerate(executor.map(work, tasks), start=1):
        trained: Trained = outcome.get()
        dollars, seconds = executor.spent(), sum(cost.seconds for cost in trained.costs)
        for cost in trained.costs:
            price = None if dollars is None else round(dollars * cost.seconds / seconds, 4)
            shop.ledger.costs.append(cost.model_copy(update={"device": executor.name, "price": price}))
        shop.ledger.note(made=0, found=0, workers=[trained.machine])
        home.add(outcome.item, trained)
        shop.store.drop(f"{DECODERS}/{outcome.item.name}")
        progress(stage, done, len(tasks))


def _tasks(shop: Workshop, *, apart: bool) -> list[Task]:
    """All decoders of a plan as one task, or one for each."""
    plan, keys = shop.plan, _keys(shop)
    videos = tuple((one.video.id, str(Path(one.video.path).resolve())) for one in shop.series)
    listed = trainings(plan.decode, encoder=plan.encoder, twin=shop.series[0].twin)
    names = (*(one.name for one in listed), *rung_names(plan))
    known = repr((plan, [video for video, _ in videos], keys))

    def task(of: str, decoders: tuple[str, ...]) -> Task:
        return Task(videos, keys, hashlib.sha256(of.encode()).hexdigest()[:20], decoders)

    return [task(f"{known} {name}", (name,)) for name in names] if apart else [task(known, names)]


@dataclass(frozen=True, slots=True)
class _Home:
    """Which trainings have come home, so that no worker is started to say so: a file in the decoders' folder."""

    path: Path

    def has(self, task: Task) -> bool:
        """Whether what a task trains is here already, whole."""
        return any(
            one["name"] == task.name and all((self.path.parent / file).exists() for file in one["files"])
            for one in self._read()
        )

    def add(self, task: Task, trained: Trained) -> None:
        """Write down that it has come; a file that a later training has replaced is that one's."""
        files = set(trained.files)
        kept = [one for one in self._read() if not files.intersection(one["files"])]
        kept.append({"name": task.name, "files": list(trained.files)})
        write_whole(self.path, json.dumps(kept).encode())

    def _read(self) -> list[dict[str, Any]]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            several = found if isinstance(found, list) else [found]
            return [{"name": str(one["name"]), "files": list(one["files"])} for one in several]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return []


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
