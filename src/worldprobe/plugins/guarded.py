"""Third parties' plug-ins, held to the promises of ``worldprobe.protocols`` where what they give enters.

What breaks a promise, and whatever a plug-in raises by mistake, is one error that names the plug-in. Only what is
cheap is checked: ``worldprobe.testing`` checks the rest.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import (
    DecoderError,
    EncoderError,
    LabelError,
    ProbeError,
    RegistryError,
    WorldprobeError,
    out_of_memory,
)
from worldprobe.plugins.promises import labels_problem, typed
from worldprobe.protocols import FrameSource, Outcome
from worldprobe.records import Clip, Labels, TokenGrid, View

_ATTRIBUTES: dict[str, dict[str, type | tuple[type, ...]]] = {
    "encoders": {"name": str, "revision": str, "blocks": int, "tubelet": int, "status": str},
    "labellers": {"name": str},
    "probes": {"name": str, "kind": str},
    "decoders": {"name": str, "shape": object, "options": dict},
    "executors": {"name": str, "workers": int, "gpus": bool},
}
_METHODS = {
    "encoders": ("view", "preprocess", "grid", "encode"), "labellers": ("label",), "probes": ("fit",),
    "decoders": ("loss", "sample", "parameters", "state_dict"), "executors": ("map", "spent", "close"),
}  # fmt: skip
_STATUS = ("trained", "untrained", "floor")
_KINDS = ("regression", "classification")


def guarded(kind: str, plugin: Any, named: str) -> Any:
    """A plug-in of a kind (``encoders``, ...), by the name that the user gave it, with its promises checked.

    Raises:
        RegistryError: it lacks an attribute or a method, or has another kind of value there.
    """
    who = f"the {kind[:-1]} {named}"
    with blamed(who, "its attributes", RegistryError):
        _check_attributes(kind, plugin, who)
    if kind == "encoders":
        return GuardedEncoder(plugin, who)
    if kind == "labellers":
        return GuardedLabeller(plugin, who)
    if kind == "probes":
        return GuardedProbe(plugin, who)
    if kind == "executors":
        return GuardedExecutor(plugin, who)
    if kind == "decoders":
        _guard_decoder(plugin, who)
    return plugin


@contextmanager
def blamed(who: str, what: str, error: type[WorldprobeError]) -> Iterator[None]:
    """Whatever a plug-in raises by mistake inside becomes one error that names it, and the line that did it."""
    try:
        yield
    except (WorldprobeError, MemoryError):
        raise
    except Exception as raised:
        if out_of_memory(raised):  # smaller batches are tried then
            raise
        described = f"{type(raised).__name__}: {raised}".removesuffix(": ")
        raise error(
            f"{who} failed in {what}: {described} ({_place(raised)}). It is the plug-in's mistake; "
            "WORLDPROBE_DEBUG=1 shows the traceback."
        ) from raised


def _place(raised: BaseException) -> str:
    """``film.py:12``: the innermost line outside of this package and of libraries, or else the innermost."""
    own = str(Path(__file__).parents[1])
    frames = traceback.extract_tb(raised.__traceback__)
    theirs = [one for one in frames if not one.filename.startswith(own) and "site-packages" not in one.filename]
    last = (theirs or list(frames))[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def _check_attributes(kind: str, plugin: Any, who: str) -> None:
    for name, wanted in _ATTRIBUTES[kind].items():
        if not hasattr(plugin, name):
            raise RegistryError(f"{who} has no attribute {name!r}; worldprobe.protocols says what it needs")
        value = getattr(plugin, name)
        # A bool is an int too, and is none that a plug-in means.
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool) or value == "":
            raise RegistryError(f"{who}: its {name} is {value!r}, expected {_called(wanted)}")
    for name in _METHODS[kind]:
        if not callable(getattr(plugin, name, None)):
            raise RegistryError(f"{who} has no method {name!r}; worldprobe.protocols says what it needs")
    if kind == "encoders":
        if plugin.status not in _STATUS:
            raise RegistryError(f"{who}: its status is {plugin.status!r}, expected one of {', '.join(_STATUS)}")
        if min(plugin.blocks, plugin.tubelet) < 1:
            raise RegistryError(
                f"{who}: blocks is {plugin.blocks} and tubelet {plugin.tubelet}, expected at least 1"
            )
    if kind == "probes":
        if plugin.kind not in _KINDS:
            raise RegistryError(f"{who}: its kind is {plugin.kind!r}, expected one of {', '.join(_KINDS)}")
        _check_strengths(plugin, who)


def _check_strengths(plugin: Any, who: str) -> None:
    if getattr(plugin, "reads", "rows") == "tokens":
        return
    strengths = getattr(plugin, "strengths", None)
    if not isinstance(strengths, Sequence | np.ndarray) or not len(strengths) or not min(strengths) > 0:
        raise RegistryError(f"{who}: its strengths are {strengths!r}, expected positive numbers, at least one")


def _called(wanted: type | tuple[type, ...]) -> str:
    return {str: "a text that is not empty", int: "a whole number", bool: "True or False"}.get(wanted, "a dict")  # type: ignore[arg-type]


class _Guarded:
    """What is not checked is the plug-in's own."""

    def __init__(self, plugin: Any, who: str) -> None:
        self._plugin, self._who = plugin, who

    def __getattr__(self, name: str) -> Any:
        if name in ("_plugin", "_who"):  # before ``__init__``: whoever copies or unpickles asks
            raise AttributeError(name)
        return getattr(self._plugin, name)


class GuardedEncoder(_Guarded):
    """``protocols.Encoder``."""

    def __init__(self, plugin: Any, who: str) -> None:
        super().__init__(plugin, who)
        self.name, self.revision, self.status = plugin.name, plugin.revision, plugin.status
        self.blocks, self.tubelet = plugin.blocks, plugin.tubelet

    def view(self, width: int, height: int) -> View:
        """As the encoder's. Raises EncoderError for what is no View."""
        with blamed(self._who, "view", EncoderError):
            found = self._plugin.view(width, height)
        self._require(View, found, "view")
        return found  # type: ignore[no-any-return]

    def grid(self, frames: int) -> TokenGrid:
        """As the encoder's. Raises EncoderError for what is no TokenGrid."""
        with blamed(self._who, "grid", EncoderError):
            found = self._plugin.grid(frames)
        self._require(TokenGrid, found, "grid")
        return found  # type: ignore[no-any-return]

    def preprocess(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """As the encoder's. Raises EncoderError for other than uint8 pixels of the size that ``view`` promises."""
        with blamed(self._who, "preprocess", EncoderError):
            found = self._plugin.preprocess(frames)
        width, height = self.view(frames.shape[2], frames.shape[1]).size
        self._array(found, "preprocess", (len(frames), 3, height, width), "uint8")
        return found  # type: ignore[no-any-return]

    def encode(self, clips: Sequence[Clip], *, blocks: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """As the encoder's. Raises EncoderError where a block is missing, or has another shape or type."""
        with blamed(self._who, "encode", EncoderError):
            found = self._plugin.encode(clips, blocks=blocks)
        self._require(dict, found, "encode")
        if missing := [block for block in blocks if block not in found]:
            raise EncoderError(f"{self._who}: encode was asked for the blocks {list(blocks)} and lacks {missing}")
        grid = self.grid(clips[0].spec.frames)
        for block in blocks:
            expected = (len(clips), grid.time, grid.height, grid.width, None)
            self._array(found[block], f"encode, block {block},", expected, "float16")
        return {block: found[block] for block in blocks}

    def _require(self, wanted: type, found: Any, method: str) -> None:
        if not isinstance(found, wanted):
            name = wanted.__name__
            raise EncoderError(f"{self._who}: {method} gives {type(found).__name__}, expected a {name}")

    def _array(self, found: Any, method: str, shape: tuple[int | None, ...], dtype: str) -> None:
        described = "[" + ", ".join("d" if one is None else str(one) for one in shape) + "]"
        if not isinstance(found, np.ndarray):
            given = type(found).__name__
            raise EncoderError(f"{self._who}: {method} gives {given}, expected an array of {dtype} {described}")
        fits = found.ndim == len(shape) and all(b in (None, a) for a, b in zip(found.shape, shape, strict=True))
        if found.dtype != dtype or not fits or not found.size:
            given = f"{found.dtype} {list(found.shape)}"
            raise EncoderError(f"{self._who}: {method} gives {given}, expected {dtype} {described}")


class GuardedExecutor(_Guarded):
    """An executor of which each item's outcome is asked for once, and comes."""

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Outcome[Any, Any]]:
        """The outcome of each item.

        Raises:
            WorldprobeError: the executor failed, or gave something else, or not as many as there are items.
        """
        found = 0
        with blamed(self._who, "map", WorldprobeError):
            for outcome in self._plugin.map(function, items):
                if not isinstance(outcome, Outcome):
                    raise WorldprobeError(
                        f"{self._who} gave {type(outcome).__name__} from map, expected worldprobe.protocols.Outcome"
                    )
                found += 1
                yield outcome
        if found != len(items):
            raise WorldprobeError(
                f"{self._who} gave {found} outcomes of {len(items)} items: what is missing was not done. What was "
                "done is kept, and is not done again"
            )


class GuardedLabeller(_Guarded):
    """``protocols.Labeller``."""

    def __init__(self, plugin: Any, who: str) -> None:
        super().__init__(plugin, who)
        self.name = plugin.name

    def label(self, video: FrameSource) -> Labels:
        """As the labeller's. Raises LabelError for what are no labels of this video."""
        path = video.ref.path
        with blamed(self._who, f"label, on {path}", LabelError):
            found = self._plugin.label(video)
        if not isinstance(found, Labels):
            given = "None" if found is None else f"a {type(found).__name__}"
            raise LabelError(f"{self._who} gives {given} for {path}, expected worldprobe.records.Labels")
        try:
            found = typed(found)
        except ValueError as error:
            raise LabelError(f"{self._who}, on {path}: {error}") from error
        if problem := labels_problem(found, video):
            raise LabelError(f"{self._who}, on {path}: {problem}")
        return found


class GuardedProbe(_Guarded):
    """``protocols.Probe`` or ``TokenProbe``."""

    def __init__(self, plugin: Any, who: str) -> None:
        super().__init__(plugin, who)
        self.name, self.kind = plugin.name, plugin.kind
        if hasattr(plugin, "strengths"):
            self.strengths = tuple(plugin.strengths)
        if hasattr(plugin, "reads"):
            self.reads = plugin.reads

    def fit(self, inputs: Any, target: NDArray[np.float64], *, classes: int, **options: Any) -> Any:
        """As the probe's, its answers checked."""
        if isinstance(start := options.get("start"), _Fitted):
            options["start"] = start.fitted
        with blamed(self._who, "fit", ProbeError):
            found = self._plugin.fit(inputs, target, classes=classes, **options)
        if not callable(getattr(found, "predict", None)):
            raise ProbeError(f"{self._who}: fit gives {type(found).__name__}, which has no method 'predict'")
        return _Fitted(found, self._who, classes or target.shape[1], bool(classes))


class _Fitted:
    def __init__(self, fitted: Any, who: str, width: int, of_classes: bool) -> None:
        self.fitted, self._who, self._width, self._of_classes = fitted, who, width, of_classes

    def predict(self, *inputs: Any) -> NDArray[np.float64]:
        """Of rows [n, d], or of tokens and which of their rows [n]."""
        with blamed(self._who, "predict", ProbeError):
            found = np.asarray(self.fitted.predict(*inputs), dtype=np.float64)
        expected = (len(inputs[-1]), self._width)
        if found.shape != expected:
            raise ProbeError(f"{self._who}: predict gives {list(found.shape)}, expected {list(expected)}")
        # A log-probability may be minus infinity.
        if np.isnan(found).any() or not (self._of_classes or np.isfinite(found).all()):
            raise ProbeError(f"{self._who}: predict gives NaN or infinite values")
        return found

    def choice(self) -> tuple[float, float]:
        """Of a probe of tokens."""
        with blamed(self._who, "choice", ProbeError):
            strength, loss = self.fitted.choice()
            return float(strength), float(loss)


def _guard_decoder(module: Any, who: str) -> None:
    """Checks what is drawn and lost; a decoder stays the ``torch.nn.Module`` that training knows."""
    import torch

    is_module = isinstance(module, torch.nn.Module)
    if not is_module:
        raise RegistryError(f"{who} is a {type(module).__name__}, expected a torch.nn.Module")
    loss, sample, shape = module.loss, module.sample, module.shape

    def checked_loss(tokens: Any, frames: Any, *, generator: Any) -> Any:
        with blamed(who, "loss", DecoderError):
            found = loss(tokens, frames, generator=generator)
        if not isinstance(found, torch.Tensor) or found.ndim:
            raise DecoderError(f"{who}: loss gives {_tensor(found)}, expected a tensor that is one number")
        return found

    def checked_sample(tokens: Any, *, generator: Any, **options: Any) -> Any:
        with blamed(who, "sample", DecoderError):
            found = sample(tokens, generator=generator, **options)
        expected = (len(tokens), shape.frames, 3, *shape.size)
        if not isinstance(found, torch.Tensor) or tuple(found.shape) != expected:
            raise DecoderError(f"{who}: sample gives {_tensor(found)}, expected a tensor {list(expected)}")
        return found

    module.loss, module.sample = checked_loss, checked_sample


def _tensor(found: Any) -> str:
    return f"{type(found).__name__} {list(found.shape)}" if hasattr(found, "shape") else type(found).__name__
