"""Pictures that stages keep in a run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worldprobe.errors import VideoError, WorldprobeError
from worldprobe.io.files import replacing
from worldprobe.pipeline.sources import open_source
from worldprobe.protocols import Encoder
from worldprobe.records import ClipSpec
from worldprobe.store import Series

_QUALITY = 72

Pixels = NDArray[np.uint8]


def read_frames(series: Series, spec: ClipSpec) -> tuple[Pixels, tuple[float, ...]]:
    """All frames of a clip, uint8 [t, h, w, 3], and when each is shown."""
    with open_source(Path(series.video.path)) as video:
        if video.ref.id != series.video.id:
            raise VideoError(f"{series.video.path} is another film than when it was encoded. Encode it again.")
        read = dict(video.frames(sorted(set(spec.indices))))
        seconds = tuple(float(video.pts_seconds[index]) for index in spec.indices)
    return np.stack([read[index] for index in spec.indices]), seconds


def write_picture(picture: Image.Image, path: Path, kind: str) -> None:
    with replacing(path) as temporary:
        picture.save(temporary, format=kind, quality=_QUALITY)


def require_pictures(folder: Path) -> None:
    """Check that the pictures of a folder can be read. Raises WorldprobeError for the first that cannot."""
    for path in sorted(folder.glob("*.webp")):
        try:
            with Image.open(path) as picture:
                picture.load()
        except (OSError, SyntaxError) as error:  # as PIL says of some files that are none
            raise WorldprobeError(f"{path} is damaged: {error}. Run the stage that writes it again.") from error


def seen(path: Path, encoder: Encoder, frames: Sequence[int]) -> NDArray[np.uint8]:
    """Frames of a video as the model sees them, uint8 [n, h, w, 3], in the order asked for."""
    with open_source(path) as video:
        found = {index: encoder.preprocess(rgb[None])[0] for index, rgb in video.frames(sorted(set(frames)))}
    return np.stack([found[index].transpose(1, 2, 0) for index in frames])
