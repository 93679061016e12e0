"""What a plug-in has to offer. Nothing here needs to be inherited from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Protocol,
    Self,
    TypeGuard,
    TypeVar,
    runtime_checkable,
)

import numpy as np
from numpy.typing import NDArray

from worldprobe.records import Clip, DecoderShape, Labels, TokenGrid, VideoRef, View

if TYPE_CHECKING:
    import torch
    from torch import Tensor


Item = TypeVar("Item")
Value = TypeVar("Value")


class FrameSource(Protocol):
    """An open video, as labellers see it."""

    @property
    def ref(self) -> VideoRef: ...

    @property
    def pts_seconds(self) -> NDArray[np.float64]:
        """Presentation time of each frame in seconds, float64 [frames], increasing."""
        ...

    @property
    def shots(self) -> tuple[int, ...]:
        """The first frame of each shot, increasing, beginning with 0."""
        ...

    def frames(self, indices: Sequence[int] | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield (index, uint8 RGB [h, w, 3]) in increasing order; every frame when ``indices`` is None."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """A frozen encoder: video clips to tokens.

    Attributes:
        name: as on the command line.
        revision: changes whenever the output would: a hash of weights and options.
        blocks: number of transformer blocks; 1 for those that have none.
        tubelet: source frames that one token covers.
        status: "trained", "untrained" or "floor"; printed beside every score.

    It may also have ``twin``, the name of the same architecture untrained, and ``origin``, which JSON can hold
    (checkpoint, hashes of its files, options), which goes into what is stored and into ``provenance.json``. So do
    ``parameters``, how many its network has, and ``flop(frames)``, the operations of a clip's matrix products,
    multiplications and additions apart: ``worldprobe compare`` sets scores against them.
    """

    name: str
    revision: str
    blocks: int
    tubelet: int
    status: Literal["trained", "untrained", "floor"]

    def view(self, width: int, height: int) -> View:
        """What the model sees of a source frame of this size."""
        ...

    def preprocess(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Source frames uint8 RGB [n, h, w, 3] to model pixels uint8 [n, 3, h', w'], frame by frame."""
        ...

    def grid(self, frames: int) -> TokenGrid:
        """The token grid of a clip of this many frames. Raises ConfigError where it does not fit."""
        ...

    def encode(self, clips: Sequence[Clip], *, blocks: Sequence[int]) -> dict[int, NDArray[np.float16]]:
        """Tokens at the output of each requested block, float16 [b, t', h', w', d], in one pass."""
        ...


@runtime_checkable
class WithClassTokens(Encoder, Protocol):
    """An encoder of this package that gives class tokens in the pass that gives tokens.

    Attributes:
        classes: the encoder of the class tokens alone, whose grid is one cell; None where there are none.
    """

    classes: Encoder | None

    def encode_with_classes(
        self, clips: Sequence[Clip], *, blocks: Sequence[int]
    ) -> tuple[dict[int, NDArray[np.float16]], dict[int, NDArray[np.float16]]]:
        """What ``encode`` gives, and what that of ``classes`` does."""
        ...


@runtime_checkable
class Labeller(Protocol):
    """Finds things in a video. ``name`` stands in the labels' ``source`` column.

    It may also have attributes that are true (of its class, where it is one):

    - ``one_video_only``: it reads a file that speaks of one video. It is refused for several, takes a file for each
      by ``{stem}``, and all files are read before anything is encoded.
    - ``reads_files``: it reads what lies somewhere instead of looking at frames. A dry run takes it for free, and
      what it has of the first video is read before anything is encoded.
    - ``needs_truth``: it reads the truth beside rendered scenes, and is refused for other videos.
    """

    name: str

    def label(self, video: FrameSource) -> Labels: ...


class TrainingSet(Protocol):
    """The rows that a probe is fitted on, with one decomposition that all probes of a fold share."""

    @property
    def inputs(self) -> NDArray[np.float32]:
        """As they came: float32 [n, d]."""
        ...

    @property
    def unit(self) -> NDArray[np.int64]:
        """What the split keeps together, int64 [n]: whoever holds rows out to stop early holds out whole units."""
        ...

    @property
    def rotated(self) -> NDArray[np.float64]:
        """Standardised, centred, and turned to their principal axes: float64 [n, r].

        Nothing is lost, unless the run reduces features to so many principal components (``pca``).
        """
        ...

    @property
    def squares(self) -> NDArray[np.float64]:
        """Squared length of each column of ``rotated``, float64 [r], all positive."""
        ...

    def standardize(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Rows [m, d] less the training rows' mean, over their spread: float64 [m, d].

        Where the run reduces features, their principal components [m, r] over the spread of all of these together.
        """
        ...

    def rotate(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Other rows [m, d], standardised and turned as ``rotated``: float64 [m, r]."""
        ...

    def unrotate(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights [r, k] on ``rotated`` as weights [d, k] on standardised inputs."""
        ...

    def solve(self, target: NDArray[np.float64], strengths: Sequence[float]) -> list[NDArray[np.float64]]:
        """Ridge weights [d, k] on standardised inputs at each strength, for a centred target [n, k]."""
        ...

    def ridge(
        self, target: NDArray[np.float64], strengths: Sequence[float]
    ) -> Callable[[NDArray[np.float32]], list[NDArray[np.float64]]]:
        """Ridge at each strength for a centred target [n, k]: predicts other rows [m, d], float64 [m, k] each.

        What ``apply`` makes of the weights of ``solve``, for less: of fewer rows than columns no weights are made.
        """
        ...

    def apply(self, inputs: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Other rows [m, d], standardised, times weights [d, k]: float64 [m, k]."""
        ...


class Fitted(Protocol):
    """A probe fitted at one penalty."""

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Regression: values [n, k]. Classification: log-probabilities [n, classes]."""
        ...


@runtime_checkable
class Probe(Protocol):
    """A read-out of limited power. Its ``strengths`` are penalties, with infinity, which leaves a constant."""

    name: str
    kind: Literal["regression", "classification"]
    strengths: tuple[float, ...]

    def fit(
        self,
        training: TrainingSet,
        target: NDArray[np.float64],
        *,
        strength: float,
        classes: int,
        start: Fitted | None = None,
    ) -> Fitted:
        """Fit to a target [n, k] (class indices [n, 1] out of ``classes``; 0 for regression).

        ``start`` is what this probe gave on the same rows at a stronger penalty, to begin from.
        """
        ...


class Decoder(Protocol):
    """Draws frames from the tokens of a tubelet: a ``torch.nn.Module`` that the one training loop trains.

    Called as ``Decoder(argument, shape=DecoderShape, **options)``. One with a method
    ``prepare(source, rows)`` is given the training rows of a ``decoders.pairs.Source`` before the first step, one
    with ``calibrate(source, rows)`` validation rows after the last.

    Attributes:
        name: as on the command line; with ``shape`` and ``options`` it makes the same module again.
        options: what else it was made with, as JSON can hold it.
    """

    name: str
    shape: DecoderShape
    options: dict[str, Any]

    def loss(self, tokens: Tensor, frames: Tensor, *, generator: torch.Generator) -> Tensor:
        """What to make small: tokens float32 [n, h', w', d], frames float32 [n, frames, 3, H, W] in 0 to 1."""
        ...

    def sample(self, tokens: Tensor, *, generator: torch.Generator) -> Tensor:
        """Frames float32 [n, frames, 3, H, W] in 0 to 1, drawn with the generator where anything is left open."""
        ...

    # The rest is torch.nn.Module's.
    def parameters(self) -> Iterator[torch.nn.Parameter]: ...
    def state_dict(self) -> dict[str, Tensor]: ...
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...
    def to(self, device: str) -> Self: ...
    def eval(self) -> Self: ...
    def train(self, mode: bool = True) -> Self: ...


class FittedTokens(Protocol):
    """A token probe after its own choice."""

    def predict(self, tokens: NDArray[np.float16], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of these rows [m] of tokens [n, t, d]: values [m, k], or log-probabilities [m, classes]."""
        ...

    def choice(self) -> tuple[float, float]:
        """The penalty that was chosen on groups held out of the training rows, and its loss a row there."""
        ...


@runtime_checkable
class TokenProbe(Protocol):
    """A read-out of a tubelet's tokens as they are, which chooses its own penalty. ``reads`` is "tokens"."""

    name: str
    kind: Literal["regression", "classification"]
    reads: Literal["tokens"]

    def fit(
        self,
        tokens: NDArray[np.float16],
        target: NDArray[np.float64],
        *,
        unit: NDArray[np.int64],
        rows: NDArray[np.int64],
        classes: int,
        seed: int,
    ) -> FittedTokens:
        """Fit to these rows [m] of tokens [n, t, d], which may lie in a file, and of the target [n, k].

        ``unit`` [n] is what may not stand on both sides of whatever the probe holds out to choose on.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Outcome(Generic[Item, Value]):
    """What became of an item: a value, or the error that the function raised."""

    item: Item
    value: Value | None
    error: Exception | None

    def get(self) -> Value:
        """The value. Raises the error where there is one."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


@runtime_checkable
class Executor(Protocol):
    """Runs a function on items, here or elsewhere. Its workers encode.

    Attributes:
        name: as on the command line.
        workers: how many items are worked on at once.
        gpus: whether they have GPUs, whatever this machine has.

    It may also have ``terms``, which JSON can hold and ``provenance.json`` keeps, and attributes that are true:

    - ``labels_videos``: its workers label too, videos that they reach by their paths.
    - ``adds_sums``: they add up the sums of linear probes, from the store that this process uses.
    - ``fits_curves``: they work out code lengths and learning curves, likewise.
    - ``predicts_windows``: they predict windows of videos that they reach by their paths; tokens come back through
      the store that this process uses.
    - ``trains_decoders``: they train decoders; what ``execute.movable.Movable`` names goes there and comes home, by
      ``execute.movable.bring_home`` where they share the store with this process.
    - ``trains_apart``: each decoder is an item of its own, so that they train side by side; else all of a plan are
      one, whose frames are read once.
    - ``in_process``: it is this process, which encodes as it would without an executor.
    """

    name: str
    workers: int
    gpus: bool

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Outcome[Any, Any]]:
        """The outcome of each item, in the order in which they finish; one item's error never stops the others.

        The function and the items are pickled; arrays go through the store, not through here. A worker keeps what
        the function caches (a loaded model) from item to item.
        """
        ...

    def spent(self) -> float | None:
        """What the work since the last call cost, in dollars; None where it is free."""
        ...

    def close(self) -> None:
        """Let go of the workers."""
        ...


Ability = Literal[
    "labels_videos", "adds_sums", "fits_curves", "predicts_windows", "trains_decoders", "trains_apart", "in_process"
]


def able(executor: Executor | None, ability: Ability) -> TypeGuard[Executor]:
    """Ask an executor for an attribute that it need not have; False where there is none."""
    return getattr(executor, ability, False) is True
