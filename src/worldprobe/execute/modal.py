"""Work on Modal's GPUs: films go up to a volume, clips come home from one."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from worldprobe.errors import ConfigError, WorldprobeError, in_words
from worldprobe.execute.movable import Movable as Movable
from worldprobe.io.files import replacing
from worldprobe.protocols import Outcome

# Dollars an hour, as a third party's list of May 2026 gives Modal's; A10G is what the original write-up paid. Cores
# and memory cost some percent more. Prices change: modal.com/pricing has them, `--price` takes the place of these.
PRICES = {"T4": 0.59, "L4": 0.80, "A10G": 1.10, "L40S": 1.95, "A100-80GB": 2.50, "H100": 3.95}
_LISTED = "a third party's list of May 2026; check modal.com/pricing"
GPUS = (*PRICES, "A100", "A100-40GB", "H200", "B200")
_STORE = "embeddings.zarr"
_MANY = 100  # containers at most, unless the account allows fewer
SET_UP = (
    "the executor modal needs Modal and an account: 1. pip install 'worldprobe[modal]'  2. modal token new (or set "
    "MODAL_TOKEN_ID and MODAL_TOKEN_SECRET)  3. run the same command again. Volumes worldprobe-films, -store and "
    "-weights are made on the first run; a checkpoint that needs a login on its hub has to be put into -weights."
)


@dataclass(slots=True)
class Modal:
    """modal[:GPU]: GPUs of Modal, by the second (extra [modal], an account; by default A10G)."""

    argument: str | None = None
    gpu: str = "A10G"
    price: float | None = None
    name: str = "modal"
    trains_decoders: ClassVar[bool] = True
    workers: int = _MANY
    gpus: bool = True
    seconds: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.gpu = self.argument or self.gpu
        if self.gpu not in GPUS:
            raise ConfigError(f"no GPU {self.gpu!r} at Modal that is known here: use one of {', '.join(GPUS)}")
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
        assert isinstance(function, Movable)
        with _in_words(), modal_app.app.run():
            cloud = Cloud(modal_app.films, modal_app.store, modal_app.FILMS, modal_app.STORE)
            remote_class: Any = getattr(modal_app, function.remote)  # Modal's decorator returns a class of its own
            remote = remote_class.with_options(gpu=self.gpu, max_containers=_MANY)
            yield from self.through(cloud, remote, function, items)

    def through(
        self, cloud: Cloud, remote: Any, function: Callable[[Any], Any], items: Sequence[Any]
    ) -> Iterator[Outcome[Any, Any]]:
        """Send up what is not there, have the items done, and bring home what each leaves.

        Raises:
            ConfigError: a store that is no folder, into which nothing can be brought home.
        """
        assert isinstance(function, Movable)
        if "://" in function.store:
            raise ConfigError(
                f"the executor modal brings embeddings home into a folder, and the store is {function.store}: "
                "use --store FOLDER"
            )
        sent = cloud.send([path for item in items for path in function.films(item)])
        cloud.lend([key for item in items for key in function.reads(item)], Path(function.store))
        there = [function.moved(item, sent) for item in items]
        worker = remote(function=pickle.dumps(function.at(cloud.store_path)))
        answers = worker.work.map(there, order_outputs=True, return_exceptions=True)
        for item, answer in zip(items, answers, strict=True):
            if isinstance(answer, Exception):  # not the item's error, which comes as a value
                lost = f"a container was lost too often, or could not start: {in_words(answer)}"
                yield Outcome(item, None, WorldprobeError(lost))
                continue
            value, error, seconds = answer
            self.seconds += seconds
            if error is None:
                cloud.fetch(function.leaves(item, value))
            yield Outcome(item, value, error)

    def spent(self) -> float | None:
        """Dollars for the GPUs' seconds since this was last asked; None where the GPU's price is not known."""
        seconds, self.seconds = self.seconds, 0.0
        hour = self.rate
        return None if hour is None else seconds / 3600 * hour

    @property
    def rate(self) -> float | None:
        """Dollars an hour of the GPU."""
        return self.price if self.price is not None else PRICES.get(self.gpu)

    @property
    def terms(self) -> dict[str, Any]:
        """What ``spent`` reckons with, for whoever reads the result."""
        source = (
            "--price" if self.price is not None else _LISTED if self.gpu in PRICES else "not known: give --price"
        )
        return {"executor": self.name, "gpu": self.gpu, "dollars_an_hour": self.rate, "price_from": source}

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

    def lend(self, keys: Sequence[str], store: Path) -> None:
        """Keys of a store here that are not in the one there; they are the same wherever they were made."""
        wanted = [key for key in dict.fromkeys(keys) if (store / key).exists()]
        folders = {key.rpartition("/")[0] for key in wanted}
        there = {entry for folder in folders for entry in self._names(f"/{_STORE}/{folder}".rstrip("/"))}
        missing = [key for key in wanted if f"{_STORE}/{key}" not in there]
        if missing:
            with self.store.batch_upload() as batch:
                for key in missing:
                    batch.put_file(str(store / key), f"/{_STORE}/{key}")

    def fetch(self, keys: Mapping[str, Path]) -> None:
        """Keys of the store, each whole or not at all; chunks that are here stay, and what failed is not there."""
        for key, target in keys.items():
            if target.exists() and _is_chunk(key):
                continue
            # Outside ``replacing``, which takes each OSError within for one of this machine's disk.
            with suppress(_NotThereError), replacing(target) as temporary:
                self._copy(f"{_STORE}/{key}", temporary)

    def _copy(self, key: str, to: Path) -> None:
        with to.open("wb") as file:
            try:
                self.store.read_file_into_fileobj(key, file)
            except FileNotFoundError as error:
                raise _NotThereError(key) from error

    def _names(self, folder: str) -> list[str]:
        """Paths of what is right in a folder of the store's volume."""
        from modal.exception import NotFoundError

        try:
            return [entry.path.lstrip("/") for entry in self.store.listdir(folder)]
        except (NotFoundError, FileNotFoundError):
            return []


class _NotThereError(Exception):
    """A key that the store's volume does not have: of a clip that failed."""


@contextmanager
def _in_words() -> Iterator[None]:
    """Whatever goes wrong with Modal itself (no login, no connection, no credit) becomes one sentence.

    Raises:
        WorldprobeError: that sentence.
    """
    from modal.exception import AuthError, Error

    try:
        yield
    except AuthError as error:
        raise ConfigError(f"Modal does not take the token of this account ({in_words(error)}): {SET_UP}") from error
    except Error as error:
        raise WorldprobeError(
            f"Modal failed: {in_words(error)}. What was brought home is kept; the same command goes on from there"
        ) from error


def _is_chunk(key: str) -> bool:
    """Whether a key is of embeddings, which are the same wherever they were made; a description is too."""
    name = key.rpartition("/")[2]
    return name.startswith("c.") or name == "zarr.json"


def _name(path: Path) -> str:
    if not path.is_file():
        raise ConfigError(
            f"{path} is no single file, and nothing else is sent to Modal. Make a film of its pictures (`ffmpeg "
            "-i ... -crf 18 film.mp4`), or work on this machine or with Ray."
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:40]
    return digest + os.path.splitext(path.name)[1].lower()
