"""What is stored of one video by one encoder: which clips, seen how, and where they lie in a store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import StoreError
from worldprobe.records import ClipSpec, TokenGrid, VideoRef, View

Pool = Literal["none", "space"]
Input = Literal["native", "still", "shuffled", "reversed"]
_FORMAT = 2
_LONGEST = 100


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """What is stored of one video by one encoder with one way of sampling: an array for each block.

    Attributes:
        video, specs: the video and its clips, all of the same length and stride.
        encoder, revision, status: the encoder's name, what its output depends on, and how it was made.
        twin: the name of the same architecture untrained, where there is one.
        input, pool: which frames the encoder saw, in which order (tokens lie where the video has them, whatever
            that was); tokens kept (``none``) or averaged over space (``space``).
        grid, view: of every clip.
        shots: the first frame of each of the video's shots; no clip crosses a cut.
        origin: the checkpoint, its files' hashes and the options that the embeddings were made with, as the encoder
            says; empty where it says nothing. It is no part of the key.
        network: its parameters, operations a clip and the numbers that it takes, as far as it tells
            (``encoders.network``). No part of the key either; nothing in what older versions stored.
    """

    video: VideoRef
    specs: tuple[ClipSpec, ...]
    encoder: str
    revision: str
    status: str
    twin: str | None
    input: Input
    pool: Pool
    grid: TokenGrid
    view: View
    shots: tuple[int, ...] = (0,)
    origin: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)

    @property
    def shot(self) -> NDArray[np.int64]:
        """Which shot each clip lies in, counted from 0."""
        starts = np.array([spec.start for spec in self.specs])
        return np.asarray(np.searchsorted(np.array(self.shots), starts, side="right") - 1, dtype=np.int64)

    @property
    def path(self) -> str:
        """Where it lies in the store; content only, so the same work has the same key anywhere."""
        starts = hashlib.sha256(repr([spec.start for spec in self.specs]).encode()).hexdigest()[:8]
        frames, stride = self.specs[0].frames, self.specs[0].stride
        sampling = f"{self.input}-{frames}x{stride}-{self.pool}-{starts}"
        return f"{self.video.id[:24]}/{folder_of(self.encoder)}{_safe(self.revision[:12])}/{sampling}"

    def attributes(self) -> dict[str, Any]:
        """As written to each array's metadata."""
        return {
            "format": _FORMAT,
            "video": asdict(self.video),
            "shots": list(self.shots),
            "clip": {
                "starts": [spec.start for spec in self.specs],
                "frames": self.specs[0].frames,
                "stride": self.specs[0].stride,
            },
            "encoder": self.encoder,
            "revision": self.revision,
            "status": self.status,
            "twin": self.twin,
            "input": self.input,
            "pool": self.pool,
            "grid": asdict(self.grid),
            "view": asdict(self.view),
            "origin": self.origin,
            "network": self.network,
        }

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> Series:
        """Read back what ``attributes`` wrote. Raises StoreError for another version's."""
        if (found := attributes.get("format")) != _FORMAT:
            raise StoreError(
                f"these embeddings are in format {found}, this version reads format {_FORMAT}. "
                "Encode into another store, or delete this one."
            )
        written = attributes["video"]
        lists = {name: tuple(written.get(name, ())) for name in ("notes", "episodes")}
        video = VideoRef(**{**written, **lists})
        clip = attributes["clip"]
        view = {key: tuple(value) for key, value in attributes["view"].items()}
        return cls(
            video=video,
            specs=tuple(ClipSpec(video, start, clip["frames"], clip["stride"]) for start in clip["starts"]),
            encoder=attributes["encoder"],
            revision=attributes["revision"],
            status=attributes["status"],
            twin=attributes["twin"],
            input=attributes["input"],
            pool=attributes["pool"],
            grid=TokenGrid(**attributes["grid"]),
            view=View(**view),
            shots=tuple(attributes["shots"]),
            origin=dict(attributes.get("origin", {})),
            network=dict(attributes.get("network", {})),
        )


def slug(name: str) -> str:
    """An encoder's name as one path segment."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")


def folder_of(encoder: str) -> str:
    """How the folders of an encoder begin, with its revision to follow: one path segment, another for each name.

    A slug alone would be nothing of a name in other letters than Latin ones, and too long a segment of a long name.
    """
    short = slug(encoder)
    if not short or len(short) > _LONGEST or not encoder.isascii() or not encoder.isprintable():
        known = hashlib.sha256(encoder.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        short = f"{short[:40]}-{known}".lstrip("-")
    return f"{short}@"


def _safe(revision: str) -> str:
    """A revision within a path segment, without what parts paths, which no hash holds."""
    return "".join(c if c.isprintable() and c not in "/\\" else "-" for c in revision)


def by_clock(values: NDArray[np.float16], series: Series, *, tubelet: int) -> NDArray[np.float16]:
    """A clip's tokens [t', ..., d] of a series, one for every ``tubelet`` frames.

    Where the series has another tubelet its tokens have to be pixels, whose frames are put together anew, none
    averaged; or flow, which is summed. Frames that fill no whole token at the end are left out.

    Raises:
        StoreError: another encoder, whose tokens cannot be taken apart.
    """
    own = series.grid.tubelet
    if own == tubelet:
        return values
    floor = series.encoder.rpartition(":")[2]
    if floor == "flow":
        whole = len(values) // tubelet
        pairs = values[: whole * tubelet].reshape(whole, tubelet, *values.shape[1:])
        return np.asarray(pairs.sum(axis=1, dtype=np.float32), dtype=np.float16)
    if floor != "pixels":
        raise StoreError(
            f"a token of {series.encoder} covers {own} frames, and one of the encoder that it is to stand beside "
            f"{tubelet}: leave the control out that reads it"
        )
    t, *space, width = values.shape
    frames = np.moveaxis(values.reshape(t, *space, own, width // own), -2, 1).reshape(t * own, *space, width // own)
    whole = len(frames) // tubelet
    tokens = frames[: whole * tubelet].reshape(whole, tubelet, *space, width // own)
    return np.moveaxis(tokens, 1, -2).reshape(whole, *space, tubelet * width // own)
