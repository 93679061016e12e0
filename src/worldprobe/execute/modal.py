"""Work on Modal's GPUs: films go up to a volume, clips come home from one."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from worldprobe.errors import ConfigError
from worldprobe.execute.outcomes import Outcome
from worldprobe.files import replacing

# Dollars a second of each GPU as Modal listed them in 2025; cores and memory cost some percent more.
PRICES = {
    "T4": 0.000164, "L4": 0.000222, "A10G": 0.000306, "L40S": 0.000542, "A100": 0.000583, "A100-80GB": 0.000694,
    "H100": 0.001097, "H200": 0.001261,
}  # fmt: skip
_STORE = "embeddings.zarr"
_MANY = 100  # containers at most, unless the account allows fewer
SET_UP = (
    "the executor modal needs an account: 1. pip install 'worldprobe[modal]'  2. modal token new (or set "
    "MODAL_TOKEN_ID and MODAL_TOKEN_SECRET)  3. run the same command again. Volumes worldprobe-films, -store and "
    "-weights are made on the first run; a checkpoint that needs a login on its hub has to be put into -weights."
)


@runtime_checkable
class Movable(Protocol):
    """A function on films that can be sent elsewhere: it says where its store is, and what it puts there."""

    store: str

    def at(self, store: str) -> Any:
        """The same with another store."""
        ...

    def keys(self, item: Any) -> list[str]:
        """What an item leaves in the store."""
        ...


@dataclass(slots=True)
class Modal:
    """modal: GPUs of Modal, by the second (extra [modal], an account; --gpu, by default A10G)."""

    argument: str | None = None
    gpu: str = "A10G"
    name: str = "modal"
    workers: int = _MANY
    gpus: bool = True
    seconds: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        if self.argument is not None:
            raise ConfigError(f"the executor modal takes no argument, got {self.argument!r}: use --gpu")
        if self.gpu not in PRICES:
            raise ConfigError(f"--gpu {self.gpu!r}: use one of {', '.join(PRICES)}")
        try:
            from modal.config import config
        except ImportError as error:
            raise ConfigError(SET_UP) from error
        if not (config.get("token_id") and config.get("token_secret")):
            raise ConfigError(SET_UP)

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Outcome[Any, Any]]:
        """As they finish; a container that is lost is replaced, and its item done again by Modal."""
        from worldprobe.execute import modal_app

        if not items:
            return
        with modal_app.app.run():
            cloud = Cloud(modal_app.films, modal_app.store, modal_app.FILMS, modal_app.STORE)
            made: Any = modal_app.Encoding  # Modal's decorator returns a class of its own
            encoding = made.with_options(gpu=self.gpu, max_containers=_MANY)
            yield from self.through(cloud, encoding, function, items)

    def through(
        self, cloud: Cloud, encoding: Any, function: Callable[[Any], Any], items: Sequence[Any]
    ) -> Iterator[Outcome[Any, Any]]:
        """Send films up, have the items done, and bring home what each leaves in the store."""
        assert isinstance(function, Movable)
        sent = cloud.send([item.path for item in items])
        there = [item.at(sent[item.path]) for item in items]
        worker = encoding(function=pickle.dumps(function.at(cloud.store_path)))
        answers = worker.work.map(there, order_outputs=True, return_exceptions=True)
        for item, answer in zip(items, answers, strict=True):
            if isinstance(answer, Exception):
                yield Outcome(item, None, answer)
                continue
            value, error, seconds = answer
            self.seconds += seconds
            if error is None:
                cloud.fetch(function.keys(item), Path(function.store))
            yield Outcome(item, value, error)

    def spent(self) -> float | None:
        """Dollars for the GPUs' seconds since this was last asked."""
        dollars, self.seconds = self.seconds * PRICES[self.gpu], 0.0
        return dollars

    def close(self) -> None:
        """Containers end by themselves when they are idle; the volumes stay."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """The volumes, and where a container sees them."""

    films: Any
    store: Any
    films_path: str
    store_root: str

    @property
    def store_path(self) -> str:
        """The store as a container sees it: one for all runs, since its keys are content."""
        return f"{self.store_root}/{_STORE}"

    def send(self, paths: Sequence[str]) -> dict[str, str]:
        """Films that are not there yet, named by their content; returns where a container finds each."""
        names = {path: _name(Path(path)) for path in dict.fromkeys(paths)}
        there = {entry.path.lstrip("/") for entry in self.films.listdir("/")}
        missing = {path: name for path, name in names.items() if name not in there}
        if missing:
            with self.films.batch_upload() as batch:
                for path, name in missing.items():
                    batch.put_file(path, f"/{name}")
        return {path: f"{self.films_path}/{name}" for path, name in names.items()}

    def fetch(self, keys: Sequence[str], into: Path) -> None:
        """Keys of the store, each whole or not at all; those here stay. Clips that failed are not there."""
        for key in keys:
            target = into / key
            if target.exists():
                continue
            with suppress(FileNotFoundError), replacing(target) as temporary, temporary.open("wb") as file:
                self.store.read_file_into_fileobj(f"{_STORE}/{key}", file)


def _name(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:40]
    return digest + os.path.splitext(path.name)[1].lower()
