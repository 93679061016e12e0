"""Windows predicted by an executor's workers: their tokens come back through the store, and are scored here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from worldprobe.encoders.load import load_encoder
from worldprobe.errors import ConfigError, StoreError, VideoError
from worldprobe.execute.fitting import Fitting
from worldprobe.pipeline.failures import Failure
from worldprobe.pipeline.predict.forecast import joined, tokens_of
from worldprobe.pipeline.predict.windows import (
    MOST,
    Batch,
    Cut,
    Selection,
    Window,
    batch_size,
    pixels_of,
    plan_windows,
)
from worldprobe.pipeline.progress import Progress
from worldprobe.pipeline.sources import open_source
from worldprobe.predictors.vjepa2 import INSTEAD, Mode, VJEPA2Predictor
from worldprobe.protocols import Encoder, Executor, able
from worldprobe.store import PREDICTIONS, Store, shared


@dataclass(frozen=True, slots=True)
class WindowTask:
    """Windows that are predicted at once, of that number, with the paths of their videos."""

    number: int
    windows: tuple[Window, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PredictedTask:
    """Which of a task's windows could be read, and what is wrong with the others."""

    read: tuple[int, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class PredictWindows:
    """The function that workers run on tasks; each loads the encoder and its predictor once.

    Attributes:
        encoder: the name to load it by; ``revision`` is what has to come of it.
        store: a place that every worker reaches.
        folder: of the store, where tokens lie until they are scored.
    """

    encoder: str
    revision: str
    device: str
    precision: str
    store: str
    folder: str
    context: int
    horizon: int
    mode: Mode

    def key(self, task: WindowTask) -> str:
        """Where the store has a task's pixels and tokens."""
        return f"{self.folder}/{task.number}.npz"

    def __call__(self, task: WindowTask) -> PredictedTask:
        """Predict a task's windows."""
        predictor = _loaded(self.encoder, self.device, self.precision)
        found: str = predictor.encoder.revision  # type: ignore[attr-defined]
        if found != self.revision:
            raise ConfigError(
                f"{self.encoder} is another one on this worker (revision {found[:12]}, expected "
                f"{self.revision[:12]}): give all machines the same weights and the same version of worldprobe"
            )
        failures: list[Failure] = []
        clips = dict(_read(task, predictor.encoder, failures))  # type: ignore[arg-type]
        if clips:
            pixels = np.stack(list(clips.values()))
            fitting = Fitting(self.encoder, most=MOST, instead=INSTEAD)
            work = partial(tokens_of, predictor, context=self.context, horizon=self.horizon, mode=self.mode)
            tokens = joined(fitting.map(work, pixels))
            arrays = {_name(number): np.ascontiguousarray(one) for number, one in enumerate((pixels, *tokens))}
            Store(self.store).keep(self.key(task), save(arrays))
        return PredictedTask(tuple(clips), tuple(failures))


def _name(number: int) -> str:
    """What an array of a batch is kept as: its pixels are the first."""
    return str(number)


def _read(task: WindowTask, encoder: Encoder, failures: list[Failure]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The pixels uint8 [t, 3, h, w] of those of a task's windows that can be read, by their number in it."""
    for path, numbers in groupby(range(len(task.windows)), key=lambda number: task.paths[number]):
        mine = list(numbers)
        windows = [task.windows[number] for number in mine]
        try:
            with open_source(Path(path)) as video:
                read = pixels_of(video, windows, encoder, failures=failures, path=path)
                yield from ((number, one) for number, one in zip(mine, read, strict=True) if one is not None)
        except VideoError as error:
            failures.append(Failure(path, None, str(error)))


@lru_cache(maxsize=1)
def _loaded(name: str, device: str, precision: str) -> VJEPA2Predictor:
    """One at a time: the next one takes the memory of the last."""
    return VJEPA2Predictor.from_encoder(load_encoder(name, device=device, precision=precision))


@dataclass(frozen=True, slots=True)
class PredictSpread:
    """Who predicts, where it is not this process: an executor, whose workers load the encoder by its name, predict
    in a mode, and share the store with this process."""

    executor: Executor
    store: Store
    encoder: str
    device: str
    mode: Mode

    def read(
        self,
        videos: Sequence[Path],
        encoder: Encoder,
        cut: Cut,
        *,
        failures: list[Failure],
        progress: Progress,
        stage: str,
        selection: Selection | None = None,
    ) -> Iterator[Batch]:
        """Windows to be scored or drawn as ``read_windows`` gives them, each batch with its tokens.

        Raises:
            WorldprobeError: what concerns all videos alike.
            StoreError: workers wrote where this machine does not see it.
        """
        names = {str(path.resolve()): str(path) for path in videos}
        planned = plan_windows(videos, encoder, cut, selection=selection, failures=failures)
        windows = [(window, str(path.resolve())) for path, some in planned for window in some]
        size = batch_size(encoder, cut)
        tasks = [
            WindowTask(start // size, *zip(*windows[start : start + size], strict=True))
            for start in range(0, len(windows), size)
        ]
        # Resolved here: workers of another kind would choose another one.
        precision = str(getattr(encoder, "precision", "auto"))
        known = repr((encoder.name, encoder.revision, precision, cut, self.mode, tasks))
        folder = f"{PREDICTIONS}/{hashlib.sha256(known.encode()).hexdigest()[:20]}"
        work = PredictWindows(
            self.encoder, encoder.revision, self.device, precision, shared(self.store), folder,
            cut.context, cut.horizon, self.mode,
        )  # fmt: skip
        waiting: dict[int, tuple[WindowTask, PredictedTask]] = {}
        following = done = 0
        try:
            for outcome in self.executor.map(work, tasks):
                waiting[outcome.item.number] = (outcome.item, outcome.get())
                done += len(outcome.item.windows)
                progress(f"{stage} ({self.executor.name})", done, len(windows))
                # In the videos' order, as one process reads them: what finished early waits in the store.
                while following in waiting:
                    task, predicted = waiting.pop(following)
                    following += 1
                    for one in predicted.failures:
                        path = names.get(one.video, one.video)
                        here = replace(one, video=path, error=one.error.replace(one.video, path))
                        failures += [here] if here not in failures else []
                    if predicted.read:
                        yield self._batch(work.key(task), [task.windows[number] for number in predicted.read])
        finally:
            self.store.drop(folder)

    def cost(self) -> dict[str, Any]:
        """What a ledger books of what was read since the last call."""
        return {"device": self.executor.name, "price": self.executor.spent()}

    def _batch(self, key: str, windows: list[Window]) -> Batch:
        content = self.store.kept(key)
        if content is None:
            raise StoreError(
                f"workers predicted {len(windows)} windows, and {key} is not in {self.store.location}: they wrote "
                "where this machine does not see it. Use --store with a folder that all machines share, or with "
                "s3://..."
            )
        try:
            arrays = load(content)
        except SafetensorError as error:
            raise StoreError(
                f"{key} in {self.store.location} is damaged: {error}. Run the command again."
            ) from error
        pixels, *tokens = (arrays[_name(number)] for number in range(len(arrays)))
        return Batch(windows, pixels, tuple(tokens))


def spread_of(
    executor: Executor | None, store: Store, *, encoder: str, device: str, mode: Mode
) -> PredictSpread | None:
    """The executor's workers with an encoder (the name to load it by), where they predict; None where this process
    does."""
    return PredictSpread(executor, store, encoder, device, mode) if able(executor, "predicts_windows") else None
