"""What runs on Modal: an image with the versions that run here, volumes, and two classes that load a model once.

Imported only where Modal is asked for: it needs the extra [modal]. Modal reads annotations as types, so they may
not be strings here.
"""

import pickle
import re
import sys
import time
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

import modal

APP = "worldprobe"
GPU = "A10G"
FILMS, STORE, WEIGHTS = "/films", "/store", "/weights"
_ROOT = "worldprobe"
_HOUR = 3600


def pinned(package: str = _ROOT, extras: frozenset[str] = frozenset()) -> list[str]:
    """``name==version`` of everything that the package needs and that is installed here, itself left out.

    What runs there is what runs here; builds for another device (``2.13.0+cpu``) lose that mark.
    """
    from packaging.requirements import Requirement

    found: dict[str, str] = {}

    def walk(name: str) -> None:
        for line in requires(name) or []:
            need = Requirement(line)
            key = re.sub(r"[-_.]+", "-", need.name).lower()
            if key in found or not _wanted(need, extras if name == package else frozenset()):
                continue
            try:
                found[key] = version(need.name).partition("+")[0]
            except PackageNotFoundError:
                continue
            walk(need.name)

    walk(package)
    return [f"{name}=={number}" for name, number in sorted(found.items())]


def _wanted(need: Any, extras: frozenset[str]) -> bool:
    if need.marker is None:
        return True
    return any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras))


def image() -> modal.Image:
    """Debian with this Python's version, a C compiler, the pinned packages, and this package's source."""
    return (
        modal.Image.debian_slim(python_version=f"{sys.version_info.major}.{sys.version_info.minor}")
        .apt_install("gcc", "libc6-dev")  # with which Triton builds what starts a kernel
        .pip_install(*pinned(extras=frozenset({"flow"})))
        .env({"HF_HOME": WEIGHTS, "WORLDPROBE_CACHE": f"{STORE}/cache"})
        .add_local_python_source(_ROOT)
    )


app = modal.App(APP)
films = modal.Volume.from_name(f"{APP}-films", create_if_missing=True)
store = modal.Volume.from_name(f"{APP}-store", create_if_missing=True)
weights = modal.Volume.from_name(f"{APP}-weights", create_if_missing=True)
_VOLUMES: dict[str, Any] = {FILMS: films, STORE: store, WEIGHTS: weights}
_COMMON: dict[str, Any] = {"image": image(), "volumes": _VOLUMES, "retries": 3, "scaledown_window": 60}


def perform(function: Any, item: Any) -> tuple[Any, Exception | None, float]:
    """The function's value on an item, or its error, and the seconds that it took."""
    started = time.perf_counter()
    try:
        return function(item), None, time.perf_counter() - started
    except Exception as error:  # an item's error is no reason to try it again
        return None, error, time.perf_counter() - started


def _on_volumes(function: Any, item: Any) -> tuple[Any, Exception | None, float]:
    """``perform`` with what others have put on the volumes; what it puts there is kept."""
    store.reload()
    films.reload()
    done = perform(function, item)
    store.commit()
    return done


@app.cls(gpu=GPU, timeout=_HOUR, **_COMMON)
class Encoding:
    """Encodes parts of films; the function that it is made with keeps its encoder loaded."""

    function: bytes = modal.parameter()

    @modal.enter()  # type: ignore[untyped-decorator]
    def load(self) -> None:
        """Once a container."""
        self._function = pickle.loads(self.function)  # our own, sent by the client of the same account

    @modal.method()  # type: ignore[untyped-decorator]
    def work(self, item: Any) -> tuple[Any, Exception | None, float]:
        """Encode a part; its clips are in the store's volume when this returns."""
        return _on_volumes(self._function, item)


@app.cls(gpu=GPU, timeout=24 * _HOUR, **_COMMON)
class Training:
    """Trains decoders on tokens in the store's volume; a container that is lost is followed by another."""

    function: bytes = modal.parameter()

    @modal.enter()  # type: ignore[untyped-decorator]
    def load(self) -> None:
        """Once a container."""
        self._function = pickle.loads(self.function)

    @modal.method()  # type: ignore[untyped-decorator]
    def work(self, item: Any) -> tuple[Any, Exception | None, float]:
        """Train; the run's folder is in the store's volume when this returns."""
        return _on_volumes(self._function, item)
