"""Watch a training: measure each checkpoint of a folder once, as it appears, and conclude from all of them."""

from __future__ import annotations

import re
import shutil
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from worldprobe import provenance
from worldprobe.config import Experiment, to_toml
from worldprobe.encoders.load import load_encoder, twin_of
from worldprobe.errors import ConfigError, RegistryError, WorldprobeError, WriteError
from worldprobe.findings.watched import Checkpoint, LeftOut, Watched, watched
from worldprobe.io.files import sha256
from worldprobe.labels.table import read_labels, read_tables
from worldprobe.pipeline.checks import ids_among
from worldprobe.pipeline.failures import Failure
from worldprobe.pipeline.folder import STORE
from worldprobe.pipeline.label.checks import labeller_of
from worldprobe.pipeline.label.parts import Parts
from worldprobe.pipeline.label.stage import label_all
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.probe.plan import plan_of
from worldprobe.pipeline.probe.questions import check_probes
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.pipeline.watch.checkpoints import HERE, Found, changed, find
from worldprobe.pipeline.watch.measure import Work, measure, with_drift
from worldprobe.pipeline.watch.record import Record
from worldprobe.protocols import Encoder, Labeller

# Files that are as they were so many seconds ago are written to the end.
SETTLED_SECONDS = 3.0
TRIES = 3
TWIN = "untrained twin"
_FOLDERS, _LABELS = "checkpoints", "labels.parquet"
# Settings that say who computes and where things lie, but not what.
_APART = ("device", "strict", "videos", "predict", "decode")


@dataclass(frozen=True, slots=True)
class Watching:
    """What is watched, and how.

    Attributes:
        folder: of checkpoints. out: where what is measured goes.
        videos: that every checkpoint is measured on.
        experiment: its settings; its ``encoder`` holds ``{}`` for a checkpoint's path.
        tasks: whether any is probed; else nothing is labelled.
        tables: of labels, instead of the experiment's labeller.
        match: which entries are checkpoints, as ``checkpoints.find`` has it.
        keep: whether embeddings stay when they are measured.
        tries: how often a checkpoint that does not load is tried before it is left.
    """

    folder: Path
    out: Path
    videos: Sequence[Path]
    experiment: Experiment
    tasks: bool = True
    tables: Sequence[Path] = ()
    match: str | None = None
    keep: bool = False
    tries: int = TRIES

    @property
    def labels_anew(self) -> bool:
        """Whether the videos have yet to be labelled."""
        return self.tasks and not self.tables and not (self.out / _LABELS).exists()

    def named(self, one: Found) -> Experiment:
        """The experiment of one checkpoint."""
        name = self.experiment.encoder.replace(HERE, str(one.path))
        return self.experiment.model_copy(update={"encoder": name})

    def settings(self) -> dict[str, Any]:
        """What has to be the same for checkpoints to compare."""
        written = tomllib.loads(to_toml(self.experiment))
        kept = {key: value for key, value in written.items() if key not in _APART}
        if not self.tasks:
            kept = {key: kept[key] for key in ("encoder", "frames", "stride", "pool", "input", "precision")}
        elif self.tables:
            kept["labels"] = [sha256(path)[:16] for path in self.tables if path.is_file()]
            kept.pop("labeller", None)
        return {**kept, "videos": provenance.hash_of(ids_among(self.videos))}


@dataclass(slots=True)
class _Attempts:
    """How often an entry with these files was looked at in vain, and since when it has been as it is."""

    files: str
    since: float
    count: int = 0
    why: str = ""


@dataclass(slots=True)
class Watch:
    """A watch over a folder, alone in its ``out``: ``with Watch(...) as watch: watch.round()``."""

    of: Watching
    failures: list[Failure] = field(default_factory=list)
    _record: Record = field(init=False)
    _lock: FileLock = field(init=False)
    _labeller: Labeller | None = field(init=False, default=None)
    _labelled: Work | None = field(init=False, default=None)
    _attempts: dict[str, _Attempts] = field(init=False, default_factory=dict)
    _refused: list[LeftOut] = field(init=False, default_factory=list)

    def __enter__(self) -> Watch:
        """Check what can be said before any work, and claim the folder.

        Raises:
            ConfigError: no such folder, or it is a checkpoint; another watch writes here; ``out`` is one of others.
            WorldprobeError: probes, labeller or videos that are not there.
        """
        self.check()
        of = self.of
        try:
            of.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"cannot write {of.out}: {error.strerror or error}. Give another --out.") from error
        self._lock = FileLock(of.out / ".watch.lock", thread_local=False)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise ConfigError(
                f"another `worldprobe watch` writes into {of.out}: let it go on, or give this one its own --out"
            ) from None
        except (OSError, NotImplementedError):  # no lock to be had here: results are right all the same
            pass
        try:
            self._record = Record(of.out, of.settings())
            self._record.claim()
        except BaseException:
            self._lock.release()
            raise
        if not of.keep:
            for line in self._record.checkpoints:  # of one that was stopped between measuring and dropping
                self._drop(line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the folder free."""
        self._lock.release()

    def check(self) -> None:
        """Raises WorldprobeError for what no checkpoint could be measured with."""
        of = self.of
        if HERE not in of.experiment.encoder:
            raise ConfigError(
                f"--encoder {of.experiment.encoder!r} names one encoder: write {HERE} for a checkpoint's path"
            )
        self.find()
        if of.tasks:
            check_probes(plan_of(of.experiment, encoder=of.experiment.encoder))
            if of.tables:
                read_tables(of.tables)
            else:
                self._labeller = labeller_of(of.experiment, of.videos, folder=of.out)
                if (table := of.out / _LABELS).exists():  # checkpoints may be waited for for hours
                    read_labels(table)

    def find(self) -> list[Found]:
        """The checkpoints that are there, whole or not; raises as ``checkpoints.find``."""
        of = self.of
        found, refused = find(of.folder, encoder=of.experiment.encoder, match=of.match, apart=of.out)
        self._refused = [LeftOut(name=one.name, why=one.why, final=True) for one in refused]
        return found

    def planned(self) -> tuple[list[Found], list[Found]]:
        """Those that are to be measured, and those that are; nothing is written. Raises as ``with`` does."""
        self.check()
        record, every = Record(self.of.out, self.of.settings()), self.find()
        known = [one for one in every if record.knows(one.name, one.files)]
        return [one for one in every if one not in known], known

    @property
    def refused(self) -> list[LeftOut]:
        """Entries that cannot be encoders as they are, of the last look."""
        return list(self._refused)

    def round(self, *, progress: Progress = silent, tell: Callable[[str], None] = lambda line: None) -> int:
        """Measure what is there and was not measured yet; how many were.

        Args:
            tell: takes a sentence of each checkpoint that was measured, or could not be.

        Raises:
            WorldprobeError: what concerns all checkpoints alike: labels, the twin's probes, a folder that is gone.
        """
        done, every = 0, self.find()
        for name in self._attempts.keys() - {one.name for one in every}:  # trainings delete old checkpoints
            self._attempts[name] = _Attempts("", 0.0, self.of.tries, "gone before it could be measured")
        for one in every:
            if self._record.knows(one.name, one.files):
                continue
            attempts = self._attempts_of(one)
            if attempts.count >= self.of.tries:
                continue
            if not self._settled(one, attempts):
                attempts.why = "still being written"
                continue
            try:
                if one.lacks:
                    raise RegistryError(one.lacks)
                line = self._measure(one, progress)
            except _CommonError as error:
                raise error.cause from error.cause.__cause__
            except WriteError:  # a full disk is full for all
                raise
            except (WorldprobeError, OSError) as error:
                final = isinstance(error, _OtherError) or attempts.count + 1 >= self.of.tries
                attempts.count, attempts.why = self.of.tries if final else attempts.count + 1, str(error)
                tell(f"{one.name}: {error} ({'left as it is' if final else 'tried again at the next look'})")
                continue
            self._attempts.pop(one.name, None)
            if line.name == one.name:
                done += 1
                tell(f"{one.name}: measured in {line.seconds:.0f} s")
            else:
                tell(f"{one.name}: the same as {line.name}, which is measured")
        return done

    @property
    def waiting(self) -> list[str]:
        """Names of those that were still being written when they were looked at."""
        return [name for name, one in self._attempts.items() if one.why and not one.count]

    def facts(self) -> Watched:
        """What was measured so far, in order, and what follows from it."""
        left = [
            LeftOut(name=name, why=one.why, final=one.count >= self.of.tries)
            for name, one in self._attempts.items()
            if one.why
        ]
        of = self.of
        return watched(
            str(of.folder), of.experiment.split if of.tasks else "", self._record.twin, self._record.checkpoints,
            [*left, *self._refused],
        )  # fmt: skip

    def _attempts_of(self, one: Found) -> _Attempts:
        known = self._attempts.get(one.name)
        if known is None or known.files != one.files:
            known = self._attempts[one.name] = _Attempts(one.files, time.monotonic())
        return known

    def _settled(self, one: Found, attempts: _Attempts) -> bool:
        """Whether files are as they were a while ago, by their own clock, or since they were first looked at."""
        return time.time() - one.modified >= SETTLED_SECONDS or time.monotonic() - attempts.since >= SETTLED_SECONDS

    def _measure(self, one: Found, progress: Progress) -> Checkpoint:
        """Measure a checkpoint, and write its line; what was measured under another name is known by that one."""
        experiment, record = self.of.experiment, self._record
        encoder = load_encoder(self.of.named(one).encoder, device=experiment.device, precision=experiment.precision)
        if changed(one):  # its hash may be of other weights than those that were loaded
            raise RegistryError("its files were written while it was loaded")
        if (known := record.of(encoder.revision)) is not None:
            record.put(known := _also(known, one))
            return known
        work = self._work(progress)
        self._require_alike(encoder, work, progress)
        folder = f"{_FOLDERS}/{_segment(one.name)}-{_segment(encoder.revision[:8])}"
        line, lost = measure(encoder, work, self.of.out, folder=folder, twin=record.twin, progress=progress)
        self._lost(lost)
        found = {"name": one.name, "step": one.step, "modified": one.modified, "files": one.files}
        record.put(line := line.model_copy(update=found))
        self._drift()
        self._drop(line)
        return line

    def _work(self, progress: Progress) -> Work:
        """Videos and labels, which are made or read once."""
        if self._labelled is not None:
            return self._labelled
        of, labels = self.of, None
        table = of.out / _LABELS
        with _common():
            if of.tasks and of.tables:
                labels = read_tables(of.tables)
            elif of.tasks and table.exists():
                labels = read_labels(table)
            elif self._labeller is not None:
                experiment = of.experiment
                parts = Parts(table, labeller=experiment.labeller, settings=to_toml(experiment))
                lost: list[Failure] = []
                labels = label_all(
                    of.videos, experiment, self._labeller, parts, lost, out=of.out, ledger=Ledger(), executor=None,
                    progress=progress,
                )  # fmt: skip
                parts.clear()
                self._lost(lost)
        self._labelled = Work(of.videos, of.experiment, labels)
        return self._labelled

    def _require_alike(self, encoder: Encoder, work: Work, progress: Progress) -> None:
        """Measure the twin where that was not done. Raises RegistryError for another architecture than its own."""
        name, experiment, record = twin_of(encoder), self.of.experiment, self._record
        if name is None:
            return
        precision = str(getattr(encoder, "precision", ""))
        if record.twin is not None and record.twin.precision != precision:
            raise _CommonError(
                ConfigError(
                    f"{self.of.out} was measured in {record.twin.precision}, and here it would be {precision}, "
                    f"which does not compare: give --precision {record.twin.precision}, or another --out"
                )
            )
        twin = load_encoder(name, device=experiment.device, precision=experiment.precision)
        if record.twin is None:
            with _common():
                line, lost = measure(twin, work, self.of.out, folder="untrained", twin=None, progress=progress)
            self._lost(lost)
            record.put(line.model_copy(update={"kind": "twin", "name": TWIN}))
            self._drop(line)
        elif record.twin.revision != twin.revision:
            raise _OtherError(
                f"it is of another architecture than those before it (twin {twin.revision[:8]}, not "
                f"{record.twin.revision[:8]}): watch each architecture into an --out of its own, by --match"
            )

    def _drift(self) -> None:
        """How far each checkpoint is from the first and from the one before it, where that is not known yet."""
        every = self._record.checkpoints
        more = [
            now
            for before, one in pairwise(every)
            if (now := with_drift(one, [every[0], before], self.of.out)) is not one
        ]
        if more:
            self._record.put(*more)

    def _drop(self, line: Checkpoint) -> None:
        """Drop a checkpoint's embeddings, unless they are to stay: what is read of them again is kept apart."""
        if not self.of.keep:
            shutil.rmtree(self.of.out / line.folder / STORE, ignore_errors=True)

    def _lost(self, failures: Sequence[Failure]) -> None:
        self.failures += [one for one in failures if one not in self.failures]


class _OtherError(RegistryError):
    """A checkpoint that will not do however often it is tried."""


class _CommonError(Exception):
    """What would go wrong with every checkpoint alike."""

    def __init__(self, cause: WorldprobeError) -> None:
        super().__init__(str(cause))
        self.cause = cause


@contextmanager
def _common() -> Iterator[None]:
    """What goes wrong within concerns every checkpoint."""
    try:
        yield
    except WorldprobeError as error:
        raise _CommonError(error) from error


def _also(known: Checkpoint, one: Found) -> Checkpoint:
    """A line that knows its content by one more name; one that has a step is the better name."""
    if known.step is None and one.step is not None:
        also = {**known.also, known.name: known.files}
        better = {"name": one.name, "step": one.step, "modified": one.modified, "files": one.files, "also": also}
        return known.model_copy(update=better)
    if known.name == one.name:
        return known.model_copy(update={"files": one.files})
    return known.model_copy(update={"also": {**known.also, one.name: one.files}})


def _segment(name: str) -> str:
    """A name as one segment of a path."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "-", name).strip("-.")[:80] or "checkpoint"
