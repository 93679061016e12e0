"""What to encode of each video, and where it goes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from worldprobe.encoders.load import class_tokens_of
from worldprobe.encoders.reductions import reduced
from worldprobe.errors import StoreError
from worldprobe.pipeline.encode.clips import Sampler, plan_sampled
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.pipeline.stored import whole_clips
from worldprobe.protocols import Encoder
from worldprobe.records import Block
from worldprobe.store import Input, Pool, Series, Store
from worldprobe.video.video import Video


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """Another encoder to make clips with in the same pass, its blocks, and whether its class tokens are kept."""

    encoder: Encoder
    blocks: Sequence[Block]
    classes: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class EncodeJob:
    """One encoder's part of an encode: ``encode`` says what each field means; ``beside`` are others' parts, of the
    same videos, each frame of which is decoded once for all."""

    encoder: Encoder
    store: Store
    blocks: tuple[Block, ...]
    frames: int
    input: Input
    pool: Pool
    sampler: Sampler
    strict: bool = False
    verify: bool = False
    progress: Progress = silent
    beside: tuple[EncodeJob, ...] = ()
    classes: bool = False

    @property
    def together(self) -> list[EncodeJob]:
        """This one and those beside it."""
        return [self, *self.beside]

    @property
    def stage(self) -> str:
        """The name that progress has for it: stills are encoded beside native clips, and apart from them."""
        others = "" if not self.beside else f" and {len(self.beside)} other" + "s" * (len(self.beside) > 1)
        return f"encode {self.encoder.name}{others}" + ("" if self.input == "native" else f", {self.input}")

    @property
    def outputs(self) -> list[Encoder]:
        """The encoders whose tokens one pass gives: this one, and that of its class tokens where they are kept."""
        return [self.encoder, *([class_tokens_of(self.encoder)] if self.classes else [])]

    def pending(self, video: Video) -> tuple[tuple[Series, ...], list[int], int]:
        """A series of a video for each of ``outputs``, positions of the clips that the store lacks in any of them,
        and how many wanted ones it holds."""
        specs, wanted = self.sampler(video)
        series, lacking = [], set[int]()
        for encoder in self.outputs:
            one = plan_sampled(video, specs, encoder, self.store, self.frames, self.input, self.pool)
            if self.verify:
                self.store.drop_damaged(one, self.blocks)
            self._reduce_stored(one, wanted)
            lacking.update(index for index in self.store.pending(one, self.blocks) if index in wanted)
            series.append(one)
        return tuple(series), sorted(lacking), len(wanted) - len(lacking)

    def _reduce_stored(self, series: Series, wanted: Collection[int]) -> None:
        """Store reductions of clips whose blocks are all stored, as encoding them again would.

        Of tokens that were averaged over space there is nothing to do: what is normed is not averaged before.
        """
        for one in self.blocks if self.pool == "none" else ():
            if isinstance(one, int):
                continue
            known = set(wanted).intersection(whole_clips(self.store, series, one.blocks))
            for index in sorted(known.difference(self.store.held(series, one))):
                try:
                    parts = {block: self.store.clip(series, block, index).values for block in one.blocks}
                except StoreError:  # a damaged clip is encoded anew
                    continue
                values = reduced(one, parts)
                self.store.create(series, [one], width=values.shape[-1])
                self.store.write(series, one, index, values)
