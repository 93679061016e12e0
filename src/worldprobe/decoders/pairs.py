"""Tokens from the store beside the frames that they are of, a clip at a time.

Frames are read from the video once, in order, and kept as bytes in a file of bounded size; tokens stay in the
store. Nothing here holds more than the clips it was asked for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from worldprobe.records import Block
from worldprobe.series import by_clock
from worldprobe.store import Series, Store

Tokens = NDArray[np.float16]
Pixels = NDArray[np.uint8]


class Source(Protocol):
    """What a decoder learns from."""

    @property
    def key(self) -> str:
        """Tells one source from another by its content."""
        ...

    @property
    def per_row(self) -> int:
        """Pairs that each row gives."""
        ...

    def read(self, row: int) -> tuple[Tokens, Pixels]:
        """Tokens float16 [k, h', w', d] and frames uint8 [k, frames, 3, H, W] of one row (a clip)."""
        ...


class FrameFile:
    """A file of clips' frames, uint8 [clips, tubelets, frames, 3, H, W].

    Read by position and not mapped: mapped pages would count as the process's memory.
    """

    def __init__(self, path: Path, shape: Sequence[int]) -> None:
        self.path, self.shape = path, tuple(shape)
        self._bytes = int(np.prod(self.shape[1:]))
        self._file: IO[bytes] | None = None

    def read(self, clip: int) -> Pixels:
        """uint8 [tubelets, frames, 3, H, W]."""
        if self._file is None:
            self._file = self.path.open("rb")
        found = os.pread(self._file.fileno(), self._bytes, clip * self._bytes)
        assert len(found) == self._bytes, f"{self.path} ends within clip {clip}"
        return np.frombuffer(found, dtype=np.uint8).reshape(self.shape[1:])


@dataclass(frozen=True, slots=True, eq=False)
class StoredPairs:
    """Rows are clips: tokens of some blocks side by side, and the frames of each tubelet.

    Attributes:
        clips: (series, clip) of each row, positions in ``series`` and in its clips.
        blocks: whose tokens stand side by side, in this order.
        frames: a row of the file for each clip, in the same order.
        every: only every so many tubelets of a clip are taken, as the file holds them.
    """

    store: Store
    series: Sequence[Series]
    clips: Sequence[tuple[int, int]]
    blocks: tuple[Block, ...]
    frames: FrameFile
    every: int = 1
    partner: tuple[int, ...] | None = None

    @property
    def key(self) -> str:
        paths = [one.path for one in self.series]
        facts = repr((paths, list(self.clips), self.blocks, self.frames.shape, self.every, self.partner))
        return hashlib.sha256(facts.encode()).hexdigest()

    @property
    def per_row(self) -> int:
        return self.frames.shape[1]

    @property
    def parts(self) -> int:
        """Blocks side by side in a token, as ``DecoderShape.parts``."""
        return len(self.blocks)

    def read(self, row: int) -> tuple[Tokens, Pixels]:
        """As ``Source.read``. Raises StoreError for damaged embeddings."""
        series, clip = self.clips[row if self.partner is None else self.partner[row]]
        one, tubelet = self.series[series], self.frames.shape[2]
        parts = [
            by_clock(self.store.clip(one, block, clip).values, one, tubelet=tubelet)[:: self.every]
            for block in self.blocks
        ]
        return np.concatenate(parts, axis=-1), self.frames.read(row)

    def mismatched(self, partner: Sequence[int]) -> StoredPairs:
        """The same frames, each beside the tokens of another row."""
        return replace(self, partner=tuple(partner))


@dataclass(frozen=True, slots=True, eq=False)
class Averaged:
    """The original protocol's pairs: a clip's tokens averaged over its time steps, and one frame of its middle.

    It drew frame 3 of 8 from what 4 time steps have in common (reference: the original write-up).
    """

    pairs: StoredPairs

    @property
    def key(self) -> str:
        return f"averaged {self.pairs.key}"

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.pairs.blocks

    @property
    def parts(self) -> int:
        return self.pairs.parts

    @property
    def per_row(self) -> int:
        return 1

    def read(self, row: int) -> tuple[Tokens, Pixels]:
        """One pair: float16 [1, h', w', d] and uint8 [1, 1, 3, H, W]."""
        tokens, frames = self.pairs.read(row)
        tubelets, each = frames.shape[:2]
        middle = (tubelets * each) // 2 - 1
        mean = tokens.astype(np.float32).mean(axis=0, keepdims=True).astype(np.float16)
        return mean, frames[middle // each, middle % each][None, None]
