"""What stages hand to each other. Records know nothing of models or files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import LabelError
from worldprobe.geometry import TokenGrid, View
from worldprobe.io.names import short_names

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "Block",
    "Clip",
    "ClipSpec",
    "DecoderShape",
    "Embeddings",
    "Labels",
    "Reduction",
    "Tap",
    "TokenGrid",
    "VideoRef",
    "View",
    "reading_notes",
]

MOST_NAMED = 3
# By the names of polars' types.
LABEL_TYPES = {
    "video": "String", "frame": "Int64", "pts_seconds": "Float64", "object": "Int64", "class": "String",
    "x": "Float64", "y": "Float64", "w": "Float64", "h": "Float64", "confidence": "Float64", "source": "String",
}  # fmt: skip
LABEL_COLUMNS = tuple(LABEL_TYPES)


@dataclass(frozen=True, slots=True)
class VideoRef:
    """A video file, known by its content.

    Attributes:
        id: sha256 of the bytes, hexadecimal.
        path: where it was found.
        width, height: px as displayed: pixels square, rotation applied.
        frames: frames that can be read.
        rate: average frames per second.
        missing: frames that the file declares and does not hold (a truncated file).
        cut: whether the file ends too early and does not tell how many frames it lacks (``missing`` is 0 then).
        first_pts_seconds: the first frame's time on the file's own clock; all other times count from it.
        notes: what a user must know of how it is read, each as the rest of a sentence ("is displayed at 455 x 240
            px: its pixels are 64:45, not square.").
        episodes: what each of its shots is known by in whatever other video shows the same (a robot's episode, seen
            by several cameras), empty for one that no other shows; empty where no shot has such a name.
        reading: how its pictures become RGB, where that may not be as version 0.1 had it ("square pixels 455x240,
            fields parted"): embeddings of the same bytes differ by it.
    """

    id: str
    path: str
    width: int
    height: int
    frames: int
    rate: float
    missing: int = 0
    first_pts_seconds: float = 0.0
    notes: tuple[str, ...] = ()
    episodes: tuple[str, ...] = ()
    cut: bool = False
    reading: str = ""


def reading_notes(videos: Iterable[VideoRef]) -> tuple[str, ...]:
    """How videos were read, where a user must know of it: a sentence for all that it is true of."""
    refs = list({ref.id: ref for ref in videos}.values())
    names = short_names([ref.path for ref in refs])
    films: dict[str, list[str]] = {}
    for ref in refs:
        for note in ref.notes:
            films.setdefault(note.rstrip("."), []).append(names[ref.path])
    found = []
    for note, named in films.items():
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        found.append(f"{', '.join(named[:MOST_NAMED])}{more}: {note}.")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """T frames of a video: ``start, start + stride, ...``; a stride of 0 repeats one still frame."""

    video: VideoRef
    start: int
    frames: int
    stride: int

    def __post_init__(self) -> None:
        if self.start < 0 or self.frames < 1 or self.stride < 0:
            raise ValueError(f"not a clip: {self.start = }, {self.frames = }, {self.stride = }")
        if self.last >= self.video.frames:
            raise ValueError(f"clip ends at frame {self.last}, {self.video.path} has {self.video.frames}")

    @property
    def last(self) -> int:
        """The last source frame of the clip."""
        return self.start + (self.frames - 1) * self.stride

    @property
    def indices(self) -> tuple[int, ...]:
        """Source frame of each sampled frame."""
        return tuple(self.start + i * self.stride for i in range(self.frames))


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A clip's pixels as the model will see them: ``pixels`` uint8 [t, 3, h, w], ``pts_seconds`` float64 [t]."""

    spec: ClipSpec
    pts_seconds: NDArray[np.float64]
    view: View
    pixels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        expected = (self.spec.frames, 3, self.view.size[1], self.view.size[0])
        if self.pixels.shape != expected or self.pts_seconds.shape != expected[:1]:
            raise ValueError(f"{self.pixels.shape = }, {self.pts_seconds.shape = }, expected {expected}")


@dataclass(frozen=True, slots=True)
class Reduction:
    """Several blocks read as one, each token of each layer-normed first; prints as ``sum:8+9+10+11``.

    Attributes:
        kind: ``sum`` adds the blocks' tokens up, ``join`` sets them side by side along d.
        blocks: two or more indices, increasing.
    """

    kind: Literal["sum", "join"]
    blocks: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.kind}:{'+'.join(map(str, self.blocks))}"


# Where tokens are read: at a block, counted from 0, or at several of them as one.
Block: TypeAlias = int | Reduction


def in_order(blocks: Iterable[Block]) -> list[Block]:
    """Each block once, single ones first, increasing; reductions after them, sums before joins."""
    parts = {block: block.blocks if isinstance(block, Reduction) else (block,) for block in blocks}
    kinds = {block: "" if isinstance(block, int) else block.kind for block in parts}
    return sorted(parts, key=lambda one: (("", "sum", "join").index(kinds[one]), parts[one]))


def breadth(block: Block) -> int:
    """How many blocks' tokens stand side by side in one."""
    return len(block.blocks) if isinstance(block, Reduction) and block.kind == "join" else 1


def blocks_name(blocks: Sequence[Block]) -> str:
    """What tokens of these blocks side by side are called: ``block11``, ``block3+7``, ``sum8+9+10+11``."""
    single = [str(block) for block in blocks if isinstance(block, int)]
    several = [str(block).replace(":", "") for block in blocks if isinstance(block, Reduction)]
    return ",".join([*(["block" + "+".join(single)] if single else []), *several])


@dataclass(frozen=True, slots=True)
class Tap:
    """Where a representation is read; prints as ``vjepa2-tiny/block11.out``, or ``vjepa2-tiny/sum8+9+10+11.out``.

    Floors, which have no blocks, tap block 0.
    """

    encoder: str
    block: Block
    side: Literal["in", "out"] = "out"

    def __str__(self) -> str:
        return f"{self.encoder}/{blocks_name([self.block])}.{self.side}"


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """A clip's tokens at one tap: ``values`` float16 [t', h', w', d], or [t', d] when pooled over space."""

    spec: ClipSpec
    tap: Tap
    grid: TokenGrid
    view: View
    values: NDArray[np.float16]

    def __post_init__(self) -> None:
        shape = (self.grid.time, self.grid.height, self.grid.width)
        if self.values.shape[:-1] not in (shape, shape[:1]):
            raise ValueError(f"{self.values.shape = } does not fit {self.grid}")


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """What a decoder takes, and what it draws: the tokens of one tubelet to its frames.

    Attributes:
        grid: rows and columns of tokens, h' and w'.
        width: values of a token, d.
        size: height and width of the frames in px.
        frames: frames that one tubelet covers; 1 for one picture a clip.
        parts: how many taps of equal width stand side by side in a token; each is normalised by itself.
        norm: whether tokens are layer-normed first; floors, whose scale is their content, are not.
    """

    grid: tuple[int, int]
    width: int
    size: tuple[int, int]
    frames: int
    parts: int = 1
    norm: bool = True

    def __post_init__(self) -> None:
        if min(*self.grid, self.width, *self.size, self.frames, self.parts) < 1 or self.width % self.parts:
            raise ValueError(f"not a decoder's shape: {self}")


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """One row per video, frame and object, in source px and source frames; knows no encoder.

    Columns: ``video`` (VideoRef.id), ``frame``, ``pts_seconds``, ``object`` (track id, -1 unknown),
    ``class`` (empty where the labeller has none), ``x, y`` (centre), ``w, h``, ``confidence``,
    ``source`` (the labeller); further columns are kept (``vx, vy`` in px/s, robot state, ...).

    ``notes`` are what a user must know of how they were made, a sentence or two each; ``origin`` is what a result
    says of it: labeller, hashes of its weights, options.
    """

    table: pl.DataFrame
    notes: tuple[str, ...] = ()
    origin: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = getattr(self.table, "columns", None)
        if columns is None:
            raise LabelError(f"a labels table is a polars DataFrame, not a {type(self.table).__name__}")
        missing = [name for name in LABEL_COLUMNS if name not in columns]
        if missing:
            raise LabelError(f"a labels table needs the columns {', '.join(LABEL_COLUMNS)}; missing: {missing}")

    @classmethod
    def from_columns(cls, **columns: Any) -> Labels:
        """Build a table from columns (scalars are repeated), in the types of the file format."""
        import polars as pl

        types: dict[str, Any] = {name: getattr(pl, kind) for name, kind in LABEL_TYPES.items()}
        lengths = {len(c) for c in columns.values() if isinstance(c, list | np.ndarray)}
        assert len(lengths) <= 1, f"columns of different lengths: {lengths}"
        n = lengths.pop() if lengths else 1
        series = []
        for name, column in columns.items():
            values = list(column) if isinstance(column, list | np.ndarray) else [column] * n
            series.append(pl.Series(name, values, dtype=types.get(name), strict=False))
        return cls(pl.DataFrame(series))

    @classmethod
    def empty(cls) -> Labels:
        return cls.from_columns(**{name: [] for name in LABEL_COLUMNS})

    @classmethod
    def concat(cls, parts: list[Labels]) -> Labels:
        import polars as pl

        if not parts:
            return cls.empty()
        notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
        return cls(pl.concat([p.table for p in parts], how="diagonal"), notes)
