"""What to encode of each video, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass

from worldprobe.pipeline.encode.clips import Sampler, plan_sampled
from worldprobe.pipeline.progress import Progress, silent
from worldprobe.protocols import Encoder
from worldprobe.store import Input, Pool, Series, Store
from worldprobe.video.video import Video


@dataclass(frozen=True, slots=True, eq=False)
class EncodeJob:
    """One encoder's part of an encode: ``encode`` says what each field means; ``beside`` is another's, of the same
    clips, whose frames it sees alike: each is read once for both."""

    encoder: Encoder
    store: Store
    blocks: tuple[int, ...]
    frames: int
    input: Input
    pool: Pool
    sampler: Sampler
    strict: bool = False
    verify: bool = False
    progress: Progress = silent
    beside: EncodeJob | None = None

    @property
    def together(self) -> list[EncodeJob]:
        """This one and that beside it."""
        return [self, *([self.beside] if self.beside else [])]

    @property
    def stage(self) -> str:
        """The name that progress has for it: stills are encoded beside native clips, and apart from them."""
        return f"encode {self.encoder.name}" + ("" if self.input == "native" else f", {self.input}")

    def pending(self, video: Video) -> tuple[Series, list[int], int]:
        """The series of a video, positions of the clips that the store lacks, and how many wanted ones it holds."""
        specs, wanted = self.sampler(video)
        series = plan_sampled(video, specs, self.encoder, self.store, self.frames, self.input, self.pool)
        if self.verify:
            self.store.drop_damaged(series, self.blocks)
        pending = [index for index in self.store.pending(series, self.blocks) if index in wanted]
        return series, pending, len(wanted) - len(pending)
